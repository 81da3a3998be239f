//! Accounts, API keys, approvals and device codes: `/v1/admin/{accounts,apikeys,approvals,device-codes}`, `/v1/apikeys`.

use serde_json::{Value, json};
use signet_api::ErrorCode::*;
use signet_api::access::*;
use signet_api::admin::Page;
use signet_api::approvals::{ApprovalDecision, ApprovalInfo, ApprovalQuery};
use signet_api::device_codes::{DeviceCodeDecision, DeviceCodeInfo, SettledDeviceCode};
use signet_api::scope::Scope::*;

use crate::document::Document;
use crate::samples::*;
use crate::schema::Direction;
use crate::texts;

pub(crate) fn describe(document: &mut Document) {
    accounts(document);
    keys(document);
    import(document);
    own_keys(document);
    approvals(document);
    device_codes(document);
}

fn accounts(document: &mut Document) {
    let operation = document.get("/v1/admin/accounts", "listAccounts", "People and programs, by id");
    operation
        .with(AccountsRead)
        .query::<AccountQuery>(json!({ "status": "active", "after": "acme", "limit": 100 }))
        .answers::<Page<AccountInfo>>(json!({ "items": [account()], "damaged": [damaged()], "next": "acme" }))
        .done();
    let operation = document.post("/v1/admin/accounts", "createAccount", "A further account");
    operation
        .about("Nobody gives what he may not do himself. An id is not used again.")
        .with(AccountsWrite)
        .takes::<CreateAccount>(
            json!({ "id": "acme", "kind": "program", "name": "Acme's collector", "permissions": "role:auditor" }),
        )
        .answers::<AccountInfo>(account())
        .refuses(&[InvalidArgument, Conflict])
        .done();
    let path = "/v1/admin/accounts/{id}";
    let operation = document.get(path, "showAccount", "An account with its devices");
    operation.with(AccountsRead).in_path("id", texts::device_id(), "acme").answers::<AccountInfo>(account()).done();
    let operation = document.post(path, "changeAccount", "Suspends, resumes, renames, or says what it may do");
    operation
        .about("To give and to resume, the caller may do at least what the account may.")
        .with(AccountsWrite)
        .in_path("id", texts::device_id(), "acme")
        .takes_like::<ChangeAccount>(
            json!({ "action": "suspend", "name": "Acme", "permissions": "devices:read" }),
            json!({ "action": "suspend" }),
        )
        .answers::<AccountInfo>(account())
        .refuses(&[InvalidArgument, Conflict])
        .done();
}

fn keys(document: &mut Document) {
    let created = created(document);
    let operation = document.get("/v1/admin/apikeys", "listApiKeys", "API keys, without their secrets, by id");
    operation
        .with(AccountsRead)
        .query::<CredentialQuery>(query())
        .answers::<Page<ApiKeyInfo>>(json!({ "items": [key()], "damaged": [damaged()], "next": TOKEN_ID }))
        .done();
    let operation = document.post("/v1/admin/apikeys", "createApiKey", "A key of an account, a device or a service");
    operation
        .about("Exactly one of `account` and `device`. The answer is the only place where the secret is ever shown.")
        .with(AccountsWrite)
        .takes_like::<CreateApiKey>(
            json!({
                "account": "acme", "device": "sensor-1", "name": "nightly", "scopes": "devices:read", "lifetime": 86_400,
                "cidr": "10.20.0.0/16",
            }),
            json!({ "account": "acme", "name": "nightly", "scopes": "devices:read" }),
        )
        .answers_as(200, "The key.", "application/json", created.clone())
        .refuses(&[InvalidArgument, Conflict])
        .done();
    let path = "/v1/admin/apikeys/{id}";
    let operation = document.get(path, "showApiKey", "One key, without its secret");
    operation.with(AccountsRead).in_path("id", texts::credential_id(), TOKEN_ID).answers::<ApiKeyInfo>(key()).done();
    let info = json!({ "$ref": "#/components/schemas/ApiKeyInfo" });
    let operation = document.post(path, "changeApiKey", "Enables, disables, rotates, revokes or changes a key");
    operation
        .about("A rotation answers with the new key and its secret. What makes a key do more needs its permissions.")
        .with(AccountsWrite)
        .in_path("id", texts::credential_id(), TOKEN_ID)
        .takes_like::<ChangeApiKey>(
            json!({
                "action": "rotate", "overlap": 3600, "name": "nightly", "scopes": "devices:read", "cidr": "10.20.0.0/16",
                "reason": "key-compromise", "dry_run": true,
            }),
            json!({ "action": "rotate", "overlap": 3600 }),
        )
        .answers_as(200, "The key.", "application/json", json!({ "anyOf": [created, info] }))
        .refuses(&[InvalidArgument, Conflict])
        .done();
}

fn import(document: &mut Document) {
    let wanted = json!({ "key": "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "name": "old collector" });
    let operation = document.post("/v1/admin/apikeys/import", "importApiKeys", "Keys that another system made");
    operation
        .about("All of them or none; of those that are known already nothing is changed.")
        .with(AccountsWrite)
        .takes::<ImportApiKeys>(json!({
            "account": "acme", "scopes": "devices:read", "lifetime": 86_400, "skip_known": true, "keys": [wanted],
        }))
        .answers::<ImportedApiKeys>(json!({ "keys": [key()], "known": [2] }))
        .refuses(&[InvalidArgument, Conflict])
        .done();
}

fn own_keys(document: &mut Document) {
    let created = created(document);
    let operation = document.get("/v1/apikeys", "ownApiKeys", "The caller's own keys, without their secrets");
    operation
        .by_anyone()
        .query::<CredentialQuery>(query())
        .answers::<Page<ApiKeyInfo>>(json!({ "items": [key()], "damaged": [damaged()], "next": TOKEN_ID }))
        .done();
    let operation =
        document.post("/v1/apikeys/rotate", "rotateOwnApiKey", "A new key in place of the one that is shown");
    operation
        .about("The key that is shown goes on for a while, so that an answer may be lost.")
        .by_anyone()
        .takes::<RotateApiKey>(json!({ "overlap": 3600 }))
        .or_nothing()
        .answers_as(200, "The new key.", "application/json", created)
        .refuses(&[InvalidArgument, NotFound, Conflict])
        .done();
}

fn approvals(document: &mut Document) {
    let operation = document.get("/v1/admin/approvals", "listApprovals", "What waits for a second administrator");
    operation
        .with(AuditRead)
        .query::<ApprovalQuery>(json!({ "all": true }))
        .answers::<Vec<ApprovalInfo>>(json!([approval()]))
        .done();
    let path = "/v1/admin/approvals/{id}";
    let id = || json!({ "type": "string", "maxLength": 15, "pattern": "^ap-[0-9a-z]{12}$" });
    let operation = document.get(path, "showApproval", "One request that waits or waited");
    operation.with(AuditRead).in_path("id", id(), APPROVAL).answers::<ApprovalInfo>(approval()).done();
    let operation = document.post(path, "decideApproval", "Approves or denies it");
    operation
        .about("With an administrator's certificate, and not by who asked; to deny is to take it back there.")
        .with(RequestsApprove)
        .in_path("id", id(), APPROVAL)
        .takes::<ApprovalDecision>(json!({ "action": "approve", "digest": SHA256, "reason": "as planned" }))
        .answers::<ApprovalInfo>(approval())
        .refuses(&[InvalidArgument, Conflict])
        .done();
}

fn device_codes(document: &mut Document) {
    let operation = document.get("/v1/admin/device-codes", "listDeviceCodes", "Devices that wait to be let in");
    let waiting = json!({
        "user_code": CODE, "client": "sensor", "spki": SHA256, "address": "10.20.0.9", "asked_at": EARLIER,
        "expires_at": LATER,
    });
    operation.with(EnrollmentsApprove).answers::<Vec<DeviceCodeInfo>>(json!([waiting])).done();
    let code = json!({ "type": "string", "maxLength": 64 });
    let operation = document.post("/v1/admin/device-codes/{code}", "decideDeviceCode", "Lets a device in, or not");
    operation
        .about("To approve needs `tokens:write` besides; the device gets an enrollment token.")
        .with(EnrollmentsApprove)
        .in_path("code", code, CODE)
        .takes_like::<DeviceCodeDecision>(
            json!({
                "action": "approve", "device": "sensor-1", "profile": "device", "groups": ["line-4"],
                "permissions": "role:auditor", "replace": false,
            }),
            json!({ "action": "approve", "device": "sensor-1", "groups": ["line-4"] }),
        )
        .answers::<SettledDeviceCode>(json!({ "device": "sensor-1", "token": TOKEN_ID }))
        .refuses(&[InvalidArgument, Conflict, ApprovalNeeded, ApprovalDenied])
        .done();
}

/// [`CreatedApiKey`], which has the key's description among its own fields.
fn created(document: &mut Document) -> Value {
    let info = document.schemas.of::<ApiKeyInfo>(Direction::Answer, &key());
    let replaced = json!({ "id": TOKEN_ID, "expires_at": LATER });
    let replaced = document.schemas.of::<ReplacedApiKey>(Direction::Answer, &replaced);
    let secret = json!({ "type": "string", "description": "Shown here and nowhere else." });
    let own = json!({
        "type": "object", "required": ["key"], "properties": { "key": secret, "replaces": replaced },
    });
    json!({ "allOf": [info, own] })
}

fn account() -> Value {
    json!({
        "id": "acme", "kind": "program", "name": "Acme's collector", "status": "active", "permissions": "role:auditor",
        "scopes": "devices:read", "created_at": EARLIER, "created_by": "admin:alice", "devices": ["sensor-1"],
    })
}

fn key() -> Value {
    json!({
        "id": TOKEN_ID, "account": "acme", "device": "sensor-1", "name": "nightly", "scopes": "devices:read",
        "status": "active", "cidr": "10.20.0.0/16", "created_at": EARLIER, "created_by": "admin:alice", "expires_at": LATER,
        "last_used_at": EARLIER, "successor": TOKEN_ID, "legacy": false, "revocation": crate::admin::report(),
    })
}

fn query() -> Value {
    json!({
        "kind": "sgk", "account": "acme", "device": "sensor-1", "status": "active", "legacy": false, "survived": true,
        "after": TOKEN_ID, "limit": 100,
    })
}

fn approval() -> Value {
    json!({
        "id": APPROVAL, "guarded": "policy", "summary": "Apply the policy 0123456789abcdef", "path": "/v1/admin/policy",
        "body": { "text": "…" }, "digest": SHA256, "status": "approved", "requested_by": "admin:alice",
        "requested_at": EARLIER, "expires_at": LATER, "decided_by": "admin:bob", "decided_at": EARLIER,
        "reason": "as planned",
    })
}

const APPROVAL: &str = "ap-0123456789bc";
const CODE: &str = "WDJB-MJHT";
