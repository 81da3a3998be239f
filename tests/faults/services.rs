//! A registration is cut: it happened or it did not, memory says what the store says, and the same again ends well.

use std::sync::{Arc, OnceLock};

use signet_api::ErrorCode;
use signet_api::services::{RegisterService, ServiceInfo};

use crate::auditor::assert_clean;
use crate::faulty::{Fault, FaultyStore};
use crate::support::services::with_names;
use crate::support::{Device, TestService, code, device_id};

const NAME: &str = "broker.acme.example";

async fn start() -> (TestService, Arc<FaultyStore>) {
    let slot = Arc::new(OnceLock::new());
    let kept = slot.clone();
    let wrapped = with_names("").store(move |inner| {
        let faulty = FaultyStore::around(inner);
        assert!(kept.set(faulty.clone()).is_ok());
        faulty
    });
    let service = wrapped.start().await;
    let faulty = slot.get().unwrap().clone();
    (service, faulty)
}

fn is_known(service: &TestService) -> bool {
    service.running.service.registry.of(&device_id("broker")).is_some()
}

async fn stored(service: &TestService) -> Vec<ServiceInfo> {
    service.admin.get_json("/v1/services").await.unwrap()
}

async fn deregister(service: &TestService, broker: &Device) -> u16 {
    service.send_as(broker.identity(), "DELETE", "/v1/services/broker", &[], b"").await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_registered_although_the_answer_was_lost_is_known_and_what_was_lost_is_not() {
    let (service, faulty) = start().await;
    let broker = service.service("broker", &[NAME]).await;
    let request = broker.registration(&[NAME]);
    for (fault, count) in [(Fault::Lost, 0), (Fault::DoneButReported, 1)] {
        faulty.fail_next("register_service", fault);
        assert_eq!(code(service.register(&broker, &request).await), ErrorCode::StoreUnavailable);
        faulty.recover();
        assert_eq!((stored(&service).await.len(), is_known(&service)), (count, count == 1));
        assert_eq!(service.audit_of("service.registered").await.len(), count);
    }
    service.register(&broker, &request).await.unwrap();
    assert_eq!(service.audit_of("service.registered").await.len(), 1, "once");
    for (fault, count) in [(Fault::Lost, 1), (Fault::DoneButReported, 0)] {
        faulty.fail_next("deregister_service", fault);
        assert_eq!(deregister(&service, &broker).await, 503);
        faulty.recover();
        assert_eq!((stored(&service).await.len(), is_known(&service)), (count, count == 1));
    }
    assert_clean(&service.stop().await);
}

/// Whatever call of the way fails, in whichever manner.
#[tokio::test(flavor = "multi_thread")]
async fn a_registration_leaves_all_or_nothing_at_every_call() {
    let (service, faulty) = start().await;
    let broker = service.service("broker", &[NAME]).await;
    let request = broker.registration(&[NAME]);
    for fault in [Fault::Lost, Fault::DoneButReported] {
        for nth in 1.. {
            faulty.fail_at(nth, fault);
            let outcome =
                service.register(&broker, &RegisterService { ports: vec![nth as u16], ..request.clone() }).await;
            let failed = faulty.recover();
            let entries = service.audit().await;
            let of = |kind: &str| entries.iter().filter(|entry| entry.kind == kind).count();
            let stored = stored(&service).await;
            let standing = of("service.registered") - of("service.deregistered");
            assert_eq!(stored.len(), standing, "{nth}: {failed:?}");
            if let Ok(detail) = &outcome {
                assert_eq!(stored, std::slice::from_ref(&detail.service), "{nth}: {failed:?}");
            }
            // What was read after the write is made up for by whoever follows the log.
            let mut turns = 0u64;
            while is_known(&service) != (stored.len() == 1) {
                tokio::task::yield_now().await;
                turns += 1;
                assert!(turns < 3_000_000, "{nth} {fault:?} {failed:?} {stored:?} {outcome:?}");
            }
            deregister(&service, &broker).await;
            if failed.is_empty() {
                assert!(outcome.is_ok() && nth > 4, "the walk ended after {nth} calls");
                break;
            }
        }
    }
    assert_clean(&service.stop().await);
}
