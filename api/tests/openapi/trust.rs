//! `/v1/trust/*`.

use serde_json::json;
use signet_api::ErrorCode::{NotFound, StoreUnavailable};

use crate::document::Document;

pub(crate) fn describe(document: &mut Document) {
    let pem = || json!({ "type": "string", "contentMediaType": "application/x-pem-file" });
    let operation = document.get("/v1/trust/roots.pem", "trustRoots", "The roots of the newest trust bundle");
    operation.answers_document("application/x-pem-file", pem()).done();
    let operation = document.get("/v1/trust/bundle.pem", "trustBundle", "Roots, issuers and cross certificates");
    operation.answers_document("application/x-pem-file", pem()).done();
    let operation = document.get("/v1/trust/crl.pem", "trustLists", "The revocation lists of every CA of the chain");
    operation.answers_document("application/x-pem-file", pem()).refuses(&[StoreUnavailable]).done();

    let which = json!({ "type": "string", "maxLength": 20, "pattern": "^(latest|[1-9][0-9]*)$" });
    let operation =
        document.get("/v1/trust/bundles/{sequence}", "trustStep", "A trust bundle, signed by the one before it");
    let octets = json!({ "type": "string", "contentMediaType": "application/octet-stream" });
    operation
        .in_path("sequence", which, "latest")
        .answers_document("application/octet-stream", octets)
        .refuses(&[NotFound])
        .done();

    let key = json!({
        "type": "object",
        "required": ["use", "kty", "crv", "x", "y", "x5c"],
        "properties": {
            "use": { "const": "x509-svid" },
            "kty": { "const": "EC" },
            "crv": { "enum": ["P-256", "P-384"] },
            "x": { "type": "string" },
            "y": { "type": "string" },
            "x5c": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
        },
    });
    let bundle = json!({
        "type": "object",
        "required": ["keys", "spiffe_sequence", "spiffe_refresh_hint"],
        "properties": {
            "keys": { "type": "array", "items": key, "minItems": 1 },
            "spiffe_sequence": { "type": "integer", "minimum": 0 },
            "spiffe_refresh_hint": { "type": "integer", "minimum": 1 },
        },
    });
    let operation = document.get("/v1/trust/spiffe-bundle.json", "spiffeBundle", "The roots as a SPIFFE bundle");
    operation.answers_document("application/json", bundle).done();
}
