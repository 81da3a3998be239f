//! `/v1/admin/*`: what an administrator asks and gets. Times are RFC 3339, serials lower-case hex.

use serde::{Deserialize, Serialize};
use signet_pki::crl::Reason;
use signet_pki::name::PrincipalKind;
use signet_pki::{DeviceId, DnsName};

pub use crate::page::{Damaged, HEADER_DAMAGED, Page};
pub use crate::revocations::{Descendant, DescendantKind, RevokeReport, RevokeRequest};

use crate::credential::CredentialId;
use crate::scope::{AccountId, Permissions};

/// `POST /v1/admin/tokens`: one token for each target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTokens {
    pub kind: TokenKind,
    pub profile: String,
    #[serde(default)]
    pub groups: Vec<String>,
    /// Seconds; 5 to 15 minutes for `interactive`, up to 90 days for `batch`. Default 15 minutes, 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<i64>,
    /// A name for the lot; required for more than one target, so that the lot can be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// Network that the request must come from, for example `10.20.0.0/16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<String>,
    /// Whether an administrator approves each enrollment. Always so for batch tokens without any binding.
    #[serde(default)]
    pub approval: bool,
    /// Allows a device that is already enrolled to enroll again.
    #[serde(default)]
    pub replace: bool,
    /// What an administrator may do; with the profile `admin` alone, which needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    pub targets: Vec<TokenTarget>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    Interactive,
    Batch,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenTarget {
    /// The id that the device will have; made up by the server when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// Hardware serial number that the device must state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    /// SHA-256 of the SPKI that the CSR must carry, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spki: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<DnsName>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedTokens {
    pub batch: Option<String>,
    /// SHA-256 of the root certificate, hex.
    pub root_fingerprint: String,
    pub tokens: Vec<CreatedToken>,
}

/// Shown once: the server keeps a keyed hash only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedToken {
    pub id: CredentialId,
    pub device: DeviceId,
    pub token: String,
    pub link: String,
    pub expires_at: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    pub id: CredentialId,
    pub kind: TokenKind,
    /// `active`, `pending`, `approved`, `denied`, `redeemed`, `revoked` or `expired`.
    pub status: String,
    pub device: DeviceId,
    pub profile: String,
    pub groups: Vec<String>,
    pub batch: Option<String>,
    pub serial_number: Option<String>,
    pub spki: Option<String>,
    pub cidr: Option<String>,
    pub approval: bool,
    pub created_at: String,
    pub created_by: String,
    pub expires_at: String,
    pub redeemed_at: Option<String>,
    pub redeemed_serial: Option<String>,
    /// The key that presented it and waits for approval: SHA-256 of its SPKI, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_spki: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceInfo {
    pub id: DeviceId,
    pub kind: PrincipalKind,
    /// `preregistered`, `pending`, `active`, `suspended`, `revoked` or `retired`.
    pub status: String,
    pub profile: String,
    pub groups: Vec<String>,
    pub dns_names: Vec<DnsName>,
    pub serial_number: Option<String>,
    pub created_at: String,
    /// How often it may still recover; absent: as often as the configuration allows a device that never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recoveries: Option<u32>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Absent: what its kind may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// The newest certificate that is not revoked or superseded.
    pub certificate: Option<CertificateInfo>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceDetail {
    pub device: DeviceInfo,
    /// Newest first.
    pub certificates: Vec<CertificateInfo>,
    pub tokens: Vec<TokenInfo>,
    /// Certificates, by serial number, and tokens that cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Damaged>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateInfo {
    pub serial: String,
    pub device: DeviceId,
    pub profile: String,
    /// `pending` (not used yet beside an older one), `active`, `superseded`, `revoked` or `expired`.
    pub status: String,
    pub generation: u64,
    /// SHA-256 of the SPKI, hex.
    pub spki: String,
    pub not_before: String,
    pub not_after: String,
    pub issued_at: String,
    pub revoked_at: Option<String>,
    pub reason: Option<Reason>,
    /// Flagged for a person to look at: its token was presented again with another key, or it came back after it was superseded.
    pub review: bool,
}

/// Query of `GET /v1/admin/devices`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceQuery {
    /// Part of the id or of the hardware serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// `device`, `service` or `admin`; devices and services when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<PrincipalKind>,
    /// Only devices whose certificate ends within so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiring: Option<i64>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// 1 to 1000, default 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Query of `GET /v1/admin/tokens`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `POST /v1/admin/tokens/{id}/revoke` and `/v1/admin/batches/{batch}/revoke`: tokens only, no certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedTokens {
    pub tokens: Vec<CredentialId>,
}

/// `POST /v1/admin/issue`: a certificate without a token, on the administrator's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssueRequest {
    pub device: DeviceId,
    /// PKCS#10, PEM.
    pub csr: String,
    pub profile: String,
    #[serde(default)]
    pub groups: Vec<String>,
    #[serde(default)]
    pub dns_names: Vec<DnsName>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<i64>,
    /// Allows a device that is already enrolled.
    #[serde(default)]
    pub replace: bool,
}

/// `POST /v1/admin/devices/{id}`: what changes; absent fields stay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceChange {
    /// `suspend`, `resume`, `retire`, `approve` or `deny`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<DeviceAction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How often the device may recover from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recoveries: Option<u32>,
    /// Whose it is from now on; an empty text: nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What it may do here from now on, at most what the caller may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// The newest generation that the caller saw: the change is refused when there is another one by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Of the claim that is approved or denied; without it an approval needs exactly one that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<CredentialId>,
    /// The key that the claim was made with: SHA-256 of its SPKI, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spki: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceAction {
    Suspend,
    Resume,
    Retire,
    Approve,
    Deny,
}

/// One leaf of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub sequence: u64,
    pub at: String,
    pub kind: String,
    pub actor: String,
    pub subject: String,
    pub detail: serde_json::Value,
    /// The canonical bytes, which are JSON text.
    pub canonical: String,
    /// SHA-256 over 0x00 and the canonical bytes (RFC 6962 2.1), hex.
    pub leaf_hash: String,
}

/// Query of `GET /v1/admin/audit`: entries after a sequence, oldest first; without `after` the newest `limit`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Beginning of the kind: `alarm.`, `device.suspended`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Who did it: `admin:alice`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// `GET /v1/admin/audit/verify`: the service's own check of its chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditVerdict {
    /// Sequence number of the newest entry that fits.
    pub entries: u64,
    /// Entries that stand in the archive; the check begins after them.
    #[serde(default)]
    pub archived: u64,
    /// Hash of the last archived leaf, which the first one of the check follows.
    #[serde(default)]
    pub anchor: String,
    pub intact: bool,
    /// The first sequence that does not fit.
    pub broken_at: Option<u64>,
    /// Hash of the newest leaf.
    pub head: String,
}

/// Query of `GET /v1/admin/audit/archive`: segments that end after a sequence number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditArchiveQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `GET /v1/admin/audit/archive`: how archiving does, and what it has recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditArchive {
    /// Where the files are on the issuing host; `None` when nothing leaves the database.
    pub directory: Option<String>,
    /// Why the last run ended early, or why the next one will.
    pub problem: Option<String>,
    /// Since when the oldest segment that is not archived could have been.
    pub overdue_seconds: i64,
    /// In order.
    pub segments: Vec<AuditSegmentInfo>,
    /// Where the next page goes on.
    pub next: Option<String>,
}

/// Entries of the audit log that stand in a file of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditSegmentInfo {
    pub file: String,
    pub first: u64,
    pub last: u64,
    /// Hash of the last leaf, hex.
    pub last_hash: String,
    /// Head of the Merkle tree (RFC 6962 2.1) over the whole log up to `last`, hex.
    pub root: String,
    /// Of the file, hex.
    pub file_sha256: String,
    pub at: String,
}

/// `GET /v1/admin/why/{request_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhyReport {
    pub request_id: String,
    /// The refusal, when the service still remembers it.
    pub refusal: Option<Refusal>,
    /// Audit entries that this request caused.
    pub entries: Vec<AuditEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub at: String,
    pub method: String,
    pub path: String,
    pub remote: String,
    pub status: u16,
    pub code: crate::problem::ErrorCode,
    /// What the caller was told.
    pub told: String,
    /// What the caller was not told.
    pub cause: String,
}

/// `GET /v1/admin/crl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlInfo {
    pub issuer: String,
    pub number: u64,
    pub this_update: String,
    pub next_update: String,
    pub entries: u64,
    pub bytes: u64,
    /// SHA-256 of the DER, hex.
    pub sha256: String,
}

/// `GET /v1/admin/issuers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerInfo {
    pub id: String,
    pub subject: String,
    pub key: String,
    pub not_after: String,
    pub active: bool,
    /// Of its certificate: what the root revokes.
    #[serde(default)]
    pub serial: String,
    /// `published`, `active`, `retiring` or `distrusted`; absent from an older service.
    #[serde(default)]
    pub stage: String,
    /// When it came to this stage.
    #[serde(default)]
    pub since: String,
    /// Certificates that are neither over nor revoked.
    #[serde(default)]
    pub live: u64,
    /// The end of the last certificate that is not over yet; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_not_after: Option<String>,
    /// Octets of its full list; absent while none is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl_bytes: Option<u64>,
    /// Nothing depends on its key any more: its table may leave the configuration.
    #[serde(default)]
    pub removable: bool,
    /// Why it may not be activated yet, with figures; absent when it may, or when nobody has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Who answers for it by OCSP; absent when the configuration wants nobody to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responder: Option<ResponderInfo>,
}

/// `POST /v1/admin/issuers/{id}`: the answer is the list of all issuers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerChange {
    pub action: IssuerAction,
    /// Activate although verifiers or devices may not know it yet; distrust although one's own certificate ends with it.
    /// Needs a reason.
    #[serde(default)]
    pub force: bool,
    /// Stands in the audit log; required to distrust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IssuerAction {
    Activate,
    Retire,
    Distrust,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponderInfo {
    /// The end of its certificate; absent while that could not be made.
    pub not_after: Option<String>,
}

/// `GET /v1/admin/trust/bundles`: oldest first, and who holds which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustBundles {
    pub bundles: Vec<TrustBundleInfo>,
    /// Newest first; those that never named one are last.
    pub holders: Vec<BundleHolders>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustBundleInfo {
    pub sequence: u64,
    pub created: String,
    /// SHA-256 of its content, hex: what the next one continues.
    pub sha256: String,
    /// Subject and SHA-256 of each root.
    pub roots: Vec<TrustRoot>,
    pub issuers: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustRoot {
    pub subject: String,
    pub sha256: String,
    pub not_after: String,
}

/// How many devices and services with a good certificate hold a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleHolders {
    /// None for those that never named one.
    pub sequence: Option<u64>,
    pub devices: u64,
}
