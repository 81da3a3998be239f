//! `/v1/authz/*`: registered services ask whether somebody may do something to what belongs to them.

mod check;
mod envoy;
mod proxy;

use std::time::Instant;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use signet_api::ErrorCode;
use signet_api::authz::Verdict;
use signet_api::scope::Scope;
use signet_pki::name::PrincipalKind;

use super::connection::Peer;
use super::refusal::Refusal;
use super::{App, Service, limits, request};
use crate::authorize::{Caller, Context};
use crate::permission::{Asker, Decided, Foreign, Outcome, Question};
use crate::store::StoreError;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/authz/check", post(check::check))
        .route("/v1/authz/nginx", get(proxy::nginx))
        .merge(envoy::routes())
}

/// Who asks, and whether it could be looked up.
enum Who {
    Known(Asker),
    /// A service that was known a while ago and is registered to go on when the store cannot be read.
    Remembered(Asker),
}

impl Who {
    fn asker(&self) -> &Asker {
        match self {
            Who::Known(asker) | Who::Remembered(asker) => asker,
        }
    }
}

/// A registered service by its client certificate, and nothing else: what stands in the headers of a proxy's question came from
/// somebody whom the proxy does not know yet.
async fn service_of(service: &Service, peer: &Peer, context: &Context) -> Result<Who, Refusal> {
    match request::caller(service, &HeaderMap::new(), peer, context).await {
        Ok(caller) => registered(service, &caller).map(Who::Known),
        Err(refusal) => remembered(service, peer, refusal),
    }
}

fn registered(service: &Service, caller: &Caller) -> Result<Asker, Refusal> {
    request::require(caller, Scope::AuthzCheck)?;
    let refused = |what| Refusal::told(ErrorCode::Forbidden, format!("{} is {what}", caller.name()));
    let service_itself = caller.principal().filter(|principal| principal.kind == PrincipalKind::Service);
    let principal = service_itself.ok_or_else(|| refused("no service"))?;
    let asker = service.permission.service(principal, caller.identity());
    asker.ok_or_else(|| refused("not registered; 'signet-agent register' does it"))
}

fn remembered(service: &Service, peer: &Peer, refusal: Refusal) -> Result<Who, Refusal> {
    let Some(certificate) = &peer.certificate else { return Err(refusal) };
    if refusal.code != ErrorCode::StoreUnavailable {
        service.permission.forget(certificate);
        return Err(refusal);
    }
    service.permission.service_seen(certificate).map(Who::Remembered).ok_or(refusal)
}

fn admit(service: &Service, asker: &Asker, questions: usize) -> Result<(), Refusal> {
    service.permission.admit(asker, questions).map_err(|wait_ms| {
        service.permission.meter.count(Outcome::Quota);
        let detail = format!("{} asks more than authz.checks_per_second and authz.check_burst let it", asker.name());
        Refusal {
            retry_after: Some(wait_ms.div_ceil(1000).max(1)),
            ..Refusal::told(ErrorCode::TooManyRequests, detail)
        }
    })
}

/// The decision, or the answer for when none can be made. Never an allow that nobody asked for.
async fn decide(service: &Service, who: &Who, question: &Question) -> Result<Decided, Refusal> {
    let permission = &service.permission;
    let decided = match who {
        Who::Known(_) => permission.decide(question).await,
        Who::Remembered(_) => Err(StoreError::Unavailable("the asker could not be looked up".into())),
    };
    let decided = match decided {
        Ok(decided) => decided,
        Err(error) => permission.decide_blindly(who.asker(), question).ok_or_else(|| {
            permission.meter.count(Outcome::Failed);
            Refusal::from(error)
        })?,
    };
    permission.meter.count(match (decided.verdict, decided.degraded) {
        (Verdict::Allow, true) => Outcome::Blind,
        (Verdict::Allow, false) => Outcome::Allow,
        (Verdict::Deny, _) => Outcome::Deny,
    });
    Ok(decided)
}

fn refused(service: &Service, foreign: Foreign) -> Refusal {
    match foreign {
        Foreign::NotYours => {
            service.permission.meter.count(Outcome::Foreign);
            Refusal::told(ErrorCode::Forbidden, "the resource does not belong to the service that asks")
        }
        Foreign::Malformed => Refusal::told(
            ErrorCode::InvalidArgument,
            "resource is service:ID, service:ID/path, device:ID, or a name that the service has registered",
        ),
    }
}

/// From the arrival of the question to its answer.
struct Timer<'a>(&'a Service, Instant);

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.0.permission.meter.took(self.1);
    }
}
