//! T31: a database that was rolled back.

use signet_api::ErrorCode;
use signet_api::admin::AuditEntry;
use signet_pki::crl::CrlView;

use crate::support::{Installation, TestKey, TestService, code};

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
    let service = TestService::builder().start_in(installation).await;
    assert_eq!(code(service.enroll(&token, &TestKey::p256()).await), ErrorCode::TokenRevoked);
    let list = service.crl().await;
    assert!(list.number > before.number);
    for serial in [known.serial(), unknown.serial()] {
        assert!(service.is_on_crl(serial).await, "{serial}");
    }
    let entries: Vec<AuditEntry> = service.audit_of("store.restored").await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].detail["unknown"], 1);
    assert_eq!(
        code(service.as_device(&known).get_json::<serde_json::Value>("/v1/whoami").await),
        ErrorCode::CertificateRevoked
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
