//! `POST /v1/enroll`, `POST /v1/renew` and `POST /v1/recover`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use signet_pki::DeviceId;

use crate::credential::CredentialId;
use crate::scope::{AccountId, Scopes};

/// The JSON envelope; a bare PKCS#10 body in PEM or DER is accepted as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrollRequest {
    /// PKCS#10, PEM.
    pub csr: String,
    #[serde(default)]
    pub facts: HardwareFacts,
}

/// What the device says about itself. `serial_number` is compared with a token's constraint; the rest is kept for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HardwareFacts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// At most 16 further facts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "unique")]
    pub other: BTreeMap<String, String>,
}

/// A map in which no key comes twice: readers would not agree on which one counts (RFC 8259 4).
fn unique<'de, D: Deserializer<'de>>(source: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Unique;
    impl<'de> Visitor<'de> for Unique {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((key, value)) = entries.next_entry::<String, String>()? {
                if map.insert(key, value).is_some() {
                    return Err(serde::de::Error::custom("a key comes twice"));
                }
            }
            Ok(map)
        }
    }
    source.deserialize_map(Unique)
}

/// The issued certificate. As `application/pem-certificate-chain` the same is `certificate` followed by `chain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCertificate {
    pub device: DeviceId,
    pub spiffe_id: String,
    pub profile: String,
    /// Lower-case hex.
    pub serial: String,
    /// The leaf, PEM.
    pub certificate: String,
    /// The issuer, PEM; the root is not part of it.
    pub chain: String,
    /// RFC 3339.
    pub not_before: String,
    pub not_after: String,
    /// When to renew, chosen by the server inside the device's window; RFC 3339.
    pub renew_after: String,
}

/// 202: an administrator has to approve first. Send the same request again after `retry_after` seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingEnrollment {
    pub status: String,
    pub device: DeviceId,
    pub retry_after: u64,
}

/// `POST /v1/renew`, JSON form. `profile` and `device` may repeat what the record says and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// PKCS#10, PEM.
    pub csr: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
}

/// `POST /v1/recover`: a certificate after one that has ended, proved by the key of that one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoverRequest {
    /// PKCS#10 of the new key, PEM.
    pub csr: String,
    /// The certificate that has ended, PEM.
    pub certificate: String,
    /// Base64 of the old key's signature over `signet_pki::recovery::statement`; ECDSA as DER.
    pub signature: String,
}

/// `GET /v1/whoami`. What concerns a certificate is absent for who showed a secret alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoAmI {
    /// `device`, `service`, `admin`, `server` or `account`.
    pub kind: String,
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(default)]
    pub groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_after: Option<String>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// What it may do here.
    #[serde(default)]
    pub scopes: Scopes,
    /// The public id of the secret that was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialId>,
}
