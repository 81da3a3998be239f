//! `/v1/authz`: may somebody do something.

use serde_json::{Value, json};
use signet_api::ErrorCode::*;
use signet_api::authz::{CheckAnswer, CheckAnswers, CheckRequest, ProxyQuery};
use signet_api::scope::Scope;

use crate::document::Document;
use crate::schema::Direction;

pub(crate) fn describe(document: &mut Document) {
    let subject = json!({
        "certificate": "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n", "serial": "4f00a1",
        "issuer": "1b2c3d4e5f607182", "fingerprint": "ab".repeat(32),
        "spiffe": "spiffe://acme.example/device/sensor-17", "device": "sensor-17",
    });
    let check = json!({
        "subject": subject, "action": "http:GET", "resource": "service:web/data/1", "source": "192.0.2.7",
    });
    let mut sample = check.clone();
    sample["checks"] = json!([check]);
    let example = json!({
        "subject": { "serial": "4f00a1" }, "action": "http:GET", "resource": "service:web/data/1",
    });
    let one = document.schemas.of::<CheckAnswer>(Direction::Answer, &answer());
    let several = document.schemas.of::<CheckAnswers>(Direction::Answer, &json!({ "answers": [answer()] }));
    document
        .post("/v1/authz/check", "check", "May somebody do something to the asking service, or to what belongs to it")
        .about(
            "By a registered service about what is its own; by an administrator who may read the policy about everything. \
             One question, or up to 100 of them in `checks`, which are answered in `answers`, in their order.",
        )
        .with(Scope::AuthzCheck)
        .takes_like::<CheckRequest>(sample, example)
        .answers_as(200, "The answer, or the answers.", "application/json", json!({ "anyOf": [one, several] }))
        .refuses(&[InvalidArgument])
        .done();
    let text = |pattern: &str| json!({ "type": "string", "maxLength": 16_384, "pattern": pattern });
    document
        .get("/v1/authz/nginx", "askForNginx", "The same for the client of a proxy, answered by the status: 200 or 403")
        .about(
            "For `auth_request`. Only by the certificate of a registered service, and without any header of the proxy's \
             client. The answer's `X-Signet-` headers say who it is, and why.",
        )
        .by_certificate()
        .query::<ProxyQuery>(json!({ "action": "read", "resource": "service:web" }))
        .header("X-Client-Cert", text("^[ -~]*$"), "The client's certificate, PEM with percent escapes.")
        .header("X-Client-Serial", text("^[0-9A-Fa-f:]*$"), "Its serial number, in place of the certificate.")
        .header("X-Client-Verify", text("^[ -~]*$"), "`SUCCESS`, or why the proxy could not verify it.")
        .header("X-Original-Method", text("^[A-Z-]*$"), "Of the client's request.")
        .header("X-Original-URI", text("^[ -~]*$"), "Of the client's request; its path is the service's part.")
        .header("X-Real-IP", text("^[0-9A-Fa-f:.]*$"), "Where the client comes from.")
        .answers_as(200, "Allowed.", "application/octet-stream", json!({ "maxLength": 0 }))
        .refuses(&[Forbidden, NotPermitted, InvalidArgument, TooManyRequests, AccountSuspended, AccountRevoked])
        .done();
}

fn answer() -> Value {
    json!({
        "decision": "allow", "reasons": ["rule:sensors-report"], "ttl": 30, "policy": "1f0c2d3e4b5a6978",
        "subject": {
            "id": "sensor-17", "kind": "device", "groups": ["sensors"], "profile": "device", "status": "active",
            "serial": "4f00a1", "not_after": "2026-11-23T08:00:00Z",
        },
        "fail_mode": "closed", "degraded": false,
    })
}
