//! One-time tokens (threats T01 to T05).

use crate::support::TestService;

#[tokio::test(flavor = "multi_thread")]
async fn a_device_enrolls_and_renews() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let next = service.renew(&device).await.unwrap();
    assert_ne!(device.serial(), next.serial());
    assert!(!service.crl().await.entries().unwrap().iter().any(|(s, _, _)| s.to_string() == device.serial()));
    service.revoke_device("sensor-1").await;
    assert!(service.is_on_crl(next.serial()).await);
    assert!(service.audit().await.len() > 5);
}
