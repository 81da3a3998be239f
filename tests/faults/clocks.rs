//! The server's clock jumps while devices enroll (threats T17).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signet::authorize::Context;
use signet_api::ErrorCode;

use crate::auditor::{assert_clean, certificates_of};
use crate::support::{TestKey, TestService, code, issued, leaf};

async fn publish(service: &TestService) -> Option<u64> {
    let context = Context { request_id: "test".into(), remote: [127, 0, 0, 1].into() };
    service.running.service.revocation.publish(&context).await
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_a_clock_that_jumped_back_signs_nothing_and_lists_stay_served() {
    let service = TestService::start().await;
    service.device("sensor-1").await;
    let list = service.crl().await;
    let (token, key) = (service.token("sensor-2").await, TestKey::p256());
    service.clock().advance(-3600);
    assert_eq!(code(service.enroll(&token.token, &key).await), ErrorCode::ClockRefused);
    assert_eq!(publish(&service).await, None);
    assert_eq!(service.crl().await.number, list.number);
    let ready = service.local("/readyz").await;
    assert!(ready.status == 503 && ready.text().contains("clock"), "{}", ready.text());
    service.clock().advance(3600);
    service.device_with(&token, key).await;
    assert!(publish(&service).await.unwrap() > list.number);
    assert_eq!(service.local("/readyz").await.status, 200);
    assert_clean(&service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_lists_never_run_backwards_also_over_a_restart() {
    let service = TestService::start().await;
    service.device("sensor-1").await;
    publish(&service).await.unwrap();
    let first = service.crl().await;
    service.clock().advance(-200);
    publish(&service).await.unwrap();
    let second = service.crl().await;
    assert!(second.number > first.number && second.this_update >= first.this_update);
    let installation = service.stop().await;
    let service = TestService::builder().start_in(installation).await;
    let third = service.crl().await;
    assert!(third.number > second.number);
    assert!(third.this_update >= second.this_update, "{:?} after {:?}", third.this_update, second.this_update);
    assert_clean(&service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_jumps_under_load_issue_nothing_wrong() {
    let service = Arc::new(TestService::start().await);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let (service, stop) = (service.clone(), stop.clone());
            tokio::spawn(async move {
                let mut received = Vec::new();
                for n in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let name = format!("d-{client}-{n}");
                    let Ok(created) = service.create_tokens(&crate::support::order(&name)).await else { continue };
                    let key = TestKey::p256();
                    match service.enroll(&created.tokens[0].token, &key).await {
                        Ok(outcome) => received.push((name, leaf(&issued(Ok(outcome))))),
                        Err(error) => {
                            let code = error.problem().unwrap_or_else(|| panic!("{error}")).code;
                            assert!(matches!(code, ErrorCode::ClockRefused | ErrorCode::TokenExpired), "{error}");
                        }
                    }
                }
                received
            })
        })
        .collect();
    let steps = [-250i64, 250, 900, -200, -7200, 7200, 3600, -3600, 0];
    for (round, step) in steps.iter().cycle().take(27).enumerate() {
        // The pace is the store's, not a timer's: every jump lets some requests through.
        let commits = service.running.service.store.counters().commits + 3;
        for _ in 0..200 {
            if service.running.service.store.counters().commits >= commits {
                break;
            }
            service.local("/readyz").await;
        }
        service.clock().advance(*step);
        if round % 4 == 0 {
            publish(&service).await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    let mut received = Vec::new();
    for client in clients {
        received.extend(client.await.unwrap());
    }
    assert!(!received.is_empty());
    let database = service.installation.database();
    for (name, der) in &received {
        assert_eq!(certificates_of(&database, name), std::slice::from_ref(der), "{name}");
    }
    assert_clean(&Arc::into_inner(service).unwrap().stop().await);
}

/// The decision was made in time, the redemption comes too late: expired is what it is, and not revoked.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_between_decision_and_redemption_has_expired() {
    let (service, store) = crate::equal_work::watched().await;
    let service = Arc::new(service);
    let token = service.token("sensor-1").await.token;
    let held = store.hold("principal");
    let enrolling = tokio::spawn({
        let (service, token) = (service.clone(), token.clone());
        async move { service.enroll(&token, &TestKey::p256()).await }
    });
    held.arrived().await;
    service.clock().advance(16 * 60);
    held.release();
    let error = enrolling.await.unwrap().unwrap_err();
    assert_eq!(error.problem().unwrap().code, ErrorCode::TokenExpired);
    assert!(service.show("sensor-1").await.certificates.is_empty());
}
