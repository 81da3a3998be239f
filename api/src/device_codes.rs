//! The device grant on the wire (RFC 8628), and what administrators decide. Times are RFC 3339.

use std::fmt;

use serde::{Deserialize, Serialize};
use signet_pki::DeviceId;

use crate::credential::CredentialId;
use crate::scope::Permissions;

/// As it is named in `grant_type`.
pub const DEVICE_CODE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The good answer of `POST /v1/oauth/device_authorization` (RFC 8628 3.2).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAuthorization {
    pub device_code: String,
    pub user_code: String,
    pub verification_uri: String,
    /// Seconds.
    pub expires_in: i64,
    /// Seconds between two questions.
    pub interval: i64,
}

impl fmt::Debug for DeviceAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceAuthorization({}, …)", self.user_code)
    }
}

/// The good answer at the token endpoint: an enrollment token, to be sent to the enrollment endpoint as a bearer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceToken {
    pub access_token: String,
    pub token_type: String,
    /// Seconds.
    pub expires_in: i64,
    /// `enroll`.
    pub scope: String,
    /// The id that the device will have.
    pub device: DeviceId,
    pub enrollment_endpoint: String,
}

impl fmt::Debug for DeviceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceToken({}, …)", self.device)
    }
}

/// One of `GET /v1/admin/device-codes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceCodeInfo {
    pub user_code: String,
    /// What it calls itself.
    pub client: String,
    /// SHA-256 of the public key that the token will be bound to, hex.
    pub spki: Option<String>,
    pub address: String,
    pub asked_at: String,
    pub expires_at: String,
}

/// `POST /v1/admin/device-codes/{code}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceCodeDecision {
    pub action: DeviceCodeAction,
    /// The id that it will have; made up when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// `device` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// With the profile `admin` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Permissions>,
    /// Allows a device that is already enrolled.
    #[serde(default)]
    pub replace: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceCodeAction {
    Approve,
    Deny,
}

/// What was decided: of an approval, the device and the public id of the token that it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledDeviceCode {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<CredentialId>,
}
