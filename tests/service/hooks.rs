//! What other systems may ask for, how they prove who they are, and what a replayed or forged request does: nothing.

use serde_json::{Value, json};
use signet::clock::Clock;
use signet_api::ErrorCode;
use signet_api::admin::{CreateTokens, DeviceAction, DeviceChange, TokenTarget};
use signet_api::client::Enrolled;
use signet_api::enroll::HardwareFacts;
use signet_api::standard_webhooks::SigningSecret;
use signet_keys::files::{self, Mode};

use super::program::Daemon;
use crate::support::{Builder, Installation, Reply, TestKey, TestService, order, target, wire};

const BEARER: &str = "bearer-0123456789-abcdefghij";

fn secret(octet: u8) -> SigningSecret {
    SigningSecret::from_octets(&[octet; 32]).unwrap()
}

/// An inventory with a bearer, and an MDM that signs and is changing its secret.
async fn prepared() -> Installation {
    let installation = Installation::new().await;
    let write = |name: &str, text: &str| {
        files::write_new(&installation.path("server/secrets").join(name), text.as_bytes(), Mode::Private).unwrap();
    };
    write("inventory", &format!("{BEARER}\n"));
    write("mdm", &secret(1).expose());
    write("mdm-next", &secret(2).expose());
    installation.append_toml(
        "[[hooks]]\nname = \"inventory\"\naction = \"approve\"\nbearer_files = [\"secrets/inventory\"]\n\
         [[hooks]]\nname = \"mdm\"\naction = \"report-lost\"\nsecret_files = [\"secrets/mdm\", \"secrets/mdm-next\"]\n\
         [[hooks]]\nname = \"theft\"\naction = \"report-lost\"\non_lost = \"revoke\"\nper_hour = 2\n\
         bearer_files = [\"secrets/inventory\"]",
    );
    installation
}

async fn start() -> TestService {
    Builder::default().start_in(prepared().await).await
}

async fn bearing(service: &TestService, hook: &str, bearer: &str, body: &Value) -> Reply {
    let header = format!("Bearer {bearer}");
    service.send("POST", &format!("/v1/hooks/{hook}"), &[("authorization", &header)], body.to_string().as_bytes()).await
}

/// A message as `octet`'s owner signs it, `ago` seconds ago.
async fn signed(service: &TestService, octet: u8, id: &str, ago: i64, body: &Value) -> Reply {
    let (at, body) = (service.clock().now().0 - ago, body.to_string());
    let signature = secret(octet).sign(id, at, body.as_bytes());
    let headers = [("webhook-id", id), ("webhook-timestamp", &at.to_string()), ("webhook-signature", &signature)];
    service.send("POST", "/v1/hooks/mdm", &headers, body.as_bytes()).await
}

/// A device that waits for approval, and its next attempt.
async fn waiting(service: &TestService, id: &str, serial: Option<&str>) -> (String, TestKey, HardwareFacts) {
    let targets = vec![TokenTarget { serial_number: serial.map(str::to_owned), ..target(id) }];
    let token = service.create_token(CreateTokens { approval: true, targets, ..order(id) }).await.token;
    let facts = HardwareFacts { serial_number: serial.map(str::to_owned), ..HardwareFacts::default() };
    let key = TestKey::p256();
    let pending = service.enroll_with(&token, key.csr(), facts.clone()).await.unwrap();
    assert!(matches!(pending, Enrolled::Pending(_)), "{pending:?}");
    (token, key, facts)
}

fn result(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json::<Value>()["result"].as_str().unwrap().to_owned()
}

async fn status(service: &TestService, id: &str) -> String {
    service.show(id).await.device.status
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_approves_what_waits_by_id_and_by_serial_number() {
    let service = start().await;
    let first = waiting(&service, "sensor-1", None).await;
    let second = waiting(&service, "sensor-2", Some("SN 7/x")).await;
    assert_eq!(result(&bearing(&service, "inventory", BEARER, &json!({ "device": "sensor-1" })).await), "approved");
    let by_serial = json!({ "hardware_serial": "SN 7/x", "reason": "delivered to hall 2" });
    assert_eq!(result(&bearing(&service, "inventory", BEARER, &by_serial).await), "approved");
    for (token, key, facts) in [first, second] {
        let enrolled = service.enroll_with(&token, key.csr(), facts).await.unwrap();
        assert!(matches!(enrolled, Enrolled::Issued { .. }));
    }
    let entries = service.audit_of("enrollment.approved").await;
    assert!(entries.iter().all(|entry| entry.actor == "hook:inventory"), "{entries:?}");
    assert_eq!(entries[1].detail["reason"], "delivered to hall 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_wait_and_what_is_not_there_get_the_same_answer() {
    let service = start().await;
    service.device("sensor-1").await;
    let mut seen = Vec::new();
    for body in [
        json!({ "device": "sensor-1" }),
        json!({ "device": "nobody" }),
        json!({ "hardware_serial": "none" }),
        json!({ "device": "admin" }),
    ] {
        let problem = bearing(&service, "inventory", BEARER, &body).await.problem();
        seen.push((problem.code, problem.detail));
    }
    assert_eq!(seen[0].0, ErrorCode::Conflict);
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_device_is_suspended_by_either_live_secret() {
    let service = start().await;
    for (octet, name) in [(1, "sensor-1"), (2, "sensor-2")] {
        let device = service.device(name).await;
        assert_eq!(result(&signed(&service, octet, name, 0, &json!({ "device": name })).await), "suspended");
        assert!(service.as_device(&device).whoami().await.is_err());
        let again = signed(&service, octet, &format!("{name}-again"), 0, &json!({ "device": name })).await;
        assert_eq!(result(&again), "already-done");
    }
    assert_eq!(service.audit_of("device.suspended").await[0].actor, "hook:mdm");
    assert_eq!(signed(&service, 1, "x", 0, &json!({ "device": "nobody" })).await.problem().code, ErrorCode::NotFound);
    // What waits is not let in any more; what has nothing has nothing to lose.
    waiting(&service, "sensor-3", None).await;
    assert_eq!(result(&signed(&service, 1, "y", 0, &json!({ "device": "sensor-3" })).await), "denied");
    service.token("sensor-4").await;
    assert_eq!(signed(&service, 1, "z", 0, &json!({ "device": "sensor-4" })).await.problem().code, ErrorCode::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_theft_revokes_and_an_hour_has_an_end() {
    let service = start().await;
    let device = service.device("sensor-1").await;
    assert_eq!(result(&bearing(&service, "theft", BEARER, &json!({ "device": "sensor-1" })).await), "revoked");
    assert!(service.is_on_crl(device.serial()).await);
    assert_eq!(result(&bearing(&service, "theft", BEARER, &json!({ "device": "sensor-1" })).await), "already-done");
    let third = bearing(&service, "theft", BEARER, &json!({ "device": "sensor-1" })).await;
    assert_eq!(third.problem().code, ErrorCode::TooManyRequests);
    assert_eq!(service.audit_of("revocation").await[0].actor, "hook:theft");
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_are_nobodys_inventory() {
    let service = start().await;
    let reply = bearing(&service, "theft", BEARER, &json!({ "device": "admin" })).await;
    assert_eq!(reply.problem().code, ErrorCode::NotFound);
    assert_eq!(status(&service, "admin").await, "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_a_replayed_delivery_has_no_effect() {
    let service = start().await;
    service.device("sensor-1").await;
    let body = json!({ "device": "sensor-1" });
    assert_eq!(result(&signed(&service, 1, "m-1", 0, &body).await), "suspended");
    let resume = DeviceChange { action: Some(DeviceAction::Resume), ..DeviceChange::default() };
    service.change("sensor-1", &resume).await.unwrap();
    let entries = service.audit().await.len();
    assert_eq!(result(&signed(&service, 1, "m-1", 0, &body).await), "already-done");
    service.clock().advance(299);
    assert_eq!(result(&signed(&service, 1, "m-1", 299, &body).await), "already-done");
    service.clock().advance(2);
    let late = signed(&service, 1, "m-1", 301, &body).await.problem();
    assert_eq!((late.status, late.code), (401, ErrorCode::HookRefused));
    let early = signed(&service, 1, "m-2", -301, &body).await.problem();
    assert_eq!(early.code, ErrorCode::HookRefused);
    assert_eq!(status(&service, "sensor-1").await, "active");
    assert_eq!(service.audit().await.len(), entries);
}

#[tokio::test(flavor = "multi_thread")]
async fn t41_a_restart_does_not_forget_what_was_taken() {
    let service = start().await;
    service.device("sensor-1").await;
    let body = json!({ "device": "sensor-1" });
    assert_eq!(result(&signed(&service, 1, "m-1", 0, &body).await), "suspended");
    let resume = DeviceChange { action: Some(DeviceAction::Resume), ..DeviceChange::default() };
    service.change("sensor-1", &resume).await.unwrap();
    service.clock().advance(1);
    let service = Builder::default().start_in(service.stop().await).await;
    // Whether it was carried out is not known any more, so it is not; the sender's next attempt is signed anew.
    let replayed = signed(&service, 1, "m-1", 1, &body).await.problem();
    assert_eq!((replayed.status, replayed.code), (503, ErrorCode::Busy));
    assert_eq!(status(&service, "sensor-1").await, "active");
    assert_eq!(result(&signed(&service, 1, "m-2", 0, &body).await), "suspended");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_may_be_repeated_with_its_id() {
    let service = start().await;
    let body = json!({ "device": "sensor-1" });
    assert_eq!(signed(&service, 1, "m-1", 0, &body).await.status, 404);
    service.device("sensor-1").await;
    assert_eq!(result(&signed(&service, 1, "m-1", 0, &body).await), "suspended");
}

#[tokio::test(flavor = "multi_thread")]
async fn t05_an_unknown_hook_and_a_wrong_secret_look_alike() {
    let service = start().await;
    let body = json!({ "device": "sensor-1" });
    let (at, text) = (service.clock().now().0, body.to_string());
    let stamp = at.to_string();
    let forged = secret(9).sign("m", at, text.as_bytes());
    let zeros = secret(0).sign("m", at, text.as_bytes());
    let mut seen = Vec::new();
    for hook in ["inventory", "mdm", "nobody"] {
        let path = format!("/v1/hooks/{hook}");
        let wrong = [("authorization", "Bearer bearer-0123456789-abcdefghik")];
        let basic = [("authorization", "Basic YTpi")];
        let by_forgery =
            [("webhook-id", "m"), ("webhook-timestamp", stamp.as_str()), ("webhook-signature", forged.as_str())];
        let by_zeros = [by_forgery[0], by_forgery[1], ("webhook-signature", zeros.as_str())];
        let broken = [by_forgery[0], ("webhook-timestamp", "x"), by_forgery[2]];
        for headers in [&wrong[..], &basic, &[], &by_forgery, &by_zeros, &broken] {
            // Each from an address of its own, so that none of them has to wait.
            let own = std::net::IpAddr::from([127, 0, 1, seen.len() as u8 + 1]);
            let mut wire = wire::Wire::open_from(&service, own, None, crate::support::Protocol::Http1).await.unwrap();
            let reply = wire.send("POST", &path, headers, text.as_bytes()).await.unwrap();
            let problem = reply.problem();
            let mut names: Vec<String> = reply.headers.keys().map(ToString::to_string).collect();
            names.sort();
            seen.push((problem.status, problem.code, problem.detail, names));
        }
    }
    assert_eq!((seen[0].0, seen[0].1, &seen[0].2), (401, ErrorCode::HookRefused, &None));
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t05_ten_wrong_proofs_make_guesses_wait_and_the_right_one_passes() {
    let service = start().await;
    let body = json!({ "device": "sensor-1" });
    for _ in 0..10 {
        let refused = bearing(&service, "inventory", "bearer-0123456789-abcdefghik", &body).await;
        assert_eq!(refused.problem().code, ErrorCode::HookRefused);
    }
    let guess = bearing(&service, "inventory", "bearer-0123456789-abcdefghik", &body).await;
    assert_eq!(guess.problem().code, ErrorCode::TooManyRequests);
    assert_eq!(bearing(&service, "inventory", BEARER, &body).await.problem().code, ErrorCode::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_secrets_and_bodies_that_make_no_sense_are_refused() {
    let service = start().await;
    let bearer = format!("Bearer {BEARER}");
    let own = [("authorization", bearer.as_str())];
    let post = async |headers: &[(&str, &str)], body: &[u8]| {
        service.send("POST", "/v1/hooks/inventory", headers, body).await.problem().code
    };
    for second in [("authorization", bearer.as_str()), ("x-api-key", "x"), ("webhook-signature", "v1,x")] {
        assert_eq!(post(&[own[0], second], b"{}").await, ErrorCode::TwoSecrets, "{second:?}");
    }
    let twice = [("webhook-id", "a"), ("webhook-id", "b"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,x")];
    assert_eq!(post(&twice, b"{}").await, ErrorCode::MalformedRequest);
    for body in ["", "[]", "{\"device\":\"a\",\"x\":1}", "{\"device\":\"A\"}", "{\"device\":7}"] {
        assert_eq!(post(&own, body.as_bytes()).await, ErrorCode::MalformedRequest, "{body}");
    }
    let long = json!({ "device": "a", "reason": "x".repeat(201) }).to_string();
    let control = json!({ "device": "a", "reason": "a\nb" }).to_string();
    for body in ["{}", "{\"device\":\"a\",\"hardware_serial\":\"b\"}", &long, &control] {
        assert_eq!(post(&own, body.as_bytes()).await, ErrorCode::InvalidArgument, "{body}");
    }
    assert_eq!(post(&own, &vec![b' '; 16 * 1024 + 1]).await, ErrorCode::BodyTooLarge);
}

/// The program with everything in its log; the secrets of both directions are in no file that is not theirs.
#[tokio::test(flavor = "multi_thread")]
async fn t26_secrets_of_hooks_and_webhooks_are_in_no_log_and_no_database() {
    let installation = prepared().await;
    installation.append_toml("[log]\nlevel = \"debug\"\n[webhooks]\nallow = [\"127.0.0.0/8\"]");
    let daemon = Daemon::start(&installation);
    let root = installation.root();
    let admin = crate::support::client(daemon.tls, &root, Some(installation.administrator()));
    let order = json!({ "url": "https://127.0.0.1:1/", "private": true });
    let made: Value = admin.post_json("/v1/admin/webhooks", &order).await.unwrap();
    let path = format!("/v1/admin/webhooks/{}", made["webhook"]["id"].as_str().unwrap());
    let next: Value = admin.post_json(&format!("{path}/secret"), &json!({ "overlap": 60 })).await.unwrap();
    let tested: Value = admin.post_json(&format!("{path}/test"), &json!({})).await.unwrap();
    let wrong = "bearer-9999999999-abcdefghij";
    let bearers = [format!("Bearer {BEARER}"), format!("Bearer {wrong}"), BEARER.to_owned()];
    let mut said = vec![tested.to_string()];
    for bearer in &bearers {
        let mut wire = wire::Wire::to(daemon.tls, &root, None).await.unwrap();
        let reply = wire
            .send("POST", "/v1/hooks/inventory", &[("authorization", bearer)], b"{\"device\":\"a\"}")
            .await
            .unwrap();
        let why: Value = admin.get_json(&format!("/v1/admin/why/{}", reply.problem().request_id)).await.unwrap();
        said.extend([format!("{reply:?}"), why.to_string()]);
    }
    for path in ["/v1/admin/webhooks", &path, "/v1/admin/dead-letters", "/v1/admin/audit?after=0&limit=1000"] {
        said.push(admin.get_json::<Value>(path).await.unwrap().to_string());
    }
    let live = installation.all_files();
    let (_, log) = daemon.stop();
    assert!(log.contains("hook_refused"), "{log}");
    said.push(log);

    let signing = [made["secret"].as_str().unwrap().to_owned(), next["secret"].as_str().unwrap().to_owned()];
    let raw = signing.iter().map(|text| SigningSecret::parse(text).unwrap().expose_octets().to_vec());
    let mut secrets: Vec<Vec<u8>> = raw.collect();
    secrets.extend(signing.iter().map(|text| text.trim_start_matches("whsec_").as_bytes().to_vec()));
    secrets.extend([BEARER, wrong].map(|text| text.as_bytes().to_vec()));
    let holds = |content: &[u8], secret: &[u8]| content.windows(secret.len()).any(|window| window == secret);
    let home = installation.path("server/secrets/inventory");
    assert!(holds(&std::fs::read(&home).unwrap(), BEARER.as_bytes()), "the search finds nothing");
    for secret in &secrets {
        for text in &said {
            assert!(!holds(text.as_bytes(), secret), "{text}");
        }
        for (path, content) in installation.all_files().iter().chain(&live) {
            assert!(*path == home || !holds(content, secret), "{}", path.display());
        }
    }
}
