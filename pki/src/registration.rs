//! What the key of a service's certificate signs so that somebody else may register the service.
//!
//! Text, so that `openssl dgst -sign` makes the same where there is nothing else.

use crate::key::PublicKey;
use crate::name::DeviceId;
use crate::recovery::is_signed;
use crate::serial::Serial;
use crate::signer::{Signer, SignerError};

/// Three lines, each ended: what this is, the id of the service, the serial of its certificate (lower-case hex). It is worth
/// as much as that certificate, and as long.
pub fn statement(service: &DeviceId, serial: &Serial) -> String {
    format!("signet-register-v1\n{service}\n{serial}\n")
}

pub fn sign(key: &dyn Signer, service: &DeviceId, serial: &Serial) -> Result<Vec<u8>, SignerError> {
    key.sign(statement(service, serial).as_bytes())
}

/// Whether the holder of `key` wants this. ECDSA with the digest of the curve, RSA with SHA-256.
pub fn verify(key: &PublicKey, service: &DeviceId, serial: &Serial, signature: &[u8]) -> bool {
    is_signed(key, &statement(service, serial), signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestSigner;

    #[test]
    fn a_statement_holds_for_its_service_its_serial_and_its_key_only() {
        let (key, other) = (TestSigner::p256(), TestSigner::p384());
        let id = |text: &str| DeviceId::parse(text).unwrap();
        let serial = |octet| Serial::from_random([octet; 20]);
        let signature = sign(&key, &id("broker"), &serial(7)).unwrap();
        assert!(verify(key.public_key(), &id("broker"), &serial(7), &signature));
        assert!(!verify(key.public_key(), &id("broker-2"), &serial(7), &signature));
        assert!(!verify(key.public_key(), &id("broker"), &serial(8), &signature));
        assert!(!verify(other.public_key(), &id("broker"), &serial(7), &signature));
        assert!(!verify(key.public_key(), &id("broker"), &serial(7), &signature[1..]));
        let with_p384 = sign(&other, &id("broker"), &serial(7)).unwrap();
        assert!(verify(other.public_key(), &id("broker"), &serial(7), &with_p384));
    }
}
