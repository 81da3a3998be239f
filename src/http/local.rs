//! `127.0.0.1:9090`: metrics and health, for the host itself.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use super::App;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/metrics", get(metrics)).route("/healthz", get(healthy)).route("/readyz", get(ready))
}

/// The process runs and answers.
async fn healthy() -> &'static str {
    "ok\n"
}

/// Whether certificates can be issued: a write works, the clock is right, a list is published.
async fn ready(State(service): State<App>) -> impl IntoResponse {
    let mut failing = Vec::new();
    if let Err(error) = service.store.health().await {
        failing.push(format!("store: {error}"));
    }
    if let Err(error) = service.road.issuer.check_clock(service.clock.now()) {
        failing.push(format!("clock: {error}"));
    }
    match service.publisher.current() {
        None => failing.push("crl: none published yet".to_owned()),
        Some(_) if service.publisher.is_behind() => failing.push("crl: behind the revocations".to_owned()),
        Some(list) if service.clock.now() > list.next_update => failing.push("crl: expired".to_owned()),
        Some(_) => {}
    }
    if failing.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, failing.join("\n") + "\n")
}

async fn metrics(State(service): State<App>) -> impl IntoResponse {
    let list = service.publisher.current();
    let (counters, watchers) = (service.store.counters(), service.hub.watchers());
    let text = service.metrics.render(list.as_deref(), counters, &watchers, service.clock.now());
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}
