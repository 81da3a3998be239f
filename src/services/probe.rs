//! A connection to a registered service, to see what it shows: only when an administrator asks, and only where the operator has
//! allowed it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use signet_api::services::{ProbeOutcome, ProbeReport, ProbeRequest, ShownCertificate};
use signet_pki::view::CertificateView;
use signet_pki::{DeviceId, DnsName};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use super::Registrar;
use super::error::ServiceError;
use super::registration::missing_names;
use super::tls::{Connector, Pinned};
use crate::store::{CertificateRecord, PrincipalStatus, ServiceFacts};

pub struct Prober {
    networks: Vec<IpNet>,
    places: Semaphore,
}

/// What there was to see.
struct Sight {
    outcome: ProbeOutcome,
    reason: Option<String>,
    protocol: Option<String>,
    /// The first certificate that came.
    leaf: Option<Vec<u8>>,
}

impl Prober {
    pub fn new(networks: Vec<IpNet>) -> Prober {
        Prober { networks, places: Semaphore::new(PROBES) }
    }

    /// An address of the service that may be connected to. It is resolved once, and the result is what is connected to.
    async fn address(&self, facts: &ServiceFacts, name: &DnsName, port: u16) -> Result<IpAddr, ServiceError> {
        let found: Vec<IpAddr> = match facts.address {
            Some(address) => vec![address],
            None => {
                let resolved = tokio::net::lookup_host((name.as_str(), port)).await;
                let resolved = resolved.map_err(|e| ServiceError::Probe(format!("{name} has no address: {e}")))?;
                resolved.map(|address| address.ip().to_canonical()).take(ADDRESSES).collect()
            }
        };
        let allowed = found.iter().find(|address| self.networks.iter().any(|network| network.contains(*address)));
        allowed.copied().ok_or_else(|| {
            let all: Vec<String> = found.iter().map(IpAddr::to_string).collect();
            ServiceError::Probe(format!("{name} is at {}, which is in no network of services.allow", all.join(", ")))
        })
    }
}

impl Registrar {
    /// Connects as a client would, with the present bundle and lists.
    pub async fn probe(&self, id: &DeviceId, request: ProbeRequest) -> Result<ProbeReport, ServiceError> {
        let off = || ServiceError::Probe("services.probe is off".into());
        let prober = self.prober.as_ref().ok_or_else(off)?;
        let (record, connector) = self.connector(id).await?;
        let facts = &record.facts;
        let name = registered(request.dns_name, &facts.dns_names, "name")?;
        let port = registered(request.port, &facts.ports, "port")?;
        let _place = prober.places.try_acquire().map_err(|_| ServiceError::Busy)?;
        let looked = tokio::time::timeout(LOOKUP, prober.address(facts, &name, port)).await;
        let address =
            looked.map_err(|_| ServiceError::Probe(format!("the address of {name} did not come in time")))??;
        let sight = look(&connector, SocketAddr::new(address, port), &name).await;
        let shown = match &sight.leaf {
            Some(leaf) => self.shown(id, leaf, facts).await?,
            None => None,
        };
        let Sight { mut outcome, mut reason, protocol, .. } = sight;
        // The store knows of an end before any list does. A superseded certificate is good until its end; it is only not the
        // one that should be shown.
        let ended =
            shown.as_ref().filter(|shown| !matches!(shown.status.as_str(), "active" | "pending" | "superseded"));
        if let Some(ended) = ended.filter(|_| outcome == ProbeOutcome::Good) {
            (outcome, reason) = (ProbeOutcome::Refused, Some(format!("the certificate is {}", ended.status)));
        }
        Ok(ProbeReport { service: id.clone(), dns_name: name, port, address, outcome, reason, protocol, shown })
    }

    async fn shown(
        &self,
        id: &DeviceId,
        leaf: &[u8],
        facts: &ServiceFacts,
    ) -> Result<Option<ShownCertificate>, ServiceError> {
        let Ok(view) = CertificateView::parse(leaf) else { return Ok(None) };
        let record = self.store.certificate(&view.serial).await?.filter(|record| record.der == view.der);
        let newest = self.newest(id).await?;
        Ok(Some(ShownCertificate {
            serial: view.serial.to_string(),
            not_after: view.not_after.to_string(),
            status: match &record {
                None => "unknown".into(),
                Some(record) if record.principal.status != PrincipalStatus::Active => {
                    record.principal.status.as_str().into()
                }
                Some(record) => record.status.as_str().into(),
            },
            missing_names: missing_names(&facts.dns_names, &view),
            current: newest.is_some_and(|newest| newest.der == view.der),
        }))
    }

    /// The certificate that a service should show now.
    pub async fn newest(&self, id: &DeviceId) -> Result<Option<CertificateRecord>, ServiceError> {
        let now = self.clock.now();
        let good =
            |c: &CertificateRecord| c.can_be_repeated() && c.not_after >= now && !self.issuers.is_distrusted(&c.issuer);
        Ok(self.store.certificates_of(id).await?.items.into_iter().find(good))
    }

    /// Registered names that a certificate does not have.
    pub fn missing(facts: &ServiceFacts, record: &CertificateRecord) -> Vec<DnsName> {
        match CertificateView::parse(&record.der) {
            Ok(view) => missing_names(&facts.dns_names, &view),
            Err(_) => facts.dns_names.clone(),
        }
    }
}

/// Nothing else is ever connected to.
fn registered<T: Clone + PartialEq + std::fmt::Display>(
    asked: Option<T>,
    all: &[T],
    what: &str,
) -> Result<T, ServiceError> {
    match asked {
        None => all.first().cloned().ok_or_else(|| ServiceError::Invalid(format!("no {what} is registered"))),
        Some(one) if all.contains(&one) => Ok(one),
        Some(one) => Err(ServiceError::Invalid(format!("the {what} {one} is not registered"))),
    }
}

async fn look(connector: &Connector, address: SocketAddr, name: &DnsName) -> Sight {
    let witness = Arc::new(Witness { verifier: connector.verifier(), seen: Mutex::default() });
    let mut config = (*connector.config()).clone();
    config.dangerous().set_certificate_verifier(witness.clone());
    let shake = async {
        let name = ServerName::try_from(name.as_str().to_owned()).map_err(|e| e.to_string())?;
        let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|e| e.to_string())?;
        let version = stream.get_ref().1.protocol_version().and_then(|version| version.as_str().map(str::to_owned));
        Ok(version.map(|text| text.replace('_', ".")))
    };
    let shaken = tokio::time::timeout(HANDSHAKE, shake).await;
    let shaken = shaken.unwrap_or_else(|_| Err(format!("no handshake within {} seconds", HANDSHAKE.as_secs())));
    let leaf = witness.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    match (shaken, leaf) {
        (Ok(protocol), leaf) => Sight { outcome: ProbeOutcome::Good, reason: None, protocol, leaf },
        (Err(reason), leaf) => {
            let outcome = if leaf.is_some() { ProbeOutcome::Refused } else { ProbeOutcome::Unreachable };
            Sight { outcome, reason: Some(signet_pki::name::printable(&reason, 300)), protocol: None, leaf }
        }
    }
}

/// Remembers what was shown, and leaves the judgement where it belongs.
#[derive(Debug)]
struct Witness {
    verifier: Arc<Pinned>,
    seen: Mutex<Option<Vec<u8>>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(leaf.to_vec());
        self.verifier.verify_server_cert(leaf, rest, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// For the address, and for connection and handshake: five seconds together. A service that answers later is down for its
/// clients as well.
const LOOKUP: Duration = Duration::from_secs(2);
const HANDSHAKE: Duration = Duration::from_secs(3);
/// At one time. Administrators ask, and a handshake is over in milliseconds.
const PROBES: usize = 4;
/// Of one name.
const ADDRESSES: usize = 16;
