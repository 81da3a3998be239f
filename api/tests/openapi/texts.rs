//! What the types of the fields do not say: how texts look and how long they may be. The rules are enforced where the service
//! reads them; `src/credentials/order.rs` has most.

use serde_json::{Value, json};

use crate::trace::Shape;

/// What is added to the schema of a field: of `Type.field` first, else of every text, number or list of this name.
pub(crate) fn rule(owner: &str, field: &str, shape: &Shape) -> Value {
    let fits = |rule: &Value| match shape {
        Shape::List(_) => rule.get("items").is_some(),
        Shape::Text | Shape::Integer(..) => rule.get("items").is_none(),
        _ => false,
    };
    own(owner, field)
        .or_else(|| of_others(owner, field))
        .or_else(|| Some(common(field)).filter(fits))
        .unwrap_or_default()
}

fn own(owner: &str, field: &str) -> Option<Value> {
    match (owner, field) {
        ("CreateTokens", "lifetime") => Some(json!({ "minimum": 300, "maximum": 7_776_000 })),
        ("CreateTokens", "targets") => Some(json!({ "minItems": 1, "maxItems": 10_000 })),
        ("TokenTarget", "dns_names") => Some(json!({ "maxItems": 16, "items": dns_name() })),
        ("IssueRequest", "dns_names") => Some(json!({ "items": dns_name() })),
        ("TokenInfo" | "CreatedToken" | "ApiKeyInfo" | "ReplacedApiKey" | "WebhookInfo" | "SessionInfo", "id") => {
            Some(credential_id())
        }
        ("DeviceChange", "token") => Some(credential_id()),
        ("DeviceInfo" | "WhoAmI" | "CreateAccount" | "AccountInfo" | "ServiceInfo", "id") => Some(device_id()),
        ("IssuerInfo", "id") => Some(issuer_id()),
        ("HardwareFacts", "other") => {
            let names = json!({ "maxLength": 64 });
            Some(json!({ "maxProperties": 16, "propertyNames": names, "additionalProperties": { "maxLength": 256 } }))
        }
        ("HardwareFacts", "manufacturer" | "model" | "firmware") => Some(json!({ "maxLength": 256 })),
        ("PolicyCandidate", "at") => Some(json!({ "maxLength": 64, "format": "date-time" })),
        // Without escapes the address stays within what a request's head may have.
        ("EventQuery", "ticket" | "key") => Some(json!({ "maxLength": 128, "pattern": "^[A-Za-z0-9_-]*$" })),
        ("EventQuery", "kinds") => Some(json!({ "maxLength": 128, "pattern": "^[a-z.,]*$" })),
        ("EventQuery", "token") => Some(json!({ "maxLength": 8192, "pattern": "^[A-Za-z0-9._-]*$" })),
        ("CredentialQuery", "kind" | "status" | "after") => Some(json!({ "maxLength": 64 })),
        ("CloseAlarm", "reason") => Some(json!({ "minLength": 1, "maxLength": 200 })),
        ("IssuerChange", "reason") => Some(json!({ "maxLength": 200 })),
        ("RecoverRequest", "certificate") => Some(json!({ "maxLength": 32_768 })),
        ("RecoverRequest", "signature") => Some(json!({ "maxLength": 1024, "contentEncoding": "base64" })),
        ("DeviceQuery", "search" | "group" | "status" | "after") => Some(json!({ "maxLength": 1000 })),
        ("TokenQuery", "status" | "batch" | "after") => Some(json!({ "maxLength": 1000 })),
        ("AuditQuery", "subject" | "kind" | "actor") | ("AlarmQuery", "subject") => Some(json!({ "maxLength": 1000 })),
        ("RevokeReport", "certificates" | "raised") => Some(json!({ "items": serial() })),
        ("Descendant", "id") => Some(json!({ "maxLength": 64, "pattern": "^[0-9a-z]+$" })),
        ("RevokeReport" | "RevokedTokens", "tokens") => Some(json!({ "items": credential_id() })),
        // An empty one: nobody's.
        ("DeviceChange", "account") => {
            Some(json!({ "maxLength": 63, "pattern": "^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$" }))
        }
        // A policy has at most a mebioctet: `limits::TEXT_BYTES` of the policy crate.
        ("PolicyOrder" | "PolicyCandidate", "text") => Some(json!({ "maxLength": 1_048_576 })),
        ("PolicyOrder", "instead_of") => Some(revision()),
        ("RevokeRequest", "session") => Some(credential_id()),
        ("RevokeRequest", "batch") => Some(json!({ "maxLength": 1000 })),
        ("SubjectName", "certificate") => Some(json!({ "maxLength": 32_768 })),
        // As people and proxies write them.
        ("SubjectName", "serial") => Some(json!({ "maxLength": 130, "pattern": "^(0[xX])?[0-9A-Fa-f: ]+$" })),
        ("SubjectName", "issuer") => Some(json!({ "minLength": 16, "maxLength": 191, "pattern": "^[0-9A-Fa-f:]+$" })),
        ("SubjectName", "fingerprint") => {
            Some(json!({ "minLength": 64, "maxLength": 95, "pattern": "^[0-9A-Fa-f:]+$" }))
        }
        ("SubjectName", "spiffe") => Some(json!({ "maxLength": 512, "pattern": "^spiffe://" })),
        ("CheckRequest" | "Check" | "ProxyQuery", "action") => {
            Some(json!({ "minLength": 1, "maxLength": 64, "pattern": "^[!-~]+$" }))
        }
        ("CheckRequest" | "Check" | "ProxyQuery", "resource") => {
            Some(json!({ "minLength": 3, "maxLength": 8192, "pattern": "^[a-z0-9-]+:[!-~]+$" }))
        }
        ("CheckRequest" | "Check" | "PolicyCandidate", "source") => Some(json!({ "maxLength": 45 })),
        ("CheckRequest", "checks") => Some(json!({ "maxItems": 100 })),
        ("CreateTicket" | "Ticket", "scopes") => Some(json!({ "maxLength": 2048 })),
        ("Problem", "type") => Some(json!({ "pattern": "^urn:signet:problem:[a-z_]+$" })),
        ("Problem", "status") => Some(json!({ "minimum": 400, "maximum": 599 })),
        _ => None,
    }
}

/// Of accounts, keys, services, webhooks and hooks.
fn of_others(owner: &str, field: &str) -> Option<Value> {
    match (owner, field) {
        // What people call accounts and keys: `credentials::apikeys::check_name`.
        ("CreateAccount" | "ChangeAccount" | "CreateApiKey" | "ChangeApiKey" | "ImportedKey", "name") => {
            Some(json!({ "maxLength": 128, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$" }))
        }
        ("AccountQuery", "status" | "after") => Some(json!({ "maxLength": 64 })),
        ("CreateApiKey" | "ImportApiKeys", "lifetime") => Some(json!({ "minimum": 3600, "maximum": 31_536_000 })),
        ("RotateApiKey" | "ChangeApiKey", "overlap") => Some(json!({ "minimum": 0, "maximum": 2_592_000 })),
        ("ImportApiKeys", "keys") => Some(json!({ "minItems": 1, "maxItems": 1000 })),
        ("ImportedKey", "key") => Some(json!({ "minLength": 32, "maxLength": 36, "pattern": "^[0-9A-Fa-f-]+$" })),
        ("ApprovalDecision", "digest") => Some(sha256()),
        ("ApprovalDecision" | "HookRequest", "reason") => Some(json!({ "maxLength": 200 })),
        ("HookRequest", "hardware_serial") => Some(json!({ "maxLength": 256 })),
        ("RegisterService", "chain") => Some(json!({ "maxLength": 16_384 })),
        ("RegisterService", "dns_names") => Some(json!({ "minItems": 1, "maxItems": 32, "items": dns_name() })),
        ("RegisterService", "ports") => {
            Some(json!({ "minItems": 1, "maxItems": 16, "uniqueItems": true, "items": { "minimum": 1 } }))
        }
        ("RegisterService", "resources") => {
            Some(json!({ "minItems": 1, "maxItems": 64, "uniqueItems": true, "items": { "maxLength": 1024 } }))
        }
        ("RegisterService", "address") => Some(json!({ "maxLength": 45 })),
        ("RegisterService", "proof") => Some(json!({ "maxLength": 1400, "contentEncoding": "base64" })),
        ("ProbeRequest", "dns_name") => Some(dns_name()),
        ("CreateWebhook", "url") => Some(json!({ "maxLength": 2000, "pattern": "^https://[!-~]+$" })),
        ("RotateSecret", "overlap") => Some(json!({ "minimum": 0, "maximum": 604_800 })),
        ("DeadQuery", "after") => Some(json!({ "maxLength": 20 })),
        ("DeadQuery" | "DeadOrder", "webhook") => Some(credential_id()),
        _ => None,
    }
}

fn common(field: &str) -> Value {
    match field {
        "device" | "account" => device_id(),
        "accounts" | "devices" => json!({ "items": device_id() }),
        "profile" => json!({ "maxLength": 63 }),
        "groups" => json!({ "maxItems": 32, "items": device_id() }),
        "batch" => device_id(),
        "cidr" => json!({ "maxLength": 49 }),
        "scopes" | "permissions" => json!({ "maxLength": 2048, "pattern": "^([a-z:]+( [a-z:]+)*)?$" }),
        "credential" => credential_id(),
        "credentials" => json!({ "items": credential_id() }),
        // 16 KiB of DER: `Limits::CSR` of pki.
        "csr" => json!({ "maxLength": 24_576 }),
        "serial" => serial(),
        "serial_number" => json!({ "minLength": 1, "maxLength": 128, "pattern": "^[ -~]+$" }),
        "spki" | "claimed_spki" | "sha256" | "root_fingerprint" | "file_sha256" | "leaf_hash" | "last_hash" => sha256(),
        "limit" => json!({ "minimum": 1, "maximum": 1000, "default": 100 }),
        "request_id" => json!({ "maxLength": 64 }),
        "not_before" | "not_after" | "renew_after" | "created_at" | "expires_at" | "issued_at" | "revoked_at"
        | "redeemed_at" | "at" | "since" | "this_update" | "next_update" | "created" | "last_not_after" => {
            json!({ "format": "date-time" })
        }
        _ => json!({}),
    }
}

/// One DNS label: ids of devices, services and administrators; groups and batches look the same.
pub(crate) fn device_id() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$" })
}

pub(crate) fn dns_name() -> Value {
    json!({ "type": "string", "maxLength": 253, "format": "hostname", "pattern": "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$" })
}

/// Of a policy.
pub(crate) fn revision() -> Value {
    json!({ "type": "string", "minLength": 16, "maxLength": 16, "pattern": "^[0-9a-f]{16}$" })
}

/// Crockford's base32.
pub(crate) fn credential_id() -> Value {
    json!({ "type": "string", "minLength": 10, "maxLength": 10, "pattern": "^[0-9a-hjkmnp-tv-z]{10}$" })
}

pub(crate) fn issuer_id() -> Value {
    json!({ "type": "string", "minLength": 16, "maxLength": 16, "pattern": "^[0-9a-f]{16}$" })
}

pub(crate) fn serial() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 40, "pattern": "^[0-9a-f]+$" })
}

pub(crate) fn sha256() -> Value {
    json!({ "type": "string", "minLength": 64, "maxLength": 64, "pattern": "^[0-9a-f]{64}$" })
}
