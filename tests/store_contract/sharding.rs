//! Lists of shards: how many there have to be, and what stands on which.

use signet::store::{RevokeTarget, ShardedDelta, Sharding};
use signet_pki::crl::{Entries, Reason};

use crate::bench::Bench;
use crate::factory::{self, DAY, NOW, authority, draft, prune, restoration, target_device, target_serial};

const ISSUER: &[u8] = b"issuer";

pub(crate) async fn lists_of_an_earlier_number_go_on_for_the_longest_life(bench: Bench) {
    let noted = async |configured, days: i64| {
        let draft = factory::AuditDraft { at: NOW.plus(days * DAY), ..draft("crl.sharded", "crl") };
        bench.store.shard(ISSUER, configured, draft).await.unwrap().lists
    };
    assert_eq!(noted(0, 0).await, 0);
    assert!(bench.audit().await.is_empty(), "nothing was noted");
    assert_eq!(noted(16, 0).await, 16);
    assert_eq!(noted(16, 1).await, 16);
    assert_eq!(bench.audit().await.len(), 1, "the same number again is no change");
    assert_eq!(noted(4, 2).await, 16);
    assert_eq!(noted(0, 3).await, 16);
    assert_eq!(noted(0, 2 + 366).await, 16, "one issued on the second day may live until now");
    assert_eq!(noted(0, 2 + 367).await, 4);
    // Taken up again in time, it counts from its new end.
    assert_eq!(noted(4, 2 + 367).await, 4);
    assert_eq!(noted(0, 2 * 367).await, 4);
    assert_eq!(noted(0, 3 * 367 + 1).await, 0);
    let other = bench.store.shard(b"another issuer", 0, draft("crl.sharded", "crl")).await.unwrap();
    assert_eq!(other, Sharding { lists: 0 });
}

pub(crate) async fn a_revocation_goes_to_the_list_that_its_certificate_names(bench: Bench) {
    let issuer = authority().issuer.key_identifier();
    let after = |sequence| bench.store.sharded_revocations_after(issuer, sequence);
    let of = |shard, through| bench.store.revocations_of_shard(issuer, shard, through);
    let entry = |serial: &signet_pki::Serial| {
        let mut entries = Entries::new();
        entries.push(serial, NOW, Reason::KeyCompromise);
        entries
    };
    assert_eq!(after(0).await.unwrap(), ShardedDelta::default());
    let (three, nine) = (bench.in_shard("a", 3).await, bench.in_shard("b", 9).await);
    let (again, none) = (bench.in_shard("c", 3).await, bench.enrolled("d").await);
    bench.revoke(target_serial(three.serial())).await;
    let first = after(0).await.unwrap();
    assert_eq!((first.unsharded, first.shards.into_iter().collect()), (0, vec![(3, entry(three.serial()))]));
    bench.revoke(target_device("b")).await;
    bench.revoke(RevokeTarget::Serial(none.serial().clone())).await;
    bench.revoke(target_device("c")).await;
    let delta = after(first.sequence).await.unwrap();
    assert_eq!(delta.unsharded, 1);
    let expected = vec![(3, entry(again.serial())), (9, entry(nine.serial()))];
    assert_eq!(delta.shards.into_iter().collect::<Vec<_>>(), expected);
    let mut both = entry(three.serial());
    both.append(entry(again.serial()).as_bytes()).unwrap();
    assert_eq!(of(3, delta.sequence).await.unwrap(), both);
    assert_eq!(of(3, first.sequence).await.unwrap(), entry(three.serial()), "not beyond what was asked for");
    assert_eq!(of(4, delta.sequence).await.unwrap(), Entries::new());
    assert_eq!(bench.store.revocations_after(issuer, 0).await.unwrap().entries.count(), 4, "the full list has all");
    assert_eq!(bench.store.sharded_revocations_after(b"another issuer", 0).await.unwrap(), ShardedDelta::default());
    bench.store.prune(prune(NOW.plus(2 * DAY), 100)).await.unwrap();
    assert_eq!(of(3, delta.sequence).await.unwrap(), Entries::new());
}

pub(crate) async fn t31_an_unknown_revocation_goes_where_the_present_number_puts_it(bench: Bench) {
    let issuer = authority().issuer.key_identifier();
    bench.store.shard(issuer, 8, draft("crl.sharded", "crl")).await.unwrap();
    let mut random = [5; 20];
    random[19] = 0x16;
    let serial = signet_pki::Serial::from_random(random);
    let known = bench.in_shard("a", 3).await;
    let order = restoration(issuer, &[serial, known.serial().clone()]);
    assert_eq!(bench.store.restored(order).await.unwrap().unknown, 1);
    let delta = bench.store.sharded_revocations_after(issuer, 0).await.unwrap();
    assert_eq!(delta.shards.keys().copied().collect::<Vec<_>>(), [3, 6]);
    assert_eq!(delta.unsharded, 0);
}

pub(crate) async fn a_spoiled_entry_is_corrupt_and_on_no_list(bench: Bench) {
    let issuer = authority().issuer.key_identifier();
    let device = bench.in_shard("a", 3).await;
    bench.revoke(target_serial(device.serial())).await;
    // From the whole entry to nothing, so that each has something to start from.
    for bad in ["CAST(entry || entry AS BLOB)", "substr(entry, 1, 20)", "x'3000'", "x'00'", "x''"] {
        bench.backend.spoil(&format!("UPDATE revocation SET entry = {bad}"));
        let corrupt = |e| matches!(e, signet::store::StoreError::Corrupt(_));
        assert!(corrupt(bench.store.revocations_after(issuer, 0).await.unwrap_err()), "{bad}");
        assert!(corrupt(bench.store.sharded_revocations_after(issuer, 0).await.unwrap_err()), "{bad}");
        assert!(corrupt(bench.store.revocations_of_shard(issuer, 3, u64::MAX >> 1).await.unwrap_err()), "{bad}");
    }
}
