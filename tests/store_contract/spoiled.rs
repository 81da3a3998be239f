//! Rows that make no sense are said to be corrupt and never read as something harmless; statements that fail take back
//! their own request, and a transaction that ends early is nobody's success.

use signet::store::{Redemption, StoreError, TokenRecord};
use signet_api::admin::{AuditQuery, Damaged, DeviceQuery, TokenQuery};

use crate::bench::{Bench, Failure, at_once, is_unavailable};
use crate::factory::{NOW, device, draft, id, issue, key, target_serial, token};

fn is_corrupt<T: std::fmt::Debug>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Corrupt(_)))
}

fn named(damaged: &[Damaged], id: &str, what: &str) -> bool {
    damaged == [Damaged { id: id.into(), what: what.into() }]
}

/// Every row of every page, whatever stands in it, and a list ends.
pub(crate) async fn a_damaged_row_is_named_in_its_place_and_the_rest_is_listed(bench: Bench) {
    let tokens: Vec<_> = ["a", "b", "c"].into_iter().map(token).collect();
    bench.create(&tokens).await;
    let mut ids: Vec<String> = tokens.iter().map(|token| token.id.to_string()).collect();
    ids.sort();
    for (at, bad) in ids.iter().enumerate() {
        // Not UTF-8, as little as a word that it does not know.
        for spoil in ["status = 'half'", "device = CAST(x'ff41' AS TEXT)", "groups = 'x'"] {
            bench.backend.spoil("CREATE TABLE kept AS SELECT * FROM token");
            bench.backend.spoil(&format!("UPDATE token SET {spoil} WHERE id = '{bad}'"));
            let (mut seen, mut named, mut after) = (Vec::new(), Vec::new(), None);
            loop {
                let query = TokenQuery { after, limit: Some(1), ..TokenQuery::default() };
                let page = bench.store.tokens(query, NOW).await.unwrap();
                seen.extend(page.items.into_iter().map(|token| token.id.to_string()));
                named.extend(page.damaged.into_iter().map(|damaged| damaged.id));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let rest: Vec<_> = ids.iter().filter(|id| *id != bad).cloned().collect();
            assert_eq!((seen, named), (rest, vec![bad.clone()]), "{at}: {spoil}");
            bench.backend.spoil("DELETE FROM token; INSERT INTO token SELECT * FROM kept; DROP TABLE kept");
        }
    }
}

/// A page of the log for people; who follows it must not pass over anything.
pub(crate) async fn a_damaged_entry_is_named_in_a_page_of_the_log_and_stops_who_follows(bench: Bench) {
    for name in ["a", "b", "c"] {
        bench.enrolled(name).await;
    }
    bench.backend.spoil("UPDATE audit SET leaf_hash = x'00' WHERE sequence = 2");
    for query in [AuditQuery::default(), AuditQuery { after: Some(0), ..AuditQuery::default() }] {
        let page = bench.store.audit_page(query.clone()).await.unwrap();
        assert!(named(&page.damaged, "2", "leaf_hash") && page.items.len() == 5, "{page:?}");
        assert!(is_corrupt(&bench.store.audit(query).await));
    }
    let one = AuditQuery { after: Some(1), limit: Some(1), ..AuditQuery::default() };
    assert_eq!(bench.store.audit_page(one).await.unwrap().next.as_deref(), Some("2"));
}

/// An id that cannot be read ends with the others of its device.
pub(crate) async fn a_damaged_token_keeps_nobody_from_revoking_its_device(bench: Bench) {
    bench.enrolled("a").await;
    let open = [token("a"), token("a")].map(|token| TokenRecord { replace: true, ..token });
    bench.create(&open).await;
    bench.backend.spoil(&format!("UPDATE token SET id = 'not an id' WHERE id = '{}'", open[0].id));
    let ended = bench.revoke(crate::factory::target_device("a")).await;
    assert_eq!(ended.tokens, [open[1].id.clone()]);
    let query = TokenQuery { status: Some("active".into()), ..TokenQuery::default() };
    let page = bench.store.tokens(query, NOW).await.unwrap();
    assert!(page.items.is_empty() && page.damaged.is_empty(), "{page:?}");
}

pub(crate) async fn a_spoiled_principal_is_corrupt(bench: Bench) {
    bench.enrolled("a").await;
    let spoils = [
        ("status", "'sleeping'", "'active'"),
        ("kind", "'toaster'", "'device'"),
        ("groups", "'not json'", "'[]'"),
        ("dns_names", "'[\"UPPER CASE\"]'", "'[]'"),
        ("addresses", "'[\"10.0.0.300\"]'", "'[]'"),
        ("version", "-1", "2"),
    ];
    for (column, bad, good) in spoils {
        bench.backend.spoil(&format!("UPDATE principal SET {column} = {bad}"));
        let one = bench.store.principal(&id("a")).await;
        assert!(is_corrupt(&one), "{column}: {one:?}");
        // The inventory asks for kinds by name, so that an unknown one is not among its rows.
        let page = bench.store.devices(DeviceQuery::default(), NOW).await.unwrap();
        assert!(page.items.is_empty(), "{page:?}");
        assert!(named(&page.damaged, "a", column) || column == "kind", "{column}: {page:?}");
        bench.backend.spoil(&format!("UPDATE principal SET {column} = {good}"));
        bench.store.principal(&id("a")).await.unwrap();
    }
}

pub(crate) async fn a_spoiled_certificate_is_corrupt(bench: Bench) {
    let issued = bench.enrolled("a").await;
    let spki = bench.certificate(issued.serial()).await.spki;
    let good_spki = format!("x'{spki}'");
    let spoils = [
        ("status", "'excellent'", "'active'"),
        ("spki", "x'0011'", good_spki.as_str()),
        ("generation", "-1", "1"),
        ("reason", "77", "NULL"),
        ("reason", "300", "NULL"),
        ("reason", "-1", "NULL"),
    ];
    for (column, bad, good) in spoils {
        bench.backend.spoil(&format!("UPDATE certificate SET {column} = {bad}"));
        let one = bench.store.certificate(issued.serial()).await;
        assert!(is_corrupt(&one), "{column} = {bad}: {one:?}");
        bench.backend.spoil(&format!("UPDATE certificate SET {column} = {good}"));
        bench.store.certificate(issued.serial()).await.unwrap();
    }
}

pub(crate) async fn a_spoiled_token_is_corrupt(bench: Bench) {
    let token = token("a");
    bench.create(std::slice::from_ref(&token)).await;
    let spoils = [
        ("status", "'half'", "'active'"),
        ("kind", "'gift'", "'interactive'"),
        ("hash", "x'00'", "x'0909090909090909090909090909090909090909090909090909090909090909'"),
        ("spki", "x'00'", "NULL"),
        ("claimed_spki", "x'00'", "NULL"),
        ("redeemed_serial", "x'ff'", "NULL"),
        ("device", "'No Such Name!'", "'a'"),
    ];
    for (column, bad, good) in spoils {
        bench.backend.spoil(&format!("UPDATE token SET {column} = {bad}"));
        let one = bench.store.token(&token.id).await;
        assert!(is_corrupt(&one), "{column}: {one:?}");
        let page = bench.store.tokens(TokenQuery::default(), NOW).await.unwrap();
        assert!(page.items.is_empty() && named(&page.damaged, token.id.as_str(), column), "{column}: {page:?}");
        bench.backend.spoil(&format!("UPDATE token SET {column} = {good}"));
        bench.store.token(&token.id).await.unwrap();
    }
}

pub(crate) async fn a_revoked_certificate_without_date_or_reason_is_corrupt(bench: Bench) {
    let issued = bench.enrolled("a").await;
    bench.revoke(target_serial(issued.serial())).await;
    for (column, bad, good) in [("reason", "77", "1"), ("reason", "NULL", "1"), ("revoked_at", "NULL", "1800000000")] {
        bench.backend.spoil(&format!("UPDATE certificate SET {column} = {bad}"));
        let one = bench.store.certificate(issued.serial()).await;
        assert!(is_corrupt(&one), "{column} = {bad}: {one:?}");
        bench.backend.spoil(&format!("UPDATE certificate SET {column} = {good}"));
        bench.store.certificate(issued.serial()).await.unwrap();
    }
}

pub(crate) async fn a_redeemed_token_without_its_certificate_is_corrupt(bench: Bench) {
    let (token, key) = (token("a"), key());
    bench.create(std::slice::from_ref(&token)).await;
    bench.enroll(&token, &key).await;
    bench.backend.spoil("DELETE FROM certificate");
    let commit = issue(Redemption::Token(token.id.clone()), device("a"), &key);
    let outcome = bench.unchanged_by(bench.store.commit(commit)).await;
    assert!(is_corrupt(&outcome), "{outcome:?}");
}

pub(crate) async fn one_request_that_fails_takes_nobody_with_it(bench: Bench) {
    bench.backend.sabotage("poison", Failure::OfTheStatement);
    let attempts = (0..90).map(|n| {
        let store = bench.store.clone();
        let subject = if n % 9 == 4 { "poison".to_owned() } else { format!("fine-{n}") };
        async move { (subject.clone(), store.alarm(None, draft("alarm.test", &subject)).await) }
    });
    for (subject, outcome) in at_once(attempts.collect()).await {
        assert_eq!(is_unavailable(&outcome), subject == "poison", "{subject}: {outcome:?}");
    }
    assert_eq!(bench.audit().await.len(), 80);
}

pub(crate) async fn a_transaction_that_ends_early_is_nobodys_success(bench: Bench) {
    bench.backend.sabotage("poison", Failure::OfTheTransaction);
    bench.enrolled("a").await;
    let attempts = (0..90).map(|n| {
        let store = bench.store.clone();
        let subject = if n % 9 == 4 { "poison".to_owned() } else { format!("fine-{n}") };
        async move { (subject.clone(), store.alarm(None, draft("alarm.test", &subject)).await) }
    });
    let answers = at_once(attempts.collect()).await;
    let log: Vec<String> = bench.audit().await.into_iter().map(|row| row.subject).collect();
    for (subject, outcome) in answers {
        assert_eq!(outcome.is_ok(), log.contains(&subject), "{subject}: {outcome:?}");
        assert!(outcome.is_ok() || is_unavailable(&outcome));
    }
    assert!(!log.contains(&"poison".to_owned()));
    // The chain goes on where it stood.
    bench.enrolled("b").await;
    assert_eq!(bench.audit().await.len(), log.len() + 2);
}
