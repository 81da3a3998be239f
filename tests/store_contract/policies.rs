//! Policies of live permission: one in force, a history, and the inventory that they are compared over.

use serde_json::json;
use signet::store::{
    ApplyPolicy, AuditDraft, InsteadOf, InventoryRow, POLICY_TEXTS, PolicyConflict, PolicyOrigin, PrincipalStatus,
    Redemption, Step,
};

use crate::bench::Bench;
use crate::factory::{DAY, NOW, device, draft, issue, key, step, target_device};

fn order(text: &str, instead_of: InsteadOf) -> ApplyPolicy {
    ApplyPolicy {
        text: text.into(),
        revision: format!("rev-{text}"),
        origin: PolicyOrigin::Api,
        instead_of,
        draft: AuditDraft { detail: json!({}), ..draft("policy.applied", "policy") },
    }
}

fn only(text: &str) -> InsteadOf {
    InsteadOf::Only(Some(format!("rev-{text}")))
}

pub(crate) async fn one_policy_is_in_force_and_takes_the_place_of_the_one_that_was_meant(bench: Bench) {
    let store = &bench.store;
    assert_eq!(store.policy().await.unwrap(), None);
    let early = store.apply_policy(order("a", only("z"))).await.unwrap();
    assert_eq!(early, Err(PolicyConflict { in_force: None }));
    let first = store.apply_policy(order("a", InsteadOf::Only(None))).await.unwrap().unwrap();
    assert_eq!((first.number, first.text.as_deref()), (1, Some("a")));
    let late = store.apply_policy(order("b", InsteadOf::Only(None))).await.unwrap();
    assert_eq!(late, Err(PolicyConflict { in_force: Some("rev-a".into()) }));
    store.apply_policy(order("b", only("a"))).await.unwrap().unwrap();
    assert_eq!(store.policy().await.unwrap().unwrap().text.as_deref(), Some("b"));
    store.apply_policy(order("a", InsteadOf::Any)).await.unwrap().unwrap();
    let history: Vec<_> = store.policies(10).await.unwrap().items.into_iter().map(|r| (r.number, r.revision)).collect();
    assert_eq!(history, [(3, "rev-a".into()), (2, "rev-b".into()), (1, "rev-a".into())]);
    assert_eq!(store.policy_of("rev-a").await.unwrap().unwrap().number, 3);
    assert_eq!(store.policy_of("rev-c").await.unwrap(), None);
    let entries: Vec<_> = bench.audit().await.into_iter().map(|row| row.kind).collect();
    assert_eq!(entries, ["policy.applied"; 3]);
}

pub(crate) async fn a_policy_that_is_in_force_already_is_no_change(bench: Bench) {
    bench.store.apply_policy(order("a", InsteadOf::Only(None))).await.unwrap().unwrap();
    let entries = bench.audit().await.len();
    // The answer was lost, and it is asked for again with what was in force then.
    let again = bench.store.apply_policy(order("a", InsteadOf::Only(None))).await.unwrap().unwrap();
    assert_eq!((again.number, bench.audit().await.len()), (1, entries));
}

pub(crate) async fn old_texts_are_taken_away_and_their_rows_stay(bench: Bench) {
    let all = POLICY_TEXTS + 2;
    for number in 0..all {
        bench.store.apply_policy(order(&number.to_string(), InsteadOf::Any)).await.unwrap().unwrap();
    }
    let text = async |number: u64| bench.store.policy_of(&format!("rev-{number}")).await.unwrap().unwrap().text;
    assert_eq!((text(0).await, text(1).await), (None, None));
    assert_eq!((text(2).await, text(all - 1).await), (Some("2".into()), Some((all - 1).to_string())));
    assert_eq!(bench.store.policies(500).await.unwrap().items.len() as u64, all);
}

pub(crate) async fn the_inventory_comes_whole_in_stretches_with_the_newest_certificate(bench: Bench) {
    for id in ["sensor-1", "sensor-2", "sensor-3"] {
        bench.store.commit(issue(Redemption::Manual, device(id), &key())).await.unwrap().unwrap();
    }
    bench.store.change_device(step("sensor-2", Step::Suspend)).await.unwrap().unwrap().unwrap();
    let revocation = crate::factory::revocation(target_device("sensor-3"), signet::store::Mode::Apply);
    bench.store.revoke(revocation).await.unwrap();
    let (mut all, mut row): (Vec<InventoryRow>, _) = (Vec::new(), 0);
    loop {
        let stretch = bench.store.inventory_after(row, 2).await.unwrap().items;
        let Some(last) = stretch.last() else { break };
        assert!(stretch.len() <= 2 && last.row > row);
        row = last.row;
        all.extend(stretch);
    }
    let told: Vec<_> = all.iter().map(|r| (r.id.as_str(), r.status, r.certificate.is_some())).collect();
    let expected = [
        ("sensor-1", PrincipalStatus::Active, true),
        ("sensor-2", PrincipalStatus::Suspended, true),
        ("sensor-3", PrincipalStatus::Revoked, false),
    ];
    assert_eq!(told, expected);
    assert_eq!(all[0].groups, ["sensors"]);
    let certificate = all[0].certificate.as_ref().unwrap();
    assert_eq!((certificate.issued_at, certificate.profile.as_str()), (NOW, "device"));
    assert!(certificate.not_after > NOW && certificate.not_after <= NOW.plus(DAY));
}
