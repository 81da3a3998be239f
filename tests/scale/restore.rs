//! T31: a database that was rolled back.

use signet::restored::ListFile;
use signet::store::Adopted;
use signet_api::ErrorCode;
use signet_api::admin::AuditEntry;
use signet_pki::crl::CrlView;

use crate::support::installation::open_store;
use crate::support::{Installation, TestKey, TestService, code, device_id};

/// The database file alone: after a stop, its log has been folded into it.
fn copy_of(installation: &Installation) -> Vec<u8> {
    std::fs::read(installation.database()).unwrap()
}

fn put_back(installation: &Installation, bytes: &[u8]) {
    for tail in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{tail}", installation.database().display()));
    }
    std::fs::write(installation.database(), bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t31_a_rolled_back_database_is_noticed_and_nothing_is_served_from_it() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let installation = service.stop().await;
    let backup = copy_of(&installation);
    let service = TestService::builder().start_in(installation).await;
    service.enroll(&token, &TestKey::p256()).await.unwrap();
    let installation = service.stop().await;
    put_back(&installation, &backup);

    let Err((_, error)) = TestService::builder().try_start_in(installation).await else { panic!("it started") };
    assert!(error.to_string().contains("rolled back"), "{error}");
    assert!(error.hint().contains("signetd restored"));
}

/// As on a new host: everything is put back but the guard, which no backup holds.
#[tokio::test(flavor = "multi_thread")]
async fn t31_a_database_whose_rollback_guard_is_missing_is_refused_until_the_restore_is_accepted() {
    let service = TestService::start().await;
    let (device, token) = (service.device("sensor-1").await, service.token("sensor-2").await.token);
    let installation = service.stop().await;
    let backup = copy_of(&installation);
    let service = TestService::builder().start_in(installation).await;
    service.revoke_device("sensor-1").await;
    let newest = service.plain("/crl/all.pem").await.body;
    let installation = service.stop().await;
    put_back(&installation, &backup);
    let guard = guard_of(&installation);
    std::fs::remove_file(&guard).unwrap();

    let Err((installation, error)) = TestService::builder().try_start_in(installation).await else {
        panic!("it started")
    };
    assert!(error.to_string().contains("rollback guard") && error.to_string().contains("missing"), "{error}");
    assert!(error.hint().contains("signetd restored --config FILE --crl"), "{}", error.hint());
    assert!(!guard.exists() && copy_of(&installation) == backup, "nothing was written");

    installation.accept_restore(Some(&newest)).await;
    assert!(guard.exists());
    let service = TestService::builder().start_in(installation).await;
    assert_eq!(service.local("/readyz").await.status, 200);
    assert_eq!(code(service.enroll(&token, &TestKey::p256()).await), ErrorCode::TokenRevoked);
    assert_eq!(code(service.as_device(&device).whoami().await), ErrorCode::DeviceRevoked);
    let installation = service.stop().await;
    TestService::builder().start_in(installation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t31_a_first_start_makes_the_rollback_guard_and_a_damaged_one_is_refused() {
    let installation = Installation::new().await;
    let guard = guard_of(&installation);
    assert!(!guard.exists());
    let service = TestService::builder().start_in(installation).await;
    assert!(guard.exists());
    let installation = service.stop().await;
    let good = std::fs::read(&guard).unwrap();
    for bad in ["", "{", "{\"sequence\":3}", "{\"sequence\":3,\"leaf_hash\":\"zz\"}"] {
        std::fs::write(&guard, bad).unwrap();
        let refused = installation.config().anchor().check(&open_store(&installation.database())).await.unwrap_err();
        assert!(refused.to_string().contains("cannot be read"), "{bad}: {refused}");
        assert_eq!(std::fs::read(&guard).unwrap(), bad.as_bytes());
    }
    std::fs::write(&guard, good).unwrap();
    TestService::builder().start_in(installation).await;
}

fn guard_of(installation: &Installation) -> std::path::PathBuf {
    let config = installation.config();
    config.path(&config.raw.store.anchor)
}

#[tokio::test(flavor = "multi_thread")]
async fn t31_after_an_accepted_restore_no_token_lives_again_and_no_revocation_is_lost() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let known = service.device("sensor-2").await;
    let installation = service.stop().await;
    let backup = copy_of(&installation);

    let service = TestService::builder().start_in(installation).await;
    let unknown = service.device("sensor-3").await;
    service.revoke_device("sensor-2").await;
    service.revoke_device("sensor-3").await;
    let newest = service.plain(&format!("/crl/{}.crl", service.issuer.short_id())).await.body;
    let before = CrlView::verified(&newest, &service.issuer).unwrap();
    let installation = service.stop().await;
    put_back(&installation, &backup);

    let adopted = installation.accept_restore(Some(&newest)).await;
    assert_eq!((adopted.voided_tokens, adopted.revoked_again, adopted.unknown), (1, 1, 1));
    assert_eq!(adopted.revoked_devices, [device_id("sensor-2")]);
    let again = installation.accept_restore(Some(&newest)).await;
    assert_eq!(again, Adopted::default(), "the second time nothing is new");
    let service = TestService::builder().start_in(installation).await;
    assert_eq!(service.show("sensor-2").await.device.status, "revoked");
    let told = service.audit_of("revocation").await;
    assert!(told.iter().any(|e| e.subject == "sensor-2" && e.detail["adopted_from"] == "crl"), "{told:?}");
    assert_eq!(code(service.enroll(&token, &TestKey::p256()).await), ErrorCode::TokenRevoked);
    let list = service.crl().await;
    assert!(list.number > before.number);
    for serial in [known.serial(), unknown.serial()] {
        assert!(service.is_on_crl(serial).await, "{serial}");
    }
    let entries: Vec<AuditEntry> = service.audit_of("store.restored").await;
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].detail["unknown"], 1);
    assert_eq!(
        code(service.as_device(&known).get_json::<serde_json::Value>("/v1/whoami").await),
        ErrorCode::DeviceRevoked
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn t31_a_list_of_another_issuer_is_not_adopted() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let root_crl = service.plain("/crl/root.crl").await.body;
    let installation = service.stop().await;
    let before = copy_of(&installation);
    installation.try_accept_restore(Some(&root_crl)).await.unwrap_err();
    assert_eq!(copy_of(&installation), before, "nothing was changed");
    let service = TestService::builder().start_in(installation).await;
    service.enroll(&token, &TestKey::p256()).await.unwrap();
}

/// What a verifier holds that fetches the lists of shards, beside the root's, and in two files.
#[tokio::test(flavor = "multi_thread")]
async fn t31_lists_of_shards_are_adopted_from_several_files_and_none_is_counted_twice() {
    let service = TestService::builder().toml("crl_shards = 2").start().await;
    let mut devices = Vec::new();
    for n in 0..6 {
        devices.push(service.device(&format!("sensor-{n}")).await);
    }
    let installation = service.stop().await;
    let backup = copy_of(&installation);
    let service = TestService::builder().start_in(installation).await;
    devices.push(service.device("sensor-6").await);
    for n in 0..7 {
        service.revoke_device(&format!("sensor-{n}")).await;
    }
    let id = service.issuer.short_id();
    let mut files = Vec::new();
    for path in [format!("/crl/{id}/0.pem"), format!("/crl/{id}/1.pem"), "/crl/all.pem".into()] {
        let text = service.plain("/crl/root.pem").await.text().to_owned() + service.plain(&path).await.text();
        files.push(ListFile { name: path, bytes: text.into_bytes() });
    }
    let installation = service.stop().await;
    put_back(&installation, &backup);
    let full = files.pop().unwrap();
    let accepted = installation.try_accept_lists(&files).await.unwrap();
    assert_eq!(accepted.ignored.len(), 2, "{:?}", accepted.ignored);
    assert!(accepted.ignored[0].contains(".pem: list 1 is of the root CN=Test Root CA"), "{:?}", accepted.ignored);
    let adopted = accepted.adopted;
    assert_eq!((adopted.revoked_again, adopted.revoked_devices.len(), adopted.unknown), (6, 6, 1));
    let again = installation.try_accept_lists(&[full]).await.unwrap().adopted;
    assert_eq!((again.revoked_again, again.unknown), (0, 0));
    let service = TestService::builder().start_in(installation).await;
    for device in &devices {
        assert!(service.is_on_crl(device.serial()).await, "{}", device.serial());
    }
    assert_eq!(service.crl().await.entries().unwrap().len(), 7);
}
