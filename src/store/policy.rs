//! The policies of live permission, and what they are compared over.

use signet_pki::UnixTime;
use signet_pki::name::PrincipalKind;

use super::records::text_enum;
use super::{Answer, AuditDraft, Listed, PrincipalStatus};

text_enum! {
    /// Where a policy came from.
    PolicyOrigin {
        /// An administrator applied it.
        Api = "api",
        /// The file that the configuration names.
        File = "file",
    }
}

/// A policy that was applied; the newest is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRecord {
    /// 1, 2, 3 and so on.
    pub number: u64,
    pub revision: String,
    /// `None` when it is too old to be kept, and in lists.
    pub text: Option<String>,
    pub origin: PolicyOrigin,
    pub applied_by: String,
    pub applied_at: UnixTime,
}

#[derive(Debug, Clone)]
pub struct ApplyPolicy {
    pub text: String,
    pub revision: String,
    pub origin: PolicyOrigin,
    pub instead_of: InsteadOf,
    pub draft: AuditDraft,
}

/// What has to be in force for another to take its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsteadOf {
    Any,
    /// The revision; `None`: no policy was ever applied.
    Only(Option<String>),
}

/// Another policy is in force than the one that was to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyConflict {
    pub in_force: Option<String>,
}

/// What rules may ask about a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryRow {
    /// Where the next stretch begins.
    pub row: u64,
    pub id: String,
    pub kind: PrincipalKind,
    pub status: PrincipalStatus,
    pub groups: Vec<String>,
    pub account: Option<String>,
    pub profile: String,
    /// The newest certificate that is neither revoked nor superseded.
    pub certificate: Option<InventoryCertificate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryCertificate {
    pub issued_at: UnixTime,
    pub not_after: UnixTime,
    pub profile: String,
}

/// How many texts are kept; rows are kept for good.
pub const POLICY_TEXTS: u64 = 50;

pub trait PolicyStore: Send + Sync {
    /// Puts a policy in force. When it is in force already, nothing is written, whatever it was to replace: an answer that
    /// was lost may be asked for again.
    fn apply_policy(&self, order: ApplyPolicy) -> Answer<'_, Result<PolicyRecord, PolicyConflict>>;
    /// The one in force, with its text.
    fn policy(&self) -> Answer<'_, Option<PolicyRecord>>;
    /// The newest of a revision, with its text if that is kept.
    fn policy_of(&self, revision: &str) -> Answer<'_, Option<PolicyRecord>>;
    /// The newest first, without texts, at most `limit`.
    fn policies(&self, limit: u32) -> Answer<'_, Listed<PolicyRecord>>;
    /// Devices, services and administrators after a row, in order, at most `limit`. Damaged ones by their row.
    fn inventory_after(&self, row: u64, limit: u32) -> Answer<'_, Listed<InventoryRow>>;
}
