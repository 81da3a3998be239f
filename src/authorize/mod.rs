//! Room 3: evidence becomes a grant, or a refusal with its reason. One file per way of proving who you are.

mod bearer;
pub mod caller;
mod grant;
pub mod identity;
mod manual;
mod origin;
mod person;
mod presented;
mod recovery;
mod renewal;
mod ticket;
mod token;

use std::net::IpAddr;
use std::sync::Arc;

use signet_api::enroll::HardwareFacts;
use signet_api::{Credential, CredentialId};
use signet_pki::csr::CheckedCsr;
use signet_pki::{DeviceId, DnsName};
use tokio::sync::Notify;

pub(crate) use caller::usable;
pub use caller::{AccessError, Caller, Secret, Shown, Who};
pub use grant::Grant;
pub use identity::{Identity, PeerCertificate};
pub use person::Person;
pub use presented::{Presented, PresentedApiKey};
pub use recovery::{RecoveryProof, RecoveryRules};

use crate::clock::Clock;
use crate::config::Profiles;
use crate::credentials::Pepper;
pub use crate::credentials::delegation::{Beyond, Delegated};
use crate::credentials::keys::Uses;
use crate::enrollment::EnrollError;
use crate::issuer::Issuers;
use crate::jwt::Tokens;
use crate::store::{Issued, PrincipalRecord, Store};

/// Room 1's result: what somebody asks for and with what evidence. Nothing about it is decided.
pub struct Enrollment {
    pub csr: Vec<u8>,
    pub evidence: Evidence,
    pub context: Context,
}

pub enum Evidence {
    Token {
        credential: Credential,
        facts: HardwareFacts,
    },
    /// The client certificate of the connection, and what the request claims to be.
    Certificate {
        peer: PeerCertificate,
        claims: Claims,
    },
    /// The key of a certificate that has ended.
    Recovery(RecoveryProof),
    /// An administrator's word.
    Administrator {
        admin: Caller,
        order: ManualOrder,
    },
    /// The service itself, by an operator's command or its own renewal.
    Operator {
        principal: PrincipalRecord,
    },
}

impl Evidence {
    /// The public id of the token, when the evidence is one.
    pub fn token(&self) -> Option<CredentialId> {
        match self {
            Evidence::Token { credential, .. } => Some(credential.id().clone()),
            Evidence::Certificate { .. }
            | Evidence::Recovery(_)
            | Evidence::Administrator { .. }
            | Evidence::Operator { .. } => None,
        }
    }
}

/// Where a request came from.
#[derive(Debug, Clone)]
pub struct Context {
    pub request_id: String,
    pub remote: IpAddr,
}

/// What a renewal may repeat of its record, and nothing else.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    pub device: Option<DeviceId>,
    pub profile: Option<String>,
    pub groups: Option<Vec<String>>,
    /// The trust bundle that the device says it holds. Nothing is decided by it.
    pub bundle: Option<u64>,
}

#[derive(Debug, Clone)]
pub struct ManualOrder {
    pub device: DeviceId,
    pub profile: String,
    pub groups: Vec<String>,
    pub dns_names: Vec<DnsName>,
    pub lifetime: Option<i64>,
    pub replace: bool,
}

pub enum Decision {
    Issue(Box<Grant>),
    /// The same evidence with the same key got this before.
    Replay(Issued),
    /// An administrator has to approve.
    Pend(Pending),
}

/// An enrollment that waits for an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub device: DeviceId,
}

pub struct Authorizer {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) issuers: Arc<Issuers>,
    pub(crate) profiles: Profiles,
    pub(crate) pepper: Pepper,
    pub(crate) uses: Uses,
    pub(crate) tokens: Tokens,
    pub(crate) recovery: RecoveryRules,
    pub(crate) clock: Arc<dyn Clock>,
    /// Rung when a decision revoked something and a new list is wanted.
    pub(crate) list_wanted: Arc<Notify>,
}

impl Authorizer {
    /// Rings for a look at what has to be published.
    pub fn list_wanted(&self) {
        self.list_wanted.notify_one();
    }

    pub async fn decide(
        &self,
        evidence: Evidence,
        csr: CheckedCsr,
        context: &Context,
    ) -> Result<Decision, EnrollError> {
        match evidence {
            Evidence::Token { credential, facts } => self.by_token(&credential, &facts, csr, context).await,
            Evidence::Certificate { peer, claims } => self.by_certificate(&peer, &claims, csr, context).await,
            Evidence::Recovery(proof) => self.by_recovery(&proof, csr, context).await,
            Evidence::Administrator { admin, order } => self.by_administrator(&admin, order, csr, context).await,
            Evidence::Operator { principal } => self.by_operator(principal, csr, context),
        }
    }
}
