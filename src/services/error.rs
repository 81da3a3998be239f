//! Why a service was not registered, or not connected to: one value with what the caller is told.

use signet_api::ErrorCode;
use signet_pki::DnsName;
use thiserror::Error;

use super::tls::TlsError;
use crate::store::{PrincipalStatus, RegisterConflict, StoreError};

#[derive(Debug, Error)]
pub enum ServiceError {
    /// A value that is out of its limits.
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Chain(String),
    /// A certificate of somebody else.
    #[error("the certificate is not one of {0}")]
    Another(signet_pki::DeviceId),
    #[error("{0}")]
    Key(String),
    #[error("the certificate is not for {}", .0.iter().map(DnsName::as_str).collect::<Vec<_>>().join(", "))]
    Names(Vec<DnsName>),
    /// A resource that only an administrator gives.
    #[error("{0} belongs to a service when an administrator registers it: 'ca service register --resource'")]
    Ungranted(crate::store::Resource),
    #[error("the service is {}", .0.as_str())]
    Status(PrincipalStatus),
    #[error("there is no service with this id: enroll it with a profile of kind service")]
    NoService,
    #[error("{resource} belongs to {by}")]
    Taken { resource: crate::store::Resource, by: signet_pki::DeviceId },
    #[error("the registration was changed meanwhile: look at it, and send this again")]
    Changed,
    #[error("as many services are registered as there may be")]
    Full,
    #[error("the service is not registered")]
    NotRegistered,
    #[error("{0}")]
    Probe(String),
    #[error("other registrations or probes are under way")]
    Busy,
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ServiceError {
    /// The stable code. Exhaustive, so that a new reason must decide how it is told.
    pub fn code(&self) -> ErrorCode {
        match self {
            ServiceError::Invalid(_) => ErrorCode::InvalidArgument,
            ServiceError::Chain(_) => ErrorCode::ChainRefused,
            ServiceError::Another(_) => ErrorCode::IdentityMismatch,
            ServiceError::Key(_) => ErrorCode::KeyNotProved,
            ServiceError::Names(_) => ErrorCode::NamesNotCovered,
            ServiceError::Ungranted(_) => ErrorCode::Forbidden,
            ServiceError::Status(PrincipalStatus::Suspended) => ErrorCode::DeviceSuspended,
            ServiceError::Status(PrincipalStatus::Revoked | PrincipalStatus::Retired) => ErrorCode::DeviceRevoked,
            ServiceError::Status(_) | ServiceError::Changed | ServiceError::Full => ErrorCode::Conflict,
            ServiceError::NoService | ServiceError::NotRegistered => ErrorCode::NotFound,
            ServiceError::Taken { .. } => ErrorCode::ResourceTaken,
            ServiceError::Probe(_) => ErrorCode::ProbeRefused,
            ServiceError::Busy | ServiceError::Tls(TlsError::NoLists) => ErrorCode::Busy,
            ServiceError::Tls(TlsError::Build(_)) => ErrorCode::Internal,
            ServiceError::Store(StoreError::Busy) => ErrorCode::Busy,
            ServiceError::Store(StoreError::Unavailable(_) | StoreError::Displaced(_)) => ErrorCode::StoreUnavailable,
            ServiceError::Store(StoreError::Corrupt(_)) => ErrorCode::Internal,
        }
    }

    /// What exactly was wrong, when the caller may know it.
    pub fn told(&self) -> Option<String> {
        match self {
            ServiceError::Store(_) | ServiceError::Tls(_) => None,
            _ => Some(self.to_string()),
        }
    }
}

impl From<RegisterConflict> for ServiceError {
    fn from(conflict: RegisterConflict) -> ServiceError {
        match conflict {
            RegisterConflict::Principal(None) => ServiceError::NoService,
            RegisterConflict::Principal(Some(status)) => ServiceError::Status(status),
            RegisterConflict::Certificate => ServiceError::Chain("the certificate has ended meanwhile".into()),
            RegisterConflict::Taken { resource, by } => ServiceError::Taken { resource, by },
            RegisterConflict::Changed => ServiceError::Changed,
            RegisterConflict::Full => ServiceError::Full,
        }
    }
}
