//! `/v1/trust/*`: what verifiers configure. Public, and the same for everyone.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use axum::routing::get;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};
use signet_pki::ca::IssuerCert;

use super::App;
use super::documents::send;
use super::plain::{numbered, published};
use super::refusal::Refusal;
use crate::revocation::Document;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/trust/roots.pem", get(roots))
        .route("/v1/trust/bundle.pem", get(bundle))
        .route("/v1/trust/crl.pem", get(lists))
        .route("/v1/trust/spiffe-bundle.json", get(spiffe))
}

async fn roots(State(service): State<App>, headers: HeaderMap) -> Response<Body> {
    send(&service.documents.root_pem, &headers)
}

async fn bundle(State(service): State<App>, headers: HeaderMap) -> Response<Body> {
    send(&service.documents.bundle_pem, &headers)
}

/// The lists of every CA of the chain.
async fn lists(State(service): State<App>, headers: HeaderMap) -> Result<Response<Body>, Refusal> {
    let published = published(&service)?;
    Ok(numbered(service.publisher.all_pem(&published), &published, &headers))
}

/// SPIFFE Trust Domain and Bundle 4: a JWK set whose keys are the roots.
async fn spiffe(State(service): State<App>, headers: HeaderMap) -> Response<Body> {
    let root = service.publisher.root();
    let sequence = service.publisher.current().map_or(0, |p| p.number);
    let bundle = json!({
        "keys": [jwk(root)],
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
