//! The archive of the audit log: whatever fails between the file, the record and the removal, no entry is lost, none is there
//! twice, and nothing of anybody else's is touched.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use signet::archive::{Archive, ArchiveError, Worked};
use signet::audit::segment::SegmentName;
use signet::store::{AuditDraft, Prune, Store};
use signet_api::admin::{AuditArchive, AuditQuery, AuditVerdict};
use signet_pki::UnixTime;

use crate::auditor::{assert_clean, violations};
use crate::disk::Small;
use crate::faulty::{Fault, FaultyStore};
use crate::support::{Installation, TestService};

const DAY: i64 = 86_400;
const SETTINGS: &str = "[audit]\narchive_directory = \"archive\"\nkeep_days = 30\nsegment_entries = 20\n";

struct Bench {
    service: TestService,
    faulty: Arc<FaultyStore>,
    /// Seconds by which the archive is ahead of the service; what archiving writes grows old as well.
    ahead: AtomicI64,
}

impl Bench {
    /// Until a call of `verb` made the archive's work fail, and not somebody else's. What failed.
    async fn fails_by_name(&self, verb: &'static str, fault: Fault) -> Vec<&'static str> {
        for _ in 0..50 {
            self.entries(20).await;
            let service = &self.service.running.service;
            let head = *service.store.audit_head().borrow();
            while service.hub.position() < head {
                tokio::task::yield_now().await;
            }
            self.faulty.fail_next(verb, fault);
            let outcome = self.work().await;
            let failed = self.faulty.recover();
            self.assert_clean();
            if outcome.is_err() {
                return failed;
            }
        }
        Vec::new()
    }

    /// Started with its archive at rest: housekeeping has had its first look, and looks again after minutes of a clock that
    /// stands still.
    async fn start() -> Bench {
        let installation = Installation::new().await;
        fs::create_dir(installation.path("server/archive")).unwrap();
        installation.append_toml(SETTINGS);
        Bench::start_in(installation, 0).await
    }

    async fn start_in(installation: Installation, ahead: i64) -> Bench {
        let slot = Arc::new(OnceLock::new());
        let kept = slot.clone();
        let builder = TestService::builder().store(move |inner| {
            let faulty = FaultyStore::around(inner);
            assert!(kept.set(faulty.clone()).is_ok());
            faulty
        });
        let service = builder.start_in(installation).await;
        Bench { service, faulty: slot.get().unwrap().clone(), ahead: ahead.into() }
    }

    fn archive(&self) -> &Archive {
        self.service.running.service.archive.as_ref().unwrap()
    }

    fn store(&self) -> &dyn Store {
        self.service.running.service.store.as_ref()
    }

    fn directory(&self) -> PathBuf {
        self.service.installation.path("server/archive")
    }

    fn now(&self) -> UnixTime {
        self.service.running.service.clock.now()
    }

    async fn entries(&self, count: usize) {
        for n in 0..count {
            let draft = AuditDraft {
                kind: "alarm.test",
                actor: "signetd".into(),
                subject: format!("subject-{n}"),
                request_id: "test".into(),
                detail: serde_json::json!({}),
                at: self.now(),
            };
            self.store().alarm(None, draft).await.unwrap();
        }
    }

    /// At a time when everything that was written until now is old enough.
    async fn work(&self) -> Result<Worked, ArchiveError> {
        let ahead = self.ahead.fetch_add(31 * DAY, Ordering::SeqCst) + 31 * DAY;
        self.archive().work(self.now().plus(ahead), "test").await
    }

    /// Everything before this call is done, and nothing from it on.
    async fn stops_at(&self, verb: &'static str) {
        self.faulty.fail_next(verb, Fault::Lost);
        self.work().await.unwrap_err();
        assert_eq!(self.faulty.recover(), [verb]);
    }

    async fn first_in_database(&self) -> u64 {
        let query = AuditQuery { after: Some(0), limit: Some(1), ..AuditQuery::default() };
        self.store().audit(query).await.unwrap()[0].sequence
    }

    fn files(&self) -> Vec<String> {
        names(&self.directory())
    }

    fn assert_clean(&self) {
        let found = violations(&self.service.installation, &self.service.installation.database());
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

fn names(directory: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

fn name(first: u64, last: u64) -> SegmentName {
    SegmentName { first, last }
}

#[tokio::test(flavor = "multi_thread")]
async fn old_entries_move_into_files_and_the_log_stays_whole() {
    let bench = Bench::start().await;
    let device = bench.service.device("sensor-1").await;
    bench.service.as_device(&device).whoami().await.unwrap();
    bench.entries(45).await;
    // Nothing is old enough yet.
    let young = bench.archive().work(bench.now().plus(29 * DAY), "test").await.unwrap();
    assert_eq!((young, bench.files().len()), (Worked::default(), 0));
    let worked = bench.work().await.unwrap();
    assert_eq!(worked, Worked { segments: 2, removed: 40 });
    assert_eq!(bench.first_in_database().await, 41);
    let issuer = format!("issuer-{}.pem", bench.service.issuer.short_id());
    let (one, two) = (name(1, 20), name(21, 40));
    assert_eq!(bench.files(), [one.checkpoint(), one.file(), two.checkpoint(), two.file(), issuer]);
    assert_eq!(bench.work().await.unwrap(), Worked::default());
    bench.assert_clean();
    // The service checks the rest, and tells where it begins.
    let verdict: AuditVerdict = bench.service.admin.get_json("/v1/admin/audit/verify").await.unwrap();
    assert!(verdict.intact && verdict.archived == 40 && verdict.entries > 45, "{verdict:?}");
    let told: AuditArchive = bench.service.admin.get_json("/v1/admin/audit/archive").await.unwrap();
    assert_eq!(told.segments.iter().map(|s| (s.first, s.last)).collect::<Vec<_>>(), [(1, 20), (21, 40)]);
    assert_eq!((told.problem, told.overdue_seconds, told.next), (None, 0, None));
    assert_eq!(told.segments[1].last_hash, verdict.anchor);
    let page: AuditArchive = bench.service.admin.get_json("/v1/admin/audit/archive?after=20&limit=1").await.unwrap();
    assert_eq!((page.segments[0].first, page.next.as_deref()), (21, Some("40")));
    let metrics = bench.service.local("/metrics").await;
    assert!(metrics.text().contains("signet_audit_archived_entries 40\n"), "{}", metrics.text());
    // It lives on, also over a restart.
    let installation = bench.service.stop().await;
    assert_clean(&installation);
    let bench = Bench::start_in(installation, 1000 * DAY).await;
    bench.entries(20).await;
    // A start has entries of its own.
    let worked = bench.work().await.unwrap();
    assert!(worked.segments >= 1 && worked.removed == 20 * worked.segments, "{worked:?}");
    assert_clean(&bench.service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_the_archive_may_fail_once_in_both_ways() {
    for fault in [Fault::Lost, Fault::DoneButReported] {
        let bench = Bench::start().await;
        let mut verbs = Vec::new();
        for nth in 1.. {
            bench.entries(20).await;
            bench.faulty.fail_at(nth, fault);
            let outcome = bench.work().await;
            let failed = bench.faulty.recover();
            // Cut here: the database and the files that a crash would leave are a whole log together.
            bench.assert_clean();
            if failed.is_empty() {
                assert!(outcome.unwrap().segments >= 1);
                break;
            }
            // The schedule reads the log as well, to move its mark, and may have been the one who failed.
            if outcome.is_err() {
                verbs.extend(failed);
            }
        }
        // Whoever follows the events reads the log as well, at any time; so its reads are not counted, and fail by name.
        for verb in ["audit", "prune_audit"] {
            verbs.extend(bench.fails_by_name(verb, fault).await);
        }
        bench.work().await.unwrap();
        for verb in ["audit", "audit_segments", "last_audit_segment", "record_audit_segment", "prune_audit"] {
            assert!(verbs.contains(&verb), "{fault:?}: {verb} never failed: {verbs:?}");
        }
        // Every entry is in one place, and the files lie end to end.
        let segments: Vec<_> = bench.files().iter().filter_map(|file| SegmentName::parse(file)).collect();
        assert!(segments.len() > 5 && segments[0].first == 1);
        assert!(segments.windows(2).all(|pair| pair[0].last + 1 == pair[1].first), "{segments:?}");
        assert_eq!(bench.first_in_database().await, segments.last().unwrap().last + 1);
        assert_clean(&bench.service.stop().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_stopped_half_way_is_finished_first() {
    let bench = Bench::start().await;
    bench.entries(40).await;
    bench.stops_at("prune_audit").await;
    bench.store().prune_audit(u64::MAX, 7).await.unwrap();
    bench.assert_clean();
    let verdict: AuditVerdict = bench.service.admin.get_json("/v1/admin/audit/verify").await.unwrap();
    assert!(verdict.intact, "{verdict:?}");
    let first = bench.first_in_database().await;
    assert!(first > 1 && first <= 20, "{first}");
    bench.work().await.unwrap();
    assert!(bench.first_in_database().await > 40);
    assert_clean(&bench.service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_not_recorded_is_taken_as_it_is_also_after_a_change_of_the_settings() {
    let bench = Bench::start().await;
    bench.entries(60).await;
    bench.stops_at("record_audit_segment").await;
    let before = fs::read(bench.directory().join(name(1, 20).file())).unwrap();
    let installation = bench.service.stop().await;
    installation.replace_toml("segment_entries = 20", "segment_entries = 25");
    let bench = Bench::start_in(installation, 1000 * DAY).await;
    assert_eq!(bench.work().await.unwrap().removed, 45);
    assert_eq!(fs::read(bench.directory().join(name(1, 20).file())).unwrap(), before);
    assert!(bench.directory().join(name(21, 45).file()).exists());
    assert_clean(&bench.service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_file_is_neither_overwritten_nor_believed() {
    let bench = Bench::start().await;
    bench.entries(40).await;
    let issuer = format!("issuer-{}.pem", bench.service.issuer.short_id());
    let in_the_way = [name(1, 20).file(), name(1, 20).checkpoint(), issuer, name(1, 9_999).file()];
    for file in in_the_way {
        let path = bench.directory().join(&file);
        fs::write(&path, "somebody else's").unwrap();
        let error = bench.work().await.unwrap_err();
        assert!(matches!(error, ArchiveError::Foreign { .. }), "{file}: {error}");
        assert_eq!(fs::read(&path).unwrap(), b"somebody else's");
        assert_eq!(bench.first_in_database().await, 1);
        let told: AuditArchive = bench.service.admin.get_json("/v1/admin/audit/archive").await.unwrap();
        assert!(told.problem.is_some_and(|problem| problem.contains(&file)));
        for made in bench.files() {
            fs::remove_file(bench.directory().join(made)).unwrap();
        }
    }
    assert_eq!(bench.work().await.unwrap().segments, 2);
    assert_clean(&bench.service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_stay_when_their_file_is_gone_or_another() {
    let bench = Bench::start().await;
    bench.entries(20).await;
    bench.stops_at("prune_audit").await;
    let path = bench.directory().join(name(1, 20).file());
    let good = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(matches!(bench.work().await, Err(ArchiveError::Lost { .. })));
    fs::write(&path, &good[1..]).unwrap();
    assert!(matches!(bench.work().await, Err(ArchiveError::Lost { .. })));
    assert_eq!(bench.first_in_database().await, 1);
    fs::write(&path, good).unwrap();
    assert_eq!(bench.work().await.unwrap().removed, 20);
    assert_clean(&bench.service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_whole_is_not_archived() {
    let bench = Bench::start().await;
    bench.entries(40).await;
    let outside = rusqlite::Connection::open(bench.service.installation.database()).unwrap();
    let damage = "UPDATE audit SET canonical = replace(canonical, 'subject-', 'Subject-') WHERE sequence = 15";
    assert_eq!(outside.execute(damage, []).unwrap(), 1);
    let error = bench.work().await.unwrap_err();
    assert!(matches!(error, ArchiveError::Broken(broken) if broken.0 == 15), "{error}");
    assert_eq!((bench.files().len(), bench.first_in_database().await), (0, 1));
    assert_eq!(outside.execute("DELETE FROM audit WHERE sequence = 15", []).unwrap(), 1);
    assert!(matches!(bench.work().await, Err(ArchiveError::Broken(broken)) if broken.0 == 15));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_ahead_for_a_while_does_not_stop_the_archive() {
    let bench = Bench::start().await;
    bench.entries(5).await;
    bench.service.clock().advance(3650 * DAY);
    bench.entries(5).await;
    bench.service.clock().advance(-3650 * DAY);
    bench.entries(30).await;
    let worked = bench.archive().work(bench.now().plus(31 * DAY), "test").await.unwrap();
    assert_eq!(worked.segments, 2);
    assert_clean(&bench.service.stop().await);
}

/// Told by log, metric and `ca doctor`, and by nothing that stops a device.
async fn is_told_and_harms_nobody(bench: &Bench) {
    bench.work().await.unwrap_err();
    let told: AuditArchive = bench.service.admin.get_json("/v1/admin/audit/archive").await.unwrap();
    assert!(told.problem.is_some(), "{told:?}");
    let metrics = bench.service.local("/metrics").await;
    let failures = metrics.text().lines().find_map(|l| l.strip_prefix("signet_audit_archive_failures_total "));
    assert!(failures.is_some_and(|n| n.parse::<u64>().unwrap() > 0), "{}", metrics.text());
    assert_eq!(bench.service.local("/readyz").await.status, 200);
    assert_eq!(bench.first_in_database().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_gone_harms_nobody() {
    let bench = Bench::start().await;
    bench.entries(40).await;
    fs::rename(bench.directory(), bench.service.installation.path("server/away")).unwrap();
    is_told_and_harms_nobody(&bench).await;
    bench.service.device("sensor-1").await;
    fs::rename(bench.service.installation.path("server/away"), bench.directory()).unwrap();
    assert_eq!(bench.work().await.unwrap().segments, 2);
    let told: AuditArchive = bench.service.admin.get_json("/v1/admin/audit/archive").await.unwrap();
    assert_eq!(told.problem, None);
    assert_clean(&bench.service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_below_the_archive_harms_nobody() {
    let bench = Bench::start().await;
    bench.entries(40).await;
    fs::remove_dir(bench.directory()).unwrap();
    let Some(small) = Small::mount(bench.directory()) else {
        println!("mounting is not permitted here: a_directory_that_is_gone_harms_nobody stands in for this test");
        return;
    };
    let filler = small.fill();
    is_told_and_harms_nobody(&bench).await;
    bench.service.device("sensor-1").await;
    // Nothing half-written is left behind.
    assert_eq!(bench.files(), ["filler"]);
    fs::remove_file(filler).unwrap();
    assert_eq!(bench.work().await.unwrap().segments, 2);
    bench.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn housekeeping_archives_by_the_clock_and_issuance_goes_on() {
    let bench = Bench::start().await;
    bench.entries(40).await;
    bench.service.clock().advance(31 * DAY);
    // The schedule looks every few seconds of real time, and works by the clock of the service.
    while bench.archive().status().health().archived < 40 || bench.first_in_database().await <= 40 {
        tokio::task::yield_now().await;
    }
    // Retention and archive do not know each other.
    let end = bench.now();
    let order =
        Prune { certificates_before: end, revocations_before: end, tokens_before: end, alarms_before: end, limit: 100 };
    bench.store().prune(order).await.unwrap();
    assert_clean(&bench.service.stop().await);
}
