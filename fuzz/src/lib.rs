//! What the targets share: an authority to issue with, and DER around bytes that the fuzzer chose.
#![forbid(unsafe_code)]

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use signet_pki::ca::{CaName, IssuerCert, self_signed};
use signet_pki::issue::Subject;
use signet_pki::key::SignatureScheme;
use signet_pki::key_policy::KeyPolicy;
use signet_pki::name::PrincipalKind;
use signet_pki::profile::{Profile, Revocation, Usage};
use signet_pki::signer::{Signer, SignerError};
use signet_pki::{DeviceId, PublicKey, TrustDomain, UnixTime};

pub const NOW: UnixTime = UnixTime(1_800_000_000);

pub struct Key {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl Key {
    fn new() -> Key {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key can be made");
        let public = PublicKey::from_uncompressed_point(pair.public_key().as_ref()).expect("a fresh key is sound");
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

pub static KEY: LazyLock<Key> = LazyLock::new(Key::new);

pub static AUTHORITY: LazyLock<IssuerCert> = LazyLock::new(|| {
    let name = CaName::new("Fuzz", None).expect("the name is short");
    let validity = (NOW.minus(86_400), NOW.plus(365 * 86_400));
    self_signed(&*KEY, &name, validity, [1; 20]).expect("a root can be made")
});

pub static PROFILE: LazyLock<Profile> = LazyLock::new(|| Profile {
    name: "device".into(),
    kind: PrincipalKind::Device,
    usages: vec![Usage::ClientAuth],
    lifetime: 86_400,
    max_lifetime: 86_400,
    keys: KeyPolicy::any(),
    dns_suffixes: Vec::new(),
    reuse_key: false,
    revocation: Revocation::Published,
});

pub fn subject() -> Subject {
    Subject {
        domain: TrustDomain::parse("example.org").expect("a domain"),
        kind: PrincipalKind::Device,
        id: DeviceId::parse("sensor-17").expect("an id"),
        dns_names: Vec::new(),
        addresses: Vec::new(),
    }
}

pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(length as u8),
        0x80..=0xff => out.extend([0x81, length as u8]),
        0x100..=0xffff => out.extend([0x82, (length >> 8) as u8, length as u8]),
        _ => out.extend([0x83, (length >> 16) as u8, (length >> 8) as u8, length as u8]),
    }
    out.extend_from_slice(content);
    out
}

/// `body` as the content of a to-be-signed SEQUENCE, with a valid signature of the authority: the fuzzer reaches what
/// lies behind the check of a signature.
pub fn signed(body: &[u8]) -> Vec<u8> {
    let tbs = tlv(0x30, body);
    let signature = KEY.sign(&tbs).expect("the key signs");
    let bits = tlv(0x03, &[&[0], signature.as_slice()].concat());
    tlv(0x30, &[tbs, SignatureScheme::EcdsaSha256.identifier(), bits].concat())
}
