//! An auditor that shares no rule with the service: it reads the database file and says what is wrong with it. A mistake
//! has to be made twice to go unseen.

mod archive;
mod audit;
mod certificates;
mod tokens;

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// What is wrong with the database, one sentence each; nothing when all is well.
///
/// `archive` is where the older part of the audit log is, if it has left the database; `issuers` are the certificates, DER, of
/// every issuer that ever signed for this database.
pub(crate) fn violations(
    database: &Path,
    archive: Option<&Path>,
    issuers: &[Vec<u8>],
) -> rusqlite::Result<Vec<String>> {
    let connection = open(database)?;
    // One snapshot for all questions, also while the service writes.
    connection.execute_batch("BEGIN")?;
    let mut report = Report::default();
    for check in ["integrity_check", "foreign_key_check"] {
        let mut statement = connection.prepare(&format!("PRAGMA {check}"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let line: String = row.get(0)?;
            report.unless(line == "ok", || format!("{check}: {line}"));
        }
    }
    let log = audit::read(&connection, archive, &mut report)?;
    certificates::check(&connection, issuers, &log, &mut report)?;
    tokens::check(&connection, &log, &mut report)?;
    Ok(report.0)
}

/// Read-only, so that looking changes nothing.
pub(crate) fn open(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    Ok(connection)
}

#[derive(Default)]
struct Report(Vec<String>);

impl Report {
    fn unless(&mut self, holds: bool, sentence: impl FnOnce() -> String) {
        if !holds {
            self.0.push(sentence());
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
