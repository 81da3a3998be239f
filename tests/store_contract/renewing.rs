//! Generations: a new certificate waits beside the old one until it is used.

use signet::store::{CertificateStatus, Conflict, Issued, Redemption};

use crate::bench::{Bench, new, replayed};
use crate::factory::{self, DAY, NOW, draft, id, issue_at, key, target_serial};

async fn statuses(bench: &Bench, device: &str) -> Vec<(u64, CertificateStatus)> {
    bench.certificates(device).await.into_iter().map(|c| (c.generation, c.status)).collect()
}

pub(crate) async fn a_renewal_waits_until_it_is_used(bench: Bench) {
    use CertificateStatus::*;
    let first = bench.enrolled("a").await;
    bench.used(&first).await;
    let second = bench.renew(&first).await;
    assert_eq!(statuses(&bench, "a").await, [(2, Pending), (1, Active)]);
    // Using the old one on is right until the new one was used: its answer may have been lost.
    bench.used(&first).await;
    assert_eq!(statuses(&bench, "a").await, [(2, Pending), (1, Active)]);
    bench.used(&second).await;
    assert_eq!(statuses(&bench, "a").await, [(2, Active), (1, Superseded)]);
}

pub(crate) async fn a_renewal_is_replayed_for_the_same_key(bench: Bench) {
    let (first, key) = (bench.enrolled("a").await, key());
    let second = new(bench.try_renew(&first, &key).await);
    assert_eq!(replayed(bench.unchanged_by(bench.try_renew(&first, &key)).await), second);
    let spki = bench.certificate(second.serial()).await.spki;
    assert_eq!(bench.store.renewed(first.serial(), &spki).await.unwrap(), Some(second.clone()));
    assert_eq!(bench.store.renewed(second.serial(), &spki).await.unwrap(), None);
    // Another key is another renewal.
    let third = new(bench.try_renew(&first, &factory::key()).await);
    assert_ne!(third, second);
    assert_eq!(bench.certificates("a").await.len(), 3);
}

pub(crate) async fn live_devices_are_counted_by_the_bundle_that_they_named_last(bench: Bench) {
    let holders = async || -> Vec<(Option<u64>, u64)> {
        let found = bench.store.bundle_holders(NOW).await.unwrap();
        found.into_iter().map(|h| (h.sequence, h.devices)).collect()
    };
    assert_eq!(holders().await, []);
    let (a, b) = (bench.enrolled("a").await, bench.enrolled("b").await);
    bench.enrolled("c").await;
    assert_eq!(holders().await, [(None, 3)]);
    let named = async |issued: &Issued, bundle: u64| {
        let principal = bench.store.principal(issued.device()).await.unwrap().unwrap();
        let version = principal.version;
        let principal = signet::store::PrincipalRecord { bundle_seen: Some(bundle), ..principal };
        let redemption = Redemption::Renewal(issued.serial().clone());
        let next = new(bench.store.commit(factory::issue(redemption, principal, &key())).await.unwrap());
        let found = bench.store.principal(issued.device()).await.unwrap().unwrap();
        assert_eq!((found.bundle_seen, found.version), (Some(bundle), version), "no decision hangs on it");
        next
    };
    let a = named(&a, 3).await;
    let b = named(&b, 2).await;
    assert_eq!(holders().await, [(Some(3), 1), (Some(2), 1), (None, 1)]);
    named(&a, 2).await;
    assert_eq!(holders().await, [(Some(2), 2), (None, 1)]);
    // One that renews without a word holds what it held.
    bench.renew(&b).await;
    assert_eq!(holders().await, [(Some(2), 2), (None, 1)]);
    // Certificates that have ended count for nobody.
    assert_eq!(bench.store.bundle_holders(NOW.plus(400 * DAY)).await.unwrap(), []);
}

pub(crate) async fn first_use_supersedes_all_older_generations(bench: Bench) {
    use CertificateStatus::*;
    let first = bench.enrolled("a").await;
    let (second, third) = (bench.renew(&first).await, bench.renew(&first).await);
    let sibling = bench.enrolled("b").await;
    bench.used(&third).await;
    assert_eq!(statuses(&bench, "a").await, [(3, Active), (2, Superseded), (1, Superseded)]);
    assert_eq!(bench.certificate(sibling.serial()).await.status, Active);
    // Too late for a generation that was left out.
    bench.unchanged_by(bench.used(&second)).await;
}

pub(crate) async fn first_use_is_noted_once(bench: Bench) {
    let issued = bench.enrolled("a").await;
    bench.used(&issued).await;
    assert_eq!(bench.certificate(issued.serial()).await.first_used_at, Some(NOW));
    let entries = bench.audit().await.len();
    bench.unchanged_by(bench.used(&issued)).await;
    assert_eq!(bench.audit().await.len(), entries);
}

pub(crate) async fn using_an_ended_certificate_changes_nothing(bench: Bench) {
    let issued = bench.enrolled("a").await;
    bench.revoke(target_serial(issued.serial())).await;
    bench.unchanged_by(bench.used(&issued)).await;
    let unknown = signet_pki::Serial::from_random([9; 20]);
    bench.unchanged_by(bench.store.mark_used(&unknown, draft("certificate.first_used", "a"))).await.unwrap();
}

pub(crate) async fn an_ended_parent_cannot_be_renewed(bench: Bench) {
    let superseded = bench.enrolled("a").await;
    let live = bench.renew(&superseded).await;
    bench.used(&live).await;
    let refused = bench.unchanged_by(bench.try_renew(&superseded, &key())).await;
    assert_eq!(refused, Err(Conflict::ParentGone));
    bench.revoke(target_serial(live.serial())).await;
    let refused = bench.unchanged_by(bench.try_renew(&live, &key())).await;
    assert_eq!(refused, Err(Conflict::ParentGone));
    let unknown = Redemption::Renewal(signet_pki::Serial::from_random([9; 20]));
    let principal = bench.store.principal(&id("a")).await.unwrap().unwrap();
    let commit = factory::issue(unknown, principal, &key());
    assert_eq!(bench.unchanged_by(bench.store.commit(commit)).await.unwrap(), Err(Conflict::ParentGone));
}

pub(crate) async fn t16_an_alarm_flags_the_certificate_and_leaves_an_entry(bench: Bench) {
    let (flagged, other) = (bench.enrolled("a").await, bench.enrolled("b").await);
    let before = bench.audit().await.len();
    bench.store.alarm(Some(flagged.serial()), draft("alarm.token_reuse_other_key", "a")).await.unwrap();
    assert!(bench.certificate(flagged.serial()).await.review);
    assert!(!bench.certificate(other.serial()).await.review);
    bench.store.alarm(None, draft("alarm.renewal_escalation", "a")).await.unwrap();
    let kinds: Vec<String> = bench.audit().await.split_off(before).into_iter().map(|row| row.kind).collect();
    assert_eq!(kinds, ["alarm.token_reuse_other_key", "alarm.renewal_escalation"]);
}

pub(crate) async fn a_certificate_after_all_others_expired_is_active_at_once(bench: Bench) {
    use CertificateStatus::*;
    let first = bench.enrolled("a").await;
    let principal = bench.store.principal(&id("a")).await.unwrap().unwrap();
    let commit = issue_at(Redemption::Manual, principal, &key(), NOW.plus(2 * DAY));
    let second: Issued = new(bench.store.commit(commit).await.unwrap());
    assert_eq!(bench.certificate(second.serial()).await.status, Active);
    assert_eq!(bench.last_issued_at().await, Some(NOW.plus(2 * DAY)));
    bench.used(&second).await;
    assert_eq!(bench.certificate(first.serial()).await.status, Superseded);
}

pub(crate) async fn a_recovery_is_taken_with_its_certificate_and_none_is_left_afterwards(bench: Bench) {
    let first = bench.enrolled("a").await;
    let sibling = bench.enrolled("b").await;
    let recover = async |key: &signet_keys::PrivateKey| {
        let principal = bench.store.principal(&id("a")).await.unwrap().unwrap();
        let redemption = Redemption::Recovery { parent: first.serial().clone(), allowance: 1 };
        bench.store.commit(issue_at(redemption, principal, key, NOW.plus(3 * DAY))).await.unwrap()
    };
    let key = key();
    let second = new(recover(&key).await);
    assert_eq!(bench.store.principal(&id("a")).await.unwrap().unwrap().recoveries, Some(0));
    assert_eq!(bench.certificate(second.serial()).await.status, CertificateStatus::Active);
    // The same key is the same recovery; another is a second one.
    assert_eq!(replayed(bench.unchanged_by(recover(&key)).await), second);
    assert_eq!(bench.unchanged_by(recover(&factory::key())).await, Err(Conflict::RecoveryExhausted));
    let allow = signet::store::ChangeDevice {
        step: None,
        recoveries: Some(2),
        ..factory::step("a", signet::store::Step::Suspend)
    };
    bench.store.change_device(allow).await.unwrap().unwrap().unwrap();
    new(recover(&factory::key()).await);
    assert_eq!(bench.store.principal(&id("a")).await.unwrap().unwrap().recoveries, Some(1));
    assert_eq!(bench.certificate(sibling.serial()).await.principal.recoveries, None);
}
