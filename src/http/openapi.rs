//! `/v1/openapi.json`: what this API is, for people and for programs. Public, as it is in the sources; `api/tests/openapi` makes it.

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;

use super::App;
use super::documents::send;
use crate::revocation::Document;

pub(super) fn routes() -> Router<App> {
    let document = Document::json(TEXT.to_owned());
    Router::new().route("/v1/openapi.json", get(async move |headers: HeaderMap| send(&document, &headers)))
}

const TEXT: &str = include_str!("../../api/openapi.json");
