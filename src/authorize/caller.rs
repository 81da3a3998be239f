//! Who asks, by what they show: a client certificate, a secret, or both. What they may do is what all of it allows.

use std::net::IpAddr;

use ipnet::IpNet;
use signet_api::scope::{AccountId, Scope, Scopes};
use signet_api::{Credential, CredentialId, ErrorCode};
use signet_pki::name::PrincipalKind;
use signet_pki::{DeviceId, UnixTime};
use thiserror::Error;

use super::person::Person;
use super::presented::{Presented, PresentedApiKey};
use super::{Authorizer, Context, Identity, PeerCertificate};
use crate::credentials::delegation::{Beyond, Delegated};
use crate::credentials::keys::PresentedKey;
use crate::enrollment::EnrollError;
use crate::jwt::TokenError;
use crate::store::{
    AccountRecord, AccountStatus, Actor, CredentialRecord, CredentialStatus, Owner, PrincipalRecord, PrincipalStatus,
    StoreError, TicketRecord,
};

/// What a request shows of who asks. TLS has verified the certificate; nothing else is verified.
pub struct Shown<'a> {
    pub certificate: Option<&'a PeerCertificate>,
    pub secret: Option<Secret>,
}

/// The one secret of a request.
pub enum Secret {
    /// `None`: not in the form of a key.
    ApiKey(Option<PresentedKey>),
    /// Of `Authorization: Bearer`.
    Bearer(String),
    /// For streams alone. `None`: not in the form of a ticket.
    Ticket(Option<Credential>),
    /// A ticket that opened the stream which is looked at again.
    Redeemed(Box<TicketRecord>),
}

/// Somebody who has proved who they are, as the records are now. Made by [`Authorizer::caller`] only.
#[derive(Debug, Clone)]
pub struct Caller {
    who: Who,
    scopes: Scopes,
    presented: Presented,
}

#[derive(Debug, Clone)]
pub enum Who {
    /// By a client certificate.
    Certificate(Identity),
    /// By a secret of its own alone.
    Principal(Box<PrincipalRecord>),
    Account(Box<AccountRecord>),
}

impl Caller {
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// The id of its principal or account.
    pub fn id(&self) -> &str {
        match &self.who {
            Who::Account(account) => account.id.as_str(),
            Who::Certificate(identity) => identity.record().principal.id.as_str(),
            Who::Principal(principal) => principal.id.as_str(),
        }
    }

    /// The account that it is, or that owns it.
    pub fn account(&self) -> Option<&AccountId> {
        match &self.who {
            Who::Account(account) => Some(&account.id),
            _ => self.principal().and_then(|principal| principal.account.as_ref()),
        }
    }

    /// `admin:alice`, `account:acme`: whom it stands for.
    pub fn name(&self) -> String {
        self.who.name()
    }

    /// Who acts, and with which credential, for the audit log.
    pub fn actor(&self) -> Actor {
        match (self.presented.named(), &self.who) {
            (Some(with), _) => Actor::with(self.name(), with),
            (None, Who::Certificate(identity)) => identity.actor(),
            (None, _) => self.name().into(),
        }
    }

    /// What it may do: of its principal and of what it showed.
    pub fn scopes(&self) -> Scopes {
        self.scopes
    }

    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// The certificate that it showed.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.who {
            Who::Certificate(identity) => Some(identity),
            Who::Principal(_) | Who::Account(_) => None,
        }
    }

    pub fn principal(&self) -> Option<&PrincipalRecord> {
        match &self.who {
            Who::Certificate(identity) => Some(&identity.record().principal),
            Who::Principal(principal) => Some(principal),
            Who::Account(_) => None,
        }
    }

    /// What the request presented, apart from what that derives from.
    pub fn presented(&self) -> &Presented {
        &self.presented
    }

    /// The administrator in person: proved by a certificate of that administrator, and by no secret, which others may
    /// hold. Only a person asks for and approves what needs two.
    pub fn person(&self) -> Option<Person> {
        let administrator = self.identity().map(|own| &own.record().principal);
        let administrator = administrator.filter(|principal| principal.kind == PrincipalKind::Admin)?;
        (self.presented == Presented::Certificate).then(|| Person::of(administrator.id.clone()))
    }

    /// What it hands on to another credential or principal.
    pub fn delegate(&self, wanted: Scopes) -> Result<Delegated, Beyond> {
        Delegated::within(wanted, self.scopes)
    }
}

impl Who {
    /// `admin:alice`, `account:acme`.
    pub fn name(&self) -> String {
        match self {
            Who::Certificate(identity) => identity.name(),
            Who::Principal(principal) => principal.name(),
            Who::Account(account) => format!("account:{}", account.id),
        }
    }
}

/// Why somebody is not let in.
#[derive(Debug, Error)]
pub enum AccessError {
    #[error("neither a client certificate nor a secret")]
    Nothing,
    /// Unknown id or wrong secret; nobody is told which.
    #[error("unknown key or wrong secret")]
    Invalid,
    /// Told like the one before, and not counted as an attempt: it could not have hit.
    #[error("the key or token is not in the form of one of ours")]
    Malformed,
    #[error("the credential {0} has expired")]
    Expired(CredentialId),
    #[error("the credential {0} was revoked or used up")]
    Revoked(CredentialId),
    #[error("the credential {0} is switched off")]
    Disabled(CredentialId),
    #[error("the credential may not be presented from {0}")]
    Network(IpAddr),
    #[error("the certificate is {certificate}'s and the credential is not")]
    Mismatch { certificate: DeviceId },
    #[error(transparent)]
    Token(#[from] TokenError),
    /// By itself, with its session, or with the certificate that it hangs on.
    #[error("the access token was revoked")]
    TokenEnded,
    #[error("the access token is bound to a certificate that this connection does not show")]
    Unbound,
    #[error(transparent)]
    Principal(#[from] EnrollError),
}

impl From<StoreError> for AccessError {
    fn from(error: StoreError) -> AccessError {
        AccessError::Principal(error.into())
    }
}

impl AccessError {
    /// Exhaustive, so that a new reason must decide how it is told.
    pub fn code(&self) -> ErrorCode {
        match self {
            AccessError::Nothing => ErrorCode::NotAuthenticated,
            AccessError::Invalid | AccessError::Malformed => ErrorCode::CredentialInvalid,
            AccessError::Expired(_) => ErrorCode::CredentialExpired,
            AccessError::Revoked(_) => ErrorCode::CredentialRevoked,
            AccessError::Disabled(_) => ErrorCode::CredentialDisabled,
            AccessError::Network(_) => ErrorCode::CredentialConstraint,
            AccessError::Mismatch { .. } => ErrorCode::CredentialMismatch,
            AccessError::Token(TokenError::Expired) => ErrorCode::CredentialExpired,
            AccessError::Token(_) | AccessError::Unbound => ErrorCode::CredentialInvalid,
            AccessError::TokenEnded => ErrorCode::CredentialRevoked,
            AccessError::Principal(error) => error.code(),
        }
    }

    /// Whether a secret was tried and failed: counts towards the back-off of its address.
    pub fn is_failed_proof(&self) -> bool {
        matches!(self, AccessError::Invalid)
    }
}

/// Who showed a secret, and what it allows.
pub(super) struct Holder {
    pub(super) who: Who,
    pub(super) scopes: Scopes,
    pub(super) presented: Presented,
}

impl Authorizer {
    /// The certificate first, then the secret. With both, the certificate says who it is, and the secret has to be its own or
    /// its account's.
    pub async fn caller(&self, shown: Shown<'_>, context: &Context) -> Result<Caller, AccessError> {
        let identity = match shown.certificate {
            Some(peer) => Some(self.identify(peer, context).await?),
            None => None,
        };
        let holder = match shown.secret {
            None => None,
            Some(Secret::ApiKey(key)) => Some(self.by_api_key(key, context).await?),
            Some(Secret::Bearer(token)) => Some(self.by_access_token(&token, identity.as_ref(), context).await?),
            Some(Secret::Ticket(ticket)) => Some(self.by_ticket(ticket, context).await?),
            Some(Secret::Redeemed(ticket)) => Some(self.behind(&ticket).await?),
        };
        let caller = match (identity, holder) {
            (None, None) => return Err(AccessError::Nothing),
            (Some(identity), None) => {
                let scopes = identity.record().principal.scopes();
                Caller { who: Who::Certificate(identity), scopes, presented: Presented::Certificate }
            }
            (None, Some(Holder { who, scopes, presented })) => Caller { who, scopes, presented },
            (Some(identity), Some(holder)) => both(identity, holder)?,
        };
        Ok(caller)
    }

    async fn by_api_key(&self, key: Option<PresentedKey>, context: &Context) -> Result<Holder, AccessError> {
        let key = key.ok_or(AccessError::Malformed)?;
        let found = match &key {
            PresentedKey::Own(credential) => {
                let found = self.store.credential(credential.id()).await?.filter(|found| !found.legacy);
                let good = self.pepper.matches(credential, found.as_ref().map(|found| &found.hash));
                found.filter(|_| good)
            }
            PresentedKey::Legacy(key) => self.store.legacy_credential(&self.pepper.hash_legacy(key)).await?,
        };
        let found = found.ok_or(AccessError::Invalid)?;
        let now = self.clock.now();
        usable(&found, now, Some(context.remote))?;
        let (who, own) = self.owner(&found.owner).await?;
        self.uses.note(&found.id, now);
        let presented = Presented::ApiKey(PresentedApiKey::proved(&found));
        Ok(Holder { who, scopes: own & found.scopes, presented })
    }

    /// The owner of a credential as the record is now, and what it may do by itself.
    pub(crate) async fn owner(&self, owner: &Owner) -> Result<(Who, Scopes), AccessError> {
        match owner {
            Owner::Account(id) => {
                let account = self.store.account(id).await?.ok_or(AccessError::Invalid)?;
                match account.status {
                    AccountStatus::Active => {}
                    AccountStatus::Suspended => return Err(EnrollError::AccountSuspended.into()),
                    AccountStatus::Revoked => return Err(EnrollError::AccountRevoked.into()),
                }
                let own = account.permissions.scopes();
                Ok((Who::Account(Box::new(account)), own))
            }
            Owner::Principal(id) => {
                let principal = self.store.principal(id).await?.ok_or(AccessError::Invalid)?;
                match principal.status {
                    PrincipalStatus::Active => {}
                    PrincipalStatus::Suspended => return Err(EnrollError::DeviceSuspended.into()),
                    PrincipalStatus::Revoked | PrincipalStatus::Retired => {
                        return Err(EnrollError::DeviceRevoked.into());
                    }
                    PrincipalStatus::Preregistered | PrincipalStatus::Pending => return Err(AccessError::Invalid),
                }
                self.account_is_good(&principal).await?;
                let own = principal.scopes();
                Ok((Who::Principal(Box::new(principal)), own))
            }
        }
    }

    /// What an account owns is good for as long as the account is.
    pub(crate) async fn account_is_good(&self, principal: &PrincipalRecord) -> Result<(), EnrollError> {
        let Some(id) = &principal.account else { return Ok(()) };
        match self.store.account(id).await?.map(|account| account.status) {
            Some(AccountStatus::Active) => Ok(()),
            Some(AccountStatus::Suspended) => Err(EnrollError::AccountSuspended),
            Some(AccountStatus::Revoked) | None => Err(EnrollError::AccountRevoked),
        }
    }
}

fn both(identity: Identity, holder: Holder) -> Result<Caller, AccessError> {
    let own = &identity.record().principal;
    let same = match &holder.who {
        Who::Certificate(other) => other.record().principal.id == own.id,
        Who::Principal(other) => other.id == own.id,
        Who::Account(account) => own.account.as_ref() == Some(&account.id),
    };
    if !same {
        return Err(AccessError::Mismatch { certificate: own.id.clone() });
    }
    let scopes = own.scopes() & holder.scopes;
    Ok(Caller { who: Who::Certificate(identity), scopes, presented: holder.presented })
}

/// Whether a credential whose secret was proved may be used now. `remote`: from where, when it is about that.
pub(crate) fn usable(found: &CredentialRecord, now: UnixTime, remote: Option<IpAddr>) -> Result<(), AccessError> {
    let id = found.id.clone();
    match found.status {
        CredentialStatus::Used | CredentialStatus::Revoked => Err(AccessError::Revoked(id)),
        // Also one that is switched off: switching it on would not help.
        _ if now >= found.expires_at => Err(AccessError::Expired(id)),
        CredentialStatus::Disabled => Err(AccessError::Disabled(id)),
        CredentialStatus::Active => match remote.filter(|remote| !may_come_from(found, *remote)) {
            Some(elsewhere) => Err(AccessError::Network(elsewhere)),
            None => Ok(()),
        },
    }
}

/// A text that does not parse lets nobody in.
pub(super) fn may_come_from(credential: &CredentialRecord, remote: IpAddr) -> bool {
    credential.cidr.as_ref().is_none_or(|cidr| cidr.parse::<IpNet>().is_ok_and(|network| network.contains(&remote)))
}
