//! OAuth for machines: access tokens for whoever has proved who they are (RFC 6749 4.4, RFC 8705), sessions of refresh tokens,
//! and what others may know about both.

pub mod device;
mod inspect;
mod refresh;

use std::sync::Arc;

use signet_api::access::CredentialQuery;
use signet_api::admin::Page;
use signet_api::jwt::{Claims, Confirmation};
use signet_api::oauth::TokenResponse;
use signet_api::scope::Scopes;
use signet_api::{Credential, CredentialId, CredentialKind, ErrorCode};
use signet_keys::random::RandomError;
use signet_pki::name::PrincipalKind;
use signet_pki::{DeviceId, Fingerprint, UnixTime};
use thiserror::Error;

use crate::authorize::{AccessError, Authorizer, Beyond, Caller, Context, Identity, Who};
use crate::clock::Clock;
use crate::config::RawOauth;
use crate::jwt::MintError;
use crate::oauth::device::DeviceCodes;
use crate::random::{self, Random};
use crate::store::{
    AccessConflict, Actor, AuditDraft, CreateCredentials, CredentialRecord, CredentialStatus, Origin, Owner,
    PrincipalStatus, Store, StoreError,
};

/// Gives tokens out, and takes them back.
pub struct OAuth {
    pub authorizer: Arc<Authorizer>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub rules: RawOauth,
    /// Devices that wait for an administrator.
    pub codes: DeviceCodes,
}

/// What somebody asks for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// `None`: everything that the asker may.
    pub scopes: Option<Scopes>,
    pub session: Session,
    /// `None`: this service.
    pub audience: Option<String>,
}

/// Whether a refresh token is wanted: `offline_access` among the scopes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Session {
    #[default]
    None,
    Open,
}

/// Whom an access token is about.
#[derive(Debug, Clone)]
pub struct Holder {
    pub who: Who,
    pub client_id: String,
    /// The API key that takes part.
    pub key: Option<CredentialId>,
    pub scopes: Scopes,
}

impl Holder {
    /// For the audit log: the API key where one takes part, else the certificate.
    fn actor(&self) -> Actor {
        match (&self.key, &self.who) {
            (Some(key), who) => Actor::with(who.name(), format!("apikey:{key}")),
            (None, Who::Certificate(identity)) => identity.actor(),
            (None, who) => who.name().into(),
        }
    }
}

/// The session that an access token belongs to.
#[derive(Debug, Clone)]
pub struct Line {
    pub family: CredentialId,
    pub ends_at: UnixTime,
    /// The refresh token to hand out.
    pub next: Credential,
}

#[derive(Debug, Error)]
pub enum OAuthError {
    #[error("beyond what may be given: {0}")]
    Scope(String),
    #[error("no such audience: {0:?}")]
    Target(String),
    /// A sentence that its caller may read.
    #[error("{0}")]
    Grant(&'static str),
    /// A secret that does not hit. Told like the one before.
    #[error("unknown refresh token or wrong secret")]
    Unknown,
    #[error("a device's tokens are bound to its certificate, and the connection shows none")]
    Uncertified,
    #[error("a session needs a certificate that it is bound to")]
    NoSession,
    #[error("the owner cannot have another session: {0:?}")]
    Refused(AccessConflict),
    #[error("{0} may not look at tokens of others")]
    Foreign(String),
    #[error(transparent)]
    Mint(#[from] MintError),
    #[error(transparent)]
    Random(#[from] RandomError),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OAuthError {
    /// `None`: as the error inside says.
    pub fn code(&self) -> Option<ErrorCode> {
        Some(match self {
            OAuthError::Scope(_) => ErrorCode::InvalidScope,
            OAuthError::Target(_) => ErrorCode::InvalidTarget,
            OAuthError::Grant(_) | OAuthError::Unknown => ErrorCode::InvalidGrant,
            OAuthError::Uncertified => ErrorCode::NotAuthenticated,
            OAuthError::NoSession => ErrorCode::InvalidScope,
            OAuthError::Refused(_) => ErrorCode::Conflict,
            OAuthError::Foreign(_) => ErrorCode::Forbidden,
            OAuthError::Mint(MintError::NoKey) => ErrorCode::NoTokenKeys,
            OAuthError::Mint(MintError::Signer(_)) => ErrorCode::SignerUnavailable,
            OAuthError::Random(_) => ErrorCode::Internal,
            OAuthError::Access(_) | OAuthError::Store(_) => return None,
        })
    }

    pub fn is_failed_proof(&self) -> bool {
        matches!(self, OAuthError::Unknown)
    }
}

impl OAuth {
    /// For somebody who showed a certificate, an API key, or both.
    pub async fn client_credentials(
        &self,
        caller: &Caller,
        wanted: &Wanted,
        context: &Context,
    ) -> Result<TokenResponse, OAuthError> {
        let audience = self.audience(wanted).await?;
        let scopes = caller
            .delegate(wanted.scopes.unwrap_or(caller.scopes()))
            .map_err(|Beyond(b)| OAuthError::Scope(b.to_string()))?;
        let (who, key) = (caller.who().clone(), caller.presented().api_key().map(|key| key.id().clone()));
        let client_id = key.as_ref().map_or_else(|| caller.id().to_owned(), CredentialId::to_string);
        let holder = Holder { who, client_id, key, scopes: scopes.scopes() };
        self.check_bound(&holder)?;
        let line = match wanted.session {
            Session::None => None,
            Session::Open => {
                let Some(identity) = caller.identity() else { return Err(OAuthError::NoSession) };
                let (owner, spki) = (Owner::Principal(identity.record().principal.id.clone()), identity.record().spki);
                Some(self.open_session(&holder, owner, Some(spki), context).await?)
            }
        };
        self.mint(holder, audience, line).await
    }

    /// A first refresh token. `spki`: the key that it is bound to.
    pub async fn open_session(
        &self,
        holder: &Holder,
        owner: Owner,
        spki: Option<Fingerprint>,
        context: &Context,
    ) -> Result<Line, OAuthError> {
        // Nothing is written for tokens that nobody could sign.
        self.authorizer.tokens.can_sign(self.clock.now())?;
        let now = self.clock.now();
        let first = Credential::from_random(CredentialKind::Refresh, &random::bytes(self.random.as_ref())?);
        let ends_at = now.plus(i64::from(self.rules.refresh_days) * DAY);
        let actor = holder.who.name();
        let record = CredentialRecord {
            id: first.id().clone(),
            kind: CredentialKind::Refresh,
            hash: self.authorizer.pepper.hash(&first),
            owner,
            name: String::new(),
            scopes: holder.scopes,
            status: CredentialStatus::Active,
            family: first.id().clone(),
            parent: holder.key.clone(),
            spki,
            cidr: None,
            created_at: now,
            created_by: actor,
            expires_at: self.idle_end(now, ends_at),
            line_ends_at: Some(ends_at),
            used_at: None,
            successor: None,
            last_used_at: None,
            legacy: false,
        };
        let detail = serde_json::json!({
            "scopes": holder.scopes.to_string(),
            "bound": spki.map(|key| key.to_string()),
            "remote": context.remote.to_string(),
        });
        let draft = draft("session.opened", holder.actor(), first.id().to_string(), detail, (context, now));
        let certificate = identity(&holder.who).map(|identity| identity.record().serial.clone());
        let origin = Origin { certificate, credential: holder.key.clone() };
        let order = CreateCredentials { credentials: vec![record], origin, draft };
        self.store.create_credentials(order).await?.map_err(OAuthError::Refused)?;
        Ok(Line { family: first.id().clone(), ends_at, next: first })
    }

    /// An access token, with the refresh token of its session.
    pub async fn mint(
        &self,
        holder: Holder,
        audience: String,
        line: Option<Line>,
    ) -> Result<TokenResponse, OAuthError> {
        self.check_bound(&holder)?;
        let now = self.clock.now();
        let identity = identity(&holder.who).map(Identity::record);
        let life = if identity.is_some() { self.rules.token_seconds } else { self.rules.unbound_token_seconds };
        // Whoever checks offline sees no end but this one.
        let mut ends = vec![now.plus(life)];
        ends.extend(identity.map(|record| record.not_after));
        ends.extend(line.as_ref().map(|line| line.ends_at));
        if let Some(key) = &holder.key {
            ends.extend(self.store.credential(key).await?.map(|key| key.expires_at));
        }
        let exp = ends.into_iter().min().unwrap_or(now);
        let principal = match &holder.who {
            Who::Certificate(identity) => Some(&identity.record().principal),
            Who::Principal(principal) => Some(principal.as_ref()),
            Who::Account(_) => None,
        };
        let id: [u8; 15] = random::bytes(self.random.as_ref())?;
        let claims = Claims {
            iss: self.authorizer.tokens.issuer().to_owned(),
            sub: holder.who.name(),
            aud: audience,
            client_id: holder.client_id,
            iat: now.0,
            exp: exp.0,
            jti: data_encoding::BASE64URL_NOPAD.encode(&id),
            scope: holder.scopes,
            groups: principal.map(|p| p.groups.clone()).unwrap_or_default(),
            cnf: identity.map(|record| Confirmation { certificate: Fingerprint::of(&record.der) }),
            cert: identity.map(|record| record.serial.to_string()),
            sid: line.as_ref().map(|line| line.family.clone()),
            key: holder.key,
        };
        Ok(TokenResponse {
            access_token: self.authorizer.tokens.sign(&claims, now)?,
            token_type: "Bearer".into(),
            expires_in: exp.since(now),
            scope: claims.scope,
            refresh_token: line.map(|line| line.next.expose().to_string()),
        })
    }

    /// The sessions that are open, one refresh token of each.
    pub async fn sessions(&self, mut query: CredentialQuery) -> Result<Page<CredentialRecord>, StoreError> {
        query.kind = Some(CredentialKind::Refresh.prefix().into());
        query.status.get_or_insert_with(|| "active".into());
        self.store.credentials(query, self.clock.now()).await
    }

    /// The audience of the token: this service, one of the configuration, or a registered service by its id.
    pub async fn audience(&self, wanted: &Wanted) -> Result<String, OAuthError> {
        let own = self.authorizer.tokens.issuer();
        let Some(name) = wanted.audience.as_deref() else { return Ok(own.to_owned()) };
        if name.trim_end_matches('/') == own {
            return Ok(own.to_owned());
        }
        if self.rules.audiences.iter().any(|known| known == name) {
            return Ok(name.to_owned());
        }
        let registered = match DeviceId::parse(name) {
            Ok(id) => self.store.service(&id).await?.filter(|service| service.status == PrincipalStatus::Active),
            Err(_) => None,
        };
        registered.map(|service| service.id.to_string()).ok_or_else(|| OAuthError::Target(name.to_owned()))
    }

    /// A copy of a device's token must be worth nothing.
    fn check_bound(&self, holder: &Holder) -> Result<(), OAuthError> {
        match &holder.who {
            Who::Principal(principal) if principal.kind == PrincipalKind::Device => Err(OAuthError::Uncertified),
            _ => Ok(()),
        }
    }

    fn idle_end(&self, now: UnixTime, ends_at: UnixTime) -> UnixTime {
        now.plus(i64::from(self.rules.refresh_idle_days) * DAY).min(ends_at)
    }
}

/// Nobody gets more than there is.
fn narrowed(wanted: Option<Scopes>, held: Scopes) -> Result<Scopes, OAuthError> {
    let Some(wanted) = wanted else { return Ok(held) };
    let beyond = wanted.beyond(held);
    if beyond.is_empty() { Ok(wanted) } else { Err(OAuthError::Scope(beyond.to_string())) }
}

fn identity(who: &Who) -> Option<&Identity> {
    match who {
        Who::Certificate(identity) => Some(identity),
        Who::Principal(_) | Who::Account(_) => None,
    }
}

fn draft(
    kind: &'static str,
    actor: Actor,
    subject: String,
    detail: serde_json::Value,
    (context, at): (&Context, UnixTime),
) -> AuditDraft {
    AuditDraft { kind, actor, subject, request_id: context.request_id.clone(), detail, at }
}

const DAY: i64 = 86_400;
