use serde_json::json;

use super::*;

/// A log as the service would keep it.
pub(in crate::online) fn log(length: u64) -> Vec<AuditEntry> {
    let mut previous = "0".repeat(64);
    let mut entries = Vec::new();
    for sequence in 1..=length {
        let entry = leaf(sequence, &previous, &format!("sensor-{sequence}"));
        previous = entry.leaf_hash.clone();
        entries.push(entry);
    }
    entries
}

fn leaf(sequence: u64, previous: &str, subject: &str) -> AuditEntry {
    entry(sequence, previous, "device.enrolled", subject, json!({"profile": "device"}))
}

/// What the service writes when it has recorded a segment.
pub(in crate::online) fn archived(sequence: u64, previous: &str, last: u64, last_hash: &str) -> AuditEntry {
    entry(sequence, previous, "audit.archived", "audit-x", json!({"last": last, "last_hash": last_hash}))
}

fn entry(sequence: u64, previous: &str, kind: &str, subject: &str, detail: Value) -> AuditEntry {
    let canonical = json!({
        "actor": "admin:alice", "at": 1_800_000_000, "detail": detail, "kind": kind, "prev": previous,
        "request": "r1", "seq": sequence, "subject": subject
    })
    .to_string();
    AuditEntry {
        sequence,
        at: UnixTime(1_800_000_000).to_string(),
        kind: kind.into(),
        actor: "admin:alice".into(),
        subject: subject.into(),
        detail,
        leaf_hash: leaf_hash(&canonical),
        canonical,
    }
}

fn verify(entries: &[AuditEntry], head: &str, count: u64) -> Result<ChainCheck, String> {
    let mut check = ChainCheck::after(0, "").must_meet(count, head, NEWEST);
    entries.iter().try_for_each(|entry| check.push(entry))?;
    check.finish()?;
    Ok(check)
}

/// As the command says it.
const NEWEST: &str = "the service named";

pub(in crate::online) fn head(entries: &[AuditEntry]) -> String {
    entries.last().map(|e| e.leaf_hash.clone()).unwrap_or_default()
}

#[test]
fn a_whole_log_is_intact_and_may_have_grown_meanwhile() {
    let entries = log(5);
    assert_eq!(verify(&entries, &head(&entries), 5).unwrap().entries(), 5);
    assert_eq!(verify(&entries, &head(&entries[..3]), 3).unwrap().head(), head(&entries));
    assert_eq!(verify(&[], "", 0).unwrap().entries(), 0);
}

#[test]
fn the_hash_is_that_of_rfc_6962() {
    // printf '\0' | sha256sum, the leaf hash of empty bytes.
    assert_eq!(leaf_hash(""), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
}

#[test]
fn a_gap_a_swap_and_a_cut_are_noticed() {
    let entries = log(5);
    let mut gap = entries.clone();
    gap.remove(2);
    assert!(verify(&gap, &head(&entries), 5).unwrap_err().contains("entry 3 is missing"));
    let mut swapped = entries.clone();
    swapped.swap(1, 2);
    assert!(verify(&swapped, &head(&entries), 5).unwrap_err().contains("entry 2 is missing"));
    assert!(verify(&entries[..4], &head(&entries), 5).unwrap_err().contains("was cut"));
    assert!(verify(&entries[1..], &head(&entries), 5).unwrap_err().contains("entry 1 is missing"));
}

#[test]
fn a_changed_entry_is_noticed_with_and_without_a_new_hash() {
    let entries = log(5);
    let mut changed = entries.clone();
    changed[2].canonical = changed[2].canonical.replace("sensor-3", "sensor-9");
    assert!(verify(&changed, &head(&entries), 5).unwrap_err().contains("entry 3 was changed"));
    // The forger recomputes this leaf, and then the next one does not follow.
    let mut forged = entries.clone();
    forged[2] = leaf(3, &entries[1].leaf_hash, "sensor-9");
    assert!(verify(&forged, &head(&entries), 5).unwrap_err().contains("entry 4 does not follow"));
    // The forger recomputes everything, and then the head is another one.
    let mut rewritten = entries[..2].to_vec();
    for sequence in 3..=5 {
        rewritten.push(leaf(sequence, &head(&rewritten), "sensor-9"));
    }
    assert!(verify(&rewritten, &head(&entries), 5).unwrap_err().contains("not the one that the service named"));
}

#[test]
fn what_is_shown_must_be_what_was_hashed() {
    let entries = log(1);
    let shown = |change: &dyn Fn(&mut AuditEntry)| {
        let mut one = entries.clone();
        change(&mut one[0]);
        verify(&one, &head(&entries), 1).unwrap_err()
    };
    for said in [
        shown(&|e| e.actor = "admin:bob".into()),
        shown(&|e| e.kind = "device.renewed".into()),
        shown(&|e| e.subject = "sensor-2".into()),
        shown(&|e| e.at = "2020-01-01T00:00:00Z".into()),
        shown(&|e| e.detail = json!({})),
    ] {
        assert!(said.contains("shown differently"), "{said}");
    }
}

#[test]
fn a_log_that_was_archived_goes_on_from_the_end_that_it_tells_of() {
    let whole = log(8);
    let anchor = &whole[3].leaf_hash;
    let mut rest = whole[4..].to_vec();
    rest.push(archived(9, &head(&whole), 4, anchor));
    let walk = |last: u64, hash: &str, entries: &[AuditEntry]| {
        let mut check = ChainCheck::after(last, hash).must_meet(6, &whole[5].leaf_hash, "the archive holds");
        entries.iter().try_for_each(|entry| check.push(entry))?;
        check.finish()
    };
    assert_eq!(walk(4, anchor, &rest), Ok(()));
    assert!(walk(4, &whole[4].leaf_hash, &rest).unwrap_err().contains("entry 5 does not follow"));
    assert!(walk(3, &whole[2].leaf_hash, &rest).unwrap_err().contains("entry 4 is missing"));
    assert!(walk(4, anchor, &rest[..4]).unwrap_err().contains("no entry tells"));
    assert!(walk(4, anchor, &rest[..1]).unwrap_err().contains("ends with entry 5, and the archive holds 6"));
    // Somebody put another end in the place of the one that was recorded.
    let lie = [&rest[..4], &[archived(9, &head(&whole), 4, &whole[4].leaf_hash)]].concat();
    assert!(walk(4, anchor, &lie).unwrap_err().contains("tells of another archive"));
}
