//! Lists of shards under a store that fails and under callers that go away: every revocation is on its shard's list and on
//! the full one, once.

use std::sync::{Arc, OnceLock};

use signet_api::admin::RevokeRequest;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::auditor::assert_clean;
use crate::cancelled::dropped_at;
use crate::daemon::NO_RATES;
use crate::faulty::{Fault, FaultyStore};
use crate::retry::until_done;
use crate::support::{Device, TestService, device_id};

async fn start() -> (TestService, Arc<FaultyStore>) {
    let slot = Arc::new(OnceLock::new());
    let kept = slot.clone();
    let wrap = move |inner| {
        let faulty = FaultyStore::around(inner);
        assert!(kept.set(faulty.clone()).is_ok());
        faulty as Arc<dyn signet::store::Store>
    };
    let toml = format!("crl_shards = 2\n{NO_RATES}");
    let service = TestService::builder().toml(&toml).store(wrap).start().await;
    let faulty = slot.get().unwrap().clone();
    (service, faulty)
}

/// How often a serial stands on a list.
fn times(list: &[u8], serial: &str) -> usize {
    let (_, list) = CertificateRevocationList::from_der(list).unwrap();
    let hex = |raw: &[u8]| raw.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    list.iter_revoked_certificates().filter(|entry| hex(entry.raw_serial()) == serial).count()
}

/// Everything that was revoked so far stands where it has to, once.
async fn assert_listed(service: &TestService, devices: &[Device], when: &str) {
    let full = service.plain(&format!("/crl/{}.crl", service.issuer.short_id())).await.body;
    for device in devices {
        let url = device.view().crl_urls[0].replace("http://localhost:8080", "");
        let own = service.plain(&url).await.body;
        assert_eq!((times(&own, device.serial()), times(&full, device.serial())), (1, 1), "{when}: {url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_for_a_shard_s_list_may_fail() {
    let (service, faulty) = start().await;
    let publisher = &service.running.service.publisher;
    let mut devices = Vec::new();
    for fault in [Fault::Lost, Fault::DoneButReported] {
        let mut verbs = Vec::new();
        for nth in 1.. {
            let name = format!("device-{fault:?}-{nth}").to_lowercase();
            devices.push(service.device(&name).await);
            faulty.fail_at(nth, fault);
            let order = RevokeRequest { device: Some(device_id(&name)), ..RevokeRequest::default() };
            until_done("revoke", async || service.revoke(&order).await).await;
            // What the schedule would do.
            while publisher.has_news().await.unwrap_or(true) || publisher.is_behind() {
                publisher.ask();
                let _ = publisher.keep_up("test").await;
            }
            let failed = faulty.recover();
            assert_listed(&service, &devices, &format!("{fault:?} {nth} {failed:?}")).await;
            if failed.is_empty() {
                break;
            }
            verbs.extend(failed);
        }
        for verb in ["revoke", "sharded_revocations_after", "next_crl_number", "revocations_after"] {
            assert!(verbs.contains(&verb), "{verb} never failed: {verbs:?}");
        }
    }
    assert_clean(&service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_shards_that_were_dropped_half_way_lose_no_revocation_and_double_none() {
    let (service, _) = start().await;
    let inner = service.running.service.clone();
    let mut devices = Vec::new();
    let (mut walk, mut nth) = (0, 0);
    while walk < 4 {
        nth += 1;
        let name = format!("device-{walk}-{nth}");
        devices.push(service.device(&name).await);
        let order = signet::store::RevokeOrder {
            target: signet::store::RevokeTarget::Device(device_id(&name)),
            reason: signet_pki::crl::Reason::Unspecified,
            now: inner.clock.now(),
            mode: signet::store::Mode::Apply,
            draft: signet::store::AuditDraft {
                kind: "revocation",
                actor: "admin:test".into(),
                subject: name,
                request_id: "test".into(),
                detail: serde_json::json!({}),
                at: inner.clock.now(),
            },
        };
        // Behind the publisher's back, so that the walk below is what publishes it.
        inner.store.revoke(order).await.unwrap();
        let done = dropped_at(nth, inner.publisher.publish("test")).await;
        inner.publisher.publish("test").await.unwrap();
        inner.publisher.rebuild("test").await.unwrap();
        assert_listed(&service, &devices, &format!("dropped at {nth}")).await;
        if done.is_some() {
            (walk, nth) = (walk + 1, 0);
        }
    }
    assert_clean(&service.stop().await);
}
