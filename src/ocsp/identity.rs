//! The responder's key and certificate: made when the service starts, renewed by itself, on no disk. A thief of it can say
//! "good" for a week; a thief of the issuer's key could do more, so that one signs no answers.

use signet_keys::{KeyKind, PrivateKey};
use signet_pki::csr;
use signet_pki::name::PrincipalKind;
use signet_pki::ocsp::{ResponderCert, ResponderError};
use signet_pki::signer::SignerError;
use signet_pki::{DeviceId, UnixTime};
use thiserror::Error;

use crate::authorize::{Context, Enrollment, Evidence};
use crate::config::OCSP_PROFILE;
use crate::enrollment::{EnrollError, Outcome, Road};
use crate::issuer::Issuer;
use crate::store::{PrincipalRecord, PrincipalStatus, StoreError};

#[derive(Debug, Error)]
pub enum IdentityError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] signet_keys::private::KeyError),
    #[error(transparent)]
    Csr(#[from] SignerError),
    #[error(transparent)]
    Refused(#[from] EnrollError),
    #[error(transparent)]
    Certificate(#[from] ResponderError),
    #[error("the name {0} is taken by something that is no responder")]
    Taken(DeviceId),
    #[error("{0:?} is no name")]
    Name(String),
    #[error("the responder's certificate waits for an approval")]
    Pending,
}

pub(super) struct ResponderIdentity {
    pub(super) key: PrivateKey,
    pub(super) certificate: ResponderCert,
}

impl ResponderIdentity {
    /// Half of life is over.
    pub(super) fn is_due(&self, now: UnixTime) -> bool {
        let view = self.certificate.view();
        now.since(view.not_before) > view.not_after.since(view.not_before) / 2
    }
}

pub(super) async fn make(road: &Road, issuer: &Issuer, context: Context) -> Result<ResponderIdentity, IdentityError> {
    let key = PrivateKey::generate(KeyKind::P256)?;
    let principal = record(road, issuer).await?;
    let csr = csr::make(&key, principal.id.as_str())?;
    let enrollment = Enrollment { csr, evidence: Evidence::Operator { principal }, context };
    let issued = match road.walk_under(issuer, enrollment).await? {
        Outcome::Issued(issued) | Outcome::Replayed(issued) => issued,
        Outcome::Pending(_) => return Err(IdentityError::Pending),
    };
    let certificate = ResponderCert::below(issued.der(), issuer.certificate())?;
    Ok(ResponderIdentity { key, certificate })
}

/// One responder an issuer, named after it.
async fn record(road: &Road, issuer: &Issuer) -> Result<PrincipalRecord, IdentityError> {
    let name = format!("ocsp-{}", issuer.certificate().short_id());
    let id = DeviceId::parse(&name).map_err(|_| IdentityError::Name(name))?;
    let found = road.store.principal(&id).await?;
    if found.as_ref().is_some_and(|p| p.kind != PrincipalKind::Server) {
        return Err(IdentityError::Taken(id));
    }
    let new = PrincipalRecord::new(id, PrincipalKind::Server, OCSP_PROFILE, road.clock.now());
    Ok(PrincipalRecord {
        status: PrincipalStatus::Active,
        created_at: found.as_ref().map_or(new.created_at, |p| p.created_at),
        version: found.map_or(0, |p| p.version),
        ..new
    })
}
