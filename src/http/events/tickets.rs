//! `/v1/events/tickets`: for those who open a stream without headers, which is what pages in browsers do.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde_json::json;
use signet_api::events::{CreateTicket, Ticket};
use signet_api::scope::{Scope, Scopes};
use signet_api::{Credential, CredentialKind, ErrorCode};

use super::super::native::known;
use super::super::refusal::Refusal;
use super::super::{App, Service, limits, request};
use crate::authorize::{AccessError, Caller, Context, Delegated, Who};
use crate::random;
use crate::store::{
    self, AccessConflict, AuditDraft, CredentialRecord, CredentialStatus, Owner, TakeTicket, TicketRecord,
};

pub(super) async fn create(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let (parts, body) = incoming.into_parts();
    let (id, peer) = known(&parts.extensions)?;
    let context = request::context(&id, &peer);
    let caller = request::caller(&service, &parts.headers, &peer, &context).await?;
    let bytes = request::body(&service, body, limits::BODY_BYTES).await?;
    let order: CreateTicket = if bytes.is_empty() { CreateTicket::default() } else { request::json(&bytes)? };
    let scopes = scopes(&caller, order.scopes)?;
    let random =
        random::bytes(service.random.as_ref()).map_err(|e| Refusal::new(ErrorCode::Internal, e.to_string()))?;
    let credential = Credential::from_random(CredentialKind::Ticket, &random);
    let ticket = record(&service, &caller, &credential, scopes).await?;
    let expires_at = ticket.credential.expires_at.to_string();
    let detail = json!({ "scopes": scopes.scopes().to_string(), "remote": context.remote.to_string(), "expires_at": expires_at });
    let draft = draft("ticket.created", &caller, &ticket.credential, &context, detail);
    service.store.create_ticket(store::CreateTicket { ticket, draft }).await?.map_err(|conflict| match conflict {
        AccessConflict::TooMany => {
            let told = format!("{} tickets wait to be used; each lives for {LIFETIME} seconds", store::TICKETS_OF_ONE);
            Refusal::told(ErrorCode::TooManyRequests, told)
        }
        other => Refusal::new(ErrorCode::Conflict, format!("{other:?}")),
    })?;
    request::answer(&Ticket { ticket: credential.expose().to_string(), expires_at, scopes: scopes.scopes() })
}

/// Uses the caller's ticket up. Of all who try with the same one, one gets past this.
pub(super) async fn take(service: &Service, caller: &Caller, context: &Context) -> Result<TicketRecord, Refusal> {
    let invalid = || Refusal::from(AccessError::Invalid);
    let id = caller.presented().ticket().ok_or_else(invalid)?.id();
    let ticket = service.store.ticket(id).await?.ok_or_else(invalid)?;
    let detail = json!({ "remote": context.remote.to_string() });
    let draft = draft("ticket.used", caller, &ticket.credential, context, detail);
    let order = TakeTicket { id: id.clone(), now: service.clock.now(), draft };
    service.store.take_ticket(order).await?.map_err(|_| Refusal::from(AccessError::Revoked(id.clone())))?;
    Ok(ticket)
}

/// What a ticket is for, and nothing else.
fn scopes(caller: &Caller, asked: Option<Scopes>) -> Result<Delegated, Refusal> {
    let about_events: Scopes = [Scope::EventsRead, Scope::EventsSecurity].into_iter().collect();
    let scopes = asked.unwrap_or(caller.scopes() & about_events);
    let beyond = scopes.beyond(about_events);
    if !beyond.is_empty() {
        return Err(Refusal::told(
            ErrorCode::InvalidArgument,
            format!("a ticket is for {about_events}, not for {beyond}"),
        ));
    }
    let delegated = request::require_can_grant(caller, scopes)?;
    if scopes.is_empty() {
        request::require(caller, Scope::EventsRead)?;
        return Err(Refusal::told(ErrorCode::InvalidArgument, "a ticket without a scope opens nothing"));
    }
    Ok(delegated)
}

async fn record(
    service: &Service,
    caller: &Caller,
    credential: &Credential,
    scopes: Delegated,
) -> Result<TicketRecord, Refusal> {
    let now = service.clock.now();
    // A key that is bound to a network makes no ticket that is not.
    let parent = match caller.presented().lineage() {
        Some(id) => service.store.credential(id).await?,
        None => None,
    };
    let owner = match caller.who() {
        Who::Account(account) => Owner::Account(account.id.clone()),
        Who::Principal(principal) => Owner::Principal(principal.id.clone()),
        Who::Certificate(identity) => Owner::Principal(identity.record().principal.id.clone()),
    };
    let credential = CredentialRecord {
        id: credential.id().clone(),
        kind: CredentialKind::Ticket,
        hash: service.authorizer.pepper.hash(credential),
        owner,
        name: String::new(),
        scopes: scopes.scopes(),
        status: CredentialStatus::Active,
        family: credential.id().clone(),
        parent: caller.presented().lineage().cloned(),
        spki: None,
        cidr: parent.and_then(|parent| parent.cidr),
        created_at: now,
        created_by: caller.name(),
        expires_at: now.plus(LIFETIME),
        // What an access token opens does not outlive it.
        line_ends_at: caller.presented().token().map(|token| token.ends_at()),
        used_at: None,
        successor: None,
        last_used_at: None,
        legacy: false,
    };
    Ok(TicketRecord { credential, serial: caller.identity().map(|identity| identity.record().serial.clone()) })
}

fn draft(
    kind: &'static str,
    caller: &Caller,
    credential: &CredentialRecord,
    context: &Context,
    detail: serde_json::Value,
) -> AuditDraft {
    AuditDraft {
        kind,
        actor: caller.actor(),
        subject: format!("ticket:{}", credential.id),
        request_id: context.request_id.clone(),
        detail,
        at: credential.created_at,
    }
}

/// Seconds: from the answer to a page until the page has opened its stream.
const LIFETIME: i64 = 30;
