//! Receivers that are away, slow, hostile or elsewhere, and a service that ends in the middle.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use signet::clock::SystemClock;
use signet::config::Patience;
use signet::store::Reach;
use signet::webhooks::{Egress, Message, Resolution, Resolver, SendError, Sender, Target};
use signet_api::ErrorCode;
use signet_api::admin::Page;
use signet_api::webhooks::{CreateWebhook, DeadAction, DeadChanged, DeadLetter, DeadOrder, WebhookInfo};

use super::webhooks::{create, order, prepared, start, until};
use crate::support::receiver::{Authority, Behaviour, Receiver};
use crate::support::{Builder, TestService, code};

async fn revoke(service: &TestService, names: &[&str]) {
    for name in names {
        service.device(name).await;
        service.revoke_device(name).await;
    }
}

fn device(got: &crate::support::receiver::Got) -> String {
    got.json()["data"]["devices"][0].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_missed_comes_later_in_order_and_once() {
    let (service, mut receiver) = start().await;
    let made = create(&service, &order(receiver.url("/"))).await;
    receiver.behave(Behaviour::Down);
    revoke(&service, &["sensor-1", "sensor-2", "sensor-3"]).await;
    let info = until(&service, &made, |w| w.failures > 0 && w.waiting == 3).await;
    assert!(info.last_error.unwrap().starts_with("no TLS connection"));
    assert!(info.paused_until.is_some());
    receiver.behave(Behaviour::Status(200));
    service.clock().advance(10);
    for name in ["sensor-1", "sensor-2", "sensor-3"] {
        assert_eq!(device(&receiver.next().await), name);
    }
    let info = until(&service, &made, |w| w.waiting == 0).await;
    assert_eq!((info.failures, info.last_error, info.paused_until), (0, None, None));
    assert_eq!(receiver.rest().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_refused_lets_the_others_pass() {
    let (service, mut receiver) = start().await;
    let made = create(&service, &order(receiver.url("/"))).await;
    receiver.behave(Behaviour::Status(422));
    revoke(&service, &["sensor-1"]).await;
    receiver.next().await;
    until(&service, &made, |w| w.failures == 1).await;
    receiver.behave(Behaviour::Status(200));
    revoke(&service, &["sensor-2"]).await;
    assert_eq!(device(&receiver.next().await), "sensor-2");
    service.clock().advance(10);
    assert_eq!(device(&receiver.next().await), "sensor-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_day_of_failures_a_delivery_is_a_dead_letter_until_somebody_decides() {
    let (service, mut receiver) = start().await;
    let made = create(&service, &order(receiver.url("/"))).await;
    receiver.behave(Behaviour::Status(500));
    revoke(&service, &["sensor-1"]).await;
    let first = receiver.next().await;
    until(&service, &made, |w| w.failures == 1).await;
    service.clock().advance(86_400);
    let second = receiver.next().await;
    assert_eq!((first.id(), &first.body), (second.id(), &second.body), "the same message");
    until(&service, &made, |w| w.dead == 1 && w.waiting == 0).await;
    let path = "/v1/admin/dead-letters";
    let letters: Page<DeadLetter> = service.admin.get_json(path).await.unwrap();
    let letter = &letters.items[0];
    assert_eq!((letter.message.as_str(), letter.attempts, letter.error.as_str()), (first.id(), 2, "it answered 500"));
    assert_eq!(letter.body, first.json());
    assert_eq!(service.audit_of("webhook.dead").await.len(), 1);

    receiver.behave(Behaviour::Status(200));
    let redeliver = DeadOrder { action: DeadAction::Redeliver, id: Some(letter.id), webhook: None };
    let changed: DeadChanged = service.admin.post_json(path, &redeliver).await.unwrap();
    assert_eq!(changed.changed, 1);
    // The endpoint itself still waits for its pause.
    service.clock().advance(3600 * 2);
    assert_eq!(receiver.next().await.id(), first.id());
    until(&service, &made, |w| w.dead == 0 && w.waiting == 0).await;
    assert_eq!(code(service.admin.post_json::<_, Value>(path, &redeliver).await), ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_can_be_dropped() {
    let (service, mut receiver) = start().await;
    let made = create(&service, &order(receiver.url("/"))).await;
    receiver.behave(Behaviour::Status(400));
    revoke(&service, &["sensor-1"]).await;
    receiver.next().await;
    until(&service, &made, |w| w.failures == 1).await;
    service.clock().advance(86_400);
    until(&service, &made, |w| w.dead == 1).await;
    let order = DeadOrder { action: DeadAction::Drop, id: None, webhook: Some(made.webhook.id.clone()) };
    let changed: DeadChanged = service.admin.post_json("/v1/admin/dead-letters", &order).await.unwrap();
    assert_eq!(changed.changed, 1);
    until(&service, &made, |w| w.dead == 0 && w.waiting == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_loses_nothing() {
    let authority = Authority::new();
    let mut receiver = Receiver::start(&authority).await;
    let service = Builder::default().start_in(prepared(&authority).await).await;
    create(&service, &order(receiver.url("/"))).await;
    // One is under way when the service ends, one waits behind it.
    receiver.behave(Behaviour::Silent);
    revoke(&service, &["sensor-1", "sensor-2"]).await;
    assert_eq!(device(&receiver.next().await), "sensor-1");
    let installation = service.stop().await;
    receiver.behave(Behaviour::Status(200));
    let service = Builder::default().start_in(installation).await;
    let mut seen = Vec::new();
    while !seen.contains(&"sensor-2".to_owned()) {
        seen.push(device(&receiver.next().await));
    }
    // At least once: whether the first attempt was taken nobody knows.
    seen.dedup();
    assert_eq!(seen, ["sensor-1", "sensor-2"]);
    revoke(&service, &["sensor-3"]).await;
    assert_eq!(device(&receiver.next().await), "sensor-3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_receiver_costs_its_own_time_alone() {
    let authority = Authority::new();
    let patience = Patience { webhook: Duration::from_secs(1), ..Patience::default() };
    let service = Builder::default().patience(patience).start_in(prepared(&authority).await).await;
    let (mut slow, mut good) = (Receiver::start(&authority).await, Receiver::start(&authority).await);
    slow.behave(Behaviour::Silent);
    let made = create(&service, &order(slow.url("/"))).await;
    create(&service, &order(good.url("/"))).await;
    revoke(&service, &["sensor-1"]).await;
    assert_eq!(device(&good.next().await), "sensor-1");
    assert_eq!(device(&slow.next().await), "sensor-1");
    let info = until(&service, &made, |w| w.failures == 1).await;
    assert_eq!(info.last_error.as_deref(), Some("no answer in time"));
}

#[tokio::test(flavor = "multi_thread")]
async fn t24_redirects_are_not_followed() {
    let authority = Authority::new();
    let service = Builder::default().start_in(prepared(&authority).await).await;
    let (mut first, mut second) = (Receiver::start(&authority).await, Receiver::start(&authority).await);
    first.behave(Behaviour::Redirect(second.url("/elsewhere")));
    let made = create(&service, &order(first.url("/"))).await;
    revoke(&service, &["sensor-1"]).await;
    first.next().await;
    let info = until(&service, &made, |w| w.failures == 1).await;
    assert_eq!(info.last_error.as_deref(), Some("it answered 307; redirects are not followed"));
    assert_eq!((second.connections(), second.rest().len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn t24_of_a_giant_answer_little_is_read() {
    let (service, mut receiver) = start().await;
    let made = create(&service, &order(receiver.url("/"))).await;
    receiver.behave(Behaviour::Giant);
    revoke(&service, &["sensor-1"]).await;
    receiver.next().await;
    // Its status was 200: it has the message.
    until(&service, &made, |w| w.waiting == 0 && w.failures == 0).await;
    receiver.cut.notified().await;
    // 64 KiB, and what the buffers of two sockets hold.
    let taken = receiver.taken.load(Ordering::SeqCst);
    assert!(taken < 16 << 20, "{taken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t24_an_endpoint_within_is_refused_unless_it_is_listed_and_meant() {
    let (service, receiver) = start().await;
    let attempt = async |url: &str, private| -> Result<Value, _> {
        let order = CreateWebhook { url: url.into(), events: Vec::new(), private };
        service.admin.post_json("/v1/admin/webhooks", &order).await
    };
    for url in [
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fd00::1]/",
    ] {
        assert_eq!(code(attempt(url, true).await), ErrorCode::InvalidArgument, "{url}");
    }
    for url in [receiver.url("/"), "https://127.0.0.1/".into(), "https://[::1]/".into()] {
        assert_eq!(code(attempt(&url, false).await), ErrorCode::InvalidArgument, "{url}");
        attempt(&url, true).await.unwrap();
    }
    assert_eq!(receiver.connections(), 0);
    let all: Vec<WebhookInfo> = service.admin.get_json("/v1/admin/webhooks").await.unwrap();
    assert_eq!(all.len(), 3);
}

/// Answers with the next of its lists, as an attacker's name server does.
struct Rebinding(Mutex<VecDeque<Vec<SocketAddr>>>);

impl Resolver for Rebinding {
    fn resolve(&self, _host: String, _port: u16) -> Resolution {
        let next = self.0.lock().unwrap().pop_front().unwrap();
        Box::pin(async move { Ok(next) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t24_a_name_is_resolved_once_and_checked_each_time() {
    let authority = Authority::new();
    let mut receiver = Receiver::start(&authority).await;
    let inside = receiver.address;
    let public: SocketAddr = "192.88.98.1:443".parse().unwrap();
    let answers = [vec![public], vec![inside], vec![public, inside], vec![]];
    let resolver = Arc::new(Rebinding(Mutex::new(answers.into())));
    let egress = Egress::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let sender = |resolver: Arc<dyn Resolver>| {
        Sender::new(egress.clone(), resolver, &[authority.der()], Arc::new(SystemClock), Duration::from_secs(20))
            .unwrap()
    };
    let rebound = sender(resolver.clone());
    let target = Target::parse("https://localhost/").unwrap();
    let message = Message { id: "msg_1", timestamp: 1, signature: "v1,x", body: "{}" };
    assert_eq!(rebound.check(&target, Reach::Public).await, Ok(()), "at its creation it was elsewhere");
    for _ in 0..2 {
        let refused = rebound.post(&target, Reach::Public, &message).await;
        assert!(matches!(refused, Err(SendError::Forbidden(_))), "{refused:?}");
    }
    assert!(matches!(rebound.post(&target, Reach::Public, &message).await, Err(SendError::Name(_))));
    assert_eq!((resolver.0.lock().unwrap().len(), receiver.connections()), (0, 0));

    // One question to a message: a second answer would be missing.
    let once = Arc::new(Rebinding(Mutex::new([vec![inside]].into())));
    assert_eq!(sender(once).post(&target, Reach::Listed, &message).await, Ok(200));
    assert_eq!(receiver.next().await.body, b"{}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_with_a_certificate_of_nobody_we_know_gets_nothing() {
    let (service, _) = start().await;
    let mut stranger = Receiver::start(&Authority::new()).await;
    let made = create(&service, &order(stranger.url("/"))).await;
    revoke(&service, &["sensor-1"]).await;
    let info = until(&service, &made, |w| w.failures == 1).await;
    assert!(info.last_error.unwrap().contains("no TLS connection: invalid peer certificate"));
    assert_eq!(stranger.rest().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stretch_of_the_log_without_news_is_not_told() {
    let (service, mut receiver) = start().await;
    let made = create(&service, &order(receiver.url("/"))).await;
    for n in 0..5 {
        service.token(&format!("sensor-{n}")).await;
    }
    revoke(&service, &["last"]).await;
    let got = receiver.next().await;
    assert_eq!(got.json()["data"]["devices"], json!(["last"]));
    until(&service, &made, |w| w.waiting == 0).await;
    assert_eq!(receiver.rest().len(), 0);
}
