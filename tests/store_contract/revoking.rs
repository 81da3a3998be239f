//! Ending things, and nothing else with them.

use signet::store::{
    CertificateStatus, Conflict, Issued, Mode, PrincipalStatus, RevocationDelta, RevokeTarget, Standing, Step,
    TokenRecord, TokenStatus,
};
use signet_pki::Serial;
use signet_pki::crl::{Entries, Reason};

use crate::bench::{Bench, LATER};
use crate::factory::{
    DAY, NOW, authority, batch_token, draft, id, issue, key, prune, revocation, step, target_device, target_serial,
    token,
};

pub(crate) async fn a_device_is_revoked_with_everything_it_has_and_no_sibling(bench: Bench) {
    let first = bench.enrolled("a").await;
    let second = bench.renew(&first).await;
    bench.used(&second).await;
    let third = bench.renew(&second).await;
    let open = TokenRecord { replace: true, ..token("a") };
    let (sibling, sibling_token) = (bench.enrolled("b").await, token("c"));
    bench.create(&[open.clone(), sibling_token.clone()]).await;
    let revoked = bench.revoke(target_device("a")).await;
    assert!(revoked.known);
    assert_eq!((revoked.devices, revoked.tokens), (vec![id("a")], vec![open.id.clone()]));
    let mut serials = revoked.certificates;
    serials.sort();
    let mut expected = vec![first.serial().clone(), second.serial().clone(), third.serial().clone()];
    expected.sort();
    // Superseded ones too: who checks offline would still accept them.
    assert_eq!(serials, expected);
    for serial in &expected {
        let record = bench.certificate(serial).await;
        assert_eq!((record.status, record.revoked_at), (CertificateStatus::Revoked, Some(NOW)));
        assert_eq!(record.reason, Some(Reason::KeyCompromise));
    }
    assert_eq!(bench.status("a").await, PrincipalStatus::Revoked);
    assert_eq!(bench.certificate(sibling.serial()).await.status, CertificateStatus::Active);
    assert_eq!(bench.status("b").await, PrincipalStatus::Active);
    assert_eq!(bench.token(&sibling_token).await.status, TokenStatus::Active);
}

pub(crate) async fn a_serial_is_revoked_alone(bench: Bench) {
    let first = bench.enrolled("a").await;
    let second = bench.renew(&first).await;
    let revoked = bench.revoke(target_serial(second.serial())).await;
    assert_eq!(revoked.certificates, std::slice::from_ref(second.serial()));
    assert!(revoked.known && revoked.devices.is_empty() && revoked.tokens.is_empty());
    assert_eq!(bench.certificate(first.serial()).await.status, CertificateStatus::Active);
    assert_eq!(bench.status("a").await, PrincipalStatus::Active);
}

pub(crate) async fn a_batch_is_revoked_with_its_devices_and_unused_tokens(bench: Bench) {
    let batch = [batch_token("a", "spring"), batch_token("b", "spring")];
    let other = batch_token("c", "autumn");
    bench.create(&batch).await;
    bench.create(std::slice::from_ref(&other)).await;
    let (issued, sibling) = (bench.enroll(&batch[0], &key()).await, bench.enroll(&other, &key()).await);
    let revoked = bench.revoke(RevokeTarget::Batch("spring".into())).await;
    assert!(revoked.known);
    assert_eq!(revoked.certificates, std::slice::from_ref(issued.serial()));
    assert!(revoked.tokens.contains(&batch[1].id));
    assert_eq!(bench.status("a").await, PrincipalStatus::Revoked);
    assert_eq!(bench.token(&batch[1]).await.status, TokenStatus::Revoked);
    assert_eq!(bench.certificate(sibling.serial()).await.status, CertificateStatus::Active);
    assert_eq!(bench.token(&other).await.status, TokenStatus::Redeemed);
}

pub(crate) async fn a_batch_leaves_a_device_alone_that_never_used_its_token(bench: Bench) {
    let issued = bench.enrolled("a").await;
    let unused = TokenRecord { replace: true, ..batch_token("a", "spring") };
    bench.create(std::slice::from_ref(&unused)).await;
    let revoked = bench.revoke(RevokeTarget::Batch("spring".into())).await;
    assert_eq!(revoked.tokens, std::slice::from_ref(&unused.id));
    assert_eq!(bench.certificate(issued.serial()).await.status, CertificateStatus::Active);
    assert_eq!(bench.status("a").await, PrincipalStatus::Active);
}

pub(crate) async fn a_dry_run_tells_the_truth_and_leaves_no_trace(bench: Bench) {
    let token = batch_token("a", "spring");
    bench.create(&[token.clone(), batch_token("b", "spring")]).await;
    let issued = bench.enroll(&token, &key()).await;
    let targets = [target_serial(issued.serial()), target_device("a"), RevokeTarget::Batch("spring".into())];
    for target in targets {
        let dry = bench.unchanged_by(bench.store.revoke(revocation(target.clone(), Mode::DryRun))).await.unwrap();
        assert!(dry.known && !dry.is_empty());
        if matches!(target, RevokeTarget::Batch(_)) {
            let real = bench.revoke(target).await;
            assert_eq!((dry.mode, real.mode), (Mode::DryRun, Mode::Apply));
            assert_eq!(signet::store::Revoked { mode: Mode::Apply, ..dry }, real);
        }
    }
    bench.audit().await;
}

pub(crate) async fn revoking_twice_changes_nothing_the_second_time(bench: Bench) {
    let issued = bench.enrolled("a").await;
    let later = |target| signet::store::RevokeOrder {
        now: LATER,
        reason: Reason::Superseded,
        ..revocation(target, Mode::Apply)
    };
    bench.revoke(target_serial(issued.serial())).await;
    let again = bench.unchanged_by(bench.store.revoke(later(target_serial(issued.serial())))).await.unwrap();
    assert!(again.known && again.is_empty());
    bench.revoke(target_device("a")).await;
    let again = bench.unchanged_by(bench.store.revoke(later(target_device("a")))).await.unwrap();
    assert!(again.known && again.is_empty());
    assert_eq!(bench.certificate(issued.serial()).await.revoked_at, Some(NOW));
}

pub(crate) async fn unknown_targets_are_unknown(bench: Bench) {
    let serial = signet_pki::Serial::from_random([3; 20]);
    for target in [target_device("nobody"), target_serial(&serial), RevokeTarget::Batch("none".into())] {
        let outcome = bench.unchanged_by(bench.store.revoke(revocation(target, Mode::Apply))).await.unwrap();
        assert!(!outcome.known && outcome.is_empty());
    }
}

pub(crate) async fn t13_nothing_is_issued_to_a_device_that_was_revoked_meanwhile(bench: Bench) {
    let first = bench.enrolled("a").await;
    let seen = bench.store.principal(&id("a")).await.unwrap().unwrap();
    let parent = signet::store::Redemption::Renewal(first.serial().clone());
    let (renewal, manual) =
        (issue(parent, seen.clone(), &key()), issue(signet::store::Redemption::Manual, seen, &key()));
    bench.revoke(target_device("a")).await;
    assert_eq!(bench.unchanged_by(bench.store.commit(renewal)).await.unwrap(), Err(Conflict::ParentGone));
    assert_eq!(bench.unchanged_by(bench.store.commit(manual)).await.unwrap(), Err(Conflict::PrincipalChanged));
}

pub(crate) async fn what_a_revocation_ended_stands_on_the_list_once(bench: Bench) {
    let issuer = authority().issuer.key_identifier();
    let after = |sequence| bench.store.revocations_after(issuer, sequence);
    assert_eq!(after(0).await.unwrap(), RevocationDelta::default());
    let (one, whole) = (bench.enrolled("a").await, bench.enrolled("b").await);
    let second = bench.renew(&whole).await;
    let retired = bench.enrolled("c").await;
    bench.enrolled("living").await;
    bench.revoke(target_serial(one.serial())).await;
    let first = after(0).await.unwrap();
    let mut expected = Entries::new();
    expected.push(one.serial(), NOW, Reason::KeyCompromise);
    assert_eq!(first.entries, expected);
    bench.revoke(target_device("a")).await;
    assert_eq!(after(first.sequence).await.unwrap().entries.count(), 0, "it stands there already");
    bench.revoke(target_device("b")).await;
    let delta = after(first.sequence).await.unwrap();
    assert_eq!(delta.entries.count(), 2);
    for issued in [&whole, &second] {
        assert!(names(&delta.entries, issued), "{issued:?}");
    }
    bench.store.change_device(step("c", Step::Retire)).await.unwrap().unwrap().unwrap();
    let last = after(delta.sequence).await.unwrap();
    assert!(last.entries.count() == 1 && names(&last.entries, &retired));
    let all = after(0).await.unwrap();
    let parts = [&first.entries, &delta.entries, &last.entries].map(Entries::as_bytes);
    assert_eq!(all.entries.as_bytes(), parts.concat());
    assert_eq!((all.entries.count(), all.sequence), (4, last.sequence));
    assert_eq!(bench.store.revocations_after(b"another issuer", 0).await.unwrap().entries.count(), 0);
}

fn names(entries: &Entries, issued: &Issued) -> bool {
    entries.as_bytes().windows(20).any(|window| window == issued.serial().as_bytes())
}

pub(crate) async fn a_dry_run_puts_nothing_on_the_list(bench: Bench) {
    bench.enrolled("a").await;
    bench.store.revoke(revocation(target_device("a"), Mode::DryRun)).await.unwrap();
    let list = bench.store.revocations_after(authority().issuer.key_identifier(), 0).await.unwrap();
    assert_eq!(list, RevocationDelta::default());
}

pub(crate) async fn a_standing_is_what_became_of_the_certificate_of_that_issuer(bench: Bench) {
    let issuer = authority().issuer.key_identifier();
    let (good, ended) = (bench.enrolled("a").await, bench.enrolled("b").await);
    bench.revoke(target_serial(ended.serial())).await;
    let revoked = Standing::Revoked { at: NOW, reason: Reason::KeyCompromise };
    let standing = async |issuer: &[u8], serial| bench.store.standing(issuer, serial).await.unwrap();
    assert_eq!(standing(issuer, good.serial()).await, Some(Standing::Good));
    assert_eq!(standing(issuer, ended.serial()).await, Some(revoked));
    assert_eq!(standing(&[7; 20], good.serial()).await, None, "another issuer's");
    let nobody = Serial::from_random([9; 20]);
    assert_eq!(standing(issuer, &nobody).await, None, "nobody's");
    // Ended by time, superseded, cut down to a stub: none of it changes the standing.
    bench.renew(&good).await;
    bench.store.prune(prune(NOW.plus(2 * DAY), 100)).await.unwrap();
    assert!(bench.certificate(ended.serial()).await.der.is_empty());
    assert_eq!(standing(issuer, good.serial()).await, Some(Standing::Good));
    assert_eq!(standing(issuer, ended.serial()).await, Some(revoked));
}

pub(crate) async fn every_revocation_changes_the_revision_before_it_is_answered(bench: Bench) {
    let revision = || bench.store.counters().revision;
    let devices = [bench.enrolled("a").await, bench.enrolled("b").await, bench.enrolled("c").await];
    let first = revision();
    bench.enrolled("d").await;
    assert_eq!(revision(), first, "an enrollment revokes nobody");
    bench.revoke(target_device("a")).await;
    let second = revision();
    assert_ne!(second, first);
    bench.revoke(target_device("a")).await;
    assert_eq!(revision(), second, "it had ended before");
    bench.store.change_device(step("b", Step::Retire)).await.unwrap();
    let third = revision();
    assert_ne!(third, second);
    bench.store.quarantine(devices[2].serial(), draft("alarm.test", "c")).await.unwrap();
    assert_ne!(revision(), third);
    assert!([first, second, third].windows(2).all(|pair| pair[0] < pair[1]), "it never comes back");
}
