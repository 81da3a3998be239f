//! `/v1/services`: a service registers itself, or an administrator does it for it.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use axum::routing::{get, post};
use signet_api::ErrorCode;
use signet_api::scope::Scope;
use signet_api::services::{Presentation, ProbeRequest, RegisterService, ServiceDetail, ServiceInfo};
use signet_pki::DeviceId;
use signet_pki::name::PrincipalKind;
use signet_pki::pem::{self, Label};

use super::App;
use super::limits;
use super::native::known;
use super::refusal::Refusal;
use super::request::{self, answer, answer_list};
use super::text::Text;
use crate::authorize::Context;
use crate::services::{Application, Registrant, Registrar, ServiceError};
use crate::store::ServiceRecord;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/services", get(list))
        .route("/v1/services/{id}", get(show).put(register).delete(deregister))
        .route("/v1/services/{id}/probe", post(probe))
}

/// A request by somebody who may do this to these services.
struct Asked {
    who: Registrant,
    context: Context,
    body: Body,
}

impl Asked {
    /// Somebody who has the permission.
    async fn with(service: &App, incoming: Request, scope: Scope) -> Result<Asked, Refusal> {
        Asked::as_itself_or_with(service, incoming, None, scope).await
    }

    /// The service in question by its certificate, which needs no permission for what is its own; or somebody who has one.
    async fn about(service: &App, incoming: Request, id: &DeviceId, scope: Scope) -> Result<Asked, Refusal> {
        Asked::as_itself_or_with(service, incoming, Some(id), scope).await
    }

    async fn as_itself_or_with(
        service: &App,
        incoming: Request,
        id: Option<&DeviceId>,
        scope: Scope,
    ) -> Result<Asked, Refusal> {
        let (parts, body) = incoming.into_parts();
        let (request_id, peer) = known(&parts.extensions)?;
        let context = request::context(&request_id, &peer);
        let caller = request::caller(service, &parts.headers, &peer, &context).await?;
        let itself = caller.identity().filter(|identity| {
            let principal = &identity.record().principal;
            principal.kind == PrincipalKind::Service && Some(&principal.id) == id
        });
        let who = match itself {
            Some(identity) => Registrant::Itself(Box::new(identity.clone())),
            None => {
                request::require(&caller, scope)?;
                Registrant::Administrator(caller.actor())
            }
        };
        Ok(Asked { who, context, body })
    }

    async fn json<T: serde::de::DeserializeOwned>(self, service: &App) -> Result<(Registrant, Context, T), Refusal> {
        let bytes = request::body(service, self.body, limits::BODY_BYTES).await?;
        Ok((self.who, self.context, request::json(&bytes)?))
    }
}

async fn list(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::ServicesRead).await?;
    answer_list(service.store.services().await?, info)
}

async fn show(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let id = segment(&id)?;
    Asked::about(&service, incoming, &id, Scope::ServicesRead).await?;
    let found = service.store.service(&id).await?;
    answer(&detail(&service, found.ok_or(ServiceError::NotRegistered)?).await?)
}

async fn register(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let id = segment(&id)?;
    let asked = Asked::about(&service, incoming, &id, Scope::ServicesWrite).await?;
    let (who, context, request) = asked.json::<RegisterService>(&service).await?;
    let before = service.store.service(&id).await?;
    let application = Application::parse(id, request, &who, before.map(|record| record.facts))?;
    let record = service.registrar.register(application, &who, &context).await?;
    answer(&detail(&service, record).await?)
}

async fn deregister(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let id = segment(&id)?;
    let Asked { who, context, .. } = Asked::about(&service, incoming, &id, Scope::ServicesWrite).await?;
    answer(&info(service.registrar.deregister(id, &who, &context).await?))
}

async fn probe(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let id = segment(&id)?;
    let (who, context, request) =
        Asked::with(&service, incoming, Scope::ServicesWrite).await?.json::<ProbeRequest>(&service).await?;
    let report = service.registrar.probe(&id, request).await?;
    let (actor, outcome) = (who.actor(), report.outcome);
    tracing::info!(request = context.request_id, actor = actor.name(), service = %id, address = %report.address, ?outcome, "probed");
    answer(&report)
}

async fn detail(service: &App, record: ServiceRecord) -> Result<ServiceDetail, Refusal> {
    let newest = service.registrar.newest(&record.id).await?;
    let present = newest.map(|certificate| {
        let issuer = service.road.issuers.known(&certificate.issuer);
        Presentation {
            serial: certificate.serial.to_string(),
            not_after: certificate.not_after.to_string(),
            missing_names: Registrar::missing(&record.facts, &certificate),
            chain: pem::encode(Label::Certificate, &certificate.der) + issuer.as_ref().map_or("", |i| i.pem.as_str()),
        }
    });
    Ok(ServiceDetail { service: info(record), present })
}

fn info(record: ServiceRecord) -> ServiceInfo {
    let facts = record.facts;
    ServiceInfo {
        id: record.id,
        status: record.status.as_str().to_owned(),
        dns_names: facts.dns_names,
        ports: facts.ports,
        resources: facts.resources.iter().map(ToString::to_string).collect(),
        fail_mode: facts.fail_mode,
        address: facts.address,
        serial: record.serial.to_string(),
        registered_by: record.registered_by,
        registered_at: record.registered_at.to_string(),
        changed_at: record.changed_at.to_string(),
    }
}

/// A malformed id cannot be registered.
fn segment(id: &str) -> Result<DeviceId, Refusal> {
    DeviceId::parse(id).map_err(|e| Refusal::told(ErrorCode::NotFound, e.to_string()))
}

impl From<ServiceError> for Refusal {
    fn from(error: ServiceError) -> Refusal {
        Refusal { detail: error.told().map(Text::of), ..Refusal::new(error.code(), error.to_string()) }
    }
}
