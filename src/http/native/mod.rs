//! The native protocol: enroll, renew, recover, whoami. Bytes to [`Enrollment`], outcomes to bytes.

mod answer;
mod decode;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::routing::{get, post};
use signet_api::ErrorCode;
use signet_api::credential::CredentialKind;
use signet_api::enroll::WhoAmI;

pub(super) use answer::certificate;

use super::App;
use super::backoff::Attempt;
use super::connection::Peer;
use super::limits;
use super::refusal::Refusal;
use super::request::{self, RequestId};
use crate::authorize::{Enrollment, Evidence, Identity};
use crate::enrollment::Outcome;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/enroll", post(enroll))
        .route("/v1/renew", post(renew))
        .route("/v1/recover", post(recover))
        .route("/v1/whoami", get(whoami))
}

async fn enroll(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let (parts, body) = incoming.into_parts();
    let (id, peer) = known(&parts.extensions)?;
    let context = request::context(&id, &peer);
    let attempt = request::attempt(&service, &context);
    let _place = service.doors.enrollment(context.remote, service.clock.now_ms(), service.random.as_ref())?;
    let credential = match request::bearer(&parts.headers, CredentialKind::Enrollment) {
        Ok(found) => found.ok_or_else(|| Refusal::new(ErrorCode::NotAuthenticated, "no token"))?,
        Err(refusal) if refusal.code == ErrorCode::TokenInvalid => {
            return Err(request::unproved(&service, &attempt, refusal));
        }
        Err(refusal) => return Err(refusal),
    };
    let form = decode::Form::of(&parts.headers)?;
    let bytes = request::body(&service, body, limits::BODY_BYTES).await?;
    let (csr, facts) = decode::enroll(form, &bytes, &parts.headers)?;
    let enrollment = Enrollment { csr, evidence: Evidence::Token { credential, facts }, context };
    let outcome = walk(&service, enrollment, &attempt).await?;
    answer::render(&service, outcome, decode::wanted(&parts.headers, form))
}

async fn renew(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let (parts, body) = incoming.into_parts();
    let (id, peer) = known(&parts.extensions)?;
    let context = request::context(&id, &peer);
    let Some(certificate) = peer.certificate else {
        return Err(Refusal::new(ErrorCode::NotAuthenticated, "no client certificate"));
    };
    let _place = service.doors.renewal(service.random.as_ref())?;
    let form = decode::Form::of(&parts.headers)?;
    let bytes = request::body(&service, body, limits::BODY_BYTES).await?;
    let (csr, claims) = decode::renew(form, &bytes, &parts.headers)?;
    let evidence = Evidence::Certificate { peer: certificate, claims };
    let outcome = service.road.walk(Enrollment { csr, evidence, context }).await?;
    answer::render(&service, outcome, decode::wanted(&parts.headers, form))
}

/// The road for a request whose proof may fail.
async fn walk(service: &App, enrollment: Enrollment, attempt: &Attempt) -> Result<Outcome, Refusal> {
    let _turn = attempt.turn().await;
    service.road.walk(enrollment).await.map_err(|error| match error.is_failed_proof() {
        true => request::unproved(service, attempt, error.into()),
        false => error.into(),
    })
}

/// For devices that were off too long: what TLS no longer accepts is proved in the body.
async fn recover(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let (parts, body) = incoming.into_parts();
    let (id, peer) = known(&parts.extensions)?;
    let context = request::context(&id, &peer);
    let attempt = request::attempt(&service, &context);
    let _place = service.doors.enrollment(context.remote, service.clock.now_ms(), service.random.as_ref())?;
    let form = decode::Form::of(&parts.headers)?;
    let bytes = request::body(&service, body, limits::BODY_BYTES).await?;
    let (csr, proof) = decode::recover(form, &bytes)?;
    let enrollment = Enrollment { csr, evidence: Evidence::Recovery(proof), context };
    let outcome = walk(&service, enrollment, &attempt).await?;
    answer::render(&service, outcome, decode::wanted(&parts.headers, form))
}

async fn whoami(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let (id, peer) = known(incoming.extensions())?;
    let context = request::context(&id, &peer);
    let caller = request::caller(&service, incoming.headers(), &peer, &context).await?;
    let principal = caller.principal();
    let record = caller.identity().map(Identity::record);
    request::answer(&WhoAmI {
        kind: principal.map_or("account", |p| p.kind.as_str()).to_owned(),
        id: caller.id().to_owned(),
        serial: record.map(|record| record.serial.to_string()),
        profile: principal.map(|p| p.profile.clone()),
        groups: principal.map(|p| p.groups.clone()).unwrap_or_default(),
        not_after: record.map(|record| record.not_after.to_string()),
        renew_after: record.map(|r| answer::renew_after(&r.serial, r.not_before, r.not_after).to_string()),
        account: caller.account().cloned(),
        scopes: caller.scopes(),
        credential: caller.presented().public_id().cloned(),
    })
}

/// What the outer layers put there before any handler runs.
pub(super) fn known(extensions: &axum::http::Extensions) -> Result<(RequestId, Peer), Refusal> {
    match (extensions.get::<RequestId>(), extensions.get::<Peer>()) {
        (Some(id), Some(peer)) => Ok((id.clone(), peer.clone())),
        _ => Err(Refusal::new(ErrorCode::Internal, "a request without its connection")),
    }
}
