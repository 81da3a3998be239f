//! Device keys of every kind, made by another library than the service's.

use rcgen::{KeyPair, PublicKeyData, SigningKey};
use signet_pki::pem::{self, Label};
use signet_pki::{Fingerprint, PublicKey};

pub(crate) struct TestKey {
    pub(crate) pair: KeyPair,
}

impl TestKey {
    pub(crate) fn p256() -> TestKey {
        TestKey::of(&rcgen::PKCS_ECDSA_P256_SHA256)
    }

    pub(crate) fn p384() -> TestKey {
        TestKey::of(&rcgen::PKCS_ECDSA_P384_SHA384)
    }

    pub(crate) fn ed25519() -> TestKey {
        TestKey::of(&rcgen::PKCS_ED25519)
    }

    /// Takes a second or so.
    pub(crate) fn rsa(size: rcgen::RsaKeySize) -> TestKey {
        TestKey { pair: KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size).unwrap() }
    }

    pub(crate) fn from_pkcs8(der: &[u8]) -> TestKey {
        TestKey { pair: KeyPair::try_from(der).unwrap() }
    }

    fn of(algorithm: &'static rcgen::SignatureAlgorithm) -> TestKey {
        TestKey { pair: KeyPair::generate_for(algorithm).unwrap() }
    }

    /// A plain request for this key, PEM.
    pub(crate) fn csr(&self) -> String {
        pem::encode(Label::Request, &self.csr_der())
    }

    pub(crate) fn csr_der(&self) -> Vec<u8> {
        self.csr_of(&rcgen::CertificateParams::default())
    }

    /// A request that asks for everything in `wishes`.
    pub(crate) fn csr_of(&self, wishes: &rcgen::CertificateParams) -> Vec<u8> {
        wishes.serialize_request(&self.pair).unwrap().der().to_vec()
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        PublicKey::from_spki(&self.spki()).unwrap().fingerprint()
    }

    pub(crate) fn pkcs8(&self) -> Vec<u8> {
        self.pair.serialize_der()
    }

    /// In the key's usual algorithm.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).unwrap()
    }
}
