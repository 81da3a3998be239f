//! Every call to the store fails once, in both ways, somewhere in the life of a device. The device and the administrator
//! repeat what failed, and nothing is lost, doubled or contradicted.

use std::sync::Arc;

use signet::authorize::Context;
use signet_api::ErrorCode;
use signet_api::admin::RevokeRequest;
use signet_api::client::{Delivery, Enrolled};
use signet_api::enroll::RenewRequest;

use crate::auditor::{assert_clean, certificates_of, holds};
use crate::daemon::NO_RATES;
use crate::faulty::{Fault, FaultyStore};
use crate::retry::{assert_passes_by_itself, until_done};
use crate::support::{Device, TestKey, TestService, code, credential, device_id, issued, order};

pub(crate) async fn start() -> (TestService, Arc<FaultyStore>) {
    let slot = Arc::new(std::sync::OnceLock::new());
    let kept = slot.clone();
    let service = TestService::builder()
        .toml(NO_RATES)
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
    let (mut verbs, mut findings) = (Vec::new(), Vec::new());
    for nth in 1.. {
        let device = format!("device-{nth}");
        faulty.fail_at(nth, fault);
        let finding = live(&service, &device).await;
        let failed = faulty.recover();
        findings.extend(finding.map(|sentence| format!("call {nth}, {failed:?}: {sentence}")));
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
    assert!(findings.is_empty(), "{fault:?}\n{}", findings.join("\n"));
    assert_clean(&service.stop().await);
}

/// Token, enrollment, replay, first use, renewal, its use, revocation, list. What the list gets wrong is collected.
async fn live(service: &TestService, name: &str) -> Option<String> {
    let ordered = order(name);
    let created = until_done("create token", async || service.create_tokens(&ordered).await).await;
    let (token, key) = (credential(&created.tokens[0].token), TestKey::p256());
    let request = signet_api::enroll::EnrollRequest { csr: key.csr(), facts: Default::default() };
    let first = issued(Ok(until_done("enroll", async || service.anonymous.enroll(&token, &request).await).await));
    let again = until_done("replay", async || service.anonymous.enroll(&token, &request).await).await;
    let Enrolled::Issued { certificate, delivery } = again else { panic!("{again:?}") };
    assert_eq!((*certificate, delivery), (first.clone(), Delivery::Replay));

    let device = Device { certificate: first, key };
    let client = service.as_device(&device);
    assert_eq!(until_done("first use", async || client.whoami().await).await.serial.unwrap(), device.serial());
    let key = TestKey::p256();
    let request = RenewRequest { csr: key.csr(), device: None, profile: None, groups: None };
    let renewed = Device { certificate: until_done("renew", async || client.renew(&request).await).await, key };
    let client = service.as_device(&renewed);
    assert_eq!(
        until_done("use of the renewed", async || client.whoami().await).await.serial.unwrap(),
        renewed.serial()
    );

    // One certificate for the token, one for the renewal, and both are what the device holds.
    let database = service.installation.database();
    assert_eq!(certificates_of(&database, name), [device.der(), renewed.der()]);

    let revocation = RevokeRequest { device: Some(device_id(name)), ..RevokeRequest::default() };
    until_done("revoke", async || service.revoke(&revocation).await).await;
    let finding = is_told(service, &renewed).await;
    let client = service.as_device(&renewed);
    let refused = until_done("use of the revoked", async || match client.whoami().await {
        Err(error) if error.problem().is_some_and(|p| p.status == 503) => Err(error),
        outcome => Ok(code(outcome)),
    });
    assert_eq!(refused.await, ErrorCode::DeviceRevoked);
    finding
}

/// A revocation that was answered stands on the list, or the service knows that the list is behind.
async fn is_told(service: &TestService, device: &Device) -> Option<String> {
    if service.is_on_crl(device.serial()).await {
        return None;
    }
    let inner = &service.running.service;
    let due = inner.publisher.is_due(inner.clock.now());
    let told = service.local("/readyz").await.text().contains("crl");
    let context = Context { request_id: "test".into(), remote: [127, 0, 0, 1].into() };
    while inner.revocation.publish(&context).await.is_none() {}
    assert!(service.is_on_crl(device.serial()).await);
    (!due || !told).then(|| format!("revoked, not on the list; a new one is planned: {due}, readiness says so: {told}"))
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

/// Two attempts with one token, of which the second has read the token when the first is committed.
async fn overtaken(
    verb: &'static str,
    first: TestKey,
    second: TestKey,
) -> (Vec<u8>, Result<Vec<u8>, ErrorCode>, usize) {
    let (service, faulty) = start().await;
    let service = Arc::new(service);
    let token = service.token("sensor-1").await.token;
    let held = faulty.hold(verb);
    let slow = tokio::spawn({
        let (service, token) = (service.clone(), token.clone());
        // A connection of its own, so that it does not stand in the way of the other.
        async move { service.post_csr(&token, second.csr().as_bytes()).await }
    });
    held.arrived().await;
    let quick = crate::support::leaf(&issued(service.enroll(&token, &first).await));
    held.release();
    let reply = slow.await.unwrap();
    let outcome = match reply.status {
        200 => Ok(signet_pki::pem::certificates(&reply.body).unwrap().remove(0)),
        _ => Err(reply.problem().code),
    };
    assert_eq!(certificates_of(&service.installation.database(), "sensor-1").len(), 1);
    let alarms = service.audit_of("alarm.token_reuse_other_key").await.len();
    assert_clean(&Arc::into_inner(service).unwrap().stop().await);
    (quick, outcome, alarms)
}

#[tokio::test(flavor = "multi_thread")]
async fn t03_an_attempt_that_its_own_retry_overtakes_gets_the_same_certificate() {
    for verb in ["token", "principal", "commit"] {
        let key = TestKey::p256();
        let (quick, slow, alarms) = overtaken(verb, TestKey::from_pkcs8(&key.pkcs8()), key).await;
        assert_eq!((slow, alarms), (Ok(quick), 0), "held at {verb}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t02_another_key_sets_off_the_alarm_also_when_it_comes_at_the_same_moment() {
    for verb in ["token", "principal", "commit"] {
        let (_, slow, alarms) = overtaken(verb, TestKey::p256(), TestKey::p256()).await;
        assert_eq!((slow, alarms), (Err(ErrorCode::TokenBoundToOtherKey), 1), "held at {verb}");
    }
}
