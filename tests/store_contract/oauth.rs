//! Families of refresh tokens, tokens that ended early, and the first day of keys.

use signet::store::{
    AccessConflict, CreateCredentials, CredentialRecord, CredentialStatus, Owner, RotateRefresh, Rotated, TokenOrigin,
    TokenStanding,
};
use signet_api::{Credential, CredentialId, CredentialKind};
use signet_pki::UnixTime;

use crate::bench::{Bench, at_once};
use crate::factory::{draft, id, target_device};

const RETRY: i64 = 60;

fn refresh(device: &str, number: u8, family: Option<&CredentialRecord>) -> CredentialRecord {
    let credential = Credential::from_random(CredentialKind::Refresh, &[number; 24]);
    let now = draft("x", "x").at;
    CredentialRecord {
        id: credential.id().clone(),
        kind: CredentialKind::Refresh,
        hash: [number; 32],
        owner: Owner::Principal(id(device)),
        name: String::new(),
        scopes: "devices:read".parse().unwrap(),
        status: CredentialStatus::Active,
        family: family.map_or_else(|| credential.id().clone(), |first| first.family.clone()),
        parent: None,
        spki: None,
        cidr: None,
        created_at: now,
        created_by: "test".into(),
        expires_at: now.plus(86_400),
        line_ends_at: Some(now.plus(2 * 86_400)),
        used_at: None,
        successor: None,
        last_used_at: None,
        legacy: false,
    }
}

fn rotation(old: &CredentialRecord, new: &CredentialRecord, after: i64) -> RotateRefresh {
    let (draft, alarm) = (draft("session.refreshed", "s"), draft("alarm.refresh_token_reused", "s"));
    RotateRefresh { old: old.id.clone(), new: new.clone(), now: draft.at.plus(after), retry: RETRY, draft, alarm }
}

async fn opened(bench: &Bench, device: &str) -> CredentialRecord {
    bench.enrolled(device).await;
    let first = refresh(device, 1, None);
    let order = CreateCredentials {
        credentials: vec![first.clone()],
        origin: Default::default(),
        draft: draft("session.opened", device),
    };
    bench.store.create_credentials(order).await.unwrap().unwrap();
    first
}

async fn status(bench: &Bench, id: &CredentialId) -> CredentialStatus {
    bench.store.credential(id).await.unwrap().unwrap().status
}

async fn is_good(bench: &Bench, jti: &str, family: &CredentialRecord) -> bool {
    let origin = TokenOrigin { jti: jti.into(), family: Some(family.family.clone()), key: None };
    bench.store.token_standing(origin, draft("x", "x").at).await.unwrap() == TokenStanding::Live(None)
}

pub(crate) async fn a_refresh_token_has_one_successor_however_many_ask(bench: Bench) {
    let first = opened(&bench, "a").await;
    let next = refresh("a", 2, Some(&first));
    let entries = bench.audit().await.len();
    let asked = (0..20).map(|_| {
        let (store, order) = (bench.store.clone(), rotation(&first, &next, 0));
        async move { store.rotate_refresh(order).await.unwrap().unwrap() }
    });
    let answers = at_once(asked.collect()).await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Rotated::New(_))).count(), 1);
    assert!(answers.iter().all(|a| matches!(a, Rotated::New(one) | Rotated::Again(one) if one.id == next.id)));
    assert_eq!(bench.audit().await.len(), entries + 1);
    let used = bench.store.credential(&first.id).await.unwrap().unwrap();
    assert_eq!((used.status, used.successor), (CredentialStatus::Used, Some(next.id.clone())));
    assert!(is_good(&bench, "j", &first).await);
}

pub(crate) async fn t40_a_second_use_that_is_no_retry_ends_the_family_once(bench: Bench) {
    let first = opened(&bench, "a").await;
    let (next, last) = (refresh("a", 2, Some(&first)), refresh("a", 3, Some(&first)));
    bench.store.rotate_refresh(rotation(&first, &next, 0)).await.unwrap().unwrap();
    let again = bench.unchanged_by(bench.store.rotate_refresh(rotation(&first, &next, RETRY))).await;
    assert!(matches!(again.unwrap().unwrap(), Rotated::Again(one) if one.id == next.id));
    bench.store.rotate_refresh(rotation(&next, &last, RETRY)).await.unwrap().unwrap();
    let reused = bench.store.rotate_refresh(rotation(&first, &next, RETRY)).await.unwrap().unwrap();
    assert_eq!(reused, Rotated::Reused(vec![last.id.clone()]));
    assert_eq!(status(&bench, &last.id).await, CredentialStatus::Revoked);
    assert!(!is_good(&bench, "j", &first).await);
    assert_eq!(bench.audit().await.pop().unwrap().kind, "alarm.refresh_token_reused");
    let again = bench.unchanged_by(bench.store.rotate_refresh(rotation(&first, &next, RETRY))).await;
    assert_eq!(again.unwrap().unwrap(), Rotated::Reused(Vec::new()));
    let over = bench.unchanged_by(bench.store.rotate_refresh(rotation(&last, &next, RETRY))).await;
    assert_eq!(over.unwrap().unwrap(), Rotated::Over(CredentialStatus::Revoked));
}

pub(crate) async fn a_late_second_use_ends_the_family(bench: Bench) {
    let first = opened(&bench, "a").await;
    let next = refresh("a", 2, Some(&first));
    bench.store.rotate_refresh(rotation(&first, &next, 0)).await.unwrap().unwrap();
    let late = bench.store.rotate_refresh(rotation(&first, &next, RETRY + 1)).await.unwrap().unwrap();
    assert_eq!(late, Rotated::Reused(vec![next.id.clone()]));
    let unknown = refresh("a", 9, None);
    assert_eq!(bench.unchanged_by(bench.store.rotate_refresh(rotation(&unknown, &next, 0))).await, Ok(None));
}

pub(crate) async fn a_revoked_owner_takes_the_family_along_and_refreshes_no_more(bench: Bench) {
    let first = opened(&bench, "a").await;
    bench.revoke(target_device("a")).await;
    assert!(!is_good(&bench, "j", &first).await);
    let next = refresh("a", 2, Some(&first));
    let refused = bench.unchanged_by(bench.store.rotate_refresh(rotation(&first, &next, 0))).await;
    assert_eq!(refused.unwrap().unwrap(), Rotated::Over(CredentialStatus::Revoked));
}

pub(crate) async fn a_conflict_leaves_the_old_token_as_it_was(bench: Bench) {
    let first = opened(&bench, "a").await;
    let foreign = refresh("nobody", 2, Some(&first));
    let refused = bench.unchanged_by(bench.store.rotate_refresh(rotation(&first, &foreign, 0))).await;
    assert_eq!(refused.unwrap().unwrap(), Rotated::Refused(AccessConflict::NoOwner));
    assert_eq!(status(&bench, &first.id).await, CredentialStatus::Active);
}

pub(crate) async fn a_family_is_ended_once_and_a_token_is_denied_once(bench: Bench) {
    let first = opened(&bench, "a").await;
    assert!(is_good(&bench, "j", &first).await);
    let end = draft("access_token.revoked", "j").at.plus(600);
    bench.store.deny_token("j", end, draft("access_token.revoked", "j")).await.unwrap();
    assert!(!is_good(&bench, "j", &first).await && is_good(&bench, "k", &first).await);
    bench.unchanged_by(bench.store.deny_token("j", end, draft("access_token.revoked", "j"))).await.unwrap();
    let ended = bench.store.end_family(&first.family, draft("session.revoked", "s")).await.unwrap();
    assert_eq!(ended, std::slice::from_ref(&first.id));
    assert!(!is_good(&bench, "k", &first).await);
    let again = bench.unchanged_by(bench.store.end_family(&first.family, draft("session.revoked", "s"))).await;
    assert_eq!(again, Ok(Vec::new()));
}

pub(crate) async fn what_ended_is_pruned_within_its_limit_and_nothing_else(bench: Bench) {
    let first = opened(&bench, "a").await;
    let now = draft("x", "x").at;
    for number in 0..5 {
        let jti = format!("j{number}");
        bench.store.deny_token(&jti, now.plus(number), draft("access_token.revoked", &jti)).await.unwrap();
    }
    assert_eq!(bench.store.prune_oauth(now.plus(2), now, 2).await, Ok(2));
    assert_eq!(bench.store.prune_oauth(now.plus(2), now, 2).await, Ok(1));
    assert_eq!(bench.store.prune_oauth(now.plus(2), now, 2).await, Ok(0));
    assert!(!is_good(&bench, "j4", &first).await);
    assert_eq!(bench.store.prune_oauth(now, UnixTime(first.expires_at.0 - 1), 2).await, Ok(0));
    assert!(bench.store.credential(&first.id).await.unwrap().is_some());
    assert_eq!(bench.store.prune_oauth(now, first.expires_at, 2).await, Ok(1));
    assert!(bench.store.credential(&first.id).await.unwrap().is_none());
}

pub(crate) async fn a_key_keeps_its_first_day(bench: Bench) {
    let kids = |kids: &[&str]| kids.iter().map(|kid| (*kid).to_owned()).collect::<Vec<_>>();
    let mut note = draft("token_key.published", "");
    let first = note.at;
    bench.store.note_token_keys(kids(&["one"]), note.clone()).await.unwrap();
    note.at = first.plus(100);
    let noted = bench.store.note_token_keys(kids(&["one", "two"]), note.clone()).await.unwrap();
    let days: Vec<_> = noted.iter().map(|record| (record.kid.as_str(), record.published_at)).collect();
    assert_eq!(days, [("one", first), ("two", note.at)]);
    note.at = first.plus(200);
    let noted = bench.unchanged_by(bench.store.note_token_keys(kids(&["two"]), note)).await.unwrap();
    assert_eq!(noted[0].published_at, first.plus(100));
    let subjects: Vec<String> = bench.audit().await.into_iter().map(|row| row.subject).collect();
    assert_eq!(subjects, ["one", "two"]);
}
