//! OAuth 2.0 on the wire (RFC 6749, 7009, 7662, 8414), and what administrators see of it.

use serde::{Deserialize, Serialize};
use signet_pki::DeviceId;

use crate::credential::CredentialId;
use crate::jwt::{Confirmation, no_scopes};
use crate::scope::{AccountId, Scopes};

/// The good answer of `POST /v1/oauth/token` (RFC 6749 5.1).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenResponse {
    pub access_token: String,
    /// `Bearer`: also one that is bound to a certificate is sent like that (RFC 8705 3).
    pub token_type: String,
    /// Seconds.
    pub expires_in: i64,
    #[serde(default, skip_serializing_if = "no_scopes")]
    pub scope: Scopes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenResponse({}, {} s, …)", self.scope, self.expires_in)
    }
}

/// RFC 7662 2.2. Of a token that is not good nothing is said but that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introspection {
    pub active: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scopes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<CredentialId>,
}

/// `GET /.well-known/oauth-authorization-server` (RFC 8414 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    pub issuer: String,
    pub token_endpoint: String,
    /// RFC 8628 4.
    pub device_authorization_endpoint: String,
    pub jwks_uri: String,
    pub introspection_endpoint: String,
    pub revocation_endpoint: String,
    /// Required, and empty: there is no authorization endpoint.
    pub response_types_supported: Vec<String>,
    pub grant_types_supported: Vec<String>,
    pub token_endpoint_auth_methods_supported: Vec<String>,
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    pub scopes_supported: Vec<String>,
    pub tls_client_certificate_bound_access_tokens: bool,
    pub mtls_endpoint_aliases: Aliases,
}

/// RFC 8705 5: the same endpoints take certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aliases {
    pub token_endpoint: String,
}

/// `GET /v1/admin/oauth/keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKeyInfo {
    pub kid: String,
    /// `published`, `signing`, `retiring` or `retired`.
    pub stage: String,
    pub published_at: String,
    /// When it signs, or began to.
    pub signs_from: String,
    /// When it stopped or stops signing; absent: no later key is there.
    pub signs_until: Option<String>,
    /// Until then tokens of it may be around.
    pub verifies_until: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKeys {
    pub keys: Vec<TokenKeyInfo>,
}

/// `GET /v1/admin/oauth/sessions`: the refresh tokens that are good, one to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionInfo {
    /// The session's id: that of its first refresh token.
    pub id: CredentialId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    pub scopes: Scopes,
    /// Whether it is bound to a key.
    pub bound: bool,
    /// When the present refresh token was made.
    pub refreshed_at: String,
    /// Without another refresh it ends then.
    pub idle_until: String,
    pub ends_at: String,
}

/// `POST /v1/admin/oauth/sessions/{id}/revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedSession {
    pub revoked: Vec<CredentialId>,
}
