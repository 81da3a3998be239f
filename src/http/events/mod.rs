//! `/v1/events`: the door to the streams, and the acknowledgements that come back.

mod stream;

use std::str::FromStr;

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use signet_api::ErrorCode;
use signet_api::events::{Acknowledge, Acknowledged, EventQuery};
use signet_api::scope;

use super::connection::Peer;
use super::native::known;
use super::refusal::Refusal;
use super::{App, Service, limits, request};
use crate::authorize::{Caller, Context};
use crate::events::{Full, NotTaken, Scope};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/v1/events", get(subscribe)).route("/v1/events/ack", post(acknowledge))
}

async fn subscribe(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let (parts, _body) = incoming.into_parts();
    let (id, peer) = known(&parts.extensions)?;
    let context = request::context(&id, &peer);
    no_page(&parts.headers)?;
    let (caller, scope) = subscriber(&service, &parts.headers, &peer, &context).await?;
    let Query(query) = Query::<EventQuery>::try_from_uri(&parts.uri)
        .map_err(|e| Refusal::told(ErrorCode::MalformedRequest, e.to_string()))?;
    let asked = last_event_id(&parts.headers)?.or(query.after);
    let subscription = service.hub.subscribe(caller.actor(), peer.line.clone()).map_err(|full| match full {
        Full::All => Refusal::told(ErrorCode::Busy, "there are as many streams of events as there may be"),
        Full::Each => Refusal::told(
            ErrorCode::TooManyRequests,
            format!("{} has {} streams of events open; one is enough", caller.actor(), limits::SEATS.each),
        ),
    })?;
    let body =
        stream::start(service, subscription, stream::Reader { headers: parts.headers, peer, context, scope, asked });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::OK, headers, body).into_response())
}

async fn acknowledge(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let (parts, body) = incoming.into_parts();
    let (id, peer) = known(&parts.extensions)?;
    let context = request::context(&id, &peer);
    no_page(&parts.headers)?;
    let (caller, _) = subscriber(&service, &parts.headers, &peer, &context).await?;
    let bytes = request::body(&service, body, limits::BODY_BYTES).await?;
    let Acknowledge { id } = request::json(&bytes)?;
    service.hub.acknowledge(&caller.actor(), id).map_err(|not| match not {
        NotTaken::NoStream => Refusal::told(ErrorCode::Conflict, "this identity has no stream of events open"),
        NotTaken::Future(newest) => {
            Refusal::told(ErrorCode::InvalidArgument, format!("{id} has not been handed out; the newest is {newest}"))
        }
    })?;
    request::answer(&Acknowledged { id })
}

/// Whoever may know what verifiers are told, as the records are now.
async fn subscriber(
    service: &Service,
    headers: &HeaderMap,
    peer: &Peer,
    context: &Context,
) -> Result<(Caller, Scope), Refusal> {
    allowed(request::caller(service, headers, peer, context).await?)
}

/// The same, later. Guesses of others from the same address do not end a stream.
async fn still_subscriber(
    service: &Service,
    headers: &HeaderMap,
    peer: &Peer,
    context: &Context,
) -> Result<(Caller, Scope), Refusal> {
    allowed(request::prove_again(service, request::secret(headers)?, peer, context).await?)
}

fn allowed(caller: Caller) -> Result<(Caller, Scope), Refusal> {
    if caller.may(scope::Scope::EventsSecurity) {
        return Ok((caller, Scope::Administrator));
    }
    request::require(&caller, scope::Scope::EventsRead)?;
    Ok((caller, Scope::Service))
}

/// A browser shows the user's certificate for whatever page asks; programs send no such header (RFC 6454 7).
fn no_page(headers: &HeaderMap) -> Result<(), Refusal> {
    match headers.contains_key(header::ORIGIN) {
        true => Err(Refusal::told(ErrorCode::Forbidden, "events are not for the pages of browsers")),
        false => Ok(()),
    }
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let number = value.to_str().ok().and_then(|text| u64::from_str(text.trim()).ok());
    let refused = || Refusal::told(ErrorCode::MalformedRequest, "Last-Event-ID is not the id of an event");
    number.map(Some).ok_or_else(refused)
}
