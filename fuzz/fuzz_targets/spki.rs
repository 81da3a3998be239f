//! A public key has one spelling, verifies nothing by accident, and never upsets the policy.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signet_pki::PublicKey;
use signet_pki::key::{KeyAlgorithm, SignatureScheme};
use signet_pki::key_policy::KeyPolicy;

fuzz_target!(|data: &[u8]| {
    let Ok(key) = PublicKey::from_spki(data) else { return };
    assert_eq!(key.spki(), data);
    assert!(data.ends_with(key.key_bits()));
    assert!(PublicKey::from_spki(&data[..data.len() - 1]).is_err());
    assert!(PublicKey::from_spki(&[data, &[0]].concat()).is_err());
    let schemes = [SignatureScheme::EcdsaSha256, SignatureScheme::Ed25519, SignatureScheme::RsaPkcs1Sha256];
    assert!(!schemes.into_iter().any(|scheme| key.verify(scheme, b"message", &[0; 64])));
    let verdict = KeyPolicy::any().check(&key);
    assert!(KeyPolicy::any().blocking([key.fingerprint()]).check(&key).is_err());
    match key.algorithm() {
        KeyAlgorithm::P256 | KeyAlgorithm::P384 => {
            assert_eq!(verdict, Ok(()));
            assert_eq!(PublicKey::from_uncompressed_point(key.key_bits()).as_ref(), Ok(&key));
        }
        KeyAlgorithm::Ed25519 => assert_eq!(verdict, Ok(())),
        KeyAlgorithm::Rsa { bits } => {
            assert!(KeyPolicy::standard().check(&key).is_err());
            assert!(verdict.is_err() || (3072..=8192).contains(&bits));
        }
    }
});
