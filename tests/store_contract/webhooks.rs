//! Endpoints, the queues before them, and what is given up.

use serde_json::json;
use signet::store::{
    AuditDraft, ChangeDead, ChangeWebhook, DeadSelection, Delivery, Fate, Feed, Feeding, MAX_DEAD, MAX_WEBHOOKS,
    NewDelivery, NewWebhook, Pause, Reach, Settled, WebhookCreation, WebhookRecord, WebhookStatus, WebhookStep,
};
use signet_api::CredentialId;
use signet_api::webhooks::{DeadAction, DeadQuery, WebhookEvent};
use signet_pki::UnixTime;

use crate::bench::{Bench, at_once};
use crate::factory::{DAY, NOW, draft, id, issue_in_shard, token};

fn name(n: u64) -> CredentialId {
    CredentialId::parse(&format!("{n:010}")).unwrap()
}

fn new(n: u64) -> NewWebhook {
    NewWebhook {
        id: name(n),
        url: "https://a.example/".into(),
        events: vec![WebhookEvent::Revocation, WebhookEvent::Security],
        reach: Reach::Listed,
        secret: vec![1, 2, 3],
        draft: draft("webhook.created", "webhook"),
    }
}

async fn created(bench: &Bench, n: u64) -> WebhookRecord {
    assert_eq!(bench.store.create_webhook(new(n)).await.unwrap(), WebhookCreation::Created);
    found(bench, n).await
}

async fn found(bench: &Bench, n: u64) -> WebhookRecord {
    bench.store.webhooks().await.unwrap().items.into_iter().find(|one| one.id == name(n)).unwrap()
}

fn feed(of: &WebhookRecord, to: u64, messages: &[&str]) -> Feed {
    let one =
        |message: &&str| NewDelivery { message: (*message).to_owned(), event: "revocation".into(), body: "{}".into() };
    Feed { webhook: of.id.clone(), from: of.position, to, deliveries: messages.iter().map(one).collect(), now: NOW }
}

async fn fed(bench: &Bench, n: u64, messages: &[&str]) {
    let of = found(bench, n).await;
    assert_eq!(bench.store.feed_webhook(feed(&of, of.position + 1, messages)).await.unwrap(), Feeding::Taken);
}

async fn due(bench: &Bench, now: UnixTime) -> Vec<Delivery> {
    bench.store.due_deliveries(now).await.unwrap()
}

fn settled(delivery: &Delivery, fate: Fate) -> Settled {
    Settled { delivery: delivery.id, webhook: delivery.webhook.clone(), fate, draft: draft("webhook.dead", "webhook") }
}

async fn settle(bench: &Bench, delivery: &Delivery, fate: Fate) {
    bench.store.settle_delivery(settled(delivery, fate)).await.unwrap();
}

fn change(n: u64, step: WebhookStep) -> ChangeWebhook {
    ChangeWebhook { id: name(n), step, draft: draft("webhook.changed", "webhook") }
}

fn later(at: i64, pause: Pause) -> Fate {
    Fate::Later { next_at: NOW.plus(at), error: "e".into(), pause }
}

pub(crate) async fn an_endpoint_begins_behind_its_own_entry(bench: Bench) {
    bench.store.alarm(None, draft("alarm.test", "before")).await.unwrap();
    let made = created(&bench, 1).await;
    assert_eq!((made.position, bench.audit().await.len()), (2, 2));
    assert_eq!((made.status, made.reach, made.waiting, made.dead), (WebhookStatus::Enabled, Reach::Listed, 0, 0));
    assert_eq!((made.events, made.secret, made.previous), (new(1).events, vec![1, 2, 3], None));
    assert_eq!((made.created_by, made.created_at), (new(1).draft.actor.name().to_owned(), NOW));
}

pub(crate) async fn there_are_no_more_endpoints_than_there_may_be(bench: Bench) {
    for n in 0..MAX_WEBHOOKS {
        created(&bench, n).await;
    }
    let refused = bench.unchanged_by(bench.store.create_webhook(new(MAX_WEBHOOKS))).await;
    assert_eq!(refused.unwrap(), WebhookCreation::TooMany);
}

pub(crate) async fn a_stretch_of_the_log_is_taken_once(bench: Bench) {
    let made = created(&bench, 1).await;
    let stretch = feed(&made, made.position + 5, &["a", "b"]);
    assert_eq!(bench.store.feed_webhook(stretch.clone()).await.unwrap(), Feeding::Taken);
    let again = bench.unchanged_by(bench.store.feed_webhook(stretch)).await;
    assert_eq!(again.unwrap(), Feeding::Elsewhere);
    let now = found(&bench, 1).await;
    assert_eq!((now.position, now.waiting), (made.position + 5, 2));
    bench.store.change_webhook(change(1, WebhookStep::Disable)).await.unwrap();
    let disabled = bench.unchanged_by(bench.store.feed_webhook(feed(&now, now.position + 1, &["c"]))).await;
    assert_eq!(disabled.unwrap(), Feeding::Elsewhere);
}

pub(crate) async fn the_oldest_of_each_endpoint_is_due_and_a_pause_holds_all_of_it(bench: Bench) {
    for n in [1, 2] {
        created(&bench, n).await;
        fed(&bench, n, &["a", "b"]).await;
    }
    let first = due(&bench, NOW).await;
    let messages: Vec<_> = first.iter().map(|d| (d.webhook.clone(), d.message.as_str())).collect();
    assert_eq!(messages, [(name(1), "a"), (name(2), "a")]);
    settle(&bench, &first[0], later(60, Pause::Endpoint)).await;
    settle(&bench, &first[1], later(60, Pause::Message)).await;
    let next = due(&bench, NOW.plus(59)).await;
    assert_eq!((next.len(), next[0].webhook.clone(), next[0].message.as_str()), (1, name(2), "b"));
    let both = due(&bench, NOW.plus(60)).await;
    assert_eq!(both.iter().map(|d| (d.message.as_str(), d.attempts)).collect::<Vec<_>>(), [("a", 1), ("a", 1)]);
    assert_eq!(both[0].first_at, Some(NOW));
    let paused = found(&bench, 1).await;
    assert_eq!((paused.failures, paused.paused_until, paused.last_error.as_deref()), (1, NOW.plus(60), Some("e")));

    settle(&bench, &both[0], Fate::Delivered).await;
    let now = found(&bench, 1).await;
    assert_eq!((now.waiting, now.failures, now.last_error, now.last_success_at), (1, 0, None, Some(NOW)));
}

pub(crate) async fn enabling_tries_at_once_and_a_disabled_endpoint_is_left_alone(bench: Bench) {
    created(&bench, 1).await;
    fed(&bench, 1, &["a"]).await;
    let one = due(&bench, NOW).await.remove(0);
    settle(&bench, &one, later(3600, Pause::Endpoint)).await;
    bench.store.change_webhook(change(1, WebhookStep::Disable)).await.unwrap();
    assert!(due(&bench, NOW.plus(DAY)).await.is_empty());
    bench.store.change_webhook(change(1, WebhookStep::Enable)).await.unwrap();
    let again = due(&bench, NOW).await.remove(0);
    assert_eq!((again.id, again.first_at), (one.id, None));
}

pub(crate) async fn what_is_given_up_waits_for_a_decision(bench: Bench) {
    created(&bench, 1).await;
    fed(&bench, 1, &["a", "b", "c"]).await;
    for _ in 0..3 {
        let one = due(&bench, NOW).await.remove(0);
        settle(&bench, &one, Fate::Dead { error: "it answered 500".into() }).await;
    }
    assert!(due(&bench, NOW.plus(DAY)).await.is_empty());
    assert_eq!(bench.audit().await.iter().filter(|row| row.kind == "webhook.dead").count(), 3);
    let page = |after: Option<String>| {
        bench.store.dead_deliveries(DeadQuery { after, limit: Some(2), webhook: Some(name(1)) })
    };
    let first = page(None).await.unwrap();
    let rest = page(first.next.clone()).await.unwrap();
    let all: Vec<_> =
        first.items.iter().chain(&rest.items).map(|d| (d.delivery.message.as_str(), d.error.as_str())).collect();
    assert_eq!(all, ["a", "b", "c"].map(|message| (message, "it answered 500")));
    assert_eq!((rest.next, first.items[0].died_at, first.items[0].event.as_str()), (None, NOW, "revocation"));
    let of_other = bench.store.dead_deliveries(DeadQuery { webhook: Some(name(2)), ..DeadQuery::default() }).await;
    assert!(of_other.unwrap().items.is_empty());

    let order = |which, action| ChangeDead { which, action, draft: with_detail() };
    let redeliver = order(DeadSelection::Delivery(first.items[0].delivery.id), DeadAction::Redeliver);
    assert_eq!(bench.store.change_dead(redeliver.clone()).await.unwrap(), 1);
    assert_eq!(due(&bench, NOW).await[0].message, "a");
    assert_eq!(bench.unchanged_by(bench.store.change_dead(redeliver)).await.unwrap(), 0);
    let drop = order(DeadSelection::Webhook(name(1)), DeadAction::Drop);
    assert_eq!(bench.store.change_dead(drop).await.unwrap(), 2);
    let now = found(&bench, 1).await;
    assert_eq!((now.waiting, now.dead), (1, 0));
}

fn with_detail() -> AuditDraft {
    AuditDraft { detail: json!({}), ..draft("webhook.redelivered", "webhook") }
}

pub(crate) async fn an_endpoint_with_too_many_dead_letters_is_disabled_and_loses_none(bench: Bench) {
    created(&bench, 1).await;
    let messages: Vec<String> = (0..=MAX_DEAD).map(|n| n.to_string()).collect();
    fed(&bench, 1, &messages.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let first = due(&bench, NOW).await.remove(0);
    let one = |n: u64| {
        let delivery = Delivery { id: first.id + n, ..first.clone() };
        let store = bench.store.clone();
        async move { store.settle_delivery(settled(&delivery, Fate::Dead { error: "e".into() })).await.unwrap() }
    };
    at_once((0..MAX_DEAD - 1).map(one).collect()).await;
    assert_eq!(found(&bench, 1).await.status, WebhookStatus::Enabled);
    at_once(vec![one(MAX_DEAD - 1)]).await;
    let now = found(&bench, 1).await;
    assert_eq!((now.status, now.dead, now.waiting), (WebhookStatus::Failing, MAX_DEAD, 1));
    assert_eq!(bench.audit().await.last().unwrap().kind, "webhook.failing");
}

pub(crate) async fn gone_disables_and_keeps_what_waits(bench: Bench) {
    created(&bench, 1).await;
    fed(&bench, 1, &["a"]).await;
    let one = due(&bench, NOW).await.remove(0);
    settle(&bench, &one, Fate::Gone { error: "410".into() }).await;
    let now = found(&bench, 1).await;
    assert_eq!((now.status, now.waiting, now.dead), (WebhookStatus::Gone, 1, 0));
    assert_eq!(bench.audit().await.last().unwrap().kind, "webhook.gone");
}

pub(crate) async fn a_rotation_keeps_the_secret_before_unless_it_has_to_end(bench: Bench) {
    created(&bench, 1).await;
    let rotate = async |octet: u8, until: Option<UnixTime>| {
        let step = WebhookStep::Rotate { secret: vec![octet], previous_until: until };
        bench.store.change_webhook(change(1, step)).await.unwrap().unwrap()
    };
    let end = NOW.plus(DAY);
    let now = rotate(4, Some(end)).await;
    assert_eq!((now.secret, now.previous), (vec![4], Some((vec![1, 2, 3], end))));
    let now = rotate(5, Some(end)).await;
    assert_eq!((now.secret, now.previous), (vec![5], Some((vec![4], end))));
    let now = rotate(6, None).await;
    assert_eq!((now.secret, now.previous), (vec![6], None));
}

pub(crate) async fn a_deleted_endpoint_takes_its_deliveries_along(bench: Bench) {
    created(&bench, 1).await;
    created(&bench, 2).await;
    fed(&bench, 1, &["a", "b"]).await;
    fed(&bench, 2, &["c"]).await;
    let late = due(&bench, NOW).await.remove(0);
    let before = bench.store.change_webhook(change(1, WebhookStep::Delete)).await.unwrap().unwrap();
    assert_eq!(before.waiting, 2);
    // An attempt that was under way ends.
    settle(&bench, &late, Fate::Dead { error: "e".into() }).await;
    assert_eq!(bench.store.webhooks().await.unwrap().items.len(), 1);
    assert_eq!(due(&bench, NOW).await.iter().map(|d| d.message.as_str()).collect::<Vec<_>>(), ["c"]);
    assert!(bench.unchanged_by(bench.store.change_webhook(change(1, WebhookStep::Enable))).await.unwrap().is_none());
}

pub(crate) async fn devices_are_found_by_their_whole_hardware_serial_number(bench: Bench) {
    for (n, serial) in [("one", "SN-1"), ("two", "SN-1"), ("three", "SN-10")] {
        let mut principal = crate::factory::device(n);
        principal.hardware_serial = Some(serial.into());
        bench.store.commit(issue_in_shard(principal, 0)).await.unwrap().unwrap();
    }
    bench.create(&[token("four")]).await;
    let named = async |serial: &str| bench.store.with_hardware_serial(serial).await.unwrap();
    assert_eq!(named("SN-1").await, [id("one"), id("two")]);
    assert_eq!(named("SN-10").await, [id("three")]);
    assert!(named("SN").await.is_empty() && named("").await.is_empty() && named("%").await.is_empty());
}

pub(crate) async fn a_spoiled_endpoint_is_corrupt(bench: Bench) {
    for spoil in ["status = 'x'", "reach = 'x'", "events = 'revocation x'", "id = 'x'", "position = -1"] {
        created(&bench, 1).await;
        bench.backend.spoil(&format!("UPDATE webhook SET {spoil}"));
        created(&bench, 2).await;
        let read = bench.store.webhooks().await.unwrap();
        assert_eq!(read.items.iter().map(|one| &one.id).collect::<Vec<_>>(), [&name(2)], "{spoil}");
        assert_eq!(read.damaged[0].what, spoil.split(' ').next().unwrap());
        bench.backend.spoil("DELETE FROM webhook");
    }
}
