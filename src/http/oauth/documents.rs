//! The set of keys (RFC 7517 5) and the description of the service (RFC 8414).

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use signet_api::ErrorCode;
use signet_api::device_codes::DEVICE_CODE_GRANT;
use signet_api::oauth::{Aliases, Metadata};
use signet_api::scope::Scope;

use crate::http::App;
use crate::http::refusal::Refusal;

/// Verifiers may keep the set for 300 s; a further key is in it far longer before it signs (`oauth.key_delay_seconds`).
pub(super) async fn jwks(State(service): State<App>) -> Result<Response<Body>, Refusal> {
    let keys = service.oauth.authorizer.tokens.keys();
    if keys.is_empty() {
        return Err(Refusal::new(ErrorCode::NoTokenKeys, "no key signs access tokens"));
    }
    document(&keys.set(service.clock.now()))
}

pub(super) async fn metadata(State(service): State<App>) -> Result<Response<Body>, Refusal> {
    let issuer = service.oauth.authorizer.tokens.issuer().to_owned();
    let at = |path: &str| format!("{issuer}{path}");
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    // The certificate is one of our own issuing and found by its record: neither PKI nor self-signed mode in the words of
    // RFC 8705 2, but the same on the wire.
    let methods = ["tls_client_auth", "client_secret_basic"];
    document(&Metadata {
        token_endpoint: at("/v1/oauth/token"),
        device_authorization_endpoint: at("/v1/oauth/device_authorization"),
        jwks_uri: at("/.well-known/jwks.json"),
        introspection_endpoint: at("/v1/oauth/introspect"),
        revocation_endpoint: at("/v1/oauth/revoke"),
        response_types_supported: Vec::new(),
        grant_types_supported: texts(&["client_credentials", "refresh_token", DEVICE_CODE_GRANT]),
        token_endpoint_auth_methods_supported: texts(&methods),
        introspection_endpoint_auth_methods_supported: texts(&methods),
        revocation_endpoint_auth_methods_supported: texts(&["tls_client_auth", "client_secret_basic", "none"]),
        scopes_supported: Scope::ALL
            .iter()
            .map(|scope| scope.as_str().to_owned())
            .chain(["offline_access".into()])
            .collect(),
        tls_client_certificate_bound_access_tokens: true,
        mtls_endpoint_aliases: Aliases { token_endpoint: at("/v1/oauth/token") },
        issuer,
    })
}

fn document<T: serde::Serialize>(value: &T) -> Result<Response<Body>, Refusal> {
    let body = serde_json::to_vec(value).map_err(|e| Refusal::new(ErrorCode::Internal, e.to_string()))?;
    let mut response = (StatusCode::OK, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
