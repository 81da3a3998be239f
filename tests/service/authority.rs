//! T67 to T69: authority that was derived, that one person shows twice, and that is gained on a way that no check lists.

use serde_json::{Value, json};
use signet_api::access::{ApiKeyInfo, CreateApiKey, CreatedApiKey};
use signet_api::admin::{AuditEntry, CreateTokens, CreatedTokens, DeviceAction, DeviceChange, IssueRequest, TokenKind};
use signet_api::approvals::{ApprovalAction, ApprovalDecision, ApprovalInfo};
use signet_api::client::{Client, ClientError};
use signet_api::events::Ticket;
use signet_api::{CredentialId, ErrorCode};

use crate::support::access::key_order;
use crate::support::oauth::As;
use crate::support::{Device, Reply, TestKey, TestService, code, device_id, issued, order, target};

const GUARDED: &str =
    "[approval]\nrequired_for = [\"issuers\", \"policy\", \"batches\", \"administrators\"]\nbatch_size = 4";

async fn by_operator(service: &TestService, name: &str) -> Client {
    let directory = service.installation.path(name);
    signet::server_identity::create_admin(&service.running.service, &device_id(name), &directory).await.unwrap();
    service.client(Some(crate::support::installation::identity(&directory)))
}

async fn ask<T: serde::Serialize>(client: &Client, path: &str, body: &T) -> Result<Value, ClientError> {
    client.post_json(path, body).await
}

async fn approve_what_waits(person: &Client) -> Vec<ApprovalInfo> {
    let waiting: Vec<ApprovalInfo> = person.get_json("/v1/admin/approvals").await.unwrap();
    for one in &waiting {
        let decision = ApprovalDecision { action: ApprovalAction::Approve, digest: one.digest.clone(), reason: None };
        ask(person, &format!("/v1/admin/approvals/{}", one.id), &decision).await.unwrap();
    }
    waiting
}

async fn keys(service: &TestService) -> Vec<ApiKeyInfo> {
    service.admin.get_json::<signet_api::admin::Page<ApiKeyInfo>>("/v1/admin/apikeys").await.unwrap().items
}

fn permit(permissions: &str) -> DeviceChange {
    DeviceChange { permissions: Some(permissions.parse().unwrap()), ..DeviceChange::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn t67_a_narrow_access_token_does_not_rotate_the_key_that_it_was_got_with() {
    let service = TestService::start().await;
    let key = service.key_with("acme", "role:owner").await;
    let token = service.access_token(As::Key(&key.key), "devices:read").await.access_token;
    let before = keys(&service).await;
    let bearer = format!("Bearer {token}");
    let refused = service.send("POST", "/v1/apikeys/rotate", &[("authorization", &bearer)], b"").await;
    assert_eq!(refused.problem().code, ErrorCode::InvalidArgument);
    assert_eq!(keys(&service).await.len(), before.len(), "no key was made");
    assert_eq!(keys(&service).await[0].expires_at, before[0].expires_at, "and the real one was not cut short");
    // Nor is it the key for the token endpoint, or for an administrator who reads whom it is.
    let me: Value = service.send("GET", "/v1/whoami", &[("authorization", &bearer)], b"").await.json();
    assert_eq!((&me["credential"], &me["scopes"]), (&Value::Null, &json!("devices:read")));
    // The key itself may.
    let rotated = service.post_with_key(&key.key, "/v1/apikeys/rotate", "").await;
    assert_eq!(rotated.status, 200, "{}", rotated.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn t67_a_rotation_gives_no_more_than_the_key_that_asks_has() {
    let service = TestService::start().await;
    service.account("acme", "role:owner").await;
    let narrow = CreateApiKey { scopes: Some("devices:read".parse().unwrap()), ..key_order("acme") };
    let key = service.create_key(&narrow).await.unwrap();
    let first: CreatedApiKey = service.post_with_key(&key.key, "/v1/apikeys/rotate", "").await.json();
    // An administrator widens the successor, which its holder never used.
    let wide = json!({ "scopes": "devices:read accounts:write" });
    let path = format!("/v1/admin/apikeys/{}", first.info.id);
    ask(&service.admin, &path, &wide).await.unwrap();
    let again: CreatedApiKey = service.post_with_key(&key.key, "/v1/apikeys/rotate", "").await.json();
    assert_eq!(again.info.scopes, "devices:read".parse().unwrap());
    // And who rotates for others hands on what is in the pattern, not what is in the old key.
    ask(&service.admin, &format!("/v1/admin/apikeys/{}", again.info.id), &wide).await.unwrap();
    let clerk = service.key_with("clerk", "accounts:write accounts:read devices:read").await;
    let rotate = format!("/v1/admin/apikeys/{}", key.info.id);
    let less = service.key_with("less", "accounts:read accounts:write tokens:read").await;
    let refused = service.post_with_key(&less.key, &rotate, r#"{"action":"rotate"}"#).await;
    assert_eq!(refused.problem().code, ErrorCode::Forbidden);
    let made = service.post_with_key(&clerk.key, &rotate, r#"{"action":"rotate"}"#).await;
    assert_eq!(made.json::<CreatedApiKey>().info.scopes, "devices:read accounts:write".parse().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn t67_a_stream_does_not_outlive_the_access_token_that_its_ticket_was_got_with() {
    let service = TestService::start().await;
    let key = service.key_with("acme", "events:read").await;
    let token = service.access_token(As::Key(&key.key), "events:read").await;
    let bearer = format!("Bearer {}", token.access_token);
    let made = service.send("POST", "/v1/events/tickets", &[("authorization", &bearer)], b"").await;
    let ticket = made.json::<Ticket>().ticket;
    let stored = service.running.service.store.ticket(&public_id(&ticket)).await.unwrap().unwrap();
    let ends = stored.credential.line_ends_at.expect("its end is not noted");
    let left = ends.since(signet::clock::Clock::now(service.clock().as_ref()));
    assert!((1..=token.expires_in).contains(&left), "{left} s, the token {} s", token.expires_in);
}

fn public_id(ticket: &str) -> CredentialId {
    signet_api::Credential::parse(signet_api::CredentialKind::Ticket, ticket).unwrap().id().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn t68_a_key_neither_asks_for_what_needs_two_nor_approves_it() {
    let service = TestService::builder().toml(GUARDED).start().await;
    let bob = by_operator(&service, "bob").await;
    // Made before the guards were on, or with an approval: an account that may do everything.
    let owner = json!({ "id": "puppet", "kind": "program", "permissions": "role:owner" });
    assert_eq!(code(ask(&service.admin, "/v1/admin/accounts", &owner).await), ErrorCode::ApprovalNeeded);
    approve_what_waits(&bob).await;
    ask(&service.admin, "/v1/admin/accounts", &owner).await.unwrap();
    let order = key_order("puppet");
    assert_eq!(code(service.create_key(&order).await), ErrorCode::ApprovalNeeded, "its key is a grant as well");
    approve_what_waits(&bob).await;
    let key = service.create_key(&order).await.unwrap().key;

    let path = format!("/v1/admin/issuers/{}", service.issuer.short_id());
    let distrust = json!({ "action": "distrust", "reason": "stolen", "force": true }).to_string();
    let asked = service.post_with_key(&key, &path, &distrust).await.problem();
    assert_eq!(asked.code, ErrorCode::Forbidden);
    assert!(asked.detail.unwrap().contains("own certificate"));
    let (own, headers) = (service.installation.administrator(), [("x-api-key", key.as_str())]);
    let with_both = service.send_as(own, "POST", &path, &headers, distrust.as_bytes()).await;
    assert_eq!(with_both.problem().code, ErrorCode::CredentialMismatch);
    let waiting: Vec<ApprovalInfo> = bob.get_json("/v1/admin/approvals").await.unwrap();
    assert!(waiting.is_empty(), "nothing waits: {waiting:?}");
    assert!(service.audit_of("issuer.distrusted").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn t68_every_grant_of_guarded_scopes_needs_a_second_person() {
    let service = TestService::builder().toml(GUARDED).start().await;
    let bob = by_operator(&service, "bob").await;
    service.account("plain", "devices:read tokens:write").await;
    let gateway = service.device("gateway").await;
    service.as_device(&gateway).whoami().await.unwrap();
    let before = service.audit().await.len();
    let grants: [(&str, Value); 6] = [
        ("/v1/admin/accounts", json!({ "id": "eve", "kind": "program", "permissions": "issuers:write" })),
        ("/v1/admin/accounts", json!({ "id": "eve", "kind": "person", "permissions": "requests:approve" })),
        ("/v1/admin/accounts/plain", json!({ "permissions": "role:owner" })),
        ("/v1/admin/devices/gateway", json!({ "permissions": "policy:write" })),
        (
            "/v1/admin/tokens",
            json!({
                "kind": "interactive", "profile": "admin", "permissions": "role:clerk", "targets": [{ "device": "eve" }],
            }),
        ),
        ("/v1/admin/devices/bob", json!({ "permissions": "role:auditor" })),
    ];
    for (path, body) in &grants {
        assert_eq!(code(ask(&service.admin, path, body).await), ErrorCode::ApprovalNeeded, "{path} {body}");
    }
    let entries: Vec<AuditEntry> = service.audit().await.split_off(before);
    assert!(entries.iter().all(|entry| entry.kind == "approval.requested"), "{entries:?}");
    // What is not guarded goes on as before.
    ask(&service.admin, "/v1/admin/accounts/plain", &json!({ "permissions": "tokens:write audit:read" }))
        .await
        .unwrap();
    // A device that was given guarded scopes is not to be had by a token or a certificate of one person's making either.
    let powerful = json!({ "permissions": "policy:write" });
    approve_what_waits(&bob).await;
    ask(&service.admin, "/v1/admin/devices/gateway", &powerful).await.unwrap();
    let replace = CreateTokens { replace: true, ..order("gateway") };
    assert_eq!(code(service.create_tokens(&replace).await), ErrorCode::ApprovalNeeded);
    let issue = IssueRequest {
        device: device_id("gateway"),
        csr: TestKey::p256().csr(),
        profile: "device".into(),
        groups: Vec::new(),
        dns_names: Vec::new(),
        lifetime: None,
        replace: true,
    };
    assert_eq!(code(ask(&service.admin, "/v1/admin/issue", &issue).await), ErrorCode::ApprovalNeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn t68_keys_of_an_administrator_are_made_by_that_administrator_alone() {
    let service = TestService::start().await;
    let bob = by_operator(&service, "bob").await;
    let order =
        |device: &str| CreateApiKey { device: Some(device_id(device)), name: "x".into(), ..CreateApiKey::default() };
    assert_eq!(code(service.create_key(&order("bob")).await), ErrorCode::Forbidden);
    let owner = service.key_with("puppet", "role:owner").await;
    let body = serde_json::to_string(&order("bob")).unwrap();
    let by_key = service.post_with_key(&owner.key, "/v1/admin/apikeys", &body).await;
    assert_eq!(by_key.problem().code, ErrorCode::Forbidden);
    let own: CreatedApiKey = bob.post_json("/v1/admin/apikeys", &order("bob")).await.unwrap();
    let path = format!("/v1/admin/apikeys/{}", own.info.id);
    for more in [json!({ "action": "rotate" }), json!({ "cidr": "" })] {
        assert_eq!(code(ask(&service.admin, &path, &more).await), ErrorCode::Forbidden, "{more}");
    }
    ask(&service.admin, &path, &json!({ "action": "disable" })).await.unwrap();
    assert_eq!(code(ask(&service.admin, &path, &json!({ "action": "enable" })).await), ErrorCode::Forbidden);
    ask(&bob, &path, &json!({ "action": "enable" })).await.unwrap();
    // What such a key does is told from what the certificate does.
    let reply =
        service.post_with_key(&own.key, "/v1/admin/accounts", r#"{"id":"made","kind":"program","permissions":""}"#);
    assert_eq!(reply.await.status, 200);
    let entry = service.audit_of("account.created").await.pop().unwrap();
    let acted_with = |entry: &AuditEntry| entry.detail["acted_with"].as_str().unwrap().to_owned();
    assert_eq!((entry.actor.as_str(), acted_with(&entry)), ("admin:bob", format!("apikey:{}", own.info.id)));
    service.account("other", "").await;
    let entry = service.audit_of("account.created").await.pop().unwrap();
    assert!(acted_with(&entry).starts_with("certificate:"), "{entry:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t68_a_batch_is_counted_by_its_name() {
    let service = TestService::builder().toml(GUARDED).start().await;
    let bob = by_operator(&service, "bob").await;
    let part = |names: &[&str]| CreateTokens {
        kind: TokenKind::Batch,
        batch: Some("lot".into()),
        approval: true,
        targets: names.iter().map(|name| target(name)).collect(),
        ..order("a")
    };
    service.create_tokens(&part(&["a", "b", "c"])).await.unwrap();
    assert_eq!(code(service.create_tokens(&part(&["d"])).await), ErrorCode::ApprovalNeeded);
    service.create_tokens(&CreateTokens { batch: Some("other".into()), ..part(&["e"]) }).await.unwrap();
    let asked = approve_what_waits(&bob).await;
    assert!(asked[0].summary.contains("which has 4 then"), "{}", asked[0].summary);
    let made: CreatedTokens = service.create_tokens(&part(&["d"])).await.unwrap();
    assert_eq!(made.tokens.len(), 1);
}

async fn clerk_with_token(service: &TestService) -> (Device, String) {
    let device = service.device("gateway").await;
    service.as_device(&device).whoami().await.unwrap();
    let clerk = service.key_with("clerk", "role:clerk").await;
    let body = serde_json::to_string(&CreateTokens { replace: true, ..order("gateway") }).unwrap();
    let made: CreatedTokens = service.post_with_key(&clerk.key, "/v1/admin/tokens", &body).await.json();
    (device, made.tokens[0].token.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn t69_a_certificate_that_waits_does_not_get_what_its_device_is_given_afterwards() {
    let service = TestService::start().await;
    let (device, token) = clerk_with_token(&service).await;
    // Redeemed and unused: a second key beside the one in use.
    let waiting = issued(service.enroll(&token, &TestKey::p256()).await);
    let refused = service.change("gateway", &permit("role:owner")).await.unwrap_err();
    assert_eq!(refused.problem().unwrap().code, ErrorCode::Conflict);
    assert!(refused.to_string().contains(&waiting.serial), "{refused}");
    assert!(service.show("gateway").await.device.permissions.is_none(), "nothing was written");
    let serial = signet_api::admin::RevokeRequest { serial: Some(waiting.serial), ..Default::default() };
    service.revoke(&serial).await.unwrap();
    service.change("gateway", &permit("role:owner")).await.unwrap();
    service.as_device(&device).whoami().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t69_permissions_go_to_the_generation_that_was_seen() {
    let service = TestService::start().await;
    let device = service.device("gateway").await;
    service.as_device(&device).whoami().await.unwrap();
    let seen = service.show("gateway").await.certificates[0].generation;
    service.as_device(&service.renew(&device).await.unwrap()).whoami().await.unwrap();
    let late = DeviceChange { generation: Some(seen), ..permit("devices:read") };
    assert_eq!(code(service.change("gateway", &late).await), ErrorCode::Conflict);
    service.change("gateway", &DeviceChange { generation: Some(seen + 1), ..late }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t69_an_approval_is_for_one_claim_and_its_key() {
    let service = TestService::start().await;
    let waiting =
        || CreateTokens { approval: true, kind: TokenKind::Batch, batch: Some("lot".into()), ..order("sensor-1") };
    let (rightful, thief) = (TestKey::p256(), TestKey::p256());
    let (first, second) = (service.create_token(waiting()).await, service.create_token(waiting()).await);
    for (token, key) in [(&first, &rightful), (&second, &thief)] {
        assert_eq!(service.post_csr(&token.token, &key.csr_der()).await.status, 202);
    }
    let approve = DeviceChange { action: Some(DeviceAction::Approve), ..DeviceChange::default() };
    let refused = service.change("sensor-1", &approve).await.unwrap_err();
    assert_eq!(refused.problem().unwrap().code, ErrorCode::Conflict);
    assert!(refused.to_string().contains(first.id.as_str()), "{refused}");
    let shown = service.show("sensor-1").await;
    let claim = shown.tokens.iter().find(|token| token.id == first.id).unwrap().claimed_spki.clone();
    assert_eq!(claim, Some(rightful.fingerprint().to_string()));
    let other_key =
        DeviceChange { token: Some(first.id.clone()), spki: Some(thief.fingerprint().to_string()), ..approve.clone() };
    assert_eq!(code(service.change("sensor-1", &other_key).await), ErrorCode::Conflict);
    service.change("sensor-1", &DeviceChange { token: Some(first.id.clone()), spki: claim, ..approve }).await.unwrap();
    let still: Reply = service.post_csr(&second.token, &thief.csr_der()).await;
    assert_eq!(still.status, 202, "the other claim still waits: {}", still.text());
    issued(service.enroll(&first.token, &rightful).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t69_a_device_that_holds_more_is_resumed_by_those_who_hold_as_much() {
    let service = TestService::start().await;
    let gateway = service.device("gateway").await;
    service.as_device(&gateway).whoami().await.unwrap();
    service.change("gateway", &permit("role:owner")).await.unwrap();
    let issuer = service.key_with("issuer", "role:issuer").await;
    let act = |action: &str| json!({ "action": action }).to_string();
    let path = "/v1/admin/devices/gateway";
    assert_eq!(service.post_with_key(&issuer.key, path, &act("suspend")).await.status, 200, "the safe direction");
    let refused = service.post_with_key(&issuer.key, path, &act("resume")).await;
    assert_eq!(refused.problem().code, ErrorCode::Forbidden);
    assert_eq!(service.show("gateway").await.device.status, "suspended");
    let recoveries = service.post_with_key(&issuer.key, path, r#"{"recoveries":3}"#).await;
    assert_eq!(recoveries.problem().code, ErrorCode::Forbidden);
    let resume = DeviceChange { action: Some(DeviceAction::Resume), ..DeviceChange::default() };
    service.change("gateway", &resume).await.unwrap();
}
