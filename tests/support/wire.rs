//! HTTP as a stranger speaks it: any method, header and body, both versions, and octets that are no HTTP at all.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde::de::DeserializeOwned;
use signet_api::Problem;
use signet_api::client::Identity;
use signet_pki::ca::IssuerCert;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::TestService;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// One connection. A failed request means that the other side ended it.
pub(crate) struct Wire {
    sender: Sender,
    driver: JoinHandle<hyper::Result<()>>,
}

enum Sender {
    Http1(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Http2(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// From the octets of an answer whose connection ended with it.
    pub(crate) fn parse(answer: &[u8]) -> Reply {
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(answer)));
        let head = std::str::from_utf8(&answer[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let fields = lines.map(|line| line.split_once(": ").unwrap());
        let headers = fields.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        Reply { status, version: Version::HTTP_11, headers, body: Bytes::copy_from_slice(&answer[end + 4..]) }
    }

    /// Reads the rest of an answer.
    pub(crate) async fn of(response: Response<Incoming>) -> Reply {
        Reply::read(response).await.unwrap()
    }

    async fn read(response: Response<Incoming>) -> hyper::Result<Reply> {
        let (parts, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Reply { status: parts.status.as_u16(), version: parts.version, headers: parts.headers, body })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// The problem document of a refusal; what must hold of every refusal is checked on the way.
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let problem: Problem = self.json();
        assert_eq!(problem.status, self.status);
        assert_eq!(problem.code.status(), self.status);
        assert_eq!(problem.kind, format!("urn:signet:problem:{}", problem.code.as_str()));
        assert!(problem.title.ends_with('.') && !problem.hint.is_empty());
        assert!(problem.request_id.starts_with("req-"));
        assert_eq!(self.header("request-id"), Some(problem.request_id.as_str()));
        let passes_by_itself = matches!(self.status, 429 | 503);
        assert_eq!(self.header("retry-after").is_some(), passes_by_itself);
        assert_eq!(self.header("www-authenticate").is_some(), self.status == 401);
        problem
    }
}

impl Wire {
    pub(crate) async fn open(
        service: &TestService,
        identity: Option<Identity>,
        protocol: Protocol,
    ) -> std::io::Result<Wire> {
        Wire::open_from(service, IpAddr::V4(Ipv4Addr::LOCALHOST), identity, protocol).await
    }

    /// From an address of this host's choice: all of 127.0.0.0/8 is ours.
    pub(crate) async fn open_from(
        service: &TestService,
        own: IpAddr,
        identity: Option<Identity>,
        protocol: Protocol,
    ) -> std::io::Result<Wire> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(own, 0))?;
        let stream = socket.connect(service.tls_address()).await?;
        Wire::over(stream, client_config_for(&service.root, identity, rustls::ALL_VERSIONS), protocol).await
    }

    /// To a service that runs elsewhere, over HTTP/1.1.
    pub(crate) async fn to(
        address: SocketAddr,
        root: &IssuerCert,
        identity: Option<Identity>,
    ) -> std::io::Result<Wire> {
        let stream = TcpStream::connect(address).await?;
        Wire::over(stream, client_config_for(root, identity, rustls::ALL_VERSIONS), Protocol::Http1).await
    }

    async fn over(stream: TcpStream, mut config: ClientConfig, protocol: Protocol) -> std::io::Result<Wire> {
        let alpn: &[u8] = if protocol == Protocol::Http2 { b"h2" } else { b"http/1.1" };
        config.alpn_protocols = vec![alpn.to_vec()];
        let stream = handshake(stream, Arc::new(config)).await?;
        let failed = std::io::Error::other;
        Ok(match protocol {
            Protocol::Http1 => {
                let (sender, driver) =
                    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
                Wire { sender: Sender::Http1(sender), driver: tokio::spawn(driver.with_upgrades()) }
            }
            Protocol::Http2 => {
                let executor = TokioExecutor::new();
                let (sender, driver) =
                    hyper::client::conn::http2::handshake(executor, TokioIo::new(stream)).await.map_err(failed)?;
                Wire { sender: Sender::Http2(sender), driver: tokio::spawn(driver) }
            }
        })
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> hyper::Result<Reply> {
        let reply = self.send_anywhere(method, path, headers, body).await?;
        super::document::expect(method, path, &reply);
        Ok(reply)
    }

    /// To whatever listener: only the API has a document.
    async fn send_anywhere(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> hyper::Result<Reply> {
        Reply::read(self.begin(method, path, headers, body).await?).await
    }

    /// The head of the answer; its body is still to come.
    pub(crate) async fn begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> hyper::Result<Response<Incoming>> {
        let uri = match self.sender {
            Sender::Http1(_) => path.to_owned(),
            Sender::Http2(_) => format!("https://localhost{path}"),
        };
        let mut request = Request::builder().method(method).uri(uri);
        if matches!(self.sender, Sender::Http1(_)) {
            request = request.header("host", "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> hyper::Result<Reply> {
        self.send("GET", path, &[], b"").await
    }

    /// Waits until the other side has ended the connection.
    pub(crate) async fn closed(self) -> bool {
        // The sender is kept until then: dropping it would end the connection from here.
        let ended = tokio::time::timeout(PATIENCE, self.driver).await.is_ok();
        drop(self.sender);
        ended
    }
}

/// A TLS client that trusts the service's root and nothing else.
pub(crate) fn client_config(
    service: &TestService,
    identity: Option<Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    client_config_for(&service.root, identity, versions)
}

fn client_config_for(
    root: &IssuerCert,
    identity: Option<Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(root.der().to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = identity.chain.into_iter().map(CertificateDer::from).collect();
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.to_vec()));
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    }
}

pub(crate) async fn connect(address: SocketAddr, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    handshake(TcpStream::connect(address).await?, config).await
}

async fn handshake(stream: TcpStream, config: Arc<ClientConfig>) -> std::io::Result<TlsStream<TcpStream>> {
    stream.set_nodelay(true)?;
    TlsConnector::from(config).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// `GET` over plain TCP on a connection of its own.
pub(crate) async fn get_plain(address: SocketAddr, path: &str) -> Reply {
    send_plain(address, "GET", path, &[]).await
}

pub(crate) async fn send_plain(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    send_plain_body(address, method, path, headers, b"").await
}

pub(crate) async fn send_plain_body(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let mut wire = Wire { sender: Sender::Http1(sender), driver: tokio::spawn(driver) };
    wire.send_anywhere(method, path, headers, body).await.unwrap()
}

pub(crate) async fn raw_tls(service: &TestService, request: &[u8]) -> Vec<u8> {
    let config = Arc::new(client_config(service, None, rustls::ALL_VERSIONS));
    exchange(connect(service.tls_address(), config).await.unwrap(), request).await
}

pub(crate) async fn raw_tcp(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    exchange(TcpStream::connect(address).await.unwrap(), request).await
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Vec<u8> {
    // The other side may stop listening before it has heard everything.
    let _ = stream.write_all(request).await;
    let _ = stream.flush().await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    answer
}

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(20);
