//! `:8080`: revocation lists and CA certificates over plain HTTP, because verifiers fetch them before they trust anything.
//! There is no route to anything else.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use signet_api::ErrorCode;
use signet_pki::pem::{self, Label};

use super::App;
use super::refusal::Refusal;
use crate::revocation::{Document, Published};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/crl/{file}", get(list)).route("/ca/{file}", get(certificate))
}

async fn list(
    State(service): State<App>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let publisher = &service.publisher;
    let issuer = publisher.issuer().short_id();
    let root_crl = || publisher.root_crl().to_vec();
    if file == "root.crl" {
        return Ok(document(&Document::new(root_crl(), "application/pkix-crl"), &headers, None));
    }
    if file == "root.pem" {
        let text = pem::encode(Label::Crl, &root_crl()).into_bytes();
        return Ok(document(&Document::new(text, "application/x-pem-file"), &headers, None));
    }
    let published = published(&service)?;
    let found = match file.as_str() {
        "all.pem" => &published.all,
        name if name == format!("{issuer}.crl") => &published.der,
        name if name == format!("{issuer}.pem") => &published.pem,
        _ => return Err(Refusal::new(ErrorCode::NotFound, "no such list")),
    };
    Ok(document(found, &headers, Some(&published)))
}

async fn certificate(
    State(service): State<App>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let (root, issuer) = (service.publisher.root(), service.publisher.issuer());
    let id = issuer.short_id();
    let der = |c: &signet_pki::ca::IssuerCert| Document::new(c.der().to_vec(), "application/pkix-cert");
    let text = |c: &signet_pki::ca::IssuerCert| {
        Document::new(pem::encode(Label::Certificate, c.der()).into_bytes(), "application/x-pem-file")
    };
    let found = match file.as_str() {
        "root.cer" => der(root),
        "root.pem" => text(root),
        name if name == format!("{id}.cer") => der(issuer),
        name if name == format!("{id}.pem") => text(issuer),
        _ => return Err(Refusal::new(ErrorCode::NotFound, "no such certificate")),
    };
    Ok(document(&found, &headers, None))
}

pub(super) fn published(service: &App) -> Result<Arc<Published>, Refusal> {
    service
        .publisher
        .current()
        .ok_or_else(|| Refusal::new(ErrorCode::StoreUnavailable, "no list has been published yet"))
}

/// Bytes with validators. A list is fresh for a minute: that is how long a cache may delay a revocation.
pub(super) fn document(document: &Document, request: &HeaderMap, list: Option<&Published>) -> Response<Body> {
    let unchanged = request.get(header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == document.etag.as_bytes());
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(document.bytes.clone()))
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(document.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    if let Ok(etag) = HeaderValue::from_str(&document.etag) {
        headers.insert(header::ETAG, etag);
    }
    if let Some(number) = list.map(|l| HeaderValue::from(l.number)) {
        headers.insert("crl-number", number);
    }
    response
}
