//! `127.0.0.1:9090`: metrics and health, for the host itself.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use super::App;
use crate::revocation::{Lists, Standing};
use crate::store::StoreError;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/metrics", get(metrics)).route("/healthz", get(healthy)).route("/readyz", get(ready))
}

/// The process runs and answers.
async fn healthy() -> &'static str {
    "ok\n"
}

/// Whether certificates can be issued: a write works, the clock is right, a list is published, the responder can answer.
async fn ready(State(service): State<App>) -> impl IntoResponse {
    let mut failing = Vec::new();
    match service.store.health().await {
        Ok(()) => {}
        Err(StoreError::Displaced(reason)) => failing.push(format!("database: {reason}")),
        Err(error) => failing.push(format!("store: {error}")),
    }
    match service.road.issuers.active() {
        None => failing.push("issuer: none is active".to_owned()),
        Some(issuer) => {
            if let Err(error) = issuer.check_clock(service.clock.now()) {
                failing.push(format!("clock: {error}"));
            }
        }
    }
    let publisher = &service.publisher;
    let full = publisher.full();
    let lists: Vec<_> = full.iter().flatten().cloned().chain(publisher.all_shards().map(|(_, list)| list)).collect();
    let now = service.clock.now();
    if full.is_none() || lists.len() <= publisher.shard_count() {
        failing.push("crl: none published yet".to_owned());
    } else if publisher.standing() == Standing::Behind {
        failing.push("crl: behind the revocations".to_owned());
    } else if lists.iter().any(|list| now > list.next_update) {
        failing.push("crl: expired".to_owned());
    }
    if let Some(responders) = &service.ocsp {
        match responders.first_end() {
            None => failing.push("ocsp: the responder has no certificate yet".to_owned()),
            Some(end) if service.clock.now() >= end => {
                failing.push("ocsp: the responder's certificate ended".to_owned())
            }
            Some(_) => {}
        }
    }
    if failing.is_empty() {
        let alarms = match service.store.alarm_counts().await {
            Ok(counts) if counts.open > 0 => format!("alarms: {} open, see 'ca alarm list'\n", counts.open),
            _ => String::new(),
        };
        return (StatusCode::OK, "ready\n".to_owned() + &notes(publisher) + &alarms);
    }
    (StatusCode::SERVICE_UNAVAILABLE, failing.join("\n") + "\n")
}

/// What is not as it should be and keeps no certificate and no list from anybody.
fn notes(publisher: &Lists) -> String {
    let mut notes = String::new();
    if publisher.standing() == Standing::FullFollows {
        notes += "crl: the full list follows the lists of the shards\n";
    }
    if let Some(failure) = publisher.directory().and_then(|directory| directory.failure()) {
        notes += &format!("publication.directory: {failure}\n");
    }
    notes
}

async fn metrics(State(service): State<App>) -> impl IntoResponse {
    let archive = service.archive.as_ref().map(|archive| archive.status().health());
    let (counters, watchers) = (service.store.counters(), service.hub.watchers());
    if let Ok(counts) = service.store.alarm_counts().await {
        service.metrics.alarms_are(counts);
    }
    service.metrics.database_displaced(service.store.displaced().is_some());
    let text = service.metrics.render(&service.publisher, counters, archive, &watchers, service.clock.now());
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
}
