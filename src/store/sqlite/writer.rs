//! The writer: one thread, one connection, many requests to a transaction.
//!
//! Requests that wait are carried out in one transaction and share its fsync. One that changes nothing has nothing to take
//! back, and requests look for conflicts before their first change; so a group runs without savepoints. Should one have to be
//! taken back after it changed something, the whole group is rolled back and carried out again, each in its own savepoint:
//! one request's conflict, error or panic takes back its own changes and no one else's. Answers leave after the commit; when
//! the commit fails, every request of the group is told so and none of its effects is there.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use signet_api::alarms::is_alarm;
use tokio::sync::{mpsc, oneshot, watch};

use super::super::{Answer, AuditDraft, Displaced, Position, StoreCounters, StoreError};
use super::continuity::{Content, Continuity, holds};
use crate::audit::Entry;

/// What a request may do inside the transaction.
pub(super) struct WriteTx<'a> {
    pub(super) connection: &'a Connection,
    chain: &'a mut Position,
}

/// A request's own failure: its savepoint is rolled back.
#[derive(Debug)]
pub(super) enum WriteError {
    Sqlite(rusqlite::Error),
    Corrupt(&'static str),
    Displaced(Displaced),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> WriteError {
        WriteError::Sqlite(error)
    }
}

impl From<super::ReadError> for WriteError {
    fn from(error: super::ReadError) -> WriteError {
        match error {
            super::ReadError::Sqlite(error) => WriteError::Sqlite(error),
            super::ReadError::Corrupt(what) => WriteError::Corrupt(what),
            super::ReadError::Displaced(reason) => WriteError::Displaced(reason),
        }
    }
}

impl From<WriteError> for StoreError {
    fn from(error: WriteError) -> StoreError {
        match error {
            WriteError::Sqlite(error) => StoreError::Unavailable(error.to_string()),
            WriteError::Corrupt(what) => StoreError::Corrupt(what.into()),
            WriteError::Displaced(reason) => StoreError::Displaced(reason),
        }
    }
}

/// The result of a request: what to answer, and whether its changes stay.
pub(super) trait Verdict {
    fn keeps_changes(&self) -> bool;
}

impl WriteTx<'_> {
    /// Appends the audit entry of this request.
    pub(super) fn audit(&mut self, draft: &AuditDraft) -> Result<(), WriteError> {
        self.append(&Entry::from(draft))
    }

    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), WriteError> {
        let leaf = entry.append(&self.chain.leaf_hash, self.chain.sequence + 1);
        self.connection
            .prepare_cached(
                "INSERT INTO audit (sequence, at, kind, actor, subject, request, canonical, leaf_hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                leaf.sequence as i64,
                entry.at.0,
                entry.kind,
                &entry.actor,
                &entry.subject,
                &entry.request_id,
                &leaf.canonical,
                leaf.hash.as_slice(),
            ))?;
        *self.chain = Position { sequence: leaf.sequence, leaf_hash: leaf.hash };
        // Whichever way it comes into the log, an alarm is open from then on.
        if is_alarm(entry.kind) { super::alarms::note(self.connection, entry, &leaf) } else { Ok(()) }
    }
}

/// A queued request.
trait Job: Send {
    /// Carries it out, and says whether its changes stay. Called again when the transaction was rolled back.
    fn run(&mut self, tx: &mut WriteTx<'_>) -> Keep;
    /// Tells the caller, once the fate of the commit is known.
    fn answer(self: Box<Self>, commit: Result<(), StoreError>);
}

struct Request<W, T> {
    work: W,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<W, T> Job for Request<W, T>
where
    W: FnMut(&mut WriteTx<'_>) -> Result<T, WriteError> + Send,
    T: Verdict + Send,
{
    fn run(&mut self, tx: &mut WriteTx<'_>) -> Keep {
        let result = (self.work)(tx).map_err(StoreError::from);
        let keep = if result.as_ref().is_ok_and(Verdict::keeps_changes) { Keep::Changes } else { Keep::Nothing };
        self.result = Some(result);
        keep
    }

    fn answer(self: Box<Self>, commit: Result<(), StoreError>) {
        // A request that never ran was in a transaction that failed.
        let _ = self.answer.send(commit.and(self.result.unwrap_or_else(|| Err(closed_error()))));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Changes,
    Nothing,
}

/// Requests that may wait. At ten thousand commits a second this is a tenth of a second of work; beyond it is
/// better to answer "busy" at once than late.
const QUEUE: usize = 1024;
/// Requests to one transaction: bounds the time that a reader's snapshot falls behind and what a failed commit loses.
const GROUP: usize = 256;

pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    shared: Arc<Shared>,
}

/// What the thread tells everyone.
struct Shared {
    closed: AtomicBool,
    commits: AtomicU64,
    requests: AtomicU64,
    revision: AtomicU64,
    /// The newest audit entry that is durable.
    head: watch::Sender<u64>,
    continuity: Continuity,
}

impl Shared {
    fn of(continuity: Continuity) -> Shared {
        Shared {
            closed: AtomicBool::default(),
            commits: AtomicU64::default(),
            requests: AtomicU64::default(),
            revision: AtomicU64::default(),
            head: watch::Sender::new(continuity.position().sequence),
            continuity,
        }
    }

    fn displace(&self, reason: Displaced) {
        if self.continuity.displace(reason) {
            // What was concluded from the store before is not to be believed any more.
            self.revision.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn look_after(&self, content: &mut Content) -> Result<(), Displaced> {
        if let Some(reason) = self.continuity.moved_after(content) {
            self.displace(reason);
        }
        self.continuity.require()
    }

    /// Whether the files still stand at their paths and the log still goes on, as far as is known.
    fn look(&self) -> Result<(), Displaced> {
        if let Some(reason) = self.continuity.moved() {
            self.displace(reason);
        }
        self.continuity.require()
    }
}

enum Message {
    Work(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

impl Writer {
    /// Takes the connection and the process lock, which is released when the thread ends.
    pub(super) fn start(connection: Connection, lock: File, continuity: Continuity) -> rusqlite::Result<Writer> {
        let (chain, revoked) = (continuity.position(), newest_revocation(&connection)?);
        let (queue, jobs) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared::of(continuity));
        let seen_by_thread = shared.clone();
        let spawned = std::thread::Builder::new().name("store-writer".into()).spawn(move || {
            let closing = run(connection, State { chain, revoked }, jobs, &seen_by_thread);
            seen_by_thread.closed.store(true, Ordering::SeqCst);
            drop(lock);
            // Last: whoever waits for this may open the database again at once.
            if let Some(done) = closing {
                let _ = done.send(());
            }
        });
        spawned.map_err(|_| rusqlite::Error::InvalidQuery)?;
        Ok(Writer { queue, shared })
    }

    /// Whether the store may be read.
    pub(super) fn require_open(&self) -> Result<(), StoreError> {
        self.shared.continuity.require()?;
        if self.shared.closed.load(Ordering::SeqCst) { Err(closed_error()) } else { Ok(()) }
    }

    pub(super) fn position(&self) -> Position {
        self.shared.continuity.position()
    }

    pub(super) fn displaced(&self) -> Option<Displaced> {
        self.shared.look().err()
    }

    pub(super) fn displace(&self, reason: Displaced) {
        self.shared.displace(reason);
    }

    /// Stops the store when a read found that it was displaced.
    pub(super) fn watch<T>(&self, read: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Displaced(reason)) = &read {
            self.displace(*reason);
        }
        read
    }

    pub(super) fn head(&self) -> watch::Receiver<u64> {
        self.shared.head.subscribe()
    }

    pub(super) fn counters(&self) -> StoreCounters {
        StoreCounters {
            commits: self.shared.commits.load(Ordering::Relaxed),
            requests: self.shared.requests.load(Ordering::Relaxed),
            // After it is seen, so is what the commit before it changed.
            revision: self.shared.revision.load(Ordering::SeqCst),
        }
    }

    /// Queues a request. The changes of a request whose answer [`Verdict::keeps_changes`] denies are taken back. It may run
    /// twice, the second time after everything that the first did was rolled back.
    pub(super) fn submit<T: Verdict + Send + 'static>(
        &self,
        work: impl FnMut(&mut WriteTx<'_>) -> Result<T, WriteError> + Send + 'static,
    ) -> Answer<'static, T> {
        let (answer, waiting) = oneshot::channel();
        let job = Box::new(Request { work, result: None, answer });
        let queued = self.queue.try_send(Message::Work(job)).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => closed_error(),
        });
        Box::pin(async move {
            queued?;
            let unanswered = || StoreError::Unavailable("the writer ended before it came to this request".into());
            waiting.await.unwrap_or_else(|_| Err(unanswered()))
        })
    }

    pub(super) fn close(&self) -> Answer<'static, ()> {
        let queue = self.queue.clone();
        Box::pin(async move {
            let (done, waiting) = oneshot::channel();
            if queue.send(Message::Close(done)).await.is_ok() {
                let _ = waiting.await;
            }
            Ok(())
        })
    }
}

fn closed_error() -> StoreError {
    StoreError::Unavailable("it is closed".into())
}

/// What the writer remembers from one transaction to the next.
struct State {
    chain: Position,
    /// The newest row of the revocations.
    revoked: Option<i64>,
}

fn newest_revocation(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached("SELECT max(sequence) FROM revocation")?.query_row([], |row| row.get(0))
}

/// Works until it is told to close, and answers whom to tell that it has.
fn run(
    connection: Connection,
    mut state: State,
    mut jobs: mpsc::Receiver<Message>,
    shared: &Shared,
) -> Option<oneshot::Sender<()>> {
    let mut closing = None;
    while closing.is_none() {
        let Some(first) = jobs.blocking_recv() else { break };
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Work(job) => group.push(job),
                Message::Close(done) => {
                    closing = Some(done);
                    jobs.close();
                }
            }
            next = if group.len() < GROUP { jobs.try_recv().ok() } else { None };
        }
        if !group.is_empty() {
            shared.commits.fetch_add(1, Ordering::Relaxed);
            shared.requests.fetch_add(group.len() as u64, Ordering::Relaxed);
            commit_group(&connection, &mut state, group, shared);
        }
    }
    // What was queued behind the close request is dropped here, and told "closed" by its sender's absence.
    drop(jobs);
    if shared.look().err() == Some(Displaced::OtherContent) {
        // What is in the log must not be mixed with what was put into the file.
        let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
    } else {
        // Folds the log into the file, so that after an orderly stop a copy of the one file is a whole backup.
        let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
    }
    let _ = connection.close();
    closing
}

fn commit_group(connection: &Connection, state: &mut State, group: Vec<Box<dyn Job>>, shared: &Shared) {
    let before = state.chain;
    // A place is empty once its request has panicked: its caller hears that there is no answer.
    let mut group: Vec<Option<Box<dyn Job>>> = group.into_iter().map(Some).collect();
    if let Err(reason) = shared.continuity.require() {
        return answer(group, Err(reason.into()));
    }
    let mut content = shared.continuity.writing();
    let mut outcome = run_group(connection, &mut state.chain, &mut group, Guard::Transaction);
    if matches!(outcome, Ok(Ran::Spoiled)) {
        state.chain = before;
        outcome = run_group(connection, &mut state.chain, &mut group, Guard::Savepoints);
    }
    // However a revocation came in. A commit that failed may have happened all the same.
    let revoked = match outcome {
        Ok(Ran::Committed(newest)) => Some(newest),
        Ok(Ran::Spoiled | Ran::RolledBack) | Err(_) => None,
    };
    if revoked != Some(state.revoked) {
        state.revoked = revoked.flatten();
        shared.revision.fetch_add(1, Ordering::SeqCst);
    }
    if matches!(outcome, Ok(Ran::RolledBack)) {
        shared.displace(Displaced::RolledBack);
    }
    let fate = match outcome {
        // A commit into a file that has lost its path is lost.
        Ok(_) => shared.look_after(&mut content).map_err(StoreError::from),
        Err(error) => {
            state.chain = before;
            // Harmless when no transaction is open any more.
            let _ = connection.execute_batch("ROLLBACK");
            Err(StoreError::Unavailable(error.to_string()))
        }
    };
    // Before the answers: who has one finds the head at least where it belongs. After a failure the chain is where it was.
    let newest = state.chain.sequence;
    shared.continuity.moves_to(state.chain);
    shared.head.send_if_modified(|head| std::mem::replace(head, newest) != newest);
    answer(group, fate);
}

fn answer(group: Vec<Option<Box<dyn Job>>>, fate: Result<(), StoreError>) {
    for job in group.into_iter().flatten() {
        job.answer(fate.clone());
    }
}

/// What a request's changes can be taken back with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// Together with those of the whole group.
    Transaction,
    /// Alone. It costs a copy of every page that is touched.
    Savepoints,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ran {
    /// With the newest row of the revocations.
    Committed(Option<i64>),
    /// A request had to be taken back and took the others along: nothing has happened.
    Spoiled,
    /// The log no longer has the entry that it is to go on from: nothing has happened.
    RolledBack,
}

fn run_group(
    connection: &Connection,
    chain: &mut Position,
    group: &mut [Option<Box<dyn Job>>],
    guard: Guard,
) -> rusqlite::Result<Ran> {
    let execute = |sql: &str| connection.prepare_cached(sql)?.execute([]);
    execute("BEGIN IMMEDIATE")?;
    if !holds(connection, *chain)? {
        execute("ROLLBACK")?;
        return Ok(Ran::RolledBack);
    }
    // Alone in its transaction a request needs no savepoint: the transaction is one.
    let alone = group.len() == 1;
    for place in group {
        let Some(job) = place else { continue };
        if guard == Guard::Savepoints {
            execute("SAVEPOINT request")?;
        }
        let (before, changes) = (*chain, connection.total_changes());
        // A fault of ours in one request must not end the writer for all others.
        let ran = catch_unwind(AssertUnwindSafe(|| job.run(&mut WriteTx { connection, chain: &mut *chain })));
        if ran.is_err() {
            *place = None;
        }
        let keep = ran.unwrap_or(Keep::Nothing);
        match guard {
            Guard::Transaction if keep == Keep::Changes => {}
            Guard::Transaction if connection.total_changes() == changes && !connection.is_autocommit() => {}
            Guard::Transaction => {
                *chain = before;
                // Fails when SQLite has rolled back by itself (a full disk, say), and then nobody's changes are there.
                execute("ROLLBACK")?;
                return if alone { newest_revocation(connection).map(Ran::Committed) } else { Ok(Ran::Spoiled) };
            }
            Guard::Savepoints => {
                if keep == Keep::Nothing {
                    *chain = before;
                    execute("ROLLBACK TO request")?;
                }
                execute("RELEASE request")?;
            }
        }
    }
    let revoked = newest_revocation(connection)?;
    execute("COMMIT")?;
    Ok(Ran::Committed(revoked))
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
