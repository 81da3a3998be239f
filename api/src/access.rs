//! Accounts and API keys on the wire. Times are RFC 3339.

use serde::{Deserialize, Serialize};
use signet_pki::DeviceId;
use signet_pki::crl::Reason;

use crate::credential::CredentialId;
use crate::revocations::RevokeReport;
use crate::scope::{AccountId, Permissions, Scopes};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountKind {
    Person,
    Program,
}

impl AccountKind {
    pub fn as_str(self) -> &'static str {
        match self {
            AccountKind::Person => "person",
            AccountKind::Program => "program",
        }
    }

    pub fn parse(text: &str) -> Option<AccountKind> {
        [AccountKind::Person, AccountKind::Program].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// `POST /v1/admin/accounts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateAccount {
    pub id: AccountId,
    pub kind: AccountKind,
    /// For people to read; the id when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// At most what the caller may do.
    #[serde(default)]
    pub permissions: Permissions,
}

/// `POST /v1/admin/accounts/{id}`; absent fields stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeAccount {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<AccountAction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountAction {
    Suspend,
    Resume,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountInfo {
    pub id: AccountId,
    pub kind: AccountKind,
    pub name: String,
    /// `active`, `suspended` or `revoked`.
    pub status: String,
    pub permissions: Permissions,
    /// Roles spelled out.
    pub scopes: Scopes,
    pub created_at: String,
    pub created_by: String,
    /// At most 1000; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<DeviceId>>,
}

/// Query of `GET /v1/admin/accounts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// 1 to 1000, default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Query of `GET /v1/admin/apikeys`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialQuery {
    /// `sgk` and the like; set by the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// `active`, `disabled`, `used`, `revoked` or `expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Only imported ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy: Option<bool>,
    /// Only keys that were revoked without a reason while something that was made with them, or a key that took their place,
    /// lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survived: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// 1 to 1000, default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `POST /v1/admin/apikeys`. One of account and device owns it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// For people to read.
    #[serde(default)]
    pub name: String,
    /// What it may do of what its owner may. Absent: everything that the owner may now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// Seconds; an hour to 365 days, which is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<i64>,
    /// The network that it may be presented from, for example `10.20.0.0/16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
}

/// Shown once: the server keeps a keyed hash only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedApiKey {
    pub key: String,
    /// Of a rotation: the key that goes on for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<ReplacedApiKey>,
    #[serde(flatten)]
    pub info: ApiKeyInfo,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacedApiKey {
    pub id: CredentialId,
    pub expires_at: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyInfo {
    pub id: CredentialId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    pub name: String,
    pub scopes: Scopes,
    /// `active`, `disabled`, `revoked` or `expired`.
    pub status: String,
    pub cidr: Option<String>,
    pub created_at: String,
    pub created_by: String,
    pub expires_at: String,
    /// To the minute.
    pub last_used_at: Option<String>,
    /// The key that is to take its place.
    pub successor: Option<CredentialId>,
    /// Imported from another system.
    pub legacy: bool,
    /// In the answer to its revocation: what that ended, and what lives on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<Box<RevokeReport>>,
}

/// `POST /v1/apikeys/rotate`, with the key that is to be replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateApiKey {
    /// Seconds for which the old key goes on, 0 to 30 days; default one day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<i64>,
}

/// `POST /v1/admin/apikeys/{id}`; absent fields stay. The answer is an [`ApiKeyInfo`], that of a rotation a
/// [`CreatedApiKey`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeApiKey {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ApiKeyAction>,
    /// Of a rotation: seconds for which the old key goes on, 0 to 30 days; default one day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// An empty text takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    /// Of a revocation, and then without other changes. A compromise ends all that was made with the key; a key that is revoked
    /// already may get a graver reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Of a revocation: says what would end, and changes nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiKeyAction {
    Enable,
    Disable,
    Rotate,
    Revoke,
}

/// `POST /v1/admin/apikeys/import`: keys of another system, in the form of a UUID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportApiKeys {
    pub account: AccountId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// Seconds; an hour to 365 days, default 90 days: they are to be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<i64>,
    /// Leaves out what is known here already, instead of refusing all of it.
    #[serde(default)]
    pub skip_known: bool,
    /// At most [`IMPORT_BATCH`].
    pub keys: Vec<ImportedKey>,
}

/// Keys to one request: one transaction, one entry of the audit log.
pub const IMPORT_BATCH: usize = 1000;

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedKey {
    /// RFC 9562, with or without hyphens.
    pub key: String,
    #[serde(default)]
    pub name: String,
}

impl std::fmt::Debug for ImportedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ImportedKey({}, …)", self.name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedApiKeys {
    pub keys: Vec<ApiKeyInfo>,
    /// Those that were known already, by their place in the list, from 1.
    pub known: Vec<usize>,
}
