//! `/v1/trust/*`: what verifiers configure. Public, and the same for everyone.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Response, header};
use axum::routing::get;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};
use signet_api::ErrorCode;
use signet_pki::ca::IssuerCert;

use super::App;
use super::documents::send;
use super::plain::all;
use super::refusal::Refusal;
use crate::revocation::Document;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/trust/roots.pem", get(roots))
        .route("/v1/trust/bundle.pem", get(bundle))
        .route("/v1/trust/crl.pem", get(lists))
        .route("/v1/trust/bundles/{sequence}", get(step))
        .route("/v1/trust/spiffe-bundle.json", get(spiffe))
}

async fn roots(State(service): State<App>, headers: HeaderMap) -> Response<Body> {
    send(&service.documents.load().roots_pem, &headers)
}

async fn bundle(State(service): State<App>, headers: HeaderMap) -> Response<Body> {
    send(&service.documents.load().bundle_pem, &headers)
}

/// The lists of every CA of the chain.
async fn lists(State(service): State<App>, headers: HeaderMap) -> Result<Response<Body>, Refusal> {
    all(&service, &headers)
}

/// A trust bundle, by its sequence or as `latest`. Whoever follows checks it by what it trusts already, so the same is on
/// the plain listener.
pub(super) async fn step(
    State(service): State<App>,
    Path(sequence): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let absent = || Refusal::new(ErrorCode::NotFound, "no such trust bundle");
    if sequence == "latest" {
        let newest = service.trust.newest().and_then(|bundle| service.trust.document(bundle.sequence()));
        return Ok(send(newest.ok_or_else(absent)?, &headers));
    }
    let number = sequence.parse().ok().filter(|n: &u64| n.to_string() == sequence);
    let found = number.and_then(|n| service.trust.document(n)).ok_or_else(absent)?;
    let mut response = send(found, &headers);
    // RFC 8246: it never changes.
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, forever);
    Ok(response)
}

/// SPIFFE Trust Domain and Bundle 4: a JWK set whose keys are the roots.
async fn spiffe(State(service): State<App>, headers: HeaderMap) -> Response<Body> {
    let root = service.publisher.root();
    let others = service.trust.roots().iter().filter(|other| other.der() != root.der());
    let sequence = service.publisher.current().map_or(0, |p| p.number);
    let bundle = json!({
        "keys": std::iter::once(root).chain(others).map(jwk).collect::<Vec<_>>(),
        "spiffe_sequence": sequence,
        "spiffe_refresh_hint": 300,
    });
    send(&Document::json(bundle.to_string()), &headers)
}

/// RFC 7517 with RFC 7518 6.2: an EC key, its coordinates being the halves of the uncompressed point.
fn jwk(root: &IssuerCert) -> Value {
    let bits = root.public_key().key_bits();
    let (x, y) = bits[1..].split_at((bits.len() - 1) / 2);
    let curve = if x.len() == 32 { "P-256" } else { "P-384" };
    json!({
        "use": "x509-svid",
        "kty": "EC",
        "crv": curve,
        "x": BASE64URL_NOPAD.encode(x),
        "y": BASE64URL_NOPAD.encode(y),
        "x5c": [BASE64.encode(root.der())],
    })
}
