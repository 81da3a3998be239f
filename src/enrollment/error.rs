//! Why the road ended early: one value with what the caller is told and what only the administrator sees.

use signet_api::ErrorCode;
use signet_keys::random::RandomError;
use signet_pki::csr::CsrError;
use signet_pki::issue::IssueError;
use thiserror::Error;

use crate::issuer::SignError;
use crate::store::StoreError;

#[derive(Debug, Error)]
pub enum EnrollError {
    #[error(transparent)]
    Csr(#[from] CsrError),
    #[error("{0}")]
    Key(String),
    /// Unknown id or wrong secret; nobody is told which.
    #[error("unknown token id or wrong secret")]
    TokenInvalid,
    #[error("the token was revoked, or its device is enrolled already")]
    TokenRevoked,
    #[error("the token has expired")]
    TokenExpired,
    #[error("{0}")]
    TokenConstraint(String),
    #[error("the token was used or claimed with another key")]
    TokenBoundToOtherKey,
    #[error("the token's certificate is in use, or the retry window is over")]
    TokenSpent,
    #[error("an administrator denied the enrollment")]
    Denied,
    #[error("the device is suspended")]
    DeviceSuspended,
    #[error("the device is revoked or retired")]
    DeviceRevoked,
    #[error("the account of the device is suspended")]
    AccountSuspended,
    #[error("the account of the device is revoked")]
    AccountRevoked,
    #[error("the client certificate is revoked")]
    CertificateRevoked,
    #[error("the issuer of the certificate is distrusted")]
    IssuerDistrusted,
    #[error("no issuer is active")]
    NoIssuer,
    #[error("the client certificate was superseded by a newer generation")]
    CertificateSuperseded,
    #[error("the client certificate has expired on this connection")]
    CertificateExpired,
    #[error("no such certificate, or its key is not the one on record")]
    CertificateUnknown,
    /// Unknown certificate, wrong key or wrong signature; nobody is told which.
    #[error("unknown certificate, or the proof is not by its key")]
    RecoveryInvalid,
    #[error(
        "the certificate was renewed too often within an hour; use the newest one, or repeat the request with its key"
    )]
    RenewalsExhausted,
    #[error("the device has no recovery left")]
    RecoveryExhausted,
    #[error("the certificate ended too long ago")]
    RecoveryTooLate,
    #[error("the certificate is still good")]
    RecoveryNotNeeded,
    #[error("this identity has no such right")]
    Forbidden,
    #[error("{0}")]
    Mismatch(String),
    #[error("{0}")]
    Profile(String),
    #[error("{0}")]
    Conflict(String),
    #[error("a record that must exist is gone")]
    Gone,
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EnrollError {
    /// The stable code. Exhaustive, so that a new reason must decide how it is told.
    pub fn code(&self) -> ErrorCode {
        match self {
            EnrollError::Csr(CsrError::Key(_) | CsrError::Policy(_)) | EnrollError::Key(_) => ErrorCode::KeyRefused,
            EnrollError::Csr(_) => ErrorCode::CsrRefused,
            EnrollError::TokenInvalid => ErrorCode::TokenInvalid,
            EnrollError::TokenRevoked => ErrorCode::TokenRevoked,
            EnrollError::TokenExpired => ErrorCode::TokenExpired,
            EnrollError::TokenConstraint(_) => ErrorCode::TokenConstraint,
            EnrollError::TokenBoundToOtherKey => ErrorCode::TokenBoundToOtherKey,
            EnrollError::TokenSpent => ErrorCode::TokenSpent,
            EnrollError::Denied => ErrorCode::DeviceDenied,
            EnrollError::DeviceSuspended => ErrorCode::DeviceSuspended,
            EnrollError::DeviceRevoked => ErrorCode::DeviceRevoked,
            EnrollError::AccountSuspended => ErrorCode::AccountSuspended,
            EnrollError::AccountRevoked => ErrorCode::AccountRevoked,
            EnrollError::CertificateRevoked => ErrorCode::CertificateRevoked,
            EnrollError::IssuerDistrusted => ErrorCode::IssuerDistrusted,
            EnrollError::NoIssuer => ErrorCode::SignerUnavailable,
            EnrollError::CertificateSuperseded => ErrorCode::CertificateSuperseded,
            EnrollError::CertificateExpired => ErrorCode::NotAuthenticated,
            EnrollError::CertificateUnknown => ErrorCode::CertificateUnknown,
            EnrollError::RecoveryInvalid => ErrorCode::RecoveryInvalid,
            EnrollError::RenewalsExhausted => ErrorCode::TooManyRequests,
            EnrollError::RecoveryExhausted => ErrorCode::RecoveryExhausted,
            EnrollError::RecoveryTooLate => ErrorCode::RecoveryTooLate,
            EnrollError::RecoveryNotNeeded => ErrorCode::RecoveryNotNeeded,
            EnrollError::Forbidden => ErrorCode::Forbidden,
            EnrollError::Mismatch(_) => ErrorCode::IdentityMismatch,
            EnrollError::Profile(_) => ErrorCode::InvalidArgument,
            EnrollError::Conflict(_) => ErrorCode::Conflict,
            EnrollError::Gone => ErrorCode::Internal,
            EnrollError::Issue(error) => issue_code(error),
            EnrollError::Sign(SignError::Issue(error)) => issue_code(error),
            EnrollError::Sign(SignError::Busy) => ErrorCode::Busy,
            EnrollError::Sign(SignError::Closed) => ErrorCode::SignerUnavailable,
            EnrollError::Sign(SignError::Clock { .. }) => ErrorCode::ClockRefused,
            EnrollError::Random(_) => ErrorCode::Internal,
            EnrollError::Store(error) => store_code(error),
        }
    }

    /// The detail that the caller may read; `None` where it would tell too much.
    pub fn told(&self) -> Option<String> {
        match self {
            EnrollError::Csr(_)
            | EnrollError::Key(_)
            | EnrollError::TokenConstraint(_)
            | EnrollError::Mismatch(_)
            | EnrollError::Profile(_)
            | EnrollError::Conflict(_)
            | EnrollError::RenewalsExhausted
            | EnrollError::Issue(IssueError::Key(_)) => Some(self.to_string()),
            _ => None,
        }
    }

    /// Whether the caller failed to prove a secret: counts towards the back-off of its address.
    pub fn is_failed_proof(&self) -> bool {
        matches!(self, EnrollError::TokenInvalid | EnrollError::RecoveryInvalid)
    }
}

fn issue_code(error: &IssueError) -> ErrorCode {
    match error {
        IssueError::Key(_) => ErrorCode::KeyRefused,
        IssueError::Signer(_) | IssueError::IssuerEnds(_) => ErrorCode::SignerUnavailable,
        IssueError::Encoding(_) | IssueError::Lint(_) | IssueError::WrongKey | IssueError::BadSignature => {
            ErrorCode::Internal
        }
    }
}

pub(super) fn store_code(error: &StoreError) -> ErrorCode {
    match error {
        StoreError::Unavailable(_) | StoreError::Displaced(_) => ErrorCode::StoreUnavailable,
        StoreError::Busy => ErrorCode::Busy,
        StoreError::Corrupt(_) => ErrorCode::Internal,
    }
}
