//! T05: somebody tries tokens. T23: somebody writes into headers who he would like to be.

use std::net::{IpAddr, Ipv4Addr};

use signet_api::{Credential, CredentialKind, ErrorCode};

use super::tokens::with_other_secret;
use crate::support::{Protocol, Reply, TestKey, TestService, Wire, issued};

/// Everything about an answer that could tell two cases apart.
pub(crate) fn appearance(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let id = reply.problem().request_id;
    let mut headers: Vec<(String, String)> = reply
        .headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().replace(&id, "ID")))
        .collect();
    headers.sort();
    (reply.status, headers, reply.text().replace(&id, "ID"))
}

#[tokio::test(flavor = "multi_thread")]
async fn t05_an_unknown_id_a_wrong_secret_and_a_typing_mistake_look_alike() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let csr = TestKey::p256().csr_der();
    let unknown = Credential::from_random(CredentialKind::Enrollment, &[9; 24]).expose().to_string();
    let mut mistyped = token.clone();
    let last = mistyped.pop().unwrap();
    mistyped.push(if last == 'x' { 'y' } else { 'x' });
    let other_kind = Credential::from_random(CredentialKind::ApiKey, &[9; 24]).expose().to_string();
    let wrong = service.post_csr(&with_other_secret(&token), &csr).await;
    assert_eq!(wrong.problem().code, ErrorCode::TokenInvalid);
    assert_eq!(wrong.problem().detail, None);
    for attempt in [unknown, mistyped, other_kind, "nonsense".into()] {
        let reply = service.post_csr(&attempt, &csr).await;
        assert_eq!(appearance(&reply), appearance(&wrong), "{attempt}");
    }
    assert!(service.show("sensor-1").await.certificates.is_empty());
    issued(service.enroll(&token, &TestKey::p256()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t05_a_wrong_secret_writes_nothing() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let before = service.audit().await.len();
    for _ in 0..5 {
        service.post_csr(&with_other_secret(&token), &TestKey::p256().csr_der()).await.problem();
    }
    assert_eq!(service.audit().await.len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn t05_ten_failures_in_a_minute_make_the_guesses_of_an_address_wait() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let csr = TestKey::p256().csr_der();
    for _ in 0..10 {
        assert_eq!(service.post_csr("sge_wrong", &csr).await.problem().code, ErrorCode::TokenInvalid);
    }
    let slowed = service.post_csr(&with_other_secret(&token), &csr).await;
    assert_eq!(slowed.problem().code, ErrorCode::TooManyRequests);
    assert_eq!(slowed.header("retry-after"), Some("60"));

    // Addresses share 4096 places under a random hash, so one neighbour alone could meet this one by chance.
    let mut others = Vec::new();
    for last in [2, 3] {
        let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        let mut wire = Wire::open_from(&service, ip, None, Protocol::Http1).await.unwrap();
        let reply = wire.send("POST", "/v1/enroll", &[("authorization", "Bearer x")], &csr).await.unwrap();
        others.push(reply.problem().code);
    }
    assert!(others.contains(&ErrorCode::TokenInvalid), "another address is not made to wait");

    // Good tokens, lists and administrators are not held up.
    assert_eq!(service.plain("/crl/all.pem").await.status, 200);
    service.clock().advance(59);
    assert_eq!(service.post_csr("sge_wrong", &csr).await.header("retry-after"), Some("1"));
    assert_eq!(service.post_csr(&token, &csr).await.status, 200);
    service.clock().advance(1);
    assert_eq!(service.post_csr("sge_wrong", &csr).await.problem().code, ErrorCode::TokenInvalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn t23_a_forged_forwarding_header_does_not_change_the_address() {
    let service = TestService::start().await;
    let csr = TestKey::p256().csr_der();
    for i in 0..10 {
        let forged = format!("203.0.113.{i}");
        let headers =
            [("authorization", "Bearer sge_wrong"), ("x-forwarded-for", &forged), ("forwarded", "for=1.2.3.4")];
        service.send("POST", "/v1/enroll", &headers, &csr).await.problem();
    }
    assert_eq!(service.post_csr("sge_wrong", &csr).await.problem().code, ErrorCode::TooManyRequests);
}

#[tokio::test(flavor = "multi_thread")]
async fn t23_a_certificate_in_a_header_is_no_certificate() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let pem = device.certificate.certificate.replace('\n', "%0A");
    let der = format!(":{}:", data_encoding::BASE64.encode(&device.der()));
    let xfcc = format!("Hash={};Cert=\"{pem}\";URI={}", "0".repeat(64), device.certificate.spiffe_id);
    let forged = [
        ("x-forwarded-client-cert", xfcc.as_str()),
        ("client-cert", der.as_str()),
        ("x-ssl-client-cert", pem.as_str()),
        ("x-ssl-client-verify", "SUCCESS"),
        ("x-ssl-client-s-dn", "CN=admin"),
        ("x-client-cert", pem.as_str()),
        ("x-spiffe-id", "spiffe://acme.example/admin/admin"),
        ("x-remote-user", "admin"),
    ];
    for path in ["/v1/whoami", "/v1/admin/devices"] {
        let refused = service.send("GET", path, &forged, b"").await;
        assert_eq!(refused.problem().code, ErrorCode::NotAuthenticated, "{path}");
    }
    let refused = service.send_as(device.identity(), "GET", "/v1/admin/devices", &forged, b"").await;
    assert_eq!(refused.problem().code, ErrorCode::Forbidden);
    let renewed = service.send("POST", "/v1/renew", &forged, &TestKey::p256().csr_der()).await;
    assert_eq!(renewed.problem().code, ErrorCode::NotAuthenticated);
}
