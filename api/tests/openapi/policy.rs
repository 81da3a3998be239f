//! `/v1/admin/policy*`.

use serde_json::{Value, json};
use signet_api::ErrorCode::*;
use signet_api::policy::*;
use signet_api::scope::Scope::*;

use crate::document::Document;
use crate::samples::*;
use crate::texts;

pub(crate) fn describe(document: &mut Document) {
    let operation = document.get("/v1/admin/policy", "showPolicy", "The policy of live permission that is in force");
    operation.with(PolicyRead).answers::<PolicyInfo>(info()).done();
    let operation = document.put("/v1/admin/policy", "applyPolicy", "Puts another policy in force");
    operation
        .about("Nothing is done when another policy is in force than the one that is named, or when a test in the text fails.")
        .with(PolicyWrite)
        .takes::<PolicyOrder>(json!({ "text": TEXT, "instead_of": REVISION }))
        .answers::<PolicyInfo>(info())
        .refuses(&[PolicyRefused, PolicyChanged, PolicyInFile, ApprovalNeeded, ApprovalDenied, TooManyRequests])
        .done();
    let example = json!({ "principal": "sensor-1", "resource": "collector" });
    let change = json!({
        "action": "telemetry:write", "becomes": "deny", "before": ["sensors-deliver"], "after": ["stop"], "principals": 213,
        "resources": 4, "examples": [example],
    });
    let operation =
        document.post("/v1/admin/policy/diff", "comparePolicy", "What another policy would change, and for whom");
    operation
        .about("Changes nothing. It needs `devices:read` as well, because the examples are devices.")
        .with(PolicyRead)
        .takes::<PolicyCandidate>(json!({ "text": TEXT, "at": LATER, "source": "10.1.2.3" }))
        .answers::<PolicyDiff>(json!({
            "from": REVISION, "to": "fedcba9876543210", "rules_added": ["stop"], "rules_removed": ["doors-by-day"],
            "rules_changed": ["sensors-deliver"], "entities": 1000, "affected": 213, "changes": [change],
            "is_complete": true, "warnings": ["line 2, sensors-deliver: nobody is in the group \"sensor\""], "tests": 2,
            "failed_tests": ["line 12, test \"a sensor delivers\": expected allow, found deny by stop"],
        }))
        .refuses(&[PolicyRefused, InvalidArgument])
        .done();
    let operation =
        document.get("/v1/admin/policy/history", "policyHistory", "The policies that were in force, newest first");
    operation.with(PolicyRead).answers::<Vec<PolicyStep>>(json!([step()])).done();
    let path = "/v1/admin/policy/history/{revision}";
    let operation = document.get(path, "formerPolicy", "A policy that was in force, with its text");
    operation.with(PolicyRead).in_path("revision", texts::revision(), REVISION).answers::<PolicyStep>(step()).done();
}

fn info() -> Value {
    json!({
        "revision": REVISION, "text": TEXT, "rules": 1, "tests": 1, "origin": "api", "applied_by": "admin:alice",
        "applied_at": EARLIER, "file": "/etc/signet/policy.toml", "problem": "policy.toml: line 3: effect is missing",
    })
}

fn step() -> Value {
    json!({
        "number": 1, "revision": REVISION, "origin": "api", "applied_by": "admin:alice", "applied_at": EARLIER, "text": TEXT,
    })
}

const REVISION: &str = "0123456789abcdef";
const TEXT: &str = "[[rule]]\nid = \"sensors-deliver\"\neffect = \"permit\"\ndescription = \"Sensors deliver\"\n\
                    principal = { groups_any = [\"sensors\"] }\nactions = [\"telemetry:write\"]\nresource = \"*\"\n";
