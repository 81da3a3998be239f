//! The typed HTTPS client of the service: one kept-alive connection, verified against roots that the caller names.
//!
//! There is no system trust store, no redirect, no proxy, no session resumption and no early data. A secret is sent
//! only over a connection whose chain was verified first (see [`pin`] for the very first contact).

mod address;
mod authz;
mod bundles;
mod calls;
mod clock;
mod connection;
mod dial;
mod error;
mod escape;
pub mod pin;
mod plain;
mod services;
mod stream;
mod tls;
mod tokens;

#[cfg(test)]
mod test_server;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use serde::Serialize;
use serde::de::DeserializeOwned;
use signet_pki::{Fingerprint, UnixTime};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use address::Address;
use connection::{Connection, Failure};

pub use bundles::fetch_plain;
pub use calls::{Delivery, Enrolled};
pub use clock::Clock;
pub use error::ClientError;
pub use escape::escape;
pub use hyper::Method;
pub use plain::PlainClient;
pub use stream::{EventStream, StreamEvent};

/// How to reach the service, and whom to believe.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `https://host[:port]`.
    pub server: String,
    pub trust: Trust,
    pub identity: Option<Identity>,
    pub api_key: Option<ApiKey>,
    pub timeouts: Timeouts,
    /// Octets of an answer that are read at most.
    pub max_answer: usize,
    pub clock: Clock,
    /// A moment that has certainly passed; used only while the clock is implausible. Zero when nothing is known.
    pub not_earlier_than: UnixTime,
}

impl ClientConfig {
    pub fn new(server: impl Into<String>, trust: Trust) -> ClientConfig {
        ClientConfig {
            server: server.into(),
            trust,
            identity: None,
            api_key: None,
            timeouts: Timeouts::default(),
            max_answer: MAX_ANSWER,
            clock: Clock::System,
            not_earlier_than: UnixTime(0),
        }
    }

    #[must_use]
    pub fn identity(mut self, identity: Identity) -> ClientConfig {
        self.identity = Some(identity);
        self
    }

    /// Sent with every request, in `X-API-Key`.
    #[must_use]
    pub fn api_key(mut self, key: ApiKey) -> ClientConfig {
        self.api_key = Some(key);
        self
    }
}

/// An API key, ready to be sent. `Debug` does not show it.
#[derive(Clone)]
pub struct ApiKey(HeaderValue);

impl ApiKey {
    /// `None` for what cannot be a key: empty, several lines, or not ASCII.
    pub fn parse(text: &str) -> Option<ApiKey> {
        let text = text.trim();
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b',');
        let mut value = HeaderValue::from_str(text).ok().filter(|_| plain)?;
        value.set_sensitive(true);
        Some(ApiKey(value))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// What the server's chain must end in.
#[derive(Debug, Clone)]
pub enum Trust {
    /// One of these root certificates, DER.
    Roots(Vec<Vec<u8>>),
    /// First contact: the root with this SHA-256 is fetched from the server, then everything is verified against it.
    PinnedRoot(Fingerprint),
}

/// A client certificate with its key.
#[derive(Clone)]
pub struct Identity {
    /// Leaf first, DER.
    pub chain: Vec<Vec<u8>>,
    /// PKCS#8, DER.
    pub key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates, key hidden)", self.chain.len())
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// TCP and TLS together.
    pub connect: Duration,
    /// From the first octet of the request to the last of the answer.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts { connect: Duration::from_secs(10), answer: Duration::from_secs(60) }
    }
}

/// An answer with a 2xx status.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// A header as text; `None` when it is absent or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|e| ClientError::Protocol(format!("the answer is not the JSON that was expected: {e}")))
    }

    /// The server's clock (RFC 9110 6.6.1), which is as trustworthy as the connection that it came over.
    pub fn server_time(&self) -> Option<UnixTime> {
        clock::parse_http_date(self.header("date")?)
    }
}

/// A connection to one service under one trust. Requests go out one after another.
pub struct Client {
    address: Address,
    tls: Arc<rustls::ClientConfig>,
    timeouts: Timeouts,
    max_answer: usize,
    roots: Vec<Vec<u8>>,
    api_key: Option<ApiKey>,
    connection: Mutex<Option<Connection>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.address.to_string()).finish_non_exhaustive()
    }
}

impl Client {
    /// With [`Trust::Roots`] nothing is sent yet. With [`Trust::PinnedRoot`] the root is fetched first.
    pub async fn open(config: ClientConfig) -> Result<Client, ClientError> {
        let address = Address::parse(&config.server)?;
        let roots = match &config.trust {
            Trust::Roots(roots) => roots.clone(),
            Trust::PinnedRoot(pin) => vec![pin::fetch_root(&config.server, *pin, config.timeouts).await?],
        };
        let tls = tls::verified(&roots, config.identity.as_ref(), config.clock, config.not_earlier_than)?;
        let client = Client::over(address, tls, config.timeouts, config.max_answer, roots);
        Ok(Client { api_key: config.api_key, ..client })
    }

    /// The root certificates that the server's chain must end in, DER.
    pub fn trusted_roots(&self) -> &[Vec<u8>] {
        &self.roots
    }

    /// One request. Any answer but a 2xx is an error: a problem document becomes [`ClientError::Refused`].
    ///
    /// A request is repeated once, on a new connection, when it certainly had not reached the server, or when it is a
    /// GET and the kept-alive connection turned out to be dead.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Answer, ClientError> {
        let request = self.request(method, path, headers, body)?;
        let mut slot = self.connection.lock().await;
        let kept = slot.take().filter(Connection::is_usable);
        let (mut connection, age) = match kept {
            Some(connection) => (connection, Age::Kept),
            None => (self.connect().await?, Age::New),
        };
        let (outcome, connection) =
            match connection.exchange(request.clone(), self.timeouts.answer, self.max_answer).await {
                Err(failure) if may_repeat(&failure, age, request.method()) => {
                    let mut fresh = self.connect().await?;
                    (fresh.exchange(request, self.timeouts.answer, self.max_answer).await, fresh)
                }
                outcome => (outcome, connection),
            };
        match outcome {
            Ok(answer) => {
                *slot = Some(connection);
                error::accept(answer)
            }
            Err(failure) => Err(failure.into_error()),
        }
    }

    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.send(Method::GET, path, &[], None).await?.json()
    }

    pub async fn post_json<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, ClientError> {
        self.send(Method::POST, path, &[], Some(json_body(body)?)).await?.json()
    }

    fn over(
        address: Address,
        tls: Arc<rustls::ClientConfig>,
        timeouts: Timeouts,
        max_answer: usize,
        roots: Vec<Vec<u8>>,
    ) -> Client {
        Client { address, tls, timeouts, max_answer, roots, api_key: None, connection: Mutex::new(None) }
    }

    async fn connect(&self) -> Result<Connection, ClientError> {
        Connection::open(&self.address, &self.tls, self.timeouts.connect).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let bad = |what: &str| ClientError::Config(format!("{what} cannot be sent in an HTTP request"));
        let mut all = HeaderMap::new();
        all.insert(HOST, HeaderValue::from_str(&self.address.authority()).map_err(|_| bad("the server's name"))?);
        all.insert(USER_AGENT, HeaderValue::from_static(concat!("signet/", env!("CARGO_PKG_VERSION"))));
        all.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(ApiKey(key)) = &self.api_key {
            all.insert(HeaderName::from_static("x-api-key"), key.clone());
        }
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).map_err(|_| bad("a header's name"))?;
            let mut value = HeaderValue::from_str(value).map_err(|_| bad("a header's value"))?;
            value.set_sensitive(SECRET_HEADERS.contains(&name.as_str()));
            all.insert(name, value);
        }
        let (kind, bytes) = body.map_or((None, Vec::new()), |(kind, bytes)| (Some(kind), bytes));
        if let Some(kind) = kind {
            all.insert(CONTENT_TYPE, HeaderValue::from_str(kind).map_err(|_| bad("the content type"))?);
        }
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .body(Full::new(Bytes::from(bytes)))
            .map_err(|_| bad("the path"))?;
        *request.headers_mut() = all;
        Ok(request)
    }
}

fn json_body<B: Serialize>(body: &B) -> Result<(&'static str, Vec<u8>), ClientError> {
    let bytes = serde_json::to_vec(body).map_err(|e| ClientError::Config(format!("the request as JSON: {e}")))?;
    Ok(("application/json", bytes))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Kept,
    New,
}

fn may_repeat(failure: &Failure, age: Age, method: &Method) -> bool {
    match (failure, age) {
        (_, Age::New) | (Failure::Settled(_), _) => false,
        (Failure::NotSent(_), Age::Kept) => true,
        (Failure::BrokenOff(_), Age::Kept) => method == Method::GET,
    }
}

/// The largest published thing is a CRL shard or an audit export page; both stay far below.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
/// Their values never show in `Debug`.
const SECRET_HEADERS: [&str; 3] = ["authorization", "x-api-key", "cookie"];

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
