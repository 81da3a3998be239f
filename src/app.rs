//! Wiring: the only file that names concrete backends.

mod issuers;
mod oauth;
mod parts;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use signet_pki::key_policy::KeyPolicy;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::authorize::Context;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ConfigError, Material};
use crate::enrollment::Road;
use crate::events::{Connections, Hub};
use crate::hooks::Hooks;
use crate::housekeeping;
use crate::http::tls::TlsState;
use crate::http::{self, Backoff, ChainDocuments, Doors, Listener, RefusalLog, Service, Shutdown};
use crate::latency::Latency;
use crate::random::{self, Random, SystemRandom};
use crate::revocation::Revocation;
use crate::server_identity::ServerIdentity;
use crate::store::Store;
use crate::store::sqlite::SqliteStore;
use crate::telemetry::Metrics;
use crate::trust::TrustBundles;
use crate::webhooks::Webhooks;

/// What the service takes from its surroundings. Tests bring their own.
pub struct Surroundings {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub store: Arc<dyn Store>,
}

impl Surroundings {
    /// The system's clock and generator, and the configured SQLite database.
    pub fn real(config: &Config) -> Result<Surroundings, ConfigError> {
        let store = SqliteStore::open(&config.database()).map_err(|e| {
            let hint = e.hint();
            ConfigError::new(e.to_string(), hint)
        })?;
        Ok(Surroundings { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom), store: Arc::new(store) })
    }
}

/// The service without its listeners: enough to issue and to revoke.
pub async fn assemble(config: Config, surroundings: Surroundings) -> Result<Arc<Service>, ConfigError> {
    let Surroundings { clock, random, store } = surroundings;
    let Material { kek, root, issuers, root_lists, blocked, token_keys } = config.material(clock.now())?;
    let trust = TrustBundles::load(&config, &root)?;
    let reserved = parts::reserved((&root, &issuers, &trust), &token_keys, blocked);
    let token_keys = oauth::keys(token_keys, &config, store.as_ref(), clock.now()).await?;
    let own_roots = trust.roots().iter().chain([&root]).map(|root| root.der().to_vec()).collect();
    let webhooks = Webhooks::new(&config, store.clone(), clock.clone(), random.clone(), &kek, own_roots)?;
    let opened = issuers::open(issuers, &config, (&root, &trust), store.as_ref(), clock.now()).await?;
    let issuers = opened.issuers;
    let authorizer = Arc::new(parts::authorizer(&config, (&store, &clock), &kek, &issuers, token_keys)?);
    let road = Arc::new(Road {
        door: KeyPolicy::any().blocking(reserved),
        authorizer: authorizer.clone(),
        issuers: issuers.clone(),
        store: store.clone(),
        domain: config.raw.trust_domain.clone(),
        clock: clock.clone(),
        random: random.clone(),
    });
    let ocsp = parts::responders(&config, &road, &issuers);
    let archive = parts::archive(&config, &store, &issuers);
    let publisher =
        Arc::new(parts::lists(&config, (&store, &clock), (issuers.clone(), opened.shards), (root, root_lists)));
    let latency = Arc::new(Latency::new(Duration::from_millis(config.raw.publication.revocation_budget_ms)));
    let connections = Connections::new(store.audit_head());
    let hub = Arc::new(Hub::new(store.clone(), latency.clone(), connections.clone(), http::SEATS));
    let revocation = Arc::new(Revocation {
        store: store.clone(),
        clock: clock.clone(),
        publisher: publisher.clone(),
        latency: latency.clone(),
        published: watch::Sender::new(0),
    });
    let documents = ArcSwap::from_pointee(ChainDocuments::of(&road.issuers, &publisher, &trust));
    let policies = parts::policies(store.as_ref()).await;
    let registrar = parts::registrar(&config, (&store, &clock), (&issuers, &publisher), &trust)?;
    let permission = parts::permission(&config, (&store, &clock), &issuers, &registrar, &policies);
    Ok(Arc::new(Service {
        hooks: Hooks::load(&config, clock.now())?,
        oauth: parts::oauth(&config, &authorizer, &random),
        doors: Doors::new(&config.raw.admission),
        config,
        road,
        authorizer,
        revocation,
        publisher,
        archive,
        ocsp,
        registry: registrar.registry.clone(),
        registrar,
        store,
        clock,
        random,
        documents,
        trust,
        refusals: RefusalLog::default(),
        backoff: Backoff::default(),
        metrics: Metrics::new(&latency, &policies, &permission.meter),
        permission,
        policies,
        latency,
        hub,
        connections,
        webhooks: Arc::new(webhooks),
    }))
}

/// The same, on a database that its rollback guard knows.
pub async fn assemble_guarded(config: Config, surroundings: Surroundings) -> Result<Arc<Service>, ConfigError> {
    config.anchor().check(surroundings.store.as_ref()).await?;
    assemble(config, surroundings).await
}

/// A running service. Dropping it does not stop it; [`stop`](Running::stop) does, in order.
pub struct Running {
    pub service: Arc<Service>,
    pub tls: SocketAddr,
    pub plain: SocketAddr,
    pub local: SocketAddr,
    shutdown: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Binds, publishes a first list, and serves.
pub async fn start(config: Config, surroundings: Surroundings) -> Result<Running, ConfigError> {
    let service = assemble_guarded(config, surroundings).await?;
    let identity = ServerIdentity::load(&service)?;
    if service.config.raw.events.query_secrets {
        tracing::warn!(
            "events.query_secrets is on: streams take keys and tokens from addresses, which others write down"
        );
    }
    let (shutdown, signal) = Shutdown::new();
    let listen = service.config.raw.listen.clone();
    let (tls, plain, local) = (bind(listen.tls).await?, bind(listen.plain).await?, bind(listen.local).await?);
    let addresses = (tls.address, plain.address, local.address);
    let mut root = housekeeping::RootWatch::default();
    root.look(&service).await;
    let mut policy = housekeeping::PolicyWatch::default();
    policy.look(&service).await;
    let state = Arc::new(TlsState::new(identity.tls_config(&service)?));
    if !service.revocation.keep_up(&own_context(&service)).await {
        tracing::error!("the first CRLs could not be published; it will be tried again");
    }
    housekeeping::renew_responder(&service).await;
    if let Err(error) = service.registry.reload().await {
        tracing::error!(%error, "the registered services could not be read; it will be tried again");
    }
    service.webhooks.look().await;
    let mut tasks = JoinSet::new();
    let patience = service.config.patience;
    let (api, connections) = (http::api(service.clone()), service.connections.clone());
    tasks.spawn(http::serve_tls(tls, state.clone(), api, connections, patience, signal.clone()));
    tasks.spawn(http::serve_plain(plain, http::plain(service.clone()), patience, signal.clone()));
    tasks.spawn(http::serve_plain(local, http::local(service.clone()), patience, signal.clone()));
    tasks.spawn(housekeeping::run_directory(service.clone(), signal.clone()));
    tasks.spawn(housekeeping::archive(service.clone(), signal.clone()));
    let (hub, registry, webhooks) = (service.hub.clone(), service.registry.clone(), service.webhooks.clone());
    tasks.spawn(until(signal.clone(), async move { hub.run().await }));
    tasks.spawn(until(signal.clone(), async move { registry.follow().await }));
    tasks.spawn(until(signal.clone(), async move { webhooks.run().await }));
    tasks.spawn(housekeeping::run(service.clone(), identity, state, (root, policy), signal));
    let (tls, plain, local) = addresses;
    Ok(Running { service, tls, plain, local, shutdown, tasks })
}

impl Running {
    /// Stops accepting, drains, and closes the store last.
    pub async fn stop(mut self) {
        let _ = self.shutdown.send(true);
        while self.tasks.join_next().await.is_some() {}
        if let Err(error) = close(&self.service).await {
            tracing::warn!(%error, "the rollback guard could not be moved");
        }
    }
}

/// Moves the rollback guard to where the database has come, and closes it.
pub async fn close(service: &Service) -> Result<(), ConfigError> {
    let moved = service.config.anchor().advance(service.store.as_ref(), &mut None).await;
    let _ = service.store.close().await;
    Ok(moved?)
}

/// Works until the service stops.
async fn until(mut stop: Shutdown, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.wait() => {}
        () = work => {}
    }
}

/// What the service does on its own account.
pub(crate) fn own_context(service: &Service) -> Context {
    let id = random::bytes::<10>(service.random.as_ref()).map(|b| data_encoding::BASE32_DNSCURVE.encode(&b));
    let request_id = format!("own-{}", id.unwrap_or_else(|_| "unknown".into()));
    Context { request_id, remote: IpAddr::V4(Ipv4Addr::LOCALHOST) }
}

async fn bind(address: SocketAddr) -> Result<Listener, ConfigError> {
    Listener::bind(address).await.map_err(|e| {
        ConfigError::new(
            format!("cannot listen on {address}: {e}"),
            "another program has it, or it is not an address of this host",
        )
    })
}
