//! Registration of services: its steps, what belongs to whom, and how long it lasts.

use rcgen::{BasicConstraints, CertificateParams, IsCa};
use signet_api::ErrorCode;
use signet_api::admin::{DeviceAction, DeviceChange, RevokeRequest};
use signet_api::services::{FailMode, RegisterService, ServiceInfo};
use signet_pki::pem::{self, Label};

use crate::support::services::{dns, with_names};
use crate::support::{Device, Protocol, TestService, code, device_id};

const NAME: &str = "broker.acme.example";

async fn registered(service: &TestService) -> Vec<ServiceInfo> {
    service.admin.get_json("/v1/services").await.unwrap()
}

/// In memory, where requests for permission look.
fn is_known(service: &TestService, id: &str) -> bool {
    service.running.service.registry.of(&device_id(id)).is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_registers_itself_and_the_same_again_changes_nothing() {
    let service = with_names("").start().await;
    let broker = service.service("broker", &[NAME]).await;
    let request = broker.registration(&[NAME]);
    let first = service.register(&broker, &request).await.unwrap();
    assert_eq!(first.service.resources, ["service:broker"]);
    assert_eq!((first.service.fail_mode, first.service.status.as_str()), (FailMode::Closed, "active"));
    assert_eq!(
        (first.service.registered_by.as_str(), first.service.serial.as_str()),
        ("service:broker", broker.serial())
    );
    let present = first.present.clone().unwrap();
    assert_eq!((present.chain, present.missing_names.len()), (broker.served(), 0));
    let known = service.running.service.registry.of(&device_id("broker")).unwrap();
    let resource = |text: &str| signet::store::Resource::parse(text).unwrap();
    assert!(known.owns(&resource("service:broker")) && !known.owns(&resource("service:broker2")));

    let entries = service.audit().await.len();
    assert_eq!(service.register(&broker, &request).await.unwrap(), first);
    assert_eq!(service.audit().await.len(), entries);
    let open = RegisterService { fail_mode: FailMode::Open, ..request };
    assert_eq!(service.register(&broker, &open).await.unwrap().service.fail_mode, FailMode::Open);
    let kinds: Vec<String> =
        service.audit().await.into_iter().map(|e| e.kind).filter(|k| k.starts_with("service.")).collect();
    assert_eq!(kinds, ["service.registered", "service.changed"]);
    assert_eq!(service.as_device(&broker).service(&device_id("broker")).await.unwrap().service.ports, [8883]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_is_taken_away_by_the_service_or_an_administrator() {
    let service = with_names("").start().await;
    let broker = service.service("broker", &[NAME]).await;
    let delete = async |identity| service.send_as(identity, "DELETE", "/v1/services/broker", &[], b"").await;
    for identity in [broker.identity(), service.installation.administrator()] {
        service.register(&broker, &broker.registration(&[NAME])).await.unwrap();
        let reply = delete(identity.clone()).await;
        assert_eq!((reply.status, reply.json::<ServiceInfo>().id), (200, device_id("broker")));
        assert!(!is_known(&service, "broker") && registered(&service).await.is_empty());
        assert_eq!(delete(identity).await.problem().code, ErrorCode::NotFound);
    }
    assert_eq!(service.audit_of("service.deregistered").await.len(), 2);
    // Its certificate is as good as before.
    service.as_device(&broker).whoami().await.unwrap();
}

/// T11 for services: whose certificate it is and whose key, and not who says so.
#[tokio::test(flavor = "multi_thread")]
async fn t11_nobody_registers_with_the_certificate_of_another() {
    let service = with_names("").start().await;
    let broker = service.service("broker", &[NAME]).await;
    let other = service.service("other", &[NAME]).await;
    let device = service.device("sensor-1").await;
    let stolen = broker.registration(&[NAME]);
    let attempt = async |identity: &Device, id: &str, request: &RegisterService| {
        code(service.as_device(identity).register_service(&device_id(id), request).await)
    };
    assert_eq!(attempt(&other, "other", &stolen).await, ErrorCode::IdentityMismatch);
    assert_eq!(attempt(&other, "broker", &stolen).await, ErrorCode::Forbidden);
    assert_eq!(attempt(&device, "broker", &stolen).await, ErrorCode::Forbidden);
    assert_eq!(attempt(&device, "sensor-1", &device.registration(&[NAME])).await, ErrorCode::Forbidden);

    let with = |proof| RegisterService { proof, ..broker.registration(&[NAME]) };
    for proof in [None, other.proof("broker"), broker.proof("other"), other.proof("other"), Some("AAAA".into())] {
        assert_eq!(code(service.register_for("broker", &with(proof)).await), ErrorCode::KeyNotProved);
    }
    let of_a_device = RegisterService { proof: device.proof("sensor-1"), ..device.registration(&[NAME]) };
    assert_eq!(code(service.register_for("sensor-1", &of_a_device).await), ErrorCode::NotFound);
    assert!(service.audit_of("service.registered").await.is_empty() && registered(&service).await.is_empty());
    let good = service.register_for("broker", &with(broker.proof("broker"))).await.unwrap();
    assert_eq!(good.service.registered_by, "admin:admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn t15_names_that_the_certificate_does_not_have_are_not_registered() {
    let service = with_names("").start().await;
    let broker = service.service("broker", &[NAME]).await;
    service.service("other", &["other.acme.example"]).await;
    for names in [
        &["other.acme.example"][..],
        &[NAME, "other.acme.example"],
        &["acme.example"],
        &["a.broker.acme.example"],
        &["broker"],
        &["broker.acme.example.evil.example"],
    ] {
        let refusal = service.register(&broker, &broker.registration(names)).await;
        assert_eq!(code(refusal), ErrorCode::NamesNotCovered, "{names:?}");
    }
    // What is no host name does not even parse.
    let body = serde_json::to_string(&broker.registration(&[NAME])).unwrap();
    for name in
        ["*.acme.example", "BROKER.acme.example", "broker.acme.example.", "10.0.0.1", "broker\\u0000.acme.example"]
    {
        let body = body.replace(NAME, name);
        let reply = service.send_as(broker.identity(), "PUT", "/v1/services/broker", &[], body.as_bytes()).await;
        assert_eq!(reply.problem().code, ErrorCode::MalformedRequest, "{name}");
    }
    assert!(registered(&service).await.is_empty() && !is_known(&service, "broker"));
}

#[tokio::test(flavor = "multi_thread")]
async fn t27_an_id_that_is_none_is_nobody_s() {
    let service = with_names("").start().await;
    let broker = service.service("broker", &[NAME]).await;
    let body = serde_json::to_vec(&broker.registration(&[NAME])).unwrap();
    let mut wire = service.wire(Some(broker.identity()), Protocol::Http2).await;
    for id in [
        "..",
        "%2e%2e%2fbroker",
        "broker%2f..%2fother",
        "Broker",
        "broker%00",
        "-broker",
        "brok%C3%A9r",
        &"a".repeat(64),
    ] {
        for method in ["PUT", "GET", "DELETE"] {
            let reply = wire.send(method, &format!("/v1/services/{id}"), &[], &body).await.unwrap();
            assert_eq!(reply.problem().code, ErrorCode::NotFound, "{method} {id}");
        }
    }
    assert!(registered(&service).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_refused_that_clients_would_refuse() {
    let service = with_names("").start().await;
    let broker = service.service("broker", &[NAME]).await;
    let other = service.service("other", &[NAME]).await;
    // The same serial and names by a CA of somebody's own.
    let mut forged = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    forged.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    forged.serial_number = Some(broker.view().serial.as_bytes().to_vec().into());
    let forged = forged.self_signed(&broker.key.pair).unwrap().der().to_vec();
    let root = pem::encode(Label::Certificate, service.root.der());
    let (leaf, issuer) = (&broker.certificate.certificate, &broker.certificate.chain);
    let chains = [
        String::new(),
        "no PEM".to_owned(),
        leaf.clone(),
        issuer.clone(),
        format!("{issuer}{leaf}"),
        format!("{leaf}{root}"),
        format!("{leaf}{leaf}"),
        format!("{}{issuer}", pem::encode(Label::Certificate, &forged)),
        format!("{}{issuer}", pem::encode(Label::Certificate, &[0x30, 0x03, 0x02, 0x01, 0x01])),
    ];
    for chain in chains {
        let request = RegisterService { chain: chain.clone(), ..broker.registration(&[NAME]) };
        assert_eq!(code(service.register(&broker, &request).await), ErrorCode::ChainRefused, "{chain}");
    }
    // One that has ended, shown by the one that took its place.
    let next = service.renew(&broker).await.unwrap();
    service.as_device(&next).whoami().await.unwrap();
    assert_eq!(code(service.register(&next, &broker.registration(&[NAME])).await), ErrorCode::ChainRefused);
    // The right certificate over a connection with another key of the same service.
    let newest = service.renew(&next).await.unwrap();
    assert_eq!(code(service.register(&next, &newest.registration(&[NAME])).await), ErrorCode::KeyNotProved);
    // Revoked while its service goes on.
    let order = RevokeRequest { serial: Some(newest.serial().to_owned()), ..RevokeRequest::default() };
    service.revoke(&order).await.unwrap();
    let with_proof = RegisterService { proof: newest.proof("broker"), ..newest.registration(&[NAME]) };
    assert_eq!(code(service.register_for("broker", &with_proof).await), ErrorCode::ChainRefused);
    // Over.
    service.clock().advance(2 * 86_400);
    let with_proof = RegisterService { proof: other.proof("other"), ..other.registration(&[NAME]) };
    assert_eq!(code(service.register_for("other", &with_proof).await), ErrorCode::ChainRefused);
    assert!(registered(&service).await.is_empty() && service.audit_of("service.registered").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_beyond_its_limits_is_refused_before_anything_is_looked_at() {
    let service = with_names("").start().await;
    let broker = service.service("broker", &[NAME]).await;
    let good = broker.registration(&[NAME]);
    let many: Vec<String> = (0..65).map(|n| format!("service:broker/{n}")).collect();
    let bad = [
        RegisterService { dns_names: vec![], ..good.clone() },
        RegisterService { dns_names: vec![dns(NAME), dns(NAME)], ..good.clone() },
        RegisterService { dns_names: (0..33).map(|n| dns(&format!("n{n}.example"))).collect(), ..good.clone() },
        RegisterService { ports: vec![], ..good.clone() },
        RegisterService { ports: vec![0], ..good.clone() },
        RegisterService { ports: vec![443, 443], ..good.clone() },
        RegisterService { ports: (1..=17).collect(), ..good.clone() },
        RegisterService { resources: Some(vec![]), ..good.clone() },
        RegisterService { resources: Some(many), ..good.clone() },
        RegisterService { resources: Some(vec!["*".into()]), ..good.clone() },
        RegisterService { resources: Some(vec!["service:other".into()]), ..good.clone() },
        RegisterService { resources: Some(vec!["service:*".into()]), ..good.clone() },
        RegisterService { resources: Some(vec!["service:b:*".into()]), ..good.clone() },
        RegisterService { proof: Some("not base64!".into()), ..good.clone() },
        RegisterService { proof: Some("A".repeat(2000)), ..good.clone() },
        RegisterService { chain: good.chain.repeat(20), ..good.clone() },
        RegisterService { chain: format!("{0}{0}{0}", good.chain), ..good.clone() },
    ];
    for request in bad {
        let refusal = service.register(&broker, &request).await;
        assert_eq!(code(refusal), ErrorCode::InvalidArgument, "{request:?}");
    }
    assert!(registered(&service).await.is_empty());
    let most = RegisterService { resources: Some((0..64).map(|n| format!("service:broker/{n}")).collect()), ..good };
    service.register(&broker, &most).await.unwrap();
}

/// A service asks about its own, and what is its own an administrator says.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_gets_what_is_not_its_own_from_an_administrator_and_nothing_belongs_to_two() {
    let service = with_names("").start().await;
    let broker = service.service("broker", &[NAME]).await;
    let other = service.service("other", &["other.acme.example"]).await;
    let with = |who: &Device, name: &str, resources: &[&str]| RegisterService {
        resources: Some(resources.iter().map(|text| text.to_string()).collect()),
        proof: who.proof(&who.certificate.device.to_string()),
        ..who.registration(&[name])
    };
    let wanted = with(&broker, NAME, &["service:broker", "mqtt:topic/*"]);
    assert_eq!(code(service.register(&broker, &wanted).await), ErrorCode::Forbidden);
    service.register_for("broker", &wanted).await.unwrap();
    // What was given can be repeated, left out, made smaller, and not made larger.
    let own = service.register(&broker, &broker.registration(&[NAME])).await.unwrap().service;
    assert_eq!(own.resources, ["service:broker", "mqtt:topic/*"]);
    assert_eq!(code(service.register(&broker, &with(&broker, NAME, &["mqtt:*"])).await), ErrorCode::Forbidden);
    service.register(&broker, &with(&broker, NAME, &["service:broker", "mqtt:topic/a/*"])).await.unwrap();
    assert_eq!(code(service.register(&broker, &wanted).await), ErrorCode::Forbidden);

    for taken in ["mqtt:topic/a/*", "mqtt:topic/a/b", "mqtt:*"] {
        let request = with(&other, "other.acme.example", &["service:other", taken]);
        assert_eq!(code(service.register_for("other", &request).await), ErrorCode::ResourceTaken, "{taken}");
    }
    service.register_for("other", &with(&other, "other.acme.example", &["mqtt:topic/b"])).await.unwrap();
    let resource = signet::store::Resource::parse("mqtt:topic/a/x").unwrap();
    assert_eq!(service.running.service.registry.owner(&resource).unwrap().id(), &device_id("broker"));
    // With the end of the service what it had is free.
    service.revoke_device("broker").await;
    service.register_for("other", &with(&other, "other.acme.example", &["mqtt:*"])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_outlives_renewals_and_ends_with_its_service() {
    let service = with_names("").start().await;
    let broker = service.service("broker", &[NAME]).await;
    service.register(&broker, &broker.registration(&[NAME])).await.unwrap();
    let next = service.renew(&broker).await.unwrap();
    service.as_device(&next).whoami().await.unwrap();
    let detail = service.as_device(&next).service(&device_id("broker")).await.unwrap();
    assert_eq!(detail.service.serial, broker.serial(), "the one that it was registered with");
    assert_eq!(detail.present.unwrap().serial, next.serial(), "the one that it should show");
    assert!(is_known(&service, "broker"));
    let again = service.register(&next, &next.registration(&[NAME])).await.unwrap();
    assert_eq!(again.service.serial, next.serial());
    assert_eq!(again.service.registered_at, detail.service.registered_at);

    let change = |action| DeviceChange { action: Some(action), ..DeviceChange::default() };
    service.change("broker", &change(DeviceAction::Suspend)).await.unwrap();
    let connector = async || service.running.service.registrar.connector(&device_id("broker")).await;
    assert_eq!(connector().await.err().unwrap().code(), ErrorCode::DeviceSuspended);
    assert_eq!(code(service.register(&next, &next.registration(&[NAME])).await), ErrorCode::DeviceSuspended);
    service.change("broker", &change(DeviceAction::Resume)).await.unwrap();
    connector().await.unwrap();

    service.revoke_device("broker").await;
    assert_eq!(connector().await.err().unwrap().code(), ErrorCode::DeviceRevoked);
    assert!(registered(&service).await.is_empty());
    let ended = service.admin.service(&device_id("broker")).await.unwrap();
    assert_eq!((ended.service.status.as_str(), ended.present), ("revoked", None));
    while is_known(&service, "broker") {
        tokio::task::yield_now().await;
    }
    let installation = service.stop().await;
    let service = TestService::builder().start_in(installation).await;
    assert!(!is_known(&service, "broker"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_configuration_is_kept_until_a_list_changes() {
    let service = with_names("").start().await;
    let broker = service.service("broker", &[NAME]).await;
    service.register(&broker, &broker.registration(&[NAME])).await.unwrap();
    let config = async || {
        let (_, connector) = service.running.service.registrar.connector(&device_id("broker")).await.unwrap();
        connector.config()
    };
    let first = config().await;
    assert!(std::sync::Arc::ptr_eq(&first, &config().await));
    service.device("sensor-1").await;
    assert!(std::sync::Arc::ptr_eq(&first, &config().await), "an issuance is on no list");
    service.revoke_device("sensor-1").await;
    let second = config().await;
    assert!(!std::sync::Arc::ptr_eq(&first, &second), "the list says something else now");
    assert!(std::sync::Arc::ptr_eq(&second, &config().await));
    // A registration under other names is another configuration.
    service.register(&broker, &RegisterService { ports: vec![1883], ..broker.registration(&[NAME]) }).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&second, &config().await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_is_there_after_a_restart() {
    let service = with_names("").start().await;
    let broker = service.service("broker", &[NAME]).await;
    let before = service.register(&broker, &broker.registration(&[NAME])).await.unwrap();
    let installation = service.stop().await;
    let service = TestService::builder().start_in(installation).await;
    assert!(is_known(&service, "broker"));
    assert_eq!(service.as_device(&broker).service(&device_id("broker")).await.unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_for_those_who_may_read_it() {
    let service = with_names("").start().await;
    let broker = service.service("broker", &[NAME]).await;
    service.register(&broker, &broker.registration(&[NAME])).await.unwrap();
    let other = service.service("other", &["other.acme.example"]).await;
    let forbidden = async |identity: &Device, method: &str, path: &str| {
        service.send_as(identity.identity(), method, path, &[], b"{}").await.problem().code
    };
    for who in [&other, &service.device("sensor-1").await] {
        for (method, path) in [
            ("GET", "/v1/services"),
            ("GET", "/v1/services/broker"),
            ("DELETE", "/v1/services/broker"),
            ("PUT", "/v1/services/broker"),
            ("POST", "/v1/services/broker/probe"),
        ] {
            assert_eq!(forbidden(who, method, path).await, ErrorCode::Forbidden, "{method} {path}");
        }
    }
    assert_eq!(service.send("GET", "/v1/services/broker", &[], b"").await.problem().code, ErrorCode::NotAuthenticated);
    assert_eq!(forbidden(&broker, "POST", "/v1/services/broker/probe").await, ErrorCode::Forbidden);
}
