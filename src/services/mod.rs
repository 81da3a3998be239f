//! Registered services: who they are, what belongs to them, and how they are connected to.

mod error;
mod probe;
mod registration;
mod registry;
mod tls;

use std::sync::Arc;

use signet_pki::DeviceId;
use signet_pki::ca::IssuerCert;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub use error::ServiceError;
pub use probe::Prober;
pub use registration::Application;
pub use registry::{Registered, Registry};
pub use tls::{Connector, ServiceTls, TlsError};

use crate::authorize::{Context, Identity};
use crate::clock::Clock;
use crate::issuer::Issuers;
use crate::store::{Actor, AuditDraft, PrincipalStatus, ServiceRecord, Store, StoreError};

/// Everything that a registration passes through.
pub struct Registrar {
    pub store: Arc<dyn Store>,
    pub registry: Arc<Registry>,
    pub tls: Arc<ServiceTls>,
    pub issuers: Arc<Issuers>,
    /// Of the newest trust bundle, the issuers' among them.
    pub roots: Vec<IssuerCert>,
    /// `None` when the configuration wants no probes.
    pub prober: Option<Prober>,
    /// For registrations at one time.
    pub places: Semaphore,
    pub clock: Arc<dyn Clock>,
}

/// Registrations at one time: some milliseconds each, a second when lists are large.
pub const REGISTRATIONS: usize = 32;

/// Who registers. The handler has found out that they may.
pub enum Registrant {
    /// The service, by a certificate of its own.
    Itself(Box<Identity>),
    /// The actor.
    Administrator(Actor),
}

impl Registrant {
    pub fn actor(&self) -> Actor {
        match self {
            Registrant::Itself(identity) => identity.actor(),
            Registrant::Administrator(actor) => actor.clone(),
        }
    }
}

impl Registrar {
    /// Takes the registration away. The service itself and its certificates stay as they are.
    pub async fn deregister(
        &self,
        id: DeviceId,
        registrant: &Registrant,
        context: &Context,
    ) -> Result<ServiceRecord, ServiceError> {
        let draft = AuditDraft {
            kind: "service.deregistered",
            actor: registrant.actor(),
            subject: id.to_string(),
            request_id: context.request_id.clone(),
            detail: serde_json::json!({}),
            at: self.clock.now(),
        };
        let (store, registry, tls) = (self.store.clone(), self.registry.clone(), self.tls.clone());
        let work = async move {
            let removed = store.deregister_service(&id, draft).await;
            // Also after an error, which says nothing about whether it happened.
            registry.written(&id).await;
            tls.forget(&id).await;
            removed
        };
        finish(tokio::spawn(work)).await?.ok_or(ServiceError::NotRegistered)
    }

    /// How a registered service is connected to, as it is now.
    pub async fn connector(&self, id: &DeviceId) -> Result<(ServiceRecord, Arc<Connector>), ServiceError> {
        let found = self.store.service(id).await?;
        if found.as_ref().is_none_or(|record| record.status != PrincipalStatus::Active) {
            self.tls.forget(id).await;
        }
        let record = found.ok_or(ServiceError::NotRegistered)?;
        if record.status != PrincipalStatus::Active {
            return Err(ServiceError::Status(record.status));
        }
        let connector = self.tls.connector(id, &record.facts.dns_names).await?;
        self.tls.keep(id, connector.clone()).await;
        Ok((record, connector))
    }
}

async fn finish<T>(task: JoinHandle<Result<T, StoreError>>) -> Result<T, StoreError> {
    task.await.unwrap_or_else(|e| Err(StoreError::Unavailable(e.to_string())))
}
