//! Every change has its entry, in the same transaction; no entry stands without its change.

use signet::store::{Mode, Redemption, Step, TokenSelection};
use signet_api::admin::AuditQuery;

use crate::bench::{Bench, at_once};
use crate::factory::{
    approval_token, claim, device, draft, issue, key, order, revocation, revoke_tokens, step, target_device, token,
};

pub(crate) async fn an_entry_is_there_exactly_when_its_change_is(bench: Bench) {
    let token = token("a");
    let created = order(std::slice::from_ref(&token));
    let request = created.draft.request_id.clone();
    bench.store.create_tokens(created).await.unwrap().unwrap();
    assert_eq!(bench.store.audit_of_request(&request).await.unwrap().len(), 1);
    bench.enroll(&token, &key()).await;
    let refused = issue(Redemption::Token(token.id.clone()), device("a"), &key());
    let request = refused.entry.request_id.clone();
    assert!(bench.store.commit(refused).await.unwrap().is_err());
    assert!(bench.store.audit_of_request(&request).await.unwrap().is_empty());
    let dry = revocation(target_device("a"), Mode::DryRun);
    let request = dry.draft.request_id.clone();
    bench.store.revoke(dry).await.unwrap();
    assert!(bench.store.audit_of_request(&request).await.unwrap().is_empty());
}

pub(crate) async fn rolled_back_requests_leave_no_gap_in_the_sequence(bench: Bench) {
    let token = token("a");
    bench.create(std::slice::from_ref(&token)).await;
    bench.enroll(&token, &key()).await;
    let attempts = (0..60).map(|n| {
        let (store, token) = (bench.store.clone(), token.clone());
        async move {
            if n % 3 == 0 {
                store.alarm(None, draft("alarm.test", &format!("kept-{n}"))).await.unwrap();
            } else if n % 3 == 1 {
                let refused = issue(Redemption::Token(token.id.clone()), device("a"), &key());
                assert!(store.commit(refused).await.unwrap().is_err());
            } else {
                store.revoke(revocation(target_device("a"), Mode::DryRun)).await.unwrap();
            }
        }
    });
    at_once(attempts.collect()).await;
    // Two entries of the enrollment and twenty alarms; `audit` checks sequence and chain.
    assert_eq!(bench.audit().await.len(), 22);
}

pub(crate) async fn every_verb_appends_one_entry_and_the_chain_holds(bench: Bench) {
    let (plain, approval, lone, key) = (token("a"), approval_token("b"), token("c"), key());
    bench.create(&[plain.clone(), approval.clone(), lone.clone()]).await;
    let issued = bench.enroll(&plain, &key).await;
    bench.store.claim(claim(&approval, &key)).await.unwrap().unwrap();
    bench.store.change_device(step("b", Step::Approve)).await.unwrap().unwrap().unwrap();
    bench.used(&issued).await;
    bench.store.alarm(Some(issued.serial()), draft("alarm.test", "a")).await.unwrap();
    bench.store.revoke_tokens(revoke_tokens(TokenSelection::Id(lone.id.clone()))).await.unwrap();
    bench.store.revoke(revocation(target_device("a"), Mode::Apply)).await.unwrap();
    bench.store.next_crl_number(b"issuer", 1, draft("crl.numbered", "issuer")).await.unwrap();
    let kinds: Vec<String> = bench.audit().await.into_iter().map(|row| row.kind).collect();
    let expected = [
        "token.created",
        "certificate.enrolled",
        "enrollment.pending",
        "device.changed",
        "certificate.first_used",
        "alarm.test",
        "token.revoked",
        "revocation",
        "crl.numbered",
    ];
    assert_eq!(kinds, expected);
}

pub(crate) async fn entries_are_found_by_request_and_subject(bench: Bench) {
    let mine = draft("alarm.test", "a");
    bench.store.alarm(None, mine.clone()).await.unwrap();
    bench.store.alarm(None, draft("alarm.test", "b")).await.unwrap();
    let found = bench.store.audit_of_request(&mine.request_id).await.unwrap();
    assert_eq!(found.iter().map(|row| row.subject.as_str()).collect::<Vec<_>>(), ["a"]);
    let query = AuditQuery { subject: Some("b".into()), ..AuditQuery::default() };
    let found = bench.store.audit(query).await.unwrap();
    assert_eq!(found.iter().map(|row| row.sequence).collect::<Vec<_>>(), [2]);
}

pub(crate) async fn the_head_moves_with_what_is_durable_and_with_nothing_else(bench: Bench) {
    let mut head = bench.store.audit_head();
    assert_eq!(*head.borrow_and_update(), 0);
    let token = token("a");
    bench.create(std::slice::from_ref(&token)).await;
    let issued = bench.enroll(&token, &key()).await;
    head.wait_for(|newest| *newest == 2).await.unwrap();
    let refused = issue(Redemption::Token(token.id.clone()), device("a"), &key());
    assert!(bench.store.commit(refused).await.unwrap().is_err());
    bench.store.revoke(revocation(target_device("a"), Mode::DryRun)).await.unwrap();
    bench.used(&issued).await;
    head.wait_for(|newest| *newest > 2).await.unwrap();
    assert_eq!(*head.borrow(), 3, "what was taken back left no trace");
    assert_eq!(bench.audit().await.len(), 3, "what the head says can be read");
}

pub(crate) async fn a_step_names_the_certificates_that_it_concerns(bench: Bench) {
    let issued = bench.enrolled("a").await;
    let old = bench.renew(&issued).await;
    for order in [step("a", Step::Suspend), step("a", Step::Resume), step("a", Step::Retire)] {
        bench.store.change_device(order).await.unwrap().unwrap().unwrap();
        let whole: serde_json::Value = serde_json::from_str(&bench.audit().await.pop().unwrap().canonical).unwrap();
        let named: Vec<&str> =
            whole["detail"]["certificates"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
        let mut expected = [issued.serial().to_string(), old.serial().to_string()];
        let mut named: Vec<String> = named.into_iter().map(str::to_owned).collect();
        expected.sort();
        named.sort();
        assert_eq!(named, expected);
    }
}
