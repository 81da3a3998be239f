//! The chain, recomputed from its bytes.

use std::collections::BTreeMap;

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::Connection;
use serde_json::Value;

use super::{Report, archive, hex};

/// What the log says happened.
#[derive(Default)]
pub(super) struct Log {
    /// Actors of the issuance entries of a serial number.
    pub(super) issued: BTreeMap<String, Vec<String>>,
    /// The highest number that was reserved for a list of an issuer.
    pub(super) numbers: BTreeMap<String, u64>,
    /// The latest time that any entry carries.
    pub(super) latest: i64,
}

const ISSUANCE: [&str; 4] =
    ["certificate.enrolled", "certificate.renewed", "certificate.issued_manually", "certificate.issued_by_operator"];

/// Archive and database as one log.
pub(super) fn read(connection: &Connection, archive: Option<&Path>, report: &mut Report) -> rusqlite::Result<Log> {
    let mut log = Log::default();
    let archived = archive::lines(connection, archive, report)?;
    let mut previous = "0".repeat(64);
    for (sequence, canonical) in (1..).zip(&archived) {
        previous = leaf(&mut log, &previous, sequence, canonical, None, report);
    }
    let mut statement = connection.prepare(
        "SELECT sequence, at, kind, actor, subject, request, canonical, leaf_hash FROM audit ORDER BY sequence",
    )?;
    let mut rows = statement.query([])?;
    let end = archived.len() as i64;
    let (mut expected, mut left) = (end + 1, None);
    while let Some(row) = rows.next()? {
        let sequence: i64 = row.get(0)?;
        let at: i64 = row.get(1)?;
        let columns: [String; 4] = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
        let canonical: String = row.get(6)?;
        let stored: Vec<u8> = row.get(7)?;
        // Recorded and not removed yet: an unbroken piece up to the end of the archive.
        if sequence <= end {
            let whole = left.is_none_or(|last| last + 1 == sequence);
            report.unless(whole, || format!("audit: {sequence} stands after {left:?}, and both are archived"));
            let same = archived[sequence as usize - 1] == canonical;
            report.unless(same, || format!("audit {sequence}: the archive has another entry"));
            left = Some(sequence);
            continue;
        }
        let whole = left.take().is_none_or(|last| last == end);
        report.unless(whole, || format!("audit: the archive ends with {end}, what is left of it does not"));
        report.unless(sequence == expected, || format!("audit: {sequence} stands where {expected} belongs"));
        expected = sequence + 1;
        let of_bytes = leaf_hash(&canonical);
        report.unless(of_bytes == hex(&stored), || format!("audit {sequence}: the hash is not that of its bytes"));
        leaf(&mut log, &previous, sequence, &canonical, Some((at, &columns)), report);
        previous = hex(&stored);
    }
    Ok(log)
}

/// One entry behind another, and what stands beside it when it is a row. Its hash.
fn leaf(
    log: &mut Log,
    previous: &str,
    sequence: i64,
    canonical: &str,
    row: Option<(i64, &[String; 4])>,
    report: &mut Report,
) -> String {
    let hash = leaf_hash(canonical);
    let Ok(value) = serde_json::from_str::<Value>(canonical) else {
        report.0.push(format!("audit {sequence}: not JSON"));
        return hash;
    };
    let rebuilt = value.to_string();
    report.unless(rebuilt == canonical, || format!("audit {sequence}: the bytes are not canonical"));
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    report.unless(text("prev") == previous, || format!("audit {sequence}: it does not follow the one before"));
    report.unless(value["seq"].as_i64() == Some(sequence), || format!("audit {sequence}: another sequence inside"));
    let inside = ["kind", "actor", "subject", "request"].map(text);
    let at = value["at"].as_i64().unwrap_or_default();
    if let Some((stored, columns)) = row {
        report.unless(at == stored, || format!("audit {sequence}: another time inside"));
        for (key, (inside, column)) in ["kind", "actor", "subject", "request"].iter().zip(inside.iter().zip(columns)) {
            report.unless(inside == column, || format!("audit {sequence}: another {key} inside"));
        }
    }
    log.latest = log.latest.max(at);
    // What the columns say is what the service reads.
    note(log, sequence, row.map_or(&inside, |(_, columns)| columns), &value["detail"], report);
    hash
}

pub(super) fn leaf_hash(canonical: &str) -> String {
    hex(digest(&SHA256, &[&[0], canonical.as_bytes()].concat()).as_ref())
}

fn note(log: &mut Log, sequence: i64, [kind, actor, subject, _]: &[String; 4], detail: &Value, report: &mut Report) {
    if ISSUANCE.contains(&kind.as_str()) {
        let serial = detail["serial"].as_str().unwrap_or_default().to_owned();
        report.unless(!serial.is_empty(), || format!("audit {sequence}: an issuance without a serial number"));
        log.issued.entry(serial).or_default().push(actor.clone());
    }
    if kind == "crl.numbered" {
        let number = detail["number"].as_u64().unwrap_or_default();
        let before = log.numbers.insert(subject.clone(), number).unwrap_or_default();
        report.unless(number > before, || format!("audit {sequence}: CRL number {number} follows {before}"));
    }
}
