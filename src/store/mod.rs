//! What the service keeps, as verbs of its domain. Implementations live below and share one contract suite.

pub mod access;
pub mod alarms;
pub mod approvals;
pub mod continuity;
pub mod facts;
pub mod lineage;
pub mod oauth;
pub mod policy;
pub mod records;
pub mod resource;
pub mod services;
pub mod sqlite;
pub mod tickets;
pub mod webhooks;
pub mod writes;

use std::future::Future;
use std::pin::Pin;

use signet_api::CredentialId;
use signet_api::admin::{AuditQuery, DeviceQuery, Page, TokenQuery};
use signet_pki::crl::Entries;
use signet_pki::{DeviceId, Fingerprint, Serial, UnixTime};
use thiserror::Error;
use tokio::sync::watch;

pub use access::*;
pub use alarms::*;
pub use approvals::*;
pub use continuity::*;
pub use facts::*;
pub use lineage::*;
pub use oauth::*;
pub use policy::*;
pub use records::*;
pub use resource::{Resource, ResourceError};
pub use services::*;
pub use tickets::*;
pub use webhooks::*;
pub use writes::*;

pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Nothing is known about whether a write happened; the caller must release nothing that depends on it.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// The write queue is full; nothing happened.
    #[error("the store's write queue is full")]
    Busy,
    #[error("the store holds something that cannot be read: {0}")]
    Corrupt(String),
    /// Nothing is read or written any more, and nothing that was read before is to be believed.
    #[error(transparent)]
    Displaced(#[from] Displaced),
}

/// Every write is one transaction together with its audit entry, and is durable before it is answered.
pub trait Store:
    AccessStore
    + AlarmStore
    + ApprovalStore
    + ContinuityStore
    + FactStore
    + OAuthStore
    + PolicyStore
    + ServiceStore
    + TicketStore
    + WebhookStore
{
    /// Registers tokens and the devices that they will enroll.
    fn create_tokens(&self, order: CreateTokens) -> Answer<'_, Result<(), TokenConflict>>;
    /// Room 6: redeems the evidence, records certificate and principal, and hands the certificate out.
    fn commit(&self, issue: IssueCommit) -> Answer<'_, Result<Committed, Conflict>>;
    /// Binds a token that needs approval to the key that presented it.
    fn claim(&self, claim: Claim) -> Answer<'_, Result<(), Conflict>>;
    fn revoke(&self, order: RevokeOrder) -> Answer<'_, Revoked>;
    fn revoke_tokens(&self, order: RevokeTokens) -> Answer<'_, Vec<CredentialId>>;
    /// `None` when there is no such device.
    fn change_device(&self, order: ChangeDevice) -> Answer<'_, Option<Result<PrincipalRecord, Conflict>>>;
    /// The first use of a certificate: it becomes the active one, older generations are superseded.
    fn mark_used(&self, serial: &Serial, draft: AuditDraft) -> Answer<'_, ()>;
    /// A superseded certificate came back: whoever holds it is cut off by revoking it and it alone, and flagged.
    fn quarantine(&self, serial: &Serial, draft: AuditDraft) -> Answer<'_, ()>;
    /// Flags a certificate for review, with the reason as an audit entry.
    fn alarm(&self, serial: Option<&Serial>, draft: AuditDraft) -> Answer<'_, ()>;
    /// Reserves the number of the next CRL: `max(previous + 1, floor)`.
    fn next_crl_number(&self, issuer: &[u8], floor: u64, draft: AuditDraft) -> Answer<'_, u64>;
    /// Notes the number of shards, 0 for none, that certificates are issued under from now on. No entry when it is the old one.
    fn shard(&self, issuer: &[u8], configured: u16, draft: AuditDraft) -> Answer<'_, Sharding>;
    /// Takes up the issuers of the configuration and answers all that were ever there. When none of the configured ones is
    /// active, the first that was never more than published becomes it.
    fn note_issuers(&self, order: NoteIssuers) -> Answer<'_, Vec<IssuerRecord>>;
    /// Moves an issuer to a stage; no entry when it is there already. The one that was active retires when another becomes it.
    fn step_issuer(&self, order: IssuerStep) -> Answer<'_, Result<(), StageConflict>>;
    /// Takes away, at most `limit` rows of each kind, what the retention no longer keeps.
    fn prune(&self, order: Prune) -> Answer<'_, Pruned>;
    /// Remembers that entries of the log stand in a file, once, in order, and without a gap.
    fn record_audit_segment(&self, segment: AuditSegment, draft: AuditDraft)
    -> Answer<'_, Result<(), SegmentConflict>>;
    /// Removes, the oldest first and at most `limit`, entries up to `through` that stand in recorded segments.
    fn prune_audit(&self, through: u64, limit: u32) -> Answer<'_, u64>;

    /// An operator vouches for the clock: [`last_issued_at`](Self::last_issued_at) forgets what was issued until now.
    fn accept_clock(&self, draft: AuditDraft) -> Answer<'_, ()>;
    /// After a backup was put back: voids every open token and adopts revocations that the backup does not know.
    fn restored(&self, order: Restoration) -> Answer<'_, Adopted>;

    fn token(&self, id: &CredentialId) -> Answer<'_, Option<TokenRecord>>;
    fn certificate(&self, serial: &Serial) -> Answer<'_, Option<CertificateRecord>>;
    /// What anybody may know about a certificate of an issuer; `None` for one that this store never committed.
    fn standing(&self, issuer: &[u8], serial: &Serial) -> Answer<'_, Option<Standing>>;
    fn principal(&self, id: &DeviceId) -> Answer<'_, Option<PrincipalRecord>>;
    /// The principal that a public key was ever certified for.
    fn key_owner(&self, spki: &Fingerprint) -> Answer<'_, Option<DeviceId>>;
    /// The certificate that a renewal with `parent` for `spki` produced before.
    fn renewed(&self, parent: &Serial, spki: &Fingerprint) -> Answer<'_, Option<Issued>>;
    /// Newest first, at most 100.
    fn certificates_of(&self, id: &DeviceId) -> Answer<'_, Listed<CertificateRecord>>;
    fn tokens(&self, query: TokenQuery, now: UnixTime) -> Answer<'_, Page<TokenRecord>>;
    fn devices(&self, query: DeviceQuery, now: UnixTime) -> Answer<'_, Page<DeviceRow>>;
    /// Encoded CRL entries of an issuer after a sequence, in order. Sequence 0 asks for all.
    fn revocations_after(&self, issuer: &[u8], sequence: u64) -> Answer<'_, RevocationDelta>;
    /// The same by shard.
    fn sharded_revocations_after(&self, issuer: &[u8], sequence: u64) -> Answer<'_, ShardedDelta>;
    /// All entries of one shard up to a sequence, that one included.
    fn revocations_of_shard(&self, issuer: &[u8], shard: u16, through: u64) -> Answer<'_, Entries>;
    /// For what follows the log: an entry that cannot be read is an error.
    fn audit(&self, query: AuditQuery) -> Answer<'_, Vec<AuditRow>>;
    /// For people: the same as a page, which has no next one when it is the newest entries.
    fn audit_page(&self, query: AuditQuery) -> Answer<'_, Page<AuditRow>>;
    fn audit_of_request(&self, request_id: &str) -> Answer<'_, Vec<AuditRow>>;
    /// Devices and services with a certificate that is good now, by the trust bundle that they hold, newest first.
    fn bundle_holders(&self, now: UnixTime) -> Answer<'_, Vec<BundleHolders>>;
    /// What the chain of the log goes on from; `None` while all of it is here.
    fn last_audit_segment(&self) -> Answer<'_, Option<AuditSegment>>;
    /// Segments that end after a sequence, in order, at most 1000.
    fn audit_segments(&self, after: u64, limit: u32) -> Answer<'_, Vec<AuditSegment>>;
    /// Every issuer that was ever configured, in the order in which they came.
    fn issuers(&self) -> Answer<'_, Vec<IssuerRecord>>;
    /// Certificates of an issuer that count, without those of the profile `but`.
    fn issuer_use(&self, issuer: &[u8], now: UnixTime, but: &str) -> Answer<'_, IssuerUse>;
    /// When the newest certificate was issued: a clock that is far behind it is wrong.
    fn last_issued_at(&self) -> Answer<'_, Option<UnixTime>>;
    /// The sequence of the newest audit entry that is durable. It changes after the commit, and before the commit's
    /// requests are answered.
    fn audit_head(&self) -> watch::Receiver<u64>;
    /// What the writer has done since it was opened.
    fn counters(&self) -> StoreCounters;
    /// Whether a write would work now.
    fn health(&self) -> Answer<'_, ()>;
    /// Waits for queued writes and closes. Later calls answer [`StoreError::Unavailable`].
    fn close(&self) -> Answer<'_, ()>;
}
