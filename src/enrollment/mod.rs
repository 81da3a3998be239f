//! The road from a CSR to a certificate. Six rooms, in this order, for every protocol.

mod error;

use std::sync::Arc;

use signet_pki::TrustDomain;
use signet_pki::csr::CheckedCsr;
use signet_pki::key_policy::KeyPolicy;

pub use error::EnrollError;

use crate::authorize::{Authorizer, Decision, Enrollment, Grant, Pending};
use crate::clock::Clock;
use crate::issuer::{Issuer, Issuers};
use crate::random::{self, Random};
use crate::store::{Committed, Conflict, Issued, Store};

pub struct Road {
    /// What the door accepts before the profile is known: any type of key that some profile may allow, none that is blocked.
    pub door: KeyPolicy,
    pub authorizer: Arc<Authorizer>,
    pub issuers: Arc<Issuers>,
    pub store: Arc<dyn Store>,
    pub domain: TrustDomain,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
}

#[derive(Debug)]
pub enum Outcome {
    Issued(Issued),
    /// An earlier answer, byte for byte.
    Replayed(Issued),
    Pending(Pending),
}

impl Road {
    pub async fn walk(&self, enrollment: Enrollment) -> Result<Outcome, EnrollError> {
        let active = self.issuers.active().ok_or(EnrollError::NoIssuer)?;
        self.walk_under(&active, enrollment).await
    }

    /// Under an issuer that is not the active one: for the certificate of its own responder.
    pub async fn walk_under(&self, issuer: &Issuer, enrollment: Enrollment) -> Result<Outcome, EnrollError> {
        let Enrollment { csr, evidence, context } = enrollment;
        let checked = CheckedCsr::parse(&csr, &self.door)?;
        let (token, spki) = (evidence.token(), checked.public_key().fingerprint());
        match self.authorizer.decide(evidence, checked, &context).await? {
            Decision::Issue(grant) => match (self.issue(issuer, *grant).await, token) {
                // Lost by a hair: the same alarm as for one who comes a minute later.
                (Err(EnrollError::TokenBoundToOtherKey), Some(token)) => {
                    Err(self.authorizer.lost_race(&token, &spki, &context).await)
                }
                (Err(EnrollError::TokenRevoked), Some(token)) => Err(self.authorizer.gone_meanwhile(&token).await),
                (outcome, _) => outcome,
            },
            // Good for nothing any more, and another key gets a new one.
            Decision::Replay(issued) if self.issuers.is_distrusted(issued.issuer()) => {
                Err(EnrollError::IssuerDistrusted)
            }
            Decision::Replay(issued) => Ok(Outcome::Replayed(issued)),
            Decision::Pend(pending) => Ok(Outcome::Pending(pending)),
        }
    }

    /// Rooms 4 to 6. What is signed and not committed is dropped here: it was never anybody's.
    async fn issue(&self, issuer: &Issuer, grant: Grant) -> Result<Outcome, EnrollError> {
        let now = self.clock.now();
        issuer.check_clock(now)?;
        let random = random::bytes(self.random.as_ref())?;
        let certificate = issuer.certificate();
        let (linted, promise) = grant.plan(&self.domain, certificate, now, random, |plan| issuer.prepare(plan))?;
        let signed = issuer.sign(linted).await?;
        match self.store.commit(promise.commit(signed, now)).await? {
            Ok(Committed::New(issued)) => Ok(Outcome::Issued(issued)),
            Ok(Committed::Replayed(issued)) => Ok(Outcome::Replayed(issued)),
            Err(conflict) => Err(refuse(conflict)),
        }
    }
}

/// A commit that lost a race: the state changed after the decision.
fn refuse(conflict: Conflict) -> EnrollError {
    match conflict {
        Conflict::TokenGone => EnrollError::TokenRevoked,
        Conflict::OtherKey => EnrollError::TokenBoundToOtherKey,
        Conflict::ParentGone => EnrollError::CertificateRevoked,
        Conflict::IssuerDistrusted => {
            EnrollError::Conflict("the issuer was taken away at the same moment; send the request again".into())
        }
        Conflict::RecoveryExhausted => EnrollError::RecoveryExhausted,
        Conflict::KeyTaken => EnrollError::Key("this key belongs to another device".into()),
        Conflict::KeyCompromised => {
            EnrollError::Key("this key was reported as compromised and is never certified again; make a new key".into())
        }
        Conflict::KeySpent => EnrollError::Key("the certificate for this key has ended; renew with a new key".into()),
        Conflict::RenewalsExhausted => EnrollError::RenewalsExhausted,
        Conflict::PrincipalChanged
        | Conflict::SerialTaken
        | Conflict::NoAccount
        | Conflict::Status(_)
        | Conflict::Outranked(_)
        | Conflict::OpenToken { .. }
        | Conflict::UnusedCertificate(_)
        | Conflict::Generation(_)
        | Conflict::Claims(_) => {
            EnrollError::Conflict("the record changed at the same moment; send the request again".into())
        }
    }
}
