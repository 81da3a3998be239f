//! Device keys, made fast: the cost of a client must not drown that of the server.

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use signet_pki::csr;
use signet_pki::key::PublicKey;
use signet_pki::pem::{self, Label};
use signet_pki::signer::{Signer, SignerError};

pub(crate) struct DeviceKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl DeviceKey {
    pub(crate) fn generate() -> Result<DeviceKey> {
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| anyhow!("no key could be made"))?;
        let public = PublicKey::from_uncompressed_point(pair.public_key().as_ref()).context("the key's point")?;
        Ok(DeviceKey { pair, public })
    }

    /// PKCS#10, PEM.
    pub(crate) fn request_pem(&self) -> Result<String> {
        Ok(pem::encode(Label::Request, &self.request_der()?))
    }

    /// PKCS#10, DER.
    pub(crate) fn request_der(&self) -> Result<Vec<u8>> {
        csr::make(self, "bench").context("a certificate request")
    }

    /// PKCS#8, DER.
    pub(crate) fn pkcs8(&self) -> Result<Vec<u8>> {
        let document = self.pair.to_pkcs8v1().map_err(|_| anyhow!("a key could not be written"))?;
        Ok(document.as_ref().to_vec())
    }
}

impl Signer for DeviceKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let failed = |_| SignerError::Unavailable("the cryptographic library failed".into());
        self.pair.sign(&SystemRandom::new(), message).map(|s| s.as_ref().to_vec()).map_err(failed)
    }
}
