use signet_api::ErrorCode;
use signet_api::client::Clock;
use tempfile::TempDir;

use super::*;
use crate::enroll::enroll;
use crate::fake_server::{Behaviour, Fake, snapshot, world};
use crate::renew::{When, renew};

async fn enrolled() -> (Fake, TempDir, PathBuf) {
    let (server, temp) = (Fake::start().await, tempfile::tempdir().unwrap());
    let dir = temp.path().join("signet");
    enroll(&dir, &server.plan(1), world(Clock::System)).await.unwrap();
    (server, temp, dir)
}

fn wish() -> Wish {
    Wish {
        dns_names: vec![DnsName::parse("broker.internal").unwrap()],
        ports: vec![8883],
        resources: None,
        fail_mode: FailMode::Closed,
        address: None,
    }
}

fn current(dir: &Path) -> Generation {
    Store::peek(dir).unwrap().unwrap()
}

const WAIT: Duration = Duration::from_secs(10);
const CALL: &str = "PUT /v1/services/sensor-1";

#[tokio::test]
async fn what_was_registered_is_sent_again_with_every_new_certificate_and_only_then() {
    let (server, _temp, dir) = enrolled().await;
    let world = &mut world(Clock::System);
    let detail = register(&dir, &wish(), WAIT, world).await.unwrap();
    assert_eq!(detail.service.serial, current(&dir).leaf().serial.to_string());
    keep_registered(&dir, &current(&dir), world).await.unwrap();
    assert_eq!(server.calls(CALL), 1, "with this certificate it is there");
    renew(&dir, When::Now, WAIT, world).await.unwrap();
    for _ in 0..2 {
        keep_registered(&dir, &current(&dir), world).await.unwrap();
    }
    assert_eq!(server.calls(CALL), 2);
    let bodies = server.bodies();
    assert!(bodies.contains("broker.internal") && !bodies.contains("PRIVATE KEY"), "keys stay here");
}

#[tokio::test]
async fn a_failure_is_tried_again_and_a_refusal_keeps_nothing() {
    let (server, _temp, dir) = enrolled().await;
    let world = &mut world(Clock::System);
    let before = snapshot(&dir);
    server.script([Behaviour::Refuse(ErrorCode::NamesNotCovered, None)]);
    let failure = register(&dir, &wish(), WAIT, world).await.unwrap_err();
    assert!(failure.hint.unwrap().contains("certificate"));
    assert_eq!(snapshot(&dir), before);
    server.script([Behaviour::Refuse(ErrorCode::Busy, None), Behaviour::LoseAnswer]);
    register(&dir, &wish(), WAIT, world).await.unwrap();

    renew(&dir, When::Now, WAIT, world).await.unwrap();
    server.script([Behaviour::Refuse(ErrorCode::StoreUnavailable, None)]);
    keep_registered(&dir, &current(&dir), world).await.unwrap_err();
    let calls = server.calls(CALL);
    keep_registered(&dir, &current(&dir), world).await.unwrap();
    keep_registered(&dir, &current(&dir), world).await.unwrap();
    assert_eq!(server.calls(CALL), calls + 1);
}

#[tokio::test]
async fn what_was_withdrawn_is_not_sent_again() {
    let (server, _temp, dir) = enrolled().await;
    let world = &mut world(Clock::System);
    let before = snapshot(&dir);
    register(&dir, &wish(), WAIT, world).await.unwrap();
    server.script([Behaviour::LoseAnswer, Behaviour::Refuse(ErrorCode::NotFound, None)]);
    assert_eq!(withdraw(&dir, WAIT, world).await.unwrap(), "not registered: sensor-1\n");
    assert_eq!(snapshot(&dir), before);
    renew(&dir, When::Now, WAIT, world).await.unwrap();
    keep_registered(&dir, &current(&dir), world).await.unwrap();
    assert_eq!(server.calls(CALL), 1);
}

#[tokio::test]
async fn the_proof_is_by_the_key_over_service_and_serial_and_nothing_is_sent_for_it() {
    let (server, _temp, dir) = enrolled().await;
    let calls = server.log().len();
    let proof = prove(&dir).unwrap();
    assert_eq!(server.log().len(), calls);
    let (identity, signature) = (current(&dir), BASE64.decode(proof.trim().as_bytes()).unwrap());
    let leaf = identity.leaf();
    assert!(registration::verify(&leaf.public_key, &identity.state.device, &leaf.serial, &signature));
}

#[tokio::test]
async fn a_spoiled_wish_is_named_and_not_sent() {
    let (server, _temp, dir) = enrolled().await;
    std::fs::write(dir.join(WISH), "{\"dns_names\":[\"*\"]}").unwrap();
    let failure = keep_registered(&dir, &current(&dir), &mut world(Clock::System)).await.unwrap_err();
    assert!(failure.message.contains("service.json") && failure.hint.unwrap().contains("register"));
    assert_eq!(server.calls(CALL), 0);
}
