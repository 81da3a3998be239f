//! T02 to T04: a token that is presented again, by the same device or by another.

use std::sync::Arc;

use futures_join::join_all;
use signet_api::ErrorCode;
use signet_api::client::{Delivery, Enrolled};

use crate::support::{Device, Protocol, Reply, TestKey, TestService, code, issued};

#[tokio::test(flavor = "multi_thread")]
async fn t02_a_used_token_with_another_key_is_refused_and_sets_off_an_alarm() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await;
    let first = issued(service.enroll(&token.token, &TestKey::p256()).await);
    assert!(!service.show("sensor-1").await.certificates[0].review);

    let thief = TestKey::p256();
    let refused = service.post_csr(&token.token, &thief.csr_der()).await.problem();
    assert_eq!(refused.code, ErrorCode::TokenBoundToOtherKey);
    assert_eq!(refused.detail, None);
    let body = serde_json::to_string(&refused).unwrap();
    assert!(!body.contains("sensor-1") && !body.contains(&first.serial) && !body.contains(token.id.as_str()));

    let alarms = service.audit_of("alarm.token_reuse_other_key").await;
    assert_eq!(alarms.len(), 1);
    assert_eq!((alarms[0].subject.as_str(), alarms[0].actor.clone()), ("sensor-1", format!("token:{}", token.id)));
    assert_eq!(alarms[0].detail["spki"], thief.fingerprint().to_string());
    let after = service.show("sensor-1").await;
    assert_eq!(after.certificates.len(), 1);
    assert!(after.certificates[0].review, "either party may be the thief: a person has to look");
    assert_eq!(after.certificates[0].serial, first.serial);
}

#[tokio::test(flavor = "multi_thread")]
async fn t03_a_lost_answer_is_repeated_byte_for_byte() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let key = TestKey::p256();
    let first = service.post_csr(&token, &key.csr_der()).await;
    assert_eq!((first.status, first.header("idempotent-replay")), (200, None));
    service.clock().advance(86_400 - 1);
    // A new request over the same key: nobody keeps the old one.
    let again = service.post_csr(&token, key.csr().as_bytes()).await;
    assert_eq!((again.status, again.header("idempotent-replay")), (200, Some("true")));
    assert_eq!(first.body, again.body);
    assert_eq!(first.header("signet-renew-after"), again.header("signet-renew-after"));
    let Ok(Enrolled::Issued { certificate, delivery }) = service.enroll(&token, &key).await else { panic!() };
    assert_eq!(delivery, Delivery::Replay);
    assert!(first.text().starts_with(&certificate.certificate));
    assert_eq!(service.show("sensor-1").await.certificates.len(), 1);
    assert_eq!(service.audit_of("certificate.enrolled").await.len(), 1);
    assert!(service.audit_of("alarm.token_reuse_other_key").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn t03_after_a_day_the_answer_is_not_repeated() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let key = TestKey::p256();
    issued(service.enroll(&token, &key).await);
    service.clock().advance(86_400);
    assert_eq!(code(service.enroll(&token, &key).await), ErrorCode::TokenSpent);
    assert_eq!(service.show("sensor-1").await.certificates.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t03_after_the_first_use_of_the_certificate_the_answer_is_not_repeated() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let key = TestKey::p256();
    let device = Device { certificate: issued(service.enroll(&token, &key).await), key };
    service.as_device(&device).whoami().await.unwrap();
    assert_eq!(code(service.enroll(&token, &device.key).await), ErrorCode::TokenSpent);
    assert_eq!(service.audit_of("certificate.first_used").await.last().unwrap().subject, "sensor-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn t03_a_revoked_certificate_is_not_repeated() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let key = TestKey::p256();
    issued(service.enroll(&token, &key).await);
    service.revoke_device("sensor-1").await;
    assert_eq!(code(service.enroll(&token, &key).await), ErrorCode::CertificateRevoked);
}

/// As many requests as requests can be at once: each on its own connection, all connections open before the first byte.
async fn race(service: &Arc<TestService>, token: &str, keys: Vec<TestKey>) -> Vec<Reply> {
    let bearer = Arc::new(format!("Bearer {token}"));
    let start = Arc::new(tokio::sync::Barrier::new(keys.len()));
    let racers = keys.into_iter().map(|key| {
        let (service, bearer, start) = (service.clone(), bearer.clone(), start.clone());
        tokio::spawn(async move {
            let mut wire = service.wire(None, Protocol::Http1).await;
            start.wait().await;
            wire.send("POST", "/v1/enroll", &[("authorization", &bearer)], &key.csr_der()).await.unwrap()
        })
    });
    join_all(racers.collect()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn t04_hundred_racers_one_certificate() {
    let service = Arc::new(TestService::start().await);
    let token = service.token("sensor-1").await;
    let replies = race(&service, &token.token, (0..100).map(|_| TestKey::p256()).collect()).await;

    let winners: Vec<&Reply> = replies.iter().filter(|r| r.status == 200).collect();
    assert_eq!(winners.len(), 1);
    for loser in replies.iter().filter(|r| r.status != 200) {
        assert_eq!(loser.problem().code, ErrorCode::TokenBoundToOtherKey);
    }
    let device = service.show("sensor-1").await;
    assert_eq!(device.certificates.len(), 1);
    assert_eq!(device.tokens[0].status, "redeemed");
    assert_eq!(device.tokens[0].redeemed_serial.as_ref(), Some(&device.certificates[0].serial));
    assert_eq!(service.audit_of("certificate.enrolled").await.len(), 1);
    assert_eq!(service.audit_of("alarm.token_reuse_other_key").await.len(), 99, "also who loses by a hair is reported");
    assert!(device.certificates[0].review);
}

#[tokio::test(flavor = "multi_thread")]
async fn t04_one_key_that_asks_many_times_at_once_gets_one_certificate() {
    let service = Arc::new(TestService::start().await);
    let token = service.token("sensor-1").await;
    let key = TestKey::p256();
    let copies = (0..30).map(|_| TestKey::from_pkcs8(&key.pkcs8())).collect();
    let replies = race(&service, &token.token, copies).await;
    for reply in &replies {
        assert_eq!((reply.status, &reply.body), (200, &replies[0].body));
    }
    assert_eq!(replies.iter().filter(|r| r.header("idempotent-replay").is_none()).count(), 1);
    assert_eq!(service.show("sensor-1").await.certificates.len(), 1);
    assert_eq!(service.audit_of("certificate.enrolled").await.len(), 1);
}

mod futures_join {
    /// Waits for all of them, in order; they run meanwhile.
    pub(crate) async fn join_all<T>(tasks: Vec<tokio::task::JoinHandle<T>>) -> Vec<T> {
        let mut all = Vec::new();
        for task in tasks {
            all.push(task.await.unwrap());
        }
        all
    }
}
