//! Requests that need a second administrator.

pub use signet_api::approvals::Guarded;
use signet_pki::{DeviceId, UnixTime};

use super::records::text_enum;
use super::{Answer, AuditDraft, Listed};

text_enum! {
    ApprovalStatus {
        Pending = "pending",
        Approved = "approved",
        Denied = "denied",
        /// The request was carried out, or tried.
        Used = "used",
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRecord {
    /// `ap-` and twelve characters.
    pub id: String,
    pub guarded: Guarded,
    /// A sentence for who approves.
    pub summary: String,
    pub path: String,
    /// JSON.
    pub body: String,
    /// SHA-256 over path and body: the same request has the same.
    pub digest: [u8; 32],
    pub status: ApprovalStatus,
    /// The administrator who asked, in person.
    pub requested_by: DeviceId,
    pub requested_at: UnixTime,
    pub expires_at: UnixTime,
    pub decided_by: Option<DeviceId>,
    pub decided_at: Option<UnixTime>,
    pub reason: Option<String>,
}

/// Somebody wants to do it now.
#[derive(Debug, Clone)]
pub struct AskApproval {
    /// As it is noted if nobody has asked for it before.
    pub record: ApprovalRecord,
    /// Of one who asks, that nobody has decided on.
    pub most_pending: u32,
    pub now: UnixTime,
    /// Kind and detail are the store's.
    pub draft: AuditDraft,
}

/// What becomes of the wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// It was approved, and this use was the one.
    Granted(ApprovalRecord),
    /// Nobody has decided yet.
    Waits(ApprovalRecord),
    Denied(ApprovalRecord),
    /// Too many of the same person wait.
    TooMany,
}

#[derive(Debug, Clone)]
pub struct DecideApproval {
    pub id: String,
    pub to: ApprovalStatus,
    pub by: DeviceId,
    pub reason: Option<String>,
    /// What the administrator saw.
    pub digest: [u8; 32],
    pub now: UnixTime,
    pub draft: AuditDraft,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalConflict {
    /// Nobody approves his own.
    Own,
    /// It is not the request that was seen.
    Other,
    Expired,
    Status(ApprovalStatus),
}

pub trait ApprovalStore: Send + Sync {
    /// Uses an approval up, or notes that one is wanted.
    fn ask_approval(&self, order: AskApproval) -> Answer<'_, Approval>;
    /// `None` when there is no such request.
    fn decide_approval(&self, order: DecideApproval) -> Answer<'_, Option<Result<ApprovalRecord, ApprovalConflict>>>;
    fn approval(&self, id: &str) -> Answer<'_, Option<ApprovalRecord>>;
    /// Newest first, at most 100; only those that wait, or all.
    fn approvals(&self, waiting_at: Option<UnixTime>) -> Answer<'_, Listed<ApprovalRecord>>;
}
