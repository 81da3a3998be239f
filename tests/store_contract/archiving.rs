//! Entries that stand in a file leave the log from its front, and the chain goes on from where they ended.

use signet::audit::merkle::Frontier;
use signet::audit::segment::SegmentName;
use signet::audit::{GENESIS, follows};
use signet::store::{AuditRow, AuditSegment, SegmentConflict, StoreError};
use signet_api::admin::AuditQuery;

use crate::bench::{Bench, at_once};
use crate::factory::{NOW, draft};

async fn entries(bench: &Bench, count: usize) {
    let alarm = |n: usize| {
        let (store, draft) = (bench.store.clone(), draft("alarm.test", &format!("s-{n}")));
        async move { store.alarm(None, draft).await.unwrap() }
    };
    at_once((0..count).map(alarm).collect()).await;
}

async fn rows(bench: &Bench) -> Vec<AuditRow> {
    let query = AuditQuery { after: Some(0), limit: Some(1000), ..AuditQuery::default() };
    bench.store.audit(query).await.unwrap()
}

/// The segment that a faithful archive would record.
fn segment(log: &[AuditRow], first: u64, last: u64) -> AuditSegment {
    let mut frontier = Frontier::default();
    log[..last as usize].iter().for_each(|row| frontier.push(row.leaf_hash));
    let last_hash = log[last as usize - 1].leaf_hash;
    AuditSegment { name: SegmentName { first, last }, last_hash, frontier, file_sha256: [4; 32], at: NOW }
}

async fn record(bench: &Bench, segment: &AuditSegment) -> Result<(), SegmentConflict> {
    let draft = draft("audit.archived", &segment.name.file());
    bench.store.record_audit_segment(segment.clone(), draft).await.unwrap()
}

pub(crate) async fn segments_are_recorded_once_in_order_and_without_a_gap(bench: Bench) {
    entries(&bench, 30).await;
    let log = rows(&bench).await;
    assert_eq!(bench.store.last_audit_segment().await.unwrap(), None);
    assert!(bench.store.audit_segments(0, 10).await.unwrap().is_empty());
    let (one, two) = (segment(&log, 1, 10), segment(&log, 11, 20));
    let refused = [
        (two.clone(), SegmentConflict::NotNext),
        (AuditSegment { name: SegmentName { first: 1, last: 0 }, ..one.clone() }, SegmentConflict::NotNext),
        (AuditSegment { frontier: two.frontier.clone(), ..one.clone() }, SegmentConflict::NotNext),
        (AuditSegment { last_hash: two.last_hash, ..one.clone() }, SegmentConflict::OtherEntries),
    ];
    for (wrong, conflict) in refused {
        assert_eq!(bench.unchanged_by(record(&bench, &wrong)).await, Err(conflict));
    }
    assert_eq!(record(&bench, &one).await, Ok(()));
    // Again, overlapping, and beyond the end.
    assert_eq!(bench.unchanged_by(record(&bench, &one)).await, Err(SegmentConflict::NotNext));
    let overlap = segment(&log, 10, 20);
    assert_eq!(bench.unchanged_by(record(&bench, &overlap)).await, Err(SegmentConflict::NotNext));
    let mut frontier = two.frontier.clone();
    (21..=40).for_each(|_| frontier.push(two.last_hash));
    let beyond = AuditSegment { name: SegmentName { first: 11, last: 40 }, frontier, ..two.clone() };
    assert_eq!(bench.unchanged_by(record(&bench, &beyond)).await, Err(SegmentConflict::OtherEntries));
    assert_eq!(record(&bench, &two).await, Ok(()));
    // Each left its own entry, and every field comes back.
    assert_eq!(bench.audit().await.iter().filter(|row| row.kind == "audit.archived").count(), 2);
    assert_eq!(bench.store.last_audit_segment().await.unwrap(), Some(two.clone()));
    assert_eq!(bench.store.audit_segments(0, 10).await.unwrap(), [one.clone(), two.clone()]);
    for after in [0, 9] {
        assert_eq!(bench.store.audit_segments(after, 1).await.unwrap(), std::slice::from_ref(&one));
    }
    assert_eq!(bench.store.audit_segments(10, 10).await.unwrap(), [two]);
    assert!(bench.store.audit_segments(u64::MAX, 10).await.unwrap().is_empty());
}

pub(crate) async fn only_what_stands_in_a_segment_is_removed_and_from_the_front(bench: Bench) {
    entries(&bench, 30).await;
    let log = rows(&bench).await;
    assert_eq!(bench.unchanged_by(bench.store.prune_audit(30, 100)).await, Ok(0));
    record(&bench, &segment(&log, 1, 10)).await.unwrap();
    record(&bench, &segment(&log, 11, 20)).await.unwrap();
    let mut left = Vec::new();
    for (through, limit, removed) in [(10, 4, 4), (10, 100, 6), (10, 100, 0), (u64::MAX, 7, 7), (u64::MAX, 100, 3)] {
        assert_eq!(bench.store.prune_audit(through, limit).await, Ok(removed));
        left.push(rows(&bench).await[0].sequence);
    }
    assert_eq!(left, [5, 11, 11, 18, 21]);
    assert_eq!(rows(&bench).await[..10], log[20..]);
    assert!(bench.store.audit_of_request("req-of-nobody").await.unwrap().is_empty());
}

pub(crate) async fn the_chain_goes_on_from_the_anchor(bench: Bench) {
    entries(&bench, 12).await;
    let segment = segment(&rows(&bench).await, 1, 12);
    record(&bench, &segment).await.unwrap();
    bench.store.prune_audit(12, 100).await.unwrap();
    entries(&bench, 3).await;
    let (mut previous, mut sequence) = (segment.last_hash, 12);
    for row in rows(&bench).await {
        sequence += 1;
        assert!(follows(&previous, sequence, &row.canonical, &row.leaf_hash), "{row:?}");
        previous = row.leaf_hash;
    }
    // The entry that tells of the segment, and three more.
    assert_eq!(sequence, 16);
    assert_ne!(previous, GENESIS);
}

pub(crate) async fn a_spoiled_segment_is_corrupt(bench: Bench) {
    entries(&bench, 3).await;
    record(&bench, &segment(&rows(&bench).await, 1, 3)).await.unwrap();
    for (column, bad) in [("frontier", "x'00'"), ("first", "-1"), ("last_hash", "x'00'"), ("file_sha256", "x''")] {
        bench.backend.spoil(&format!(
            "CREATE TABLE good AS SELECT {column} AS v FROM audit_segment; UPDATE audit_segment SET {column} = {bad}"
        ));
        let read = bench.store.last_audit_segment().await;
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{column}: {read:?}");
        let list = bench.store.audit_segments(0, 10).await;
        assert!(matches!(list, Err(StoreError::Corrupt(_))), "{column}: {list:?}");
        bench.backend.spoil(&format!("UPDATE audit_segment SET {column} = (SELECT v FROM good); DROP TABLE good"));
        bench.store.last_audit_segment().await.unwrap();
    }
}
