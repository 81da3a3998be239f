//! Alarms: opened by their entries, closed by an administrator.

use serde_json::json;
use signet::store::{AlarmCounts, AlreadyClosed, AuditDraft, CloseAlarm, Prune, Redemption};
use signet_api::alarms::AlarmQuery;

use crate::bench::Bench;
use crate::factory::{DAY, NOW, device, draft, issue, key, prune};

const REUSE: &str = "alarm.token_reuse_other_key";

fn alarm(kind: &'static str, subject: &str, number: u32) -> AuditDraft {
    AuditDraft { detail: json!({ "number": number }), ..draft(kind, subject) }
}

fn close(id: u64, reason: &str) -> CloseAlarm {
    CloseAlarm { id, reason: reason.into(), draft: draft("alarm.closed", "") }
}

pub(crate) async fn an_entry_of_an_alarm_opens_one_and_further_ones_count(bench: Bench) {
    let store = &bench.store;
    assert_eq!(store.alarm_counts().await.unwrap(), AlarmCounts::default());
    store.alarm(None, alarm(REUSE, "sensor-1", 1)).await.unwrap();
    store.alarm(None, AuditDraft { at: NOW.plus(DAY), ..alarm(REUSE, "sensor-1", 2) }).await.unwrap();
    store.alarm(None, alarm("alarm.renewal_escalation", "sensor-1", 3)).await.unwrap();
    store.alarm(None, alarm(REUSE, "sensor-2", 4)).await.unwrap();
    assert_eq!(store.alarm_counts().await.unwrap(), AlarmCounts { open: 3, times: 4 });
    let first = store.alarm_of(1).await.unwrap().unwrap();
    assert_eq!((first.kind.as_str(), first.subject.as_str(), first.times, first.sequence), (REUSE, "sensor-1", 2, 2));
    assert_eq!((first.first_at, first.last_at, first.detail), (NOW, NOW.plus(DAY), json!({ "number": 2 })));
    let query = AlarmQuery { limit: Some(2), ..AlarmQuery::default() };
    let page = store.alarms(query.clone()).await.unwrap();
    let ids: Vec<u64> = page.items.iter().map(|a| a.id).collect();
    assert_eq!((ids, page.next.as_deref()), (vec![1, 3], Some("3")));
    let rest = store.alarms(AlarmQuery { after: Some(3), ..query }).await.unwrap();
    assert_eq!((rest.items[0].subject.as_str(), rest.next), ("sensor-2", None));
    let of_one = AlarmQuery { subject: Some("sensor-1".into()), ..AlarmQuery::default() };
    assert_eq!(store.alarms(of_one).await.unwrap().items.len(), 2);
}

pub(crate) async fn an_alarm_is_closed_once_and_the_next_entry_opens_another(bench: Bench) {
    let store = &bench.store;
    store.alarm(None, alarm(REUSE, "sensor-1", 1)).await.unwrap();
    assert_eq!(store.close_alarm(close(7, "none")).await.unwrap(), None);
    let closed = store.close_alarm(close(1, "same machine")).await.unwrap().unwrap().unwrap().closed.unwrap();
    assert_eq!(
        (closed.by.as_str(), closed.reason.as_str(), closed.at),
        (draft("", "").actor.name(), "same machine", NOW)
    );
    let entries = bench.audit().await.len();
    assert_eq!(store.close_alarm(close(1, "again")).await.unwrap(), Some(Err(AlreadyClosed(closed))));
    assert_eq!(bench.audit().await.len(), entries);
    let entry = bench.audit().await.pop().unwrap();
    assert_eq!((entry.kind.as_str(), entry.subject.as_str()), ("alarm.closed", "sensor-1"));
    assert!(entry.canonical.contains("same machine"), "{}", entry.canonical);
    store.alarm(None, alarm(REUSE, "sensor-1", 2)).await.unwrap();
    let open = store.alarms(AlarmQuery::default()).await.unwrap().items;
    assert_eq!((open.len(), open[0].id, open[0].times), (1, 3, 1));
    let all = AlarmQuery { all: true, ..AlarmQuery::default() };
    assert_eq!(store.alarms(all).await.unwrap().items.len(), 2);
}

pub(crate) async fn flags_go_with_the_last_alarm_about_a_device(bench: Bench) {
    let store = &bench.store;
    let flagged = async |id: &str| store.certificates_of(&device(id).id).await.unwrap().items[0].review;
    for id in ["sensor-1", "sensor-2"] {
        let order = issue(Redemption::Manual, device(id), &key());
        let serial = order.signed.facts().serial.clone();
        store.commit(order).await.unwrap().unwrap();
        store.alarm(Some(&serial), alarm(REUSE, id, 1)).await.unwrap();
        store.alarm(Some(&serial), alarm("alarm.recovery_with_superseded_key", id, 1)).await.unwrap();
    }
    let ids: Vec<u64> = store.alarms(AlarmQuery::default()).await.unwrap().items.iter().map(|a| a.id).collect();
    store.close_alarm(close(ids[0], "one of two")).await.unwrap().unwrap().unwrap();
    assert!(flagged("sensor-1").await, "another alarm about it is open");
    store.close_alarm(close(ids[1], "both")).await.unwrap().unwrap().unwrap();
    assert!(!flagged("sensor-1").await && flagged("sensor-2").await);
}

pub(crate) async fn what_repeats_itself_is_counted_and_fills_no_log(bench: Bench) {
    let store = &bench.store;
    for number in 0..150 {
        store.alarm(None, alarm(REUSE, "sensor-1", number)).await.unwrap();
    }
    assert_eq!(bench.audit().await.len(), 100);
    assert_eq!(store.alarm_of(1).await.unwrap().unwrap().times, 150);
    store.alarm(None, AuditDraft { at: NOW.plus(60), ..alarm(REUSE, "sensor-1", 150) }).await.unwrap();
    let found = store.alarm_of(1).await.unwrap().unwrap();
    assert_eq!((bench.audit().await.len(), found.times, found.sequence), (101, 151, 101));
    store.alarm(None, alarm(REUSE, "sensor-2", 0)).await.unwrap();
    assert_eq!(bench.audit().await.len(), 102, "another subject is another alarm");
}

pub(crate) async fn closed_alarms_are_removed_after_their_time_and_open_ones_never(bench: Bench) {
    let store = &bench.store;
    store.alarm(None, alarm(REUSE, "sensor-1", 1)).await.unwrap();
    store.alarm(None, alarm(REUSE, "sensor-2", 1)).await.unwrap();
    store.close_alarm(close(1, "done")).await.unwrap().unwrap().unwrap();
    store.prune(Prune { alarms_before: NOW, ..prune(NOW, 10) }).await.unwrap();
    assert!(store.alarm_of(1).await.unwrap().is_some());
    store.prune(prune(NOW.plus(DAY), 10)).await.unwrap();
    assert!(store.alarm_of(1).await.unwrap().is_none() && store.alarm_of(2).await.unwrap().is_some());
}
