//! What is over is kept in full for a while, then as a stub, and taking it away disturbs nobody.

use signet::housekeeping::apply_retention;
use signet::store::Pruned;
use signet_pki::Serial;

use crate::support::{TestService, order};

const DAY: i64 = 86_400;

#[tokio::test(flavor = "multi_thread")]
async fn certificates_become_stubs_after_their_time_and_keep_what_identifies_them() {
    let service = TestService::builder().toml("[retention]\ncertificate_days = 10\n").start().await;
    let device = service.device("sensor-1").await;
    let running = &service.running.service;
    let record = |serial: &str| {
        let serial = Serial::parse(serial).unwrap();
        async move { running.store.certificate(&serial).await.unwrap().unwrap() }
    };
    let whole = record(device.serial()).await;
    service.clock().advance(10 * DAY);
    assert_eq!(apply_retention(running, running.clock.now()).await.unwrap(), Pruned::default());
    service.clock().advance(2 * DAY);
    let pruned = apply_retention(running, running.clock.now()).await.unwrap();
    assert!(pruned.certificates >= 1);
    let stub = record(device.serial()).await;
    assert!(stub.der.is_empty() && !whole.der.is_empty());
    assert_eq!((stub.spki, stub.not_after, stub.principal.id), (whole.spki, whole.not_after, whole.principal.id));
    assert_eq!(apply_retention(running, running.clock.now()).await.unwrap(), Pruned::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn unused_tokens_are_removed_and_used_ones_stay() {
    let service = TestService::start().await;
    let used = service.token("sensor-1").await;
    service.device_with(&used, crate::support::TestKey::p256()).await;
    let unused = service.create_token(order("sensor-2")).await;
    service.clock().advance(31 * DAY);
    let running = &service.running.service;
    let pruned = apply_retention(running, running.clock.now()).await.unwrap();
    assert_eq!(pruned.tokens, 1);
    assert!(running.store.token(&unused.id).await.unwrap().is_none());
    assert!(running.store.token(&used.id).await.unwrap().is_some());
}
