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
    /// The published CRL that carries it; absent for a dry run and when the CRL could not be published yet.
    pub crl_number: Option<u64>,
}
