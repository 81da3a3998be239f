use serde_json::json;
use signet_pki::UnixTime;

use super::*;
use crate::audit::{AuditDraft, Entry, GENESIS, Leaf};

fn log(length: u64) -> Vec<Leaf> {
    let mut leaves: Vec<Leaf> = Vec::new();
    for sequence in 1..=length {
        let draft = AuditDraft {
            kind: "alarm.test",
            actor: "signetd".into(),
            subject: format!("two\nlines-{sequence}"),
            request_id: "r".into(),
            detail: json!({}),
            at: UnixTime(5),
        };
        let previous = leaves.last().map_or(GENESIS, |leaf: &Leaf| leaf.hash);
        leaves.push(Entry::from(&draft).append(&previous, sequence));
    }
    leaves
}

fn build(leaves: &[Leaf], previous: [u8; 32], frontier: Frontier) -> Built {
    let mut builder = SegmentBuilder::after(previous, frontier);
    leaves.iter().for_each(|leaf| builder.push(&leaf.canonical, &leaf.hash).unwrap());
    builder.finish().unwrap()
}

fn gz(text: &str) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

#[test]
fn segments_follow_one_another_and_are_read_back() {
    let log = log(20);
    let one = build(&log[..8], GENESIS, Frontier::default());
    let two = build(&log[8..], one.last_hash, one.frontier.clone());
    let whole = build(&log, GENESIS, Frontier::default());
    assert_eq!((two.last_hash, &two.frontier), (log[19].hash, &whole.frontier));
    let (first, second) = (SegmentName { first: 1, last: 8 }, SegmentName { first: 9, last: 20 });
    assert_eq!(read_back(&one.bytes, first, GENESIS).unwrap(), log[7].hash);
    assert_eq!(read_back(&two.bytes, second, one.last_hash).unwrap(), log[19].hash);
    assert!(read_back(&two.bytes, second, GENESIS).is_err());
    assert!(read_back(&one.bytes, second, GENESIS).is_err());
}

#[test]
fn a_leaf_that_does_not_follow_is_not_taken() {
    let log = log(3);
    let mut builder = SegmentBuilder::after(GENESIS, Frontier::default());
    builder.push(&log[0].canonical, &log[0].hash).unwrap();
    assert_eq!(builder.push(&log[2].canonical, &log[2].hash), Err(Broken(2)));
    let forged = log[1].canonical.replace("lines-2", "lines-9");
    assert_eq!(builder.push(&forged, &log[1].hash), Err(Broken(2)));
}

#[test]
fn a_file_that_was_cut_lengthened_or_changed_is_not_read_back() {
    let log = log(6);
    let name = SegmentName { first: 1, last: 6 };
    let whole: String = log.iter().map(|leaf| leaf.canonical.clone() + "\n").collect();
    assert!(read_back(&gz(&whole), name, GENESIS).is_ok());
    let good = gz(&whole);
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let damaged = [
        good[..good.len() - 9].to_vec(),
        [good.clone(), gz("more")].concat(),
        [good.clone(), b"x".to_vec()].concat(),
        gz(&(whole.clone() + "x")),
        gz(whole.trim_end()),
        gz(&lines[..5].concat()),
        gz(&lines[1..].concat()),
        gz(&whole.replacen("lines-3", "lines-4", 1)),
        gz(""),
        whole.into_bytes(),
        Vec::new(),
    ];
    for (at, bytes) in damaged.iter().enumerate() {
        assert!(read_back(bytes, name, GENESIS).is_err(), "damage {at}");
    }
}

#[test]
fn names_sort_as_the_log_does_and_have_one_spelling() {
    let name = SegmentName { first: 1, last: 100_000 };
    assert_eq!(name.file(), "audit-000000000001-000000100000.jsonl.gz");
    assert_eq!(SegmentName::parse(&name.file()), Some(name));
    assert_eq!(name.entries(), 100_000);
    for other in [
        "audit-1-100000.jsonl.gz",
        "audit-000000000000-000000000001.jsonl.gz",
        "audit-000000000002-000000000001.jsonl.gz",
        "audit-000000000001-000000100000.jsonl",
        "audit-+00000000001-000000100000.jsonl.gz",
        ".audit-000000000001-000000100000.jsonl.gz",
    ] {
        assert_eq!(SegmentName::parse(other), None, "{other}");
    }
}
