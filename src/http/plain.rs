//! `:8080`: revocation lists and CA certificates over plain HTTP, because verifiers fetch them before they trust anything.
//! There is no route to anything else.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Response};
use axum::routing::get;
use signet_api::ErrorCode;

use super::App;
use super::documents::send;
use super::refusal::Refusal;
use crate::revocation::Document;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/crl/{file}", get(list))
        .route("/crl/{issuer}/{file}", get(shard))
        .route("/ca/{file}", get(certificate))
        .route("/ca/bundles/{sequence}", get(super::trust::step))
}

async fn list(
    State(service): State<App>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    match file.as_str() {
        "root.crl" => return Ok(send(&service.documents.load().root_crl, &headers)),
        "root.pem" => return Ok(send(&service.documents.load().root_crl_pem, &headers)),
        "all.pem" => return all(&service, &headers),
        _ => {}
    }
    let absent = || Refusal::new(ErrorCode::NotFound, "no such list");
    let (id, form) = file.split_once('.').ok_or_else(absent)?;
    let list = service.publisher.of(id).ok_or_else(absent)?.current().ok_or_else(unpublished)?;
    let found = match form {
        "crl" => &list.der,
        "pem" => list.pem(),
        _ => return Err(absent()),
    };
    Ok(numbered(found, list.number, &headers))
}

/// The lists of every CA of the chain.
pub(super) fn all(service: &App, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    let (document, number) = service.publisher.all_pem().ok_or_else(unpublished)?;
    Ok(numbered(&document, number, headers))
}

/// The list of a shard: the same certificates as long as there is one of them.
async fn shard(
    State(service): State<App>,
    Path((issuer, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let absent = || Refusal::new(ErrorCode::NotFound, "no such list");
    let publisher = service.publisher.of(&issuer).ok_or_else(absent)?;
    let (number, form) = file.split_once('.').ok_or_else(absent)?;
    // One spelling each: `7.crl`, not `07.crl`.
    let number = number.parse::<u16>().ok().filter(|n| n.to_string() == number).ok_or_else(absent)?;
    let list = publisher.shard(number).ok_or_else(absent)?;
    let found = match form {
        "crl" => &list.der,
        "pem" => list.pem(),
        _ => return Err(absent()),
    };
    Ok(numbered(found, list.number, &headers))
}

async fn certificate(
    State(service): State<App>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let documents = service.documents.load();
    let found = match file.as_str() {
        "root.cer" => &documents.root_cer,
        "root.pem" => &documents.root_pem,
        // Its certificates prove themselves to whoever knows the root.
        "bundle.pem" => &documents.bundle_pem,
        name => documents.issuer(name).ok_or_else(|| Refusal::new(ErrorCode::NotFound, "no such certificate"))?,
    };
    Ok(send(found, &headers))
}

fn unpublished() -> Refusal {
    Refusal::new(ErrorCode::StoreUnavailable, "no list has been published yet")
}

/// A list with its number in a header, so that a mirror can tell the newer one without parsing.
fn numbered(document: &Document, number: u64, request: &HeaderMap) -> Response<Body> {
    let mut response = send(document, request);
    response.headers_mut().insert("crl-number", HeaderValue::from(number));
    response
}
