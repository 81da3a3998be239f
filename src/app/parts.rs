//! Parts of the service, each from what it needs.

use std::sync::Arc;

use signet_keys::PrivateKey;
use signet_pki::Fingerprint;
use signet_pki::ca::IssuerCert;
use signet_pki::signer::Signer;
use tokio::sync::{Notify, Semaphore};

use crate::archive::{self, Archive};
use crate::authorize::{Authorizer, RecoveryRules};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Profiles, RootLists};
use crate::credentials::Pepper;
use crate::credentials::keys::Uses;
use crate::enrollment::Road;
use crate::issuer::{Issuer, Issuers};
use crate::jwt::{TokenKeys, Tokens};
use crate::oauth::OAuth;
use crate::oauth::device::DeviceCodes;
use crate::ocsp::{Responder, Responders};
use crate::permission::{self, Permission};
use crate::policy::Policies;
use crate::random::Random;
use crate::revocation::{Directory, Lists, Publisher, Schedule};
use crate::services::{Prober, REGISTRATIONS, Registrar, Registry, ServiceTls};
use crate::store::Store;
use crate::trust::TrustBundles;

pub(super) fn authorizer(
    config: &Config,
    (store, clock): (&Arc<dyn Store>, &Arc<dyn Clock>),
    kek: &[u8; 32],
    issuers: &Arc<Issuers>,
    token_keys: TokenKeys,
) -> Result<Authorizer, ConfigError> {
    Ok(Authorizer {
        store: store.clone(),
        issuers: issuers.clone(),
        profiles: Profiles::compile(&config.raw.profiles)?,
        pepper: Pepper::derive(kek),
        uses: Uses::default(),
        tokens: Tokens::new(Arc::new(token_keys), &config.raw.public_url),
        recovery: RecoveryRules::from(config.raw.recovery),
        clock: clock.clone(),
        list_wanted: Arc::new(Notify::new()),
    })
}

pub(super) fn oauth(config: &Config, authorizer: &Arc<Authorizer>, random: &Arc<dyn Random>) -> OAuth {
    OAuth {
        authorizer: authorizer.clone(),
        store: authorizer.store.clone(),
        clock: authorizer.clock.clone(),
        random: random.clone(),
        rules: config.raw.oauth.clone(),
        codes: DeviceCodes::default(),
    }
}

/// The policy in force. Without one nothing is permitted.
pub(super) async fn policies(store: &dyn Store) -> Policies {
    let policies = Policies::default();
    if let Err(error) = policies.follow(store).await {
        tracing::error!(%error, "the policy could not be read: nothing is permitted until it can be");
    }
    policies
}

pub(super) fn permission(
    config: &Config,
    (store, clock): (&Arc<dyn Store>, &Arc<dyn Clock>),
    issuers: &Arc<Issuers>,
    registrar: &Registrar,
    policies: &Policies,
) -> Permission {
    Permission::new(permission::Parts {
        store: store.clone(),
        issuers: issuers.clone(),
        registry: registrar.registry.clone(),
        policies: policies.shared(),
        clock: clock.clone(),
        domain: config.raw.trust_domain.clone(),
        rules: config.raw.authz,
    })
}

/// A responder for each issuer, when there are any.
pub(super) fn responders(config: &Config, road: &Arc<Road>, issuers: &Arc<Issuers>) -> Option<Responders> {
    let publication = &config.raw.publication;
    let responder = |issuer: &Arc<Issuer>| {
        Arc::new(Responder::new(road.clone(), issuer.clone(), publication.ocsp_lifetime_seconds))
    };
    publication.ocsp.then(|| Responders::new(issuers.all().iter().map(responder).collect()))
}

/// Keys that nobody else is certified for.
pub(super) fn reserved(
    (root, issuers, trust): (&IssuerCert, &[(IssuerCert, PrivateKey)], &TrustBundles),
    token_keys: &[PrivateKey],
    blocked: Vec<Fingerprint>,
) -> Vec<Fingerprint> {
    let own = std::iter::once(root).chain(issuers.iter().map(|(issuer, _)| issuer)).chain(trust.authorities());
    // A certificate for a key that signs tokens would be one for whoever gets that key.
    let tokens = token_keys.iter().map(|key| key.public_key().fingerprint());
    own.map(|ca| ca.public_key().fingerprint()).chain(tokens).chain(blocked).collect()
}

/// A publisher for each issuer, with as many lists of shards as it has to have.
pub(super) fn lists(
    config: &Config,
    (store, clock): (&Arc<dyn Store>, &Arc<dyn Clock>),
    (issuers, shards): (Arc<Issuers>, Vec<u16>),
    root: (IssuerCert, RootLists),
) -> Lists {
    let publication = &config.raw.publication;
    let directory = publication.directory.as_deref().map(|path| Arc::new(Directory::new(config.path(path))));
    let (interval, lifetime) = (publication.crl_interval_seconds, publication.crl_lifetime_seconds);
    let publisher = |(issuer, shards): (&Arc<Issuer>, u16)| {
        let schedule = Schedule { interval, lifetime, shards, directory: directory.clone() };
        Arc::new(Publisher::new(issuer.clone(), store.clone(), clock.clone(), schedule))
    };
    let publishers = issuers.all().iter().zip(shards).map(publisher).collect();
    Lists::new(publishers, issuers, root, interval, directory)
}

/// Roots of the newest trust bundle count for services as they do for devices.
pub(super) fn registrar(
    config: &Config,
    (store, clock): (&Arc<dyn Store>, &Arc<dyn Clock>),
    (issuers, lists): (&Arc<Issuers>, &Arc<Lists>),
    trust: &TrustBundles,
) -> Result<Registrar, ConfigError> {
    let mut roots = vec![lists.root().clone()];
    roots.extend(trust.roots().iter().filter(|other| other.der() != lists.root().der()).cloned());
    let domain = config.raw.trust_domain.clone();
    let tls = ServiceTls::new(lists.clone(), issuers.clone(), roots.clone(), domain, clock.clone());
    Ok(Registrar {
        store: store.clone(),
        registry: Arc::new(Registry::new(store.clone())),
        tls: Arc::new(tls),
        issuers: issuers.clone(),
        roots,
        prober: config.probed_networks()?.map(Prober::new),
        places: Semaphore::new(REGISTRATIONS),
        clock: clock.clone(),
    })
}

pub(super) fn archive(config: &Config, store: &Arc<dyn Store>, issuers: &Arc<Issuers>) -> Option<Archive> {
    let directory = config.audit_archive()?;
    let (keep_days, segment_entries) = (config.raw.audit.keep_days, config.raw.audit.segment_entries);
    let plan = archive::Plan { directory, keep_days, segment_entries, domain: &config.raw.trust_domain };
    Some(Archive::new(plan, store.clone(), issuers.clone()))
}
