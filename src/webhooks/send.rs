//! One message to one endpoint: the only place from which the service connects to anybody (T24).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, UnixTime as PkiTime};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use signet_api::standard_webhooks::{HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::egress::{Egress, Forbidden, Resolver};
use super::target::{Target, UrlError};
use crate::clock::Clock;
use crate::store::Reach;

/// What travels, signed.
pub struct Message<'a> {
    pub id: &'a str,
    pub timestamp: i64,
    /// The whole header.
    pub signature: &'a str,
    pub body: &'a str,
}

/// Why there was no answer. Nothing of what the other side said is in it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    #[error("{0}")]
    Url(#[from] UrlError),
    #[error("{0}")]
    Forbidden(#[from] Forbidden),
    #[error("the name of the host could not be resolved: {0}")]
    Name(String),
    #[error("no connection: {0}")]
    Connect(String),
    #[error("no TLS connection: {0}")]
    Tls(String),
    #[error("no answer that is HTTP: {0}")]
    Http(String),
    #[error("no answer in time")]
    Late,
}

pub struct Sender {
    egress: Egress,
    resolver: Arc<dyn Resolver>,
    tls: Arc<ClientConfig>,
    /// From resolving the name to the answer.
    limit: Duration,
}

impl Sender {
    /// `roots`: DER; an endpoint's chain has to end in one of them.
    pub fn new(
        egress: Egress,
        resolver: Arc<dyn Resolver>,
        roots: &[Vec<u8>],
        clock: Arc<dyn Clock>,
        limit: Duration,
    ) -> Result<Sender, rustls::Error> {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(CertificateDer::from(root.clone()))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_details(provider, Arc::new(Time(clock)))
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_root_certificates(store)
            .with_no_client_auth();
        // A resumed session skips the verification of the server.
        tls.resumption = Resumption::disabled();
        tls.enable_early_data = false;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Sender { egress, resolver, tls: Arc::new(tls), limit })
    }

    /// Whether the endpoint may be where it is now. A name that cannot be resolved now may be later.
    pub async fn check(&self, target: &Target, reach: Reach) -> Result<(), SendError> {
        match tokio::time::timeout(self.limit, self.addresses(target, reach)).await {
            Ok(Err(error @ SendError::Forbidden(_))) => Err(error),
            _ => Ok(()),
        }
    }

    /// The status of the answer. A redirect is an answer like any other.
    pub async fn post(&self, target: &Target, reach: Reach, message: &Message<'_>) -> Result<u16, SendError> {
        tokio::time::timeout(self.limit, self.exchange(target, reach, message)).await.unwrap_or(Err(SendError::Late))
    }

    async fn exchange(&self, target: &Target, reach: Reach, message: &Message<'_>) -> Result<u16, SendError> {
        // Resolved once, here: what was checked is what is connected to, whatever the name says a moment later.
        let addresses = self.addresses(target, reach).await?;
        let socket = connect(&addresses).await?;
        let connector = TlsConnector::from(self.tls.clone());
        let stream = connector.connect(target.server_name()?, socket).await.map_err(|e| SendError::Tls(short(&e)))?;
        let http = |e: hyper::Error| SendError::Http(short(&e));
        let (mut sender, driver) =
            http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await.map_err(http)?;
        let driver = Driver(tokio::spawn(driver));
        let response = sender.send_request(request(target, message)?).await.map_err(http)?;
        let status = response.status().as_u16();
        // Read for politeness, so that the other side is not cut off in the middle of a sentence; and then it is.
        let _ = Limited::new(response.into_body(), MAX_BODY).collect().await;
        drop(driver);
        Ok(status)
    }

    async fn addresses(&self, target: &Target, reach: Reach) -> Result<Vec<SocketAddr>, SendError> {
        let mut addresses = match target.literal() {
            Some(address) => vec![address],
            None => {
                let (host, port) = target.name();
                self.resolver.resolve(host, port).await.map_err(|e| SendError::Name(short(&e)))?
            }
        };
        self.egress.check(&addresses, reach)?;
        addresses.truncate(MAX_ADDRESSES);
        Ok(addresses)
    }
}

/// The first of the addresses that answers.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, SendError> {
    let mut error = SendError::Name("it has no address".into());
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(socket) => {
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Err(cause) => error = SendError::Connect(short(&cause)),
        }
    }
    Err(error)
}

fn request(target: &Target, message: &Message<'_>) -> Result<Request<Full<Bytes>>, SendError> {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| SendError::Http("a header cannot be sent".into()));
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(target.path())
        .body(Full::new(Bytes::copy_from_slice(message.body.as_bytes())))
        .map_err(|_| UrlError::Form)?;
    let headers = request.headers_mut();
    headers.insert(HOST, value(&target.authority())?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("signet/", env!("CARGO_PKG_VERSION"))));
    headers.insert(HEADER_ID, value(message.id)?);
    headers.insert(HEADER_TIMESTAMP, HeaderValue::from(message.timestamp));
    headers.insert(HEADER_SIGNATURE, value(message.signature)?);
    Ok(request)
}

/// Ends the connection with the exchange, also when that is given up.
struct Driver(tokio::task::JoinHandle<hyper::Result<()>>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Certificates are judged by the service's clock.
struct Time(Arc<dyn Clock>);

impl std::fmt::Debug for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Time")
    }
}

impl TimeProvider for Time {
    fn current_time(&self) -> Option<PkiTime> {
        let seconds = u64::try_from(self.0.now().0).ok()?;
        Some(PkiTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// Printable, and short enough for a table.
fn short(error: &dyn std::fmt::Display) -> String {
    error.to_string().chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Octets of an answer that are read.
const MAX_BODY: usize = 64 * 1024;
/// Of its head.
const MAX_HEAD: usize = 16 * 1024;
/// Addresses of a name that are tried: both families of two hosts.
const MAX_ADDRESSES: usize = 4;
