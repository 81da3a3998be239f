//! The registrations in memory, for whoever asks at every request.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use signet_api::services::FailMode;
use signet_pki::DeviceId;
use tokio::sync::{Mutex, Notify};

use crate::store::{Resource, ServiceFacts, ServiceRecord, Store, StoreError};

/// What was read from the store last: at the start, after every write of a registration, and after every write that may
/// have ended a principal.
///
/// Whether a service is suspended is not asked here: it is found out whenever the service shows its certificate, or is
/// connected to.
pub struct Registry {
    store: Arc<dyn Store>,
    services: ArcSwap<HashMap<DeviceId, Arc<Registered>>>,
    /// A write may have happened that is not in here.
    is_behind: AtomicBool,
    /// Rung when a read has failed.
    fallen_behind: Notify,
    reading: Mutex<()>,
}

/// A service with its registration.
#[derive(Debug, PartialEq, Eq)]
pub struct Registered {
    record: ServiceRecord,
}

impl Registry {
    /// Empty until it is read the first time, by [`follow`](Registry::follow) or before it.
    pub fn new(store: Arc<dyn Store>) -> Registry {
        Registry {
            store,
            services: ArcSwap::default(),
            is_behind: AtomicBool::new(true),
            fallen_behind: Notify::new(),
            reading: Mutex::default(),
        }
    }

    /// `None` for one that is not registered, and for one whose principal has ended.
    pub fn of(&self, id: &DeviceId) -> Option<Arc<Registered>> {
        self.services.load().get(id).cloned()
    }

    /// Whose it is; nothing belongs to two.
    pub fn owner(&self, resource: &Resource) -> Option<Arc<Registered>> {
        self.services.load().values().find(|service| service.owns(resource)).cloned()
    }

    /// Takes over what the store says after a write that concerned `id`. When it cannot be read, that one counts no more
    /// until it can: what is not known is not promised.
    pub(super) async fn written(&self, id: &DeviceId) {
        self.is_behind.store(true, Ordering::SeqCst);
        if self.reload().await.is_err() {
            let _alone = self.reading.lock().await;
            if self.is_behind.load(Ordering::SeqCst) {
                let mut rest = HashMap::clone(&self.services.load());
                rest.remove(id);
                self.services.store(Arc::new(rest));
            }
            self.fallen_behind.notify_one();
        }
    }

    /// Takes over what the store says now.
    pub async fn reload(&self) -> Result<(), StoreError> {
        // The later read is the newer one.
        let _alone = self.reading.lock().await;
        let read = self.store.services().await.inspect_err(|_| self.is_behind.store(true, Ordering::SeqCst))?;
        let entry = |record: ServiceRecord| (record.id.clone(), Arc::new(Registered { record }));
        // One that cannot be read is none: nothing is permitted for it.
        self.services.store(Arc::new(read.items.into_iter().map(entry).collect()));
        self.is_behind.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Keeps up with what ends principals, and with reads that failed. Never returns.
    pub async fn follow(&self) {
        let mut head = self.store.audit_head();
        let mut seen = None;
        loop {
            let now = self.store.counters().revision;
            if seen != Some(now) || self.is_behind.load(Ordering::SeqCst) {
                seen = Some(now);
                if let Err(error) = self.reload().await {
                    tracing::warn!(%error, "the registered services could not be read; it will be tried again");
                }
            }
            let behind = self.is_behind.load(Ordering::SeqCst);
            let news = tokio::select! {
                news = head.changed() => news,
                () = self.fallen_behind.notified() => Ok(()),
                () = tokio::time::sleep(AGAIN), if behind => Ok(()),
            };
            // The store has ended.
            if news.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

impl Registered {
    pub fn id(&self) -> &DeviceId {
        &self.record.id
    }

    pub fn facts(&self) -> &ServiceFacts {
        &self.record.facts
    }

    pub fn record(&self) -> &ServiceRecord {
        &self.record
    }

    /// Whether all of it belongs to this service.
    pub fn owns(&self, resource: &Resource) -> bool {
        self.record.facts.resources.iter().any(|own| own.contains(resource))
    }

    pub fn fail_mode(&self) -> FailMode {
        self.record.facts.fail_mode
    }
}

/// Until a read that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);
