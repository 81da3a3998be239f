//! Room 6: evidence is redeemed exactly once, together with everything else or not at all.

use signet::store::{CertificateStatus, Committed, Conflict, PrincipalStatus, Redemption, TokenSelection, TokenStatus};
use signet_pki::signer::Signer;

use crate::bench::{Bench, new, replayed};
use crate::factory::{self, NOW, approval_token, authority, device, id, issue, issue_at, key, token, unique};

pub(crate) async fn a_token_is_redeemed_once_and_remembers_for_what(bench: Bench) {
    let token = token("a");
    bench.create(std::slice::from_ref(&token)).await;
    let issued = bench.enroll(&token, &key()).await;
    let after = bench.token(&token).await;
    assert_eq!(after.status, TokenStatus::Redeemed);
    assert_eq!(after.redeemed_serial.as_ref(), Some(issued.serial()));
    assert_eq!(after.redeemed_at, Some(NOW));
    assert_eq!(bench.status("a").await, PrincipalStatus::Active);
    assert_eq!(bench.certificates("a").await.len(), 1);
    assert_eq!(bench.last_issued_at().await, Some(NOW));
}

pub(crate) async fn the_same_key_gets_the_same_bytes_again(bench: Bench) {
    let (token, key) = (token("a"), key());
    bench.create(std::slice::from_ref(&token)).await;
    let first = bench.enroll(&token, &key).await;
    let again = bench.unchanged_by(bench.try_enroll(&token, &key)).await;
    assert_eq!(replayed(again), first);
    // Also for a decision that was made before the first commit.
    let stale = issue(Redemption::Token(token.id.clone()), device("a"), &key);
    assert_eq!(replayed(bench.unchanged_by(bench.store.commit(stale)).await.unwrap()), first);
}

pub(crate) async fn another_key_gets_a_conflict_and_changes_nothing(bench: Bench) {
    let token = token("a");
    bench.create(std::slice::from_ref(&token)).await;
    bench.enroll(&token, &key()).await;
    let thief = bench.unchanged_by(bench.try_enroll(&token, &key())).await;
    assert_eq!(thief, Err(Conflict::OtherKey));
}

pub(crate) async fn tokens_that_cannot_be_redeemed_change_nothing(bench: Bench) {
    let (expired, revoked, approval, unknown) = (token("a"), token("b"), approval_token("c"), token("d"));
    bench.create(&[expired.clone(), revoked.clone(), approval.clone()]).await;
    let order = factory::revoke_tokens(TokenSelection::Id(revoked.id.clone()));
    assert_eq!(bench.store.revoke_tokens(order).await.unwrap(), std::slice::from_ref(&revoked.id));
    for (token, now) in [(&expired, expired.expires_at), (&revoked, NOW), (&approval, NOW), (&unknown, NOW)] {
        let mut principal = bench.store.principal(&token.device).await.unwrap().unwrap_or_else(|| device("d"));
        principal.status = PrincipalStatus::Active;
        let commit = issue_at(Redemption::Token(token.id.clone()), principal, &key(), now);
        let refused = bench.unchanged_by(bench.store.commit(commit)).await.unwrap();
        assert_eq!(refused, Err(Conflict::TokenGone), "{}", token.device);
    }
    // One second before its end the token is good.
    let mut principal = bench.store.principal(&id("a")).await.unwrap().unwrap();
    principal.status = PrincipalStatus::Active;
    let commit = issue_at(Redemption::Token(expired.id.clone()), principal, &key(), expired.expires_at.minus(1));
    new(bench.store.commit(commit).await.unwrap());
}

pub(crate) async fn a_decision_on_an_old_version_is_refused_and_burns_no_token(bench: Bench) {
    let (first, second) = (token("a"), token("a"));
    bench.create(&[first.clone(), second.clone()]).await;
    let mut seen = bench.store.principal(&id("a")).await.unwrap().unwrap();
    seen.status = PrincipalStatus::Active;
    bench.enroll(&first, &key()).await;
    let late = issue(Redemption::Token(second.id.clone()), seen.clone(), &key());
    let refused = bench.unchanged_by(bench.store.commit(late)).await.unwrap();
    assert_eq!(refused, Err(Conflict::PrincipalChanged));
    assert_eq!(bench.token(&second).await.status, TokenStatus::Active);
    let unheard_of = issue(Redemption::Manual, signet::store::PrincipalRecord { version: 77, ..seen }, &key());
    let refused = bench.unchanged_by(bench.store.commit(unheard_of)).await.unwrap();
    assert_eq!(refused, Err(Conflict::PrincipalChanged));
}

pub(crate) async fn a_new_principal_is_created_once(bench: Bench) {
    let issued = new(bench.store.commit(issue(Redemption::Manual, device("a"), &key())).await.unwrap());
    assert_eq!(issued.device(), &id("a"));
    let second = bench.unchanged_by(bench.store.commit(issue(Redemption::Manual, device("a"), &key()))).await.unwrap();
    assert_eq!(second, Err(Conflict::PrincipalChanged));
    assert_eq!(bench.store.principal(&id("a")).await.unwrap().unwrap().version, 1);
}

pub(crate) async fn t11_a_key_of_another_principal_is_refused_and_burns_no_token(bench: Bench) {
    let (mine, theirs, shared) = (token("mine"), token("theirs"), key());
    bench.create(&[mine.clone(), theirs.clone()]).await;
    bench.enroll(&mine, &shared).await;
    let refused = bench.unchanged_by(bench.try_enroll(&theirs, &shared)).await;
    assert_eq!(refused, Err(Conflict::KeyTaken));
    assert_eq!(bench.token(&theirs).await.status, TokenStatus::Active);
    assert_eq!(bench.store.key_owner(&shared.public_key().fingerprint()).await.unwrap(), Some(id("mine")));
    assert_eq!(bench.store.key_owner(&key().public_key().fingerprint()).await.unwrap(), None);
}

pub(crate) async fn t12_a_serial_is_used_once(bench: Bench) {
    let serial = unique();
    let with_serial = |name: &str| {
        let key = key();
        let commit = issue(Redemption::Manual, device(name), &key);
        signet::store::IssueCommit { signed: factory::sign(&device(name), &key, NOW, serial), ..commit }
    };
    new(bench.store.commit(with_serial("a")).await.unwrap());
    let refused = bench.unchanged_by(bench.store.commit(with_serial("b"))).await.unwrap();
    assert_eq!(refused, Err(Conflict::SerialTaken));
}

pub(crate) async fn the_record_says_what_the_certificate_says(bench: Bench) {
    let (token, key) = (token("a"), key());
    bench.create(std::slice::from_ref(&token)).await;
    let Ok(Committed::New(issued)) = bench.try_enroll(&token, &key).await else { panic!("not issued") };
    let record = bench.certificate(issued.serial()).await;
    let view = signet_pki::view::CertificateView::parse(&record.der).unwrap();
    assert_eq!(record.der, issued.der());
    assert_eq!(view.serial, record.serial);
    assert_eq!((view.not_before, view.not_after), (record.not_before, record.not_after));
    assert_eq!((issued.not_before(), issued.not_after()), (record.not_before, record.not_after));
    assert_eq!(view.public_key.fingerprint(), record.spki);
    assert_eq!((record.generation, record.status), (1, CertificateStatus::Active));
    assert_eq!((record.profile.as_str(), issued.profile()), ("device", "device"));
    assert_eq!((record.issued_at, record.first_used_at, record.review), (NOW, None, false));
    assert_eq!((record.revoked_at, record.reason), (None, None));
    assert_eq!(record.principal, bench.store.principal(&id("a")).await.unwrap().unwrap());
    assert!(record.not_after <= authority().issuer.not_after());
}
