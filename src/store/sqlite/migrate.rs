//! The schema: ordered SQL files with checksums, applied by a command and never by starting the service.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use signet_pki::Fingerprint;

use super::{OpenError, connect, look, sqlite_error};

/// `(number, SQL)` in order. A released file never changes; its checksum is kept in the database.
const MIGRATIONS: &[(u32, &str)] = &[
    (1, include_str!("../migrations/0001_initial.sql")),
    (2, include_str!("../migrations/0002_bundle_seen.sql")),
    (3, include_str!("../migrations/0003_crl_shards.sql")),
    (4, include_str!("../migrations/0004_recoveries.sql")),
    (5, include_str!("../migrations/0005_audit_segment.sql")),
    (6, include_str!("../migrations/0006_issuers.sql")),
    (7, include_str!("../migrations/0007_access.sql")),
    (8, include_str!("../migrations/0008_policy.sql")),
    (9, include_str!("../migrations/0009_webhooks.sql")),
    (10, include_str!("../migrations/0010_services.sql")),
    (11, include_str!("../migrations/0011_oauth.sql")),
    (12, include_str!("../migrations/0012_tickets.sql")),
    (13, include_str!("../migrations/0013_approvals.sql")),
    (14, include_str!("../migrations/0014_persons.sql")),
    (15, include_str!("../migrations/0015_lineage.sql")),
    (16, include_str!("../migrations/0016_alarms.sql")),
    (17, include_str!("../migrations/0017_rollback_guard.sql")),
];

/// "SGNT": marks the file as ours, so that another program's database is never touched.
const APPLICATION_ID: i32 = 0x5347_4e54;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MigrationReport {
    pub from: u32,
    pub to: u32,
}

/// Creates the database when it is not there, and brings it to the newest schema in one transaction.
pub fn migrate(path: &Path) -> Result<MigrationReport, OpenError> {
    let _lock = lock(path)?;
    if !path.exists() {
        // Readable by the service alone; SQLite gives its log the mode of the database.
        let io = |cause| OpenError::Io { path: path.to_owned(), cause };
        File::options().create_new(true).write(true).mode(0o600).open(path).map_err(io)?;
    } else {
        let found = look(path)?;
        let number = version(path, &found)?;
        verify(path, &found, number)?;
    }
    let mode = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut connection = connect(path, mode)?;
    let from = version(path, &connection)?;
    verify(path, &connection, from)?;
    let fail = |cause| sqlite_error(path, cause);
    let tx = connection.transaction().map_err(fail)?;
    if from == 0 {
        tx.execute_batch("CREATE TABLE migration (number INTEGER PRIMARY KEY, checksum BLOB NOT NULL) STRICT;")
            .map_err(fail)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
    }
    for (number, sql) in MIGRATIONS.iter().filter(|(n, _)| *n > from) {
        tx.execute_batch(sql).map_err(fail)?;
        let checksum = Fingerprint::of(sql.as_bytes()).0;
        tx.execute("INSERT INTO migration (number, checksum) VALUES (?1, ?2)", (number, checksum)).map_err(fail)?;
        tx.pragma_update(None, "user_version", number).map_err(fail)?;
    }
    tx.commit().map_err(fail)?;
    Ok(MigrationReport { from, to: newest() })
}

pub(super) fn require_current(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let found = version(path, connection)?;
    verify(path, connection, found)?;
    if found < newest() {
        return Err(OpenError::Older { path: path.to_owned(), found, needed: newest() });
    }
    Ok(())
}

/// An advisory lock on a file beside the database: a second process is refused at once instead of interleaving.
pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let lock_path = PathBuf::from(format!("{}.lock", path.display()));
    let io = |cause| OpenError::Io { path: lock_path.clone(), cause };
    let file = File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(io)?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse(path.to_owned())),
        Err(cause) => Err(io(cause.into())),
    }
}

fn newest() -> u32 {
    MIGRATIONS.last().map_or(0, |(number, _)| *number)
}

fn version(path: &Path, connection: &Connection) -> Result<u32, OpenError> {
    let read = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let fail = |cause: rusqlite::Error| match cause.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::NotOurs(path.to_owned()),
        _ => sqlite_error(path, cause),
    };
    let number = read("user_version").map_err(fail)?;
    let ours = read("application_id").map_err(fail)? == i64::from(APPLICATION_ID);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fail)?;
    if !ours && (number != 0 || tables != 0) {
        return Err(OpenError::NotOurs(path.to_owned()));
    }
    u32::try_from(number).map_err(|_| OpenError::NotOurs(path.to_owned()))
}

fn verify(path: &Path, connection: &Connection, found: u32) -> Result<(), OpenError> {
    if found > newest() {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: newest() });
    }
    for (number, sql) in MIGRATIONS.iter().filter(|(n, _)| *n <= found) {
        let stored: Option<Vec<u8>> = connection
            .query_row("SELECT checksum FROM migration WHERE number = ?1", [number], |row| row.get(0))
            .optional()
            .map_err(|cause| sqlite_error(path, cause))?;
        if stored.as_deref() != Some(Fingerprint::of(sql.as_bytes()).0.as_slice()) {
            return Err(OpenError::Changed(*number));
        }
    }
    Ok(())
}
