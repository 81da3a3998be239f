use std::path::Path;
use std::process::Command;

use super::*;
use crate::contract;

const KINDS: [KeyKind; 2] = [KeyKind::P256, KeyKind::P384];

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.into()).unwrap()
}

#[test]
fn software_keys_keep_the_contract_of_signers() {
    for kind in KINDS {
        contract::holds_for(&PrivateKey::generate(kind).unwrap());
    }
}

#[test]
fn keys_survive_every_form() {
    for kind in KINDS {
        let key = PrivateKey::generate(kind).unwrap();
        assert_eq!(key.kind(), kind);
        let plain = key.to_pem().unwrap();
        let encrypted = key.to_encrypted_pem(&passphrase("secret")).unwrap();
        let again = [
            PrivateKey::from_pkcs8_der(key.pkcs8_der()).unwrap(),
            PrivateKey::from_pem(&plain).unwrap(),
            PrivateKey::from_encrypted_pem(&encrypted, &passphrase("secret")).unwrap(),
            PrivateKey::open(&plain, None).unwrap(),
            PrivateKey::open(&plain, Some(&passphrase("not needed"))).unwrap(),
            PrivateKey::open(&encrypted, Some(&passphrase("secret"))).unwrap(),
        ];
        for other in again {
            assert_eq!(other.public_key(), key.public_key());
            assert_eq!(other.pkcs8_der(), key.pkcs8_der());
        }
    }
}

#[test]
fn two_encryptions_of_one_key_share_nothing() {
    let key = PrivateKey::generate(KeyKind::P256).unwrap();
    let phrase = passphrase("secret");
    assert_ne!(key.to_encrypted_pem(&phrase).unwrap(), key.to_encrypted_pem(&phrase).unwrap());
}

#[test]
fn keys_that_need_a_passphrase_say_so() {
    let key = PrivateKey::generate(KeyKind::P256).unwrap();
    let encrypted = key.to_encrypted_pem(&passphrase("secret")).unwrap();
    assert_eq!(PrivateKey::from_pem(&encrypted).unwrap_err(), KeyError::NeedsPassphrase);
    assert_eq!(PrivateKey::open(&encrypted, None).unwrap_err(), KeyError::NeedsPassphrase);
    let plain = key.to_pem().unwrap();
    assert_eq!(PrivateKey::from_encrypted_pem(&plain, &passphrase("x")).unwrap_err(), KeyError::NotEncrypted);
}

#[test]
fn no_wrong_passphrase_opens_a_key() {
    let key = PrivateKey::generate(KeyKind::P256).unwrap();
    let encrypted = key.to_encrypted_pem(&passphrase("right")).unwrap();
    for i in 0..20 {
        let wrong = PrivateKey::from_encrypted_pem(&encrypted, &passphrase(&format!("wrong {i}")));
        assert_eq!(wrong.unwrap_err(), KeyError::WrongPassphrase);
    }
}

/// One wrong passphrase in 256 leaves a valid padding around garbage. Here the garbage is certain.
#[test]
fn garbage_with_a_valid_padding_is_a_wrong_passphrase() {
    let phrase = passphrase("right");
    for garbage in [&[][..], &[0xa7; 138], &[0x30; 138], &[0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0xff]] {
        let encrypted = encrypted::encrypt(garbage, &phrase).unwrap().to_pem(ENCRYPTED, LineEnding::LF).unwrap();
        assert_eq!(PrivateKey::from_encrypted_pem(&encrypted, &phrase).unwrap_err(), KeyError::WrongPassphrase);
    }
}

/// CBC: a changed block of ciphertext garbles one block of the key and leaves the rest readable.
#[test]
fn a_damaged_ciphertext_is_never_a_working_key() {
    let key = PrivateKey::generate(KeyKind::P256).unwrap();
    let phrase = passphrase("right");
    let encrypted = key.to_encrypted_pem(&phrase).unwrap();
    let (_, der) = SecretDocument::from_pem(&encrypted).unwrap();
    let mut outcomes = Vec::new();
    // The ciphertext are the last 144 octets; every block of it is hit.
    for at in (der.as_bytes().len() - 144..der.as_bytes().len()).step_by(8) {
        let mut damaged = der.as_bytes().to_vec();
        damaged[at] ^= 0x40;
        let damaged = SecretDocument::try_from(damaged).unwrap().to_pem(ENCRYPTED, LineEnding::LF).unwrap();
        outcomes.push(PrivateKey::from_encrypted_pem(&damaged, &phrase).map(|_| ()).unwrap_err());
    }
    assert!(outcomes.contains(&KeyError::Damaged), "{outcomes:?}");
    assert!(
        outcomes.iter().all(|o| matches!(o, KeyError::Damaged | KeyError::WrongPassphrase | KeyError::Unsupported))
    );
}

#[test]
fn a_scalar_beside_a_foreign_public_key_is_damaged() {
    for kind in KINDS {
        let one = PrivateKey::generate(kind).unwrap();
        let two = PrivateKey::generate(kind).unwrap();
        let point = one.public_key().key_bits();
        let at = one.pkcs8_der().windows(point.len()).position(|w| w == point).unwrap();
        let mut mixed = one.pkcs8_der().to_vec();
        mixed[at..at + point.len()].copy_from_slice(two.public_key().key_bits());
        assert_eq!(PrivateKey::from_pkcs8_der(&mixed).unwrap_err(), KeyError::Damaged);
    }
}

#[test]
fn what_is_no_key_of_ours_is_refused() {
    assert_eq!(PrivateKey::from_pem("").unwrap_err(), KeyError::NotPem);
    assert_eq!(PrivateKey::from_pem("hello").unwrap_err(), KeyError::NotPem);
    assert_eq!(PrivateKey::from_pem(&"x".repeat(1 << 20)).unwrap_err(), KeyError::Unsupported);
    assert_eq!(PrivateKey::from_pkcs8_der(&[]).unwrap_err(), KeyError::Unsupported);
    assert_eq!(PrivateKey::from_pkcs8_der(&[0x30; 200]).unwrap_err(), KeyError::Unsupported);
    let certificate = SecretDocument::try_from(vec![0x30, 0]).unwrap().to_pem("CERTIFICATE", LineEnding::LF).unwrap();
    assert_eq!(PrivateKey::from_pem(&certificate).unwrap_err(), KeyError::NotPem);
}

#[test]
fn debug_shows_the_public_key_only() {
    let key = PrivateKey::generate(KeyKind::P256).unwrap();
    assert_eq!(format!("{key:?}"), format!("PrivateKey(of {:?})", key.public_key()));
}

#[test]
fn openssl_opens_our_keys() {
    let Some(dir) = openssl_dir() else { return };
    for kind in KINDS {
        let key = PrivateKey::generate(kind).unwrap();
        let file = dir.path().join("key.pem");
        std::fs::write(&file, key.to_encrypted_pem(&passphrase("secret")).unwrap()).unwrap();
        let spki = openssl(dir.path(), "pkey -in key.pem -passin pass:secret -pubout -outform DER").unwrap();
        assert_eq!(spki, key.public_key().spki());
        assert!(openssl(dir.path(), "pkey -in key.pem -passin pass:wrong -noout").is_none());
    }
}

#[test]
fn we_open_the_keys_of_openssl() {
    let Some(dir) = openssl_dir() else { return };
    for curve in ["P-256", "P-384"] {
        let make = format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:{curve} -out plain.pem");
        openssl(dir.path(), &make).unwrap();
        let spki = openssl(dir.path(), "pkey -in plain.pem -pubout -outform DER").unwrap();
        for kdf in ["-scrypt", "-v2 aes-256-cbc -v2prf hmacWithSHA256", "-v2 aes-128-cbc -iter 100000"] {
            openssl(dir.path(), &format!("pkcs8 -topk8 -in plain.pem -out key.pem -passout pass:secret {kdf}"))
                .unwrap();
            let text = std::fs::read_to_string(dir.path().join("key.pem")).unwrap();
            let key = PrivateKey::from_encrypted_pem(&text, &passphrase("secret")).unwrap();
            assert_eq!(key.public_key().spki(), spki);
        }
    }
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let Some(dir) = openssl_dir() else { return };
    let kinds = ["genpkey -algorithm ED25519", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521"];
    for make in kinds.into_iter().chain(["ecparam -genkey -name prime256v1", "ecparam -genkey -noout -name prime256v1"])
    {
        openssl(dir.path(), &format!("{make} -out key.pem")).unwrap();
        let text = std::fs::read_to_string(dir.path().join("key.pem")).unwrap();
        assert_eq!(PrivateKey::from_pem(&text).unwrap_err(), KeyError::Unsupported, "{make}");
    }
}

#[test]
fn a_key_that_costs_too_much_to_open_is_refused_at_once() {
    let encrypted = PrivateKey::generate(KeyKind::P256).unwrap().to_encrypted_pem(&passphrase("secret")).unwrap();
    let (_, der) = SecretDocument::from_pem(&encrypted).unwrap();
    // N = 16384 is 02 02 40 00; the same octets can say 32512, and the block size beside it 127 instead of 8.
    let cost = [0x02, 0x02, 0x40, 0x00, 0x02, 0x01, 0x08];
    let at = der.as_bytes().windows(cost.len()).position(|w| w == cost).unwrap();
    let mut costly = der.as_bytes().to_vec();
    costly[at + 6] = 0x7f;
    costly[at + 2] = 0x7f;
    let costly = SecretDocument::try_from(costly).unwrap().to_pem(ENCRYPTED, LineEnding::LF).unwrap();
    let refused = PrivateKey::from_encrypted_pem(&costly, &passphrase("secret")).unwrap_err();
    assert_eq!(refused, KeyError::TooCostly);
}

/// None where no openssl is installed: it is an outside opinion, not a part of the project.
fn openssl_dir() -> Option<tempfile::TempDir> {
    Command::new("openssl").arg("version").output().ok()?;
    Some(tempfile::tempdir().unwrap())
}

fn openssl(dir: &Path, arguments: &str) -> Option<Vec<u8>> {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output().unwrap();
    output.status.success().then_some(output.stdout)
}
