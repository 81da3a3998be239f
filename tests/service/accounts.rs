//! Accounts, and what nobody can give himself (T30).

use signet_api::access::{
    AccountAction, AccountInfo, ApiKeyAction, ChangeAccount, ChangeApiKey, CreateApiKey, CreatedApiKey,
};
use signet_api::admin::{CreateTokens, DeviceChange, Page, RevokeRequest};
use signet_api::scope::{AccountId, Role, Scopes};
use signet_api::{CredentialKind, ErrorCode};

use super::rights::ROUTES;
use crate::support::access::key_order;
use crate::support::{Reply, TestKey, TestService, code, device_id, order};

fn forbidden(reply: &Reply, words: &str) {
    assert_eq!((reply.status, reply.problem().code), (403, ErrorCode::Forbidden), "{}", reply.text());
    assert!(reply.problem().detail.unwrap().contains(words), "{}", reply.text());
}

fn permissions(text: &str) -> ChangeAccount {
    ChangeAccount { permissions: Some(text.parse().unwrap()), ..ChangeAccount::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_made_shown_changed_suspended_and_revoked() {
    let service = TestService::start().await;
    let made = service.account("acme", "role:auditor tokens:write").await;
    assert_eq!((made.name.as_str(), made.status.as_str()), ("acme", "active"));
    assert_eq!(made.permissions.to_string(), "role:auditor tokens:write");
    assert!(made.created_by.starts_with("admin:"));
    let again = crate::support::access::key_order("acme");
    assert!(service.create_key(&again).await.is_ok());
    let body = r#"{"id":"acme","kind":"person"}"#;
    let admin = || service.installation.administrator();
    let reply = service.send_as(admin(), "POST", "/v1/admin/accounts", &[], body.as_bytes()).await;
    assert_eq!(reply.problem().code, ErrorCode::Conflict);

    service.device("sensor-1").await;
    let owned = DeviceChange { account: Some("acme".into()), ..DeviceChange::default() };
    assert_eq!(service.change("sensor-1", &owned).await.unwrap().account, AccountId::parse("acme").ok());
    let shown: AccountInfo = service.admin.get_json("/v1/admin/accounts/acme").await.unwrap();
    assert_eq!(shown.devices.unwrap(), [device_id("sensor-1")]);

    let change = ChangeAccount { name: Some("Acme Ltd".into()), ..permissions("devices:read") };
    let changed = service.change_account("acme", &change).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.scopes.to_string().as_str()), ("Acme Ltd", "devices:read"));
    let act = |action| ChangeAccount { action: Some(action), ..ChangeAccount::default() };
    let suspended = service.change_account("acme", &act(AccountAction::Suspend)).await.unwrap();
    assert_eq!(suspended.status, "suspended");
    assert_eq!(code(service.change_account("acme", &act(AccountAction::Suspend)).await), ErrorCode::Conflict);
    assert_eq!(service.change_account("acme", &act(AccountAction::Resume)).await.unwrap().status, "active");

    service.account("other", "").await;
    let list: Page<AccountInfo> = service.admin.get_json("/v1/admin/accounts?limit=1").await.unwrap();
    assert_eq!((list.items[0].id.as_str(), list.next.as_deref()), ("acme", Some("acme")));
    let list: Page<AccountInfo> = service.admin.get_json("/v1/admin/accounts?after=acme").await.unwrap();
    assert_eq!((list.items.len(), list.items[0].id.as_str(), list.next), (1, "other", None));

    let kill = RevokeRequest { account: AccountId::parse("acme").ok(), ..RevokeRequest::default() };
    let plan = service.revoke(&RevokeRequest { dry_run: true, ..kill.clone() }).await.unwrap();
    let done = service.revoke(&kill).await.unwrap();
    assert_eq!((&done.devices, &done.credentials), (&plan.devices, &plan.credentials));
    assert_eq!((done.devices.len(), done.certificates.len(), done.credentials.len()), (1, 1, 1));
    let status = format!("/v1/admin/accounts?status={}", "revoked");
    let list: Page<AccountInfo> = service.admin.get_json(&status).await.unwrap();
    assert_eq!(list.items.len(), 1);
    assert_eq!(service.audit_of("account.created").await.len(), 2);
    for kind in ["account.changed", "account.suspended", "account.resumed"] {
        let entries = service.audit_of(kind).await;
        assert_eq!(entries.len(), 1, "{kind}");
        assert!(entries[0].canonical.contains("account:acme"), "{}", entries[0].canonical);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_order_changes_nothing_and_says_what_is_wrong() {
    let service = TestService::start().await;
    service.account("acme", "devices:read").await;
    let before = service.audit().await.len();
    let admin = || service.installation.administrator();
    for (path, body, code) in [
        ("/v1/admin/accounts", r#"{"id":"Not An Id","kind":"program"}"#, ErrorCode::MalformedRequest),
        ("/v1/admin/accounts", r#"{"id":"x","kind":"robot"}"#, ErrorCode::MalformedRequest),
        ("/v1/admin/accounts", r#"{"id":"x","kind":"program","permissions":"root"}"#, ErrorCode::MalformedRequest),
        ("/v1/admin/accounts", r#"{"id":"x","kind":"program","admin":true}"#, ErrorCode::MalformedRequest),
        ("/v1/admin/accounts", r#"{"id":"x","kind":"program","name":"a\nb"}"#, ErrorCode::InvalidArgument),
        ("/v1/admin/accounts/acme", "{}", ErrorCode::InvalidArgument),
        ("/v1/admin/accounts/acme", r#"{"action":"revoke"}"#, ErrorCode::MalformedRequest),
        ("/v1/admin/accounts/acme", r#"{"action":"resume"}"#, ErrorCode::Conflict),
        ("/v1/admin/accounts/nobody", r#"{"action":"suspend"}"#, ErrorCode::NotFound),
        ("/v1/admin/accounts/NOBODY", r#"{"action":"suspend"}"#, ErrorCode::NotFound),
        ("/v1/admin/devices/nobody", r#"{"account":"acme"}"#, ErrorCode::NotFound),
    ] {
        let reply = service.send_as(admin(), "POST", path, &[], body.as_bytes()).await;
        assert_eq!(reply.problem().code, code, "{path} {body}");
    }
    service.device("sensor-1").await;
    let nobody = DeviceChange { account: Some("nobody".into()), ..DeviceChange::default() };
    assert_eq!(code(service.change("sensor-1", &nobody).await), ErrorCode::InvalidArgument);
    let changes = service.audit().await.into_iter().skip(before).filter(|e| !e.kind.starts_with("certificate"));
    assert_eq!(changes.filter(|e| e.kind != "token.created").count(), 0);
}

/// A manager of accounts who may read devices, and an account that may more.
async fn manager(service: &TestService) -> (CreatedApiKey, CreatedApiKey) {
    let manager = service.key_with("manager", "accounts:write accounts:read devices:read").await;
    let owner = service.key_with("owner", "role:owner").await;
    (manager, owner)
}

#[tokio::test(flavor = "multi_thread")]
async fn t30_who_manages_accounts_gives_only_what_he_has() {
    let service = TestService::start().await;
    let (manager, owner) = manager(&service).await;
    let post = async |path: &str, body: &str| service.post_with_key(&manager.key, path, body).await;
    let more = "tokens:write";
    forbidden(&post("/v1/admin/accounts", r#"{"id":"x","kind":"program","permissions":"role:owner"}"#).await, more);
    // Himself, another account, and himself by way of another.
    forbidden(&post("/v1/admin/accounts/manager", r#"{"permissions":"role:owner"}"#).await, more);
    let made = r#"{"id":"x","kind":"program","permissions":"devices:read accounts:write"}"#;
    assert_eq!(post("/v1/admin/accounts", made).await.status, 200);
    forbidden(&post("/v1/admin/accounts/x", r#"{"permissions":"tokens:write"}"#).await, more);
    let second: CreatedApiKey = post("/v1/admin/apikeys", r#"{"account":"x"}"#).await.json();
    let raise = service.post_with_key(&second.key, "/v1/admin/accounts/manager", r#"{"permissions":"audit:read"}"#);
    forbidden(&raise.await, "audit:read");
    // A key of one who may more: with all of it, with a part that he has not, and by replacing one that is there.
    forbidden(&post("/v1/admin/apikeys", r#"{"account":"owner"}"#).await, more);
    forbidden(&post("/v1/admin/apikeys", r#"{"account":"owner","scopes":"tokens:write"}"#).await, more);
    let of_owner = format!("/v1/admin/apikeys/{}", owner.info.id);
    forbidden(&post(&of_owner, r#"{"action":"rotate"}"#).await, more);
    forbidden(&post(&of_owner, r#"{"cidr":""}"#).await, more);
    let imported = r#"{"account":"owner","keys":[{"key":"3f2504e0-4f89-41d3-9a0c-0305e82c3301"}]}"#;
    forbidden(&post("/v1/admin/apikeys/import", imported).await, more);
    let part: CreatedApiKey = post("/v1/admin/apikeys", r#"{"account":"owner","scopes":"devices:read"}"#).await.json();
    forbidden(
        &post(&format!("/v1/admin/apikeys/{}", part.info.id), r#"{"scopes":"devices:read tokens:write"}"#).await,
        more,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn t30_who_manages_accounts_takes_nothing_from_who_may_more() {
    let service = TestService::start().await;
    let (manager, owner) = manager(&service).await;
    let post = async |path: &str, body: &str| service.post_with_key(&manager.key, path, body).await;
    forbidden(&post("/v1/admin/accounts/owner", r#"{"permissions":""}"#).await, "may do what it may not");
    let alice = service.admin.whoami().await.unwrap().id;
    for change in [r#"{"permissions":""}"#, r#"{"account":"manager"}"#, r#"{"action":"suspend"}"#] {
        let reply = post(&format!("/v1/admin/devices/{alice}"), change).await;
        assert_eq!(reply.problem().code, ErrorCode::Forbidden, "{change}");
    }
    // What stops somebody is open to him, what lets somebody go on is not.
    let of_owner = format!("/v1/admin/apikeys/{}", owner.info.id);
    assert_eq!(post(&of_owner, r#"{"action":"disable"}"#).await.status, 200);
    forbidden(&post(&of_owner, r#"{"action":"enable"}"#).await, "may do what it may not");
    assert_eq!(post("/v1/admin/accounts/owner", r#"{"action":"suspend"}"#).await.status, 200);
    forbidden(&post("/v1/admin/accounts/owner", r#"{"action":"resume"}"#).await, "may do what it may not");
    // Revoking needs the right to revoke.
    forbidden(&post("/v1/admin/revocations", r#"{"account":"owner"}"#).await, "revocations:write");
    service.admin.whoami().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t30_a_narrow_key_of_a_wide_account_stays_narrow() {
    let service = TestService::start().await;
    service.account("wide", "role:owner").await;
    let narrow = CreateApiKey { scopes: Some("accounts:write".parse().unwrap()), ..key_order("wide") };
    let narrow = service.create_key(&narrow).await.unwrap();
    let own = format!("/v1/admin/apikeys/{}", narrow.info.id);
    let post = async |path: &str, body: &str| service.post_with_key(&narrow.key, path, body).await;
    forbidden(&post(&own, r#"{"scopes":"accounts:write devices:read"}"#).await, "devices:read");
    forbidden(&post("/v1/admin/apikeys", r#"{"account":"wide"}"#).await, "devices:read");
    let again: CreatedApiKey = post("/v1/apikeys/rotate", "").await.json();
    assert_eq!(again.info.scopes, narrow.info.scopes);
}

/// Whoever redeems a token of a device becomes it.
#[tokio::test(flavor = "multi_thread")]
async fn t30_a_clerk_does_not_become_a_device_that_may_more() {
    let service = TestService::start().await;
    let clerk = service.key_with("clerk", "role:clerk certificates:issue").await;
    let device = service.device("gateway").await;
    let permit = DeviceChange { permissions: Some("accounts:write".parse().unwrap()), ..DeviceChange::default() };
    let again = CreateTokens { replace: true, ..order("gateway") };
    let again = serde_json::to_string(&again).unwrap();
    // A token that he made before is in the way of the permission …
    let open = service.post_with_key(&clerk.key, "/v1/admin/tokens", &again).await;
    assert_eq!(open.status, 200, "{}", open.text());
    let refused = service.change("gateway", &permit).await;
    assert!(refused.as_ref().unwrap_err().to_string().contains("account:clerk"), "{refused:?}");
    assert_eq!(code(refused), ErrorCode::Conflict);
    let token = open.json::<serde_json::Value>()["tokens"][0]["id"].as_str().unwrap().to_owned();
    let revoke = format!("/v1/admin/tokens/{token}/revoke");
    service.admin.post_json::<_, serde_json::Value>(&revoke, &()).await.unwrap();
    service.change("gateway", &permit).await.unwrap();
    // … and afterwards he gets none, and no certificate either.
    forbidden(&service.post_with_key(&clerk.key, "/v1/admin/tokens", &again).await, "accounts:write");
    let csr = TestKey::p256().csr().replace('\n', "\\n");
    let issue = format!(r#"{{"device":"gateway","csr":"{csr}","profile":"device","replace":true}}"#);
    forbidden(&service.post_with_key(&clerk.key, "/v1/admin/issue", &issue).await, "accounts:write");
    let ordinary = serde_json::to_string(&order("sensor-9")).unwrap();
    assert_eq!(service.post_with_key(&clerk.key, "/v1/admin/tokens", &ordinary).await.status, 200);
    service.as_device(&device).whoami().await.unwrap();
}

/// What each route needs; `None`: it depends on the body, which is looked at behind the door.
fn needed(method: &str, path: &str) -> Option<&'static str> {
    Some(match (method, path) {
        ("GET", p) if p.starts_with("/v1/admin/accounts") || p.starts_with("/v1/admin/apikeys") => "accounts:read",
        ("POST", p) if p.starts_with("/v1/admin/accounts") || p.starts_with("/v1/admin/apikeys") => "accounts:write",
        ("GET", p) if p.starts_with("/v1/admin/tokens") => "tokens:read",
        ("POST", p) if p.starts_with("/v1/admin/tokens") || p.starts_with("/v1/admin/batches") => "tokens:write",
        ("GET", p) if p.starts_with("/v1/admin/devices") || p.starts_with("/v1/admin/certificates") => "devices:read",
        ("POST", "/v1/admin/revocations" | "/v1/admin/oauth/sessions/{id}/revoke") => "revocations:write",
        ("GET", "/v1/admin/oauth/sessions") => "accounts:read",
        ("GET", p) if p.starts_with("/v1/admin/alarms") => "events:security",
        ("POST", p) if p.starts_with("/v1/admin/alarms") => "revocations:write",
        ("GET", p) if p.starts_with("/v1/admin/approvals") => "audit:read",
        ("POST", p) if p.starts_with("/v1/admin/approvals") => "requests:approve",
        ("POST", "/v1/admin/issue") => "certificates:issue",
        ("GET", p) if p.starts_with("/v1/admin/audit") || p.starts_with("/v1/admin/why") => "audit:read",
        ("GET", "/v1/admin/events") => "audit:read",
        ("GET", p) if p.starts_with("/v1/admin/webhooks") || p == "/v1/admin/dead-letters" => "webhooks:read",
        (_, p) if p.starts_with("/v1/admin/webhooks") || p == "/v1/admin/dead-letters" => "webhooks:write",
        ("GET", p) if p.starts_with("/v1/admin/policy") => "policy:read",
        (_, "/v1/admin/policy/diff") => "policy:read",
        (_, "/v1/admin/policy") => "policy:write",
        ("GET", "/v1/admin/crl" | "/v1/admin/oauth/keys" | "/v1/admin/issuers" | "/v1/admin/trust/bundles") => {
            "issuers:read"
        }
        ("POST", p) if p.starts_with("/v1/admin/issuers") => "issuers:write",
        _ => return None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn t30_every_role_gets_through_its_own_doors_by_key_and_by_certificate() {
    let service = TestService::start().await;
    let mut judged = 0;
    for role in Role::ALL {
        let key = service.key_with(role.as_str(), &format!("role:{}", role.as_str())).await;
        let name = format!("dev-{}", role.as_str());
        let device = service.device(&name).await;
        let permissions = format!("role:{}", role.as_str()).parse().ok();
        service.change(&name, &DeviceChange { permissions, ..DeviceChange::default() }).await.unwrap();
        let mut wire = service.wire(Some(device.identity()), crate::support::Protocol::Http2).await;
        let mut plain = service.wire(None, crate::support::Protocol::Http2).await;
        for (method, template, body) in ROUTES {
            let Some(scope) = needed(method, template) else { continue };
            // Nothing is there, so that nothing is done by those who may.
            let path = template.replace("{id}", "x").replace("{batch}", "x").replace("{serial}", "x");
            let path = path.replace("{request_id}", "x");
            let body = if role == Role::Owner { "" } else { body };
            let scopes: Scopes = scope.parse().unwrap();
            let allowed = role.scopes().contains_all(scopes);
            let by_key = plain.send(method, &path, &[("x-api-key", &key.key)], body.as_bytes()).await.unwrap();
            let by_certificate = wire.send(method, &path, &[], body.as_bytes()).await.unwrap();
            for reply in [by_key, by_certificate] {
                let missing = format!("has no permission {scope}");
                let refused = reply.status == 403 && reply.problem().detail.is_some_and(|d| d.contains(&missing));
                assert_eq!(!refused, allowed, "{role:?} {method} {path}: {} {}", reply.status, reply.text());
                assert!(reply.status < 500 && reply.status != 401, "{role:?} {method} {path}: {}", reply.status);
                judged += 1;
            }
        }
    }
    assert!(judged > 200, "{judged}");
    let left: Vec<_> = ROUTES.iter().filter(|(m, p, _)| needed(m, p).is_none()).map(|(_, p, _)| *p).collect();
    assert_eq!(left, ["/v1/admin/devices/{id}"], "a route is judged by nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kill_switch_takes_every_key_of_an_account_at_once_and_no_others() {
    let service = TestService::start().await;
    let other = service.key_with("other", "devices:read").await;
    service.account("acme", "devices:read").await;
    let mut keys = Vec::new();
    for _ in 0..5 {
        keys.push(service.key("acme").await);
    }
    let off = ChangeApiKey { action: Some(ApiKeyAction::Disable), ..ChangeApiKey::default() };
    service.change_key(&keys[0], &off).await.unwrap();
    let kill = RevokeRequest { account: AccountId::parse("acme").ok(), ..RevokeRequest::default() };
    let report = service.revoke(&kill).await.unwrap();
    assert_eq!(report.credentials.len(), 5);
    assert!(report.credentials.iter().all(|id| keys.iter().any(|key| key.info.id == *id)));
    for key in &keys {
        assert_eq!(service.with_key(&key.key, "/v1/whoami").await.problem().code, ErrorCode::CredentialRevoked);
    }
    assert_eq!(service.with_key(&other.key, "/v1/whoami").await.status, 200);
    assert_eq!(code(service.create_key(&key_order("acme")).await), ErrorCode::Conflict);
    let entries = service.audit_of("revocation").await;
    assert_eq!(entries.len(), 1, "one transaction, one entry");
    assert!(keys.iter().all(|key| entries[0].canonical.contains(key.info.id.as_str())));
    assert!(entries.iter().all(|e| !e.canonical.contains(CredentialKind::ApiKey.prefix())), "no secret");
}
