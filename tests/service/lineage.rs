//! T70: a compromise ends everything that descends from it, and the key for ever; nothing else ends with it.

use serde_json::json;
use signet_api::access::{ApiKeyAction, ApiKeyInfo, ChangeApiKey, CreateApiKey, CreatedApiKey};
use signet_api::admin::{CreateTokens, DescendantKind, DeviceAction, DeviceChange, Page, RevokeReport, RevokeRequest};
use signet_api::client::ClientError;
use signet_api::enroll::RenewRequest;
use signet_api::scope::Scope;
use signet_api::{ErrorCode, admin};
use signet_pki::crl::Reason;
use signet_pki::ocsp::Status;

use crate::support::access::key_order;
use crate::support::oauth::As;
use crate::support::ocsp::{about, fetch, id as id_of, now, read};
use crate::support::{Device, TestKey, TestService, code, device_id, order};

fn of(device: &Device, reason: Reason) -> RevokeRequest {
    RevokeRequest { serial: Some(device.serial().into()), reason: Some(reason), ..RevokeRequest::default() }
}

/// The reason on the CRL, the one that OCSP gives, and what the API says.
async fn assert_ended(service: &TestService, device: &Device, reason: Reason) {
    let entries = service.crl().await.entries().unwrap();
    let listed: Vec<_> = entries.iter().filter(|(serial, ..)| serial.to_string() == device.serial()).collect();
    assert_eq!(listed.iter().map(|(_, _, reason)| *reason).collect::<Vec<_>>(), [reason], "once on the CRL");
    let id = id_of(service, device);
    let answer = read(service, &fetch(service, &about(&[&id], None)).await).unwrap();
    assert_eq!(answer.about(&id, now(service)), Some(Status::Revoked { at: listed[0].1, reason }));
    assert_eq!(code(service.as_device(device).whoami().await), ErrorCode::CertificateRevoked);
    assert_eq!(code(service.renew(device).await.map(|_| ())), ErrorCode::CertificateRevoked);
}

async fn assert_lives(service: &TestService, device: &Device) {
    service.as_device(device).whoami().await.unwrap();
    assert!(!service.is_on_crl(device.serial()).await);
}

async fn renew_with(service: &TestService, device: &Device, key: &TestKey) -> Result<(), ClientError> {
    let request = RenewRequest { csr: key.csr(), device: None, profile: None, groups: None };
    service.as_device(device).renew(&request).await.map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn t70_the_certificate_that_a_thief_renewed_into_ends_with_the_stolen_one() {
    let service = TestService::start().await;
    let stolen = service.device("sensor-1").await;
    let thief = service.renew(&stolen).await.unwrap();
    let again = service.renew(&thief).await.unwrap();
    let session = service.access_token(As::Device(&again), "offline_access").await;
    let sibling = service.device("sensor-2").await;
    // Another reason ends the one, and says what lives on.
    let plan = service.revoke(&RevokeRequest { dry_run: true, ..of(&stolen, Reason::Superseded) }).await.unwrap();
    let living: Vec<_> = plan.living.iter().map(|found| (found.kind, found.id.as_str())).collect();
    for generation in [&thief, &again] {
        assert!(living.contains(&(DescendantKind::Certificate, generation.serial())), "{living:?}");
    }
    assert!(living.iter().any(|(kind, _)| *kind == DescendantKind::Session), "{living:?}");
    assert_eq!(plan.living[0].device, Some(device_id("sensor-1")));

    let report = service.revoke(&of(&stolen, Reason::KeyCompromise)).await.unwrap();
    assert_eq!((report.certificates.len(), report.blocked_keys, report.living.len()), (3, 3, 0));
    for generation in [&stolen, &thief, &again] {
        assert_ended(&service, generation, Reason::KeyCompromise).await;
    }
    assert!(!service.introspect(&session.access_token).await.active);
    assert!(!service.introspect(&session.refresh_token.unwrap()).await.active);
    assert_lives(&service, &sibling).await;
    assert_eq!(service.show("sensor-1").await.device.status, "active", "the device may enroll again, with another key");
}

#[tokio::test(flavor = "multi_thread")]
async fn t70_a_compromised_key_is_certified_by_no_road_and_for_nobody() {
    let service = TestService::start().await;
    let stolen = service.device("sensor-1").await;
    let sibling = service.device("sensor-2").await;
    service.revoke(&of(&stolen, Reason::KeyCompromise)).await.unwrap();
    let token = service.create_token(CreateTokens { replace: true, ..order("sensor-1") }).await;
    let other = service.token("sensor-3").await;
    // Its first use is an entry of its own.
    assert_lives(&service, &sibling).await;
    let before = service.audit().await.len();
    let refused = service.enroll(&token.token, &stolen.key).await;
    let problem = refused.unwrap_err().problem().unwrap().clone();
    assert_eq!(problem.code, ErrorCode::KeyRefused);
    assert!(problem.detail.unwrap().contains("reported as compromised"));
    assert_eq!(code(service.enroll(&other.token, &stolen.key).await), ErrorCode::KeyRefused);
    assert_eq!(code(renew_with(&service, &sibling, &stolen.key).await), ErrorCode::KeyRefused);
    for device in ["sensor-1", "sensor-4"] {
        let order = json!({ "device": device, "csr": stolen.key.csr(), "profile": "device", "replace": true });
        let refused = service.admin.post_json::<_, serde_json::Value>("/v1/admin/issue", &order).await;
        assert_eq!(code(refused), ErrorCode::KeyRefused, "{device}");
    }
    assert_eq!(service.audit().await.len(), before, "nothing was written");
    // The token is not used up: another key gets what it is for.
    assert_lives(&service, &service.device_with(&token, TestKey::p256()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t70_a_reason_is_raised_in_every_answer_and_never_lowered() {
    for toml in ["", "crl_shards = 4"] {
        let service = TestService::builder().toml(toml).start().await;
        let (device, other) = (service.device("sensor-1").await, service.device("sensor-2").await);
        for one in [&device, &other] {
            service.revoke(&of(one, Reason::Superseded)).await.unwrap();
        }
        service.clock().advance(60);
        let report = service.revoke(&of(&device, Reason::KeyCompromise)).await.unwrap();
        assert_eq!((report.raised.as_slice(), report.certificates.len()), (&[device.serial().to_owned()][..], 0));
        assert!(report.crl_number.is_some());
        // With shards the full list follows by itself.
        service.running.service.publisher.rebuild("test").await.unwrap();
        assert_ended(&service, &device, Reason::KeyCompromise).await;
        assert_ended(&service, &other, Reason::Superseded).await;
        let date = |device: &Device, entries: &[(signet_pki::Serial, signet_pki::UnixTime, Reason)]| {
            entries.iter().find(|(serial, ..)| serial.to_string() == device.serial()).unwrap().1
        };
        let entries = service.crl().await.entries().unwrap();
        assert_eq!(date(&device, &entries), date(&other, &entries), "since the earlier of the two");
        let audited = service.audit().await.len();
        for reason in [Reason::Unspecified, Reason::CessationOfOperation, Reason::KeyCompromise] {
            let again = service.revoke(&of(&device, reason)).await.unwrap();
            assert!(again.raised.is_empty() && again.certificates.is_empty(), "{reason:?}");
        }
        assert_eq!(service.audit().await.len(), audited);
        assert_ended(&service, &device, Reason::KeyCompromise).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t70_a_retired_device_is_reported_as_compromised_afterwards() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let retire = DeviceChange { action: Some(DeviceAction::Retire), ..DeviceChange::default() };
    service.change("sensor-1", &retire).await.unwrap();
    let (device_target, reason) = (Some(device_id("sensor-1")), Some(Reason::KeyCompromise));
    let order = RevokeRequest { device: device_target, reason, ..RevokeRequest::default() };
    let report = service.revoke(&order).await.unwrap();
    assert_eq!(report.raised, [device.serial()]);
    let entries = service.crl().await.entries().unwrap();
    assert_eq!(entries.iter().map(|(_, _, reason)| *reason).collect::<Vec<_>>(), [Reason::KeyCompromise]);
}

async fn rotated_by_itself(service: &TestService, key: &str) -> CreatedApiKey {
    service.post_with_key(key, "/v1/apikeys/rotate", "").await.json()
}

async fn survivors(service: &TestService) -> Vec<String> {
    let page: Page<ApiKeyInfo> = service.admin.get_json("/v1/admin/apikeys?survived=true").await.unwrap();
    page.items.into_iter().map(|key| key.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn t70_the_key_that_a_thief_rotated_into_ends_with_the_leaked_one() {
    let service = TestService::start().await;
    let leaked = service.key_with("acme", "devices:read").await;
    let other = service.key_with("other", "devices:read").await;
    let successor = rotated_by_itself(&service, &leaked.key).await;
    let third = rotated_by_itself(&service, &successor.key).await;
    let token = service.access_token(As::Key(&third.key), "").await.access_token;
    let status = async |key: &str| service.with_key(key, "/v1/admin/devices").await.status;
    let revoke = |reason| ChangeApiKey { action: Some(ApiKeyAction::Revoke), reason, ..ChangeApiKey::default() };
    // Without a reason the key ends, what lives on is named, and the doctor finds it.
    let ended = service.change_key(&leaked, &revoke(None)).await.unwrap();
    let told: Vec<String> = ended.revocation.unwrap().living.into_iter().map(|found| found.id).collect();
    for living in [&successor, &third] {
        assert!(told.contains(&living.info.id.to_string()), "{told:?}");
        assert_eq!(status(&living.key).await, 200);
    }
    assert_eq!(survivors(&service).await, [leaked.info.id.to_string()]);
    let again = service.change_key(&leaked, &revoke(None)).await.unwrap_err();
    let problem = again.problem().unwrap();
    assert_eq!(problem.code, ErrorCode::Conflict);
    let command = format!("ca apikey revoke {} --reason key-compromise", leaked.info.id);
    assert!(problem.detail.as_ref().unwrap().contains(&command), "{problem:?}");
    let entries = service.audit().await.len();
    let plan = ChangeApiKey { dry_run: true, ..revoke(Some(Reason::KeyCompromise)) };
    let planned = service.change_key(&leaked, &plan).await.unwrap().revocation.unwrap();
    assert!(planned.dry_run && planned.credentials.len() == 3);
    assert_eq!(service.audit().await.len(), entries);

    let ended = service.change_key(&leaked, &revoke(Some(Reason::KeyCompromise))).await.unwrap();
    assert_eq!(ended.revocation.unwrap().credentials.len(), 3, "two live keys, and the reason of the first");
    for key in [&leaked, &successor, &third] {
        assert_eq!(status(&key.key).await, 401);
    }
    assert_eq!(service.bearer(None, &token, "/v1/admin/devices").await.status, 401);
    assert_eq!(status(&other.key).await, 200);
    assert!(survivors(&service).await.is_empty());
    for (what, change) in [
        ("a reason without revocation", ChangeApiKey { reason: Some(Reason::Superseded), ..ChangeApiKey::default() }),
        (
            "a dry run of something else",
            ChangeApiKey { dry_run: true, name: Some("x".into()), ..ChangeApiKey::default() },
        ),
        ("another change beside", ChangeApiKey { name: Some("x".into()), ..revoke(None) }),
    ] {
        assert_eq!(code(service.change_key(&other, &change).await), ErrorCode::InvalidArgument, "{what}");
    }
    assert_eq!(status(&other.key).await, 200);
}

async fn administrator(service: &TestService, name: &str) -> Device {
    administrator_with(service, name, "role:owner").await
}

async fn administrator_with(service: &TestService, name: &str, permissions: &str) -> Device {
    let permissions = Some(permissions.parse().unwrap());
    let token = service.create_token(CreateTokens { profile: "admin".into(), permissions, ..order(name) }).await;
    service.device_with(&token, TestKey::p256()).await
}

/// What an administrator can make.
struct MadeBy {
    enrolled: Device,
    token: admin::CreatedToken,
    key: CreatedApiKey,
    manual: String,
}

async fn made_by(service: &TestService, administrator: &Device, name: &str) -> MadeBy {
    let client = service.as_device(administrator);
    let token = async |id: &str| -> admin::CreatedToken {
        let made: admin::CreatedTokens = client.post_json("/v1/admin/tokens", &order(id)).await.unwrap();
        made.tokens.into_iter().next().unwrap()
    };
    let enrolled = service.device_with(&token(&format!("{name}-1")).await, TestKey::p256()).await;
    let manual = json!({ "device": format!("{name}-2"), "csr": TestKey::p256().csr(), "profile": "device" });
    let manual: serde_json::Value = client.post_json("/v1/admin/issue", &manual).await.unwrap();
    let order = CreateApiKey { scopes: Some("devices:read".parse().unwrap()), ..key_order("acme") };
    MadeBy {
        enrolled,
        token: token(&format!("{name}-3")).await,
        key: client.post_json("/v1/admin/apikeys", &order).await.unwrap(),
        manual: manual["serial"].as_str().unwrap().to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t70_what_a_stolen_administrator_s_certificate_made_ends_with_it() {
    let service = TestService::start().await;
    service.account("acme", "devices:read").await;
    let (stolen, honest) = (administrator(&service, "mallory").await, administrator(&service, "alice").await);
    let (theirs, ours) = (made_by(&service, &stolen, "bad").await, made_by(&service, &honest, "good").await);
    let next = service.renew(&stolen).await.unwrap();
    let by_next = made_by(&service, &next, "late").await;

    let report = service.revoke(&of(&stolen, Reason::KeyCompromise)).await.unwrap();
    let mut affected: Vec<String> = report.affected.iter().map(ToString::to_string).collect();
    affected.sort();
    assert_eq!(affected, ["bad-1", "bad-2", "late-1", "late-2"]);
    assert_eq!(report.blocked_keys, 2, "keys of devices are in the devices' hands alone");
    assert_ended(&service, &next, Reason::KeyCompromise).await;
    for made in [&theirs, &by_next] {
        assert_ended(&service, &made.enrolled, Reason::PrivilegeWithdrawn).await;
        assert!(service.is_on_crl(&made.manual).await);
        assert_eq!(code(service.enroll(&made.token.token, &TestKey::p256()).await), ErrorCode::TokenRevoked);
        assert_eq!(service.with_key(&made.key.key, "/v1/admin/devices").await.status, 401);
    }
    assert_lives(&service, &ours.enrolled).await;
    assert!(!service.is_on_crl(&ours.manual).await);
    assert_eq!(service.with_key(&ours.key.key, "/v1/admin/devices").await.status, 200);
    service.device_with(&ours.token, TestKey::p256()).await;
    // A device that lost its certificate enrolls again with the key that it has.
    let again = service.create_token(CreateTokens { replace: true, ..order("bad-1") }).await;
    service.device_with(&again, theirs.enrolled.key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t70_many_devices_end_with_a_second_signature_and_one_without() {
    let toml = "[approval]\nrequired_for = [\"batches\"]\nbatch_size = 2";
    let service = TestService::builder().toml(toml).start().await;
    service.account("acme", "devices:read").await;
    // An administrator who may approve is let in by two as well.
    let most = Scope::ALL.iter().filter(|scope| **scope != Scope::RequestsApprove).map(|scope| scope.as_str());
    let clerk = administrator_with(&service, "carol", &most.collect::<Vec<_>>().join(" ")).await;
    made_by(&service, &clerk, "many").await;
    let entries = service.audit().await.len();
    assert_eq!(code(service.revoke(&of(&clerk, Reason::KeyCompromise)).await), ErrorCode::ApprovalNeeded);
    assert_eq!(service.audit_of("revocation").await.len(), 0);
    assert_eq!(service.audit().await.len(), entries + 1, "what was asked for, and nothing else");
    let one = service.device("alone").await;
    service.revoke(&of(&one, Reason::KeyCompromise)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t70_a_session_is_ended_with_what_was_made_with_its_tokens() {
    let service = TestService::start().await;
    service.account("acme", "devices:read").await;
    let boss = administrator(&service, "boss").await;
    let session = service.access_token(As::Device(&boss), "offline_access accounts:write devices:read").await;
    let bearer = format!("Bearer {}", session.access_token);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let order = CreateApiKey { scopes: Some("devices:read".parse().unwrap()), ..key_order("acme") };
    let body = serde_json::to_vec(&order).unwrap();
    let made: CreatedApiKey =
        service.send_as(boss.identity(), "POST", "/v1/admin/apikeys", &headers, &body).await.json();
    let family = service.introspect(&session.access_token).await.sid;
    let order = |reason| RevokeRequest { session: family.clone(), reason: Some(reason), ..RevokeRequest::default() };
    let plan = RevokeRequest { dry_run: true, ..order(Reason::Unspecified) };
    let planned: RevokeReport = service.revoke(&plan).await.unwrap();
    assert_eq!(planned.living.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), [made.info.id.as_str()]);
    service.revoke(&order(Reason::KeyCompromise)).await.unwrap();
    assert_eq!(service.with_key(&made.key, "/v1/admin/devices").await.status, 401);
    assert!(!service.introspect(&session.access_token).await.active);
    assert_lives(&service, &boss).await;
    let two = RevokeRequest { device: Some(device_id("boss")), ..order(Reason::Unspecified) };
    assert_eq!(code(service.revoke(&two).await), ErrorCode::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn t70_an_administrator_beyond_the_caller_s_rank_is_not_ended_with_a_key() {
    let service = TestService::start().await;
    let robot = service.key_with("robot", "role:owner").await;
    let permissions = Some("role:owner".parse().unwrap());
    let invitation = CreateTokens { profile: "admin".into(), permissions, ..order("eve") };
    let body = serde_json::to_string(&invitation).unwrap();
    let made: admin::CreatedTokens = service.post_with_key(&robot.key, "/v1/admin/tokens", &body).await.json();
    let eve = service.device_with(&made.tokens[0], TestKey::p256()).await;
    let clerk = administrator_with(&service, "carol", "accounts:read accounts:write").await;
    let path = format!("/v1/admin/apikeys/{}", robot.info.id);
    let (action, reason) = (Some(ApiKeyAction::Revoke), Some(Reason::KeyCompromise));
    let compromised = ChangeApiKey { action, reason, ..ChangeApiKey::default() };
    let client = service.as_device(&clerk);
    client.whoami().await.unwrap();
    assert_lives(&service, &eve).await;
    let entries = service.audit().await.len();
    let refused = client.post_json::<_, ApiKeyInfo>(&path, &compromised).await;
    assert_eq!(code(refused), ErrorCode::Forbidden);
    assert_eq!(service.audit().await.len(), entries, "nothing was written");
    assert_lives(&service, &eve).await;
    let ended: ApiKeyInfo = service.admin.post_json(&path, &compromised).await.unwrap();
    assert_eq!(ended.revocation.unwrap().affected, [device_id("eve")]);
    assert_ended(&service, &eve, Reason::PrivilegeWithdrawn).await;
}
