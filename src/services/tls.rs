//! How registered services are connected to: a TLS configuration for each, kept as long as the lists and issuers that it
//! was made of are the present ones.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ClientConnection, Resumption, WebPkiServerVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use signet_pki::ca::IssuerCert;
use signet_pki::name::{PrincipalKind, SpiffeId};
use signet_pki::view::CertificateView;
use signet_pki::{DeviceId, DnsName, TrustDomain};
use thiserror::Error;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::issuer::Issuers;
use crate::revocation::{ListSet, Lists};

#[derive(Debug, Error)]
pub enum TlsError {
    #[error("a revocation list is not published yet")]
    NoLists,
    #[error("the TLS configuration could not be built: {0}")]
    Build(String),
}

/// Configurations by service. Roots and lists are read once for all of them.
pub struct ServiceTls {
    lists: Arc<Lists>,
    issuers: Arc<Issuers>,
    roots: Vec<IssuerCert>,
    domain: TrustDomain,
    clock: Arc<dyn Clock>,
    cache: Mutex<Cache>,
}

/// A configuration that reaches one service and no other.
pub struct Connector {
    config: Arc<ClientConfig>,
    verifier: Arc<Pinned>,
}

#[derive(Default)]
struct Cache {
    /// What everything in here was made of.
    state: Option<State>,
    shared: Option<Arc<Shared>>,
    connectors: HashMap<DeviceId, Arc<Connector>>,
}

/// Another one when a list, an issuer's stage or a root is another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    lists: String,
    /// Subjects of the issuers whose certificates count.
    issuers: Vec<Vec<u8>>,
}

/// What all configurations of a state have in common.
#[derive(Debug)]
struct Shared {
    chain: Arc<WebPkiServerVerifier>,
    issuers: Vec<Vec<u8>>,
    /// Octets of the lists in it.
    size: usize,
}

impl ServiceTls {
    /// `roots` are those of the newest trust bundle, the issuers' among them.
    pub fn new(
        lists: Arc<Lists>,
        issuers: Arc<Issuers>,
        roots: Vec<IssuerCert>,
        domain: TrustDomain,
        clock: Arc<dyn Clock>,
    ) -> ServiceTls {
        ServiceTls { lists, issuers, roots, domain, clock, cache: Mutex::default() }
    }

    /// The configuration for a service under these names, with the lists as they are now.
    pub async fn connector(&self, id: &DeviceId, names: &[DnsName]) -> Result<Arc<Connector>, TlsError> {
        let (state, set) = self.present().ok_or(TlsError::NoLists)?;
        // Whoever comes while the lists are read waits, instead of reading them again.
        let mut cache = self.cache.lock().await;
        if cache.state.as_ref() != Some(&state) {
            *cache = Cache::default();
        }
        if let Some(known) = cache.connectors.get(id).filter(|known| known.verifier.names == names) {
            return Ok(known.clone());
        }
        let shared = match cache.shared.clone() {
            Some(shared) => shared,
            None => Arc::new(self.read(set, state.issuers.clone()).await?),
        };
        let spiffe = SpiffeId::new(&self.domain, PrincipalKind::Service, id);
        let connector = Arc::new(Connector::new(&shared, spiffe, names, &self.clock)?);
        // Large lists are read for each use: kept, they would take eight times their size.
        if shared.size <= KEPT_LISTS {
            (cache.state, cache.shared) = (Some(state), Some(shared));
        }
        Ok(connector)
    }

    /// Keeps the configuration of a service that is registered, unless the lists have moved on.
    pub(super) async fn keep(&self, id: &DeviceId, connector: Arc<Connector>) {
        let mut cache = self.cache.lock().await;
        if cache.shared.as_ref().is_some_and(|shared| Arc::ptr_eq(shared, &connector.verifier.shared)) {
            if cache.connectors.len() >= CONNECTORS {
                cache.connectors.clear();
            }
            cache.connectors.insert(id.clone(), connector);
        }
    }

    pub async fn forget(&self, id: &DeviceId) {
        self.cache.lock().await.connectors.remove(id);
    }

    fn present(&self) -> Option<(State, ListSet)> {
        let set = self.lists.set()?;
        let issuers = self.issuers.trusted().map(|issuer| issuer.certificate().subject().to_vec()).collect();
        Some((State { lists: set.name.clone(), issuers }, set))
    }

    /// A list of a million entries takes a second: beside the runtime.
    async fn read(&self, set: ListSet, issuers: Vec<Vec<u8>>) -> Result<Shared, TlsError> {
        let build = |e: &dyn fmt::Display| TlsError::Build(e.to_string());
        let mut roots = RootCertStore::empty();
        for root in &self.roots {
            roots.add(CertificateDer::from(root.der().to_vec())).map_err(|e| build(&e))?;
        }
        let size = set.lists.iter().map(|list| list.len()).sum();
        let work = move || {
            let lists = set.lists.into_iter().map(|list| CertificateRevocationListDer::from(list.to_vec()));
            let provider = Arc::new(aws_lc_rs::default_provider());
            // The whole chain, and no list that is over: rustls passes over both unless it is told.
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                .with_crls(lists)
                .enforce_revocation_expiration()
                .build()
        };
        let chain = tokio::task::spawn_blocking(work).await.map_err(|e| build(&e))?.map_err(|e| build(&e))?;
        Ok(Shared { chain, issuers, size })
    }
}

impl Connector {
    fn new(
        shared: &Arc<Shared>,
        spiffe: SpiffeId,
        names: &[DnsName],
        clock: &Arc<dyn Clock>,
    ) -> Result<Connector, TlsError> {
        let build = |e: rustls::Error| TlsError::Build(e.to_string());
        let verifier = Arc::new(Pinned { shared: shared.clone(), spiffe, names: names.to_vec() });
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_details(provider, Arc::new(Time(clock.clone())))
            .with_safe_default_protocol_versions()
            .map_err(build)?
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone())
            .with_no_client_auth();
        // A resumed session is checked by nobody.
        config.resumption = Resumption::disabled();
        Ok(Connector { config: Arc::new(config), verifier })
    }

    pub fn config(&self) -> Arc<ClientConfig> {
        self.config.clone()
    }

    pub(super) fn verifier(&self) -> Arc<Pinned> {
        self.verifier.clone()
    }

    /// Whether a client with this configuration would accept the chain under every name.
    pub fn accepts(&self, chain: &[Vec<u8>], now: signet_pki::UnixTime) -> Result<(), String> {
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let (leaf, rest) = chain.split_first().ok_or("the chain is empty")?;
        for name in &self.verifier.names {
            let server = ServerName::try_from(name.as_str().to_owned()).map_err(|e| format!("{name}: {e}"))?;
            let checked = self.verifier.verify_server_cert(leaf, rest, &server, &[], rustls_time(now));
            checked.and_then(|_| ClientConnection::new(self.config(), server)).map_err(|e| format!("{name}: {e}"))?;
        }
        Ok(())
    }
}

/// What rustls checks of a chain, and that it is this very service's: another certificate of ours may have the same DNS name.
#[derive(Debug)]
pub(super) struct Pinned {
    shared: Arc<Shared>,
    spiffe: SpiffeId,
    names: Vec<DnsName>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let refused = |error| Err(rustls::Error::InvalidCertificate(error));
        let registered = match name {
            ServerName::DnsName(asked) => self.names.iter().any(|n| n.as_str() == asked.as_ref()),
            _ => false,
        };
        if !registered {
            return refused(CertificateError::NotValidForName);
        }
        let verified = self.shared.chain.verify_server_cert(leaf, rest, name, ocsp, now)?;
        let Ok(view) = CertificateView::parse(leaf) else { return refused(CertificateError::BadEncoding) };
        if !self.shared.issuers.contains(&view.issuer) {
            return refused(CertificateError::UnknownIssuer);
        }
        match view.uris.as_slice() {
            [one] if one == self.spiffe.as_str() => Ok(verified),
            _ => refused(CertificateError::ApplicationVerificationFailure),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.shared.chain.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.shared.chain.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.shared.chain.supported_verify_schemes()
    }
}

/// The service's own clock.
struct Time(Arc<dyn Clock>);

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time")
    }
}

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(rustls_time(self.0.now()))
    }
}

fn rustls_time(at: signet_pki::UnixTime) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(at.0).unwrap_or(0)))
}

/// Configurations at one time, 2 KiB each beside what they share.
const CONNECTORS: usize = 512;
/// Octets of lists that are kept read: eighty thousand revocations.
const KEPT_LISTS: usize = 4 << 20;
