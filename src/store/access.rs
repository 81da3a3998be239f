//! Accounts, and the credentials of accounts and principals.

use signet_api::access::{AccountKind, AccountQuery, CredentialQuery};
use signet_api::admin::Page;
use signet_api::scope::{AccountId, Permissions, Scopes};
use signet_api::{CredentialId, CredentialKind};
use signet_pki::{DeviceId, Fingerprint, UnixTime};

use super::records::{PrincipalRecord, text_enum};
use super::{Answer, AuditDraft, Origin};

text_enum! {
    /// Life of an account. A revoked one never comes back.
    AccountStatus {
        Active = "active",
        Suspended = "suspended",
        Revoked = "revoked",
    }
}

text_enum! {
    /// Life of a credential. Its end by time is in `expires_at`.
    CredentialStatus {
        Active = "active",
        /// Switched off, and can be switched on again.
        Disabled = "disabled",
        /// Exchanged for the next of its line, or used up.
        Used = "used",
        Revoked = "revoked",
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    pub id: AccountId,
    pub kind: AccountKind,
    /// For people to read.
    pub name: String,
    pub status: AccountStatus,
    pub permissions: Permissions,
    pub created_at: UnixTime,
    pub created_by: String,
    /// Grows with every change.
    pub version: u64,
}

/// Whose a credential is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    Account(AccountId),
    Principal(DeviceId),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRecord {
    pub id: CredentialId,
    pub kind: CredentialKind,
    /// Keyed hash of the secret; see [`Pepper`](crate::credentials::Pepper).
    pub hash: [u8; 32],
    pub owner: Owner,
    /// For people to read.
    pub name: String,
    /// What it may do of what its owner may.
    pub scopes: Scopes,
    pub status: CredentialStatus,
    /// The first of its line; its own id for the first.
    pub family: CredentialId,
    /// What it was got with.
    pub parent: Option<CredentialId>,
    /// The key that it may be presented with.
    pub spki: Option<Fingerprint>,
    /// The network that it may be presented from.
    pub cidr: Option<String>,
    pub created_at: UnixTime,
    pub created_by: String,
    pub expires_at: UnixTime,
    /// Beyond this nothing of the line lives.
    pub line_ends_at: Option<UnixTime>,
    pub used_at: Option<UnixTime>,
    pub successor: Option<CredentialId>,
    /// To the minute.
    pub last_used_at: Option<UnixTime>,
    /// Made by another system, and known by its hash alone.
    pub legacy: bool,
}

#[derive(Debug, Clone)]
pub struct CreateAccount {
    pub account: AccountRecord,
    pub draft: AuditDraft,
}

/// Absent fields stay.
#[derive(Debug, Clone)]
pub struct ChangeAccount {
    pub id: AccountId,
    pub name: Option<String>,
    pub status: Option<AccountStatus>,
    pub permissions: Option<Permissions>,
    pub draft: AuditDraft,
}

/// Credentials that come together, all or none.
#[derive(Debug, Clone)]
pub struct CreateCredentials {
    pub credentials: Vec<CredentialRecord>,
    pub origin: Origin,
    pub draft: AuditDraft,
}

/// Absent fields stay.
#[derive(Debug, Clone)]
pub struct ChangeCredential {
    pub id: CredentialId,
    pub status: Option<CredentialStatus>,
    pub name: Option<String>,
    pub scopes: Option<Scopes>,
    /// `Some(None)` takes the binding away.
    pub cidr: Option<Option<String>>,
    pub draft: AuditDraft,
}

/// A new credential beside an old one, which goes on for a while.
#[derive(Debug, Clone)]
pub struct RotateCredential {
    pub old: CredentialId,
    pub new: CredentialRecord,
    /// The old one ends no later than this.
    pub old_ends_at: UnixTime,
    /// The successor that the old one has and that nobody ever used: its answer was lost. It ends.
    pub instead_of: Option<CredentialId>,
    pub draft: AuditDraft,
}

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessConflict {
    /// There is one of that name.
    Exists,
    /// There is no such account or principal.
    NoOwner,
    /// The owner is revoked, retired, or otherwise not to be given credentials.
    OwnerEnded,
    /// The owner has as many credentials as it may have.
    TooMany,
    /// No way leads there from what it is.
    Account(AccountStatus),
    Credential(CredentialStatus),
    /// These, by the ids in the order, are known here already.
    Known(Vec<CredentialId>),
}

/// Live credentials of one owner: more is a program that forgets what it got.
pub const CREDENTIALS_OF_ONE: usize = 1000;
/// Imported keys of one owner: those of a fleet, and one revocation still names them all in its entry.
pub const IMPORTED_OF_ONE: usize = 20_000;

pub trait AccessStore: Send + Sync {
    fn create_account(&self, order: CreateAccount) -> Answer<'_, Result<(), AccessConflict>>;
    /// `None` when there is no such account. Ending one is [`Store::revoke`](super::Store::revoke).
    fn change_account(&self, order: ChangeAccount) -> Answer<'_, Option<Result<AccountRecord, AccessConflict>>>;
    /// Owners must exist and be active.
    fn create_credentials(&self, order: CreateCredentials) -> Answer<'_, Result<(), AccessConflict>>;
    /// `None` when there is no such credential. What is revoked or used stays so.
    fn change_credential(
        &self,
        order: ChangeCredential,
    ) -> Answer<'_, Option<Result<CredentialRecord, AccessConflict>>>;
    /// Only an active or disabled one is rotated, and only once: afterwards it has a successor. Until that was used, it can be
    /// exchanged for another.
    fn rotate_credential(
        &self,
        order: RotateCredential,
    ) -> Answer<'_, Option<Result<CredentialRecord, AccessConflict>>>;
    /// Notes when credentials were last used. Not a change of state: without an audit entry.
    fn note_credentials_used(&self, uses: Vec<(CredentialId, UnixTime)>) -> Answer<'_, ()>;

    fn account(&self, id: &AccountId) -> Answer<'_, Option<AccountRecord>>;
    fn accounts(&self, query: AccountQuery) -> Answer<'_, Page<AccountRecord>>;
    fn credential(&self, id: &CredentialId) -> Answer<'_, Option<CredentialRecord>>;
    /// A key that another system made, by the hash of it.
    fn legacy_credential(&self, hash: &[u8; 32]) -> Answer<'_, Option<CredentialRecord>>;
    fn credentials(&self, query: CredentialQuery, now: UnixTime) -> Answer<'_, Page<CredentialRecord>>;
    /// Administrators and servers that an account owns: all of them, since rights are decided by it.
    fn administrators_of(&self, account: &AccountId) -> Answer<'_, Vec<PrincipalRecord>>;
    /// Devices and services that an account owns, at most 1000, by id: for showing.
    fn devices_of(&self, account: &AccountId) -> Answer<'_, Vec<DeviceId>>;
}
