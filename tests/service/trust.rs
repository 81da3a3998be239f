//! T18, the service's part: a device learns the root without giving anything away.

use signet_api::ErrorCode;
use signet_api::client::{Client, ClientConfig, ClientError, Trust};
use signet_api::enroll::{EnrollRequest, HardwareFacts};
use signet_api::link::EnrollmentLink;
use signet_pki::{Fingerprint, pem};

use crate::support::{TestKey, TestService, issued};

#[tokio::test(flavor = "multi_thread")]
async fn t18_a_device_that_knows_the_link_alone_enrolls() {
    let service = TestService::start().await;
    let link = EnrollmentLink::parse(&service.token("sensor-1").await.link).unwrap();
    assert_eq!(link.root, service.root.view().fingerprint());
    assert_eq!(link.server, "https://localhost:8443");
    let client = Client::open(ClientConfig::new(service.url(), Trust::PinnedRoot(link.root))).await.unwrap();
    assert_eq!(client.trusted_roots(), [service.root.der()]);
    let request = EnrollRequest { csr: TestKey::p256().csr(), facts: HardwareFacts::default() };
    issued(client.enroll(&link.token, &request).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t18_under_another_fingerprint_no_token_is_sent() {
    let service = TestService::start().await;
    let other = Fingerprint([7; 32]);
    let refused = Client::open(ClientConfig::new(service.url(), Trust::PinnedRoot(other))).await;
    assert!(matches!(refused, Err(ClientError::Untrusted(_))));
    let issuer = Fingerprint::of(service.issuer.der());
    let refused = Client::open(ClientConfig::new(service.url(), Trust::PinnedRoot(issuer))).await;
    assert!(matches!(refused, Err(ClientError::Untrusted(_))), "an issuer is no root");
    let counters = service.local("/metrics").await;
    assert!(!counters.text().contains("/v1/enroll"), "{}", counters.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn t18_trust_is_public_and_the_same_for_everyone() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let roots = service.send("GET", "/v1/trust/roots.pem", &[], b"").await;
    assert_eq!(roots.status, 200);
    assert_eq!(pem::certificates(&roots.body).unwrap(), [service.root.der()]);
    let as_device = service.send_as(device.identity(), "GET", "/v1/trust/roots.pem", &[], b"").await;
    assert_eq!(as_device.body, roots.body);
    let bundle = service.send("GET", "/v1/trust/bundle.pem", &[], b"").await;
    let certificates = pem::certificates(&bundle.body).unwrap();
    assert_eq!(certificates, [service.root.der(), service.issuer.der()]);
    for reply in [&roots, &bundle] {
        assert!(!reply.text().contains("PRIVATE"));
        assert!(reply.header("etag").is_some());
    }
    let etag = roots.header("etag").unwrap();
    let again = service.send("GET", "/v1/trust/roots.pem", &[("if-none-match", etag)], b"").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let spiffe = service.send("GET", "/v1/trust/spiffe-bundle.json", &[], b"").await;
    let bundle: serde_json::Value = spiffe.json();
    assert_eq!(bundle["keys"].as_array().unwrap().len(), 1);
    assert_eq!(bundle["keys"][0]["use"], "x509-svid");
    let der = data_encoding::BASE64.decode(bundle["keys"][0]["x5c"][0].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(der, service.root.der());
}

#[tokio::test(flavor = "multi_thread")]
async fn t18_the_trust_routes_answer_to_get_alone() {
    let service = TestService::start().await;
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let refused = service.send(method, "/v1/trust/roots.pem", &[], b"").await;
        assert_eq!(refused.problem().code, ErrorCode::MethodNotAllowed, "{method}");
    }
}
