//! What the service does by itself, by the clock: lists, its own certificate, retention.

mod policy_file;
mod root_lists;

use std::sync::Arc;
use std::time::Duration;

use signet_pki::UnixTime;

pub use policy_file::{PolicyWatch, read as read_policy};
pub use root_lists::RootWatch;

use crate::anchor::AnchorError;
use crate::app::own_context;
use crate::archive::Worked;
use crate::http::tls::TlsState;
use crate::http::{Service, Shutdown};
use crate::server_identity::{self, ServerIdentity};
use crate::store::{Prune, Pruned, StoreError};

/// How often the schedule looks at the clock.
const TICK: Duration = Duration::from_secs(5);
/// How often a publication directory that cannot be written is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// For which a closed alarm is kept.
const ALARM_DAYS: i64 = 400;
/// Rows of a kind to one transaction of the retention: about a millisecond, so that no request waits for it.
const PRUNE_ROWS: u32 = 200;
/// Seconds between two times at which it is written when credentials were used.
const NOTE_INTERVAL: i64 = 60;
/// Seconds after its end that a stream ticket is kept.
const TICKETS_KEPT: i64 = 600;
/// Seconds between two looks at what the retention no longer keeps.
const PRUNE_INTERVAL: i64 = 600;
/// An expired certificate leaves the list after it stood on one issued later than its end (RFC 5280 3.3); two intervals
/// make sure of it.
const INTERVALS_AFTER_EXPIRY: i64 = 2;
const DAY: i64 = 86_400;

pub(crate) async fn run(
    service: Arc<Service>,
    mut identity: ServerIdentity,
    tls: Arc<TlsState>,
    (mut root, mut policy): (RootWatch, PolicyWatch),
    mut stop: Shutdown,
) {
    let mut tick = tokio::time::interval(TICK);
    let mut pruned_at = service.clock.now();
    let mut noted_at = pruned_at;
    let anchor = service.config.anchor();
    let mut marked = None;
    let (mut changes, mut moved) = (service.road.issuers.changes(), service.road.issuers.changes());
    // What happened between the first TLS configuration and here.
    changes.mark_changed();
    loop {
        tokio::select! {
            // The last minute as well.
            () = stop.wait() => return note_uses(&service).await,
            _ = tick.tick() => {}
            () = service.authorizer.list_wanted.notified() => service.publisher.ask(),
            _ = moved.changed() => {}
        }
        // However a revocation came into the store, and whatever became of the request that brought it.
        service.publisher.ask_where_new().await;
        let now = service.clock.now();
        if service.publisher.is_due(now) {
            service.revocation.keep_up(&own_context(&service)).await;
        }
        root.look(&service).await;
        policy.look(&service).await;
        // Whatever became of the request that moved an issuer.
        if let Err(error) = service.follow_issuers().await {
            tracing::error!(%error, "the stages of the issuers could not be read; it will be tried again");
        }
        if changes.has_changed().unwrap_or(false) {
            changes.borrow_and_update();
            match identity.tls_config(&service) {
                Ok(config) => tls.swap(config),
                Err(error) => tracing::error!(%error, "TLS goes on with the CAs of before"),
            }
        }
        if identity.is_due(&service, now) {
            match server_identity::renew(&service, &mut identity).await {
                Ok(config) => tls.swap(config),
                Err(error) => tracing::error!(%error, "the service's own certificate could not be renewed"),
            }
        }
        renew_responder(&service).await;
        match anchor.advance(service.store.as_ref(), &mut marked).await {
            // Said once, when it was found.
            Ok(()) | Err(AnchorError::Store(StoreError::Displaced(_))) => {}
            Err(error) => tracing::error!(%error, "the rollback guard could not be moved; it will be tried again"),
        }
        if now.since(noted_at) >= NOTE_INTERVAL {
            noted_at = now;
            note_uses(&service).await;
            prune_tickets(&service, now).await;
        }
        if now.since(pruned_at) >= PRUNE_INTERVAL {
            pruned_at = now;
            tokio::select! {
                () = stop.wait() => return,
                outcome = apply_retention(&service, now) => report(outcome),
            }
        }
    }
}

/// Keeps the publication directory as the listener for lists is, until the service stops.
pub(crate) async fn run_directory(service: Arc<Service>, mut stop: Shutdown) {
    let Some(directory) = service.publisher.directory() else { return };
    let mut retry = tokio::time::interval(RETRY);
    loop {
        tokio::select! {
            () = stop.wait() => return,
            () = directory.woken() => {}
            _ = retry.tick() => if directory.failure().is_none() { continue },
        }
        let service = service.clone();
        let write = move || service.publisher.directory().map(|directory| directory.write(&service.publisher));
        if let Err(error) = tokio::task::spawn_blocking(write).await {
            tracing::error!(%error, "the publication directory was not written");
        }
    }
}

/// Takes old entries of the audit log into files. Beside the schedule, because compressing a segment takes a second.
pub(crate) async fn archive(service: Arc<Service>, mut stop: Shutdown) {
    let Some(archive) = &service.archive else { return };
    let mut tick = tokio::time::interval(TICK);
    let mut worked_at = None;
    loop {
        tokio::select! {
            () = stop.wait() => return,
            _ = tick.tick() => {}
        }
        let now = service.clock.now();
        if worked_at.is_some_and(|at| now.since(at) < PRUNE_INTERVAL) {
            continue;
        }
        worked_at = Some(now);
        let context = own_context(&service);
        let outcome = tokio::select! {
            () = stop.wait() => return,
            outcome = archive.work(now, &context.request_id) => outcome,
        };
        match outcome {
            Ok(Worked { segments: 0, removed: 0 }) => {}
            Ok(Worked { segments, removed }) => tracing::info!(segments, removed, "audit log archived"),
            Err(error) => tracing::error!(%error, "the audit log could not be archived; it will be tried again"),
        }
    }
}

/// Makes the responder's certificate when it is due; when that fails, the present one goes on and it is tried again.
pub async fn renew_responder(service: &Service) {
    for responder in service.ocsp.iter().flat_map(|responders| responders.all()) {
        // One that is distrusted certifies nothing any more; its responder goes on until its certificate is over.
        if service.road.issuers.is_distrusted(responder.issuer().certificate().key_identifier()) {
            continue;
        }
        if let Err(error) = responder.renew_when_due(own_context(service)).await {
            tracing::error!(%error, "the OCSP responder's certificate could not be made; it will be tried again");
        }
    }
}

/// Takes away what is no longer kept, a little at a time.
pub async fn apply_retention(service: &Service, now: UnixTime) -> Result<Pruned, StoreError> {
    let retention = service.config.raw.retention;
    let order = Prune {
        certificates_before: now.minus(i64::from(retention.certificate_days) * DAY),
        revocations_before: now.minus(service.publisher.interval() * INTERVALS_AFTER_EXPIRY),
        tokens_before: now.minus(i64::from(retention.token_days) * DAY),
        alarms_before: now.minus(ALARM_DAYS * DAY),
        limit: PRUNE_ROWS,
    };
    let mut total = Pruned::default();
    loop {
        let step = service.store.prune(order).await?;
        total.certificates += step.certificates;
        total.revocations += step.revocations;
        total.tokens += step.tokens;
        let full = u64::from(PRUNE_ROWS);
        let sessions = service.store.prune_oauth(now, order.tokens_before, PRUNE_ROWS).await?;
        if [step.certificates, step.revocations, step.tokens, sessions].iter().all(|rows| *rows < full) {
            break;
        }
        // Requests that came meanwhile go first.
        tokio::task::yield_now().await;
    }
    if total.revocations > 0 {
        service.publisher.start_over().await;
    }
    Ok(total)
}

fn report(outcome: Result<Pruned, StoreError>) {
    match outcome {
        Ok(total) if total == Pruned::default() => {}
        Ok(Pruned { certificates, revocations, tokens }) => {
            tracing::info!(certificates, revocations, tokens, "retention applied");
        }
        Err(error) => tracing::error!(%error, "the retention could not be applied; it will be tried again"),
    }
}

/// What cannot be written is lost: it is for people to look at, and nothing is decided on it.
pub async fn note_uses(service: &Service) {
    let uses = service.authorizer.uses.take();
    if !uses.is_empty()
        && let Err(error) = service.store.note_credentials_used(uses).await
    {
        tracing::warn!(%error, "when credentials were used could not be noted");
    }
}

/// Also used ones; for some minutes after its end one that comes again is told what became of it.
async fn prune_tickets(service: &Service, now: UnixTime) {
    let before = now.minus(TICKETS_KEPT);
    loop {
        match service.store.prune_tickets(before, PRUNE_ROWS).await {
            Ok(removed) if removed == u64::from(PRUNE_ROWS) => tokio::task::yield_now().await,
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%error, "tickets could not be removed; it will be tried again");
                return;
            }
        }
    }
}
