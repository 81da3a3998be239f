//! Taking old entries of the audit log out of the database: into a file, read back, recorded, and only then removed.
//!
//! There is no plan that a crash could tear: every run looks at what is there and goes on. A file that was not recorded is
//! read like one that was just written; entries that were recorded and are still there are removed first.

mod files;
mod status;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use signet_api::admin::AuditQuery;
use signet_keys::files::FileError;
use signet_pki::{Fingerprint, TrustDomain, UnixTime};
use thiserror::Error;

use crate::audit::checkpoint::{self, Checkpoint};
use crate::audit::merkle::Frontier;
use crate::audit::segment::{Broken, Built, SegmentBuilder, SegmentName};
use crate::audit::{AuditDraft, GENESIS, hex};
use crate::issuer::{Issuers, SignError};
use crate::store::{AuditRow, AuditSegment, SegmentConflict, Store, StoreError};

pub use files::probe;
use files::{Files, Signers};
pub use status::{ArchiveStatus, Health};

#[derive(Debug, Error)]
pub enum ArchiveError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Nothing is archived beyond it: what is wrong must stay to be looked at.
    #[error("the log in the database is not whole: {0}")]
    Broken(#[from] Broken),
    #[error("{} is in the way: {what}", path.display())]
    Foreign { path: PathBuf, what: String },
    /// Its entries stay in the database.
    #[error("{} is not what was recorded about it: {what}", path.display())]
    Lost { path: PathBuf, what: String },
    #[error("the database did not take the segment: {0:?}")]
    Conflict(SegmentConflict),
    #[error("no issuer is active, so nothing signs the head of the log")]
    NoIssuer,
    #[error("{0}")]
    Failed(String),
}

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worked {
    pub segments: u64,
    /// Entries that left the database.
    pub removed: u64,
}

pub struct Archive {
    files: Files,
    /// Seconds.
    keep: i64,
    segment_entries: u64,
    origin: String,
    store: Arc<dyn Store>,
    issuers: Arc<Issuers>,
    status: ArchiveStatus,
}

/// The settings of an archive.
pub struct Plan<'a> {
    pub directory: PathBuf,
    /// Days that an entry stays in the database.
    pub keep_days: u32,
    pub segment_entries: u32,
    pub domain: &'a TrustDomain,
}

impl Archive {
    pub fn new(plan: Plan<'_>, store: Arc<dyn Store>, issuers: Arc<Issuers>) -> Archive {
        Archive {
            files: Files::new(plan.directory),
            keep: i64::from(plan.keep_days) * DAY,
            segment_entries: u64::from(plan.segment_entries),
            origin: checkpoint::origin(plan.domain),
            store,
            issuers,
            status: ArchiveStatus::default(),
        }
    }

    pub fn directory(&self) -> &Path {
        self.files.directory()
    }

    pub fn status(&self) -> &ArchiveStatus {
        &self.status
    }

    /// Removes what is recorded and closes every segment that is due. The next call repeats what failed.
    pub async fn work(&self, now: UnixTime, request_id: &str) -> Result<Worked, ArchiveError> {
        let mut done = Worked::default();
        let outcome = loop {
            match self.step(now, request_id).await {
                Ok(Some(step)) => {
                    done.segments += step.segments;
                    done.removed += step.removed;
                }
                Ok(None) => break Ok(done),
                Err(error) => break Err(error),
            }
        };
        self.status.ran(outcome.as_ref().err());
        outcome
    }

    /// One segment further; `None` when nothing is left to do.
    async fn step(&self, now: UnixTime, request_id: &str) -> Result<Option<Worked>, ArchiveError> {
        let removed = self.remove_recorded().await?;
        let previous = self.store.last_audit_segment().await?;
        self.status.archived(previous.as_ref().map_or(0, |segment| segment.name.last));
        let closed = self.close_oldest(previous, now, request_id).await?;
        Ok((closed || removed > 0).then_some(Worked { segments: u64::from(closed), removed }))
    }

    /// Entries leave when the file that holds them has just been found to be the one that was recorded.
    async fn remove_recorded(&self) -> Result<u64, ArchiveError> {
        let mut removed = 0;
        while let Some(oldest) = self.entry_after(0).await? {
            let Some(segment) = self.store.audit_segments(oldest.sequence - 1, 1).await?.pop() else { break };
            let (files, last) = (self.files.clone(), segment.name.last);
            blocking(move || files.require(&segment)).await?;
            loop {
                let step = self.store.prune_audit(last, PRUNE_ROWS).await?;
                removed += step;
                if step < u64::from(PRUNE_ROWS) {
                    break;
                }
                // Requests that came meanwhile go first.
                tokio::task::yield_now().await;
            }
        }
        Ok(removed)
    }

    async fn close_oldest(
        &self,
        previous: Option<AuditSegment>,
        now: UnixTime,
        request_id: &str,
    ) -> Result<bool, ArchiveError> {
        let (end, anchor, frontier) =
            previous.map_or((0, GENESIS, Frontier::default()), |s| (s.name.last, s.last_hash, s.frontier));
        let planned = SegmentName { first: end + 1, last: end + self.segment_entries };
        let files = self.files.clone();
        let left = blocking(move || files.beginning_with(planned.first)).await?;
        let name = left.unwrap_or(planned);
        let Some(newest) = self.entry_after(name.last - 1).await? else {
            self.status.nothing_due();
            return match left {
                Some(name) => Err(self.files.foreign(name, "the database has not come so far")),
                None => Ok(false),
            };
        };
        let due = newest.at.plus(self.keep);
        if due > now {
            self.status.nothing_due();
            return Ok(false);
        }
        self.status.due_since(due);
        let Some(built) = self.build(name, SegmentBuilder::after(anchor, frontier), now).await? else {
            self.status.nothing_due();
            return Ok(false);
        };
        self.keep(name, anchor, built, (now, request_id)).await?;
        Ok(true)
    }

    /// Reads the entries and checks their chain. `None` when one of them is too young.
    async fn build(
        &self,
        name: SegmentName,
        builder: SegmentBuilder,
        now: UnixTime,
    ) -> Result<Option<Built>, ArchiveError> {
        let (mut builder, mut next) = (builder, name.first);
        while next <= name.last {
            let limit = (name.last + 1 - next).min(PAGE);
            let query = AuditQuery { after: Some(next - 1), limit: Some(limit as u32), ..AuditQuery::default() };
            let rows = self.store.audit(query).await?;
            // What was written when the clock was ahead of now says nothing about its age; its successors do.
            if rows.iter().any(|row| row.at <= now && row.at.plus(self.keep) > now) {
                return Ok(None);
            }
            if rows.is_empty() {
                return Err(Broken(next).into());
            }
            next += rows.len() as u64;
            builder = blocking(move || {
                rows.iter().try_for_each(|row| builder.push(&row.canonical, &row.leaf_hash))?;
                Ok(builder)
            })
            .await?;
        }
        let built = blocking(move || builder.finish().map_err(|e| ArchiveError::Failed(e.to_string()))).await?;
        Ok(Some(built))
    }

    /// Segment and checkpoint on disk and read back; then the record.
    async fn keep(
        &self,
        name: SegmentName,
        anchor: [u8; 32],
        built: Built,
        (now, request_id): (UnixTime, &str),
    ) -> Result<(), ArchiveError> {
        let (last_hash, frontier) = (built.last_hash, built.frontier.clone());
        let head = Checkpoint { origin: self.origin.clone(), size: frontier.size(), root: frontier.root() };
        let issuer = self.issuers.active().ok_or(ArchiveError::NoIssuer)?;
        let note = issuer.sign_checkpoint(head.clone()).await?;
        let (files, signers) = (self.files.clone(), Signers::of(&issuer, &self.issuers));
        let root = head.root;
        let sha256 = blocking(move || files.write(name, &built, anchor, (&head, &note), &signers)).await?;
        let segment = AuditSegment { name, last_hash, frontier, file_sha256: sha256.0, at: now };
        let draft = AuditDraft {
            kind: "audit.archived",
            actor: "signetd".into(),
            subject: name.file(),
            request_id: request_id.to_owned(),
            detail: json!({
                "first": name.first,
                "last": name.last,
                "last_hash": hex(&last_hash),
                "root": hex(&root),
                "file_sha256": hex(&sha256.0),
            }),
            at: now,
        };
        self.store.record_audit_segment(segment, draft).await?.map_err(ArchiveError::Conflict)?;
        self.status.closed(name.last);
        Ok(())
    }

    /// The first entry after a sequence number; `None` when the log has not come so far.
    async fn entry_after(&self, sequence: u64) -> Result<Option<AuditRow>, StoreError> {
        let query = AuditQuery { after: Some(sequence), limit: Some(1), ..AuditQuery::default() };
        Ok(self.store.audit(query).await?.pop())
    }
}

/// Compressing, hashing and flushing wait for neither the runtime nor it for them.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArchiveError> + Send + 'static,
) -> Result<T, ArchiveError> {
    let task = tokio::task::spawn_blocking(work);
    task.await.unwrap_or_else(|e| Err(ArchiveError::Failed(e.to_string())))
}

/// SHA-256 of a file.
type Digest = Fingerprint;

const DAY: i64 = 86_400;
/// Entries to one read.
const PAGE: u64 = 1000;
/// Entries to one transaction that removes them: a few milliseconds, so that no request waits for it.
const PRUNE_ROWS: u32 = 200;
