//! Logs and counters. Neither ever holds a secret: what is logged are ids.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use signet_pki::UnixTime;
use tracing_subscriber::filter::LevelFilter;

use crate::config::raw::{LogFormat, LogLevel, RawLog};
use crate::events::Watcher;
use crate::latency::Latency;
use crate::revocation::Published;
use crate::store::StoreCounters;

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

/// Counters of one service.
pub struct Metrics {
    registry: Registry,
    answers: Family<AnswerLabels, Counter>,
    crl_number: Gauge<u64, AtomicU64>,
    crl_entries: Gauge<u64, AtomicU64>,
    crl_age: Gauge,
    commits: Gauge<u64, AtomicU64>,
    writes: Gauge<u64, AtomicU64>,
    subscribers: Gauge<u64, AtomicU64>,
    slowest: Gauge<u64, AtomicU64>,
}

impl Metrics {
    pub fn new(latency: &Latency) -> Metrics {
        let mut registry = Registry::with_prefix("signet");
        let answers = Family::<AnswerLabels, Counter>::default();
        let crl_number = Gauge::<u64, AtomicU64>::default();
        let crl_entries = Gauge::<u64, AtomicU64>::default();
        let crl_age = Gauge::default();
        registry.register("answers", "Answers by route and status", answers.clone());
        registry.register("crl_number", "Number of the published CRL", crl_number.clone());
        registry.register("crl_entries", "Entries of the published CRL", crl_entries.clone());
        registry.register("crl_age_seconds", "Seconds since thisUpdate of the published CRL", crl_age.clone());
        let commits = Gauge::<u64, AtomicU64>::default();
        let writes = Gauge::<u64, AtomicU64>::default();
        registry.register("store_commits_total", "Transactions, each with one flush to disk", commits.clone());
        registry.register("store_requests_total", "Writes that these transactions carried", writes.clone());
        let subscribers = Gauge::<u64, AtomicU64>::default();
        let slowest = Gauge::<u64, AtomicU64>::default();
        registry.register("event_streams", "Open streams of events", subscribers.clone());
        let help = "Events that the slowest subscriber has not acknowledged, of those that acknowledge";
        registry.register("event_acknowledgement_lag", help, slowest.clone());
        latency.register(&mut registry);
        Metrics { registry, answers, crl_number, crl_entries, crl_age, commits, writes, subscribers, slowest }
    }

    /// Counts an answer. Routes are a fixed set, so that no caller can make new series.
    pub fn answered(&self, path: &str, status: u16) {
        let known = ROUTES.iter().copied().find(|route| path.starts_with(route));
        self.answers.get_or_create(&AnswerLabels { route: known.unwrap_or("other"), status }).inc();
    }

    pub fn render(
        &self,
        list: Option<&Published>,
        store: StoreCounters,
        watchers: &[Watcher],
        now: UnixTime,
    ) -> String {
        self.subscribers.set(watchers.iter().map(|w| w.streams as u64).sum());
        self.slowest.set(watchers.iter().filter_map(|w| w.lag).max().unwrap_or(0) as u64);
        self.commits.set(store.commits);
        self.writes.set(store.requests);
        if let Some(list) = list {
            self.crl_number.set(list.number);
            self.crl_entries.set(list.entries);
            self.crl_age.set(now.since(list.this_update));
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

const ROUTES: &[&str] = &[
    "/v1/enroll",
    "/v1/renew",
    "/v1/whoami",
    "/v1/admin",
    "/v1/trust",
    "/v1/events",
    "/crl",
    "/ca",
    "/metrics",
    "/healthz",
    "/readyz",
];
