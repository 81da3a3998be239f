//! Refusals: RFC 9457 problem documents with a stable code, one sentence, a hint and a request id.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $sentence:literal, $hint:literal;)*) => {
        /// Stable machine-readable codes. Texts may change, these do not.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl ErrorCode {
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(ErrorCode::$name => $text,)* }
            }

            /// HTTP status of the refusal.
            pub fn status(self) -> u16 {
                match self { $(ErrorCode::$name => $status,)* }
            }

            pub fn sentence(self) -> &'static str {
                match self { $(ErrorCode::$name => $sentence,)* }
            }

            pub fn hint(self) -> &'static str {
                match self { $(ErrorCode::$name => $hint,)* }
            }
        }
    };
}

codes! {
    MalformedRequest = "malformed_request", 400, "The request could not be understood.",
        "Check the body and the headers against the API document.";
    TwoSecrets = "two_secrets", 400, "The request carries more than one secret.",
        "Send either an Authorization header or an X-API-Key header, not both.";
    NotAuthenticated = "not_authenticated", 401, "The request does not say who is asking.",
        "Present a client certificate or the credential that this path needs.";
    TokenInvalid = "token_invalid", 401, "The token is not valid here.",
        "Copy the whole token again, or ask an administrator for a new one.";
    TokenRevoked = "token_revoked", 403, "The token was revoked.",
        "Ask an administrator for a new token.";
    TokenConstraint = "token_constraint", 403, "The token is not meant for this device.",
        "The token is bound to a hardware serial, a key or a network that does not match.";
    TokenBoundToOtherKey = "token_bound_to_other_key", 409, "The token was already used with another key.",
        "If this device did not use it, tell an administrator: the token may have been stolen.";
    TokenSpent = "token_spent", 409, "The token was already used and its certificate is in use.",
        "Renew with the certificate, or ask an administrator for a new token.";
    TokenExpired = "token_expired", 410, "The token has expired.",
        "Ask an administrator for a new token.";
    DeviceSuspended = "device_suspended", 403, "The device is suspended.",
        "An administrator can resume it with 'ca device resume'.";
    DeviceRevoked = "device_revoked", 403, "The device was revoked.",
        "It has to be enrolled anew under another id.";
    DeviceDenied = "device_denied", 403, "The enrollment was denied.",
        "Ask an administrator.";
    CertificateRevoked = "certificate_revoked", 403, "The client certificate was revoked.",
        "Enroll again with a new token.";
    IssuerDistrusted = "issuer_distrusted", 403, "The issuer of the certificate is not trusted any more.",
        "Recover with the certificate's key and a new key, at /v1/recover, or enroll with a new token.";
    CertificateSuperseded = "certificate_superseded", 403, "The client certificate was replaced by a newer one.",
        "Use the newer certificate. If this device never got it, tell an administrator: the key may have been copied.";
    CertificateUnknown = "certificate_unknown", 403, "The client certificate is not known here.",
        "Enroll with a token.";
    RecoveryInvalid = "recovery_invalid", 401, "The proof of the old certificate and its key is not valid here.",
        "Sign the statement with the key of the newest certificate that this device has, or enroll with a token.";
    RecoveryExhausted = "recovery_exhausted", 403, "The device has used up its recoveries.",
        "An administrator allows another with 'ca device allow-recovery'.";
    RecoveryTooLate = "recovery_too_late", 403, "The certificate ended too long ago to recover with it.",
        "Enroll with a new token.";
    RecoveryNotNeeded = "recovery_not_needed", 409, "The certificate is still good.",
        "Renew with it, at /v1/renew.";
    CredentialInvalid = "credential_invalid", 401, "The API key or access token is not valid here.",
        "Send the whole key in X-API-Key, or a token in Authorization: Bearer; 'ca apikey list' shows which keys there are.";
    CredentialExpired = "credential_expired", 401, "The API key or access token has expired.",
        "Fetch a new token, or have the key rotated with 'ca apikey rotate'.";
    CredentialRevoked = "credential_revoked", 401, "The API key or access token was revoked.",
        "Ask an administrator for a new one: 'ca apikey create'.";
    CredentialDisabled = "credential_disabled", 403, "The API key is switched off.",
        "An administrator switches it on with 'ca apikey enable'.";
    CredentialConstraint = "credential_constraint", 403, "The credential may not be presented from here or like this.",
        "It is bound to a network or a key; 'ca apikey show' says to which.";
    CredentialMismatch = "credential_mismatch", 403, "The client certificate and the secret belong to different owners.",
        "Present one of the two, or a secret of the certificate's owner or its account.";
    AccountSuspended = "account_suspended", 403, "The account is suspended.",
        "An administrator can resume it with 'ca account resume'.";
    AccountRevoked = "account_revoked", 403, "The account was revoked.",
        "Ask an administrator for another account.";
    InvalidScope = "invalid_scope", 400, "The scope is not known, or is more than may be given here.",
        "Leave scope out for everything that you may; 'ca account show' or 'ca apikey show' says what that is.";
    InvalidGrant = "invalid_grant", 400, "The refresh token is not good, or not with this key.",
        "Get new tokens with the certificate or the API key: grant_type=client_credentials.";
    InvalidTarget = "invalid_target", 400, "The service that the token is wanted for is not known here.",
        "Leave resource out for Signet itself; others are registered services by their id, and those in oauth.audiences of the configuration.";
    AuthorizationPending = "authorization_pending", 400, "No administrator has decided yet.",
        "Ask again after the interval; an administrator sees it with 'ca code list'.";
    SlowDown = "slow_down", 400, "The device asks too often.",
        "Leave five seconds more between two questions from now on.";
    AccessDenied = "access_denied", 400, "An administrator denied it.",
        "Talk to the administrator before you begin again.";
    ExpiredToken = "expired_token", 400, "The device code is over, or was never there.",
        "Begin anew at /v1/oauth/device_authorization.";
    UnsupportedGrant = "unsupported_grant_type", 400, "The grant type is not one of those that are served here.",
        "/.well-known/oauth-authorization-server lists them.";
    NoTokenKeys = "no_token_keys", 503, "This service has no key that signs access tokens.",
        "The operator makes one with 'signetd oauth-key --config FILE' and restarts the service.";
    ApprovalNeeded = "approval_needed", 409, "Another administrator has to approve this first.",
        "After the approval send the same request again; 'ca approval list' shows what waits.";
    ApprovalDenied = "approval_denied", 403, "Another administrator denied this.",
        "'ca approval show' says who and why.";
    Forbidden = "forbidden", 403, "This identity may not do that.",
        "Use a certificate or key that has the permission, or ask an owner for it: 'ca account' and 'ca device permit'.";
    NotPermitted = "not_permitted", 403, "This is not permitted.",
        "An administrator finds the reason with 'ca why' and the request id.";
    IdentityMismatch = "identity_mismatch", 403, "A renewal cannot change the identity, the profile or the groups.",
        "An administrator changes them; the next renewal picks them up.";
    ChainRefused = "chain_refused", 422, "The certificate chain of the service was refused.",
        "Send the service's newest certificate and its issuer's; device.pem of signet-agent holds both.";
    KeyNotProved = "key_not_proved", 403, "The key of the certificate was not proved.",
        "Register over a connection with the same certificate ('signet-agent register'), or add what 'signet-agent register --prove' prints.";
    NamesNotCovered = "names_not_covered", 422, "A name is not in the certificate.",
        "Register names that the certificate has; others come with 'ca token create --replace --dns NAME' and a new enrollment.";
    ResourceTaken = "resource_taken", 409, "The resource belongs to another service.",
        "See whose it is with 'ca service list'; 'ca service deregister ID' sets it free.";
    ProbeRefused = "probe_refused", 403, "The service is not allowed to connect there.",
        "The operator sets services.probe = true and lists the network in services.allow.";
    NotFound = "not_found", 404, "There is nothing here.",
        "Check the path and the id.";
    MethodNotAllowed = "method_not_allowed", 405, "This path does not have this method.",
        "Allow says which methods it has.";
    Conflict = "conflict", 409, "The request conflicts with the present state.",
        "See the present state with 'ca device show ID' or 'ca token show ID', then decide again.";
    HookRefused = "hook_refused", 401, "There is no such hook, or what was shown does not open it.",
        "Check the name, the secret and the clock of the sender; an administrator finds the cause with 'ca why'.";
    BodyTooLarge = "body_too_large", 413, "The request body is too large.",
        "A CSR has a few hundred bytes; the limit is 64 KiB.";
    UnsupportedMedia = "unsupported_media", 415, "The content type is not understood.",
        "Send application/pkcs10, application/x-pem-file or application/json.";
    CsrRefused = "csr_refused", 422, "The certificate signing request was refused.",
        "Make a new one, for example: openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=device -keyout device.key -out device.csr";
    KeyRefused = "key_refused", 422, "The public key was refused.",
        "Make a new P-256 key on the device and send a request for it.";
    InvalidArgument = "invalid_argument", 422, "A value in the request is not acceptable.",
        "Correct the value and send the request again.";
    PolicyRefused = "policy_refused", 422, "The policy was refused; the one in force goes on.",
        "Mend the lines that are named: 'ca policy check FILE' names all of them, 'ca policy test --policy FILE' runs its tests.";
    PolicyChanged = "policy_changed", 409, "Another policy is in force than the one that was to be replaced.",
        "See what is in force with 'ca policy show', then compare again with 'ca policy diff FILE'.";
    PolicyInFile = "policy_in_file", 409, "The policy comes from a file, so it is not changed here.",
        "Change the file that policy.file in the configuration names; it is taken over within seconds.";
    TooManyRequests = "too_many_requests", 429, "Too many requests.",
        "Wait as long as Retry-After says.";
    Internal = "internal", 500, "Something went wrong here.",
        "The administrator finds the cause with 'ca why' and the request id.";
    StoreUnavailable = "store_unavailable", 503, "The store is not available.",
        "Try again later; nothing was changed, or the retry will get the same answer.";
    SignerUnavailable = "signer_unavailable", 503, "The signing key is not available.",
        "Try again later; the request was not used up.";
    Busy = "busy", 503, "The service is busy.",
        "Wait as long as Retry-After says.";
    ClockRefused = "clock_refused", 503, "The service's clock cannot be right, so it does not sign.",
        "The operator must correct the clock of the issuing host.";
}

/// `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:signet:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub code: ErrorCode,
    /// What exactly was wrong, when the caller may know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    pub hint: String,
    pub request_id: String,
    /// From the endpoints of OAuth: the code and the sentence of RFC 6749 5.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_description: Option<String>,
}

impl Problem {
    pub fn new(code: ErrorCode, detail: Option<String>, request_id: String) -> Problem {
        Problem {
            kind: format!("urn:signet:problem:{}", code.as_str()),
            title: code.sentence().to_owned(),
            status: code.status(),
            code,
            detail,
            hint: code.hint().to_owned(),
            request_id,
            error: None,
            error_description: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_round_trip() {
        for code in ErrorCode::ALL {
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{}\"", code.as_str()));
            assert_eq!(serde_json::from_str::<ErrorCode>(&json).unwrap(), *code);
            assert!((400..600).contains(&code.status()));
            assert!(code.sentence().ends_with('.') && !code.hint().is_empty());
        }
    }
}
