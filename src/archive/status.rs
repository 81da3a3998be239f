//! How the archive is doing, for metrics, readiness of mind and `ca doctor`. Nothing that is decided depends on it.

use std::sync::{Mutex, MutexGuard};

use signet_pki::UnixTime;

use super::ArchiveError;

#[derive(Debug, Default)]
pub struct ArchiveStatus(Mutex<Health>);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Runs that ended early, since the start.
    pub failures: u64,
    /// Why the last run ended early.
    pub problem: Option<String>,
    /// When the oldest segment that is not archived could have been.
    pub due_since: Option<UnixTime>,
    /// The newest archived entry.
    pub archived: u64,
}

impl Health {
    /// Seconds that the archive lags behind.
    pub fn overdue(&self, now: UnixTime) -> i64 {
        self.due_since.map_or(0, |due| now.since(due).max(0))
    }
}

impl ArchiveStatus {
    pub fn health(&self) -> Health {
        self.inner().clone()
    }

    pub(super) fn ran(&self, error: Option<&ArchiveError>) {
        let mut health = self.inner();
        health.failures += u64::from(error.is_some());
        health.problem = error.map(ToString::to_string);
    }

    pub(super) fn archived(&self, last: u64) {
        self.inner().archived = last;
    }

    pub(super) fn closed(&self, last: u64) {
        self.archived(last);
        self.nothing_due();
    }

    pub(super) fn due_since(&self, due: UnixTime) {
        self.inner().due_since = Some(due);
    }

    pub(super) fn nothing_due(&self) {
        self.inner().due_since = None;
    }

    fn inner(&self) -> MutexGuard<'_, Health> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
