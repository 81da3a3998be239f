//! Renewal, and T15: a renewal that asks to be somebody else.

use signet_api::ErrorCode;
use signet_api::admin::{CreateTokens, DeviceChange};
use signet_api::client::Identity;
use signet_api::enroll::RenewRequest;
use signet_pki::UnixTime;

use crate::support::{Device, Protocol, TestKey, TestService, code, device_id, issued, leaf, order};

fn plain(key: &TestKey) -> RenewRequest {
    RenewRequest { csr: key.csr(), device: None, profile: None, groups: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn t15_a_renewal_cannot_change_identity_profile_or_groups() {
    let service = TestService::start().await;
    let order = CreateTokens { groups: vec!["line-1".into(), "press".into()], ..order("sensor-1") };
    let token = service.create_token(order).await;
    let device = service.device_with(&token, TestKey::p256()).await;
    let key = TestKey::p256();
    let groups = |names: &[&str]| Some(names.iter().map(|n| (*n).to_owned()).collect());
    let escalations = [
        ("device id", RenewRequest { device: Some(device_id("sensor-2")), ..plain(&key) }),
        ("profile", RenewRequest { profile: Some("service".into()), ..plain(&key) }),
        ("profile", RenewRequest { profile: Some("admin".into()), ..plain(&key) }),
        ("set of groups", RenewRequest { groups: groups(&["line-1", "press", "admins"]), ..plain(&key) }),
        ("set of groups", RenewRequest { groups: groups(&[]), ..plain(&key) }),
    ];
    let count = escalations.len();
    for (what, request) in escalations {
        assert_eq!(code(service.as_device(&device).renew(&request).await), ErrorCode::IdentityMismatch, "{request:?}");
        let alarm = service.audit_of("alarm.renewal_escalation").await.pop().unwrap();
        assert_eq!((alarm.subject.as_str(), alarm.actor.as_str()), ("sensor-1", "device:sensor-1"));
        assert_eq!(alarm.detail["what"], what);
    }
    assert_eq!(service.audit_of("alarm.renewal_escalation").await.len(), count);
    assert_eq!(service.show("sensor-1").await.certificates.len(), 1);

    let same = RenewRequest {
        device: Some(device_id("sensor-1")),
        profile: Some("device".into()),
        groups: groups(&["press", "line-1"]),
        ..plain(&key)
    };
    service.as_device(&device).renew(&same).await.unwrap();
    assert_eq!(service.audit_of("certificate.renewed").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_follows_the_record_as_it_is_now() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let change = DeviceChange {
        groups: Some(vec!["line-2".into()]),
        profile: Some("intermittent".into()),
        ..DeviceChange::default()
    };
    service.change("sensor-1", &change).await.unwrap();
    let renewed = service.renew(&device).await.unwrap();
    assert_eq!(renewed.certificate.profile, "intermittent");
    assert_eq!(renewed.view().not_after.since(renewed.view().not_before), 30 * 86_400 + 300);
    assert_eq!(service.as_device(&renewed).whoami().await.unwrap().groups, ["line-2"]);
    for bad in ["admin", "server", "service", "nobody"] {
        let change = DeviceChange { profile: Some(bad.into()), ..DeviceChange::default() };
        assert_eq!(code(service.change("sensor-1", &change).await), ErrorCode::InvalidArgument, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_whose_answer_was_lost_is_repeated_byte_for_byte() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let key = TestKey::p256();
    let send = async || service.send_as(device.identity(), "POST", "/v1/renew", &[], key.csr().as_bytes()).await;
    let (first, again) = (send().await, send().await);
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.body, again.body);
    assert_eq!((first.header("idempotent-replay"), again.header("idempotent-replay")), (None, Some("true")));
    assert_eq!(service.show("sensor-1").await.certificates.len(), 2);
    assert_eq!(service.audit_of("certificate.renewed").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_needs_a_new_key_unless_the_profile_says_otherwise() {
    let keep = "[profiles.keep]\nkind = \"device\"\nlifetime_seconds = 3600\nreuse_key = true";
    let service = TestService::builder().toml(keep).start().await;
    let device = service.device("sensor-1").await;
    let refused = service.as_device(&device).renew(&plain(&device.key)).await;
    assert_eq!(code(refused), ErrorCode::KeyRefused);
    let token = service.create_token(CreateTokens { profile: "keep".into(), ..order("sensor-2") }).await;
    let device = service.device_with(&token, TestKey::p256()).await;
    let renewed = service.as_device(&device).renew(&plain(&device.key)).await.unwrap();
    assert_ne!(renewed.serial, device.serial());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_needs_a_client_certificate_of_this_authority() {
    let service = TestService::start().await;
    let body = TestKey::p256().csr();
    let refused = service.send("POST", "/v1/renew", &[], body.as_bytes()).await;
    assert_eq!(refused.problem().code, ErrorCode::NotAuthenticated);
    let token = service.token("sensor-1").await.token;
    let bearer = format!("Bearer {token}");
    let refused = service.send("POST", "/v1/renew", &[("authorization", &bearer)], body.as_bytes()).await;
    assert_eq!(refused.problem().code, ErrorCode::NotAuthenticated, "a token is no certificate");

    let key = TestKey::p256();
    let own = rcgen::CertificateParams::new(vec!["sensor-1".into()]).unwrap().self_signed(&key.pair).unwrap();
    let stranger = Identity { chain: vec![own.der().to_vec()], key: key.pkcs8().into() };
    // TLS 1.3: the refusal of the certificate arrives with the first read.
    let connection = crate::support::Wire::open(&service, Some(stranger), Protocol::Http1).await;
    let refused = match connection {
        Err(_) => true,
        Ok(mut wire) => wire.get("/v1/whoami").await.is_err(),
    };
    assert!(refused, "a certificate of nobody's was accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thief_of_the_issuing_key_is_not_known_by_his_certificates() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let (own, copied) = (TestKey::p256(), device.view().serial);
    let forge = |serial: &[u8], key: &TestKey| {
        let mut wanted = rcgen::CertificateParams::default();
        wanted.distinguished_name = rcgen::DistinguishedName::new();
        wanted.distinguished_name.push(rcgen::DnType::CommonName, "sensor-1");
        wanted.serial_number = Some(serial.to_vec().into());
        wanted.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let mut issuer = rcgen::CertificateParams::default();
        issuer.distinguished_name = rcgen::DistinguishedName::new();
        issuer.distinguished_name.push(rcgen::DnType::CommonName, "Test Issuing CA");
        let stolen = rcgen::KeyPair::try_from(service.installation.issuer_key().pkcs8_der()).unwrap();
        let der = wanted.signed_by(&key.pair, &rcgen::Issuer::new(issuer, stolen)).unwrap().der().to_vec();
        Identity { chain: vec![der, service.issuer.der().to_vec()], key: key.pkcs8().into() }
    };
    for serial in [&[0x12, 0x34][..], copied.as_bytes()] {
        let refused = service.client(Some(forge(serial, &own))).whoami().await;
        assert_eq!(code(refused), ErrorCode::CertificateUnknown);
    }
    service.as_device(&device).whoami().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolled_device_enrolls_again_only_by_an_order_that_says_so() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    assert_eq!(code(service.create_tokens(&order("sensor-1")).await), ErrorCode::Conflict);
    let again = CreateTokens { replace: true, groups: vec!["new".into()], ..order("sensor-1") };
    let token = service.create_token(again).await;
    let second = service.device_with(&token, TestKey::p256()).await;
    assert_eq!(service.as_device(&second).whoami().await.unwrap().groups, ["new"]);
    assert_eq!(code(service.as_device(&device).whoami().await), ErrorCode::CertificateSuperseded);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tokens_for_one_new_device_enroll_it_once() {
    let service = TestService::start().await;
    let (first, second) = (service.token("sensor-1").await, service.token("sensor-1").await);
    issued(service.enroll(&first.token, &TestKey::p256()).await);
    assert_eq!(code(service.enroll(&second.token, &TestKey::p256()).await), ErrorCode::TokenRevoked);
    assert_eq!(service.show("sensor-1").await.certificates.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_to_renew_lies_around_half_of_life() {
    let service = TestService::start().await;
    let mut seen = std::collections::BTreeSet::new();
    for i in 0..5 {
        let device: Device = service.device(&format!("sensor-{i}")).await;
        let at = |text: &str| UnixTime::parse_rfc3339(text).unwrap();
        let certificate = &device.certificate;
        let view = signet_pki::view::CertificateView::parse(&leaf(certificate)).unwrap();
        let life = view.not_after.since(view.not_before);
        let renew = at(&certificate.renew_after).since(view.not_before);
        assert!((life / 2 - renew).abs() <= life / 10, "{renew} of {life}");
        assert_eq!((at(&certificate.not_before), at(&certificate.not_after)), (view.not_before, view.not_after));
        assert_eq!(service.as_device(&device).whoami().await.unwrap().renew_after.unwrap(), certificate.renew_after);
        seen.insert(renew);
    }
    assert!(seen.len() > 1, "a fleet must not renew in step");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_into_few_others_in_an_hour() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let last = plain(&TestKey::p256());
    let mut made = 0;
    let refused = loop {
        match service.as_device(&device).renew(&plain(&TestKey::p256())).await {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
        assert!(made < 50, "there is no quota");
        if made == 1 {
            service.as_device(&device).renew(&last).await.unwrap();
        }
    };
    assert_eq!(code::<()>(Err(refused)), ErrorCode::TooManyRequests);
    let certificates = service.show("sensor-1").await.certificates.len();
    // A lost answer is repeated: that makes no other certificate.
    service.as_device(&device).renew(&last).await.unwrap();
    assert_eq!(service.show("sensor-1").await.certificates.len(), certificates);
    // A neighbour is not held up, and an hour later the device is not either.
    let other = service.device("sensor-2").await;
    service.renew(&other).await.unwrap();
    service.clock().advance(3601);
    service.renew(&device).await.unwrap();
}
