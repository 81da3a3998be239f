//! `:8080`: revocation lists and CA certificates over plain HTTP, because verifiers fetch them before they trust anything.
//! There is no route to anything else.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Response};
use axum::routing::get;
use signet_api::ErrorCode;

use super::App;
use super::documents::send;
use super::refusal::Refusal;
use crate::revocation::{Document, Published};

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
        "root.crl" => return Ok(send(&service.documents.root_crl, &headers)),
        "root.pem" => return Ok(send(&service.documents.root_crl_pem, &headers)),
        _ => {}
    }
    let publisher = &service.publisher;
    let issuer = publisher.issuer().short_id();
    let published = published(&service)?;
    let found = match file.as_str() {
        "all.pem" => publisher.all_pem(&published),
        name if name == format!("{issuer}.crl") => &published.der,
        name if name == format!("{issuer}.pem") => published.pem(),
        _ => return Err(Refusal::new(ErrorCode::NotFound, "no such list")),
    };
    Ok(numbered(found, &published, &headers))
}

/// The list of a shard: the same certificates as long as there is one of them.
async fn shard(
    State(service): State<App>,
    Path((issuer, file)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let known = issuer == service.publisher.issuer().short_id();
    let parts = file.split_once('.').filter(|_| known);
    // One spelling each: `7.crl`, not `07.crl`.
    let number = parts.and_then(|(number, _)| number.parse::<u16>().ok().filter(|n| n.to_string() == number));
    let list = number.and_then(|number| service.publisher.shard(number));
    let found = match (&list, parts) {
        (Some(list), Some((_, "crl"))) => &list.der,
        (Some(list), Some((_, "pem"))) => list.pem(),
        _ => return Err(Refusal::new(ErrorCode::NotFound, "no such list")),
    };
    let list = list.as_deref().ok_or_else(|| Refusal::new(ErrorCode::NotFound, "no such list"))?;
    Ok(numbered(found, list, &headers))
}

async fn certificate(
    State(service): State<App>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let documents = &service.documents;
    let id = service.publisher.issuer().short_id();
    let found = match file.as_str() {
        "root.cer" => &documents.root_cer,
        "root.pem" => &documents.root_pem,
        // Its certificates prove themselves to whoever knows the root.
        "bundle.pem" => &documents.bundle_pem,
        name if name == format!("{id}.cer") => &documents.issuer_cer,
        name if name == format!("{id}.pem") => &documents.issuer_pem,
        _ => return Err(Refusal::new(ErrorCode::NotFound, "no such certificate")),
    };
    Ok(send(found, &headers))
}

pub(super) fn published(service: &App) -> Result<Arc<Published>, Refusal> {
    service
        .publisher
        .current()
        .ok_or_else(|| Refusal::new(ErrorCode::StoreUnavailable, "no list has been published yet"))
}

/// A list with its number in a header, so that a mirror can tell the newer one without parsing.
pub(super) fn numbered(document: &Document, list: &Published, request: &HeaderMap) -> Response<Body> {
    let mut response = send(document, request);
    response.headers_mut().insert("crl-number", HeaderValue::from(list.number));
    response
}
