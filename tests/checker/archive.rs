//! The part of the log that has left the database, read from its files.

use std::io::Read;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use flate2::read::MultiGzDecoder;
use rusqlite::Connection;

use super::audit::leaf_hash;
use super::{Report, hex};

/// Every archived entry, the first of the log first.
pub(super) fn lines(
    connection: &Connection,
    archive: Option<&Path>,
    report: &mut Report,
) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        connection.prepare("SELECT first, last, last_hash, file_sha256 FROM audit_segment ORDER BY last")?;
    let mut rows = statement.query([])?;
    let (mut lines, mut ends) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let (first, last) = (row.get::<_, i64>(0)? as usize, row.get::<_, i64>(1)? as usize);
        let (last_hash, sha256): (Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(3)?);
        let name = format!("audit-{first:012}-{last:012}");
        report.unless(first == lines.len() + 1, || format!("{name}: the segment before ends with {}", lines.len()));
        let Some(archive) = archive else {
            report.0.push(format!("{name} has left the database, and no archive was shown"));
            continue;
        };
        let Some(text) = read(&archive.join(format!("{name}.jsonl.gz")), &sha256, report) else { continue };
        lines.extend(text.lines().map(str::to_owned));
        report.unless(lines.len() == last, || format!("{name}: it ends with {}", lines.len()));
        let end = lines.last().map(|line| leaf_hash(line)).unwrap_or_default();
        report.unless(end == hex(&last_hash), || format!("{name}: it ends with another entry than was recorded"));
        let note = std::fs::read_to_string(archive.join(format!("{name}.checkpoint"))).unwrap_or_default();
        let size = note.lines().nth(1).map(str::to_owned);
        report.unless(size == Some(last.to_string()), || format!("{name}: a checkpoint of {size:?} entries"));
        ends.push((name, end));
    }
    tell(connection, &lines, &ends, report)?;
    Ok(lines)
}

/// A segment is a change of state, so an entry tells of it; by now that may be archived itself.
fn tell(
    connection: &Connection,
    lines: &[String],
    ends: &[(String, String)],
    report: &mut Report,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT canonical FROM audit WHERE kind = 'audit.archived'")?;
    let rows: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let tells = |line: &&String| line.contains("\"kind\":\"audit.archived\"");
    let told: Vec<&String> = rows.iter().chain(lines.iter().filter(tells)).collect();
    for (name, end) in ends {
        let holds = told.iter().any(|line| line.contains(name) && line.contains(end));
        report.unless(holds, || format!("{name}: no entry tells of it"));
    }
    Ok(())
}

fn read(path: &Path, sha256: &[u8], report: &mut Report) -> Option<String> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            report.0.push(format!("{}: {error}", path.display()));
            return None;
        }
    };
    let same = digest(&SHA256, &bytes).as_ref() == sha256;
    report.unless(same, || format!("{}: not the file that was recorded", path.display()));
    let mut text = String::new();
    match MultiGzDecoder::new(bytes.as_slice()).read_to_string(&mut text) {
        Ok(_) => Some(text),
        Err(error) => {
            report.0.push(format!("{}: {error}", path.display()));
            None
        }
    }
}
