//! T33 to T35: one writer, lists that stay fresh and do not grow for ever.

use signet::store::sqlite::{OpenError, SqliteStore};
use signet_api::admin::{DeviceChange, RevokeRequest};

use crate::support::TestService;

const HOUR: i64 = 3600;

#[tokio::test(flavor = "multi_thread")]
async fn t33_a_second_process_cannot_open_the_database() {
    let service = TestService::start().await;
    let second = SqliteStore::open(&service.installation.database());
    assert!(matches!(second, Err(OpenError::InUse(_))));
    service.device("sensor-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t34_a_list_is_renewed_by_the_schedule_long_before_it_expires() {
    let service = TestService::start().await;
    let first = service.crl().await;
    assert_eq!(first.next_update.since(first.this_update), 7 * 24 * HOUR);
    service.clock().advance(HOUR);
    // The schedule looks at the clock every few seconds; a look is asked for instead of waited for.
    service.running.service.authorizer.list_wanted();
    loop {
        let list = service.crl().await;
        if list.number > first.number {
            assert!(list.this_update > first.this_update);
            break;
        }
        tokio::task::yield_now().await;
    }
    let metrics = service.local("/metrics").await;
    assert!(metrics.text().contains("signet_crl_age_seconds 0\n"), "{}", metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn t34_a_service_that_cannot_sign_lists_says_so() {
    let service = TestService::start().await;
    assert_eq!(service.local("/readyz").await.status, 200);
    service.clock().set(signet_pki::UnixTime(0));
    let reply = service.local("/readyz").await;
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("clock: "), "{}", reply.text());
    // What is published stays available.
    assert!(service.crl().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn t35_expired_certificates_leave_the_list_after_one_more_publication() {
    let service = TestService::start().await;
    let gone = service.device("sensor-1").await;
    service.revoke_device("sensor-1").await;
    assert!(service.is_on_crl(gone.serial()).await);

    // An hour after its end it still stands there, on a list that was issued after its end.
    service.clock().advance(25 * HOUR);
    let running = &service.running.service;
    signet::housekeeping::apply_retention(running, running.clock.now()).await.unwrap();
    running.publisher.rebuild("test").await.unwrap();
    assert!(service.is_on_crl(gone.serial()).await);
    let end = gone.view().not_after;
    assert!(service.crl().await.this_update > end);

    service.clock().advance(2 * HOUR);
    let pruned = signet::housekeeping::apply_retention(running, running.clock.now()).await.unwrap();
    assert_eq!(pruned.revocations, 1);
    running.publisher.rebuild("test").await.unwrap();
    assert!(service.crl().await.is_empty());
    // The certificate itself is still known as revoked.
    assert_eq!(service.show("sensor-1").await.certificates[0].status, "revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn t35_many_revocations_at_once_share_lists_and_none_is_missing() {
    let service = TestService::start().await;
    let mut serials = Vec::new();
    for number in 0..24 {
        serials.push(service.device(&format!("sensor-{number}")).await.serial().to_owned());
    }
    let before = service.audit_of("crl.numbered").await.len();
    let service = std::sync::Arc::new(service);
    let tasks: Vec<_> = (0..24)
        .map(|number| {
            let service = service.clone();
            tokio::spawn(async move {
                let device = Some(crate::support::device_id(&format!("sensor-{number}")));
                let admin = service.client(Some(service.installation.administrator()));
                let order = RevokeRequest { device, ..RevokeRequest::default() };
                let report: signet_api::admin::RevokeReport =
                    admin.post_json("/v1/admin/revocations", &order).await.unwrap();
                // When the answer is there, the list that carries the revocation is published.
                let list = service.crl().await;
                assert!(list.number >= report.crl_number.unwrap());
                let own = &report.certificates[0];
                assert!(list.entries().unwrap().iter().any(|(s, _, _)| s.to_string() == *own));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for serial in &serials {
        assert!(service.is_on_crl(serial).await);
    }
    assert_eq!(service.crl().await.entries().unwrap().len(), 24);
    let lists = service.audit_of("crl.numbered").await.len() - before;
    assert!((1..=24).contains(&lists), "{lists}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_device_is_on_the_list_as_well() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let retire = DeviceChange { action: Some(signet_api::admin::DeviceAction::Retire), ..DeviceChange::default() };
    assert_eq!(service.change("sensor-1", &retire).await.unwrap().status, "retired");
    assert!(service.is_on_crl(device.serial()).await);
}
