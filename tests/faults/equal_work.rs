//! T25: what the service does for a caller who has proved nothing does not depend on what it knows.

use std::path::Path;
use std::sync::Arc;

use signet_api::{Credential, CredentialKind, ErrorCode};

use crate::faulty::FaultyStore;
use crate::support::{TestKey, TestService, credential};

/// The same id with another secret.
fn wrong_secret(token: &str) -> String {
    let id = credential(token).id().clone();
    // An id is made of the first octets of the random input; the one that makes this id is found from its text.
    let bits = data_encoding_of(id.as_str());
    let mut random = [7; 24];
    random[..8].copy_from_slice(&bits);
    let other = Credential::from_random(CredentialKind::Enrollment, &random);
    assert_eq!(other.id(), &id);
    other.expose().to_string()
}

fn data_encoding_of(id: &str) -> [u8; 8] {
    const ALPHABET: &str = "0123456789abcdefghjkmnpqrstvwxyz";
    let value = id.bytes().fold(0u64, |n, b| n << 5 | ALPHABET.bytes().position(|a| a == b).unwrap() as u64);
    (value << 14).to_be_bytes()
}

/// A service and what stands between it and its store.
pub(crate) async fn watched() -> (TestService, Arc<FaultyStore>) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let service = TestService::builder()
        .store(move |inner| {
            let faulty = FaultyStore::around(inner);
            sender.send(faulty.clone()).unwrap();
            faulty
        })
        .start()
        .await;
    (service, receiver.recv().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn t25_an_unknown_id_and_a_wrong_secret_make_the_same_calls() {
    let (service, store) = watched().await;
    let token = service.token("sensor-1").await.token;
    let key = TestKey::p256();
    let unknown = Credential::from_random(CredentialKind::Enrollment, &[9; 24]).expose().to_string();
    let mut seen = Vec::new();
    for guess in [unknown, wrong_secret(&token)] {
        // What the schedule does of itself is none of the caller's.
        store.called();
        assert_eq!(service.post_csr(&guess, &key.csr_der()).await.problem().code, ErrorCode::TokenInvalid);
        let mut calls = store.called();
        calls.retain(|verb| !matches!(*verb, "audit" | "revocations_after"));
        seen.push(calls);
    }
    assert_eq!(seen[0], ["token"]);
    assert_eq!(seen[0], seen[1]);
    service.enroll(&token, &key).await.unwrap();
}

/// A comparison with `==` would end at the first octet that differs.
#[test]
fn t25_hashes_of_secrets_are_compared_in_one_place() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut pending, mut comparing) = (vec![sources], Vec::new());
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let suspicious = |line: &&str| {
                let compares = line.contains("==") || line.contains("!=") || line.contains(".eq(");
                compares && (line.contains(".hash ") || line.contains(".hash)") || line.contains("expose_secret"))
            };
            comparing.extend(text.lines().filter(suspicious).map(|line| format!("{}: {line}", path.display())));
        }
    }
    assert_eq!(comparing, Vec::<String>::new());
    let credentials = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/credentials/mod.rs");
    assert!(std::fs::read_to_string(credentials).unwrap().contains("verify_slices_are_equal(&hash, stored"));
}
