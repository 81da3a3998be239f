//! Retention: what ended long ago leaves, and nothing that somebody may still ask for.

use signet::store::{Conflict, Pruned, TokenRecord};

use crate::bench::Bench;
use crate::factory::{DAY, NOW, authority, key, prune, target_serial, token};

pub(crate) async fn only_what_ended_before_is_taken_away(bench: Bench) {
    let issuer = authority().issuer.key_identifier();
    let (gone, living) = (bench.enrolled("a").await, bench.enrolled("b").await);
    bench.revoke(target_serial(gone.serial())).await;
    let unused = token("c");
    bench.create(std::slice::from_ref(&unused)).await;
    let nothing = bench.unchanged_by(bench.store.prune(prune(NOW, 100))).await.unwrap();
    assert_eq!(nothing, Pruned::default());
    // The token ends in fifteen minutes, the certificates in a day.
    let tokens = bench.store.prune(prune(NOW.plus(3600), 100)).await.unwrap();
    assert_eq!(tokens, Pruned { tokens: 1, ..Pruned::default() });
    assert_eq!(bench.store.token(&unused.id).await.unwrap(), None);
    assert_eq!(bench.store.revocations_after(issuer, 0).await.unwrap().entries.count(), 1);
    assert_eq!(bench.certificate(living.serial()).await.der, living.der());
    let rest = bench.store.prune(prune(NOW.plus(2 * DAY), 100)).await.unwrap();
    assert_eq!(rest, Pruned { certificates: 2, revocations: 1, tokens: 0 });
    assert_eq!(bench.store.revocations_after(issuer, 0).await.unwrap().entries.count(), 0);
    let again = bench.unchanged_by(bench.store.prune(prune(NOW.plus(2 * DAY), 100))).await.unwrap();
    assert_eq!(again, Pruned::default());
    bench.audit().await;
}

pub(crate) async fn a_step_takes_no_more_than_its_limit(bench: Bench) {
    let tokens: Vec<TokenRecord> = (0..10).map(|n| token(&format!("d-{n}"))).collect();
    bench.create(&tokens).await;
    let mut steps = Vec::new();
    loop {
        let step = bench.store.prune(prune(NOW.plus(DAY), 4)).await.unwrap();
        steps.push(step.tokens);
        if step == Pruned::default() {
            break;
        }
    }
    assert_eq!(steps, [4, 4, 2, 0]);
}

pub(crate) async fn a_stub_still_says_who_it_was(bench: Bench) {
    let (token, key) = (token("a"), key());
    bench.create(std::slice::from_ref(&token)).await;
    let issued = bench.enroll(&token, &key).await;
    let before = bench.certificate(issued.serial()).await;
    bench.store.prune(prune(NOW.plus(2 * DAY), 100)).await.unwrap();
    let stub = bench.certificate(issued.serial()).await;
    assert_eq!(signet::store::CertificateRecord { der: before.der.clone(), ..stub.clone() }, before);
    assert!(stub.der.is_empty());
    // A used token stays used, for whichever key, and nothing empty is handed out.
    let thief = bench.unchanged_by(bench.try_enroll(&token, &crate::factory::key())).await;
    assert_eq!(thief, Err(Conflict::OtherKey));
    let same = bench.unchanged_by(bench.try_enroll(&token, &key)).await;
    assert_eq!(same, Err(Conflict::TokenGone));
}
