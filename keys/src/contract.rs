//! What every signer must do, wherever it keeps its key. Each implementation runs this.

use p256::ecdsa::signature::Verifier;
use signet_pki::key::{KeyAlgorithm, PublicKey};
use signet_pki::signer::{self, Signer};

pub(crate) fn holds_for(signer: &dyn Signer) {
    signatures_verify_under_the_public_key(signer);
    signatures_belong_to_one_message(signer);
    a_second_implementation_accepts_the_signatures(signer);
    many_threads_sign_at_once(signer);
    the_public_key_never_changes(signer);
}

fn signatures_verify_under_the_public_key(signer: &dyn Signer) {
    for length in [0, 1, 63, 64, 65, 4096, 100_000] {
        let message = vec![0x5a; length];
        assert!(verifies(signer, &message, &signer.sign(&message).unwrap()), "{length} octets");
    }
}

fn signatures_belong_to_one_message(signer: &dyn Signer) {
    let signature = signer.sign(b"one").unwrap();
    assert!(!verifies(signer, b"two", &signature));
    assert!(!verifies(signer, b"", &signature));
    assert!(!verifies(signer, b"one", &signature[..signature.len() - 1]));
}

fn a_second_implementation_accepts_the_signatures(signer: &dyn Signer) {
    let point = signer.public_key().key_bits();
    for round in 0..50u8 {
        let message = [round; 40];
        let signature = signer.sign(&message).unwrap();
        match signer.public_key().algorithm() {
            KeyAlgorithm::P256 => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).unwrap();
                let signature = p256::ecdsa::DerSignature::from_bytes(&signature).unwrap();
                key.verify(&message, &signature).unwrap();
            }
            KeyAlgorithm::P384 => {
                let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point).unwrap();
                let signature = p384::ecdsa::DerSignature::from_bytes(&signature).unwrap();
                key.verify(&message, &signature).unwrap();
            }
            other => panic!("no second implementation for {other}"),
        }
    }
}

fn many_threads_sign_at_once(signer: &dyn Signer) {
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            scope.spawn(move || {
                for round in 0..50u8 {
                    let message = [thread, round];
                    assert!(verifies(signer, &message, &signer.sign(&message).unwrap()));
                }
            });
        }
    });
}

fn the_public_key_never_changes(signer: &dyn Signer) {
    let before = signer.public_key().clone();
    signer.sign(b"anything").unwrap();
    assert_eq!(signer.public_key(), &before);
    assert_eq!(PublicKey::from_spki(before.spki()).as_ref(), Ok(&before));
}

fn verifies(signer: &dyn Signer, message: &[u8], signature: &[u8]) -> bool {
    let key = signer.public_key();
    key.verify(signer::scheme(key).unwrap(), message, signature)
}
