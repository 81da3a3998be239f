//! Whether the open database is still the one that was opened.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::super::*;
use super::writer::{WriteError, WriteTx};
use super::{OpenError, ReadError, SqliteStore, archive, sqlite_error};
use crate::audit::GENESIS;

impl ContinuityStore for SqliteStore {
    fn position(&self) -> Position {
        self.writer.position()
    }

    fn holds(&self, position: Position) -> Answer<'_, bool> {
        self.read(move |c| {
            let archived = archive::newest(c)?.filter(|segment| position.sequence <= segment.name.last);
            match archived {
                Some(segment) if segment.name.last == position.sequence => Ok(segment.last_hash == position.leaf_hash),
                Some(_) => Ok(true),
                None => Ok(holds(c, position)?),
            }
        })
    }

    fn displaced(&self) -> Option<Displaced> {
        self.writer.displaced()
    }

    fn displace(&self, reason: Displaced) {
        self.writer.displace(reason);
    }

    fn is_guarded(&self) -> Answer<'_, bool> {
        self.read(|c| {
            let sql = "SELECT 1 FROM state WHERE name = 'rollback_guard'";
            Ok(c.prepare_cached(sql)?.exists([])?)
        })
    }

    fn note_guard(&self) -> Answer<'_, ()> {
        self.writer.submit(note_guard)
    }
}

fn note_guard(tx: &mut WriteTx<'_>) -> Result<(), WriteError> {
    let sql = "INSERT INTO state (name, value) VALUES ('rollback_guard', 1) ON CONFLICT (name) DO NOTHING";
    tx.connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// Whether the log has the entry. Every log goes through its beginning.
pub(super) fn holds(c: &Connection, position: Position) -> rusqlite::Result<bool> {
    if position.sequence == 0 {
        return Ok(true);
    }
    let hash: Option<[u8; 32]> = c
        .prepare_cached("SELECT leaf_hash FROM audit WHERE sequence = ?1")?
        .query_row([position.sequence as i64], |row| row.get(0))
        .optional()?;
    Ok(hash == Some(position.leaf_hash))
}

/// Refuses to read from a log that no longer has the newest entry.
pub(super) fn require(c: &Connection, position: Position) -> Result<(), ReadError> {
    if holds(c, position)? { Ok(()) } else { Err(ReadError::Displaced(Displaced::RolledBack)) }
}

/// What is known of the open database: where its log ends, which files it is in, and whether it is still the one.
pub(super) struct Continuity {
    position: Mutex<Position>,
    files: Files,
    /// Held while something is written: the file changes then.
    content: Mutex<Content>,
    displaced: OnceLock<Displaced>,
}

impl Continuity {
    /// `before` is what stood at `path` before it was opened.
    pub(super) fn of(path: &Path, before: Option<Identity>, open: &Connection) -> Result<Continuity, OpenError> {
        // A read, so that the write-ahead log is there.
        let position = newest(open).map_err(|cause| sqlite_error(path, cause))?;
        let files = Files::of(path, before, open).map_err(|cause| OpenError::Io { path: path.to_owned(), cause })?;
        let content = Mutex::new(Content::of(open.path().unwrap_or_default()));
        Ok(Continuity { position: Mutex::new(position), files, content, displaced: OnceLock::new() })
    }

    pub(super) fn position(&self) -> Position {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn moves_to(&self, position: Position) {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }

    /// The writer holds this until it has looked.
    pub(super) fn writing(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// While something is written, the writer itself looks at the content.
    pub(super) fn moved(&self) -> Option<Displaced> {
        let content = || self.content.try_lock().ok().is_some_and(|mut content| content.is_other());
        self.files.look().or_else(|| content().then_some(Displaced::OtherContent))
    }

    pub(super) fn moved_after(&self, content: &mut Content) -> Option<Displaced> {
        self.files.look().or_else(|| content.is_other().then_some(Displaced::OtherContent))
    }

    /// Whether this is the first reason.
    pub(super) fn displace(&self, reason: Displaced) -> bool {
        let first = self.displaced.set(reason).is_ok();
        if first {
            tracing::error!(
                %reason,
                "issuing has stopped: put the newest database back and restart; after a restore run 'signetd restored'"
            );
        }
        first
    }

    pub(super) fn require(&self) -> Result<(), Displaced> {
        self.displaced.get().copied().map_or(Ok(()), Err)
    }
}

fn newest(c: &Connection) -> rusqlite::Result<Position> {
    let newest = c
        .query_row("SELECT sequence, leaf_hash FROM audit ORDER BY sequence DESC LIMIT 1", [], |row| {
            Ok(Position { sequence: row.get::<_, i64>(0)? as u64, leaf_hash: row.get(1)? })
        })
        .optional()?;
    Ok(newest.unwrap_or(Position { sequence: 0, leaf_hash: GENESIS }))
}

/// The files of an open database, by device and inode: what was opened stays open when another file takes the path.
struct Files {
    database: (PathBuf, Identity),
    log: Option<(PathBuf, Identity)>,
}

pub(super) type Identity = (u64, u64);

impl Files {
    fn of(path: &Path, before: Option<Identity>, connection: &Connection) -> std::io::Result<Files> {
        let database = identity(path)?;
        if before != Some(database) {
            return Err(std::io::Error::other("another file was put in its place while it was opened"));
        }
        let log = connection.path().map(|open| PathBuf::from(format!("{open}-wal")));
        let log = log.and_then(|log| identity(&log).ok().map(|found| (log, found)));
        Ok(Files { database: (path.to_owned(), database), log })
    }

    fn look(&self) -> Option<Displaced> {
        let (database, log) = (&self.database, self.log.as_ref());
        if is_other(database) {
            return Some(Displaced::OtherFile);
        }
        log.is_some_and(is_other).then_some(Displaced::OtherLog)
    }
}

/// The database file without its log. It changes when the log is folded into it and at no other time, and then it holds
/// whatever it held before.
pub(super) struct Content {
    path: String,
    stamp: Option<(i64, i64, u64)>,
    position: Position,
}

impl Content {
    fn of(path: &str) -> Content {
        let stamp = stamp(path);
        let position = alone(path).and_then(|file| newest(&file));
        Content {
            path: path.to_owned(),
            stamp,
            position: position.unwrap_or(Position { sequence: 0, leaf_hash: GENESIS }),
        }
    }

    /// Reads the file when it has changed, which costs a millisecond for thousands of writes. What cannot be read now, because
    /// it is just being written, is looked at again.
    fn is_other(&mut self) -> bool {
        let found = stamp(&self.path);
        if found.is_none() || found == self.stamp {
            return false;
        }
        let Ok((known, position)) = alone(&self.path).and_then(|file| {
            let archived = archive::newest(&file).ok().flatten().is_some_and(|s| self.position.sequence <= s.name.last);
            Ok((archived || holds(&file, self.position)?, newest(&file)?))
        }) else {
            return false;
        };
        if known {
            (self.stamp, self.position) = (found, position);
        }
        !known
    }
}

/// Time of the last change and size.
fn stamp(path: &str) -> Option<(i64, i64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.mtime(), found.mtime_nsec(), found.len()))
}

/// The file as if it had no log. By way of SQLite, which knows of the locks that this process holds on it.
fn alone(path: &str) -> rusqlite::Result<Connection> {
    let path = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)
}

/// Without opening it: closing it again would end the locks that SQLite holds on it.
pub(super) fn identity(path: &Path) -> std::io::Result<Identity> {
    std::fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

/// A path that cannot be looked at says nothing about the file.
fn is_other((path, opened): &(PathBuf, Identity)) -> bool {
    match identity(path) {
        Ok(found) => found != *opened,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
