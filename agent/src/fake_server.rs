//! A server in the test's own process: real TLS, real certificates, and the misbehaviour that a test asks for.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use signet_api::client::Clock;
use signet_api::credential::CredentialKind;
use signet_api::enroll::{EnrollRequest, IssuedCertificate, PendingEnrollment, RenewRequest, WhoAmI};
use signet_api::{Credential, ErrorCode, Problem};
use signet_keys::{KeyKind, PrivateKey, random};
use signet_pki::ca::{CaName, IssuerCert, IssuerPlan, certify_issuer, self_signed};
use signet_pki::csr::{self, CheckedCsr};
use signet_pki::issue::{LeafPlan, LintedTbs, Locations, Subject};
use signet_pki::key_policy::KeyPolicy;
use signet_pki::name::PrincipalKind;
use signet_pki::pem::{self, Label};
use signet_pki::profile::{Profile, Revocation, Usage};
use signet_pki::view::CertificateView;
use signet_pki::{DeviceId, DnsName, Fingerprint, TrustDomain, UnixTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

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
    issuer: IssuerCert,
    issuer_key: PrivateKey,
}

impl Ca {
    pub(crate) fn new() -> Ca {
        let now = Clock::System.read();
        let validity = (now.minus(10 * 365 * 86_400), now.plus(10 * 365 * 86_400));
        let (root_key, issuer_key) = (key(), key());
        let name = |n| CaName::new(n, None).unwrap();
        let root = self_signed(&root_key, &name("Root"), validity, draw()).unwrap();
        let plan = IssuerPlan {
            request: request(&issuer_key),
            name: name("Issuer"),
            validity,
            locations: Locations::default(),
            permitted_dns: Vec::new(),
        };
        let issuer = certify_issuer(&root, &root_key, plan, draw()).unwrap();
        Ca { root, issuer, issuer_key }
    }

    pub(crate) fn pin(&self) -> Fingerprint {
        Fingerprint::of(self.root.der())
    }

    /// A day's certificate that starts `now`.
    pub(crate) fn issue(&self, csr: CheckedCsr, id: &str, kind: PrincipalKind, now: UnixTime) -> IssuedCertificate {
        let usage = if kind == PrincipalKind::Server { Usage::ServerAuth } else { Usage::ClientAuth };
        let localhost = DnsName::parse("localhost").unwrap();
        let dns_names = if kind == PrincipalKind::Server { vec![localhost.clone()] } else { Vec::new() };
        let profile = Profile {
            name: "device".into(),
            kind,
            usages: vec![usage],
            lifetime: 86_400,
            max_lifetime: 86_400,
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
        let tbs = LintedTbs::prepare(&self.issuer, &Locations::default(), plan).unwrap();
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

    fn tls(&self) -> ServerConfig {
        let key = key();
        let leaf = self.issue(request(&key), "server", PrincipalKind::Server, Clock::System.read());
        let leaf = pem::decode_one(Label::Certificate, leaf.certificate.as_bytes()).unwrap();
        let chain = vec![CertificateDer::from(leaf), CertificateDer::from(self.issuer.der().to_vec())];
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.root.der().to_vec())).unwrap();
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
    ca: Ca,
    script: Mutex<VecDeque<Behaviour>>,
    log: Mutex<Vec<String>>,
    bodies: Mutex<Vec<String>>,
    /// By token: the key and what it got.
    redeemed: Mutex<HashMap<String, (Fingerprint, IssuedCertificate)>>,
    certified: Mutex<HashSet<Fingerprint>>,
}

impl Fake {
    pub(crate) async fn start() -> Fake {
        let shared = Arc::new(Shared {
            ca: Ca::new(),
            script: Mutex::default(),
            log: Mutex::default(),
            bodies: Mutex::default(),
            redeemed: Mutex::default(),
            certified: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let acceptor = TlsAcceptor::from(Arc::new(shared.ca.tls()));
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(socket).await else { continue };
                let peer = stream.get_ref().1.peer_certificates().map(|c| CertificateView::parse(&c[0]).unwrap());
                let shared = serving.clone();
                tokio::spawn(async move {
                    while let Some((head, body)) = read_request(&mut stream).await {
                        let Some(answer) = shared.answer(&head, &body, peer.as_ref()) else { return };
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        Fake { url, shared }
    }

    pub(crate) fn ca(&self) -> &Ca {
        &self.shared.ca
    }

    /// What happens next, in order.
    pub(crate) fn script(&self, next: impl IntoIterator<Item = Behaviour>) {
        self.shared.script.lock().unwrap().extend(next);
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
    /// `None` when the connection is to be closed without an answer.
    fn answer(&self, head: &str, body: &str, peer: Option<&CertificateView>) -> Option<String> {
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let who = peer.map(|p| format!(" as {}/{}", p.common_name.as_deref().unwrap(), p.serial)).unwrap_or_default();
        self.log.lock().unwrap().push(format!("{method} {path}{who}"));
        self.bodies.lock().unwrap().push(body.to_owned());
        if path == "/v1/trust/roots.pem" {
            return Some(reply(200, "", &pem::encode(Label::Certificate, self.ca.root.der())));
        }
        let behaviour = self.script.lock().unwrap().pop_front().unwrap_or(Behaviour::Serve);
        match behaviour {
            Behaviour::Refuse(code, after) => return Some(refusal(code, after)),
            Behaviour::Pend(retry_after) => {
                let device = DeviceId::parse("sensor-1").unwrap();
                let pending = PendingEnrollment { status: "pending".into(), device, retry_after };
                return Some(reply(202, "", &json(&pending)));
            }
            _ => {}
        }
        let answer = match (path, peer) {
            ("/v1/enroll", _) => self.enroll(head, body, &behaviour),
            ("/v1/renew", Some(peer)) => self.renew(body, peer, &behaviour),
            ("/v1/whoami", Some(peer)) => reply(200, "", &json(&whoami(peer))),
            _ => refusal(ErrorCode::NotAuthenticated, None),
        };
        (!matches!(behaviour, Behaviour::LoseAnswer)).then_some(answer)
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

    fn certify(&self, csr: CheckedCsr, id: &str, behaviour: &Behaviour) -> IssuedCertificate {
        self.certified.lock().unwrap().insert(csr.public_key().fingerprint());
        let now = Clock::System.read();
        let good = |csr, id| self.ca.issue(csr, id, PrincipalKind::Device, now);
        let Behaviour::Forge(forgery) = behaviour else { return good(csr, id) };
        match forgery {
            Forgery::OtherKey => good(request(&key()), id),
            // What the answer says is right; what the certificate says is not.
            Forgery::OtherDevice => IssuedCertificate { device: DeviceId::parse(id).unwrap(), ..good(csr, "sensor-2") },
            Forgery::OtherAuthority => Ca::new().issue(csr, id, PrincipalKind::Device, now),
            Forgery::WrongSerial => IssuedCertificate { serial: "0abc".into(), ..good(csr, id) },
            Forgery::Expired => self.ca.issue(csr, id, PrincipalKind::Device, now.minus(10 * 86_400)),
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
        id: DeviceId::parse(peer.common_name.as_deref().unwrap()).unwrap(),
        serial: peer.serial.to_string(),
        profile: "device".into(),
        groups: Vec::new(),
        not_after: peer.not_after.to_string(),
        renew_after: peer.not_after.to_string(),
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

fn refusal(code: ErrorCode, after: Option<u64>) -> String {
    let after = after.map(|s| format!("retry-after: {s}\r\n")).unwrap_or_default();
    let headers = format!("content-type: application/problem+json\r\n{after}");
    reply(code.status(), &headers, &json(&Problem::new(code, None, "req-7".into())))
}

fn reply(status: u16, headers: &str, body: &str) -> String {
    let rfc2822 = time::format_description::well_known::Rfc2822;
    let date = time::OffsetDateTime::now_utc().format(&rfc2822).unwrap().replace("+0000", "GMT");
    format!("HTTP/1.1 {status} X\r\ndate: {date}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_string();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}
