//! What a request presented to prove who asks, apart from what that was derived from.
//!
//! An access token is not the API key that it was got with: it is narrower and ends sooner. So no accessor answers "the credential"
//! of a request. What acts on a key takes a [`PresentedApiKey`], which only a key that was presented itself can make; what has to
//! end with its origin asks for the [`lineage`](Presented::lineage).

use signet_api::CredentialId;
use signet_api::scope::Scopes;
use signet_pki::UnixTime;

use crate::credentials::delegation::Delegated;
use crate::store::CredentialRecord;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// The client certificate of the connection, and no secret.
    Certificate,
    ApiKey(PresentedApiKey),
    AccessToken(PresentedToken),
    Ticket(PresentedTicket),
}

/// An API key whose secret was in the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedApiKey {
    id: CredentialId,
    scopes: Scopes,
}

/// An access token: what it is, and what it was got with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedToken {
    jti: String,
    derives_from: Option<CredentialId>,
    ends_at: UnixTime,
}

/// A stream ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedTicket {
    id: CredentialId,
    derives_from: Option<CredentialId>,
}

impl PresentedApiKey {
    /// The caller has compared the secret with the record.
    pub(super) fn proved(record: &CredentialRecord) -> PresentedApiKey {
        PresentedApiKey { id: record.id.clone(), scopes: record.scopes }
    }

    pub fn id(&self) -> &CredentialId {
        &self.id
    }

    /// What it hands on to its successor, of the scopes that are wanted for that: never more than it has itself.
    pub fn succession(&self, wanted: Scopes) -> Delegated {
        Delegated::bounded(wanted, self.scopes)
    }
}

impl PresentedToken {
    pub(super) fn verified(jti: String, derives_from: Option<CredentialId>, ends_at: UnixTime) -> PresentedToken {
        PresentedToken { jti, derives_from, ends_at }
    }

    pub fn ends_at(&self) -> UnixTime {
        self.ends_at
    }
}

impl PresentedTicket {
    pub(super) fn proved(record: &CredentialRecord) -> PresentedTicket {
        PresentedTicket { id: record.id.clone(), derives_from: record.parent.clone() }
    }

    pub fn id(&self) -> &CredentialId {
        &self.id
    }
}

impl Presented {
    pub fn api_key(&self) -> Option<&PresentedApiKey> {
        match self {
            Presented::ApiKey(key) => Some(key),
            Presented::Certificate | Presented::AccessToken(_) | Presented::Ticket(_) => None,
        }
    }

    pub fn ticket(&self) -> Option<&PresentedTicket> {
        match self {
            Presented::Ticket(ticket) => Some(ticket),
            Presented::Certificate | Presented::ApiKey(_) | Presented::AccessToken(_) => None,
        }
    }

    pub fn token(&self) -> Option<&PresentedToken> {
        match self {
            Presented::AccessToken(token) => Some(token),
            Presented::Certificate | Presented::ApiKey(_) | Presented::Ticket(_) => None,
        }
    }

    /// Public id of the secret that was presented; a token has none.
    pub fn public_id(&self) -> Option<&CredentialId> {
        match self {
            Presented::ApiKey(key) => Some(&key.id),
            Presented::Ticket(ticket) => Some(&ticket.id),
            Presented::Certificate | Presented::AccessToken(_) => None,
        }
    }

    /// The stored credential with whose end this request's authority ends: the key itself, or what a token or ticket was got
    /// with. For ending and for parents of what is made from it, never for acting on it.
    pub fn lineage(&self) -> Option<&CredentialId> {
        match self {
            Presented::Certificate => None,
            Presented::ApiKey(key) => Some(&key.id),
            Presented::AccessToken(token) => token.derives_from.as_ref(),
            Presented::Ticket(ticket) => Some(&ticket.id),
        }
    }

    /// As the audit log names it, `None` for a certificate, whose serial number its holder names: `apikey:ID`,
    /// `access_token:JTI from ID`, `ticket:ID from ID`.
    pub(super) fn named(&self) -> Option<String> {
        let from = |id: &Option<CredentialId>| id.as_ref().map(|id| format!(" from {id}")).unwrap_or_default();
        match self {
            Presented::Certificate => None,
            Presented::ApiKey(key) => Some(format!("apikey:{}", key.id)),
            Presented::AccessToken(token) => Some(format!("access_token:{}{}", token.jti, from(&token.derives_from))),
            Presented::Ticket(ticket) => Some(format!("ticket:{}{}", ticket.id, from(&ticket.derives_from))),
        }
    }
}
