//! T17: a clock that cannot be right.

use signet::clock::{Clock, SystemClock};
use signet_api::ErrorCode;
use signet_api::admin::{CreateTokens, TokenKind};
use signet_keys::files::{self, Mode};
use signet_pki::UnixTime;
use signet_pki::ca::{CaName, IssuerPlan, certify_issuer};
use signet_pki::csr::{self, CheckedCsr};
use signet_pki::issue::Locations;
use signet_pki::key_policy::KeyPolicy;
use signet_pki::pem::{self, Label};

use crate::support::{Installation, TestKey, TestService, code, issued, order};

#[tokio::test(flavor = "multi_thread")]
async fn t17_a_clock_that_jumped_back_issues_nothing_and_writes_nothing() {
    let service = TestService::start().await;
    let device = service.device("sensor-0").await;
    service.as_device(&device).whoami().await.unwrap();
    let token = service.token("sensor-1").await;
    let before = service.audit().await.len();
    service.clock().advance(-3600);
    let refused = service.enroll(&token.token, &TestKey::p256()).await;
    assert_eq!(code(refused), ErrorCode::ClockRefused);
    let reply = service.post_csr(&token.token, &TestKey::p256().csr_der()).await;
    assert_eq!(reply.status, 503);
    assert!(reply.header("retry-after").is_some());
    assert_eq!(code(service.renew(&device).await.map(|_| ())), ErrorCode::ClockRefused);
    let ready = service.local("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("clock: "), "{}", ready.text());
    service.clock().advance(3600);
    assert_eq!(service.audit().await.len(), before);
    assert_eq!(service.local("/readyz").await.status, 200);
    let certificate = issued(service.enroll(&token.token, &TestKey::p256()).await);
    assert_eq!(service.show("sensor-1").await.certificates[0].serial, certificate.serial);
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_a_clock_that_was_corrected_by_minutes_goes_on() {
    let service = TestService::start().await;
    service.device("sensor-1").await;
    service.clock().advance(-200);
    service.device("sensor-2").await;
    assert_eq!(service.local("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_the_memory_of_the_newest_certificate_survives_a_restart() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    service.clock().advance(600);
    service.device("sensor-0").await;
    let installation = service.stop().await;
    installation.clock.advance(-3600);
    let service = TestService::builder().start_in(installation).await;
    assert_eq!(code(service.enroll(&token, &TestKey::p256()).await), ErrorCode::ClockRefused);
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_no_clock_shows_a_time_before_this_program_was_made() {
    let installation = Installation::new().await;
    // The newest certificate is gone from memory with a new database; the program's own age is left.
    let service = TestService::builder().start_in(installation).await;
    for wrong in ["1970-01-01T00:00:00Z", "2026-10-31T23:59:59Z"] {
        service.clock().set(UnixTime::parse_rfc3339(wrong).unwrap());
        assert!(service.local("/readyz").await.text().contains("clock: "), "{wrong}");
    }
}

/// Certifies the issuing key anew until `end`.
async fn shorten_issuer(installation: &Installation, end: UnixTime) {
    let request = csr::make(&installation.issuer_key(), "issuer").unwrap();
    let plan = IssuerPlan {
        request: CheckedCsr::from_der(&request, &KeyPolicy::standard()).unwrap(),
        name: CaName::new("Test Issuing CA", None).unwrap(),
        validity: (SystemClock.now().minus(300), end),
        locations: Locations { crl: vec!["http://localhost:8080/crl/root.crl".into()], ..Locations::default() },
        permitted_dns: Vec::new(),
    };
    let root_key = Installation::root_key().await;
    let issuer = certify_issuer(&installation.root(), &root_key, plan, [0x31; 20]).unwrap();
    let text = pem::encode(Label::Certificate, issuer.der());
    files::replace(&installation.path("server/issuer/issuer.pem"), text.as_bytes(), Mode::Public).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t17_no_certificate_outlives_its_issuer_and_an_ended_issuer_issues_nothing() {
    let installation = Installation::new().await;
    let end = SystemClock.now().plus(7200);
    shorten_issuer(&installation, end).await;
    let service = TestService::builder().start_in(installation).await;
    let batch = |id: &str| CreateTokens { kind: TokenKind::Batch, cidr: Some("127.0.0.0/8".into()), ..order(id) };
    let cut = service.create_token(batch("sensor-1")).await;
    let late = service.create_token(batch("sensor-2")).await;
    let device = service.device_with(&cut, TestKey::p256()).await;
    assert_eq!(device.view().not_after, end);

    service.clock().set(end.minus(30));
    assert_eq!(code(service.enroll(&late.token, &TestKey::p256()).await), ErrorCode::SignerUnavailable);
    service.clock().set(end.plus(86_400));
    assert_eq!(code(service.enroll(&late.token, &TestKey::p256()).await), ErrorCode::SignerUnavailable);
    assert!(service.show("sensor-2").await.certificates.is_empty());
    service.clock().set(end.minus(3600));
    issued(service.enroll(&late.token, &TestKey::p256()).await);

    let installation = service.stop().await;
    installation.clock.set(end.plus(1));
    let Err((_, error)) = TestService::builder().try_start_in(installation).await else {
        panic!("an issuer that has ended was taken into service")
    };
    assert!(error.to_string().contains("not usable"), "{error}");
    assert!(error.hint().contains("ca issuer install"));
}
