//! Approval, and the steps in a device's life.

use signet::store::{ChangeDevice, Claim, Conflict, PrincipalStatus, Step, TokenRecord, TokenStatus};
use signet_pki::signer::Signer;

use crate::bench::Bench;
use crate::factory::{approval_token, claim, id, key, step, token};

pub(crate) async fn approval_binds_the_token_to_the_key_that_was_approved(bench: Bench) {
    let (token, mine, thief) = (approval_token("a"), key(), key());
    bench.create(std::slice::from_ref(&token)).await;
    bench.store.claim(claim(&token, &mine)).await.unwrap().unwrap();
    let waiting = bench.token(&token).await;
    assert_eq!((waiting.status, waiting.claimed_spki), (TokenStatus::Pending, Some(mine.public_key().fingerprint())));
    let principal = bench.store.principal(&id("a")).await.unwrap().unwrap();
    assert_eq!((principal.status, principal.hardware_serial.as_deref()), (PrincipalStatus::Pending, Some("HW-1")));
    assert_eq!(bench.unchanged_by(bench.try_enroll(&token, &mine)).await, Err(Conflict::TokenGone));
    bench.store.change_device(step("a", Step::Approve)).await.unwrap().unwrap().unwrap();
    assert_eq!(bench.unchanged_by(bench.try_enroll(&token, &thief)).await, Err(Conflict::OtherKey));
    bench.enroll(&token, &mine).await;
    assert_eq!(bench.status("a").await, PrincipalStatus::Active);
}

pub(crate) async fn a_denied_token_is_dead_and_its_device_may_try_another(bench: Bench) {
    let (denied, mine) = (approval_token("a"), key());
    bench.create(std::slice::from_ref(&denied)).await;
    bench.store.claim(claim(&denied, &mine)).await.unwrap().unwrap();
    bench.store.change_device(step("a", Step::Deny)).await.unwrap().unwrap().unwrap();
    assert_eq!(bench.token(&denied).await.status, TokenStatus::Denied);
    assert_eq!(bench.status("a").await, PrincipalStatus::Preregistered);
    assert_eq!(bench.unchanged_by(bench.try_enroll(&denied, &mine)).await, Err(Conflict::TokenGone));
    assert_eq!(bench.unchanged_by(bench.store.claim(claim(&denied, &mine))).await.unwrap(), Err(Conflict::TokenGone));
    let second = token("a");
    bench.create(std::slice::from_ref(&second)).await;
    bench.enroll(&second, &mine).await;
}

pub(crate) async fn the_same_key_may_claim_again_and_another_may_not(bench: Bench) {
    let (token, mine) = (approval_token("a"), key());
    bench.create(std::slice::from_ref(&token)).await;
    bench.store.claim(claim(&token, &mine)).await.unwrap().unwrap();
    bench.store.claim(claim(&token, &mine)).await.unwrap().unwrap();
    assert_eq!(bench.unchanged_by(bench.store.claim(claim(&token, &key()))).await.unwrap(), Err(Conflict::OtherKey));
    assert_eq!(bench.token(&token).await.claimed_spki, Some(mine.public_key().fingerprint()));
}

pub(crate) async fn a_token_without_approval_or_past_its_end_cannot_be_claimed(bench: Bench) {
    let (plain, late, unknown) = (token("a"), approval_token("b"), approval_token("c"));
    bench.create(&[plain.clone(), late.clone()]).await;
    for (token, now) in [(&plain, plain.created_at), (&late, late.expires_at), (&unknown, unknown.created_at)] {
        let order = Claim { now, ..claim(token, &key()) };
        assert_eq!(bench.unchanged_by(bench.store.claim(order)).await.unwrap(), Err(Conflict::TokenGone));
    }
}

pub(crate) async fn steps_are_possible_from_their_states_only(bench: Bench) {
    use PrincipalStatus::*;
    bench.enrolled("a").await;
    bench.create(&[token("new")]).await;
    let walk = [
        ("a", Step::Resume, Err(Active)),
        ("a", Step::Approve, Err(Active)),
        ("a", Step::Deny, Err(Active)),
        ("a", Step::Suspend, Ok(Suspended)),
        ("a", Step::Suspend, Err(Suspended)),
        ("a", Step::Resume, Ok(Active)),
        ("new", Step::Suspend, Err(Preregistered)),
        ("new", Step::Resume, Err(Preregistered)),
        ("a", Step::Retire, Ok(Retired)),
        ("a", Step::Retire, Err(Retired)),
        ("a", Step::Resume, Err(Retired)),
        ("a", Step::Suspend, Err(Retired)),
        ("new", Step::Retire, Ok(Retired)),
    ];
    for (device, step_, expected) in walk {
        let before = bench.dump();
        let outcome = bench.store.change_device(step(device, step_)).await.unwrap().unwrap();
        match expected {
            Ok(status) => assert_eq!(outcome.unwrap().status, status, "{device} {step_:?}"),
            Err(status) => {
                assert_eq!(outcome, Err(Conflict::Status(status)), "{device} {step_:?}");
                assert_eq!(bench.dump(), before);
            }
        }
    }
}

pub(crate) async fn groups_and_profile_change_without_a_step_and_count_as_a_version(bench: Bench) {
    bench.enrolled("a").await;
    bench.enrolled("b").await;
    let seen = bench.store.principal(&id("a")).await.unwrap().unwrap();
    let order = ChangeDevice {
        step: None,
        groups: Some(vec!["cameras".into()]),
        profile: Some("intermittent".into()),
        ..step("a", Step::Suspend)
    };
    let changed = bench.store.change_device(order).await.unwrap().unwrap().unwrap();
    assert_eq!((changed.groups[0].as_str(), changed.profile.as_str()), ("cameras", "intermittent"));
    assert_eq!((changed.status, changed.version), (PrincipalStatus::Active, seen.version + 1));
    assert_eq!(bench.store.principal(&id("b")).await.unwrap().unwrap().groups, ["sensors"]);
    // What was decided on the record before is not committed any more.
    let late = crate::factory::issue(signet::store::Redemption::Manual, seen, &key());
    assert_eq!(bench.store.commit(late).await.unwrap(), Err(Conflict::PrincipalChanged));
}

pub(crate) async fn a_retired_device_loses_certificates_and_tokens_for_good(bench: Bench) {
    let issued = bench.enrolled("a").await;
    let open = TokenRecord { replace: true, ..token("a") };
    bench.create(std::slice::from_ref(&open)).await;
    bench.store.change_device(step("a", Step::Retire)).await.unwrap().unwrap().unwrap();
    assert!(bench.certificate(issued.serial()).await.revoked_at.is_some());
    assert_eq!(bench.token(&open).await.status, TokenStatus::Revoked);
}

pub(crate) async fn an_unknown_device_changes_nothing(bench: Bench) {
    let outcome = bench.unchanged_by(bench.store.change_device(step("nobody", Step::Retire))).await.unwrap();
    assert_eq!(outcome, None);
}
