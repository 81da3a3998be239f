//! Private keys in software: made, opened and written as PKCS#8 (RFC 5958), plain or under a passphrase.

mod encrypted;
mod second_opinion;

use std::fmt;

use aws_lc_rs::digest::Digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
};
use pkcs8::LineEnding;
use pkcs8::der::SecretDocument;
use signet_pki::key::{KeyAlgorithm, PublicKey};
use signet_pki::signer::{Signer, SignerError};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::passphrase::Passphrase;
use second_opinion::StoredPublicKey;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    P256,
    P384,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    #[error("this is not a private key in PEM form")]
    NotPem,
    #[error("the private key is encrypted and needs its passphrase")]
    NeedsPassphrase,
    #[error("the private key is not encrypted, but has to be")]
    NotEncrypted,
    #[error("the passphrase is wrong, or the encrypted key is damaged")]
    WrongPassphrase,
    #[error("the private key is damaged: it does not belong to the public key beside it")]
    Damaged,
    #[error("this kind of private key is not supported: it has to be P-256 or P-384 in PKCS#8")]
    Unsupported,
    #[error("opening this key would cost more memory or time than any key of ours does")]
    TooCostly,
    #[error("the cryptographic library failed")]
    Internal,
}

impl KeyError {
    pub fn hint(&self) -> &'static str {
        match self {
            KeyError::NotPem => {
                "a key file begins with -----BEGIN PRIVATE KEY----- or -----BEGIN ENCRYPTED PRIVATE KEY-----"
            }
            KeyError::NeedsPassphrase => "name a file with the passphrase: --passphrase-file FILE",
            KeyError::NotEncrypted => "encrypt it: openssl pkcs8 -topk8 -scrypt -in KEY -out KEY.encrypted",
            KeyError::WrongPassphrase => "try the passphrase again; if it is right, take the key from its backup",
            KeyError::Damaged => "take the key from its backup",
            KeyError::Unsupported => "convert it: openssl pkcs8 -topk8 -nocrypt -in KEY",
            KeyError::TooCostly => "encrypt it again: openssl pkcs8 -topk8 -scrypt -in KEY -out KEY.encrypted",
            KeyError::Internal => "try again; if it persists, check this machine",
        }
    }
}

/// An ECDSA key, ready to sign. Its memory is wiped when it is dropped.
pub struct PrivateKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl PrivateKey {
    pub fn generate(kind: KeyKind) -> Result<PrivateKey, KeyError> {
        let pair = EcdsaKeyPair::generate(kind.signing()).map_err(|_| KeyError::Internal)?;
        let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Internal)?;
        Self::from_pkcs8(pkcs8.as_ref(), StoredPublicKey::Required)
    }

    pub fn from_pkcs8_der(der: &[u8]) -> Result<PrivateKey, KeyError> {
        Self::from_pkcs8(der, StoredPublicKey::Optional)
    }

    /// Opens an unencrypted key.
    pub fn from_pem(text: &str) -> Result<PrivateKey, KeyError> {
        match unwrap_pem(text)? {
            Wrapped::Plain(der) => Self::from_pkcs8_der(der.as_bytes()),
            Wrapped::Encrypted(_) => Err(KeyError::NeedsPassphrase),
        }
    }

    /// Opens an encrypted key and refuses one that is not.
    pub fn from_encrypted_pem(text: &str, passphrase: &Passphrase) -> Result<PrivateKey, KeyError> {
        match unwrap_pem(text)? {
            Wrapped::Plain(_) => Err(KeyError::NotEncrypted),
            // CBC notices nothing by itself, so the public key inside is what tells damage from a good key.
            Wrapped::Encrypted(der) => {
                let plain = encrypted::decrypt(der.as_bytes(), passphrase)?;
                Self::from_pkcs8(&plain, StoredPublicKey::Required)
            }
        }
    }

    /// Opens either form.
    pub fn open(text: &str, passphrase: Option<&Passphrase>) -> Result<PrivateKey, KeyError> {
        match passphrase {
            Some(passphrase) => match Self::from_encrypted_pem(text, passphrase) {
                Err(KeyError::NotEncrypted) => Self::from_pem(text),
                other => other,
            },
            None => Self::from_pem(text),
        }
    }

    pub fn kind(&self) -> KeyKind {
        if self.public.algorithm() == KeyAlgorithm::P384 { KeyKind::P384 } else { KeyKind::P256 }
    }

    /// `PrivateKeyInfo`, DER, not encrypted.
    pub fn pkcs8_der(&self) -> &[u8] {
        &self.pkcs8
    }

    /// PEM, not encrypted.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let document = SecretDocument::try_from(self.pkcs8.as_slice()).map_err(|_| KeyError::Internal)?;
        document.to_pem(PLAIN, LineEnding::LF).map_err(|_| KeyError::Internal)
    }

    /// PEM under a passphrase, in a form that `openssl pkey` opens.
    pub fn to_encrypted_pem(&self, passphrase: &Passphrase) -> Result<Zeroizing<String>, KeyError> {
        let document = encrypted::encrypt(&self.pkcs8, passphrase)?;
        document.to_pem(ENCRYPTED, LineEnding::LF).map_err(|_| KeyError::Internal)
    }

    fn from_pkcs8(der: &[u8], stored: StoredPublicKey) -> Result<PrivateKey, KeyError> {
        let kind = second_opinion::kind(der)?;
        let point = second_opinion::public_point(der, kind, stored)?;
        // Its own check of the key against a public key inside fails for a damaged one.
        let pair = EcdsaKeyPair::from_pkcs8(kind.signing(), der).map_err(|_| KeyError::Damaged)?;
        if pair.public_key().as_ref() != point {
            return Err(KeyError::Damaged);
        }
        let public = PublicKey::from_uncompressed_point(&point).map_err(|_| KeyError::Damaged)?;
        Ok(PrivateKey { pair, public, pkcs8: Zeroizing::new(der.to_vec()) })
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let failed = |_| SignerError::Unavailable("the cryptographic library failed".into());
        self.pair.sign(&SystemRandom::new(), message).map(|s| s.as_ref().to_vec()).map_err(failed)
    }

    fn sign_hashed(&self, _: &[u8], digest: &Digest) -> Result<Vec<u8>, SignerError> {
        let failed = |_| SignerError::Unavailable("the cryptographic library failed".into());
        self.pair.sign_digest(digest).map(|s| s.as_ref().to_vec()).map_err(failed)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {:?})", self.public)
    }
}

impl KeyKind {
    /// The digest that matches the curve (RFC 5758 3.2).
    fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            KeyKind::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
            KeyKind::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        }
    }
}

enum Wrapped {
    Plain(SecretDocument),
    Encrypted(SecretDocument),
}

fn unwrap_pem(text: &str) -> Result<Wrapped, KeyError> {
    if text.len() > MAX_PEM_BYTES {
        return Err(KeyError::Unsupported);
    }
    // Two blocks, as `openssl ecparam` writes them, do not even parse.
    if text.contains("-----BEGIN EC ") {
        return Err(KeyError::Unsupported);
    }
    match SecretDocument::from_pem(text).map_err(|_| KeyError::NotPem)? {
        (PLAIN, der) => Ok(Wrapped::Plain(der)),
        (ENCRYPTED, der) => Ok(Wrapped::Encrypted(der)),
        (label, _) if label.ends_with("PRIVATE KEY") => Err(KeyError::Unsupported),
        _ => Err(KeyError::NotPem),
    }
}

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// Ours have about 500; room for text in front and for other tools' attributes.
const MAX_PEM_BYTES: usize = 16 * 1024;

#[cfg(test)]
#[path = "private_tests.rs"]
mod tests;
