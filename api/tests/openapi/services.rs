//! `/v1/services`: where services are, and what belongs to them.

use serde_json::{Value, json};
use signet_api::ErrorCode::*;
use signet_api::scope::Scope::*;
use signet_api::services::*;

use crate::document::{Document, Operation};
use crate::samples::*;
use crate::schema::Direction;
use crate::texts;

pub(crate) fn describe(document: &mut Document) {
    let operation = document.get("/v1/services", "listServices", "Registered services");
    operation.with(ServicesRead).answers::<Vec<ServiceInfo>>(json!([service()])).done();

    let detail = detail(document);
    let path = "/v1/services/{id}";
    let operation = document.get(path, "showService", "A registered service, and what it should show to clients now");
    named(operation.about("A service asks about itself by its certificate, without a permission."))
        .with(ServicesRead)
        .answers_as(200, "The service.", "application/json", detail.clone())
        .done();
    let operation = document.put(path, "registerService", "Registers a service, or changes its registration");
    let chain = format!("{CERTIFICATE}{CERTIFICATE}");
    named(operation.about(
        "A service registers itself by its certificate, without a permission; an administrator shows with `proof` that the \
         service agrees. The same again changes nothing.",
    ))
    .with(ServicesWrite)
    .takes_like::<RegisterService>(
        json!({
            "chain": chain, "dns_names": ["api.acme.example"], "ports": [443], "resources": ["service:api/*"],
            "fail_mode": "closed", "address": "10.20.0.9", "proof": "MEUCIQ==",
        }),
        json!({ "chain": chain, "dns_names": ["api.acme.example"], "ports": [443] }),
    )
    .answers_as(200, "The service.", "application/json", detail)
    .refuses(&[InvalidArgument, ChainRefused, IdentityMismatch, KeyNotProved, NamesNotCovered, ResourceTaken, Conflict])
    .done();
    let operation = document.delete(path, "deregisterService", "The service is asked for no more");
    named(operation.about("Its certificates go on. A service deregisters itself without a permission."))
        .with(ServicesWrite)
        .answers::<ServiceInfo>(service())
        .refuses(&[Conflict])
        .done();

    let shown = json!({
        "serial": SERIAL, "not_after": LATER, "status": "active", "missing_names": ["api.acme.example"], "current": true,
    });
    let operation = document.post("/v1/services/{id}/probe", "probeService", "Connects to it as a client would");
    named(operation)
        .with(ServicesWrite)
        .takes::<ProbeRequest>(json!({ "dns_name": "api.acme.example", "port": 443 }))
        .answers::<ProbeReport>(json!({
            "service": "api", "dns_name": "api.acme.example", "port": 443, "address": "10.20.0.9", "outcome": "refused",
            "reason": "the certificate was revoked", "protocol": "TLSv1.3", "shown": shown,
        }))
        .refuses(&[InvalidArgument, ProbeRefused])
        .done();
}

fn named(operation: Operation<'_>) -> Operation<'_> {
    operation.in_path("id", texts::device_id(), "api")
}

/// [`ServiceDetail`], which has the registration among its own fields.
fn detail(document: &mut Document) -> Value {
    let info = document.schemas.of::<ServiceInfo>(Direction::Answer, &service());
    let present = json!({
        "serial": SERIAL, "not_after": LATER, "chain": CERTIFICATE, "missing_names": ["api.acme.example"],
    });
    let present = document.schemas.of::<Presentation>(Direction::Answer, &present);
    json!({ "allOf": [info, { "type": "object", "properties": { "present": present } }] })
}

fn service() -> Value {
    json!({
        "id": "api", "status": "active", "dns_names": ["api.acme.example"], "ports": [443], "resources": ["service:api"],
        "fail_mode": "closed", "address": "10.20.0.9", "serial": SERIAL, "registered_by": "service:api",
        "registered_at": EARLIER, "changed_at": EARLIER,
    })
}
