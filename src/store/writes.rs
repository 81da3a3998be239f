//! What writes are told, and what they answer when the state does not allow them.

use signet_api::CredentialId;
use signet_api::scope::{AccountId, Permissions, Scopes};
use signet_pki::crl::Reason;
use signet_pki::issue::Signed;
use signet_pki::{DeviceId, Fingerprint, Serial, UnixTime};

pub use crate::audit::{Actor, AuditDraft, Entry as AuditEntry};

use super::lineage::{Descendant, Origin};
use super::records::{CertificateRecord, PrincipalRecord, PrincipalStatus, Stage, TokenRecord};

#[derive(Debug, Clone)]
pub struct CreateTokens {
    pub tokens: Vec<TokenRecord>,
    pub kind: signet_pki::name::PrincipalKind,
    /// Of principals that are new.
    pub permissions: Option<Permissions>,
    /// What the actor may do: rejects tokens of principals that were given more.
    pub outranked_by: Scopes,
    /// Rejects an order that makes a batch, with what it has already, as large as this.
    pub large_batch: Option<u32>,
    pub origin: Origin,
    pub draft: AuditDraft,
}

/// Why tokens were not created; none was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenConflict {
    /// The device exists and the order does not say `replace`.
    Exists(DeviceId),
    /// The device is revoked or retired, or is of another kind.
    Ended(DeviceId),
    /// The device was given permissions that the actor does not hold.
    Outranked(DeviceId, Scopes),
    /// So many tokens the batch would have.
    LargeBatch(u32),
}

/// How the right to a certificate was proved; the store redeems it in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redemption {
    Token(CredentialId),
    /// The certificate that was presented.
    Renewal(Serial),
    /// The certificate that has ended, proved by its key; `allowance` is what a device has that never recovered.
    Recovery {
        parent: Serial,
        allowance: u32,
    },
    /// An administrator's word, or the service for itself.
    Manual,
}

/// Room 5's certificate with everything that must become durable with it.
#[derive(Debug)]
pub struct IssueCommit {
    pub signed: Signed,
    pub redemption: Redemption,
    /// The record as it should be afterwards; `version` is the one that the decision was made on, 0 for a new one.
    pub principal: PrincipalRecord,
    /// Of a certificate that an administrator ordered; what a token or a certificate was presented for stands in `redemption`.
    pub origin: Origin,
    pub now: UnixTime,
    /// Written beforehand: the writer is one thread for all.
    pub entry: AuditEntry,
}

/// A certificate that is durable. Only a store makes one, and only of committed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    der: Vec<u8>,
    serial: Serial,
    device: DeviceId,
    profile: String,
    not_before: UnixTime,
    not_after: UnixTime,
    issuer: Vec<u8>,
}

/// A record read from the store is a committed certificate.
impl From<CertificateRecord> for Issued {
    fn from(record: CertificateRecord) -> Issued {
        Issued::committed(
            record.der,
            record.serial,
            record.principal.id,
            record.profile,
            (record.not_before, record.not_after),
            record.issuer,
        )
    }
}

impl Issued {
    pub(super) fn committed(
        der: Vec<u8>,
        serial: Serial,
        device: DeviceId,
        profile: String,
        (not_before, not_after): (UnixTime, UnixTime),
        issuer: Vec<u8>,
    ) -> Issued {
        Issued { der, serial, device, profile, not_before, not_after, issuer }
    }

    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    pub fn device(&self) -> &DeviceId {
        &self.device
    }

    pub fn profile(&self) -> &str {
        &self.profile
    }

    pub fn not_before(&self) -> UnixTime {
        self.not_before
    }

    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Key identifier of the issuer that signed it.
    pub fn issuer(&self) -> &[u8] {
        &self.issuer
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    New(Issued),
    /// The same evidence with the same key was redeemed before: this is what it got.
    Replayed(Issued),
}

/// Why a commit changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// The token is no longer redeemable; the caller reads it again to find out why.
    TokenGone,
    /// The token was redeemed with another key, or claimed by one.
    OtherKey,
    /// The certificate that renews was revoked or superseded meanwhile.
    ParentGone,
    /// The principal changed between decision and commit.
    PrincipalChanged,
    /// The public key belongs to another principal.
    KeyTaken,
    /// The public key was reported as compromised.
    KeyCompromised,
    /// The public key was certified in the same renewal before, and that certificate has ended.
    KeySpent,
    /// The certificate has been renewed into as many as [`RENEWALS_OF_ONE`] within an hour.
    RenewalsExhausted,
    /// The serial number exists. Practically impossible; the caller draws again.
    SerialTaken,
    /// The device may not recover any more.
    RecoveryExhausted,
    /// The issuer that signed was distrusted meanwhile.
    IssuerDistrusted,
    /// There is no such account, or it is not active.
    NoAccount,
    /// The step is not possible from the present status.
    Status(PrincipalStatus),
    /// The principal may do what the actor may not.
    Outranked(Scopes),
    /// An open token of another actor's making is as good as the device, with all that it may do from now on.
    OpenToken { token: CredentialId, by: String },
    /// A certificate that was never used waits beside the one in use: its holder would get the permissions too.
    UnusedCertificate(Serial),
    /// The device has another generation by now.
    Generation(u64),
    /// Several claims wait, or another one than the actor saw.
    Claims(Vec<CredentialId>),
}

#[derive(Debug, Clone)]
pub struct Claim {
    pub token: CredentialId,
    pub spki: Fingerprint,
    pub hardware_serial: Option<String>,
    pub now: UnixTime,
    pub draft: AuditDraft,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokeTarget {
    Device(DeviceId),
    Serial(Serial),
    /// Every device that was enrolled with a token of the batch, and its unused tokens.
    Batch(String),
    /// With everything that it owns.
    Account(AccountId),
    /// An API key, with the sessions and tickets that were got with it.
    Credential(CredentialId),
    /// A session, by the family of its refresh tokens.
    Session(CredentialId),
}

#[derive(Debug, Clone)]
pub struct RevokeOrder {
    pub target: RevokeTarget,
    pub reason: Reason,
    pub now: UnixTime,
    pub mode: Mode,
    pub draft: AuditDraft,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    #[default]
    Apply,
    /// Finds out what would happen, and rolls back.
    DryRun,
}

/// What a revocation ended. All empty: nothing matched, or everything had ended before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revoked {
    pub mode: Mode,
    /// Whether the target exists at all.
    pub known: bool,
    pub devices: Vec<DeviceId>,
    pub certificates: Vec<Serial>,
    pub tokens: Vec<CredentialId>,
    pub accounts: Vec<AccountId>,
    /// API keys, refresh tokens and tickets.
    pub credentials: Vec<CredentialId>,
    /// Ended before; the reason was replaced by a graver one.
    pub raised: Vec<Serial>,
    pub raised_credentials: Vec<CredentialId>,
    /// Keys that are never certified again from now on.
    pub blocked_keys: u64,
    /// Other devices and administrators that lose a certificate, because it was made with what was compromised.
    pub affected: Vec<DeviceId>,
    /// What descends from the target and lives on, at most [`DESCENDANTS_NAMED`](super::DESCENDANTS_NAMED).
    pub living: Vec<Descendant>,
    /// How many there are beyond those.
    pub living_more: u64,
}

impl Revoked {
    /// Whether a CRL has to say something else afterwards.
    pub fn changes_lists(&self) -> bool {
        !self.certificates.is_empty() || !self.raised.is_empty()
    }

    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
            && self.certificates.is_empty()
            && self.tokens.is_empty()
            && self.accounts.is_empty()
            && self.credentials.is_empty()
            && self.raised.is_empty()
            && self.raised_credentials.is_empty()
            && self.blocked_keys == 0
    }
}

#[derive(Debug, Clone)]
pub struct RevokeTokens {
    pub which: TokenSelection,
    pub now: UnixTime,
    pub draft: AuditDraft,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSelection {
    Id(CredentialId),
    Batch(String),
}

#[derive(Debug, Clone)]
pub struct ChangeDevice {
    pub device: DeviceId,
    pub step: Option<Step>,
    pub groups: Option<Vec<String>>,
    pub profile: Option<String>,
    pub recoveries: Option<u32>,
    /// `Some(None)` takes it away from its account.
    pub account: Option<Option<AccountId>>,
    pub permissions: Option<Permissions>,
    /// What the actor may do: rejects what needs to outrank the principal as it is then. `None`: a rule of the service.
    pub outranked_by: Option<Scopes>,
    /// The newest generation that the actor saw.
    pub generation: Option<u64>,
    /// The claim that the actor saw; without it there has to be exactly one.
    pub claim: Option<SeenClaim>,
    pub now: UnixTime,
    pub draft: AuditDraft,
}

impl ChangeDevice {
    /// A step and nothing else, by a rule of the service.
    pub fn step(device: DeviceId, step: Step, now: UnixTime, draft: AuditDraft) -> ChangeDevice {
        ChangeDevice {
            device,
            step: Some(step),
            groups: None,
            profile: None,
            recoveries: None,
            account: None,
            permissions: None,
            outranked_by: None,
            generation: None,
            claim: None,
            now,
            draft,
        }
    }
}

/// A token that waits for approval, and the key that presented it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenClaim {
    pub token: CredentialId,
    pub spki: Option<Fingerprint>,
}

/// The issuers of the configuration, in its order.
#[derive(Debug, Clone)]
pub struct NoteIssuers {
    /// Key identifier and certificate.
    pub issuers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Kind, subject and detail are the store's.
    pub draft: AuditDraft,
}

#[derive(Debug, Clone)]
pub struct IssuerStep {
    pub key_id: Vec<u8>,
    pub to: Stage,
    pub draft: AuditDraft,
}

/// Why an issuer was not moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageConflict {
    Unknown,
    /// There is no way from the stage that it has.
    Stage(Stage),
}

/// What the retention says, as points in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prune {
    /// Certificates that ended before keep a stub: serial, key hash, principal, times, status; their DER goes.
    pub certificates_before: UnixTime,
    /// Revocations of certificates that ended before leave the list.
    pub revocations_before: UnixTime,
    /// Tokens that ended before without having been used are removed.
    pub tokens_before: UnixTime,
    /// Alarms that were closed before are removed; the audit log keeps their entries.
    pub alarms_before: UnixTime,
    pub limit: u32,
}

/// How many rows were taken away; all zero when there is nothing left to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    pub certificates: u64,
    pub revocations: u64,
    pub tokens: u64,
}

/// Why a segment of the log was not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentConflict {
    /// It does not begin where the one before ended: it would leave a gap or overlap.
    NotNext,
    /// The database holds no entry with the hash that the segment ends with.
    OtherEntries,
}

#[derive(Debug, Clone)]
pub struct Restoration {
    /// Published before the restore, the newest first.
    pub lists: Vec<RestoredList>,
    pub now: UnixTime,
    pub draft: AuditDraft,
}

/// A list of one issuer, full or of a shard.
#[derive(Debug, Clone)]
pub struct RestoredList {
    /// The issuer's key identifier.
    pub issuer: Vec<u8>,
    /// The next list has a greater one, whatever the clock says.
    pub number: u64,
    pub revocations: Vec<(Serial, UnixTime, Reason)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Adopted {
    pub voided_tokens: u64,
    /// Certificates of the database that are revoked again.
    pub revoked_again: u64,
    /// Devices, services and administrators that are revoked again, because no live certificate is left to them.
    pub revoked_devices: Vec<DeviceId>,
    /// Revocations of certificates that the database never saw; they stay on the list.
    pub unknown: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Suspend,
    Resume,
    Retire,
    Approve,
    Deny,
}

/// Certificates that one certificate may be renewed into within an hour. A client needs one; one that lost its new key before it was
/// used needs another. A repetition with the same key makes none.
pub const RENEWALS_OF_ONE: i64 = 16;
