//! An alarm reaches everybody who can act on it, and stays until an administrator closes it with a reason.

use serde_json::json;
use signet_api::ErrorCode;
use signet_api::admin::{CreateTokens, Page};
use signet_api::alarms::{AlarmInfo, CloseAlarm};
use signet_api::client::ClientError;

use crate::events::peer_service;
use crate::support::log::Log;
use crate::support::receiver::{Authority, Receiver};
use crate::support::stream::Stream;
use crate::support::{Builder, Protocol, TestKey, TestService, code, issued, order};
use crate::webhooks;

/// Presents a used token with another key: `alarm.token_reuse_other_key`.
async fn reuse(service: &TestService, device: &str) {
    let token = service.token(device).await;
    issued(service.enroll(&token.token, &TestKey::p256()).await);
    again(service, &token.token).await;
}

async fn again(service: &TestService, token: &str) {
    let thief = TestKey::p256();
    assert_eq!(service.post_csr(token, &thief.csr_der()).await.problem().code, ErrorCode::TokenBoundToOtherKey);
}

async fn alarms(service: &TestService, query: &str) -> Vec<AlarmInfo> {
    service.admin.get_json::<Page<AlarmInfo>>(&format!("/v1/admin/alarms{query}")).await.unwrap().items
}

async fn close(service: &TestService, id: u64, reason: &str) -> Result<AlarmInfo, ClientError> {
    service.admin.post_json(&format!("/v1/admin/alarms/{id}"), &CloseAlarm { reason: reason.into() }).await
}

#[tokio::test]
async fn an_alarm_reaches_log_metrics_readiness_streams_and_webhooks() {
    let log = Log::default();
    let logging =
        || tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish());
    // Two, as in leaks.rs: with one alone, what another test's thread logs first stays off for all.
    let (own, _second) = (logging(), logging());
    let _guard = tracing::dispatcher::set_default(&own);
    let authority = Authority::new();
    let service = Builder::default().start_in(webhooks::prepared(&authority).await).await;
    let mut receiver = Receiver::start(&authority).await;
    // The endpoint that names no events.
    webhooks::create(&service, &webhooks::order(receiver.url("/in"))).await;
    let watching = peer_service(&service, "api").await;
    let mut for_services = Stream::open(&service, watching.identity(), Protocol::Http1, None).await;
    let mut for_administrators =
        Stream::open(&service, service.installation.administrator(), Protocol::Http1, None).await;
    assert!(service.local("/metrics").await.text().contains("signet_alarms_open 0\n"));

    reuse(&service, "sensor-1").await;
    let event = for_administrators.event().await;
    assert_eq!((event.name.as_str(), &event.data["kind"]), ("alarm", &json!("alarm.token_reuse_other_key")));
    assert_eq!(event.data["subject"], "sensor-1");
    let got = receiver.next().await.json();
    assert_eq!((&got["type"], &got["data"]["subject"]), (&json!("alarm"), &json!("sensor-1")));
    let metrics = service.local("/metrics").await.text().to_owned();
    assert!(
        metrics.contains("signet_alarms_open 1\n") && metrics.contains("signet_alarms_raised_total 1\n"),
        "{metrics}"
    );
    let ready = service.local("/readyz").await;
    assert_eq!(ready.status, 200, "an alarm stops no client");
    assert!(ready.text().contains("alarms: 1 open"), "{}", ready.text());
    let lines = String::from_utf8(log.bytes()).unwrap();
    let line = lines.lines().find(|line| line.contains("alarm.token_reuse_other_key")).expect("no line in the log");
    assert!(line.contains("WARN") && line.contains("sensor-1"), "{line}");

    // A service is not told: its next event is the revocation.
    service.revoke_device("sensor-1").await;
    assert_eq!(for_services.event().await.name, "revocation");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_is_explained_and_closed_with_a_reason_and_the_mark_goes() {
    let service = TestService::start().await;
    reuse(&service, "sensor-1").await;
    let open = alarms(&service, "").await;
    assert_eq!((open.len(), open[0].subject.as_str(), open[0].times), (1, "sensor-1", 1));
    assert!(open[0].meaning.contains("another key"), "{}", open[0].meaning);
    assert!(open[0].advice.contains("ca revoke sensor-1"), "{}", open[0].advice);
    assert!(service.show("sensor-1").await.certificates[0].review);

    for nothing in ["", "   ", "two\nlines", &"x".repeat(201)] {
        assert_eq!(code(close(&service, open[0].id, nothing).await), ErrorCode::InvalidArgument, "{nothing:?}");
    }
    assert_eq!(code(close(&service, 1, "there is none").await), ErrorCode::NotFound);
    assert_eq!(alarms(&service, "").await, open, "nothing was written");

    let closed = close(&service, open[0].id, "the installer ran twice").await.unwrap();
    assert_eq!(
        (closed.reason.as_deref(), closed.closed_by.as_deref()),
        (Some("the installer ran twice"), Some("admin:admin"))
    );
    assert!(!service.show("sensor-1").await.certificates[0].review);
    assert!(alarms(&service, "").await.is_empty());
    assert_eq!(alarms(&service, "?all=true&subject=sensor-1").await, [closed]);
    let entry = service.audit_of("alarm.closed").await.pop().unwrap();
    assert_eq!((entry.subject.as_str(), &entry.detail["reason"]), ("sensor-1", &json!("the installer ran twice")));
    assert_eq!(code(close(&service, open[0].id, "again").await), ErrorCode::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_alarms_cannot_close_them_and_others_see_none() {
    let service = TestService::start().await;
    reuse(&service, "sensor-1").await;
    let id = alarms(&service, "").await[0].id;
    let (list, one) = ("/v1/admin/alarms".to_owned(), format!("/v1/admin/alarms/{id}"));
    for (role, reads, closes) in [("clerk", false, false), ("auditor", true, false), ("revoker", true, true)] {
        let permissions = Some(format!("role:{role}").parse().unwrap());
        let invitation = CreateTokens { profile: "admin".into(), permissions, ..order(&format!("the-{role}")) };
        let token = service.create_token(invitation).await;
        let client = service.as_device(&service.device_with(&token, TestKey::p256()).await);
        let read = client.get_json::<Page<AlarmInfo>>(&list).await;
        assert_eq!(read.is_ok(), reads, "{role}: {read:?}");
        let closed = client.post_json::<_, AlarmInfo>(&one, &CloseAlarm { reason: "looked at".into() }).await;
        assert_eq!(closed.is_ok(), closes, "{role}: {closed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_filtered_by_kind_and_actor() {
    let service = TestService::start().await;
    reuse(&service, "sensor-1").await;
    let kinds = async |query: &str| -> Vec<String> {
        let page: Page<signet_api::admin::AuditEntry> =
            service.admin.get_json(&format!("/v1/admin/audit?{query}")).await.unwrap();
        page.items.into_iter().map(|entry| entry.kind).collect()
    };
    assert_eq!(kinds("kind=alarm.").await, ["alarm.token_reuse_other_key"]);
    assert_eq!(kinds("kind=token.created&actor=admin:admin").await, ["token.created"]);
    assert!(kinds("kind=token.created&actor=admin:bob").await.is_empty());
    assert!(kinds("kind=larm").await.is_empty(), "the beginning counts");
}
