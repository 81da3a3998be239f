//! The OpenAPI document `api/openapi.json`, which the service hands out at `/v1/openapi.json`, is made here from the wire types
//! and compared with what is checked in.
//!
//! Schemas are read off the types while they read a sample ([`trace`]), so they say what serde does, and no type carries an
//! attribute for it. What serde does not know stands here: which path takes and answers which type and refuses with which
//! codes ([`identity`], [`admin`], [`trust`], [`events`]), and how texts look ([`texts`]).
//!
//! To add an endpoint:
//! 1. `document.get("/v1/…", "operationId", "A line.")…done()` in the file of its area (a new area: a new file with `describe`,
//!    called in [`generated`]). Say who may ask (`with(Scope::…)`), what is sent (`in_path`, `query`, `takes`), what is answered
//!    (`answers`), and the codes that do not follow from these (`refuses`). Samples have every field and no empty list; they are
//!    the examples too, so let them be possible.
//!    A type with `serde(flatten)`, or without serde, has its schema by hand: `answers_as`, `takes_as`.
//! 2. A text of a request that has no length yet gets its line in `texts.rs`; the test says which.
//! 3. `SIGNET_OPENAPI=write cargo test -p signet-api --test openapi`, and read the diff.
//!
//! An area of its own has a tag in `document.rs`, a new way to prove who one is a scheme here and its codes there.
//!
//! `tests/tidy/openapi.rs` finds routes that are not described and descriptions without a route; `tests/service/openapi.rs` asks
//! a live service, and every answer that a test gets over the wire is looked up; `scripts/interop schemathesis` sends it what the
//! document allows and what it does not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod admin;
mod alarms;
mod authz;
mod document;
mod events;
mod identity;
mod oauth;
mod policy;
mod samples;
mod schema;
mod services;
mod sources;
mod texts;
mod trace;
mod trust;
mod webhooks;

use std::path::Path;

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Value, json};
use signet_api::ErrorCode;

use crate::document::{Document, TAGS};

fn generated() -> Value {
    let mut document = Document::new();
    identity::describe(&mut document);
    trust::describe(&mut document);
    admin::describe(&mut document);
    alarms::describe(&mut document);
    policy::describe(&mut document);
    authz::describe(&mut document);
    events::describe(&mut document);
    oauth::describe(&mut document);
    access::describe(&mut document);
    services::describe(&mut document);
    webhooks::describe(&mut document);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Signet",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "summary": "A private certificate authority",
            "description": ABOUT,
        },
        "servers": [{
            "url": "https://{host}:{port}",
            "description": "The TLS listener.",
            "variables": { "host": { "default": "ca.example" }, "port": { "default": "8443" } },
        }],
        "tags": TAGS.iter().map(|(name, text)| json!({ "name": name, "description": text })).collect::<Vec<_>>(),
        "paths": document.paths,
        "components": {
            "schemas": document.schemas.named,
            "headers": headers(),
            "securitySchemes": schemes(),
        },
    })
}

/// How somebody proves who they are.
fn schemes() -> Value {
    json!({
        "certificate": {
            "type": "mutualTLS",
            "description": "A certificate of this CA. Its status is checked at every request.",
        },
        "apiKey": {
            "type": "apiKey",
            "in": "header",
            "name": "X-API-Key",
            "description": "`sgk_<id>_<secret>`, of an account, a device or a service. Beside a certificate it has to be its \
                owner's, and both have to allow what is asked.",
        },
        "accessToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "From `/v1/oauth/token`; one that is bound to a certificate over a connection with it only.",
        },
        "basicKey": {
            "type": "http",
            "scheme": "basic",
            "description": "An API key: its id as the name, the whole key as the password (RFC 6749 2.3.1).",
        },
        "hookSignature": {
            "type": "apiKey",
            "in": "header",
            "name": "webhook-signature",
            "description": "Standard Webhooks: over the id, the timestamp and the body, with the hook's secret.",
        },
        "hookBearer": { "type": "http", "scheme": "bearer", "description": "The hook's." },
        "enrollmentToken": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "sge_<id>_<secret>",
            "description": "One-time, for one device.",
        },
    })
}

fn headers() -> Value {
    let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    let flag = json!({ "type": "string", "enum": ["true"] });
    let seconds = json!({ "type": "integer", "minimum": 0 });
    json!({
        "Request-Id": { "description": "The administrator finds the cause of a refusal with it: `ca why`.", "required": true,
            "schema": { "type": "string", "pattern": "^req-" } },
        "Retry-After": { "description": "Seconds.", "required": true, "schema": seconds },
        "WWW-Authenticate": text("RFC 9110 11.6.1."),
        "ETag": text("For If-None-Match and If-Range."),
        "Signet-Renew-After": { "description": "When to renew; RFC 3339.", "schema": { "type": "string", "format": "date-time" } },
        "Idempotent-Replay": { "description": "The answer is that of an earlier, identical request.", "schema": flag },
    })
}

/// One space for each level: it is deep.
fn text(document: &Value) -> String {
    let mut octets = Vec::new();
    let mut writer = Serializer::with_formatter(&mut octets, PrettyFormatter::with_indent(b" "));
    document.serialize(&mut writer).unwrap();
    String::from_utf8(octets).unwrap() + "\n"
}

#[test]
fn the_document_that_is_checked_in_is_the_one_that_the_code_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let made = text(&generated());
    if std::env::var_os("SIGNET_OPENAPI").is_some_and(|word| word == "write") {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(made.lines()).position(|(kept, made)| kept != made);
    let line = differs.unwrap_or_else(|| kept.lines().count().min(made.lines().count()));
    assert!(
        kept == made,
        "api/openapi.json differs from line {}: {:?} is checked in, {:?} is made. If that is meant:\n\
         SIGNET_OPENAPI=write cargo test -p signet-api --test openapi",
        line + 1,
        kept.lines().nth(line),
        made.lines().nth(line),
    );
}

/// Generated clients have a function of each.
#[test]
fn every_operation_has_an_id_of_its_own() {
    let document = generated();
    let items = document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
    let mut ids: Vec<_> = items.map(|operation| operation["operationId"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let twice: Vec<_> = ids.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// A code that nothing answers with is forgotten somewhere.
#[test]
fn every_code_is_a_documented_refusal_of_something() {
    let text = generated()["paths"].to_string();
    let forgotten: Vec<_> =
        ErrorCode::ALL.iter().filter(|code| !text.contains(&format!("\"{}\"", code.as_str()))).collect();
    // Not an answer of a path's operation, but of the methods that it has not.
    assert_eq!(forgotten, [&ErrorCode::MethodNotAllowed]);
}

const ABOUT: &str = "Devices and services ask for certificates, administrators decide who gets them, verifiers fetch what they \
check certificates with.

Requests are read strictly: a field or a parameter that is not documented is refused, and so is a body that names one twice. \
Answers may get new fields: ignore those you do not know.

Where a certificate or an API key is wanted, the names beside it in `security` are the permissions that are needed.

A refusal is a problem document (RFC 9457) with a stable `code`, a sentence, a hint and the id of the request. A method that a path \
does not have is refused with 405 and `Allow`, a path that does not exist with 404. 429 and 503 say in `Retry-After` when to come \
back; nothing was changed, or the same request gets the same answer.

Revocation lists, CA certificates and OCSP are on another listener over plain HTTP, at the addresses that certificates carry \
(RFC 5280 4.2.1.13, 4.2.2.1), and health and metrics on the host's own; neither is described here.";
