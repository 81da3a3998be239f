//! Rows that make no sense are said to be corrupt and never read as something harmless; statements that fail take back
//! their own request, and a transaction that ends early is nobody's success.

use signet::store::{Redemption, StoreError};
use signet_api::admin::{DeviceQuery, TokenQuery};

use crate::bench::{Bench, Failure, at_once, is_unavailable};
use crate::factory::{NOW, device, draft, id, issue, key, target_serial, token};

fn is_corrupt<T: std::fmt::Debug>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Corrupt(_)))
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
        let page = bench.store.devices(DeviceQuery::default(), NOW).await;
        assert!(is_corrupt(&page) || column == "kind", "{column}: {page:?}");
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
        let page = bench.store.tokens(TokenQuery::default(), NOW).await;
        assert!(is_corrupt(&page), "{column}: {page:?}");
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
