//! Stages of issuers: which there are, which way they go, and what they end.

use signet::store::{Conflict, IssuerStep, NoteIssuers, Redemption, Stage, StageConflict};

use crate::bench::Bench;
use crate::factory::{DAY, NOW, authority, device, draft, issue, key};

fn note(names: &[&[u8]]) -> NoteIssuers {
    let issuers = names.iter().map(|name| (name.to_vec(), b"certificate".to_vec())).collect();
    NoteIssuers { issuers, draft: draft("issuer.published", "issuer") }
}

fn step(name: &[u8], to: Stage) -> IssuerStep {
    IssuerStep { key_id: name.to_vec(), to, draft: draft("issuer.activated", "issuer:x") }
}

async fn stages(bench: &Bench) -> Vec<Stage> {
    bench.store.issuers().await.unwrap().into_iter().map(|record| record.stage).collect()
}

pub(crate) async fn the_first_issuer_is_active_and_the_same_again_is_no_change(bench: Bench) {
    bench.store.note_issuers(note(&[b"one", b"two"])).await.unwrap();
    assert_eq!(stages(&bench).await, [Stage::Active, Stage::Published]);
    let entries = bench.audit().await.len();
    assert_eq!(entries, 3, "two came, one became active");
    bench.store.note_issuers(note(&[b"two", b"one"])).await.unwrap();
    assert_eq!(stages(&bench).await, [Stage::Active, Stage::Published]);
    // In the place of the one that is gone.
    bench.store.note_issuers(note(&[b"three"])).await.unwrap();
    assert_eq!(stages(&bench).await, [Stage::Retiring, Stage::Published, Stage::Active]);
}

pub(crate) async fn exactly_one_issuer_is_active_and_nothing_leads_back_from_distrust(bench: Bench) {
    bench.store.note_issuers(note(&[b"one", b"two"])).await.unwrap();
    let moved = async |name: &[u8], to| bench.store.step_issuer(step(name, to)).await.unwrap();
    assert_eq!(moved(b"one", Stage::Retiring).await, Err(StageConflict::Stage(Stage::Active)));
    assert_eq!(moved(b"none", Stage::Active).await, Err(StageConflict::Unknown));
    assert_eq!(moved(b"two", Stage::Active).await, Ok(()));
    assert_eq!(stages(&bench).await, [Stage::Retiring, Stage::Active]);
    let entries = bench.audit().await.len();
    assert_eq!(moved(b"two", Stage::Active).await, Ok(()));
    assert_eq!(bench.audit().await.len(), entries, "an answer that was lost is asked for again");
    assert_eq!(moved(b"one", Stage::Distrusted).await, Ok(()));
    for to in [Stage::Active, Stage::Retiring, Stage::Published] {
        assert_eq!(moved(b"one", to).await, Err(StageConflict::Stage(Stage::Distrusted)));
    }
    assert_eq!(moved(b"two", Stage::Distrusted).await, Ok(()));
    assert_eq!(stages(&bench).await, [Stage::Distrusted, Stage::Distrusted]);
    bench.store.note_issuers(note(&[b"one", b"two"])).await.unwrap();
    assert_eq!(stages(&bench).await, [Stage::Distrusted, Stage::Distrusted]);
}

pub(crate) async fn t37_what_a_distrusted_issuer_signed_is_not_committed(bench: Bench) {
    let issuer = authority().issuer.key_identifier();
    bench.store.note_issuers(note(&[issuer])).await.unwrap();
    let of = async || bench.store.issuer_use(issuer, NOW, "ocsp").await.unwrap();
    assert_eq!(of().await.live, 0);
    bench.store.commit(issue(Redemption::Manual, device("sensor-1"), &key())).await.unwrap().unwrap();
    let used = of().await;
    assert!(used.live == 1 && used.last_not_after.is_some_and(|end| end > NOW && end <= NOW.plus(DAY)), "{used:?}");
    bench.store.step_issuer(step(issuer, Stage::Distrusted)).await.unwrap().unwrap();
    let late = bench.store.commit(issue(Redemption::Manual, device("sensor-2"), &key())).await.unwrap();
    assert_eq!(late, Err(Conflict::IssuerDistrusted));
    assert_eq!(of().await.live, 1);
}
