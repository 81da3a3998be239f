//! `/v1/enroll`, `/v1/renew`, `/v1/recover`, `/v1/whoami`, and this document itself.

use serde_json::{Value, json};
use signet_api::ErrorCode::*;
use signet_api::enroll::{EnrollRequest, IssuedCertificate, PendingEnrollment, RecoverRequest, RenewRequest, WhoAmI};

use crate::document::{Document, ISSUING, Operation};
use crate::samples::{CERTIFICATE, CSR, EARLIER, LATER, SERIAL, TOKEN_ID};
use crate::texts;
use crate::trace::Shape;

pub(crate) fn describe(document: &mut Document) {
    enroll(document);
    renew(document);
    recover(document);
    others(document);
}

fn enroll(document: &mut Document) {
    let facts = json!({ "serial_number": "SN-0001", "manufacturer": "Acme", "model": "S1", "firmware": "1.0", "other": { "rack": "7" } });
    let operation = document.post("/v1/enroll", "enroll", "A first certificate, for a token");
    let operation = operation
        .about("A repetition with the same token and key gets the same certificate, byte for byte.")
        .by_enrollment_token()
        .takes::<EnrollRequest>(json!({ "csr": CSR, "facts": facts }))
        .header("Signet-Hardware-Serial", hardware_serial(), "What `facts.serial_number` says, for a bare request.");
    issues(bare(operation))
        .refuses(&[
            AccountSuspended,
            AccountRevoked,
            TokenRevoked,
            TokenConstraint,
            TokenBoundToOtherKey,
            TokenSpent,
            TokenExpired,
            DeviceSuspended,
            DeviceRevoked,
            DeviceDenied,
            CertificateRevoked,
            IssuerDistrusted,
            TooManyRequests,
        ])
        .done();
}

fn renew(document: &mut Document) {
    let operation = document.post("/v1/renew", "renew", "The next certificate, with a new key");
    let operation = operation
        .about("What the JSON form says beside the request has to be what the record says.")
        .by_certificate()
        .takes_like::<RenewRequest>(
            json!({ "csr": CSR, "device": "sensor-1", "profile": "device", "groups": ["line-4"] }),
            json!({ "csr": CSR }),
        )
        .header(
            "Signet-Bundle",
            json!({ "type": "string", "pattern": "^[0-9]{1,4}$", "maxLength": 4 }),
            "The sequence of the trust bundle that the device holds.",
        );
    issues(bare(operation)).refuses(&[IdentityMismatch, TooManyRequests]).done();
}

fn recover(document: &mut Document) {
    let operation = document.post("/v1/recover", "recover", "A certificate after one that has ended");
    let operation = operation
        .about("Needs no credential: the body proves the key of the certificate that has ended.")
        .takes::<RecoverRequest>(json!({ "csr": CSR, "certificate": CERTIFICATE, "signature": "MEUCIQ==" }))
        .refuses(&[
            UnsupportedMedia,
            RecoveryInvalid,
            RecoveryExhausted,
            RecoveryTooLate,
            RecoveryNotNeeded,
            AccountSuspended,
            AccountRevoked,
            DeviceSuspended,
            DeviceRevoked,
            CertificateRevoked,
            CertificateSuperseded,
            IssuerDistrusted,
            TooManyRequests,
        ]);
    issues(operation).done();
}

fn others(document: &mut Document) {
    let operation = document.get("/v1/whoami", "whoAmI", "Who the service thinks you are");
    operation
        .by_anyone()
        .answers::<WhoAmI>(json!({
            "kind": "device", "id": "sensor-1", "serial": SERIAL, "profile": "device", "groups": ["line-4"],
            "not_after": LATER, "renew_after": LATER, "account": "acme", "scopes": "events:read", "credential": TOKEN_ID,
        }))
        .done();

    let operation = document.get("/v1/openapi.json", "openApi", "This document");
    operation
        .answers_document("application/json", json!({ "type": "object", "required": ["openapi", "paths"] }))
        .done();
}

/// What every way to a certificate answers.
fn issues(operation: Operation<'_>) -> Operation<'_> {
    let issued = json!({
        "device": "sensor-1", "spiffe_id": "spiffe://acme.example/device/sensor-1", "profile": "device", "serial": SERIAL,
        "certificate": CERTIFICATE, "chain": CERTIFICATE, "not_before": EARLIER, "not_after": LATER, "renew_after": LATER,
    });
    let waiting = json!({ "status": "pending", "device": "sensor-1", "retry_after": 30 });
    let headers = json!({
        "Signet-Renew-After": { "$ref": "#/components/headers/Signet-Renew-After" },
        "Idempotent-Replay": { "$ref": "#/components/headers/Idempotent-Replay" },
    });
    let wait = json!({ "Retry-After": { "$ref": "#/components/headers/Retry-After" } });
    let text =
        "The certificate with its issuer: as JSON when the request was JSON, else as PEM; `Accept` chooses otherwise.";
    operation
        .answers_with::<IssuedCertificate>(200, text, issued, headers)
        .answers_as(200, text, "application/pem-certificate-chain", json!({ "type": "string" }))
        .answers_with::<PendingEnrollment>(202, "An administrator has to approve first. Ask again.", waiting, wait)
        .refuses(ISSUING)
}

/// A PKCS#10 request without an envelope (RFC 5967).
fn bare(operation: Operation<'_>) -> Operation<'_> {
    let text = json!({ "type": "string", "maxLength": 24_576 });
    let pem: Value = json!({ "schema": text, "example": CSR });
    operation
        .takes_as("application/pkcs10", json!({ "schema": text, "example": CSR }))
        .takes_as("application/x-pem-file", pem)
        .refuses(&[UnsupportedMedia])
}

fn hardware_serial() -> Value {
    let mut schema = texts::rule("HardwareFacts", "serial_number", &Shape::Text);
    schema["type"] = "string".into();
    schema
}
