//! Administrators with less than everything, and what needs two of them.

use serde_json::json;
use signet_api::admin::{CreateTokens, CreatedTokens, DeviceChange, DeviceInfo, Page, RevokeRequest, TokenKind};
use signet_api::approvals::{ApprovalAction, ApprovalDecision, ApprovalInfo};
use signet_api::client::{Client, ClientError};
use signet_api::scope::Role;
use signet_api::{ErrorCode, admin};
use signet_pki::UnixTime;

use crate::support::{Device, TestKey, TestService, code, device_id, order, target};

fn invitation(name: &str, permissions: &str) -> CreateTokens {
    CreateTokens { profile: "admin".into(), permissions: Some(permissions.parse().unwrap()), ..order(name) }
}

async fn administrator(service: &TestService, name: &str, permissions: &str) -> Device {
    let token = service.create_token(invitation(name, permissions)).await;
    service.device_with(&token, TestKey::p256()).await
}

/// An owner, made on the issuing host.
async fn by_operator(service: &TestService, name: &str) -> Client {
    let directory = service.installation.path(name);
    signet::server_identity::create_admin(&service.running.service, &device_id(name), &directory).await.unwrap();
    service.client(Some(crate::support::installation::identity(&directory)))
}

async fn ask<T: serde::Serialize>(client: &Client, path: &str, body: &T) -> Result<serde_json::Value, ClientError> {
    client.post_json(path, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn t30_an_invited_administrator_has_a_role_and_no_more() {
    let service = TestService::start().await;
    service.device("sensor-1").await;
    let routes: &[(&str, &str, serde_json::Value, &[Role])] = &[
        ("GET", "/v1/admin/devices", json!(null), &[Role::Issuer, Role::Revoker, Role::Auditor, Role::Clerk]),
        ("GET", "/v1/admin/audit", json!(null), &[Role::Auditor]),
        ("GET", "/v1/admin/issuers", json!(null), &[Role::Issuer, Role::Auditor]),
        ("POST", "/v1/admin/tokens", json!(order("new")), &[Role::Issuer, Role::Clerk]),
        ("POST", "/v1/admin/revocations", json!({"device": "nobody"}), &[Role::Revoker]),
        ("POST", "/v1/admin/devices/sensor-1", json!({"groups": ["a"]}), &[Role::Issuer]),
        ("POST", "/v1/admin/devices/sensor-1", json!({"permissions": "events:read"}), &[]),
        ("POST", "/v1/admin/tokens", json!(invitation("mallory", "role:clerk")), &[]),
    ];
    for role in [Role::Issuer, Role::Revoker, Role::Auditor, Role::Clerk] {
        let name = format!("the-{}", role.as_str());
        let who = administrator(&service, &name, &format!("role:{}", role.as_str())).await;
        assert_eq!(service.as_device(&who).whoami().await.unwrap().scopes, role.scopes());
        for (method, path, body, allowed) in routes {
            let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
            let reply = service.send_as(who.identity(), method, path, &[], &body).await;
            let forbidden = reply.status == 403;
            assert_eq!(forbidden, !allowed.contains(&role), "{role:?} {method} {path}: {}", reply.text());
        }
    }
    let audited = service.audit_of("token.created").await;
    assert!(
        audited.iter().all(|entry| entry.detail["devices"] != json!(["mallory"])),
        "refused invitations leave nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn t30_nobody_gives_or_ends_more_than_he_has() {
    let service = TestService::start().await;
    let clerk = administrator(&service, "carl", "role:issuer role:revoker").await;
    let partner = administrator(&service, "dora", "accounts:write accounts:read devices:read revocations:write").await;
    let (carl, dora) = (service.as_device(&clerk), service.as_device(&partner));
    let owner = carl_revokes(&carl, "admin").await;
    assert_eq!(code(owner), ErrorCode::Forbidden);
    let own: admin::CertificateInfo =
        service.admin.get_json(&format!("/v1/admin/certificates/{}", partner.serial())).await.unwrap();
    let by_serial = RevokeRequest { serial: Some(own.serial), ..RevokeRequest::default() };
    assert_eq!(code(ask(&carl, "/v1/admin/revocations", &by_serial).await), ErrorCode::Forbidden);
    let promote = DeviceChange { permissions: Some("role:owner".parse().unwrap()), ..DeviceChange::default() };
    // Neither for himself nor by somebody who may change administrators and has less.
    assert_eq!(code(ask(&carl, "/v1/admin/devices/carl", &promote).await), ErrorCode::Forbidden);
    let refused = ask(&dora, "/v1/admin/devices/dora", &promote).await.unwrap_err();
    assert!(refused.problem().unwrap().detail.as_ref().unwrap().contains("cannot give what it has not"), "{refused}");
    assert_eq!(code(ask(&dora, "/v1/admin/tokens", &invitation("eve", "role:auditor")).await), ErrorCode::Forbidden);
    // What the owner says counts at the next request, on the connection that is open.
    let less = DeviceChange { permissions: Some("role:auditor".parse().unwrap()), ..DeviceChange::default() };
    ask(&service.admin, "/v1/admin/devices/carl", &less).await.unwrap();
    assert_eq!(code(ask(&carl, "/v1/admin/tokens", &order("x")).await), ErrorCode::Forbidden);
    carl.get_json::<serde_json::Value>("/v1/admin/audit").await.unwrap();
    let all: Page<DeviceInfo> = service.admin.get_json("/v1/admin/devices?kind=admin").await.unwrap();
    let names: Vec<&str> = all.items.iter().map(|admin| admin.id.as_str()).collect();
    assert!(names.contains(&"carl") && names.contains(&"dora"), "{names:?}");
}

async fn carl_revokes(carl: &Client, who: &str) -> Result<serde_json::Value, ClientError> {
    ask(carl, "/v1/admin/revocations", &RevokeRequest { device: Some(device_id(who)), ..RevokeRequest::default() })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_that_makes_no_sense_makes_nothing() {
    let service = TestService::start().await;
    let before = service.audit().await.len();
    let wrong = [
        CreateTokens { permissions: None, ..invitation("bob", "role:clerk") },
        CreateTokens { kind: TokenKind::Batch, batch: Some("all".into()), ..invitation("bob", "role:clerk") },
        CreateTokens { replace: true, ..invitation("bob", "role:clerk") },
        CreateTokens {
            batch: Some("two".into()),
            targets: vec![target("bob"), target("eve")],
            ..invitation("bob", "role:clerk")
        },
        CreateTokens { targets: vec![admin::TokenTarget::default()], ..invitation("bob", "role:clerk") },
        CreateTokens { permissions: Some("role:clerk".parse().unwrap()), ..order("sensor-1") },
    ];
    for order in wrong {
        assert_eq!(code(ask(&service.admin, "/v1/admin/tokens", &order).await), ErrorCode::InvalidArgument);
    }
    assert_eq!(service.audit().await.len(), before);
}

const TWO: &str = "[approval]\nrequired_for = [\"issuers\", \"batches\", \"administrators\"]\nbatch_size = 3";

async fn waiting(client: &Client) -> Vec<ApprovalInfo> {
    client.get_json("/v1/admin/approvals").await.unwrap()
}

async fn decide(client: &Client, of: &ApprovalInfo, action: ApprovalAction) -> Result<ApprovalInfo, ClientError> {
    let decision = ApprovalDecision { action, digest: of.digest.clone(), reason: Some("looked at it".into()) };
    client.post_json(&format!("/v1/admin/approvals/{}", of.id), &decision).await
}

#[tokio::test(flavor = "multi_thread")]
async fn t30_a_large_batch_needs_two_who_saw_the_same() {
    let service = TestService::builder().toml(TWO).start().await;
    let bob = by_operator(&service, "bob").await;
    let large = CreateTokens {
        kind: TokenKind::Batch,
        batch: Some("lot".into()),
        approval: true,
        targets: ["a", "b", "c"].map(target).to_vec(),
        ..order("a")
    };
    for _ in 0..2 {
        assert_eq!(code(ask(&service.admin, "/v1/admin/tokens", &large).await), ErrorCode::ApprovalNeeded);
    }
    let asked = waiting(&bob).await;
    assert_eq!((asked.len(), asked[0].status.as_str()), (1, "pending"), "asking again is the same request");
    assert_eq!(asked[0].body["targets"], json!(large.targets));
    assert_eq!(code(decide(&service.admin, &asked[0], ApprovalAction::Approve).await), ErrorCode::Forbidden);
    let blind = ApprovalInfo { digest: "00".repeat(32), ..asked[0].clone() };
    assert_eq!(code(decide(&bob, &blind, ApprovalAction::Approve).await), ErrorCode::Conflict);
    decide(&bob, &asked[0], ApprovalAction::Approve).await.unwrap();
    // Another order than the one that was seen waits on its own.
    let other = CreateTokens { groups: vec!["vault".into()], ..large.clone() };
    assert_eq!(code(ask(&service.admin, "/v1/admin/tokens", &other).await), ErrorCode::ApprovalNeeded);
    // And so does the same one, sent by somebody else.
    assert_eq!(code(ask(&bob, "/v1/admin/tokens", &large).await), ErrorCode::ApprovalNeeded);
    let made: CreatedTokens = service.admin.post_json("/v1/admin/tokens", &large).await.unwrap();
    assert_eq!(made.tokens.len(), 3);
    let again = CreateTokens { batch: Some("lot".into()), ..large };
    assert_eq!(code(ask(&service.admin, "/v1/admin/tokens", &again).await), ErrorCode::ApprovalNeeded, "good for one");
    let kinds: Vec<String> =
        service.audit().await.into_iter().map(|e| e.kind).filter(|k| k.starts_with("approval.")).collect();
    assert_eq!(kinds.iter().filter(|k| *k == "approval.used").count(), 1);
    assert_eq!(kinds.iter().filter(|k| *k == "approval.requested").count(), 4);
    // Nobody waits for a second one to end a single device.
    service.device("lost").await;
    service.revoke(&RevokeRequest { device: Some(device_id("lost")), ..RevokeRequest::default() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t30_what_was_denied_or_has_expired_is_not_carried_out() {
    let service = TestService::builder().toml(TWO).start().await;
    let bob = by_operator(&service, "bob").await;
    let invite = invitation("eve", "role:owner");
    assert_eq!(code(ask(&service.admin, "/v1/admin/tokens", &invite).await), ErrorCode::ApprovalNeeded);
    let asked = waiting(&bob).await.remove(0);
    assert!(asked.summary.contains("eve") && asked.summary.contains("role:owner"), "{}", asked.summary);
    decide(&bob, &asked, ApprovalAction::Deny).await.unwrap();
    let refused = ask(&service.admin, "/v1/admin/tokens", &invite).await.unwrap_err();
    let problem = refused.problem().unwrap();
    assert_eq!(problem.code, ErrorCode::ApprovalDenied);
    assert!(problem.detail.as_ref().unwrap().contains("admin:bob: looked at it"), "{problem:?}");
    assert_eq!(code(decide(&bob, &asked, ApprovalAction::Approve).await), ErrorCode::Conflict);
    // A retirement that is approved and not carried out in time has to be asked for again.
    let path = format!("/v1/admin/issuers/{}", service.issuer.short_id());
    let distrust = json!({"action": "distrust", "reason": "stolen", "force": true});
    assert_eq!(code(ask(&service.admin, &path, &distrust).await), ErrorCode::ApprovalNeeded);
    let asked = waiting(&bob).await.remove(0);
    decide(&bob, &asked, ApprovalAction::Approve).await.unwrap();
    let clock = &service.installation.clock;
    clock.set(UnixTime(signet::clock::Clock::now(clock.as_ref()).0 + 25 * 3600));
    assert_eq!(code(ask(&service.admin, &path, &distrust).await), ErrorCode::ApprovalNeeded);
    assert!(service.audit_of("issuer.distrusted").await.is_empty());
    // Whoever asked may take it back.
    let own = waiting(&service.admin).await.remove(0);
    assert_eq!(decide(&service.admin, &own, ApprovalAction::Deny).await.unwrap().status, "denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn t30_a_flood_of_requests_for_approval_ends() {
    let service = TestService::builder().toml(TWO).start().await;
    let ask_for = |n: usize| invitation(&format!("friend-{n}"), "role:clerk");
    for n in 0..20 {
        assert_eq!(code(ask(&service.admin, "/v1/admin/tokens", &ask_for(n)).await), ErrorCode::ApprovalNeeded);
    }
    assert_eq!(code(ask(&service.admin, "/v1/admin/tokens", &ask_for(20)).await), ErrorCode::TooManyRequests);
    assert_eq!(waiting(&service.admin).await.len(), 20);
}
