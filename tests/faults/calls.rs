//! Every call to the store fails once, in both ways, somewhere in the life of a device. The device and the administrator
//! repeat what failed, and nothing is lost, doubled or contradicted.

use std::sync::Arc;

use signet::authorize::Context;
use signet_api::ErrorCode;
use signet_api::admin::RevokeRequest;
use signet_api::client::{Delivery, Enrolled};
use signet_api::enroll::RenewRequest;

use crate::auditor::{assert_clean, certificates_of, holds};
use crate::faulty::{Fault, FaultyStore};
use crate::retry::{assert_passes_by_itself, until_done};
use crate::support::{Device, TestKey, TestService, code, credential, device_id, issued, order};

async fn start() -> (TestService, Arc<FaultyStore>) {
    let slot = Arc::new(std::sync::OnceLock::new());
    let kept = slot.clone();
    let service = TestService::builder()
        .store(move |inner| {
            let faulty = FaultyStore::around(inner);
            assert!(kept.set(faulty.clone()).is_ok());
            faulty
        })
        .start()
        .await;
    let faulty = slot.get().unwrap().clone();
    (service, faulty)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_may_be_lost() {
    every_call_fails_once(Fault::Lost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_may_be_done_and_reported_as_failed() {
    every_call_fails_once(Fault::DoneButReported).await;
}

async fn every_call_fails_once(fault: Fault) {
    let (service, faulty) = start().await;
    let mut verbs = Vec::new();
    for nth in 1.. {
        let device = format!("device-{nth}");
        faulty.fail_at(nth, fault);
        live(&service, &device).await;
        let failed = faulty.recover();
        if failed.is_empty() {
            break;
        }
        verbs.extend(failed);
    }
    // The walk touched what it is there to touch.
    for verb in ["create_tokens", "commit", "mark_used", "revoke", "next_crl_number", "token", "certificate", "renewed"]
    {
        assert!(verbs.contains(&verb), "{verb} never failed: {verbs:?}");
    }
    assert_clean(&service.stop().await);
}

/// Token, enrollment, replay, first use, renewal, its use, revocation, list.
async fn live(service: &TestService, name: &str) {
    let ordered = order(name);
    let created = until_done("create token", || service.create_tokens(&ordered)).await;
    let (token, key) = (credential(&created.tokens[0].token), TestKey::p256());
    let request = signet_api::enroll::EnrollRequest { csr: key.csr(), facts: Default::default() };
    let first = issued(Ok(until_done("enroll", || service.anonymous.enroll(&token, &request)).await));
    let again = until_done("replay", || service.anonymous.enroll(&token, &request)).await;
    let Enrolled::Issued { certificate, delivery } = again else { panic!("{again:?}") };
    assert_eq!((*certificate, delivery), (first.clone(), Delivery::Replay));

    let device = Device { certificate: first, key };
    let client = service.as_device(&device);
    assert_eq!(until_done("first use", || client.whoami()).await.serial, device.serial());
    let key = TestKey::p256();
    let request = RenewRequest { csr: key.csr(), device: None, profile: None, groups: None };
    let renewed = Device { certificate: until_done("renew", || client.renew(&request)).await, key };
    let client = service.as_device(&renewed);
    assert_eq!(until_done("use of the renewed", || client.whoami()).await.serial, renewed.serial());

    // One certificate for the token, one for the renewal, and both are what the device holds.
    let database = service.installation.database();
    assert_eq!(certificates_of(&database, name), [device.der(), renewed.der()]);

    let revocation = RevokeRequest { device: Some(device_id(name)), ..RevokeRequest::default() };
    until_done("revoke", || service.revoke(&revocation)).await;
    is_told(service, &renewed).await;
    assert_eq!(code(service.as_device(&renewed).whoami().await), ErrorCode::DeviceRevoked);
}

/// A revocation that was answered stands on the list, or the service knows that the list is behind.
async fn is_told(service: &TestService, device: &Device) {
    if service.is_on_crl(device.serial()).await {
        return;
    }
    let inner = &service.running.service;
    assert!(inner.publisher.is_due(inner.clock.now()), "revoked, not on the list, and no new list is planned");
    assert!(service.local("/readyz").await.text().contains("crl"));
    let context = Context { request_id: "test".into(), remote: [127, 0, 0, 1].into() };
    inner.revocation.publish(&context).await.unwrap();
    assert!(service.is_on_crl(device.serial()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_stops_issuing_and_nothing_else() {
    let (service, faulty) = start().await;
    let device = service.device("sensor-1").await;
    let client = service.as_device(&device);
    client.whoami().await.unwrap();
    let (token, key) = (service.token("sensor-2").await, TestKey::p256());
    faulty.outage();
    assert_passes_by_itself("enroll", &service.enroll(&token.token, &key).await.unwrap_err());
    assert_passes_by_itself("whoami", &client.whoami().await.unwrap_err());
    assert_passes_by_itself("renew", &service.renew(&device).await.map(|_| ()).unwrap_err());
    assert_passes_by_itself("order", &service.create_tokens(&order("sensor-3")).await.unwrap_err());
    let ready = service.local("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("store"), "{}", ready.text());
    assert_eq!(service.local("/healthz").await.status, 200);
    assert_eq!(service.local("/metrics").await.status, 200);
    assert!(service.crl().await.entries().unwrap().is_empty());
    assert_eq!(service.plain("/ca/root.cer").await.status, 200);
    assert_eq!(service.send("GET", "/v1/trust/roots.pem", &[], b"").await.status, 200);
    faulty.recover();
    // No restart, and the token is as good as before.
    service.device_with(&token, key).await;
    assert_eq!(service.local("/readyz").await.status, 200);
    assert_clean(&service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t04_a_hundred_racers_get_one_certificate_from_a_store_that_fails() {
    for fault in [Fault::Lost, Fault::DoneButReported] {
        let (service, faulty) = start().await;
        let token = service.token("sensor-1").await;
        let service = Arc::new(service);
        faulty.fail_every(5, fault);
        let racers: Vec<_> = (0..100)
            .map(|_| {
                let (service, token) = (service.clone(), token.token.clone());
                tokio::spawn(async move {
                    let key = TestKey::p256();
                    for _ in 0..100 {
                        match service.enroll(&token, &key).await {
                            Ok(outcome) => return Some(crate::support::leaf(&issued(Ok(outcome)))),
                            Err(error) if error.problem().is_some_and(|p| p.status == 503) => {}
                            Err(error) => {
                                let lost = [ErrorCode::TokenBoundToOtherKey, ErrorCode::Conflict];
                                let code = error.problem().unwrap_or_else(|| panic!("{error}")).code;
                                assert!(lost.contains(&code), "{error}");
                                // Somebody else was faster at the very same moment; only the repetition tells.
                                if code == ErrorCode::TokenBoundToOtherKey {
                                    return None;
                                }
                            }
                        }
                    }
                    panic!("no end of failures");
                })
            })
            .collect();
        let mut winners = Vec::new();
        for racer in racers {
            winners.extend(racer.await.unwrap());
        }
        faulty.recover();
        let database = service.installation.database();
        assert_eq!(winners.len(), 1, "{fault:?}");
        assert_eq!(certificates_of(&database, "sensor-1"), winners);
        assert!(holds(&database, &winners[0]));
        let service = Arc::into_inner(service).unwrap();
        assert_clean(&service.stop().await);
    }
}
