//! What the key of an expired certificate signs so that a new key takes its place.
//!
//! Text, so that `openssl dgst -sign` makes the same on a device that has nothing else.

use crate::key::{KeyAlgorithm, PublicKey, SignatureScheme};
use crate::serial::Serial;
use crate::signer::{Signer, SignerError};

/// Three lines, each ended: what this is, the serial of the old certificate (lower-case hex), SHA-256 of the new key's SPKI
/// (lower-case hex).
pub fn statement(serial: &Serial, new_key: &PublicKey) -> String {
    format!("signet-recover-v1\n{serial}\n{}\n", new_key.fingerprint())
}

/// Signed with the old key.
pub fn sign(old_key: &dyn Signer, serial: &Serial, new_key: &PublicKey) -> Result<Vec<u8>, SignerError> {
    old_key.sign(statement(serial, new_key).as_bytes())
}

/// Whether the holder of `old_key` wants `new_key` to follow. ECDSA with the digest of the curve, RSA with SHA-256.
pub fn verify(old_key: &PublicKey, serial: &Serial, new_key: &PublicKey, signature: &[u8]) -> bool {
    is_signed(old_key, &statement(serial, new_key), signature)
}

/// Whether `key` signed this text, with the digest that belongs to it.
pub(crate) fn is_signed(key: &PublicKey, text: &str, signature: &[u8]) -> bool {
    let scheme = match key.algorithm() {
        KeyAlgorithm::P256 => SignatureScheme::EcdsaSha256,
        KeyAlgorithm::P384 => SignatureScheme::EcdsaSha384,
        KeyAlgorithm::Ed25519 => SignatureScheme::Ed25519,
        KeyAlgorithm::Rsa { .. } => SignatureScheme::RsaPkcs1Sha256,
    };
    key.verify(scheme, text.as_bytes(), signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestSigner;

    #[test]
    fn a_statement_holds_for_its_serial_and_its_keys_only() {
        let (old, new, other) = (TestSigner::p256(), TestSigner::p256(), TestSigner::p384());
        let (serial, another) = (Serial::from_random([7; 20]), Serial::from_random([8; 20]));
        let signature = sign(&old, &serial, new.public_key()).unwrap();
        assert!(verify(old.public_key(), &serial, new.public_key(), &signature));
        assert!(!verify(old.public_key(), &another, new.public_key(), &signature));
        assert!(!verify(old.public_key(), &serial, other.public_key(), &signature));
        assert!(!verify(new.public_key(), &serial, new.public_key(), &signature));
        assert!(!verify(old.public_key(), &serial, new.public_key(), &signature[1..]));
        let with_p384 = sign(&other, &serial, new.public_key()).unwrap();
        assert!(verify(other.public_key(), &serial, new.public_key(), &with_p384));
    }

    #[test]
    fn the_statement_is_text_that_a_shell_can_write() {
        let text = statement(&Serial::from_random([7; 20]), TestSigner::p256().public_key());
        let lines: Vec<&str> = text.split_terminator('\n').collect();
        assert_eq!((lines[0], lines[1].len(), lines[2].len()), ("signet-recover-v1", 40, 64));
        assert!(text.ends_with('\n') && text.is_ascii());
    }
}
