//! SQLite: one writer thread with group commit, a few readers that never wait for it.

mod access;
mod accounts;
mod alarms;
mod approvals;
mod archive;
mod changing;
mod continuity;
mod decode;
mod ending;
mod facts;
mod issuers;
mod issuing;
mod lineage;
mod listing;
mod migrate;
mod oauth;
mod policy;
mod reads;
mod restoring;
mod revoking;
mod services;
mod sharding;
mod tickets;
mod tokens;
mod webhooks;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use signet_api::CredentialId;
use signet_api::admin::{AuditQuery, DeviceQuery, Page, TokenQuery};
use signet_pki::crl::Entries;
use signet_pki::{DeviceId, Fingerprint, Serial, UnixTime};
use thiserror::Error;
use tokio::sync::watch;

use super::*;
use continuity::Continuity;
pub use migrate::{MigrationReport, migrate};
use writer::Writer;

#[derive(Debug, Error)]
pub enum OpenError {
    #[error("there is no database at {0}")]
    Missing(PathBuf),
    #[error("the database {0} is in use by another process")]
    InUse(PathBuf),
    #[error("the database {path} has schema {found}, this program knows up to {known}")]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("the database {path} has schema {found}, this program needs {needed}")]
    Older { path: PathBuf, found: u32, needed: u32 },
    #[error("migration {0} in the database is not the one that this program knows")]
    Changed(u32),
    #[error("the file {0} is not a Signet database")]
    NotOurs(PathBuf),
    #[error("the database {path}: {cause}")]
    Sqlite { path: PathBuf, cause: rusqlite::Error },
    #[error("the database {path}: {cause}")]
    Io { path: PathBuf, cause: std::io::Error },
}

impl OpenError {
    pub fn hint(&self) -> &'static str {
        match self {
            OpenError::Missing(_) => "create it with 'signetd migrate --config FILE'",
            OpenError::InUse(_) => "stop the other signetd first; one database belongs to one process",
            OpenError::Newer { .. } => "use the signetd that wrote it, or a newer one; nothing was changed",
            OpenError::Older { .. } => "make a backup, then run 'signetd migrate --config FILE'",
            OpenError::Changed(_) | OpenError::NotOurs(_) => {
                "check store.path in the configuration; nothing was changed"
            }
            OpenError::Sqlite { .. } | OpenError::Io { .. } => "check the path, its permissions and the free space",
        }
    }
}

/// Readers beside the writer; two cores keep no more of them busy.
const READERS: usize = 4;

pub struct SqliteStore {
    writer: Writer,
    readers: Arc<Readers>,
}

impl SqliteStore {
    /// Opens an existing, migrated database and takes it for this process alone.
    pub fn open(path: &Path) -> Result<SqliteStore, OpenError> {
        let lock = migrate::lock(path)?;
        // On a connection that can change nothing: the file may be somebody else's.
        migrate::require_current(path, &look(path)?)?;
        let before = continuity::identity(path).ok();
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let readers = Arc::new(Readers::open(path)?);
        let continuity = Continuity::of(path, before, &connection)?;
        let writer = Writer::start(connection, lock, continuity).map_err(|cause| sqlite_error(path, cause))?;
        Ok(SqliteStore { writer, readers })
    }

    /// Runs a short read on the calling thread: a handful of B-tree steps in the page cache.
    fn read<T: Send + 'static>(&self, query: impl FnOnce(&Connection) -> Result<T, ReadError>) -> Answer<'_, T> {
        let result = self.open_readers().and_then(|readers| self.writer.watch(readers.run(self.position(), query)));
        Box::pin(std::future::ready(result))
    }

    /// Runs a read that may touch many rows beside the runtime.
    fn read_long<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, ReadError> + Send + 'static,
    ) -> Answer<'_, T> {
        let readers = self.open_readers().cloned();
        let position = self.position();
        Box::pin(async move {
            let readers = readers?;
            let task = tokio::task::spawn_blocking(move || readers.run(position, query));
            self.writer.watch(task.await.unwrap_or_else(|e| Err(StoreError::Unavailable(e.to_string()))))
        })
    }

    fn open_readers(&self) -> Result<&Arc<Readers>, StoreError> {
        self.writer.require_open()?;
        Ok(&self.readers)
    }
}

/// Read-only connections, handed out to whoever comes.
struct Readers {
    connections: Vec<Mutex<Connection>>,
    next: AtomicUsize,
}

impl Readers {
    fn open(path: &Path) -> Result<Readers, OpenError> {
        let one = |_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map(Mutex::new);
        Ok(Readers { connections: (0..READERS).map(one).collect::<Result<_, _>>()?, next: AtomicUsize::new(0) })
    }

    /// `position` was in the database before the read: should it be gone, the database was rolled back.
    fn run<T>(
        &self,
        position: Position,
        query: impl FnOnce(&Connection) -> Result<T, ReadError>,
    ) -> Result<T, StoreError> {
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        // A free reader if there is one, else wait for the one whose turn it is.
        let free = (0..READERS).find_map(|i| self.connections[(start + i) % READERS].try_lock().ok());
        let connection = match free {
            Some(connection) => connection,
            None => self.connections[start % READERS].lock().unwrap_or_else(|poisoned| poisoned.into_inner()),
        };
        continuity::require(&connection, position).and_then(|()| query(&connection)).map_err(StoreError::from)
    }
}

/// A read that failed: SQLite's fault, or a row that makes no sense.
#[derive(Debug)]
enum ReadError {
    Sqlite(rusqlite::Error),
    Corrupt(&'static str),
    Displaced(Displaced),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> ReadError {
        match error {
            // What `decode` could not make sense of.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => ReadError::Corrupt("a column has an impossible value"),
            other => ReadError::Sqlite(other),
        }
    }
}

impl From<ReadError> for StoreError {
    fn from(error: ReadError) -> StoreError {
        match error {
            ReadError::Sqlite(error) => StoreError::Unavailable(error.to_string()),
            ReadError::Corrupt(what) => StoreError::Corrupt(what.into()),
            ReadError::Displaced(reason) => StoreError::Displaced(reason),
        }
    }
}

fn sqlite_error(path: &Path, cause: rusqlite::Error) -> OpenError {
    OpenError::Sqlite { path: path.to_owned(), cause }
}

/// Opens without setting anything.
fn look(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags).map_err(|cause| match cause.sqlite_error_code() {
        Some(rusqlite::ErrorCode::CannotOpen) if !path.exists() => OpenError::Missing(path.to_owned()),
        _ => sqlite_error(path, cause),
    })
}

fn connect(path: &Path, mode: OpenFlags) -> Result<Connection, OpenError> {
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|cause| match cause.sqlite_error_code() {
        Some(rusqlite::ErrorCode::CannotOpen) if !path.exists() => OpenError::Missing(path.to_owned()),
        _ => sqlite_error(path, cause),
    })?;
    configure(&connection, mode).map_err(|cause| match cause.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::NotOurs(path.to_owned()),
        _ => sqlite_error(path, cause),
    })?;
    Ok(connection)
}

/// WAL so that readers and the writer do not wait for each other; FULL so that a commit is on disk when it is answered.
fn configure(connection: &Connection, mode: OpenFlags) -> rusqlite::Result<()> {
    if mode.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) {
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // 32 MiB of log between two checkpoints: a page that changes in every commit is copied back once for thousands.
        connection.pragma_update(None, "wal_autocheckpoint", 8192)?;
        // What a savepoint keeps to take itself back stays in memory instead of a file for each.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
    }
    // A plan is made once and not anew for every bound value; without this, partial indexes make the planner look again.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // 8 MiB of pages a connection.
    connection.pragma_update(None, "cache_size", -8192)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.busy_timeout(std::time::Duration::from_secs(5))
}

impl Store for SqliteStore {
    fn create_tokens(&self, order: CreateTokens) -> Answer<'_, Result<(), TokenConflict>> {
        self.writer.submit(move |tx| tokens::create(tx, &order))
    }

    fn commit(&self, issue: IssueCommit) -> Answer<'_, Result<Committed, Conflict>> {
        self.writer.submit(move |tx| issuing::commit(tx, &issue))
    }

    fn claim(&self, claim: Claim) -> Answer<'_, Result<(), Conflict>> {
        self.writer.submit(move |tx| tokens::claim(tx, &claim))
    }

    fn revoke(&self, order: RevokeOrder) -> Answer<'_, Revoked> {
        self.writer.submit(move |tx| revoking::revoke(tx, &order))
    }

    fn revoke_tokens(&self, order: RevokeTokens) -> Answer<'_, Vec<CredentialId>> {
        self.writer.submit(move |tx| tokens::revoke(tx, &order))
    }

    fn change_device(&self, order: ChangeDevice) -> Answer<'_, Option<Result<PrincipalRecord, Conflict>>> {
        self.writer.submit(move |tx| revoking::change_device(tx, &order))
    }

    fn mark_used(&self, serial: &Serial, draft: AuditDraft) -> Answer<'_, ()> {
        let serial = serial.clone();
        self.writer.submit(move |tx| issuing::mark_used(tx, &serial, &draft))
    }

    fn quarantine(&self, serial: &Serial, draft: AuditDraft) -> Answer<'_, ()> {
        let serial = serial.clone();
        self.writer.submit(move |tx| revoking::quarantine(tx, &serial, &draft))
    }

    fn alarm(&self, serial: Option<&Serial>, draft: AuditDraft) -> Answer<'_, ()> {
        let serial = serial.cloned();
        self.writer.submit(move |tx| issuing::alarm(tx, serial.as_ref(), &draft))
    }

    fn next_crl_number(&self, issuer: &[u8], floor: u64, draft: AuditDraft) -> Answer<'_, u64> {
        let issuer = issuer.to_vec();
        self.writer.submit(move |tx| revoking::next_crl_number(tx, &issuer, floor, &draft))
    }

    fn shard(&self, issuer: &[u8], configured: u16, draft: AuditDraft) -> Answer<'_, Sharding> {
        let issuer = issuer.to_vec();
        self.writer.submit(move |tx| sharding::shard(tx, &issuer, configured, &draft))
    }

    fn note_issuers(&self, order: NoteIssuers) -> Answer<'_, Vec<IssuerRecord>> {
        self.writer.submit(move |tx| issuers::note(tx, &order))
    }

    fn step_issuer(&self, order: IssuerStep) -> Answer<'_, Result<(), StageConflict>> {
        self.writer.submit(move |tx| issuers::step(tx, &order))
    }

    fn prune(&self, order: Prune) -> Answer<'_, Pruned> {
        self.writer.submit(move |tx| revoking::prune(tx, &order))
    }

    fn record_audit_segment(
        &self,
        segment: AuditSegment,
        draft: AuditDraft,
    ) -> Answer<'_, Result<(), SegmentConflict>> {
        self.writer.submit(move |tx| archive::record(tx, &segment, &draft))
    }

    fn prune_audit(&self, through: u64, limit: u32) -> Answer<'_, u64> {
        self.writer.submit(move |tx| archive::prune(tx, through, limit))
    }

    fn accept_clock(&self, draft: AuditDraft) -> Answer<'_, ()> {
        self.writer.submit(move |tx| restoring::accept_clock(tx, &draft))
    }

    fn restored(&self, order: Restoration) -> Answer<'_, Adopted> {
        self.writer.submit(move |tx| restoring::restored(tx, &order))
    }

    fn token(&self, id: &CredentialId) -> Answer<'_, Option<TokenRecord>> {
        self.read(|c| reads::token(c, id))
    }

    fn certificate(&self, serial: &Serial) -> Answer<'_, Option<CertificateRecord>> {
        self.read(|c| reads::certificate(c, serial))
    }

    fn standing(&self, issuer: &[u8], serial: &Serial) -> Answer<'_, Option<Standing>> {
        self.read(|c| reads::standing(c, issuer, serial))
    }

    fn principal(&self, id: &DeviceId) -> Answer<'_, Option<PrincipalRecord>> {
        self.read(|c| reads::principal(c, id))
    }

    fn key_owner(&self, spki: &Fingerprint) -> Answer<'_, Option<DeviceId>> {
        self.read(|c| reads::key_owner(c, spki))
    }

    fn renewed(&self, parent: &Serial, spki: &Fingerprint) -> Answer<'_, Option<Issued>> {
        self.read(|c| Ok(reads::renewed(c, parent, spki)?.filter(CertificateRecord::can_be_repeated).map(Issued::from)))
    }

    fn certificates_of(&self, id: &DeviceId) -> Answer<'_, Listed<CertificateRecord>> {
        self.read(|c| reads::certificates_of(c, id))
    }

    fn tokens(&self, query: TokenQuery, now: UnixTime) -> Answer<'_, Page<TokenRecord>> {
        self.read_long(move |c| reads::tokens(c, &query, now))
    }

    fn devices(&self, query: DeviceQuery, now: UnixTime) -> Answer<'_, Page<DeviceRow>> {
        self.read_long(move |c| reads::devices(c, &query, now))
    }

    fn revocations_after(&self, issuer: &[u8], sequence: u64) -> Answer<'_, RevocationDelta> {
        let issuer = issuer.to_vec();
        self.read_long(move |c| reads::revocations_after(c, &issuer, sequence))
    }

    fn sharded_revocations_after(&self, issuer: &[u8], sequence: u64) -> Answer<'_, ShardedDelta> {
        let issuer = issuer.to_vec();
        self.read_long(move |c| sharding::revocations_after(c, &issuer, sequence))
    }

    fn revocations_of_shard(&self, issuer: &[u8], shard: u16, through: u64) -> Answer<'_, Entries> {
        let issuer = issuer.to_vec();
        self.read_long(move |c| sharding::revocations_of(c, &issuer, shard, through))
    }

    fn audit(&self, query: AuditQuery) -> Answer<'_, Vec<AuditRow>> {
        self.read_long(move |c| reads::audit(c, &query))
    }

    fn audit_page(&self, query: AuditQuery) -> Answer<'_, Page<AuditRow>> {
        self.read_long(move |c| reads::audit_page(c, &query))
    }

    fn audit_of_request(&self, request_id: &str) -> Answer<'_, Vec<AuditRow>> {
        self.read(|c| reads::audit_of_request(c, request_id))
    }

    fn bundle_holders(&self, now: UnixTime) -> Answer<'_, Vec<BundleHolders>> {
        self.read_long(move |c| reads::bundle_holders(c, now))
    }

    fn last_audit_segment(&self) -> Answer<'_, Option<AuditSegment>> {
        self.read(archive::newest)
    }

    fn audit_segments(&self, after: u64, limit: u32) -> Answer<'_, Vec<AuditSegment>> {
        self.read(move |c| archive::after(c, after, limit))
    }

    fn issuers(&self) -> Answer<'_, Vec<IssuerRecord>> {
        self.read(issuers::all)
    }

    fn issuer_use(&self, issuer: &[u8], now: UnixTime, but: &str) -> Answer<'_, IssuerUse> {
        let (issuer, but) = (issuer.to_vec(), but.to_owned());
        self.read_long(move |c| issuers::usage(c, &issuer, now, &but))
    }

    fn last_issued_at(&self) -> Answer<'_, Option<UnixTime>> {
        self.read(reads::last_issued_at)
    }

    fn audit_head(&self) -> watch::Receiver<u64> {
        self.writer.head()
    }

    fn counters(&self) -> StoreCounters {
        self.writer.counters()
    }

    fn health(&self) -> Answer<'_, ()> {
        self.writer.submit(revoking::heartbeat)
    }

    fn close(&self) -> Answer<'_, ()> {
        self.writer.close()
    }
}
