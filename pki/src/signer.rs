//! The one seam through which anything is signed. Implementations live in the keys crate.

use aws_lc_rs::digest::Digest;
use thiserror::Error;

use crate::key::{KeyAlgorithm, PublicKey, SignatureScheme};

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignerError {
    #[error("the signing key is not available: {0}")]
    Unavailable(String),
    #[error("keys of type {0} cannot sign certificates here")]
    Unsupported(KeyAlgorithm),
}

/// A private key that signs; where it is kept is its own business.
pub trait Signer: Send + Sync {
    fn public_key(&self) -> &PublicKey;

    /// Signs `message` (not its digest) with [`scheme`]; ECDSA answers a DER `ECDSA-Sig-Value`.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError>;

    /// The same for a `message` whose digest, by the scheme's own hash, is at hand: whoever signs digests need not read a long
    /// message again. Never called for Ed25519, which has no digest of its message.
    fn sign_hashed(&self, message: &[u8], digest: &Digest) -> Result<Vec<u8>, SignerError> {
        let _ = digest;
        self.sign(message)
    }
}

/// The scheme that a signer of this key uses: the digest that matches the curve (RFC 5758, RFC 8410).
pub fn scheme(key: &PublicKey) -> Result<SignatureScheme, SignerError> {
    match key.algorithm() {
        KeyAlgorithm::P256 => Ok(SignatureScheme::EcdsaSha256),
        KeyAlgorithm::P384 => Ok(SignatureScheme::EcdsaSha384),
        KeyAlgorithm::Ed25519 => Ok(SignatureScheme::Ed25519),
        other => Err(SignerError::Unsupported(other)),
    }
}
