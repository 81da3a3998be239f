//! `/v1/events`: the doors to the streams, and the acknowledgements that come back.

mod handshake;
mod reader;
mod socket;
mod stream;
mod tickets;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use signet_api::ErrorCode;
use signet_api::events::{Acknowledge, Acknowledged};

use super::native::known;
use super::refusal::Refusal;
use super::{App, Service, limits, request};
use crate::events::NotTaken;
use handshake::Handshake;
use reader::Opened;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/events", get(subscribe))
        .route("/v1/events/ws", get(upgrade))
        .route("/v1/events/ack", post(acknowledge))
        .route("/v1/events/tickets", post(tickets::create))
}

async fn subscribe(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let (parts, _body) = incoming.into_parts();
    let (id, peer) = known(&parts.extensions)?;
    let context = request::context(&id, &peer);
    let Opened { subscription, reader } = reader::open(&service, &parts, peer, context).await?;
    let body = stream::start(service, subscription, reader);
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::OK, headers, body).into_response())
}

/// RFC 6455. Whoever is refused is so before the upgrade, with a problem document.
async fn upgrade(State(service): State<App>, mut incoming: Request) -> Response<Body> {
    let handshake = match Handshake::of(&incoming) {
        Ok(handshake) => handshake,
        Err(refusal) => return handshake::with_version(refusal.into_response()),
    };
    let upgrade = hyper::upgrade::on(&mut incoming);
    let (parts, _body) = incoming.into_parts();
    let opened = async {
        let (id, peer) = known(&parts.extensions)?;
        let context = request::context(&id, &peer);
        reader::open(&service, &parts, peer, context).await
    };
    match opened.await {
        Ok(Opened { subscription, reader }) => {
            socket::start(service, subscription, reader, upgrade);
            handshake.answer()
        }
        Err(refusal) => refusal.into_response(),
    }
}

async fn acknowledge(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let (parts, body) = incoming.into_parts();
    let (id, peer) = known(&parts.extensions)?;
    let context = request::context(&id, &peer);
    let caller = request::caller(&service, &parts.headers, &peer, &context).await?;
    reader::scope_of(&caller)?;
    let bytes = request::body(&service, body, limits::BODY_BYTES).await?;
    let Acknowledge { id } = request::json(&bytes)?;
    take_note(&service, &caller.name(), id)?;
    request::answer(&Acknowledged { id })
}

/// That everything up to `id` has been acted on.
fn take_note(service: &Service, identity: &str, id: u64) -> Result<(), Refusal> {
    service.hub.acknowledge(identity, id).map_err(|not| match not {
        NotTaken::NoStream => Refusal::told(ErrorCode::Conflict, "this identity has no stream of events open"),
        NotTaken::Future(newest) => {
            Refusal::told(ErrorCode::InvalidArgument, format!("{id} has not been handed out; the newest is {newest}"))
        }
    })
}
