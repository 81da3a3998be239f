//! Room 1, and every other way in: listeners, TLS, limits, and thin folders of handlers.

mod admin;
mod apikeys;
mod authz;
mod backoff;
mod browser;
mod connection;
mod documents;
mod doors;
mod events;
mod hooks;
mod host;
mod leftover;
mod limits;
mod listener;
mod local;
mod media;
mod native;
mod oauth;
mod ocsp;
mod openapi;
mod patient;
mod plain;
mod refusal;
mod refusals;
mod request;
mod rotation;
mod services;
mod text;
pub mod tls;
mod trust;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;

pub use backoff::Backoff;
pub use documents::ChainDocuments;
pub use doors::Doors;
pub use limits::SEATS;
pub use listener::{Listener, Shutdown, serve_plain, serve_tls};
pub use refusal::Refusal;
pub use refusals::RefusalLog;

use crate::archive::Archive;
use crate::authorize::Authorizer;
use crate::clock::Clock;
use crate::config::Config;
use crate::enrollment::Road;
use crate::events::{Connections, Hub};
use crate::hooks::Hooks;
use crate::latency::Latency;
use crate::oauth::OAuth;
use crate::ocsp::Responders;
use crate::permission::Permission;
use crate::policy::Policies;
use crate::random::Random;
use crate::revocation::{Lists, Revocation};
use crate::services::{Registrar, Registry};
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;
use crate::trust::TrustBundles;
use crate::webhooks::Webhooks;

/// What handlers reach. Everything in it is shared and none of it knows HTTP.
pub struct Service {
    pub config: Config,
    pub road: Arc<Road>,
    pub authorizer: Arc<Authorizer>,
    pub oauth: OAuth,
    pub revocation: Arc<Revocation>,
    pub publisher: Arc<Lists>,
    /// `None`: every entry of the audit log stays in the database.
    pub archive: Option<Archive>,
    /// `None` when the configuration wants none.
    pub ocsp: Option<Responders>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub documents: ArcSwap<ChainDocuments>,
    pub trust: TrustBundles,
    pub refusals: RefusalLog,
    pub backoff: Backoff,
    pub doors: Doors,
    pub policies: Policies,
    pub metrics: Metrics,
    pub latency: Arc<Latency>,
    pub hub: Arc<Hub>,
    pub connections: Connections,
    pub registry: Arc<Registry>,
    pub permission: Permission,
    pub registrar: Registrar,
    pub hooks: Hooks,
    pub webhooks: Arc<Webhooks>,
}

impl Service {
    /// Reads the stages of the issuers again, and serves what follows from them.
    pub async fn follow_issuers(&self) -> Result<(), StoreError> {
        self.road.issuers.update(self.store.issuers().await?);
        self.refresh_documents();
        Ok(())
    }

    /// After a stage or a list of a root has changed.
    pub fn refresh_documents(&self) {
        self.documents.store(Arc::new(ChainDocuments::of(&self.road.issuers, &self.publisher, &self.trust)));
    }
}

pub(crate) type App = Arc<Service>;

/// The TLS listener's routes.
pub fn api(service: Arc<Service>) -> Router {
    let routes = Router::new()
        .merge(native::routes())
        .merge(trust::routes())
        .merge(admin::routes())
        .merge(events::routes())
        .merge(services::routes())
        .merge(authz::routes())
        .merge(hooks::routes())
        .merge(apikeys::routes())
        .merge(oauth::routes())
        .merge(openapi::routes());
    request::wrap_for_browsers(routes, service)
}

/// The plain listener's routes: lists, CA certificates and the responder, nothing else.
pub fn plain(service: Arc<Service>) -> Router {
    request::wrap(plain::routes().merge(ocsp::routes()), service)
}

/// The loopback listener's routes: metrics and health.
pub fn local(service: Arc<Service>) -> Router {
    request::wrap(local::routes(), service)
}
