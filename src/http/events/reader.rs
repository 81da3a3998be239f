//! Who reads a stream, by what they showed, and whether it is still good.

use axum::extract::Query;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use signet_api::events::EventQuery;
use signet_api::scope;
use signet_api::{Credential, CredentialKind, ErrorCode};

use super::super::connection::Peer;
use super::super::refusal::Refusal;
use super::super::{App, Service, limits, request};
use super::tickets;
use crate::authorize::{AccessError, Caller, Context, Secret, Who};
use crate::events::{Concern, Full, Kind, Scope, Subscription};
use crate::store::{CertificateStatus, TicketRecord};

pub(super) struct Reader {
    evidence: Evidence,
    pub(super) peer: Peer,
    pub(super) context: Context,
    /// `service:api`, `admin:alice`.
    pub(super) identity: String,
    pub(super) scope: Scope,
    /// Kinds on request.
    pub(super) kinds: Vec<Kind>,
    /// The last sequence that the reader has.
    pub(super) asked: Option<u64>,
}

/// What was shown besides a certificate.
enum Evidence {
    /// Shown anew at every look.
    Headers(HeaderMap),
    Ticket(Box<TicketRecord>),
}

/// Finds out who asks, takes a place for the stream, and uses the ticket up when there is one: last, so that whoever is refused
/// for another reason still has it.
pub(super) async fn open(service: &App, parts: &Parts, peer: Peer, context: Context) -> Result<Opened, Refusal> {
    let Query(query) = Query::<EventQuery>::try_from_uri(&parts.uri)
        .map_err(|e| Refusal::told(ErrorCode::MalformedRequest, e.to_string()))?;
    let headers = headers_of(service, &parts.headers, &query)?;
    let caller = match &query.ticket {
        None => request::caller(service, &headers, &peer, &context).await?,
        Some(_) if request::secret(&headers)?.is_some() => {
            return Err(Refusal::new(ErrorCode::TwoSecrets, "a ticket and another secret"));
        }
        Some(text) => {
            let ticket = Credential::parse(CredentialKind::Ticket, text).ok();
            request::prove(service, Some(Secret::Ticket(ticket)), &peer, &context).await?
        }
    };
    let scope = scope_of(&caller)?;
    let kinds = kinds(query.kinds.as_deref())?;
    let asked = last_event_id(&parts.headers)?.or(query.after);
    let identity = caller.name();
    let subscription = service.hub.subscribe(identity.clone(), peer.line.clone()).map_err(|full| match full {
        Full::All => Refusal::told(ErrorCode::Busy, "there are as many streams of events as there may be"),
        Full::Each => Refusal::told(
            ErrorCode::TooManyRequests,
            format!("{identity} has {} streams of events open; one is enough", limits::SEATS.each),
        ),
    })?;
    let evidence = match &query.ticket {
        None => Evidence::Headers(headers),
        Some(_) => Evidence::Ticket(Box::new(tickets::take(service, &caller, &context).await?)),
    };
    let subscription = subscription.with(concerns(&caller, &evidence), &kinds);
    Ok(Opened { subscription, reader: Reader { evidence, peer, context, identity, scope, kinds, asked } })
}

pub(super) struct Opened {
    pub(super) subscription: Subscription,
    pub(super) reader: Reader,
}

impl Reader {
    /// The stable word for what became of the right.
    pub(super) async fn is_good(&self, service: &Service) -> Result<(), &'static str> {
        if self.was_replaced(service).await {
            return Err("superseded");
        }
        let secret = match &self.evidence {
            Evidence::Headers(headers) => request::secret(headers),
            Evidence::Ticket(ticket) => Ok(Some(Secret::Redeemed(ticket.clone()))),
        };
        let caller = match secret {
            Ok(secret) => request::prove_again(service, secret, &self.peer, &self.context).await,
            Err(refusal) => Err(refusal),
        };
        match caller.and_then(|caller| scope_of(&caller)) {
            Ok(scope) if scope == self.scope => Ok(()),
            Ok(_) => Err("changed"),
            // Nothing is known about the right, and nothing can be told without the store either.
            Err(refusal) if refusal.code.status() >= 500 => Ok(()),
            Err(refusal) => Err(self.word(refusal.code)),
        }
    }

    /// With a certificate, the word that its line would have ended with: which of the two is first is chance.
    fn word(&self, code: ErrorCode) -> &'static str {
        match code {
            _ if self.peer.certificate.is_none() => code.as_str(),
            ErrorCode::DeviceSuspended => "suspended",
            ErrorCode::DeviceRevoked | ErrorCode::CertificateRevoked => "revoked",
            ErrorCode::CertificateSuperseded => "superseded",
            _ => code.as_str(),
        }
    }

    /// Whether the certificate of the connection has a successor in use. Nobody shows it here, so that is no sign of a copy.
    async fn was_replaced(&self, service: &Service) -> bool {
        let Some(certificate) = &self.peer.certificate else { return false };
        let found = service.store.certificate(&certificate.serial).await;
        matches!(found, Ok(Some(record)) if record.status == CertificateStatus::Superseded)
    }
}

/// What somebody may know of what verifiers are told.
pub(super) fn scope_of(caller: &Caller) -> Result<Scope, Refusal> {
    if caller.may(scope::Scope::EventsSecurity) {
        return Ok(Scope::Administrator);
    }
    request::require(caller, scope::Scope::EventsRead)?;
    Ok(Scope::Service)
}

/// The headers, with the secret of the address among them where that is allowed: from here on it is one like the others.
fn headers_of(service: &Service, headers: &HeaderMap, query: &EventQuery) -> Result<HeaderMap, Refusal> {
    let mut headers = headers.clone();
    if query.key.is_none() && query.token.is_none() {
        return Ok(headers);
    }
    if !service.config.raw.events.query_secrets {
        let told = "a key or token in the address is not accepted here: use X-API-Key, Authorization, or a ticket";
        return Err(Refusal::told(ErrorCode::MalformedRequest, told));
    }
    let sensitive = |text: &str| {
        let mut value = HeaderValue::from_str(text).map_err(|_| Refusal::from(AccessError::Malformed))?;
        value.set_sensitive(true);
        Ok::<_, Refusal>(value)
    };
    if let Some(key) = &query.key {
        headers.append(HeaderName::from_static("x-api-key"), sensitive(key)?);
    }
    if let Some(token) = &query.token {
        headers.append(header::AUTHORIZATION, sensitive(&format!("Bearer {token}"))?);
    }
    Ok(headers)
}

fn kinds(text: Option<&str>) -> Result<Vec<Kind>, Refusal> {
    let names = text.unwrap_or_default().split(',').filter(|name| !name.is_empty());
    let kind = |name: &str| Kind::ON_REQUEST.into_iter().find(|kind| kind.as_str() == name);
    let mut kinds = Vec::new();
    for name in names {
        let kind = kind(name).ok_or_else(|| {
            let known = Kind::ON_REQUEST.map(Kind::as_str).join(", ");
            Refusal::told(ErrorCode::InvalidArgument, format!("kinds are {known}"))
        })?;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}

fn concerns(caller: &Caller, evidence: &Evidence) -> Vec<Concern> {
    let mut all = Vec::new();
    all.extend(caller.account().map(Concern::account));
    all.extend(caller.presented().lineage().map(Concern::credential));
    match caller.who() {
        Who::Certificate(identity) => {
            all.push(Concern::principal(&identity.record().principal.id));
            all.push(Concern::certificate(&identity.record().serial));
        }
        Who::Principal(principal) => all.push(Concern::principal(&principal.id)),
        Who::Account(_) => {}
    }
    if let Evidence::Ticket(ticket) = evidence {
        all.extend(ticket.credential.parent.as_ref().map(Concern::credential));
        all.extend(ticket.serial.as_ref().map(Concern::certificate));
    }
    all
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    let refused = || Refusal::told(ErrorCode::MalformedRequest, "Last-Event-ID is not the id of an event");
    number.map(Some).ok_or_else(refused)
}
