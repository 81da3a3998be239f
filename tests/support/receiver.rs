//! The other end of a webhook: a TLS server that keeps what it is sent and behaves as badly as a test wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use signet_api::standard_webhooks::{Claim, ProofError, SigningSecret};
use signet_pki::UnixTime;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio_rustls::TlsAcceptor;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Status(u16),
    /// 307 to there.
    Redirect(String),
    /// 200, and a body without end.
    Giant,
    /// It reads the request and says nothing.
    Silent,
    /// It hangs up before TLS.
    Down,
}

pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    behaviour: Arc<Mutex<Behaviour>>,
    arrived: mpsc::UnboundedReceiver<Got>,
    /// Octets of giant answers that were taken.
    pub(crate) taken: Arc<AtomicU64>,
    /// A giant answer was cut off.
    pub(crate) cut: Arc<Notify>,
    connections: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn signatures(&self) -> usize {
        self.headers["webhook-signature"].split(' ').count()
    }

    pub(crate) fn verify(&self, secret: &str, now: UnixTime) -> Result<(), ProofError> {
        let header = |name: &str| self.headers[name].as_str();
        let claim =
            Claim::read(header("webhook-id"), header("webhook-timestamp"), header("webhook-signature")).unwrap();
        claim.verify(&[SigningSecret::parse(secret).unwrap()], &self.body, now)
    }
}

/// A CA for receivers, and its certificate in PEM.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        self.issuer.der().to_vec()
    }

    fn server(&self) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap()
    }
}

impl Receiver {
    pub(crate) async fn start(authority: &Authority) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(authority.server()));
        let behaviour = Arc::new(Mutex::new(Behaviour::Status(200)));
        let (sender, arrived) = mpsc::unbounded_channel();
        let (taken, cut, connections) =
            (Arc::<AtomicU64>::default(), Arc::<Notify>::default(), Arc::<AtomicU64>::default());
        let (shared, counts, opened) = (behaviour.clone(), (taken.clone(), cut.clone()), connections.clone());
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                opened.fetch_add(1, Ordering::SeqCst);
                let behaviour = shared.lock().unwrap().clone();
                tokio::spawn(serve(socket, acceptor.clone(), behaviour, sender.clone(), counts.clone()));
            }
        });
        Receiver { address, behaviour, arrived, taken, cut, connections, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    pub(crate) async fn next(&mut self) -> Got {
        let got = tokio::time::timeout(PATIENCE, self.arrived.recv()).await;
        got.unwrap_or_else(|_| panic!("nothing was delivered")).unwrap()
    }

    /// What is here and was not looked at.
    pub(crate) fn rest(&mut self) -> Vec<Got> {
        std::iter::from_fn(|| self.arrived.try_recv().ok()).collect()
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    socket: TcpStream,
    acceptor: TlsAcceptor,
    behaviour: Behaviour,
    arrived: mpsc::UnboundedSender<Got>,
    (taken, cut): (Arc<AtomicU64>, Arc<Notify>),
) {
    if behaviour == Behaviour::Down {
        return;
    }
    let Ok(mut stream) = acceptor.accept(socket).await else { return };
    let Some(got) = read(&mut stream).await else { return };
    let _ = arrived.send(got);
    let head = match &behaviour {
        Behaviour::Status(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nok"),
        Behaviour::Redirect(to) => format!("HTTP/1.1 307 X\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"),
        Behaviour::Giant => "HTTP/1.1 200 X\r\ncontent-length: 1000000000000\r\n\r\n".into(),
        Behaviour::Silent => {
            let _ = stream.read_to_end(&mut Vec::new()).await;
            return;
        }
        Behaviour::Down => unreachable!("handled above"),
    };
    let _ = stream.write_all(head.as_bytes()).await;
    if behaviour == Behaviour::Giant {
        let piece = [b'x'; 16 * 1024];
        while stream.write_all(&piece).await.is_ok() {
            taken.fetch_add(piece.len() as u64, Ordering::SeqCst);
        }
        cut.notify_one();
    }
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<Got> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let mut lines = head.split("\r\n");
            let path = lines.next()?.strip_prefix("POST ")?.strip_suffix(" HTTP/1.1")?.to_owned();
            let fields = lines.map(|line| line.split_once(": ").unwrap());
            let headers: BTreeMap<String, String> =
                fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
            let length: usize = headers["content-length"].parse().unwrap();
            while bytes.len() < end + 4 + length {
                if stream.read_buf(&mut bytes).await.ok()? == 0 {
                    return None;
                }
            }
            return Some(Got { path, headers, body: bytes[end + 4..].to_vec() });
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);
