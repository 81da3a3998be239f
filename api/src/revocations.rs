//! Ending things, on the wire.

use serde::{Deserialize, Serialize};
use signet_pki::DeviceId;
use signet_pki::crl::Reason;

use crate::credential::CredentialId;
use crate::scope::AccountId;

/// `POST /v1/admin/revocations`. Exactly one of the targets is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Every unused token of the batch, and every device that was enrolled with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// With all its devices and credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The id of a session of refresh tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<CredentialId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    #[serde(default)]
    pub dry_run: bool,
}

/// What a revocation ended, or would end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeReport {
    pub dry_run: bool,
    pub devices: Vec<DeviceId>,
    /// Serials.
    pub certificates: Vec<String>,
    pub tokens: Vec<CredentialId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountId>,
    /// API keys, refresh tokens and tickets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialId>,
    /// Serials of certificates that had ended before and are now listed with the graver reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub raised: Vec<String>,
    /// Other devices and administrators that lose a certificate, because it was made with what was compromised.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub affected: Vec<DeviceId>,
    /// Keys that are never certified again from now on.
    #[serde(default)]
    pub blocked_keys: u64,
    /// What descends from the target and lives on, at most 1000. With a compromise as the reason it ends as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub living: Vec<Descendant>,
    /// How many there are beyond those.
    #[serde(default)]
    pub living_more: u64,
    /// The published CRL that carries it; absent for a dry run and when the CRL could not be published yet.
    pub crl_number: Option<u64>,
}

/// What was renewed, rotated or made with something that was ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descendant {
    pub kind: DescendantKind,
    /// A serial, or the id of a credential.
    pub id: String,
    /// Whose certificate it is, or which device a token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DescendantKind {
    Certificate,
    Token,
    ApiKey,
    Session,
}

// The signature is serde's.
