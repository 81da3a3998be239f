//! T31: the database is changed below the running service: restored in place, replaced, its log taken away. Nothing is issued
//! or vouched for from then on, it is said where operators look, and no later start accepts what is there.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use signet::store::Store;
use signet_api::ErrorCode;
use signet_pki::ocsp::{Status, Unsuccessful};

use crate::auditor::assert_clean;
use crate::daemon::Daemon;
use crate::support::installation::open_store;
use crate::support::ocsp::{about, fetch, id, now, post, read, refusal};
use crate::support::{Device, Installation, TestKey, TestService, code};

/// What `sqlite3 FROM '.backup TO'` does, and `.restore` in the other direction.
fn copy(from: &Path, to: &Path) {
    let source = Connection::open(from).unwrap();
    let mut target = Connection::open(to).unwrap();
    let work = Backup::new(&source, &mut target).unwrap();
    while work.step(-1).unwrap() != StepResult::Done {
        std::thread::yield_now();
    }
}

/// A service with a copy of its database from before `sensor-1` was revoked and the token of `sensor-2` was used.
struct Rewound {
    service: TestService,
    copy: PathBuf,
    revoked: Device,
    token: String,
}

impl Rewound {
    async fn new() -> Rewound {
        let service = TestService::start().await;
        let (revoked, token) = (service.device("sensor-1").await, service.token("sensor-2").await.token);
        let copy = service.installation.path("copy.db");
        self::copy(&service.installation.database(), &copy);
        service.revoke_device("sensor-1").await;
        service.enroll(&token, &TestKey::p256()).await.unwrap();
        Rewound { service, copy, revoked, token }
    }

    /// Nothing is issued, nothing is good, and everybody who asks is told that.
    async fn assert_stopped(&self, reason: &str) {
        let service = &self.service;
        assert_eq!(code(service.enroll(&self.token, &TestKey::p256()).await), ErrorCode::StoreUnavailable);
        assert_eq!(code(service.as_device(&self.revoked).whoami().await), ErrorCode::StoreUnavailable);
        let own = id(service, &self.revoked);
        for reply in
            [fetch(service, &about(&[&own], None)).await, post(service, &about(&[&own], Some(&[1; 16])).to_der()).await]
        {
            assert_eq!(refusal(service, &reply), Unsuccessful::TryLater);
        }
        let ready = service.local("/readyz").await;
        assert!(ready.status == 503 && ready.text().contains(&format!("database: {reason}")), "{}", ready.text());
        let metrics = service.local("/metrics").await.text().to_owned();
        assert!(metrics.contains("\nsignet_database_displaced 1\n"), "{metrics}");
        assert!(service.is_on_crl(self.revoked.serial()).await, "the list is that of before");
        assert_eq!(
            code(service.admin.get_json::<serde_json::Value>("/v1/admin/devices").await),
            ErrorCode::StoreUnavailable
        );
    }
}

async fn assert_refused(installation: Installation, reason: &str) -> Installation {
    let Err((installation, error)) = TestService::builder().try_start_in(installation).await else {
        panic!("it started")
    };
    assert!(error.to_string().contains(reason), "{error}");
    assert!(error.hint().contains("signetd restored"), "{}", error.hint());
    installation
}

fn certificates(database: &Path) -> u32 {
    let sql = "SELECT count(*) FROM certificate";
    Connection::open(database).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn t31_a_copy_restored_under_the_running_service_stops_it_at_once() {
    let rewound = Rewound::new().await;
    let service = &rewound.service;
    // An answer that is kept in memory must not outlive the truth either.
    let own = id(service, &rewound.revoked);
    let kept = fetch(service, &about(&[&own], None)).await;
    assert!(matches!(read(service, &kept).unwrap().about(&own, now(service)), Some(Status::Revoked { .. })));
    assert_eq!(service.local("/readyz").await.status, 200);
    copy(&rewound.copy, &service.installation.database());
    let before = certificates(&service.installation.database());
    rewound.assert_stopped("the database was rolled back while the service ran").await;
    let installation = rewound.service.stop().await;
    assert_eq!(certificates(&installation.database()), before, "nothing was issued into the copy");
    let installation = assert_refused(installation, "rolled back").await;
    installation.accept_restore(None).await;
    let service = TestService::builder().start_in(installation).await;
    service.device("sensor-3").await;
    assert_clean(&service.stop().await);
}

/// Writes come first here: no read has noticed anything.
#[tokio::test(flavor = "multi_thread")]
async fn t31_nothing_is_written_into_a_copy_that_was_restored_under_the_running_service() {
    let rewound = Rewound::new().await;
    let store = rewound.service.running.service.store.clone();
    copy(&rewound.copy, &rewound.service.installation.database());
    let error = store.health().await.unwrap_err();
    assert!(error.to_string().contains("rolled back while"), "{error}");
    rewound.assert_stopped("the database was rolled back while the service ran").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t31_a_file_that_was_moved_over_the_open_database_stops_the_service() {
    let rewound = Rewound::new().await;
    let database = rewound.service.installation.database();
    let written = certificates(&database);
    std::fs::rename(&rewound.copy, &database).unwrap();
    let waiting = rewound.service.create_tokens(&crate::support::order("sensor-3")).await;
    assert_eq!(code(waiting), ErrorCode::StoreUnavailable, "what went into the old file is lost");
    rewound.assert_stopped("another file was put in the place of the open database").await;
    let installation = rewound.service.stop().await;
    assert!(certificates(&database) < written, "this is the copy");
    let installation = assert_refused(installation, "rolled back or replaced").await;
    installation.accept_restore(None).await;
    assert_clean(&TestService::builder().start_in(installation).await.stop().await);
}

/// `cp`: the same file with other content, and the log of before.
#[tokio::test(flavor = "multi_thread")]
async fn t31_a_copy_that_was_written_into_the_open_file_stops_the_service() {
    let service = TestService::start().await;
    let known = service.device("sensor-1").await;
    let installation = service.stop().await;
    let (database, old) = (installation.database(), installation.path("old.db"));
    std::fs::copy(&database, &old).unwrap();
    let service = TestService::builder().start_in(installation).await;
    service.revoke_device("sensor-1").await;
    // A restart folds the log into the file: the revocation is there and nowhere else.
    let service = TestService::builder().start_in(service.stop().await).await;
    std::fs::copy(&old, &database).unwrap();
    assert_eq!(code(service.create_tokens(&crate::support::order("sensor-2")).await), ErrorCode::StoreUnavailable);
    let ready = service.local("/readyz").await;
    assert!(ready.status == 503 && ready.text().contains("database: another database was copied"), "{}", ready.text());
    assert_eq!(code(service.as_device(&known).whoami().await), ErrorCode::StoreUnavailable);
    let installation = assert_refused(service.stop().await, "rolled back or replaced").await;
    // Until the start that was refused has let go of the files.
    open_store(&database).close().await.unwrap();
    for tail in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{tail}", database.display()));
    }
    std::fs::copy(&old, &database).unwrap();
    installation.accept_restore(None).await;
    assert_clean(&TestService::builder().start_in(installation).await.stop().await);
}

/// Folding the log into the file is nothing that changes what it says, whichever process does it.
#[tokio::test(flavor = "multi_thread")]
async fn t31_a_checkpoint_by_another_program_stops_nobody() {
    let service = TestService::start().await;
    for n in 0..3 {
        service.device(&format!("sensor-{n}")).await;
        let other = Connection::open(service.installation.database()).unwrap();
        other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        assert_eq!(service.local("/readyz").await.status, 200);
    }
    assert_clean(&service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t31_a_database_that_was_taken_away_stops_the_service_and_comes_back_whole() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let (database, aside) = (service.installation.database(), service.installation.path("aside.db"));
    std::fs::rename(&database, &aside).unwrap();
    let ready = service.local("/readyz").await;
    assert!(ready.status == 503 && ready.text().contains("database: another file"), "{}", ready.text());
    assert_eq!(code(service.create_tokens(&crate::support::order("sensor-2")).await), ErrorCode::StoreUnavailable);
    let installation = service.stop().await;
    std::fs::rename(&aside, &database).unwrap();
    let service = TestService::builder().start_in(installation).await;
    service.as_device(&device).whoami().await.unwrap();
    assert_clean(&service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t31_a_write_ahead_log_that_was_removed_stops_the_service_and_nothing_is_lost() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    std::fs::remove_file(format!("{}-wal", service.installation.database().display())).unwrap();
    assert_eq!(code(service.create_tokens(&crate::support::order("sensor-2")).await), ErrorCode::StoreUnavailable);
    let ready = service.local("/readyz").await;
    assert!(ready.status == 503 && ready.text().contains("database: the write-ahead log"), "{}", ready.text());
    let service = TestService::builder().start_in(service.stop().await).await;
    service.as_device(&device).whoami().await.unwrap();
    assert_clean(&service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t31_a_copy_that_lacks_nothing_stops_nobody() {
    let service = TestService::start().await;
    let path = service.installation.path("copy.db");
    copy(&service.installation.database(), &path);
    copy(&path, &service.installation.database());
    service.device("sensor-1").await;
    assert_eq!(service.local("/readyz").await.status, 200);
    assert!(service.local("/metrics").await.text().contains("\nsignet_database_displaced 0\n"));
    assert_clean(&service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t31_the_guard_does_not_move_over_a_place_that_the_database_does_not_have() {
    let service = TestService::start().await;
    service.device("sensor-1").await;
    let config = service.installation.config();
    let path = config.path(&config.raw.store.anchor);
    let elsewhere = format!("{{\"sequence\":1,\"leaf_hash\":\"{}\"}}", "ab".repeat(32));
    std::fs::write(&path, &elsewhere).unwrap();
    config.anchor().advance(service.running.service.store.as_ref(), &mut None).await.unwrap_err();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), elsewhere);
    assert_eq!(code(service.create_tokens(&crate::support::order("sensor-2")).await), ErrorCode::StoreUnavailable);
    let ready = service.local("/readyz").await.text().to_owned();
    assert!(ready.contains("database: the rollback guard names"), "{ready}");
    assert_refused(service.stop().await, "rolled back or replaced").await;
}

/// The process finds it by itself, without a request, says so once, and what was committed last counts at the next start:
/// also what came after the guard was moved.
#[tokio::test(flavor = "multi_thread")]
async fn t31_the_real_program_notices_without_being_asked() {
    let installation = Installation::new().await;
    let daemon = Daemon::start(&installation);
    let copy = installation.path("copy.db");
    self::copy(&installation.database(), &copy);
    let admin = crate::support::client(daemon.tls, &installation.root(), Some(installation.administrator()));
    admin.post_json::<_, serde_json::Value>("/v1/admin/tokens", &crate::support::order("sensor-1")).await.unwrap();
    self::copy(&copy, &installation.database());
    daemon.wait_for("issuing has stopped");
    daemon.terminate();
    let (status, log) = daemon.ended();
    assert!(status.success() && log.matches("issuing has stopped").count() == 1, "{status}:\n{log}");
    let refused = Daemon::refused(&installation);
    assert!(refused.contains("rolled back") && refused.contains("signetd restored"), "{refused}");
}
