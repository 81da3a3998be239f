//! What somebody does with keys of their own: see them, and put a new one in the place of the one that they show.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::routing::{get, post};
use signet_api::access::{CredentialQuery, RotateApiKey};
use signet_api::{CredentialKind, ErrorCode};

use super::native::known;
use super::refusal::Refusal;
use super::rotation::{self, Rotation};
use super::{App, limits, request};
use crate::authorize::Who;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/v1/apikeys", get(list)).route("/v1/apikeys/rotate", post(rotate))
}

/// Those of the caller, and of nobody else.
async fn list(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let (parts, _) = incoming.into_parts();
    let (id, peer) = known(&parts.extensions)?;
    let context = request::context(&id, &peer);
    let caller = request::caller(&service, &parts.headers, &peer, &context).await?;
    let asked = axum::extract::Query::<CredentialQuery>::try_from_uri(&parts.uri)
        .map_err(|e| Refusal::told(ErrorCode::MalformedRequest, e.to_string()))?;
    let (account, device) = match caller.who() {
        Who::Account(account) => (Some(account.id.clone()), None),
        Who::Certificate(identity) => (None, Some(identity.record().principal.id.clone())),
        Who::Principal(principal) => (None, Some(principal.id.clone())),
    };
    let kind = Some(CredentialKind::ApiKey.prefix().to_owned());
    let now = service.clock.now();
    let page = service.store.credentials(CredentialQuery { kind, account, device, ..asked.0 }, now).await?;
    request::answer(&page.map(|key| rotation::info(key, now)))
}

/// So that a program needs no administrator once a year.
async fn rotate(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let (parts, body) = incoming.into_parts();
    let (id, peer) = known(&parts.extensions)?;
    let context = request::context(&id, &peer);
    let caller = request::caller(&service, &parts.headers, &peer, &context).await?;
    // Not a token that was got with it, which is narrower and shorter.
    let presented = caller.presented().api_key().ok_or_else(|| {
        Refusal::told(ErrorCode::InvalidArgument, "present the key that is to be replaced itself, in X-API-Key")
    })?;
    let bytes = request::body(&service, body, limits::BODY_BYTES).await?;
    let order: RotateApiKey = if bytes.is_empty() { RotateApiKey::default() } else { request::json(&bytes)? };
    let old = rotation::find(&service, presented.id()).await?;
    let rotation = Rotation::of(&service, old, order.overlap).await?;
    let scopes = presented.succession(rotation.pattern().scopes);
    request::answer(&rotation::rotate(&service, rotation, scopes, &caller, context).await?)
}
