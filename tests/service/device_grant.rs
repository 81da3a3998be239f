//! The device grant (RFC 8628): from a code on a screen to a certificate.

use serde_json::{Value, json};
use signet_api::ErrorCode;
use signet_api::device_codes::{DEVICE_CODE_GRANT, DeviceAuthorization, DeviceCodeInfo, DeviceToken};

use crate::support::{Reply, TestKey, TestService, code, credential, issued};

async fn begin(service: &TestService, form: &str) -> Reply {
    post(service, "/v1/oauth/device_authorization", form).await
}

async fn begun(service: &TestService, form: &str) -> DeviceAuthorization {
    let reply = begin(service, form).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

async fn ask(service: &TestService, device_code: &str) -> Reply {
    post(service, "/v1/oauth/token", &format!("grant_type={DEVICE_CODE_GRANT}&device_code={device_code}")).await
}

async fn post(service: &TestService, path: &str, form: &str) -> Reply {
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    service.send("POST", path, &headers, form.as_bytes()).await
}

async fn waiting(service: &TestService) -> Vec<DeviceCodeInfo> {
    service.admin.get_json("/v1/admin/device-codes").await.unwrap()
}

async fn decide(service: &TestService, code: &str, body: Value) -> Result<Value, signet_api::client::ClientError> {
    service.admin.post_json(&format!("/v1/admin/device-codes/{code}"), &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_an_administrator_approves_becomes_a_certificate_for_that_key() {
    let service = TestService::start().await;
    let key = TestKey::p256();
    let spki = key.fingerprint();
    let begun = begun(&service, &format!("client_id=a+sensor&spki={spki}")).await;
    assert_eq!((begun.expires_in, begun.interval, begun.user_code.len()), (900, 5, 9));
    let seen = waiting(&service).await.remove(0);
    assert_eq!(
        (seen.user_code, seen.client.as_str(), seen.spki),
        (begun.user_code.clone(), "a sensor", Some(spki.to_string()))
    );
    let pending = ask(&service, &begun.device_code).await;
    assert_eq!(pending.status, 400);
    assert_eq!(pending.json::<Value>()["error"], "authorization_pending");
    assert_eq!(ask(&service, &begun.device_code).await.json::<Value>()["error"], "slow_down");
    let typed = begun.user_code.to_lowercase().replace('-', "");
    let settled =
        decide(&service, &typed, json!({"action": "approve", "device": "sensor-1", "groups": ["plant-2"]})).await;
    assert_eq!(settled.unwrap()["device"], "sensor-1");
    assert!(waiting(&service).await.is_empty());
    // The answer may be lost and asked for again; it is the same token, and good for that key alone.
    let tokens: Vec<DeviceToken> =
        vec![ask(&service, &begun.device_code).await.json(), ask(&service, &begun.device_code).await.json()];
    assert_eq!(tokens[0], tokens[1]);
    assert_eq!((tokens[0].scope.as_str(), tokens[0].device.as_str()), ("enroll", "sensor-1"));
    let token = &tokens[0].access_token;
    let stranger = service.enroll(token, &TestKey::p256()).await;
    assert_eq!(code(stranger), ErrorCode::TokenConstraint);
    let certificate = issued(service.enroll(token, &key).await);
    assert_eq!(certificate.device.as_str(), "sensor-1");
    assert_eq!(credential(token).id().as_str(), service.audit_of("token.created").await[0].detail["tokens"][0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_over_or_unknown_gets_nothing() {
    let service = TestService::start().await;
    let denied = begun(&service, "client_id=x").await;
    decide(&service, &denied.user_code, json!({"action": "deny"})).await.unwrap();
    assert_eq!(ask(&service, &denied.device_code).await.json::<Value>()["error"], "access_denied");
    assert_eq!(code(decide(&service, &denied.user_code, json!({"action": "approve"})).await), ErrorCode::NotFound);
    let late = begun(&service, "client_id=x").await;
    service.installation.clock.advance(901);
    assert_eq!(ask(&service, &late.device_code).await.json::<Value>()["error"], "expired_token");
    assert_eq!(code(decide(&service, &late.user_code, json!({"action": "approve"})).await), ErrorCode::NotFound);
    let before = service.audit().await.len();
    for form in ["", "client_id=x&scope=devices:read", "client_id=x&spki=12", "client_id=x&client_id=y"] {
        assert_eq!(begin(&service, form).await.status, 400, "{form}");
    }
    assert_eq!(ask(&service, "guess").await.json::<Value>()["error"], "expired_token");
    assert!(service.audit_of("token.created").await.is_empty());
    assert_eq!(service.audit().await.len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn t30_only_who_may_invite_lets_an_administrator_in() {
    let service = TestService::start().await;
    let begun = begun(&service, "client_id=ca+login").await;
    let approve = json!({"action": "approve", "device": "eve", "profile": "admin", "permissions": "role:owner"});
    let token = service.create_token(crate::support::order("carl")).await;
    let device = service.device_with(&token, TestKey::p256()).await;
    let path = format!("/v1/admin/device-codes/{}", begun.user_code);
    let body = serde_json::to_vec(&approve).unwrap();
    let refused = service.send_as(device.identity(), "POST", &path, &[], &body).await;
    assert_eq!(refused.problem().code, ErrorCode::Forbidden);
    assert_eq!(waiting(&service).await.len(), 1, "it still waits");
    decide(&service, &begun.user_code, approve).await.unwrap();
    let token: DeviceToken = ask(&service, &begun.device_code).await.json();
    let key = TestKey::p256();
    let eve = crate::support::Device { certificate: issued(service.enroll(&token.access_token, &key).await), key };
    assert_eq!(service.as_device(&eve).whoami().await.unwrap().kind, "admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn t05_whoever_guesses_codes_has_to_wait() {
    let service = TestService::start().await;
    let begun = begun(&service, "client_id=x").await;
    let mut last = ErrorCode::NotFound;
    for _ in 0..20 {
        last = code(decide(&service, "BBBB-BBBB", json!({"action": "deny"})).await);
    }
    assert_eq!(last, ErrorCode::TooManyRequests);
    let pending = ask(&service, &begun.device_code).await;
    assert_eq!(pending.json::<Value>()["error"], "authorization_pending", "the device is held up by no guess");
    assert_eq!(waiting(&service).await.len(), 1);
}
