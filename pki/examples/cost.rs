//! What one certificate costs in microseconds of one core: `cargo run -p signet-pki --example cost`.
//!
//! The budget is twice one P-256 verification plus one P-256 signature; the check of our own
//! signature is worth another verification and stands beside it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RsaKeyPair};
use signet_pki::ca::{CaName, IssuerPlan, certify_issuer, self_signed};
use signet_pki::crl::{CrlPlan, Reason, encode_entry};
use signet_pki::csr::{self, CheckedCsr};
use signet_pki::issue::{LeafPlan, LintedTbs, Locations, Subject};
use signet_pki::key::SignatureScheme;
use signet_pki::key_policy::KeyPolicy;
use signet_pki::name::PrincipalKind;
use signet_pki::profile::{Profile, Revocation, Usage};
use signet_pki::signer::{Signer, SignerError};
use signet_pki::view::CertificateView;
use signet_pki::{DeviceId, PublicKey, Serial, TrustDomain, UnixTime};

struct Key {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl Key {
    fn new() -> Key {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let public = PublicKey::from_uncompressed_point(pair.public_key().as_ref()).unwrap();
        Key { pair, public }
    }
}

impl Signer for Key {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let signature = self.pair.sign(&SystemRandom::new(), message);
        signature.map(|s| s.as_ref().to_vec()).map_err(|_| SignerError::Unavailable("no signature".into()))
    }
}

const NOW: UnixTime = UnixTime(1_800_000_000);
const YEAR: i64 = 365 * 86_400;

fn main() {
    let (root_key, issuer_key, device_key) = (Key::new(), Key::new(), Key::new());
    let name = |cn| CaName::new(cn, Some("Example")).unwrap();
    let root = self_signed(&root_key, &name("Root"), (NOW, NOW.plus(20 * YEAR)), [1; 20]).unwrap();
    let plan = IssuerPlan {
        request: checked(&csr::make(&issuer_key, "issuer").unwrap()),
        name: name("Issuer"),
        validity: (NOW, NOW.plus(3 * YEAR)),
        locations: Locations::default(),
        permitted_dns: Vec::new(),
    };
    let issuer = certify_issuer(&root, &root_key, plan, [2; 20]).unwrap();
    let (profile, locations) = (profile(), locations());
    let request = csr::make(&device_key, "sensor-17").unwrap();
    let prepare = || {
        let csr = checked(&request);
        let plan = LeafPlan::new(&profile, subject(), csr, &issuer, NOW, None, [3; 20]).unwrap();
        LintedTbs::prepare(&issuer, &locations, plan).unwrap()
    };
    let message = [7; 700];
    let signature = device_key.sign(&message).unwrap();
    let verify = time("P-256 verify (key parsed each time)", || {
        assert!(device_key.public.verify(SignatureScheme::EcdsaSha256, &message, &signature));
    });
    let sign = time("P-256 sign", || device_key.sign(&message));
    let check = time("CheckedCsr::from_der", || checked(&request));
    let prepared = time("the same, LeafPlan::new and LintedTbs::prepare", prepare) - check;
    let whole =
        time("the same and LintedTbs::sign (sign, verify own)", || prepare().sign(&issuer, &issuer_key).unwrap());
    println!("{:>10.1}  prepare alone", prepared);
    println!("{:>10.1}  sign and own check alone", whole - prepared - check);
    println!("{:>10.2}  times (verify + sign), with the check of our own signature", whole / (verify + sign));
    println!("{:>10.2}  times, without it", (whole - verify) / (verify + sign));
    let der = prepare().sign(&issuer, &issuer_key).unwrap().into_parts().0;
    time("CertificateView::parse", || CertificateView::parse(&der).unwrap());
    rsa();
    list(&issuer, &issuer_key);
}

fn checked(request: &[u8]) -> CheckedCsr {
    CheckedCsr::from_der(request, &KeyPolicy::any()).unwrap()
}

/// The key policy for RSA is the dearest thing that a stranger can ask for.
fn rsa() {
    for size in [KeySize::Rsa3072, KeySize::Rsa4096, KeySize::Rsa8192] {
        use aws_lc_rs::encoding::AsDer;
        let pair = RsaKeyPair::generate(size).unwrap();
        let spki: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let key = PublicKey::from_spki(spki.as_ref()).unwrap();
        time(&format!("KeyPolicy::check of {}", key.algorithm()), || KeyPolicy::any().check(&key).unwrap());
    }
}

fn list(issuer: &signet_pki::ca::IssuerCert, key: &Key) {
    const COUNT: u32 = 1_000_000;
    let mut entries = Vec::new();
    for number in 0..COUNT {
        let mut random = [0x5a; 20];
        random[16..].copy_from_slice(&number.to_be_bytes());
        encode_entry(&Serial::from_random(random), NOW, Reason::KeyCompromise, &mut entries);
    }
    let plan = CrlPlan { number: 1, this_update: NOW, next_update: NOW.plus(86_400), entries: &entries };
    let start = Instant::now();
    let bytes = signet_pki::crl::sign(issuer, key, plan).unwrap();
    println!("{:>10.1}  crl::sign of {COUNT} entries, {} bytes", micros(start), bytes.len());
}

fn time<T>(what: &str, mut work: impl FnMut() -> T) -> f64 {
    // Long enough to settle, short enough to wait for.
    let start = Instant::now();
    let mut rounds = 0u32;
    while start.elapsed().as_millis() < 500 {
        black_box(work());
        rounds += 1;
    }
    let each = micros(start) / f64::from(rounds);
    println!("{each:>10.1}  {what}");
    each
}

fn micros(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e6
}

fn profile() -> Profile {
    Profile {
        name: "device".into(),
        kind: PrincipalKind::Device,
        usages: vec![Usage::ClientAuth],
        lifetime: 86_400,
        max_lifetime: 86_400,
        keys: KeyPolicy::standard(),
        dns_suffixes: Vec::new(),
        reuse_key: false,
        revocation: Revocation::Published,
    }
}

fn subject() -> Subject {
    Subject {
        domain: TrustDomain::parse("example.org").unwrap(),
        kind: PrincipalKind::Device,
        id: DeviceId::parse("sensor-17").unwrap(),
        dns_names: Vec::new(),
        addresses: Vec::new(),
    }
}

fn locations() -> Locations {
    Locations {
        crl: vec!["http://ca.example/crl/issuer.crl".into()],
        ca_issuers: vec!["http://ca.example/ca/issuer.cer".into()],
        ocsp: Vec::new(),
    }
}
