//! Endpoints that are told what happens: what they get, how they know whom it is from, and what administrators see of it.

use serde_json::{Value, json};
use signet::clock::Clock;
use signet_api::ErrorCode;
use signet_api::admin::{DeviceAction, DeviceChange};
use signet_api::client::ClientError;
use signet_api::standard_webhooks::ProofError;
use signet_api::webhooks::{
    CreateWebhook, RotateSecret, WebhookAction, WebhookChange, WebhookEvent, WebhookInfo, WebhookSecret, WebhookTest,
};

use crate::support::receiver::{Authority, Behaviour, Receiver};
use crate::support::{Builder, Installation, TestService, code};

/// Files and configuration with which receivers of this authority are believed and reached.
pub(crate) async fn prepared(authority: &Authority) -> Installation {
    let installation = Installation::new().await;
    std::fs::write(installation.path("server/receivers.pem"), authority.pem()).unwrap();
    installation.append_toml("[webhooks]\nallow = [\"127.0.0.0/8\", \"::1/128\"]\nroots = \"receivers.pem\"");
    installation
}

pub(crate) async fn start() -> (TestService, Receiver) {
    let authority = Authority::new();
    let service = Builder::default().start_in(prepared(&authority).await).await;
    (service, Receiver::start(&authority).await)
}

pub(crate) fn order(url: String) -> CreateWebhook {
    CreateWebhook { url, events: Vec::new(), private: true }
}

pub(crate) async fn create(service: &TestService, order: &CreateWebhook) -> WebhookSecret {
    service.admin.post_json("/v1/admin/webhooks", order).await.unwrap()
}

pub(crate) async fn show(service: &TestService, made: &WebhookSecret) -> WebhookInfo {
    service.admin.get_json(&format!("/v1/admin/webhooks/{}", made.webhook.id)).await.unwrap()
}

pub(crate) async fn change(service: &TestService, made: &WebhookSecret, action: WebhookAction) -> WebhookInfo {
    let path = format!("/v1/admin/webhooks/{}", made.webhook.id);
    service.admin.post_json(&path, &WebhookChange { action }).await.unwrap()
}

/// Asks until it is so; what never is ends the test.
pub(crate) async fn until(
    service: &TestService,
    made: &WebhookSecret,
    so: impl Fn(&WebhookInfo) -> bool,
) -> WebhookInfo {
    let mut last = None;
    for _ in 0..20_000 {
        let found = show(service, made).await;
        if so(&found) {
            return found;
        }
        last = Some(found);
        tokio::task::yield_now().await;
    }
    panic!("it never was: {last:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_delivered_once_signed_and_without_what_services_may_not_know() {
    let (service, mut receiver) = start().await;
    let device = service.device("sensor-1").await;
    let made = create(&service, &order(receiver.url("/in?x=1"))).await;
    service.revoke_device("sensor-1").await;
    let got = receiver.next().await;
    assert_eq!(got.path, "/in?x=1");
    assert_eq!(got.headers["content-type"], "application/json");
    assert_eq!(got.headers["host"], format!("localhost:{}", receiver.address.port()));
    let now = service.clock().now();
    assert_eq!(got.verify(&made.secret, now), Ok(()));
    assert_eq!(got.verify(&made.secret, now.plus(301)), Err(ProofError::Late));
    let body = got.json();
    assert_eq!((&body["type"], &body["data"]["devices"]), (&json!("revocation"), &json!(["sensor-1"])));
    assert_eq!(body["data"]["serials"], json!([device.serial()]));
    let entry = service.audit_of("revocation").await.remove(0);
    assert_eq!(body["sequence"], json!(entry.sequence));
    assert!(!String::from_utf8(got.body).unwrap().contains("admin"), "{body}");

    let info = until(&service, &made, |w| w.waiting == 0 && w.last_success_at.is_some()).await;
    assert_eq!((info.status.as_str(), info.failures, info.dead), ("enabled", 0, 0));
    assert_eq!(receiver.rest().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_gets_the_kinds_that_it_asked_for() {
    let (service, mut receiver) = start().await;
    service.device("sensor-1").await;
    let wanted = CreateWebhook { events: vec![WebhookEvent::Resumed], ..order(receiver.url("/resumed")) };
    create(&service, &wanted).await;
    let step = async |action| {
        service.change("sensor-1", &DeviceChange { action: Some(action), ..DeviceChange::default() }).await.unwrap();
    };
    step(DeviceAction::Suspend).await;
    step(DeviceAction::Resume).await;
    assert_eq!(receiver.next().await.json()["type"], "device.resumed");
    assert_eq!(receiver.rest().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn security_endpoints_hear_alarms_and_who_did_what() {
    let (service, mut receiver) = start().await;
    let events = vec![WebhookEvent::Security, WebhookEvent::Revocation];
    create(&service, &CreateWebhook { events, ..order(receiver.url("/")) }).await;
    let token = service.token("sensor-1").await.token;
    service.enroll(&token, &crate::support::TestKey::p256()).await.unwrap();
    code(service.enroll(&token, &crate::support::TestKey::p256()).await);
    let alarm = receiver.next().await.json();
    assert_eq!((&alarm["type"], &alarm["data"]["kind"]), (&json!("security"), &json!("alarm.token_reuse_other_key")));
    service.revoke_device("sensor-1").await;
    assert_eq!(receiver.next().await.json()["data"]["actor"], "admin:admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_secrets_sign_while_both_live() {
    let (service, mut receiver) = start().await;
    let made = create(&service, &order(receiver.url("/"))).await;
    let rotate = async |overlap| -> WebhookSecret {
        let path = format!("/v1/admin/webhooks/{}/secret", made.webhook.id);
        service.admin.post_json(&path, &RotateSecret { overlap }).await.unwrap()
    };
    let ping = async || -> WebhookTest {
        let path = format!("/v1/admin/webhooks/{}/test", made.webhook.id);
        service.admin.post_json(&path, &()).await.unwrap()
    };
    let next = rotate(3600).await;
    assert_ne!(next.secret, made.secret);
    assert!(ping().await.delivered);
    let (got, now) = (receiver.next().await, service.clock().now());
    assert_eq!((got.signatures(), got.verify(&made.secret, now), got.verify(&next.secret, now)), (2, Ok(()), Ok(())));

    service.clock().advance(3600);
    ping().await;
    let (got, now) = (receiver.next().await, service.clock().now());
    assert_eq!((got.signatures(), got.verify(&next.secret, now)), (1, Ok(())));
    assert_eq!(got.verify(&made.secret, now), Err(ProofError::Wrong));

    // Somebody else has it: no overlap.
    let last = rotate(0).await;
    ping().await;
    let (got, now) = (receiver.next().await, service.clock().now());
    assert_eq!((got.signatures(), got.verify(&last.secret, now)), (1, Ok(())));
    assert_eq!(got.verify(&next.secret, now), Err(ProofError::Wrong));
    let kinds: Vec<String> =
        service.audit().await.into_iter().map(|e| e.kind).filter(|k| k.starts_with("webhook.")).collect();
    let expected = ["created", "secret_rotated", "tested", "tested", "secret_rotated", "tested"];
    assert_eq!(kinds, expected.map(|kind| format!("webhook.{kind}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_what_came_back() {
    let (service, mut receiver) = start().await;
    let made = create(&service, &order(receiver.url("/"))).await;
    let path = format!("/v1/admin/webhooks/{}/test", made.webhook.id);
    let ping = async || service.admin.post_json::<_, WebhookTest>(&path, &()).await.unwrap();
    let good = ping().await;
    assert_eq!((good.delivered, good.status), (true, Some(200)));
    let got = receiver.next().await;
    assert_eq!((got.json()["type"].as_str(), got.id()), (Some("ping"), good.message.as_str()));
    receiver.behave(Behaviour::Status(418));
    let refused = ping().await;
    assert_eq!((refused.delivered, refused.status), (false, Some(418)));
    receiver.behave(Behaviour::Down);
    let gone = ping().await;
    assert_eq!((gone.delivered, gone.status), (false, None));
    assert!(gone.error.unwrap().starts_with("no TLS connection"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_endpoint_misses_nothing_and_a_deleted_one_gets_nothing() {
    let (service, mut receiver) = start().await;
    for name in ["sensor-1", "sensor-2"] {
        service.device(name).await;
    }
    let made = create(&service, &order(receiver.url("/"))).await;
    assert_eq!(change(&service, &made, WebhookAction::Disable).await.status, "disabled");
    service.revoke_device("sensor-1").await;
    assert_eq!(show(&service, &made).await.waiting, 0);
    assert_eq!(change(&service, &made, WebhookAction::Enable).await.status, "enabled");
    assert_eq!(receiver.next().await.json()["data"]["devices"], json!(["sensor-1"]));

    change(&service, &made, WebhookAction::Delete).await;
    let path = format!("/v1/admin/webhooks/{}", made.webhook.id);
    assert_eq!(code(service.admin.get_json::<WebhookInfo>(&path).await), ErrorCode::NotFound);
    let again =
        service.admin.post_json::<_, WebhookInfo>(&path, &WebhookChange { action: WebhookAction::Enable }).await;
    assert_eq!(code(again), ErrorCode::NotFound);
    let second = create(&service, &order(receiver.url("/second"))).await;
    service.revoke_device("sensor-2").await;
    assert_eq!(receiver.next().await.path, "/second");
    until(&service, &second, |w| w.waiting == 0).await;
    assert_eq!(receiver.rest().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_says_gone_is_disabled() {
    let (service, mut receiver) = start().await;
    service.device("sensor-1").await;
    let made = create(&service, &order(receiver.url("/"))).await;
    receiver.behave(Behaviour::Status(410));
    service.revoke_device("sensor-1").await;
    receiver.next().await;
    let info = until(&service, &made, |w| w.status == "gone").await;
    assert_eq!((info.waiting, info.dead), (1, 0));
    assert_eq!(service.audit_of("webhook.gone").await.len(), 1);
    receiver.behave(Behaviour::Status(204));
    change(&service, &made, WebhookAction::Enable).await;
    receiver.next().await;
    until(&service, &made, |w| w.waiting == 0 && w.status == "enabled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_see_endpoints_and_change_them() {
    let (service, receiver) = start().await;
    let made = create(&service, &order(receiver.url("/"))).await;
    let device = service.device("sensor-1").await;
    let (stranger, own) = (service.client(None), service.as_device(&device));
    let path = format!("/v1/admin/webhooks/{}", made.webhook.id);
    for client in [&stranger, &own] {
        for path in ["/v1/admin/webhooks", "/v1/admin/dead-letters", &path] {
            let refused = code(client.get_json::<Value>(path).await);
            assert!(matches!(refused, ErrorCode::NotAuthenticated | ErrorCode::Forbidden), "{path}: {refused:?}");
        }
        for path in
            ["/v1/admin/webhooks", "/v1/admin/dead-letters", &path, &format!("{path}/secret"), &format!("{path}/test")]
        {
            let refused = code(client.post_json::<_, Value>(path, &json!({})).await);
            assert!(matches!(refused, ErrorCode::NotAuthenticated | ErrorCode::Forbidden), "{path}: {refused:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_makes_no_sense_changes_nothing() {
    let (service, receiver) = start().await;
    let create = async |body: Value| -> Result<Value, ClientError> {
        service.admin.post_json("/v1/admin/webhooks", &body).await
    };
    for url in ["http://a.example/", "https://u:p@a.example/", "https://127.1/", "ftp://x", "", "https://a.example/#f"]
    {
        assert_eq!(code(create(json!({ "url": url })).await), ErrorCode::InvalidArgument, "{url}");
    }
    for body in
        [json!({}), json!({ "url": receiver.url("/"), "events": ["x"] }), json!({ "url": receiver.url("/"), "x": 1 })]
    {
        assert_eq!(code(create(body.clone()).await), ErrorCode::MalformedRequest, "{body}");
    }
    let made = self::create(&service, &order(receiver.url("/"))).await;
    let path = format!("/v1/admin/webhooks/{}/secret", made.webhook.id);
    for overlap in [-1, 7 * 86_400 + 1] {
        let refused = service.admin.post_json::<_, Value>(&path, &RotateSecret { overlap }).await;
        assert_eq!(code(refused), ErrorCode::InvalidArgument);
    }
    let dead = async |body: Value| service.admin.post_json::<_, Value>("/v1/admin/dead-letters", &body).await;
    let both = json!({ "action": "drop", "id": 1, "webhook": made.webhook.id });
    for body in [both, json!({ "action": "drop" })] {
        assert_eq!(code(dead(body).await), ErrorCode::InvalidArgument);
    }
    assert_eq!(code(dead(json!({ "action": "redeliver", "id": 1 })).await), ErrorCode::NotFound);
    let all: Vec<WebhookInfo> = service.admin.get_json("/v1/admin/webhooks").await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(service.audit().await.iter().filter(|e| e.kind.starts_with("webhook.")).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_as_many_endpoints_as_there_may_be() {
    let (service, _receiver) = start().await;
    for n in 0..signet::store::MAX_WEBHOOKS {
        create(&service, &order(format!("https://127.0.0.1:1/{n}"))).await;
    }
    let refused =
        service.admin.post_json::<_, Value>("/v1/admin/webhooks", &order("https://127.0.0.1:1/".into())).await;
    assert_eq!(code(refused), ErrorCode::Conflict);
}
