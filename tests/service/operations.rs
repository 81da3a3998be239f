//! What the operator relies on: one process to a database, no implicit schema, honest health, separate listeners.

use signet::store::sqlite::{OpenError, SqliteStore, migrate};
use signet_api::ErrorCode;
use signet_api::admin::{DeviceInfo, Page};

use crate::support::{Installation, Protocol, TestKey, TestService, code, order, wire};

#[tokio::test(flavor = "multi_thread")]
async fn t33_a_second_process_on_the_same_database_is_refused() {
    let service = TestService::start().await;
    let second = SqliteStore::open(&service.installation.database()).err().unwrap();
    assert!(matches!(second, OpenError::InUse(_)));
    assert!(second.to_string().contains("in use by another process") && second.hint().contains("stop the other"));
    assert!(matches!(migrate(&service.installation.database()), Err(OpenError::InUse(_))));
    service.device("sensor-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_program_is_refused_and_left_as_it_is() {
    let installation = Installation::new().await;
    let path = installation.database();
    let database = rusqlite::Connection::open(&path).unwrap();
    database.pragma_update(None, "user_version", 9999).unwrap();
    database.pragma_update(None, "journal_mode", "DELETE").unwrap();
    drop(database);
    let before = std::fs::read(&path).unwrap();
    let refused = settled(|| SqliteStore::open(&path)).err().unwrap();
    assert!(matches!(refused, OpenError::Newer { found: 9999, .. }), "{refused}");
    assert!(refused.hint().contains("nothing was changed"));
    assert!(matches!(settled(|| migrate(&path)), Err(OpenError::Newer { .. })));
    let reopened = rusqlite::Connection::open(&path).unwrap();
    let version: u32 = reopened.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 9999);
    drop(reopened);
    assert!(!path.with_file_name("signet.db-wal").exists(), "nothing was written");
    // The header records the journal mode; everything else is as it was.
    let after = std::fs::read(&path).unwrap();
    assert_eq!((after.len(), &after[100..]), (before.len(), &before[100..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_missing_or_no_database_of_ours_is_not_touched() {
    let installation = Installation::new().await;
    let missing = installation.path("server/other.db");
    assert!(matches!(settled(|| SqliteStore::open(&missing)), Err(OpenError::Missing(_))));
    assert!(!missing.exists(), "a database is made by a command only");
    let text = installation.path("server/notes.txt");
    std::fs::write(&text, "these are my notes, and they are longer than one line of a database header: keep them")
        .unwrap();
    let foreign = installation.path("server/foreign.db");
    rusqlite::Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE mine (a); INSERT INTO mine VALUES (1)")
        .unwrap();
    for path in [&text, &foreign] {
        let before = std::fs::read(path).unwrap();
        assert!(matches!(settled(|| SqliteStore::open(path)), Err(OpenError::NotOurs(_))), "{}", path.display());
        assert!(matches!(settled(|| migrate(path)), Err(OpenError::NotOurs(_))), "{}", path.display());
        assert_eq!(std::fs::read(path).unwrap().len(), before.len());
    }
    let kept: i64 =
        rusqlite::Connection::open(&foreign).unwrap().query_row("SELECT a FROM mine", [], |r| r.get(0)).unwrap();
    assert_eq!(kept, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_store_the_answer_is_503_and_lists_go_on() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let token = service.token("sensor-2").await.token;
    service.running.service.store.close().await.unwrap();
    let reply = service.post_csr(&token, &TestKey::p256().csr_der()).await;
    assert_eq!(reply.problem().code, ErrorCode::StoreUnavailable);
    assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(code(service.as_device(&device).whoami().await), ErrorCode::StoreUnavailable);
    assert_eq!(code(service.renew(&device).await.map(|_| ())), ErrorCode::StoreUnavailable);
    assert_eq!(
        code(service.admin.get_json::<Page<DeviceInfo>>("/v1/admin/devices").await),
        ErrorCode::StoreUnavailable
    );
    assert_eq!(code(service.create_tokens(&order("sensor-3")).await), ErrorCode::StoreUnavailable);
    let detail = reply.text();
    for internal in ["sqlite", "SQLite", "closed", "signet.db"] {
        assert!(!detail.contains(internal), "{detail}");
    }
    assert_eq!(service.local("/healthz").await.status, 200);
    let ready = service.local("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("store: "), "{}", ready.text());
    service.crl().await;
    assert_eq!(service.send("GET", "/v1/trust/roots.pem", &[], b"").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_says_what_is_missing() {
    let service = TestService::start().await;
    let ready = service.local("/readyz").await;
    assert_eq!((ready.status, ready.text()), (200, "ready\n"));
    loop {
        let next_update = service.crl().await.next_update;
        service.clock().set(next_update.plus(1));
        let ready = service.local("/readyz").await;
        // The schedule may look at the clock just now, and publish before we have asked.
        if service.crl().await.next_update == next_update {
            // After so long the responder's certificate may have ended as well.
            assert!(ready.status == 503 && ready.text().starts_with("crl: expired\n"), "{ready:?}");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plain_listener_serves_lists_and_certificates_and_nothing_else() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let paths = [
        "/",
        "/v1/enroll",
        "/v1/renew",
        "/v1/whoami",
        "/v1/admin/devices",
        "/v1/trust/roots.pem",
        "/metrics",
        "/healthz",
        "/readyz",
        "/crl",
        "/crl/",
        "/ca/",
        "/crl/issuer.crl",
        "/crl/..%2f..%2fsignet.toml",
        "/ca/../signet.toml",
        "/crl/%2e%2e/%2e%2e/etc/passwd",
        "/crl/root.crl/",
        "/CRL/root.crl",
        "/ocsp",
    ];
    for path in paths {
        let reply = service.plain(path).await;
        assert_eq!(reply.problem().code, ErrorCode::NotFound, "{path}");
    }
    for method in ["POST", "PUT", "DELETE"] {
        let reply = wire::send_plain(service.running.plain, method, "/crl/root.crl", &[]).await;
        assert_eq!(reply.problem().code, ErrorCode::MethodNotAllowed, "{method}");
    }
    // A token that somebody sends in the clear by mistake is not taken.
    let token = service.token("sensor-2").await.token;
    let bearer = format!("Bearer {token}");
    let reply = wire::send_plain(service.running.plain, "POST", "/v1/enroll", &[("authorization", &bearer)]).await;
    assert_eq!(reply.problem().code, ErrorCode::NotFound);
    let answer = service.raw_plain(&[0x16, 0x03, 0x01, 0x00, 0xff, 1, 0, 0, 0xfb, 3, 3]).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"), "TLS on the plain listener");
    assert_eq!(service.as_device(&device).whoami().await.unwrap().id.as_str(), "sensor-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_local_listener_serves_health_and_metrics_and_nothing_else() {
    let service = TestService::start().await;
    for path in ["/", "/v1/enroll", "/v1/admin/devices", "/crl/root.crl", "/v1/trust/roots.pem", "/debug/pprof"] {
        assert_eq!(service.local(path).await.problem().code, ErrorCode::NotFound, "{path}");
    }
    service.device("sensor-1").await;
    service.post_csr("sge_wrong", b"x").await;
    let metrics = service.local("/metrics").await;
    let text = metrics.text();
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(text.contains("signet_answers_total{route=\"/v1/enroll\",status=\"200\"} 1"), "{text}");
    assert!(text.contains("signet_answers_total{route=\"/v1/enroll\",status=\"401\"} 1"), "{text}");
    assert!(text.contains(&format!("signet_crl_number {}", service.crl().await.number)), "{text}");
    assert!(text.ends_with("# EOF\n"));
    // Nobody can make new series.
    for i in 0..50 {
        service.local(&format!("/made-up-{i}")).await;
    }
    let series = |text: &str| text.lines().filter(|l| l.starts_with("signet_answers_total")).count();
    assert!(series(service.local("/metrics").await.text()) <= series(text) + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_what_is_under_way_and_takes_nothing_new() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let mut idle = service.wire(Some(device.identity()), Protocol::Http1).await;
    assert_eq!(idle.get("/v1/whoami").await.unwrap().status, 200);
    let (tls, root) = (service.tls_address(), service.root.clone());
    let installation = service.stop().await;
    assert!(idle.closed().await, "an idle connection does not hold up a stop");
    assert!(crate::support::Wire::to(tls, &root, None).await.is_err());
    let service = TestService::builder().start_in(installation).await;
    service.as_device(&device).whoami().await.unwrap();
    assert_eq!(service.show("sensor-1").await.certificates.len(), 1);
}

/// Another test may be starting a program at this moment: between fork and exec the child holds our lock as well.
fn settled<T>(mut attempt: impl FnMut() -> Result<T, OpenError>) -> Result<T, OpenError> {
    loop {
        match attempt() {
            Err(OpenError::InUse(_)) => std::thread::yield_now(),
            other => return other,
        }
    }
}
