//! A server in the test's own process: real TLS, real certificates, and the misbehaviour that a test asks for.

mod wire;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use signet_api::client::Clock;
use signet_api::credential::CredentialKind;
use signet_api::enroll::{EnrollRequest, IssuedCertificate, PendingEnrollment, RecoverRequest, RenewRequest, WhoAmI};
use signet_api::{Credential, ErrorCode};
use signet_keys::{KeyKind, PrivateKey, random};
use signet_pki::ca::{CaName, IssuerCert, IssuerPlan, certify_issuer, self_signed};
use signet_pki::crl::{self, CrlPlan, Entries};
use signet_pki::csr::{self, CheckedCsr};
use signet_pki::issue::{LeafPlan, LintedTbs, Locations, Subject};
use signet_pki::key_policy::KeyPolicy;
use signet_pki::name::PrincipalKind;
use signet_pki::pem::{self, Label};
use signet_pki::profile::{Profile, Revocation, Usage};
use signet_pki::view::CertificateView;
use signet_pki::{DeviceId, DnsName, Fingerprint, TrustDomain, UnixTime};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use wire::{json, read_request, refusal, reply};

use crate::enroll::{Existing, Plan};
use crate::world::{Pause, World};

/// Waits for nothing, and remembers what it was asked to wait.
#[derive(Default)]
pub(crate) struct Recorded {
    pub(crate) waits: Vec<Duration>,
}

impl Pause for Recorded {
    async fn wait(&mut self, how_long: Duration, _why: &str) {
        self.waits.push(how_long);
    }

    async fn sleep(&mut self, how_long: Duration) {
        self.waits.push(how_long);
    }

    fn jitter(&mut self) -> f64 {
        1.0
    }
}

pub(crate) fn world(clock: Clock) -> World<Recorded> {
    World { clock, pause: Recorded::default() }
}

/// A root, an issuer below it, and certificates.
pub(crate) struct Ca {
    pub(crate) root: IssuerCert,
    pub(crate) root_key: PrivateKey,
    issuer: IssuerCert,
    issuer_key: PrivateKey,
    /// Of both CAs, PEM.
    pub(crate) crls: String,
    /// Where certificates say that lists are: the plain listener.
    pub(crate) lists: Vec<String>,
}

impl Ca {
    pub(crate) fn new() -> Ca {
        Ca::between("Root", -10, 10)
    }

    /// From so many years from now to so many.
    pub(crate) fn between(root_name: &str, from: i64, to: i64) -> Ca {
        let now = Clock::System.read();
        let validity = (now.plus(from * 365 * 86_400), now.plus(to * 365 * 86_400));
        let (root_key, issuer_key) = (key(), key());
        let name = |n| CaName::new(n, None).unwrap();
        let root = self_signed(&root_key, &name(root_name), validity, draw()).unwrap();
        let plan = IssuerPlan {
            request: request(&issuer_key),
            name: name("Issuer"),
            validity,
            locations: Locations::default(),
            permitted_dns: Vec::new(),
        };
        let issuer = certify_issuer(&root, &root_key, plan, draw()).unwrap();
        let plan = || CrlPlan::full(1, now, now.plus(86_400), Entries::new());
        let list = |ca, key| pem::encode(Label::Crl, crl::sign(ca, key, plan()).unwrap().der());
        let crls = list(&issuer, &issuer_key) + &list(&root, &root_key);
        Ca { root, root_key, issuer, issuer_key, crls, lists: Vec::new() }
    }

    fn bundle(&self) -> String {
        [&self.root, &self.issuer].map(|ca| pem::encode(Label::Certificate, ca.der())).concat()
    }

    pub(crate) fn pin(&self) -> Fingerprint {
        Fingerprint::of(self.root.der())
    }

    /// A day's certificate that starts `now`.
    pub(crate) fn issue(&self, csr: CheckedCsr, id: &str, kind: PrincipalKind, now: UnixTime) -> IssuedCertificate {
        let usage = if kind == PrincipalKind::Server { Usage::ServerAuth } else { Usage::ClientAuth };
        // The server's own outlives what tests do with the devices'.
        let lifetime = if kind == PrincipalKind::Server { 100 * 86_400 } else { 86_400 };
        let localhost = DnsName::parse("localhost").unwrap();
        let dns_names = if kind == PrincipalKind::Server { vec![localhost.clone()] } else { Vec::new() };
        let profile = Profile {
            name: "device".into(),
            kind,
            usages: vec![usage],
            lifetime,
            max_lifetime: lifetime,
            keys: KeyPolicy::standard(),
            dns_suffixes: vec![localhost],
            reuse_key: false,
            revocation: Revocation::Published,
        };
        let subject = Subject {
            domain: TrustDomain::parse("example.org").unwrap(),
            kind,
            id: DeviceId::parse(id).unwrap(),
            dns_names,
            addresses: Vec::new(),
        };
        let spiffe_id = subject.spiffe_id().as_str().to_owned();
        let plan = LeafPlan::new(&profile, subject, csr, &self.issuer, now, None, draw()).unwrap();
        let locations = Locations { crl: self.lists.clone(), ..Locations::default() };
        let tbs = LintedTbs::prepare(&self.issuer, &locations, plan).unwrap();
        let (der, facts) = tbs.sign(&self.issuer, &self.issuer_key).unwrap().into_parts();
        IssuedCertificate {
            device: facts.subject.id,
            spiffe_id,
            profile: "device".into(),
            serial: facts.serial.to_string(),
            certificate: pem::encode(Label::Certificate, &der),
            chain: pem::encode(Label::Certificate, self.issuer.der()),
            not_before: facts.not_before.to_string(),
            not_after: facts.not_after.to_string(),
            renew_after: now.plus(43_200).to_string(),
        }
    }

    /// Clients of `others` are known as well.
    fn tls(&self, others: &[Vec<u8>]) -> ServerConfig {
        let key = key();
        let leaf = self.issue(request(&key), "server", PrincipalKind::Server, Clock::System.read());
        let leaf = pem::decode_one(Label::Certificate, leaf.certificate.as_bytes()).unwrap();
        let chain = vec![CertificateDer::from(leaf), CertificateDer::from(self.issuer.der().to_vec())];
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.root.der().to_vec())).unwrap();
        others.iter().for_each(|der| roots.add(CertificateDer::from(der.clone())).unwrap());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
            .with_single_cert(chain, PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8_der().to_vec())))
            .unwrap()
    }
}

/// What happens to one call of `/v1/enroll`, `/v1/renew` or `/v1/whoami`; without any it is served.
#[derive(Debug, Clone)]
pub(crate) enum Behaviour {
    Serve,
    /// Done and recorded, but the answer is lost.
    LoseAnswer,
    Refuse(ErrorCode, Option<u64>),
    Pend(u64),
    /// A good certificate of this CA, with this changed.
    Forge(Forgery),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Forgery {
    OtherKey,
    OtherDevice,
    OtherAuthority,
    WrongSerial,
    Expired,
}

pub(crate) struct Fake {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    ca: Mutex<Arc<Ca>>,
    acceptor: Mutex<TlsAcceptor>,
    /// Trust bundles, from the first on.
    bundles: Mutex<Vec<Vec<u8>>>,
    plain: String,
    script: Mutex<VecDeque<Behaviour>>,
    log: Mutex<Vec<String>>,
    bodies: Mutex<Vec<String>>,
    /// By token: the key and what it got.
    redeemed: Mutex<HashMap<String, (Fingerprint, IssuedCertificate)>>,
    certified: Mutex<HashSet<Fingerprint>>,
    /// Seconds by which this server lives after the machine's clock.
    later: AtomicI64,
}

impl Fake {
    pub(crate) async fn start() -> Fake {
        Fake::of(Ca::new()).await
    }

    pub(crate) async fn of(ca: Ca) -> Fake {
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let lists = format!("http://localhost:{}/crl/issuer.crl", plain.local_addr().unwrap().port());
        let ca = Ca { lists: vec![lists.clone()], ..ca };
        let shared = Arc::new(Shared {
            acceptor: Mutex::new(TlsAcceptor::from(Arc::new(ca.tls(&[])))),
            ca: Mutex::new(Arc::new(ca)),
            bundles: Mutex::default(),
            plain: lists,
            script: Mutex::default(),
            log: Mutex::default(),
            bodies: Mutex::default(),
            redeemed: Mutex::default(),
            certified: Mutex::default(),
            later: AtomicI64::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        tokio::spawn(serve_plain(plain, shared.clone()));
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let acceptor = serving.acceptor.lock().unwrap().clone();
                let Ok(mut stream) = acceptor.accept(socket).await else { continue };
                let peer = stream.get_ref().1.peer_certificates().map(|c| CertificateView::parse(&c[0]).unwrap());
                let shared = serving.clone();
                tokio::spawn(async move {
                    while let Some((head, body)) = read_request(&mut stream).await {
                        let Some(answer) = shared.answer(&head, &body, peer.as_ref()) else { return };
                        stream.write_all(&answer).await.unwrap();
                    }
                });
            }
        });
        Fake { url, shared }
    }

    pub(crate) fn ca(&self) -> Arc<Ca> {
        self.shared.ca()
    }

    /// Another CA takes over; clients of the old one are still known.
    pub(crate) fn hand_over(&self, ca: Ca) {
        let ca = Ca { lists: vec![self.shared.plain.clone()], ..ca };
        let old = self.ca().root.der().to_vec();
        *self.shared.acceptor.lock().unwrap() = TlsAcceptor::from(Arc::new(ca.tls(&[old])));
        *self.shared.ca.lock().unwrap() = Arc::new(ca);
    }

    pub(crate) fn publish(&self, bundles: impl IntoIterator<Item = Vec<u8>>) {
        *self.shared.bundles.lock().unwrap() = bundles.into_iter().collect();
    }

    /// What happens next, in order.
    pub(crate) fn script(&self, next: impl IntoIterator<Item = Behaviour>) {
        self.shared.script.lock().unwrap().extend(next);
    }

    /// Time passes; answers with the new time.
    pub(crate) fn pass(&self, seconds: i64) -> UnixTime {
        self.shared.later.fetch_add(seconds, Ordering::SeqCst);
        self.shared.now()
    }

    /// `POST /v1/renew as sensor-1/<serial>`, for every request.
    pub(crate) fn log(&self) -> Vec<String> {
        self.shared.log.lock().unwrap().clone()
    }

    pub(crate) fn calls(&self, path: &str) -> usize {
        self.log().iter().filter(|l| l.contains(path)).count()
    }

    pub(crate) fn bodies(&self) -> String {
        self.shared.bodies.lock().unwrap().concat()
    }

    pub(crate) fn plan(&self, seed: u8) -> Plan {
        Plan {
            server: self.url.clone(),
            pin: self.ca().pin(),
            token: token(seed),
            hardware_serial: Some("SN-1".into()),
            kind: KeyKind::P256,
            wait: Duration::from_secs(10),
            existing: Existing::Keep,
        }
    }
}

impl Shared {
    fn ca(&self) -> Arc<Ca> {
        self.ca.lock().unwrap().clone()
    }

    /// The answer to a request for a trust bundle, if it is one.
    fn bundle(&self, path: &str) -> Option<Vec<u8>> {
        let sequence = path.strip_prefix("/v1/trust/bundles/").or(path.strip_prefix("/ca/bundles/"))?;
        let bundles = self.bundles.lock().unwrap();
        Some(match sequence.parse::<usize>().ok().and_then(|n| bundles.get(n.checked_sub(1)?)) {
            Some(bytes) => {
                [format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n", bytes.len()).as_bytes(), bytes].concat()
            }
            None => refusal(ErrorCode::NotFound, None).into_bytes(),
        })
    }

    /// `None` when the connection is to be closed without an answer.
    fn answer(&self, head: &str, body: &str, peer: Option<&CertificateView>) -> Option<Vec<u8>> {
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let who = peer.map(|p| format!(" as {}/{}", p.common_name.as_deref().unwrap(), p.serial)).unwrap_or_default();
        let held = head.lines().find_map(|l| l.strip_prefix("signet-bundle: "));
        let held = held.map(|n| format!(" holding {n}")).unwrap_or_default();
        self.log.lock().unwrap().push(format!("{method} {path}{who}{held}"));
        self.bodies.lock().unwrap().push(body.to_owned());
        if let Some(answer) = self.bundle(path) {
            return Some(answer);
        }
        if path == "/v1/trust/roots.pem" {
            return Some(reply(200, "", &pem::encode(Label::Certificate, self.ca().root.der())).into_bytes());
        }
        let behaviour = self.script.lock().unwrap().pop_front().unwrap_or(Behaviour::Serve);
        match behaviour {
            Behaviour::Refuse(code, after) => return Some(refusal(code, after).into_bytes()),
            Behaviour::Pend(retry_after) => {
                let device = DeviceId::parse("sensor-1").unwrap();
                let pending = PendingEnrollment { status: "pending".into(), device, retry_after };
                return Some(reply(202, "", &json(&pending)).into_bytes());
            }
            _ => {}
        }
        let answer = match (path, peer) {
            ("/v1/enroll", _) => self.enroll(head, body, &behaviour),
            ("/v1/renew", Some(peer)) => self.renew(body, peer, &behaviour),
            ("/v1/trust/bundle.pem", _) => reply(200, "", &self.ca().bundle()),
            ("/v1/trust/crl.pem", _) => reply(200, "", &self.ca().crls),
            ("/v1/recover", None) => self.recover(body, &behaviour),
            (path, Some(peer)) if path.starts_with("/v1/services/") => wire::registered(path, body, peer),
            ("/v1/whoami", Some(peer)) => reply(200, "", &json(&whoami(peer))),
            _ => refusal(ErrorCode::NotAuthenticated, None),
        };
        (!matches!(behaviour, Behaviour::LoseAnswer)).then_some(answer.into_bytes())
    }

    fn enroll(&self, head: &str, body: &str, behaviour: &Behaviour) -> String {
        let token = head.lines().find_map(|l| l.strip_prefix("authorization: Bearer ")).unwrap().to_owned();
        let body: EnrollRequest = serde_json::from_str(body).unwrap();
        let csr = CheckedCsr::parse(body.csr.as_bytes(), &KeyPolicy::standard()).unwrap();
        let spki = csr.public_key().fingerprint();
        let mut redeemed = self.redeemed.lock().unwrap();
        match redeemed.get(&token) {
            Some((known, issued)) if *known == spki => reply(200, "idempotent-replay: true\r\n", &json(issued)),
            Some(_) => refusal(ErrorCode::TokenBoundToOtherKey, None),
            None => {
                let issued = self.certify(csr, "sensor-1", behaviour);
                redeemed.insert(token, (spki, issued.clone()));
                reply(201, "", &json(&issued))
            }
        }
    }

    fn renew(&self, body: &str, peer: &CertificateView, behaviour: &Behaviour) -> String {
        let body: RenewRequest = serde_json::from_str(body).unwrap();
        let csr = CheckedCsr::parse(body.csr.as_bytes(), &KeyPolicy::standard()).unwrap();
        if self.certified.lock().unwrap().contains(&csr.public_key().fingerprint()) {
            return refusal(ErrorCode::KeyRefused, None);
        }
        reply(200, "", &json(&self.certify(csr, peer.common_name.as_deref().unwrap(), behaviour)))
    }

    fn recover(&self, body: &str, behaviour: &Behaviour) -> String {
        let body: RecoverRequest = serde_json::from_str(body).unwrap();
        let csr = CheckedCsr::parse(body.csr.as_bytes(), &KeyPolicy::standard()).unwrap();
        let der = pem::decode_one(Label::Certificate, body.certificate.as_bytes()).unwrap();
        let old = CertificateView::parse(&der).unwrap();
        let signature = data_encoding::BASE64.decode(body.signature.as_bytes()).unwrap();
        if !signet_pki::recovery::verify(&old.public_key, &old.serial, csr.public_key(), &signature) {
            return refusal(ErrorCode::RecoveryInvalid, None);
        }
        reply(200, "", &json(&self.certify(csr, old.common_name.as_deref().unwrap(), behaviour)))
    }

    fn now(&self) -> UnixTime {
        Clock::System.read().plus(self.later.load(Ordering::SeqCst))
    }

    fn certify(&self, csr: CheckedCsr, id: &str, behaviour: &Behaviour) -> IssuedCertificate {
        self.certified.lock().unwrap().insert(csr.public_key().fingerprint());
        let now = self.now();
        let ca = self.ca();
        let good = |csr, id| ca.issue(csr, id, PrincipalKind::Device, now);
        let Behaviour::Forge(forgery) = behaviour else { return good(csr, id) };
        match forgery {
            Forgery::OtherKey => good(request(&key()), id),
            // What the answer says is right; what the certificate says is not.
            Forgery::OtherDevice => IssuedCertificate { device: DeviceId::parse(id).unwrap(), ..good(csr, "sensor-2") },
            Forgery::OtherAuthority => Ca::new().issue(csr, id, PrincipalKind::Device, now),
            Forgery::WrongSerial => IssuedCertificate { serial: "0abc".into(), ..good(csr, id) },
            Forgery::Expired => ca.issue(csr, id, PrincipalKind::Device, now.minus(10 * 86_400)),
        }
    }
}

pub(crate) fn key() -> PrivateKey {
    PrivateKey::generate(KeyKind::P256).unwrap()
}

pub(crate) fn request(key: &PrivateKey) -> CheckedCsr {
    CheckedCsr::from_der(&csr::make(key, "device").unwrap(), &KeyPolicy::standard()).unwrap()
}

pub(crate) fn token(seed: u8) -> Credential {
    Credential::from_random(CredentialKind::Enrollment, &std::array::from_fn(|i| seed.wrapping_mul(31) ^ i as u8))
}

/// Every file below a directory with its content, links as their targets; for comparisons.
pub(crate) fn snapshot(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            all.extend(snapshot(&entry.path()).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else if kind.is_symlink() {
            all.push((name, std::fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes()));
        } else {
            all.push((name, std::fs::read(entry.path()).unwrap()));
        }
    }
    all.sort();
    all
}

fn draw() -> [u8; 20] {
    random::bytes().unwrap()
}

fn whoami(peer: &CertificateView) -> WhoAmI {
    WhoAmI {
        kind: "device".into(),
        id: peer.common_name.clone().unwrap(),
        serial: Some(peer.serial.to_string()),
        profile: Some("device".into()),
        groups: Vec::new(),
        not_after: Some(peer.not_after.to_string()),
        renew_after: Some(peer.not_after.to_string()),
        account: None,
        scopes: Default::default(),
        credential: None,
    }
}

/// Trust bundles alone, without TLS.
async fn serve_plain(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((mut socket, _)) = listener.accept().await {
        let Some((head, _)) = read_request(&mut socket).await else { continue };
        let path = head.split(' ').nth(1).unwrap();
        shared.log.lock().unwrap().push(format!("GET plain {path}"));
        let answer = shared.bundle(path).unwrap();
        let _ = socket.write_all(&answer).await;
    }
}
