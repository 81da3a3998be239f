//! T09 to T12: which keys are certified, and under which numbers.

use std::collections::BTreeSet;

use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::pkcs8::DecodePrivateKey;
use rcgen::RsaKeySize;
use signet_api::ErrorCode;
use signet_api::admin::CreateTokens;
use signet_api::enroll::RenewRequest;
use signet_keys::PrivateKey;
use signet_pki::csr;
use signet_pki::key::KeyAlgorithm;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::support::der::{self, bits, oid, sequence, tlv};
use crate::support::{Device, Installation, TestKey, TestService, code, issued, order};

const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];

fn digest(algorithm: &'static aws_lc_rs::digest::Algorithm, message: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(algorithm, message).as_ref().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn t09_a_p384_key_that_signs_with_sha256_is_certified_as_what_it_is() {
    let service = TestService::start().await;
    let key = TestKey::p384();
    let info = der::info(&sequence(&[]), &key.spki(), &[]);
    let signer = p384::ecdsa::SigningKey::from_pkcs8_der(&key.pkcs8()).unwrap();
    let hash = digest(&aws_lc_rs::digest::SHA256, &info);
    let signature: p384::ecdsa::Signature = signer.sign_prehash(&hash).unwrap();
    let request = der::request(&info, der::ECDSA_SHA256, signature.to_der().as_bytes());
    assert_certified(&service, "sensor-384", key, &request, KeyAlgorithm::P384).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t09_a_p256_key_that_signs_with_sha384_is_certified_as_what_it_is() {
    let service = TestService::start().await;
    let key = TestKey::p256();
    let info = der::info(&sequence(&[]), &key.spki(), &[]);
    let signer = p256::ecdsa::SigningKey::from_pkcs8_der(&key.pkcs8()).unwrap();
    let hash = digest(&aws_lc_rs::digest::SHA384, &info);
    let signature: p256::ecdsa::Signature = signer.sign_prehash(&hash).unwrap();
    let request = der::request(&info, ECDSA_SHA384, signature.to_der().as_bytes());
    assert_certified(&service, "sensor-256", key, &request, KeyAlgorithm::P256).await;
}

/// Enrolls, compares the curve, and uses the certificate, which fails when anything in it is mislabelled.
async fn assert_certified(service: &TestService, id: &str, key: TestKey, request: &[u8], algorithm: KeyAlgorithm) {
    let token = service.token(id).await.token;
    let text = signet_pki::pem::encode(signet_pki::pem::Label::Request, request);
    let certificate = issued(service.enroll_with(&token, text, Default::default()).await);
    let device = Device { certificate, key };
    assert_eq!(device.view().public_key.algorithm(), algorithm);
    assert_eq!(device.view().public_key.spki(), device.key.spki());
    assert_eq!(service.as_device(&device).whoami().await.unwrap().id.as_str(), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_standard_kind_of_key_is_certified_and_works() {
    let service = TestService::start().await;
    let kinds = [("a", TestKey::p256()), ("b", TestKey::p384()), ("c", TestKey::ed25519())];
    for (id, key) in kinds {
        let token = service.token(id).await;
        let device = service.device_with(&token, key).await;
        assert_eq!(service.as_device(&device).whoami().await.unwrap().id.as_str(), id);
    }
}

fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let padded = [&[0u8][..], bytes].concat();
        tlv(0x02, if bytes[0] & 0x80 != 0 { &padded } else { bytes })
    };
    let algorithm = sequence(&[&oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]), &[0x05, 0x00]]);
    sequence(&[&algorithm, &bits(&sequence(&[&integer(modulus), &integer(exponent)]))])
}

fn ec_spki(curve: &[u8], point: &[u8]) -> Vec<u8> {
    let ec = oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]);
    sequence(&[&sequence(&[&ec, &oid(curve)]), &bits(point)])
}

/// Keys that no profile may certify, as SPKI.
fn weak_keys() -> Vec<(&'static str, Vec<u8>)> {
    let p256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let p192: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x01];
    let secp256k1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x0a];
    let good = TestKey::rsa(RsaKeySize::_3072);
    let modulus = rsa_modulus(&good);
    let mut even = modulus.clone();
    *even.last_mut().unwrap() &= 0xfe;
    let compressed = [&[0x02][..], &[0x11; 32]].concat();
    let off_curve = [&[0x04][..], &[0x11; 64]].concat();
    let ed25519 = |point: &[u8]| sequence(&[&sequence(&[&oid(&[0x2b, 0x65, 0x70])]), &bits(point)]);
    let mut neutral = [0; 32];
    neutral[0] = 1;
    vec![
        ("RSA with exponent 1", rsa_spki(&modulus, &[1])),
        ("RSA with exponent 3", rsa_spki(&modulus, &[3])),
        ("RSA with an even exponent", rsa_spki(&modulus, &[1, 0, 0])),
        ("RSA with a huge exponent", rsa_spki(&modulus, &modulus)),
        ("RSA with an even modulus", rsa_spki(&even, &[1, 0, 1])),
        ("RSA with 512 bits", rsa_spki(&[0xc1; 64], &[1, 0, 1])),
        ("RSA with 1024 bits", rsa_spki(&[0xc1; 128], &[1, 0, 1])),
        ("RSA with 16384 bits", rsa_spki(&[0xc1; 2048], &[1, 0, 1])),
        ("P-192", ec_spki(p192, &[&[0x04][..], &[0x11; 48]].concat())),
        ("secp256k1", ec_spki(secp256k1, &off_curve)),
        ("a point off the curve", ec_spki(p256, &off_curve)),
        ("the point at infinity", ec_spki(p256, &[0x00])),
        ("a compressed point", ec_spki(p256, &compressed)),
        ("Ed25519's neutral element", ed25519(&neutral)),
        ("Ed25519 of order two", ed25519(&hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"))),
        ("Ed25519 with 31 octets", ed25519(&[7; 31])),
    ]
}

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn rsa_modulus(key: &TestKey) -> Vec<u8> {
    let spki = key.spki();
    let (_, body, _) = der::read(&spki);
    let (_, _, rest) = der::read(body);
    let (_, bits, _) = der::read(rest);
    let (_, pair, _) = der::read(&bits[1..]);
    let (_, modulus, _) = der::read(pair);
    modulus[1..].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn t10_weak_keys_are_refused_under_every_profile() {
    let every = "[profiles.legacy]\nkind = \"device\"\nlifetime_seconds = 3600\nkeys = [\"p256\", \"p384\", \"ed25519\", \"rsa\"]";
    let service = TestService::builder().toml(every).start().await;
    let token = service.create_token(CreateTokens { profile: "legacy".into(), ..order("sensor-1") }).await.token;
    // Signatures that hold for every message under a key of order one or two: R is the neutral element, S is zero.
    let mut forged = [0; 64];
    forged[0] = 1;
    for (what, spki) in weak_keys() {
        let info = der::info(&sequence(&[]), &spki, &[]);
        for algorithm in [der::ECDSA_SHA256, &[0x2b, 0x65, 0x70]] {
            let refused = service.post_csr(&token, &der::request(&info, algorithm, &forged)).await;
            let told = refused.problem().code;
            let is_ed25519 = what.starts_with("Ed25519");
            let expected = if is_ed25519 { told.status() == 422 } else { told == ErrorCode::KeyRefused };
            assert!(expected, "{what}: {}", refused.text());
        }
    }
    assert!(service.show("sensor-1").await.certificates.is_empty());
    issued(service.enroll(&token, &TestKey::p256()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t10_rsa_is_refused_unless_a_profile_names_it() {
    let legacy = "[profiles.legacy]\nkind = \"device\"\nlifetime_seconds = 3600\nkeys = [\"p256\", \"rsa\"]";
    let service = TestService::builder().toml(legacy).start().await;
    let (small, key) = (TestKey::rsa(RsaKeySize::_2048), TestKey::rsa(RsaKeySize::_3072));
    let token = service.token("sensor-1").await.token;
    assert_eq!(code(service.enroll(&token, &small).await), ErrorCode::KeyRefused);
    assert_eq!(code(service.enroll(&token, &key).await), ErrorCode::KeyRefused);
    let token = service.create_token(CreateTokens { profile: "legacy".into(), ..order("sensor-2") }).await;
    assert_eq!(code(service.enroll(&token.token, &small).await), ErrorCode::KeyRefused);
    let p384 = service.enroll(&token.token, &TestKey::p384()).await;
    assert_eq!(code(p384), ErrorCode::KeyRefused, "a profile takes what it names and nothing else");
    let device = service.device_with(&token, key).await;
    assert_eq!(device.view().public_key.algorithm(), KeyAlgorithm::Rsa { bits: 3072 });
    assert_eq!(service.as_device(&device).whoami().await.unwrap().id.as_str(), "sensor-2");
}

#[tokio::test(flavor = "multi_thread")]
async fn t10_keys_on_the_block_list_are_refused() {
    let installation = Installation::new().await;
    let (bad, good) = (TestKey::p256(), TestKey::p256());
    let list = format!("# compromised\n{}  # found on a forum\n\n", bad.fingerprint().colons());
    std::fs::write(installation.path("server/blocked.txt"), list).unwrap();
    installation.replace_toml("[keys]\n", "[keys]\nblocked_spki_file = \"blocked.txt\"\n");
    let service = TestService::builder().start_in(installation).await;
    let token = service.token("sensor-1").await.token;
    let refused = service.enroll(&token, &bad).await;
    assert_eq!(code(refused), ErrorCode::KeyRefused);
    let device = Device { certificate: issued(service.enroll(&token, &good).await), key: good };
    let request = RenewRequest { csr: bad.csr(), device: None, profile: None, groups: None };
    assert_eq!(code(service.as_device(&device).renew(&request).await), ErrorCode::KeyRefused);
}

#[tokio::test(flavor = "multi_thread")]
async fn t11_keys_that_belong_to_somebody_are_not_certified_for_another() {
    let service = TestService::start().await;
    let files = &service.installation;
    let read = |path: &str| PrivateKey::from_pem(&std::fs::read_to_string(files.path(path)).unwrap()).unwrap();
    let neighbour = service.device("neighbour").await;
    let retired = service.device("retired").await;
    service.revoke_device("retired").await;
    let taken = [
        ("the root's", csr::make(&Installation::root_key().await, "x").unwrap()),
        ("the issuer's", csr::make(&files.issuer_key(), "x").unwrap()),
        ("the service's", csr::make(&read("server/tls/server.key"), "x").unwrap()),
        ("the administrator's", csr::make(&read("admin/admin.key"), "x").unwrap()),
        ("another device's", neighbour.key.csr_der()),
        ("a revoked device's", retired.key.csr_der()),
    ];
    let token = service.token("sensor-1").await;
    for (whose, request) in &taken {
        let refused = service.post_csr(&token.token, request).await;
        assert_eq!(refused.problem().code, ErrorCode::KeyRefused, "{whose}");
    }
    let device = service.device_with(&token, TestKey::p256()).await;
    for (whose, request) in taken {
        let csr = signet_pki::pem::encode(signet_pki::pem::Label::Request, &request);
        let request = RenewRequest { csr, device: None, profile: None, groups: None };
        assert_eq!(code(service.as_device(&device).renew(&request).await), ErrorCode::KeyRefused, "{whose}");
    }
    assert_eq!(service.show("sensor-1").await.certificates.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_serial_numbers_are_positive_random_and_never_twice() {
    let keep = "[profiles.keep]\nkind = \"device\"\nlifetime_seconds = 3600\nreuse_key = true";
    let service = TestService::builder().toml(keep).start().await;
    let token = service.create_token(CreateTokens { profile: "keep".into(), ..order("sensor-1") }).await;
    let mut device = service.device_with(&token, TestKey::p256()).await;
    let mut certificates = vec![device.der()];
    // The same key over and over: a serial that came from the key would repeat.
    for _ in 0..10 {
        let request = RenewRequest { csr: device.key.csr(), device: None, profile: None, groups: None };
        device.certificate = service.as_device(&device).renew(&request).await.unwrap();
        certificates.push(device.der());
    }
    for i in 0..10 {
        certificates.push(service.device(&format!("other-{i}")).await.der());
    }
    let mut seen = BTreeSet::new();
    let mut prefixes = BTreeSet::new();
    for der in &certificates {
        let (_, parsed) = X509Certificate::from_der(der).unwrap();
        let serial = parsed.raw_serial().to_vec();
        assert_eq!(serial.len(), 20);
        assert!(serial[0] < 0x80);
        prefixes.insert(serial[..8].to_vec());
        assert!(seen.insert(serial));
    }
    assert_eq!(prefixes.len(), certificates.len(), "no counter in front");
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_a_generator_that_repeats_itself_issues_no_serial_twice() {
    use signet::random::Random;
    struct Stuck;
    impl Random for Stuck {
        fn fill(&self, out: &mut [u8]) -> Result<(), signet_keys::random::RandomError> {
            out.fill(0x55);
            Ok(())
        }
    }
    let installation = Installation::new().await;
    // Its responder would have the one serial before any device.
    installation.replace_toml("[publication]\n", "[publication]\nocsp = false\n");
    let service = TestService::builder().random(std::sync::Arc::new(Stuck)).start_in(installation).await;
    let first = service.token("sensor-1").await;
    issued(service.enroll(&first.token, &TestKey::p256()).await);
    // The next token has the id of the first: it cannot even be made.
    let second = service.create_tokens(&order("sensor-2")).await;
    assert!(second.is_err());
    let installation = service.stop().await;
    let service = TestService::builder().start_in(installation).await;
    let token = service.token("sensor-3").await.token;
    let installation = service.stop().await;
    let service = TestService::builder().random(std::sync::Arc::new(Stuck)).start_in(installation).await;
    assert_eq!(code(service.enroll(&token, &TestKey::p256()).await), ErrorCode::Conflict);
    assert!(service.show("sensor-3").await.certificates.is_empty());
}
