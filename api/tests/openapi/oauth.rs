//! `/v1/oauth/*`, what tells clients about them, and the administrators' view of it.

use serde_json::{Value, json};
use signet_api::ErrorCode::*;
use signet_api::access::CredentialQuery;
use signet_api::admin::Page;
use signet_api::device_codes::{DEVICE_CODE_GRANT, DeviceAuthorization, DeviceToken};
use signet_api::jwt::Jwks;
use signet_api::oauth::{Introspection, Metadata, RevokedSession, SessionInfo, TokenKeys, TokenResponse};
use signet_api::scope::Scope;

use crate::document::{Document, Operation};
use crate::samples::{EARLIER, LATER, TOKEN_ID, damaged};
use crate::schema::Direction;
use crate::texts;

pub(crate) fn describe(document: &mut Document) {
    tokens(document);
    device(document);
    documents(document);
    administration(document);
}

fn tokens(document: &mut Document) {
    let tokens = document.schemas.of::<TokenResponse>(
        Direction::Answer,
        &json!({
            "access_token": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.…", "token_type": "Bearer", "expires_in": 3600,
            "scope": "devices:read", "refresh_token": "sgr_7q2m8kx41d_…",
        }),
    );
    let enrollment = document.schemas.of::<DeviceToken>(
        Direction::Answer,
        &json!({
            "access_token": "sge_7q2m8kx41d_…", "token_type": "Bearer", "expires_in": 900, "scope": "enroll",
            "device": "sensor-1", "enrollment_endpoint": "https://ca.example:8443/v1/enroll",
        }),
    );
    let operation = document.post("/v1/oauth/token", "token", "An access token (RFC 6749 3.2)");
    let grants = json!({ "type": "string", "enum": ["client_credentials", "refresh_token", DEVICE_CODE_GRANT] });
    let fields = json!({
        "grant_type": grants, "scope": text(2048), "resource": text(512), "audience": text(512), "client_id": text(128),
        "refresh_token": text(128), "device_code": text(128),
    });
    let operation = operation
        .about(
            "By a certificate (RFC 8705), an API key, or both; the key also as the password of HTTP Basic, with its id as the \
             name. `offline_access` among the scopes opens a session, for who shows a certificate. A refresh token needs the \
             certificate of the key that it is bound to. A device code gets an enrollment token when an administrator has let \
             the device in (RFC 8628 3.4).",
        )
        .by_client()
        .or_nobody();
    form(operation, fields, &["grant_type"], "grant_type=client_credentials&scope=devices%3Aread")
        .answers_as(200, "The token.", "application/json", json!({ "anyOf": [tokens, enrollment] }))
        .refuses(&[InvalidScope, InvalidGrant, InvalidTarget, UnsupportedGrant])
        .refuses(&[AuthorizationPending, SlowDown, AccessDenied, ExpiredToken])
        .refuses(&[Conflict, NoTokenKeys, SignerUnavailable])
        .done();

    let operation = document.post("/v1/oauth/introspect", "introspect", "Whether a token is good (RFC 7662)");
    let token = json!({ "token": text(8192), "token_type_hint": text(64) });
    let operation = operation.about("For its owner, and for who may `tokens:introspect`.").by_client().or_token();
    form(operation, token.clone(), &["token"], "token=sgr_7q2m8kx41d_…")
        .answers::<Introspection>(json!({
            "active": true, "token_type": "Bearer", "scope": "devices:read", "client_id": "sensor-1",
            "sub": "device:sensor-1", "aud": "https://ca.example:8443", "iss": "https://ca.example:8443", "jti": "Ap9uEyGY2u5w3uM4",
            "iat": 1_767_600_000, "exp": 1_767_603_600, "groups": ["line-4"],
            "cnf": { "x5t#S256": "iUT8I1s4rfjQ53u7Ec4J23J4b8y8SB-LRkbCmFqkEUU" }, "sid": TOKEN_ID,
        }))
        .refuses(&[Forbidden])
        .done();

    let operation = document.post("/v1/oauth/revoke", "endToken", "End a token (RFC 7009)");
    let operation = operation
        .about("Whoever has it may; of one that is not good nothing is said.")
        .by_client()
        .or_token()
        .or_nobody();
    form(operation, token, &["token"], "token=sgr_7q2m8kx41d_…")
        .answers_nothing(200, "It is not good any more.")
        .done();
}

fn device(document: &mut Document) {
    let path = "/v1/oauth/device_authorization";
    let operation =
        document.post(path, "authorizeDevice", "A device that has no token asks to be let in (RFC 8628 3.1)");
    let fields = json!({ "client_id": text(512), "scope": text(64), "spki": texts::sha256() });
    let operation = operation.about(
        "Needs no credential. The person at the device tells an administrator the user code. `spki` binds what comes of it to a \
         public key.",
    );
    form(operation, fields, &["client_id"], "client_id=sensor&scope=enroll")
        .answers::<DeviceAuthorization>(json!({
            "device_code": "…", "user_code": "WDJB-MJHT", "verification_uri": "https://ca.example:8443/device",
            "expires_in": 900, "interval": 5,
        }))
        .refuses(&[InvalidScope, TooManyRequests])
        .done();
    let page = json!({ "type": "string" });
    let operation = document.get("/device", "devicePage", "What the person at a device does with its user code");
    operation.answers_as(200, "For people to read.", "text/plain", page).done();
}

fn documents(document: &mut Document) {
    let key = json!({
        "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "use": "sig", "alg": "ES256",
        "kid": "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
    });
    let operation = document.get("/.well-known/jwks.json", "jwks", "The keys that sign access tokens (RFC 7517)");
    operation.answers::<Jwks>(json!({ "keys": [key] })).refuses(&[NoTokenKeys]).done();

    let path = "/.well-known/oauth-authorization-server";
    let operation = document.get(path, "oauthMetadata", "Where the endpoints of OAuth are (RFC 8414)");
    let at = |path: &str| format!("https://ca.example:8443{path}");
    operation
        .answers::<Metadata>(json!({
            "issuer": at(""), "token_endpoint": at("/v1/oauth/token"),
            "device_authorization_endpoint": at("/v1/oauth/device_authorization"), "jwks_uri": at("/.well-known/jwks.json"),
            "introspection_endpoint": at("/v1/oauth/introspect"), "revocation_endpoint": at("/v1/oauth/revoke"),
            "response_types_supported": ["none"], "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["tls_client_auth"],
            "introspection_endpoint_auth_methods_supported": ["tls_client_auth"],
            "revocation_endpoint_auth_methods_supported": ["none"], "scopes_supported": ["devices:read"],
            "tls_client_certificate_bound_access_tokens": true,
            "mtls_endpoint_aliases": { "token_endpoint": at("/v1/oauth/token") },
        }))
        .done();
}

fn administration(document: &mut Document) {
    let operation = document.get("/v1/admin/oauth/keys", "listTokenKeys", "The keys that sign access tokens");
    let key = json!({
        "kid": "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U", "stage": "signing", "published_at": EARLIER, "signs_from": EARLIER,
        "signs_until": LATER, "verifies_until": LATER,
    });
    operation.with(Scope::IssuersRead).answers::<TokenKeys>(json!({ "keys": [key] })).done();

    let operation = document.get("/v1/admin/oauth/sessions", "listSessions", "Who holds refresh tokens");
    let session = json!({
        "id": TOKEN_ID, "account": "acme", "device": "sensor-1", "scopes": "devices:read", "bound": true, "refreshed_at": EARLIER,
        "idle_until": LATER, "ends_at": LATER,
    });
    operation
        .with(Scope::AccountsRead)
        .query::<CredentialQuery>(json!({
            "kind": "sgr", "account": "acme", "device": "sensor-1", "status": "active", "legacy": false, "survived": true,
            "after": TOKEN_ID, "limit": 100,
        }))
        .answers::<Page<SessionInfo>>(json!({ "items": [session], "damaged": [damaged()], "next": TOKEN_ID }))
        .done();

    let operation = document.post("/v1/admin/oauth/sessions/{id}/revoke", "revokeSession", "End a session");
    operation
        .with(Scope::RevocationsWrite)
        .in_path("id", texts::credential_id(), TOKEN_ID)
        .answers::<RevokedSession>(json!({ "revoked": [TOKEN_ID] }))
        .done();
}

fn text(length: u32) -> Value {
    json!({ "type": "string", "maxLength": length })
}

fn form<'a>(operation: Operation<'a>, fields: Value, required: &[&str], example: &str) -> Operation<'a> {
    let schema = json!({ "type": "object", "properties": fields, "required": required });
    operation
        .takes_as("application/x-www-form-urlencoded", json!({ "schema": schema, "example": example }))
        .refuses(&[BodyTooLarge, UnsupportedMedia])
        .in_words_of_oauth()
}
