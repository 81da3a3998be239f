//! Numbers of revocation lists.

use std::collections::BTreeSet;

use crate::bench::{Bench, at_once};
use crate::factory::draft;

fn numbered() -> signet::store::AuditDraft {
    draft("crl.numbered", "issuer")
}

pub(crate) async fn t32_numbers_grow_and_never_fall_below_the_floor(bench: Bench) {
    let next = |floor| bench.store.next_crl_number(b"issuer", floor, numbered());
    assert_eq!(next(1000).await.unwrap(), 1000);
    assert_eq!(next(1000).await.unwrap(), 1001);
    assert_eq!(next(5).await.unwrap(), 1002);
    assert_eq!(next(9000).await.unwrap(), 9000);
    // The entry says which number it was.
    assert!(bench.audit().await.last().unwrap().canonical.contains("9000"));
}

pub(crate) async fn t32_issuers_count_separately(bench: Bench) {
    bench.store.next_crl_number(b"one", 50, numbered()).await.unwrap();
    assert_eq!(bench.store.next_crl_number(b"two", 7, numbered()).await.unwrap(), 7);
    assert_eq!(bench.store.next_crl_number(b"one", 7, numbered()).await.unwrap(), 51);
}

pub(crate) async fn t33_concurrent_numbers_are_all_different(bench: Bench) {
    let attempts = (0..100).map(|_| {
        let store = bench.store.clone();
        async move { store.next_crl_number(b"issuer", 1, numbered()).await.unwrap() }
    });
    let numbers: BTreeSet<u64> = at_once(attempts.collect()).await.into_iter().collect();
    assert_eq!(numbers, (1..=100).collect());
}
