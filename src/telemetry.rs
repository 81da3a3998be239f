//! Logs and counters. Neither ever holds a secret: what is logged are ids.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};
use signet_pki::UnixTime;
use tracing_subscriber::filter::LevelFilter;

use crate::archive::Health;
use crate::config::raw::{LogFormat, LogLevel, RawLog};
use crate::events::Watcher;
use crate::latency::Latency;
use crate::permission::Meter;
use crate::policy::Policies;
use crate::revocation::Lists;
use crate::store::{AlarmCounts, StoreCounters};

/// Sends log lines to standard error. The only use of a process-wide setting, made by `main`.
pub fn start_logging(log: &RawLog) {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    // A second start in one process (tests) keeps the first's settings.
    let _ = match log.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    route: &'static str,
    status: u16,
}

/// What an OCSP answer says about a certificate, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum OcspOutcome {
    Good,
    Revoked,
    Unknown,
    Malformed,
    Unauthorized,
    TryLater,
    InternalError,
    Busy,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OcspLabels {
    outcome: OcspOutcome,
}

/// Counters of one service.
pub struct Metrics {
    registry: Registry,
    answers: Family<AnswerLabels, Counter>,
    crl_number: Gauge<u64, AtomicU64>,
    crl_entries: Gauge<u64, AtomicU64>,
    crl_age: Gauge,
    crl_behind: Gauge,
    crl_shards: Gauge,
    crl_oldest_shard: Gauge,
    displaced: Gauge,
    directory_failing: Gauge,
    directory_writes: Gauge<u64, AtomicU64>,
    commits: Gauge<u64, AtomicU64>,
    writes: Gauge<u64, AtomicU64>,
    archived: Gauge<u64, AtomicU64>,
    archive_failures: Gauge<u64, AtomicU64>,
    archive_overdue: Gauge,
    ocsp: Family<OcspLabels, Counter>,
    ocsp_remembered: Counter,
    ocsp_seconds: Histogram,
    subscribers: Gauge<u64, AtomicU64>,
    slowest: Gauge<u64, AtomicU64>,
    alarms_open: Gauge<u64, AtomicU64>,
    alarms_raised: Gauge<u64, AtomicU64>,
}

impl Metrics {
    pub fn new(latency: &Latency, policies: &Policies, authz: &Meter) -> Metrics {
        let mut registry = Registry::with_prefix("signet");
        let r = &mut registry;
        let answers = Family::<AnswerLabels, Counter>::default();
        r.register("answers", "Answers by route and status", answers.clone());
        let crl_number = gauge(r, "crl_number", "Number of the published CRL");
        let crl_entries = gauge(r, "crl_entries", "Entries of the published CRL");
        let crl_age = gauge(r, "crl_age_seconds", "Seconds since thisUpdate of the published CRL");
        let crl_behind = gauge(r, "crl_behind", "Whether a revocation is not on every list that has to carry it");
        let crl_shards = gauge(r, "crl_shards", "Published lists of shards");
        let help = "Seconds since thisUpdate of the oldest list of a shard";
        let crl_oldest_shard = gauge(r, "crl_oldest_shard_age_seconds", help);
        let help = "Whether issuing has stopped because the open database was rolled back or replaced";
        let displaced = gauge(r, "database_displaced", help);
        let help = "Whether the publication directory could not be written";
        let directory_failing = gauge(r, "publication_directory_failing", help);
        let help = "Times that the publication directory was brought up to date";
        let directory_writes = gauge(r, "publication_directory_writes", help);
        let commits = gauge(r, "store_commits_total", "Transactions, each with one flush to disk");
        let writes = gauge(r, "store_requests_total", "Writes that these transactions carried");
        let archived = gauge(r, "audit_archived_entries", "Audit entries that stand in the archive");
        let help = "Runs of the audit archive that failed since the start";
        let archive_failures = gauge(r, "audit_archive_failures_total", help);
        let help = "Seconds since the oldest segment that is not archived could have been";
        let archive_overdue = gauge(r, "audit_archive_overdue_seconds", help);
        let ocsp = Family::<OcspLabels, Counter>::default();
        let ocsp_remembered = Counter::default();
        let ocsp_seconds = Histogram::new(OCSP_SECONDS);
        r.register("ocsp_outcomes", "Certificates asked about, and requests refused", ocsp.clone());
        r.register("ocsp_cache_hits", "OCSP answers from memory", ocsp_remembered.clone());
        r.register("ocsp_seconds", "Time to an OCSP answer", ocsp_seconds.clone());
        let subscribers = gauge(r, "event_streams", "Open streams of events");
        let help = "Events that the slowest subscriber has not acknowledged, of those that acknowledge";
        let slowest = gauge(r, "event_acknowledgement_lag", help);
        let alarms_open = gauge(r, "alarms_open", "Alarms that no administrator has closed");
        let alarms_raised = gauge(r, "alarms_raised_total", "How often something happened that is an alarm");
        latency.register(&mut registry);
        authz.register(&mut registry);
        policies.register(&mut registry);
        Metrics {
            registry,
            answers,
            crl_number,
            crl_entries,
            crl_age,
            crl_behind,
            crl_shards,
            crl_oldest_shard,
            displaced,
            directory_failing,
            directory_writes,
            commits,
            writes,
            archived,
            archive_failures,
            archive_overdue,
            ocsp,
            ocsp_remembered,
            ocsp_seconds,
            subscribers,
            slowest,
            alarms_open,
            alarms_raised,
        }
    }

    /// Counts an answer. Routes are a fixed set, so that no caller can make new series.
    pub fn answered(&self, path: &str, status: u16) {
        let known = ROUTES.iter().copied().find(|route| path.starts_with(route));
        self.answers.get_or_create(&AnswerLabels { route: known.unwrap_or("other"), status }).inc();
    }

    /// As the store counts them; the last figures stay when it cannot be read.
    pub fn alarms_are(&self, counts: AlarmCounts) {
        self.alarms_open.set(counts.open);
        self.alarms_raised.set(counts.times);
    }

    pub fn database_displaced(&self, displaced: bool) {
        self.displaced.set(i64::from(displaced));
    }

    pub fn ocsp_said(&self, outcome: OcspOutcome) {
        self.ocsp.get_or_create(&OcspLabels { outcome }).inc();
    }

    pub fn ocsp_remembered(&self) {
        self.ocsp_remembered.inc();
    }

    /// To be given to [`ocsp_ends`](Self::ocsp_ends) with the answer.
    pub fn ocsp_begins(&self) -> Instant {
        Instant::now()
    }

    pub fn ocsp_ends(&self, began: Instant) {
        self.ocsp_seconds.observe(began.elapsed().as_secs_f64());
    }

    pub fn render(
        &self,
        publisher: &Lists,
        store: StoreCounters,
        archive: Option<Health>,
        watchers: &[Watcher],
        now: UnixTime,
    ) -> String {
        self.subscribers.set(watchers.iter().map(|w| w.streams as u64).sum());
        self.slowest.set(watchers.iter().filter_map(|w| w.lag).max().unwrap_or(0) as u64);
        self.commits.set(store.commits);
        self.writes.set(store.requests);
        if let Some(list) = publisher.current() {
            self.crl_number.set(list.number);
            self.crl_entries.set(list.entries);
            self.crl_age.set(now.since(list.this_update));
        }
        self.crl_behind.set(i64::from(publisher.is_behind()));
        let ages: Vec<i64> = publisher.all_shards().map(|(_, list)| now.since(list.this_update)).collect();
        self.crl_shards.set(ages.len() as i64);
        self.crl_oldest_shard.set(ages.into_iter().max().unwrap_or(0));
        let directory = publisher.directory();
        self.directory_failing.set(i64::from(directory.is_some_and(|d| d.failure().is_some())));
        self.directory_writes.set(directory.map_or(0, |d| d.writes()));
        if let Some(health) = archive {
            self.archived.set(health.archived);
            self.archive_failures.set(health.failures);
            self.archive_overdue.set(health.overdue(now));
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Bounds of buckets: from memory, with a signature, in a queue, too late.
const OCSP_SECONDS: [f64; 6] = [0.000_1, 0.000_3, 0.001, 0.01, 0.1, 1.0];

/// A new one, registered.
fn gauge<N, A>(registry: &mut Registry, name: &str, help: &str) -> Gauge<N, A>
where
    Gauge<N, A>: Metric + Clone + Default,
{
    let gauge = Gauge::<N, A>::default();
    registry.register(name, help, gauge.clone());
    gauge
}

const ROUTES: &[&str] = &[
    "/v1/enroll",
    "/v1/renew",
    "/v1/whoami",
    "/v1/admin",
    "/v1/trust",
    "/v1/events",
    "/v1/authz",
    "/crl",
    "/ca",
    "/ocsp",
    "/metrics",
    "/healthz",
    "/readyz",
];
