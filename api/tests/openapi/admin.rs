//! `/v1/admin/*`.

use serde_json::{Value, json};
use signet_api::ErrorCode::*;
use signet_api::admin::*;
use signet_api::enroll::IssuedCertificate;
use signet_api::events::EventsInfo;
use signet_api::scope::Scope::*;

use crate::document::{Document, ISSUING};
use crate::samples::*;
use crate::texts;

pub(crate) fn describe(document: &mut Document) {
    tokens(document);
    devices(document);
    revocations(document);
    audit(document);
    issuers(document);
    watch(document);
}

fn tokens(document: &mut Document) {
    let operation = document.get("/v1/admin/tokens", "listTokens", "Enrollment tokens, newest first");
    operation
        .with(TokensRead)
        .query::<TokenQuery>(
            json!({ "status": "active", "batch": "spring", "device": "sensor-1", "after": "7q2m8kx41d", "limit": 100 }),
        )
        .answers::<Page<TokenInfo>>(json!({ "items": [token()], "damaged": [damaged()], "next": TOKEN_ID }))
        .refuses(&[InvalidArgument])
        .done();
    let target = json!({ "device": "sensor-1", "serial_number": "SN-0001", "spki": SHA256, "dns_names": ["sensor-1.acme.example"] });
    let order = json!({
        "kind": "batch", "profile": "device", "groups": ["line-4"], "lifetime": 86_400, "batch": "spring",
        "cidr": "10.20.0.0/16", "approval": false, "replace": false, "permissions": "role:auditor",
        "targets": [target],
    });
    let example = json!({ "kind": "interactive", "profile": "device", "groups": ["line-4"], "targets": [{ "device": "sensor-1" }] });
    let secret = format!("sge_{TOKEN_ID}_0123456789abcdefghjkmnpqrs0000000");
    let made = json!({
        "id": TOKEN_ID, "device": "sensor-1", "token": secret, "expires_at": LATER,
        "link": format!("https://ca.example:8443/e#t={secret}&fp={SHA256}"),
    });
    let operation = document.post("/v1/admin/tokens", "createTokens", "One enrollment token for each target");
    operation
        .about(
            "The answer is the only place where the secrets are ever shown. The profile `admin` needs `accounts:write` besides.",
        )
        .with(TokensWrite)
        .takes_like::<CreateTokens>(order, example)
        .answers::<CreatedTokens>(json!({ "batch": "spring", "root_fingerprint": SHA256, "tokens": [made] }))
        .refuses(&[InvalidArgument, Conflict, ApprovalNeeded, ApprovalDenied])
        .done();
    let operation = document.get("/v1/admin/tokens/{id}", "showToken", "One token, without its secret");
    operation.with(TokensRead).in_path("id", texts::credential_id(), TOKEN_ID).answers::<TokenInfo>(token()).done();
    let ended = || json!({ "tokens": [TOKEN_ID] });
    let operation = document.post("/v1/admin/tokens/{id}/revoke", "revokeToken", "The token cannot be used any more");
    operation
        .with(TokensWrite)
        .in_path("id", texts::credential_id(), TOKEN_ID)
        .answers::<RevokedTokens>(ended())
        .done();
    let operation =
        document.post("/v1/admin/batches/{batch}/revoke", "revokeBatch", "Revokes the unused tokens of a batch");
    operation.with(TokensWrite).in_path("batch", texts::device_id(), "spring").answers::<RevokedTokens>(ended()).done();
}

fn devices(document: &mut Document) {
    let query = json!({ "search": "sensor", "group": "line-4", "status": "active", "kind": "device", "expiring": 86_400, "after": "sensor-1", "limit": 100 });
    let operation = document.get("/v1/admin/devices", "listDevices", "Devices, services and administrators");
    operation
        .with(DevicesRead)
        .query::<DeviceQuery>(query)
        .answers::<Page<DeviceInfo>>(json!({ "items": [device()], "damaged": [damaged()], "next": "sensor-1" }))
        .refuses(&[InvalidArgument])
        .done();
    let operation = document.get("/v1/admin/devices/{id}", "showDevice", "A device with its certificates and tokens");
    operation
        .with(DevicesRead)
        .in_path("id", texts::device_id(), "sensor-1")
        .answers::<DeviceDetail>(
            json!({ "device": device(), "certificates": [certificate()], "tokens": [token()], "damaged": [damaged()] }),
        )
        .done();
    let change = json!({ "action": "suspend", "groups": ["line-4"], "profile": "device", "recoveries": 2, "account": "acme", "permissions": "role:auditor events:read", "generation": 3, "token": TOKEN_ID, "spki": SHA256 });
    let operation = document.post(
        "/v1/admin/devices/{id}",
        "changeDevice",
        "Suspends, resumes, retires, approves, denies or changes a device",
    );
    operation
        .with(DevicesRead)
        .in_path("id", texts::device_id(), "sensor-1")
        .takes_like::<DeviceChange>(change, json!({ "groups": ["line-4", "night"] }))
        .about(
            "Approving and denying needs `enrollments:approve` besides, suspending and retiring `revocations:write` or \
             `devices:write`, the owner and the permissions `accounts:write`, anything else `devices:write`.",
        )
        .answers::<DeviceInfo>(device())
        .refuses(&[InvalidArgument, Conflict, ApprovalNeeded, ApprovalDenied])
        .done();
    let operation = document.get("/v1/admin/certificates/{serial}", "showCertificate", "One certificate");
    operation
        .with(DevicesRead)
        .in_path("serial", texts::serial(), SERIAL)
        .answers::<CertificateInfo>(certificate())
        .done();
    let order = json!({
        "device": "sensor-2", "csr": CSR, "profile": "device", "groups": ["line-4"], "dns_names": ["sensor-2.acme.example"],
        "lifetime": 3600, "replace": false,
    });
    let issued = json!({
        "device": "sensor-2", "spiffe_id": "spiffe://acme.example/device/sensor-2", "profile": "device", "serial": SERIAL,
        "certificate": CERTIFICATE, "chain": CERTIFICATE, "not_before": EARLIER, "not_after": LATER, "renew_after": LATER,
    });
    let operation =
        document.post("/v1/admin/issue", "issue", "A certificate without a token, on the administrator's word");
    operation
        .with(CertificatesIssue)
        .takes_like::<IssueRequest>(order, json!({ "device": "sensor-2", "csr": CSR, "profile": "device" }))
        .answers::<IssuedCertificate>(issued)
        .refuses(ISSUING)
        .done();
}

fn revocations(document: &mut Document) {
    let order = json!({ "device": "sensor-1", "serial": SERIAL, "batch": "spring", "account": "acme", "session": TOKEN_ID, "reason": "key-compromise", "dry_run": true });
    let report = report();
    let operation = document.post("/v1/admin/revocations", "revoke", "Revokes a device, a certificate or a batch");
    operation
        .about("Exactly one of `device`, `serial`, `batch`, `account` and `session`. A compromise ends what descends from the target as well; with any other reason the answer names what lives on.")
        .with(RevocationsWrite)
        .takes_like::<RevokeRequest>(
            order,
            json!({ "device": "sensor-1", "reason": "key-compromise", "dry_run": true }),
        )
        .answers::<RevokeReport>(report)
        .refuses(&[InvalidArgument, NotFound, Conflict, ApprovalNeeded, ApprovalDenied])
        .done();
}

pub(crate) fn report() -> Value {
    json!({
        "dry_run": true, "devices": ["sensor-1"], "certificates": [SERIAL], "tokens": [TOKEN_ID], "accounts": ["acme"],
        "credentials": [TOKEN_ID], "raised": [SERIAL], "affected": ["sensor-2"], "blocked_keys": 1,
        "living": [{ "kind": "certificate", "id": SERIAL, "device": "sensor-1" }], "living_more": 1,
        "crl_number": 1_767_600_000_000_u64,
    })
}

fn audit(document: &mut Document) {
    let operation = document.get("/v1/admin/audit", "readAudit", "Entries of the audit log");
    operation
        .with(AuditRead)
        .query::<AuditQuery>(
            json!({ "after": 17, "limit": 100, "subject": "sensor-1", "kind": "alarm.", "actor": "admin:alice" }),
        )
        .answers::<Page<AuditEntry>>(json!({ "items": [entry()], "damaged": [damaged()], "next": "18" }))
        .done();
    let verdict =
        json!({ "entries": 18, "archived": 1, "anchor": SHA256, "intact": false, "broken_at": 19, "head": SHA256 });
    let operation =
        document.get("/v1/admin/audit/verify", "verifyAudit", "Whether every entry follows from the one before it");
    operation.with(AuditRead).answers::<AuditVerdict>(verdict).done();
    let segment = json!({
        "file": "audit-1-1000.jsonl.gz", "first": 1, "last": 1000, "last_hash": SHA256, "root": SHA256, "file_sha256": SHA256, "at": EARLIER,
    });
    let archive = json!({ "directory": "/srv/archive", "problem": "no space left on device", "overdue_seconds": 0, "segments": [segment], "next": "1000" });
    let operation =
        document.get("/v1/admin/audit/archive", "auditArchive", "Entries that stand in files of the archive");
    operation
        .with(AuditRead)
        .query::<AuditArchiveQuery>(json!({ "after": 17, "limit": 100 }))
        .answers::<AuditArchive>(archive)
        .done();
    let refusal = json!({
        "at": EARLIER, "method": "POST", "path": "/v1/enroll", "remote": "10.20.0.9", "status": 401, "code": "token_invalid",
        "told": "The token is not valid here.", "cause": "unknown token id or wrong secret",
    });
    let id = json!({ "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^req-[0-9a-z]+$" });
    let operation =
        document.get("/v1/admin/why/{request_id}", "why", "The cause of a refusal that its caller was not told");
    operation
        .with(AuditRead)
        .in_path("request_id", id, REQUEST_ID)
        .answers::<WhyReport>(json!({ "request_id": REQUEST_ID, "refusal": refusal, "entries": [entry()] }))
        .done();
}

fn issuers(document: &mut Document) {
    let issuer = json!({
        "id": ISSUER_ID, "subject": "CN=Acme Issuing CA", "key": "P-256", "not_after": LATER, "active": true, "serial": SERIAL,
        "stage": "active", "since": EARLIER, "live": 3, "last_not_after": LATER, "crl_bytes": 400, "removable": false,
        "waits_for": "Its revocation list is not published yet.", "responder": { "not_after": LATER },
    });
    let operation =
        document.get("/v1/admin/issuers", "listIssuers", "The issuers, their stages, and what depends on them");
    operation.with(IssuersRead).answers::<Vec<IssuerInfo>>(json!([issuer])).refuses(&[NotFound]).done();
    let operation = document.post("/v1/admin/issuers/{id}", "stepIssuer", "Activates, retires or distrusts an issuer");
    operation
        .with(IssuersWrite)
        .in_path("id", texts::issuer_id(), ISSUER_ID)
        .takes_like::<IssuerChange>(
            json!({ "action": "activate", "force": true, "reason": "the old key is slow" }),
            json!({ "action": "activate" }),
        )
        .answers::<Vec<IssuerInfo>>(json!([issuer]))
        .refuses(&[InvalidArgument, Conflict, ApprovalNeeded, ApprovalDenied])
        .done();
}

fn watch(document: &mut Document) {
    let list = json!({
        "issuer": "CN=Acme Issuing CA", "number": 1_767_600_000_000_u64, "this_update": EARLIER, "next_update": LATER, "entries": 2, "bytes": 500,
        "sha256": SHA256,
    });
    let operation = document.get("/v1/admin/crl", "publishedLists", "The revocation lists that are published");
    operation.with(IssuersRead).answers::<Vec<CrlInfo>>(json!([list])).done();
    let root = json!({ "subject": "CN=Acme Root CA", "sha256": SHA256, "not_after": LATER });
    let bundle = json!({ "sequence": 1, "created": EARLIER, "sha256": SHA256, "roots": [root], "issuers": 1 });
    let operation =
        document.get("/v1/admin/trust/bundles", "trustBundles", "The trust bundles, and how many devices hold which");
    operation
        .with(IssuersRead)
        .answers::<TrustBundles>(json!({ "bundles": [bundle], "holders": [{ "sequence": 1, "devices": 40 }] }))
        .done();
    let operation =
        document.get("/v1/admin/events", "eventsInfo", "Who follows the events, and which revocations took too long");
    operation
        .with(AuditRead)
        .answers::<EventsInfo>(json!({
            "position": 18,
            "subscribers": [{ "identity": "service:api", "streams": 1, "acknowledged": 17, "lag": 1 }],
            "budget_ms": 1000,
            "stages": [{ "stage": "crl", "over_budget": 0 }],
            "last_over_budget": { "stage": "crl", "took_ms": 1200, "seconds_ago": 60 },
            "query_secrets": false, "guards": ["issuers"], "approvers": 2,
        }))
        .done();
}

fn token() -> Value {
    json!({
        "id": TOKEN_ID, "kind": "batch", "status": "redeemed", "device": "sensor-1", "profile": "device", "groups": ["line-4"],
        "batch": "spring", "serial_number": "SN-0001", "spki": SHA256, "cidr": "10.20.0.0/16", "approval": false,
        "created_at": EARLIER, "created_by": "admin:alice", "expires_at": LATER, "redeemed_at": EARLIER, "redeemed_serial": SERIAL, "claimed_spki": SHA256,
    })
}

fn device() -> Value {
    json!({
        "id": "sensor-1", "kind": "device", "status": "active", "profile": "device", "groups": ["line-4"],
        "dns_names": ["sensor-1.acme.example"], "serial_number": "SN-0001", "created_at": EARLIER, "recoveries": 2, "account": "acme", "permissions": "events:read",
        "certificate": certificate(),
    })
}

fn certificate() -> Value {
    json!({
        "serial": SERIAL, "device": "sensor-1", "profile": "device", "status": "revoked", "generation": 1, "spki": SHA256,
        "not_before": EARLIER, "not_after": LATER, "issued_at": EARLIER, "revoked_at": LATER, "reason": "key-compromise", "review": false,
    })
}

fn entry() -> Value {
    json!({
        "sequence": 18, "at": EARLIER, "kind": "device.changed", "actor": "admin:alice", "subject": "sensor-1",
        "detail": { "groups": ["line-4"] }, "canonical": "{}", "leaf_hash": SHA256,
    })
}
