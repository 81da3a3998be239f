//! The chain, recomputed from its bytes.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::Connection;
use serde_json::Value;

use super::{Report, hex};

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

pub(super) fn read(connection: &Connection, report: &mut Report) -> rusqlite::Result<Log> {
    let mut statement = connection.prepare(
        "SELECT sequence, at, kind, actor, subject, request, canonical, leaf_hash FROM audit ORDER BY sequence",
    )?;
    let mut rows = statement.query([])?;
    let (mut log, mut expected, mut previous) = (Log::default(), 1i64, "0".repeat(64));
    while let Some(row) = rows.next()? {
        let sequence: i64 = row.get(0)?;
        let at: i64 = row.get(1)?;
        let columns: [String; 4] = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
        let canonical: String = row.get(6)?;
        let stored: Vec<u8> = row.get(7)?;
        report.unless(sequence == expected, || format!("audit: {sequence} stands where {expected} belongs"));
        expected = sequence + 1;
        let leaf = hex(digest(&SHA256, &[&[0], canonical.as_bytes()].concat()).as_ref());
        report.unless(leaf == hex(&stored), || format!("audit {sequence}: the hash is not that of its bytes"));
        let Ok(value) = serde_json::from_str::<Value>(&canonical) else {
            report.0.push(format!("audit {sequence}: not JSON"));
            continue;
        };
        let rebuilt = value.to_string();
        report.unless(rebuilt == canonical, || format!("audit {sequence}: the bytes are not canonical"));
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        report.unless(text("prev") == previous, || format!("audit {sequence}: it does not follow the one before"));
        report.unless(value["seq"].as_i64() == Some(sequence), || format!("audit {sequence}: another sequence inside"));
        report.unless(value["at"].as_i64() == Some(at), || format!("audit {sequence}: another time inside"));
        for (key, column) in ["kind", "actor", "subject", "request"].iter().zip(&columns) {
            report.unless(&text(key) == column, || format!("audit {sequence}: another {key} inside"));
        }
        previous = hex(&stored);
        log.latest = log.latest.max(at);
        note(&mut log, sequence, &columns, &value["detail"], report);
    }
    Ok(log)
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
