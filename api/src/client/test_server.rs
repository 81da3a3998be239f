//! A TLS server in the test's own process that answers with whatever octets a test wants, and keeps what it was sent.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::crypto::aws_lc_rs;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use signet_pki::pem::{self, Label};
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::Identity;

pub(super) struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new(name: &str) -> Authority {
        let root = CertifiedIssuer::self_signed(ca_params(name), KeyPair::generate().unwrap()).unwrap();
        let below = ca_params(&format!("{name} issuer"));
        let issuer = CertifiedIssuer::signed_by(below, KeyPair::generate().unwrap(), &root).unwrap();
        Authority { root, issuer }
    }

    pub(super) fn root(&self) -> Vec<u8> {
        self.root.der().to_vec()
    }

    pub(super) fn roots_pem(&self) -> String {
        pem::encode(Label::Certificate, self.root.der())
    }

    /// A leaf below the issuer that starts and ends so many days from now.
    pub(super) fn leaf(&self, name: &str, usage: ExtendedKeyUsagePurpose, from: i64, to: i64) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        params.not_before = OffsetDateTime::now_utc() + Duration::days(from);
        params.not_after = OffsetDateTime::now_utc() + Duration::days(to);
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Identity { chain: vec![leaf.der().to_vec(), self.issuer.der().to_vec()], key: key.serialize_der().into() }
    }

    pub(super) fn server(&self) -> Identity {
        self.leaf("localhost", ExtendedKeyUsagePurpose::ServerAuth, -1, 1)
    }

    pub(super) fn client(&self) -> Identity {
        self.leaf("device", ExtendedKeyUsagePurpose::ClientAuth, -1, 1)
    }

    fn client_verifier(&self) -> Arc<dyn ClientCertVerifier> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.root())).unwrap();
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(aws_lc_rs::default_provider()))
            .build()
            .unwrap()
    }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = OffsetDateTime::now_utc() - Duration::days(1000);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(1000);
    params
}

/// What the server does after a request.
pub(super) enum Reply {
    Keep(String),
    Close(String),
}

pub(super) fn ok(body: &str) -> Reply {
    Reply::Keep(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

pub(super) struct TestServer {
    pub(super) url: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl TestServer {
    pub(super) async fn start(identity: Identity, reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> TestServer {
        Self::run(identity, Arc::new(NoClientAuth), rustls::DEFAULT_VERSIONS, reply).await
    }

    /// Every client must present a certificate of `clients`, in this version of TLS.
    pub(super) async fn start_mutual(
        identity: Identity,
        clients: &Authority,
        version: &'static SupportedProtocolVersion,
    ) -> TestServer {
        Self::run(identity, clients.client_verifier(), &[version], |_| ok("{}")).await
    }

    async fn run(
        identity: Identity,
        clients: Arc<dyn ClientCertVerifier>,
        versions: &[&'static SupportedProtocolVersion],
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> TestServer {
        let chain = identity.chain.into_iter().map(CertificateDer::from).collect();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.to_vec()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let server = TestServer { url, connections: connections.clone(), requests: requests.clone() };
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let reply = Arc::new(reply);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(socket).await else { continue };
                connections.fetch_add(1, Ordering::SeqCst);
                let (requests, reply) = (requests.clone(), reply.clone());
                tokio::spawn(async move {
                    while let Some(request) = read_request(&mut stream).await {
                        let answer = reply(&request);
                        requests.lock().unwrap().push(request);
                        match answer {
                            Reply::Keep(text) => stream.write_all(text.as_bytes()).await.unwrap(),
                            Reply::Close(text) => {
                                stream.write_all(text.as_bytes()).await.unwrap();
                                stream.shutdown().await.unwrap();
                                return;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    /// Finished handshakes.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Whole requests, heads and bodies.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_string();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}
