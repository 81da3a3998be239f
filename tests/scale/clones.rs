//! T16: two holders of one lineage.

use signet_api::ErrorCode;
use signet_api::admin::{DeviceAction, DeviceChange};
use signet_api::client::ClientError;
use signet_api::enroll::WhoAmI;

use crate::support::{Device, Protocol, TestService, code};

async fn whoami(service: &TestService, device: &Device) -> Result<WhoAmI, ClientError> {
    service.as_device(device).get_json("/v1/whoami").await
}

#[tokio::test(flavor = "multi_thread")]
async fn t16_a_superseded_generation_that_comes_back_is_cut_off_and_nobody_else() {
    let service = TestService::start().await;
    let first = service.device("camera-1").await;
    let sibling = service.device("camera-2").await;
    let second = service.renew(&first).await.unwrap();
    whoami(&service, &second).await.unwrap();
    assert!(!service.is_on_crl(first.serial()).await);

    assert_eq!(code(whoami(&service, &first).await), ErrorCode::CertificateSuperseded);

    // Whoever only checks offline must not trust it either; the schedule publishes by itself, without being asked.
    while !service.is_on_crl(first.serial()).await {
        tokio::task::yield_now().await;
    }
    assert!(!service.is_on_crl(second.serial()).await && !service.is_on_crl(sibling.serial()).await);
    assert_eq!(whoami(&service, &second).await.unwrap().id, second.certificate.device.as_str());
    whoami(&service, &sibling).await.unwrap();
    let shown = service.show("camera-1").await;
    let old = shown.certificates.iter().find(|c| c.serial == first.serial()).unwrap();
    assert!(old.review && old.status == "revoked");
    assert_eq!(shown.device.status, "active");

    // A second try changes nothing more.
    assert_eq!(code(whoami(&service, &first).await), ErrorCode::CertificateRevoked);
    assert_eq!(service.audit_of("alarm.superseded_certificate_used").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t16_the_slower_of_two_that_renewed_the_same_generation_is_found_out() {
    let service = TestService::start().await;
    let first = service.device("camera-1").await;
    let original = service.renew(&first).await.unwrap();
    let clone = service.renew(&first).await.unwrap();
    whoami(&service, &original).await.unwrap();
    whoami(&service, &clone).await.unwrap();
    assert_eq!(code(whoami(&service, &original).await), ErrorCode::CertificateSuperseded);
    assert_eq!(service.audit_of("alarm.superseded_certificate_used").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t16_a_key_that_belongs_to_one_device_is_not_certified_for_another() {
    let service = TestService::start().await;
    let first = service.device("camera-1").await;
    let token = service.token("camera-2").await.token;
    assert_eq!(code(service.enroll(&token, &first.key).await), ErrorCode::KeyRefused);
    assert!(service.show("camera-2").await.certificates.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_connections_of_either_version_end_with_the_identity_behind_them() {
    let service = TestService::start().await;
    for (number, protocol) in [Protocol::Http1, Protocol::Http2].into_iter().enumerate() {
        let id = format!("camera-{number}");
        let device = service.device(&id).await;
        let mut wire = service.wire(Some(device.identity()), protocol).await;
        assert_eq!(wire.get("/v1/whoami").await.unwrap().status, 200);
        let suspend = DeviceChange { action: Some(DeviceAction::Suspend), ..DeviceChange::default() };
        service.change(&id, &suspend).await.unwrap();
        // Without a request of the device's.
        assert!(wire.closed().await, "{protocol:?}");
        let mut wire = service.wire(Some(device.identity()), protocol).await;
        let refused = wire.get("/v1/whoami").await.unwrap();
        assert_eq!(refused.problem().code, ErrorCode::DeviceSuspended);
        // In HTTP/2 the header is forbidden, and a frame says it.
        assert_eq!(refused.header("connection"), (protocol == Protocol::Http1).then_some("close"));
        assert!(wire.closed().await, "{protocol:?}");
    }
}
