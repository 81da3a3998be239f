//! What the tests of this crate share: keys that sign with any digest, requests of any shape, an authority, and an
//! independent reader of what was issued.

pub(crate) mod auditor;
pub(crate) mod damage;
pub(crate) mod openssl;
pub(crate) mod pieces;
pub(crate) mod request;
pub(crate) mod responder;

use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::pkcs8::DecodePrivateKey;
use rcgen::{PublicKeyData, SigningKey};

use crate::ca::{CaName, IssuerCert, IssuerPlan, certify_issuer, self_signed};
use crate::csr::{self, CheckedCsr};
use crate::issue::{IssueError, LeafPlan, LintedTbs, Locations, Signed, Subject};
use crate::key::{KeyAlgorithm, PublicKey, SignatureScheme};
use crate::key_policy::KeyPolicy;
use crate::name::{DeviceId, DnsName, PrincipalKind, TrustDomain};
use crate::profile::{Profile, Revocation, Usage};
use crate::signer::{self, Signer, SignerError};
use crate::time::UnixTime;

/// 2027-01-15, far from every edge.
pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);
pub(crate) const DAY: i64 = 86_400;

pub(crate) struct TestSigner {
    pair: rcgen::KeyPair,
    public: PublicKey,
}

impl TestSigner {
    pub(crate) fn new(algorithm: KeyAlgorithm) -> TestSigner {
        let pair = match algorithm {
            KeyAlgorithm::P256 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            KeyAlgorithm::P384 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            KeyAlgorithm::Ed25519 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519),
            KeyAlgorithm::Rsa { bits: 2048 } => {
                rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
            }
            KeyAlgorithm::Rsa { .. } => {
                rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_3072)
            }
        };
        let pair = pair.unwrap();
        let public = PublicKey::from_spki(&pair.subject_public_key_info()).unwrap();
        TestSigner { pair, public }
    }

    pub(crate) fn p256() -> TestSigner {
        TestSigner::new(KeyAlgorithm::P256)
    }

    pub(crate) fn p384() -> TestSigner {
        TestSigner::new(KeyAlgorithm::P384)
    }

    pub(crate) fn ed25519() -> TestSigner {
        TestSigner::new(KeyAlgorithm::Ed25519)
    }

    /// One key for all tests: making an RSA key takes a second.
    pub(crate) fn rsa3072() -> &'static TestSigner {
        static KEY: OnceLock<TestSigner> = OnceLock::new();
        KEY.get_or_init(|| TestSigner::new(KeyAlgorithm::Rsa { bits: 3072 }))
    }

    /// The scheme that this key uses when nobody asks for another.
    pub(crate) fn scheme(&self) -> SignatureScheme {
        signer::scheme(&self.public).unwrap_or(SignatureScheme::RsaPkcs1Sha256)
    }

    /// With any digest, matching the curve or not: the RustCrypto curves take a digest of any usual length.
    pub(crate) fn sign_with(&self, scheme: SignatureScheme, message: &[u8]) -> Vec<u8> {
        if scheme == self.scheme() {
            return self.pair.sign(message).unwrap();
        }
        let pkcs8 = self.pair.serialize_der();
        let (hash, padding): (_, &'static dyn RsaEncoding) = match scheme {
            SignatureScheme::EcdsaSha256 | SignatureScheme::RsaPkcs1Sha256 => (&SHA256, &RSA_PKCS1_SHA256),
            SignatureScheme::EcdsaSha384 | SignatureScheme::RsaPkcs1Sha384 => (&SHA384, &RSA_PKCS1_SHA384),
            _ => (&SHA512, &RSA_PKCS1_SHA512),
        };
        let hashed = digest(hash, message);
        match self.public.algorithm() {
            KeyAlgorithm::P256 => {
                let key = p256::ecdsa::SigningKey::from_pkcs8_der(&pkcs8).unwrap();
                let signature: p256::ecdsa::Signature = key.sign_prehash(hashed.as_ref()).unwrap();
                signature.to_der().as_bytes().to_vec()
            }
            KeyAlgorithm::P384 => {
                let key = p384::ecdsa::SigningKey::from_pkcs8_der(&pkcs8).unwrap();
                let signature: p384::ecdsa::Signature = key.sign_prehash(hashed.as_ref()).unwrap();
                signature.to_der().as_bytes().to_vec()
            }
            KeyAlgorithm::Ed25519 => self.pair.sign(message).unwrap(),
            KeyAlgorithm::Rsa { .. } => {
                let pair = RsaKeyPair::from_pkcs8(&pkcs8).unwrap();
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }
}

impl Signer for TestSigner {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.sign_with(signer::scheme(&self.public)?, message))
    }
}

/// A root and an issuer below it with name, key identifier and lifetime as in production.
pub(crate) struct Authority {
    pub(crate) root: IssuerCert,
    pub(crate) root_signer: TestSigner,
    pub(crate) issuer: IssuerCert,
    pub(crate) issuer_signer: TestSigner,
}

impl Authority {
    pub(crate) fn new(algorithm: KeyAlgorithm) -> Authority {
        Authority::constrained(algorithm, &[])
    }

    pub(crate) fn constrained(algorithm: KeyAlgorithm, permitted_dns: &[DnsName]) -> Authority {
        let (root_signer, issuer_signer) = (TestSigner::new(algorithm), TestSigner::new(algorithm));
        let name = CaName::new("Test Root", Some("Example")).unwrap();
        let validity = (NOW.minus(DAY), NOW.plus(20 * 365 * DAY));
        let root = self_signed(&root_signer, &name, validity, [0x11; 20]).unwrap();
        let plan = IssuerPlan { permitted_dns: permitted_dns.to_vec(), ..issuer_plan(&issuer_signer) };
        let issuer = certify_issuer(&root, &root_signer, plan, [0x22; 20]).unwrap();
        Authority { root, root_signer, issuer, issuer_signer }
    }

    /// The whole road from a CSR to a signed certificate.
    pub(crate) fn issue(&self, csr: CheckedCsr) -> Result<Signed, IssueError> {
        let profile = profile();
        let plan = LeafPlan::new(&profile, subject(), csr, &self.issuer, NOW, None, [0x33; 20])?;
        LintedTbs::prepare(&self.issuer, &locations(), plan)?.sign(&self.issuer, &self.issuer_signer)
    }
}

/// A shared authority with P-256 keys.
pub(crate) fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new(KeyAlgorithm::P256))
}

pub(crate) fn issuer_plan(issuer: &TestSigner) -> IssuerPlan {
    let request = csr::make(issuer, "issuer request").unwrap();
    IssuerPlan {
        request: CheckedCsr::from_der(&request, &KeyPolicy::any()).unwrap(),
        name: CaName::new("Test Issuer 1", Some("Example")).unwrap(),
        validity: (NOW.minus(DAY), NOW.plus(3 * 365 * DAY)),
        locations: Locations {
            crl: vec!["http://ca.example/crl/root.crl".into()],
            ca_issuers: vec!["http://ca.example/ca/root.cer".into()],
            ocsp: Vec::new(),
        },
        permitted_dns: Vec::new(),
    }
}

pub(crate) fn profile() -> Profile {
    Profile {
        name: "device".into(),
        kind: PrincipalKind::Device,
        usages: vec![Usage::ClientAuth],
        lifetime: DAY,
        max_lifetime: 7 * DAY,
        keys: KeyPolicy::any(),
        dns_suffixes: vec![DnsName::parse("dev.example").unwrap()],
        reuse_key: false,
        revocation: Revocation::Published,
    }
}

pub(crate) fn subject() -> Subject {
    Subject {
        domain: TrustDomain::parse("example.org").unwrap(),
        kind: PrincipalKind::Device,
        id: DeviceId::parse("sensor-17").unwrap(),
        dns_names: vec![DnsName::parse("sensor-17.dev.example").unwrap()],
        addresses: vec!["10.1.2.3".parse().unwrap(), "2001:db8::17".parse().unwrap()],
    }
}

pub(crate) fn locations() -> Locations {
    Locations {
        crl: vec!["http://ca.example/crl/issuer.crl".into(), "http://mirror.example/crl/issuer.crl".into()],
        ca_issuers: vec!["http://ca.example/ca/issuer.cer".into()],
        ocsp: vec!["http://ca.example/ocsp".into()],
    }
}
