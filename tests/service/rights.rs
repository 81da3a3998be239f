//! Who may use the administrators' routes.

use signet_api::ErrorCode;
use signet_api::admin::CreateTokens;

use crate::support::{TestKey, TestService, order};

/// Every route of `/v1/admin`, with a body that would do something.
pub(crate) const ROUTES: &[(&str, &str, &str)] = &[
    ("GET", "/v1/admin/accounts", ""),
    ("POST", "/v1/admin/accounts", r#"{"id":"thief","kind":"program","permissions":"role:owner"}"#),
    ("GET", "/v1/admin/accounts/{id}", ""),
    ("POST", "/v1/admin/accounts/{id}", r#"{"permissions":"role:owner"}"#),
    ("GET", "/v1/admin/apikeys", ""),
    ("POST", "/v1/admin/apikeys", r#"{"account":"victim"}"#),
    (
        "POST",
        "/v1/admin/apikeys/import",
        r#"{"account":"victim","keys":[{"key":"3f2504e0-4f89-41d3-9a0c-0305e82c3301"}]}"#,
    ),
    ("GET", "/v1/admin/apikeys/{id}", ""),
    ("POST", "/v1/admin/apikeys/{id}", r#"{"action":"rotate"}"#),
    ("GET", "/v1/admin/tokens", ""),
    ("POST", "/v1/admin/tokens", r#"{"kind":"interactive","profile":"device","targets":[{"device":"new"}]}"#),
    ("GET", "/v1/admin/tokens/{id}", ""),
    ("POST", "/v1/admin/tokens/{id}/revoke", "{}"),
    ("POST", "/v1/admin/batches/{batch}/revoke", "{}"),
    ("GET", "/v1/admin/devices", ""),
    ("GET", "/v1/admin/devices/{id}", ""),
    ("POST", "/v1/admin/devices/{id}", r#"{"action":"suspend"}"#),
    ("GET", "/v1/admin/certificates/{serial}", ""),
    ("POST", "/v1/admin/revocations", r#"{"device":"victim"}"#),
    ("POST", "/v1/admin/issue", r#"{"device":"victim","csr":"","profile":"device","replace":true}"#),
    ("GET", "/v1/admin/audit", ""),
    ("GET", "/v1/admin/audit/verify", ""),
    ("GET", "/v1/admin/audit/archive", ""),
    ("GET", "/v1/admin/why/{request_id}", ""),
    ("GET", "/v1/admin/crl", ""),
    ("GET", "/v1/admin/issuers", ""),
    ("POST", "/v1/admin/issuers/{id}", r#"{"action":"distrust","reason":"a thief"}"#),
    ("GET", "/v1/admin/oauth/keys", ""),
    ("GET", "/v1/admin/oauth/sessions", ""),
    ("POST", "/v1/admin/oauth/sessions/{id}/revoke", "{}"),
    ("GET", "/v1/admin/policy", ""),
    ("PUT", "/v1/admin/policy", r#"{"text":"","instead_of":"e3b0c44298fc1c14"}"#),
    ("POST", "/v1/admin/policy/diff", r#"{"text":""}"#),
    ("GET", "/v1/admin/policy/history", ""),
    ("GET", "/v1/admin/policy/history/{revision}", ""),
    ("GET", "/v1/admin/trust/bundles", ""),
    ("GET", "/v1/admin/events", ""),
    ("GET", "/v1/admin/alarms", ""),
    ("GET", "/v1/admin/alarms/{id}", ""),
    ("POST", "/v1/admin/alarms/{id}", r#"{"reason":"a thief"}"#),
    ("GET", "/v1/admin/approvals", ""),
    ("GET", "/v1/admin/approvals/{id}", ""),
    ("POST", "/v1/admin/approvals/{id}", r#"{"action":"approve","digest":""}"#),
    ("GET", "/v1/admin/webhooks", ""),
    ("POST", "/v1/admin/webhooks", r#"{"url":"https://192.88.98.1/"}"#),
    ("GET", "/v1/admin/webhooks/{id}", ""),
    ("POST", "/v1/admin/webhooks/{id}", r#"{"action":"delete"}"#),
    ("POST", "/v1/admin/webhooks/{id}/secret", r#"{"overlap":0}"#),
    ("POST", "/v1/admin/webhooks/{id}/test", "{}"),
    ("GET", "/v1/admin/dead-letters", ""),
    ("POST", "/v1/admin/dead-letters", r#"{"action":"drop","id":1}"#),
];

#[test]
fn the_table_of_routes_is_complete() {
    let source = include_str!("../../src/http/admin/mod.rs");
    let declared: Vec<&str> =
        source.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")?.split('"').next()).collect();
    assert!(declared.len() > 5, "the source no longer reads as expected");
    for path in declared {
        assert!(ROUTES.iter().any(|(_, known, _)| *known == path), "{path} is not in the table");
    }
    let methods = source.matches("get(").count() + source.matches("post(").count() + source.matches(".put(").count();
    assert_eq!(methods, ROUTES.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_an_administrator_gets_past_the_door() {
    let service = TestService::start().await;
    let victim = service.device("victim").await;
    let device = service.device("sensor-1").await;
    let token = service.create_token(CreateTokens { profile: "service".into(), ..order("api") }).await;
    let peer_service = service.device_with(&token, TestKey::p256()).await;
    let open = service.token("sensor-2").await;
    for who in [&device, &peer_service] {
        service.as_device(who).whoami().await.unwrap();
    }
    let before = service.audit().await.len();
    for (method, template, body) in ROUTES {
        let path = template
            .replace("/tokens/{id}", &format!("/tokens/{}", open.id))
            .replace("/devices/{id}", "/devices/victim")
            .replace("/accounts/{id}", "/accounts/victim")
            .replace("/apikeys/{id}", "/apikeys/0123456789")
            .replace("/issuers/{id}", &format!("/issuers/{}", service.issuer.short_id()))
            .replace("{batch}", "lot-1")
            .replace("{serial}", victim.serial())
            .replace("{request_id}", "req-1");
        let anonymous = service.send(method, &path, &[], body.as_bytes()).await;
        assert_eq!(anonymous.problem().code, ErrorCode::NotAuthenticated, "{method} {path}");
        let bearer = format!("Bearer {}", open.token);
        let with_token = service.send(method, &path, &[("authorization", &bearer)], body.as_bytes()).await;
        assert_eq!(with_token.problem().code, ErrorCode::CredentialInvalid, "{method} {path}");
        for who in [&device, &peer_service] {
            let refused = service.send_as(who.identity(), method, &path, &[], body.as_bytes()).await;
            assert_eq!(refused.problem().code, ErrorCode::Forbidden, "{method} {path}");
            assert!(!refused.text().contains("victim"));
        }
    }
    assert_eq!(service.audit().await.len(), before);
    service.as_device(&victim).whoami().await.unwrap();
    service.enroll(&open.token, &TestKey::p256()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_is_let_in_everywhere() {
    let service = TestService::start().await;
    for (method, template, body) in ROUTES {
        let path =
            template.replace("{id}", "x").replace("{batch}", "x").replace("{serial}", "x").replace("{request_id}", "x");
        let identity = service.installation.administrator();
        let reply = service.send_as(identity, method, &path, &[], body.as_bytes()).await;
        assert!(!matches!(reply.status, 401 | 403 | 500..), "{method} {path}: {}", reply.status);
    }
}
