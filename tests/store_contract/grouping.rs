//! Many requests at one time share a transaction and nothing else; closing finishes what was begun.

use signet::store::{Committed, Conflict, Mode, PrincipalStatus, Redemption};
use signet_api::admin::{AuditQuery, DeviceQuery, TokenQuery};

use crate::bench::{Bench, at_once, is_unavailable, new};
use crate::factory::{NOW, device, draft, id, issue, key, order, revocation, target_device, token};

pub(crate) async fn a_conflict_in_the_middle_of_a_group_spoils_no_neighbour(bench: Bench) {
    let taken = bench.enrolled("taken").await;
    let tokens: Vec<_> = (0..120).map(|n| token(&format!("d-{n}"))).collect();
    bench.create(&tokens).await;
    let attempts = tokens.iter().enumerate().map(|(n, token)| {
        let (store, token) = (bench.store.clone(), token.clone());
        async move {
            let mut principal = device(token.device.as_str());
            // Every fourth was decided on a version that never was.
            principal.version = if n % 4 == 1 { 9 } else { 1 };
            principal.status = PrincipalStatus::Active;
            store.commit(issue(Redemption::Token(token.id), principal, &key())).await.unwrap()
        }
    });
    let answers = at_once(attempts.collect()).await;
    for (n, (token, answer)) in tokens.iter().zip(answers).enumerate() {
        let certificates = bench.certificates(token.device.as_str()).await;
        if n % 4 == 1 {
            assert_eq!(answer, Err(Conflict::PrincipalChanged));
            assert!(certificates.is_empty());
            assert_eq!(bench.token(token).await.redeemed_serial, None);
        } else {
            let issued = new(answer);
            assert_eq!(certificates.len(), 1);
            assert_eq!(certificates[0].der, issued.der());
            assert_eq!(bench.token(token).await.redeemed_serial.as_ref(), Some(issued.serial()));
        }
    }
    assert_eq!(bench.certificate(taken.serial()).await.der, taken.der());
    // Token and certificate of the first device, the batch of tokens, ninety certificates.
    assert_eq!(bench.audit().await.len(), 2 + 1 + 90);
}

pub(crate) async fn t04_a_hundred_racers_with_one_token_get_one_certificate(bench: Bench) {
    let token = token("a");
    bench.create(std::slice::from_ref(&token)).await;
    let attempts = (0..100).map(|_| {
        let (store, token) = (bench.store.clone(), token.clone());
        async move {
            let principal = signet::store::PrincipalRecord { version: 1, ..device("a") };
            store.commit(issue(Redemption::Token(token.id), principal, &key())).await.unwrap()
        }
    });
    let answers = at_once(attempts.collect()).await;
    let winners = answers.iter().filter(|a| matches!(a, Ok(Committed::New(_)))).count();
    assert_eq!(winners, 1);
    assert_eq!(answers.iter().filter(|a| **a == Err(Conflict::OtherKey)).count(), 99);
    assert_eq!(bench.certificates("a").await.len(), 1);
    assert_eq!(bench.audit().await.len(), 2);
}

pub(crate) async fn a_hundred_retries_with_one_key_get_the_same_certificate(bench: Bench) {
    let (token, key) = (token("a"), std::sync::Arc::new(key()));
    bench.create(std::slice::from_ref(&token)).await;
    let attempts = (0..100).map(|_| {
        let (store, token, key) = (bench.store.clone(), token.clone(), key.clone());
        async move {
            let principal = signet::store::PrincipalRecord { version: 1, ..device("a") };
            match store.commit(issue(Redemption::Token(token.id), principal, &key)).await.unwrap() {
                Ok(Committed::New(issued) | Committed::Replayed(issued)) => issued,
                Err(conflict) => panic!("{conflict:?}"),
            }
        }
    });
    let answers = at_once(attempts.collect()).await;
    assert!(answers.iter().all(|issued| *issued == answers[0]));
    assert_eq!(bench.certificates("a").await.len(), 1);
}

pub(crate) async fn a_closed_store_is_unavailable(bench: Bench) {
    let issued = bench.enrolled("a").await;
    let store = &bench.store;
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert!(is_unavailable(&store.health().await));
    assert!(is_unavailable(&store.create_tokens(order(&[token("b")])).await));
    assert!(is_unavailable(&store.commit(issue(Redemption::Manual, device("b"), &key())).await));
    assert!(is_unavailable(&store.revoke(revocation(target_device("a"), Mode::Apply)).await));
    assert!(is_unavailable(&store.alarm(None, draft("test.entry", "a")).await));
    assert!(is_unavailable(&store.next_crl_number(b"issuer", 1, draft("crl.numbered", "issuer")).await));
    let nothing = crate::factory::prune(NOW, 10);
    assert!(is_unavailable(&store.prune(nothing).await));
    assert!(is_unavailable(&store.certificate(issued.serial()).await));
    assert!(is_unavailable(&store.principal(&id("a")).await));
    assert!(is_unavailable(&store.tokens(TokenQuery::default(), NOW).await));
    assert!(is_unavailable(&store.devices(DeviceQuery::default(), NOW).await));
    assert!(is_unavailable(&store.audit(AuditQuery::default()).await));
    assert!(is_unavailable(&store.revocations_after(b"issuer", 0).await));
    assert!(is_unavailable(&store.last_issued_at().await));
}

pub(crate) async fn what_was_queued_before_the_close_is_done(bench: Bench) {
    let queued: Vec<_> = (0..200).map(|n| bench.store.alarm(None, draft("test.entry", &format!("{n}")))).collect();
    let closing = tokio::spawn({
        let store = bench.store.clone();
        async move { store.close().await }
    });
    let mut done = 0;
    for answer in queued {
        // Either it was done, or it is said that it was not.
        match answer.await {
            Ok(()) => done += 1,
            outcome => assert!(is_unavailable(&outcome)),
        }
    }
    closing.await.unwrap().unwrap();
    let entries = bench.dump().lines().filter(|line| line.contains("test.entry")).count();
    assert_eq!(entries, done);
}
