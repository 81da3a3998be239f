//! What the store calls things, in the words of the policy: decisions and comparisons have to mean the same.

use signet_pki::name::PrincipalKind;
use signet_policy::{Kind, Status};

use crate::store::PrincipalStatus;

/// `None` for what never asks.
pub fn kind(kind: PrincipalKind) -> Option<Kind> {
    match kind {
        PrincipalKind::Device => Some(Kind::Device),
        PrincipalKind::Service => Some(Kind::Service),
        PrincipalKind::Admin => Some(Kind::Admin),
        PrincipalKind::Server => None,
    }
}

pub fn status(status: PrincipalStatus) -> Status {
    match status {
        PrincipalStatus::Preregistered => Status::Preregistered,
        PrincipalStatus::Pending => Status::Pending,
        PrincipalStatus::Active => Status::Active,
        PrincipalStatus::Suspended => Status::Suspended,
        PrincipalStatus::Revoked => Status::Revoked,
        PrincipalStatus::Retired => Status::Retired,
    }
}
