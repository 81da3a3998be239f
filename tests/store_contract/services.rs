//! Registered services: once, by their own certificates, and nothing that belongs to two.

use signet::store::{
    Issued, Mode, PrincipalRecord, PrincipalStatus, Redemption, RegisterConflict, RegisterOrder, Resource,
    ServiceFacts, ServiceRecord, Step, StoreError,
};
use signet_api::services::FailMode;
use signet_pki::name::PrincipalKind;
use signet_pki::{DnsName, Serial};

use crate::bench::{Bench, new};
use crate::factory::{device, draft, id, issue, key, revocation, step, target_device, target_serial};

/// A service with a certificate.
async fn service(bench: &Bench, name: &str) -> Issued {
    let principal = PrincipalRecord { kind: PrincipalKind::Service, ..device(name) };
    new(bench.store.commit(issue(Redemption::Manual, principal, &key())).await.unwrap())
}

fn facts(resources: &[&str]) -> ServiceFacts {
    ServiceFacts {
        dns_names: vec![DnsName::parse("broker.example").unwrap()],
        ports: vec![443, 8883],
        resources: resources.iter().map(|text| Resource::parse(text).unwrap()).collect(),
        fail_mode: FailMode::Open,
        address: Some([10, 0, 0, 7].into()),
    }
}

fn order(name: &str, serial: &Serial, resources: &[&str]) -> RegisterOrder {
    let draft = draft("service.registered", name);
    RegisterOrder { id: id(name), facts: facts(resources), before: None, serial: serial.clone(), draft }
}

async fn register(
    bench: &Bench,
    name: &str,
    serial: &Serial,
    resources: &[&str],
) -> Result<ServiceRecord, RegisterConflict> {
    let before = bench.store.service(&id(name)).await.unwrap().map(|record| record.facts);
    bench.store.register_service(RegisterOrder { before, ..order(name, serial, resources) }).await.unwrap()
}

pub(crate) async fn a_service_is_registered_once_and_the_same_again_is_no_change(bench: Bench) {
    let broker = service(&bench, "broker").await;
    let first = register(&bench, "broker", broker.serial(), &["service:broker"]).await.unwrap();
    assert_eq!((&first.facts, &first.serial), (&facts(&["service:broker"]), broker.serial()));
    assert_eq!(bench.store.service(&id("broker")).await.unwrap(), Some(first.clone()));
    let again = bench.unchanged_by(register(&bench, "broker", broker.serial(), &["service:broker"])).await;
    assert_eq!(again, Ok(first.clone()));
    let changed = register(&bench, "broker", broker.serial(), &["service:broker", "mqtt:*"]).await.unwrap();
    assert_eq!((changed.registered_at, changed.facts.resources.len()), (first.registered_at, 2));
    assert_eq!(bench.store.services().await.unwrap().items, std::slice::from_ref(&changed));
    let kinds: Vec<String> = bench.audit().await.into_iter().map(|row| row.kind).collect();
    assert_eq!(kinds[kinds.len() - 2..], ["service.registered", "service.changed"]);

    let draft = || draft("service.deregistered", "broker");
    let removed = bench.store.deregister_service(&id("broker"), draft()).await.unwrap();
    assert_eq!(removed, Some(changed));
    assert_eq!(bench.unchanged_by(bench.store.deregister_service(&id("broker"), draft())).await.unwrap(), None);
    assert_eq!(bench.store.service(&id("broker")).await.unwrap(), None);
}

pub(crate) async fn t11_only_a_live_certificate_of_an_active_service_registers_it(bench: Bench) {
    let (broker, other) = (service(&bench, "broker").await, service(&bench, "other").await);
    let sensor = bench.enrolled("sensor-1").await;
    let refused = async |name: &str, serial: &Serial| {
        bench.unchanged_by(register(&bench, name, serial, &["mqtt:*"])).await.unwrap_err()
    };
    assert_eq!(refused("broker", other.serial()).await, RegisterConflict::Certificate);
    assert_eq!(refused("broker", &Serial::from_random([9; 20])).await, RegisterConflict::Certificate);
    assert_eq!(refused("sensor-1", sensor.serial()).await, RegisterConflict::Principal(None));
    assert_eq!(refused("nobody", broker.serial()).await, RegisterConflict::Principal(None));

    let next = bench.renew(&broker).await;
    bench.used(&next).await;
    assert_eq!(refused("broker", broker.serial()).await, RegisterConflict::Certificate, "superseded");
    bench.revoke(target_serial(next.serial())).await;
    assert_eq!(refused("broker", next.serial()).await, RegisterConflict::Certificate, "revoked");
    bench.store.change_device(step("other", Step::Suspend)).await.unwrap();
    let suspended = RegisterConflict::Principal(Some(PrincipalStatus::Suspended));
    assert_eq!(refused("other", other.serial()).await, suspended);
}

pub(crate) async fn a_registration_is_as_good_as_its_principal(bench: Bench) {
    let broker = service(&bench, "broker").await;
    register(&bench, "broker", broker.serial(), &["mqtt:topic/*"]).await.unwrap();
    let status = async || bench.store.service(&id("broker")).await.unwrap().unwrap().status;
    bench.store.change_device(step("broker", Step::Suspend)).await.unwrap();
    assert_eq!(status().await, PrincipalStatus::Suspended);
    let other = service(&bench, "other").await;
    let taken = register(&bench, "other", other.serial(), &["mqtt:topic/a"]).await.unwrap_err();
    assert!(matches!(taken, RegisterConflict::Taken { by, .. } if by == id("broker")), "it comes back to what it had");
    bench.store.revoke(revocation(target_device("broker"), Mode::Apply)).await.unwrap();
    assert_eq!(status().await, PrincipalStatus::Revoked);
    assert_eq!(bench.store.services().await.unwrap().items, []);
    register(&bench, "other", other.serial(), &["mqtt:topic/a"]).await.unwrap();
}

pub(crate) async fn a_decision_on_an_old_registration_is_refused(bench: Bench) {
    let broker = service(&bench, "broker").await;
    let decided = |resources, before| RegisterOrder { before, ..order("broker", broker.serial(), resources) };
    let (small, large) = (&["service:broker"][..], &["service:broker", "mqtt:*"][..]);
    let first = bench.store.register_service(decided(large, None)).await.unwrap().unwrap();
    // A retry of the first, and what an administrator takes away.
    assert_eq!(bench.store.register_service(decided(large, None)).await.unwrap(), Ok(first));
    bench.store.register_service(decided(small, Some(facts(large)))).await.unwrap().unwrap();
    for before in [None, Some(facts(large))] {
        let late = bench.unchanged_by(bench.store.register_service(decided(large, before))).await.unwrap();
        assert_eq!(late, Err(RegisterConflict::Changed));
    }
}

pub(crate) async fn nothing_belongs_to_two(bench: Bench) {
    let (broker, other) = (service(&bench, "broker").await, service(&bench, "other").await);
    register(&bench, "broker", broker.serial(), &["service:broker", "mqtt:topic/*"]).await.unwrap();
    for resource in ["service:broker", "mqtt:topic/*", "mqtt:topic/a", "mqtt:topic/a/*", "mqtt:*"] {
        let outcome = bench.unchanged_by(register(&bench, "other", other.serial(), &["service:other", resource])).await;
        let expected = RegisterConflict::Taken { resource: Resource::parse(resource).unwrap(), by: id("broker") };
        assert_eq!(outcome, Err(expected));
    }
    register(&bench, "other", other.serial(), &["mqtt:topics", "mqtt:other/*"]).await.unwrap();
    // One's own may be reshaped.
    register(&bench, "broker", broker.serial(), &["mqtt:topic/a/*"]).await.unwrap();
    register(&bench, "other", other.serial(), &["mqtt:topic/b"]).await.unwrap();
}

pub(crate) async fn a_spoiled_registration_is_corrupt(bench: Bench) {
    let (broker, other) = (service(&bench, "broker").await, service(&bench, "other").await);
    for spoil in [
        "UPDATE service SET resources = '[\"*\"]'",
        "UPDATE service SET dns_names = '[\"*.example\"]'",
        "UPDATE service SET ports = '[65536]'",
        "UPDATE service SET fail_mode = 'ajar'",
        "UPDATE service SET address = 'here'",
        "UPDATE service SET serial = x''",
    ] {
        register(&bench, "broker", broker.serial(), &["service:broker"]).await.unwrap();
        bench.backend.spoil(spoil);
        let read = bench.store.service(&id("broker")).await;
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{spoil}: {read:?}");
        let listed = bench.store.services().await.unwrap();
        assert!(listed.items.is_empty() && listed.damaged[0].id == "broker", "{listed:?}");
        // Whose resources the damaged one has is not known.
        let taken =
            bench.unchanged_by(bench.store.register_service(order("other", other.serial(), &["service:other"]))).await;
        assert!(matches!(taken, Err(StoreError::Corrupt(_))), "{spoil}: {taken:?}");
        bench.backend.spoil("DELETE FROM service");
    }
}
