use signet_pki::UnixTime;

use super::*;
use crate::audit::{self, AuditDraft};

fn row(kind: &'static str, subject: &str, detail: Value) -> AuditRow {
    let (actor, at) = ("admin:alice".to_owned(), UnixTime(1_800_000_000));
    let draft =
        AuditDraft { kind, actor: actor.into(), subject: subject.into(), request_id: "req-1".into(), detail, at };
    let leaf = audit::Entry::from(&draft).append(&audit::GENESIS, 7);
    let (canonical, leaf_hash) = (leaf.canonical, leaf.hash);
    AuditRow {
        sequence: 7,
        at,
        kind: kind.into(),
        actor: draft.actor.name().into(),
        subject: draft.subject,
        canonical,
        leaf_hash,
    }
}

fn revocation(devices: usize) -> AuditRow {
    let ids = |prefix: &str| (0..devices).map(|n| format!("{prefix}{n}")).collect::<Vec<_>>();
    let serials: Vec<String> = (0..devices).map(|n| format!("0a{n:04x}")).collect();
    row(
        "revocation",
        "batch:x",
        json!({ "devices": ids("d"), "certificates": serials, "reason": "superseded", "remote": "192.0.2.7" }),
    )
}

#[test]
fn services_are_told_what_streams_tell_them() {
    let told = messages(&revocation(1), &[]);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].message.as_str(), told[0].event.as_str()), ("msg_7", "revocation"));
    let expected = json!({
        "type": "revocation", "timestamp": "2027-01-15T08:00:00Z", "sequence": 7,
        "data": { "time": "2027-01-15T08:00:00Z", "devices": ["d0"], "serials": ["0a0000"], "reason": "superseded" },
    });
    assert_eq!(serde_json::from_str::<Value>(&told[0].body).unwrap(), expected);
}

#[test]
fn a_large_batch_comes_in_parts_with_ids_of_their_own() {
    let told = messages(&revocation(900), &[WebhookEvent::Revocation]);
    let ids: Vec<&str> = told.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(ids, ["msg_7_1", "msg_7_2", "msg_7_3"]);
    assert!(told.iter().all(|one| one.body.len() < 48 * 1024));
}

#[test]
fn an_endpoint_gets_what_it_asked_for_and_every_gap() {
    let suspended = row("device.suspended", "sensor-1", json!({ "certificates": ["0a01"] }));
    assert_eq!(messages(&suspended, &[WebhookEvent::Suspended]).len(), 1);
    assert!(messages(&suspended, &[WebhookEvent::Revocation]).is_empty());
    let restored = row("store.restored", "store", json!({}));
    assert_eq!(messages(&restored, &[WebhookEvent::Revocation])[0].event, "gap");
    assert!(messages(&row("token.created", "x", json!({})), &[]).is_empty());
}

#[test]
fn an_endpoint_that_names_nothing_is_told_of_alarms() {
    let alarm = row("alarm.token_reuse_other_key", "sensor-1", json!({ "remote": "192.0.2.7" }));
    for events in [&[][..], &[WebhookEvent::Alarm]] {
        let told = messages(&alarm, events);
        assert_eq!((told.len(), told[0].event.as_str()), (1, "alarm"));
        let body: Value = serde_json::from_str(&told[0].body).unwrap();
        let data = &body["data"];
        assert_eq!((&data["kind"], &data["subject"]), (&json!("alarm.token_reuse_other_key"), &json!("sensor-1")));
        assert!(data["meaning"].as_str().is_some_and(|text| text.contains("another key")), "{data}");
    }
    assert!(messages(&alarm, &[WebhookEvent::Revocation]).is_empty());
    assert!(messages(&row("alarm.closed", "sensor-1", json!({})), &[]).is_empty());
}

#[test]
fn actors_are_for_those_who_asked_for_security() {
    let alarm = row("alarm.token_reuse_other_key", "sensor-1", json!({ "remote": "192.0.2.7" }));
    let told = messages(&alarm, &[WebhookEvent::Security]);
    let body: Value = serde_json::from_str(&told[0].body).unwrap();
    assert_eq!((&body["type"], &body["data"]["kind"]), (&json!("security"), &json!("alarm.token_reuse_other_key")));
    assert_eq!(
        (&body["data"]["actor"], &body["data"]["detail"]["remote"]),
        (&json!("admin:alice"), &json!("192.0.2.7"))
    );
    assert!(!messages(&revocation(1), &[])[0].body.contains("alice"));
    let both = messages(&revocation(1), &[WebhookEvent::Revocation, WebhookEvent::Security]);
    assert!(both[0].body.contains(r#""actor":"admin:alice""#), "{both:?}");
    // What a failing endpoint causes is no message to it.
    for kind in ["webhook.dead", "webhook.failing", "webhook.gone"] {
        assert!(messages(&row(kind, "webhook:x", json!({})), &[WebhookEvent::Security]).is_empty());
    }
}

#[test]
fn a_gap_says_where_to_go_on() {
    let told = gap(3, 9, "2027-01-15T08:00:00Z");
    let body: Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!(
        (&body["sequence"], &body["data"]["next"], &body["data"]["reason"]),
        (&json!(8), &json!(9), &json!("archived"))
    );
}
