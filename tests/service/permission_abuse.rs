//! Askers who want more than they may, and certificates that nobody here handed out.

use signet_api::ErrorCode;
use signet_api::authz::{Check, CheckRequest, SubjectName, Verdict};
use signet_api::services::RegisterService;
use signet_pki::pem::{self, Label};

use crate::permission::{NAME, POLICY, by_id, by_serial, member, question, start};
use crate::support::services::with_names;
use crate::support::{Device, TestService, code};

fn with_resource(subject: SubjectName, resource: &str) -> CheckRequest {
    CheckRequest { resource: Some(resource.into()), ..question(subject) }
}

async fn second(service: &TestService) -> Device {
    let other = service.service("other", &["other.acme.example"]).await;
    let resources = Some(vec!["service:other".to_owned(), "mqtt:other/*".to_owned()]);
    let request =
        RegisterService { resources, proof: other.proof("other"), ..other.registration(&["other.acme.example"]) };
    service.register_for("other", &request).await.unwrap();
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_a_service_asks_about_what_belongs_to_it_and_nothing_else() {
    let (service, web) = start().await;
    let other = second(&service).await;
    let sensor = member(&service, "sensor", &["sensors"]).await;
    let (web, other) = (service.as_device(&web), service.as_device(&other));
    assert_eq!(other.check(&with_resource(by_serial(&sensor), "mqtt:other/a")).await.unwrap().decision, Verdict::Deny);
    // Whether it exists makes no difference.
    for resource in
        ["service:other", "service:nowhere", "service:other/data/1", "mqtt:other/a", "mqtt:nobody/a", "device:sensor"]
    {
        assert_eq!(
            code(web.check(&with_resource(by_serial(&sensor), resource)).await),
            ErrorCode::Forbidden,
            "{resource}"
        );
    }
    let mixed = |resource: &str| Check {
        subject: by_serial(&sensor),
        action: "read".into(),
        resource: Some(resource.into()),
        source: None,
    };
    let checks = vec![mixed("service:web"), mixed("service:other")];
    assert_eq!(code(web.check_all(&CheckRequest { checks, ..CheckRequest::default() }).await), ErrorCode::Forbidden);
    assert_eq!(code(other.check(&with_resource(by_serial(&sensor), "service:web")).await), ErrorCode::Forbidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_only_registered_services_and_administrators_may_ask() {
    let (service, web) = start().await;
    let sensor = member(&service, "sensor", &["sensors"]).await;
    let stranger = service.service("stranger", &["stranger.acme.example"]).await;
    let ask = |client: signet_api::client::Client| {
        let question = question(by_serial(&sensor));
        async move { client.check(&question).await }
    };
    assert_eq!(code(ask(service.as_device(&sensor)).await), ErrorCode::Forbidden);
    assert_eq!(code(ask(service.as_device(&stranger)).await), ErrorCode::Forbidden);
    assert_eq!(code(ask(service.client(None)).await), ErrorCode::NotAuthenticated);
    assert_eq!(ask(service.as_device(&web)).await.unwrap().decision, Verdict::Allow);
    service.send_as(web.identity(), "DELETE", "/v1/services/web", &[], b"").await;
    assert_eq!(code(ask(service.as_device(&web)).await), ErrorCode::Forbidden);
    service.register(&web, &web.registration(&[NAME])).await.unwrap();
    assert_eq!(ask(service.as_device(&web)).await.unwrap().decision, Verdict::Allow);
    service.revoke_device("web").await;
    assert_eq!(code(ask(service.as_device(&web)).await), ErrorCode::DeviceRevoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_unknown_and_denied_ids_look_the_same_to_a_service() {
    let (service, web) = start().await;
    member(&service, "suspended-one", &["sensors"]).await;
    let change = signet_api::admin::DeviceChange {
        action: Some(signet_api::admin::DeviceAction::Suspend),
        ..signet_api::admin::DeviceChange::default()
    };
    service.change("suspended-one", &change).await.unwrap();
    member(&service, "revoked--one", &["sensors"]).await;
    service.revoke_device("revoked--one").await;
    member(&service, "in-no-group1", &[]).await;
    member(&service, "forbidden--1", &["sensors", "lab"]).await;
    service.token("not-enrolled").await;
    let mut bodies = Vec::new();
    for id in [
        "suspended-one",
        "revoked--one",
        "in-no-group1",
        "forbidden--1",
        "not-enrolled",
        "nobody------1",
        "web",
        "admin",
    ] {
        let body = serde_json::to_vec(&question(by_id(id))).unwrap();
        let reply = service.send_as(web.identity(), "POST", "/v1/authz/check", &[], &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        bodies.push(reply.text().replace(id, "ID"));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(bodies[0].contains("\"reasons\":[\"denied\"]"), "{bodies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_a_service_that_asks_without_end_is_told_to_wait_and_its_neighbour_is_not() {
    let service = with_names("[authz]\nchecks_per_second = 10\ncheck_burst = 50\n").start().await;
    service.policy(POLICY).await;
    let web = service.service("web", &[NAME]).await;
    service.register(&web, &web.registration(&[NAME])).await.unwrap();
    let other = second(&service).await;
    let sensor = member(&service, "sensor", &["sensors"]).await;
    let check = Check { subject: by_serial(&sensor), action: "read".into(), resource: None, source: None };
    let batch = CheckRequest { checks: vec![check; 50], ..CheckRequest::default() };
    let (web_client, other_client) = (service.as_device(&web), service.as_device(&other));
    web_client.check_all(&batch).await.unwrap();
    let body = serde_json::to_vec(&question(by_serial(&sensor))).unwrap();
    let refused = service.send_as(web.identity(), "POST", "/v1/authz/check", &[], &body).await;
    assert_eq!((refused.status, refused.problem().code), (429, ErrorCode::TooManyRequests));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(code(web_client.check_all(&batch).await), ErrorCode::TooManyRequests);
    other_client.check_all(&batch).await.unwrap();
    service.clock().advance(5);
    web_client.check_all(&batch).await.unwrap();
    let metrics = service.local("/metrics").await;
    assert!(metrics.text().contains("signet_authz_decisions_total{outcome=\"Quota\"} 2"), "{}", metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn t44_questions_have_a_size() {
    let (service, web) = start().await;
    let large = vec![b' '; 512 * 1024 + 1];
    let reply = service.send_as(web.identity(), "POST", "/v1/authz/check", &[], &large).await;
    assert_eq!(reply.problem().code, ErrorCode::BodyTooLarge);
    let long = |text: usize| CheckRequest { action: Some("a".repeat(text)), ..question(by_id("x")) };
    let client = service.as_device(&web);
    assert_eq!(code(client.check(&long(65)).await), ErrorCode::InvalidArgument);
    assert_eq!(client.check(&long(64)).await.unwrap().decision, Verdict::Deny);
    for wrong in [
        "[]",
        "{\"subject\":{\"device\":\"a\"},\"action\":\"read\",\"more\":1}",
        "{",
        "{\"subject\":\"a\",\"action\":\"b\"}",
    ] {
        let reply = service.send_as(web.identity(), "POST", "/v1/authz/check", &[], wrong.as_bytes()).await;
        assert_eq!(reply.problem().code, ErrorCode::MalformedRequest, "{wrong}");
    }
}

/// What a thief of the issuing key signs: with a number of his own, or with that of a device and his own key.
fn signed_by_the_thief(service: &TestService, id: &str, serial: &[u8], key: &rcgen::KeyPair) -> String {
    let mut wanted = rcgen::CertificateParams::default();
    wanted.distinguished_name = rcgen::DistinguishedName::new();
    wanted.distinguished_name.push(rcgen::DnType::CommonName, id);
    wanted.serial_number = Some(serial.to_vec().into());
    wanted.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let mut issuer = rcgen::CertificateParams::default();
    issuer.distinguished_name = rcgen::DistinguishedName::new();
    issuer.distinguished_name.push(rcgen::DnType::CommonName, "Test Issuing CA");
    let stolen = rcgen::KeyPair::try_from(service.installation.issuer_key().pkcs8_der()).unwrap();
    let signed = wanted.signed_by(key, &rcgen::Issuer::new(issuer, stolen)).unwrap();
    pem::encode(Label::Certificate, signed.der())
}

#[tokio::test(flavor = "multi_thread")]
async fn t38_a_certificate_that_was_never_handed_out_opens_nothing() {
    let (service, web) = start().await;
    let sensor = member(&service, "sensor", &["sensors"]).await;
    let thief = rcgen::KeyPair::generate().unwrap();
    let unlogged = signed_by_the_thief(&service, "sensor", &[0x4f; 20], &thief);
    let own_key = signed_by_the_thief(&service, "sensor", sensor.view().serial.as_bytes(), &thief);
    let client = service.as_device(&web);
    let certificate = |text: &str| SubjectName { certificate: Some(text.into()), ..SubjectName::default() };
    for (shown, reason) in [(&unlogged, "certificate.unknown"), (&own_key, "subject.mismatch")] {
        let answer = client.check(&question(certificate(shown))).await.unwrap();
        assert_eq!((answer.decision, answer.reasons), (Verdict::Deny, vec![reason.to_owned()]));
    }
    let by_number = SubjectName { serial: Some("4f".repeat(20)), ..SubjectName::default() };
    assert_eq!(client.check(&question(by_number)).await.unwrap().reasons, ["certificate.unknown"]);
    let by_fingerprint = SubjectName { fingerprint: Some("4f".repeat(32)), ..SubjectName::default() };
    assert_eq!(client.check(&question(by_fingerprint)).await.unwrap().reasons, ["certificate.unknown"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t38_nor_does_it_through_nginx() {
    let (service, web) = start().await;
    let thief = rcgen::KeyPair::generate().unwrap();
    let unlogged = signed_by_the_thief(&service, "sensor", &[0x4f; 20], &thief);
    let escaped = unlogged.replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B").replace('/', "%2F");
    let number = "4F".repeat(20);
    for (name, value) in [("x-client-cert", escaped.as_str()), ("x-client-serial", number.as_str())] {
        let headers = [(name, value), ("x-original-method", "GET"), ("x-original-uri", "/data/1")];
        let reply = service.send_as(web.identity(), "GET", "/v1/authz/nginx", &headers, b"").await;
        assert_eq!((reply.status, reply.header("x-signet-reasons")), (403, Some("certificate.unknown")));
    }
}
