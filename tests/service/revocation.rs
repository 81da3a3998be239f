//! T13: what was ended stays ended, also on connections that were open before.

use signet_api::ErrorCode;
use signet_api::admin::{DeviceAction, DeviceChange, RevokeReport, RevokeRequest};
use signet_api::enroll::RenewRequest;
use signet_pki::crl::Reason;

use crate::support::{Device, Protocol, TestKey, TestService, Wire, code, device_id, issued, order};

fn action(action: DeviceAction) -> DeviceChange {
    DeviceChange { action: Some(action), ..DeviceChange::default() }
}

fn by_serial(device: &Device) -> RevokeRequest {
    RevokeRequest { serial: Some(device.serial().into()), ..RevokeRequest::default() }
}

/// An open connection that has just been used.
async fn open(service: &TestService, device: &Device, protocol: Protocol) -> Wire {
    let mut wire = service.wire(Some(device.identity()), protocol).await;
    assert_eq!(wire.get("/v1/whoami").await.unwrap().status, 200);
    wire
}

/// The connection ends without a request, and a new one is of no use.
async fn assert_ended(service: &TestService, device: &Device, wire: Wire, expected: ErrorCode) {
    assert!(wire.closed().await, "the connection stays open after {expected:?}");
    assert_refused(service.wire(Some(device.identity()), Protocol::Http1).await, expected).await;
}

/// The next request is refused and the connection ends.
async fn assert_refused(mut wire: Wire, expected: ErrorCode) {
    let refused = wire.get("/v1/whoami").await.unwrap();
    assert_eq!(refused.problem().code, expected);
    assert!(wire.closed().await, "the connection stays open after {expected:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_a_revocation_ends_open_connections_at_once() {
    let service = TestService::start().await;
    let (device, sibling) = (service.device("sensor-1").await, service.device("sensor-2").await);
    let first = open(&service, &device, Protocol::Http1).await;
    let mut untouched = open(&service, &sibling, Protocol::Http1).await;
    service.revoke_device("sensor-1").await;
    assert_ended(&service, &device, first, ErrorCode::DeviceRevoked).await;
    assert_eq!(untouched.get("/v1/whoami").await.unwrap().status, 200);
    let mut second = service.wire(Some(device.identity()), Protocol::Http1).await;
    let body = TestKey::p256().csr();
    let refused = second.send("POST", "/v1/renew", &[], body.as_bytes()).await.unwrap();
    assert_eq!(refused.problem().code, ErrorCode::DeviceRevoked);
    assert!(second.closed().await);
    assert_eq!(service.show("sensor-1").await.certificates.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_a_revocation_ends_open_http2_connections_as_well() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let wire = open(&service, &device, Protocol::Http2).await;
    service.revoke_device("sensor-1").await;
    assert_ended(&service, &device, wire, ErrorCode::DeviceRevoked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_a_suspended_device_is_refused_until_it_is_resumed() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let wire = open(&service, &device, Protocol::Http1).await;
    assert_eq!(service.change("sensor-1", &action(DeviceAction::Suspend)).await.unwrap().status, "suspended");
    assert_ended(&service, &device, wire, ErrorCode::DeviceSuspended).await;
    assert_eq!(code(service.renew(&device).await.map(|_| ())), ErrorCode::DeviceSuspended);
    assert!(!service.is_on_crl(device.serial()).await, "a suspension is no revocation");
    assert_eq!(code(service.change("sensor-1", &action(DeviceAction::Suspend)).await), ErrorCode::Conflict);

    service.change("sensor-1", &action(DeviceAction::Resume)).await.unwrap();
    service.as_device(&device).whoami().await.unwrap();
    service.renew(&device).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_a_revoked_certificate_is_refused_and_its_device_is_not() {
    let service = TestService::start().await;
    let old = service.device("sensor-1").await;
    let new = service.renew(&old).await.unwrap();
    let wire = open(&service, &old, Protocol::Http1).await;
    let report = service.revoke(&by_serial(&old)).await.unwrap();
    assert_eq!((report.devices.len(), report.certificates.as_slice()), (0, &[old.serial().to_owned()][..]));
    assert_ended(&service, &old, wire, ErrorCode::CertificateRevoked).await;
    assert_eq!(service.as_device(&new).whoami().await.unwrap().serial.as_deref(), Some(new.serial()));
    assert!(service.is_on_crl(old.serial()).await && !service.is_on_crl(new.serial()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_an_older_generation_is_refused_once_the_newer_one_was_used() {
    let service = TestService::start().await;
    let old = service.device("sensor-1").await;
    let new = service.renew(&old).await.unwrap();
    // Two-phase: until the new one is used, the old one is good.
    let wire = open(&service, &old, Protocol::Http1).await;
    service.as_device(&new).whoami().await.unwrap();
    assert_refused(wire, ErrorCode::CertificateSuperseded).await;
    assert_eq!(code(service.renew(&old).await.map(|_| ())), ErrorCode::CertificateRevoked);
    let alarms = service.audit_of("alarm.superseded_certificate_used").await;
    assert_eq!(alarms.len(), 1, "one alarm for a clone that knocks again and again");
    assert_eq!(alarms[0].detail["serial"], old.serial());
    let shown = service.show("sensor-1").await;
    let of = |serial: &str| shown.certificates.iter().find(|c| c.serial == serial).unwrap();
    assert!(of(old.serial()).review && of(old.serial()).status == "revoked");
    assert_eq!((of(new.serial()).status.as_str(), of(new.serial()).generation), ("active", 2));
    service.as_device(&new).whoami().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_the_whole_lineage_of_a_revoked_device_is_dead() {
    let service = TestService::start().await;
    let first = service.device("sensor-1").await;
    let second = service.renew(&first).await.unwrap();
    let third = service.renew(&second).await.unwrap();
    let sibling = service.device("sensor-2").await;
    let open_token = service.create_token(signet_api::admin::CreateTokens { replace: true, ..order("sensor-1") }).await;
    let report = service.revoke_device("sensor-1").await;
    assert_eq!(report.devices, [device_id("sensor-1")]);
    assert_eq!(report.tokens, std::slice::from_ref(&open_token.id));
    let mut ended = report.certificates.clone();
    ended.sort();
    let mut all: Vec<String> = [&first, &second, &third].map(|d| d.serial().to_owned()).to_vec();
    all.sort();
    assert_eq!(ended, all);
    for device in [&first, &second, &third] {
        assert_eq!(code(service.renew(device).await.map(|_| ())), ErrorCode::DeviceRevoked);
        assert!(service.is_on_crl(device.serial()).await);
    }
    assert_eq!(code(service.enroll(&open_token.token, &TestKey::p256()).await), ErrorCode::TokenRevoked);
    assert_eq!(code(service.create_tokens(&order("sensor-1")).await), ErrorCode::Conflict);
    for step in [DeviceAction::Resume, DeviceAction::Suspend, DeviceAction::Retire, DeviceAction::Approve] {
        assert_eq!(code(service.change("sensor-1", &action(step)).await), ErrorCode::Conflict);
    }
    service.as_device(&sibling).whoami().await.unwrap();
    assert!(!service.is_on_crl(sibling.serial()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_a_retired_device_is_revoked_with_its_reason() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let wire = open(&service, &device, Protocol::Http2).await;
    assert_eq!(service.change("sensor-1", &action(DeviceAction::Retire)).await.unwrap().status, "retired");
    assert_ended(&service, &device, wire, ErrorCode::DeviceRevoked).await;
    let entries = service.crl().await.entries().unwrap();
    let entry = entries.iter().find(|(serial, _, _)| serial.to_string() == device.serial()).unwrap();
    assert_eq!(entry.2, Reason::CessationOfOperation);
    assert_eq!(service.audit_of("device.retired").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_a_certificate_that_expires_on_an_open_connection_is_refused() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let mut wire = open(&service, &device, Protocol::Http1).await;
    service.clock().advance(86_401);
    assert_eq!(wire.get("/v1/whoami").await.unwrap().problem().code, ErrorCode::NotAuthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_revoked_with_every_device_that_came_from_it() {
    let service = TestService::start().await;
    let lot = signet_api::admin::CreateTokens {
        kind: signet_api::admin::TokenKind::Batch,
        batch: Some("lot-1".into()),
        cidr: Some("127.0.0.0/8".into()),
        targets: ["a", "b"].map(crate::support::target).to_vec(),
        ..order("unused")
    };
    let tokens = service.create_tokens(&lot).await.unwrap().tokens;
    let device = service.device_with(&tokens[0], TestKey::p256()).await;
    let sibling = service.device("c").await;
    let order =
        RevokeRequest { batch: Some("lot-1".into()), reason: Some(Reason::KeyCompromise), ..RevokeRequest::default() };
    let dry = service.revoke(&RevokeRequest { dry_run: true, ..order.clone() }).await.unwrap();
    assert_eq!((dry.dry_run, dry.crl_number), (true, None));
    let real = service.revoke(&order).await.unwrap();
    assert_eq!(real, RevokeReport { dry_run: false, crl_number: real.crl_number, ..dry });
    assert_eq!(real.certificates, [device.serial()]);
    assert_eq!(real.devices, [device_id("a")]);
    assert_eq!(real.tokens, [tokens[1].id.clone()]);
    assert_eq!(service.show("b").await.device.status, "preregistered", "nothing of it was ever enrolled");
    assert_eq!(code(service.enroll(&tokens[1].token, &TestKey::p256()).await), ErrorCode::TokenRevoked);
    assert_eq!(service.crl().await.entries().unwrap()[0].2, Reason::KeyCompromise);
    assert_eq!(code(service.as_device(&device).whoami().await), ErrorCode::DeviceRevoked);
    service.as_device(&sibling).whoami().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let token = service.token("sensor-2").await;
    let (entries, list) = (service.audit().await.len(), service.crl().await.number);
    let targets = [
        RevokeRequest { device: Some(device_id("sensor-1")), ..RevokeRequest::default() },
        RevokeRequest { device: Some(device_id("sensor-2")), ..RevokeRequest::default() },
        by_serial(&device),
    ];
    for target in targets {
        let report = service.revoke(&RevokeRequest { dry_run: true, ..target }).await.unwrap();
        assert!(report.dry_run && report.crl_number.is_none());
        assert!(!report.certificates.is_empty() || !report.tokens.is_empty());
    }
    assert_eq!(service.audit().await.len(), entries);
    assert_eq!(service.crl().await.number, list);
    assert!(service.crl().await.is_empty());
    service.as_device(&device).whoami().await.unwrap();
    issued(service.enroll(&token.token, &TestKey::p256()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_may_be_repeated_and_must_have_a_target() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let first = service.revoke_device("sensor-1").await;
    let entries = service.audit().await.len();
    let again = service.revoke_device("sensor-1").await;
    assert_eq!((again.devices.len(), again.certificates.len(), again.tokens.len()), (0, 0, 0));
    let again = service.revoke(&by_serial(&device)).await.unwrap();
    assert!(again.certificates.is_empty());
    assert_eq!(service.audit().await.len(), entries);
    assert_eq!(service.crl().await.entries().unwrap().len(), 1);
    assert!(first.crl_number.is_some());

    let unknown = [
        RevokeRequest { device: Some(device_id("nobody")), ..RevokeRequest::default() },
        RevokeRequest { serial: Some("4f00a1".into()), ..RevokeRequest::default() },
        RevokeRequest { batch: Some("lot-9".into()), ..RevokeRequest::default() },
    ];
    for target in unknown {
        assert_eq!(code(service.revoke(&target).await), ErrorCode::NotFound, "{target:?}");
    }
    let vague = [
        RevokeRequest::default(),
        RevokeRequest { device: Some(device_id("sensor-1")), batch: Some("lot".into()), ..RevokeRequest::default() },
        RevokeRequest { serial: Some("not hex".into()), ..RevokeRequest::default() },
    ];
    for target in vague {
        assert_eq!(code(service.revoke(&target).await), ErrorCode::InvalidArgument, "{target:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_who_is_revoked_is_out_at_once() {
    let service = TestService::start().await;
    let me = service.admin.whoami().await.unwrap();
    service.revoke(&RevokeRequest { serial: me.serial, ..RevokeRequest::default() }).await.unwrap();
    assert_eq!(code(service.create_tokens(&order("sensor-1")).await), ErrorCode::CertificateRevoked);
    let request = RenewRequest { csr: TestKey::p256().csr(), device: None, profile: None, groups: None };
    assert_eq!(code(service.admin.renew(&request).await), ErrorCode::CertificateRevoked);
}
