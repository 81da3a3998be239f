//! The document about the API against the service.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use signet_api::ErrorCode::{Forbidden, MethodNotAllowed, NotAuthenticated};

use crate::support::{Protocol, Reply, TestService};

const TEXT: &str = include_str!("../../api/openapi.json");

fn document() -> Value {
    serde_json::from_str(TEXT).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_handed_out_to_anybody() {
    let service = TestService::start().await;
    let reply = service.send("GET", "/v1/openapi.json", &[], b"").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    assert_eq!(reply.text(), TEXT);
    let etag = reply.header("etag").unwrap().to_owned();
    let again = service.send("GET", "/v1/openapi.json", &[("if-none-match", &etag)], b"").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
}

/// The router itself says what it has.
#[tokio::test(flavor = "multi_thread")]
async fn every_path_allows_the_methods_that_are_documented() {
    let service = TestService::start().await;
    let mut wire = service.wire(None, Protocol::Http2).await;
    for (path, item) in document()["paths"].as_object().unwrap() {
        let mut documented: BTreeSet<String> = item.as_object().unwrap().keys().map(|m| m.to_uppercase()).collect();
        if documented.contains("GET") {
            documented.insert("HEAD".to_owned());
        }
        for method in ["OPTIONS", "PATCH"] {
            let reply = wire.send(method, path, &[], b"").await.unwrap();
            assert_eq!(reply.problem().code, MethodNotAllowed, "{method} {path}");
            let allowed = reply.header("allow").unwrap().split(',').map(|m| m.trim().to_owned()).collect();
            assert_eq!(documented, allowed, "{path}");
        }
    }
}

/// What is missing is told by its name, so that nobody has to guess which permission the document means.
#[tokio::test(flavor = "multi_thread")]
async fn the_permissions_are_the_ones_that_are_documented() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let mut asked = 0;
    for (path, item) in document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(scope) = operation["security"][0]["certificate"][0].as_str() else { continue };
            assert_eq!(operation["security"][1]["apiKey"][0], scope);
            if path == "/v1/events/ws" {
                // The handshake comes first: `sockets.rs`.
                continue;
            }
            let named = operation["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "path");
            let path = named.fold(path.clone(), |path, parameter| {
                let name = format!("{{{}}}", parameter["name"].as_str().unwrap());
                path.replace(&name, parameter["example"].as_str().unwrap())
            });
            let reply = service.send_as(device.identity(), &method.to_uppercase(), &path, &[], b"{}").await;
            let problem = reply.problem();
            assert_eq!(problem.code, Forbidden, "{method} {path}");
            assert!(
                problem.detail.as_ref().unwrap().ends_with(&format!("no permission {scope}")),
                "{path}: {problem:?}"
            );
            asked += 1;
        }
    }
    assert!(asked > 20);
}

/// A client that writes everything before it reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_reaches_whoever_sends_a_large_order() {
    let service = TestService::start().await;
    let body = vec![b' '; 5 * 1024 * 1024];
    let head = format!(
        "POST /v1/admin/tokens HTTP/1.1\r\nHost: ca\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answer = service.raw_tls(&[head.as_bytes(), &body].concat()).await;
    assert_eq!(Reply::parse(&answer).problem().code, NotAuthenticated);
}

/// The examples for administrators, in an order that makes sense.
#[tokio::test(flavor = "multi_thread")]
async fn the_examples_work() {
    let service = TestService::start().await;
    let document = document();
    let send = async |method: &str, path: &str, values: &[(&str, &str)]| {
        let operation = &document["paths"][path][method.to_lowercase()];
        let body = &operation["requestBody"]["content"]["application/json"]["example"];
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let path =
            values.iter().fold(path.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
        let admin = service.installation.administrator();
        let reply = service.send_as(admin, method, &path, &[], &body).await;
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.text());
        reply.json::<Value>()
    };
    let tokens = send("POST", "/v1/admin/tokens", &[]).await;
    let id = tokens["tokens"][0]["id"].as_str().unwrap();
    assert_eq!(send("GET", "/v1/admin/tokens/{id}", &[("id", id)]).await["device"], "sensor-1");
    let enroll = &document["paths"]["/v1/enroll"]["post"]["requestBody"]["content"];
    let bearer = format!("Bearer {}", tokens["tokens"][0]["token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = enroll["application/json"]["example"].to_string();
    let issued = service.send("POST", "/v1/enroll", &headers, body.as_bytes()).await;
    assert_eq!(issued.status, 200, "{}", issued.text());
    let bare = enroll["application/pkcs10"]["example"].as_str().unwrap();
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/pkcs10")];
    let again = service.send("POST", "/v1/enroll", &headers, bare.as_bytes()).await;
    assert_eq!((again.status, again.header("idempotent-replay")), (200, Some("true")), "{}", again.text());
    let serial = issued.json::<Value>()["serial"].as_str().unwrap().to_owned();
    assert_eq!(send("GET", "/v1/admin/certificates/{serial}", &[("serial", &serial)]).await["status"], "active");
    let changed = send("POST", "/v1/admin/devices/{id}", &[("id", "sensor-1")]).await;
    assert_eq!(changed["groups"], json!(["line-4", "night"]));
    assert_eq!(send("POST", "/v1/admin/revocations", &[]).await["dry_run"], true);
    for path in
        ["tokens", "devices", "audit", "audit/verify", "audit/archive", "crl", "issuers", "trust/bundles", "events"]
    {
        send("GET", &format!("/v1/admin/{path}"), &[]).await;
    }
}
