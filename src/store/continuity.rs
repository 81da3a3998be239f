//! Whether the live database is still the one that was opened, and the rollback guard that it remembers.

use thiserror::Error;

use super::Answer;

/// An entry of the audit log. A database that holds it has everything that happened until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// 0 before the first entry.
    pub sequence: u64,
    pub leaf_hash: [u8; 32],
}

/// Why an open database is no longer used. It stays so until the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Displaced {
    #[error("the database was rolled back while the service ran: the newest entry of its audit log is gone")]
    RolledBack,
    #[error("another file was put in the place of the open database")]
    OtherFile,
    #[error("the write-ahead log of the open database was removed or replaced")]
    OtherLog,
    /// What stands in the log belongs to another file: both together are no database.
    #[error("another database was copied into the open file")]
    OtherContent,
    #[error("the rollback guard names an audit entry that the open database does not hold")]
    OtherGuard,
}

/// All reasons of [`Displaced`] but the last are found by the store itself: at every read and write that its log still ends
/// where it was left, and after every write that its files still stand at their paths and hold what they held.
pub trait ContinuityStore: Send + Sync {
    /// The newest entry that was committed here, or found when the database was opened.
    fn position(&self) -> Position;
    /// Whether the log goes through a position. Of an entry that has left for the archive its number has to do.
    fn holds(&self, position: Position) -> Answer<'_, bool>;
    /// Looks at the files, and answers why nothing is read or written any more.
    fn displaced(&self) -> Option<Displaced>;
    /// Refuses every read and write from now on.
    fn displace(&self, reason: Displaced);
    /// Whether the database remembers that a rollback guard was made for it.
    fn is_guarded(&self) -> Answer<'_, bool>;
    fn note_guard(&self) -> Answer<'_, ()>;
}
