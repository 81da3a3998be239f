//! Looking: audit, refusals, lists.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use signet_api::admin::{AuditArchive, AuditArchiveQuery, AuditQuery, AuditVerdict, CrlInfo, DeviceQuery, WhyReport};
use signet_api::events::{EventsInfo, OverBudget, StageInfo, SubscriberInfo};
use signet_api::scope::Scope;
use signet_pki::name::PrincipalKind;

use super::{Asked, not_found, views};
use crate::archive::{Health, probe};
use crate::audit::{self, GENESIS, hex};
use crate::http::App;
use crate::http::refusal::Refusal;
use crate::http::request::answer;
use crate::latency::Stage;
use crate::store::{DeviceRow, PrincipalStatus};

pub(super) async fn audit(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::AuditRead).await?;
    answer(&service.store.audit_page(asked.query::<AuditQuery>()?).await?.map(views::audit))
}

/// Walks the chain from what was archived to its end, a page at a time.
pub(super) async fn verify(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::AuditRead).await?;
    let archived = service.store.last_audit_segment().await?;
    let (anchor, archived) = archived.map_or((GENESIS, 0), |segment| (segment.last_hash, segment.name.last));
    let (mut previous, mut sequence) = (anchor, archived);
    let verdict = |entries: u64, head: &[u8; 32], broken_at: Option<u64>| AuditVerdict {
        entries,
        archived,
        anchor: hex(&anchor),
        intact: broken_at.is_none(),
        broken_at,
        head: hex(head),
    };
    loop {
        let query = AuditQuery { after: Some(sequence), limit: Some(1000), ..AuditQuery::default() };
        let page = service.store.audit_page(query).await?;
        if page.items.is_empty() {
            let broken = page.damaged.first().map(|_| sequence + 1);
            return answer(&verdict(sequence, &previous, broken));
        }
        for row in page.items {
            if !audit::follows(&previous, sequence + 1, &row.canonical, &row.leaf_hash) {
                return answer(&verdict(sequence, &previous, Some(sequence + 1)));
            }
            (previous, sequence) = (row.leaf_hash, sequence + 1);
        }
    }
}

pub(super) async fn archive(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::AuditRead).await?;
    let query = asked.query::<AuditArchiveQuery>()?;
    let limit = query.limit.unwrap_or(100).clamp(1, 1000);
    let segments = service.store.audit_segments(query.after.unwrap_or(0), limit).await?;
    let more = segments.len() == limit as usize;
    let next = segments.last().filter(|_| more).map(|segment| segment.name.last.to_string());
    let directory = service.archive.as_ref().map(|archive| archive.directory());
    let health = service.archive.as_ref().map_or_else(Health::default, |archive| archive.status().health());
    let closed = || directory.and_then(|directory| probe(directory).err()).map(|error| error.to_string());
    answer(&AuditArchive {
        directory: directory.map(|directory| directory.display().to_string()),
        overdue_seconds: health.overdue(service.clock.now()),
        problem: health.problem.or_else(closed),
        segments: segments.into_iter().map(views::segment).collect(),
        next,
    })
}

pub(super) async fn why(
    State(service): State<App>,
    Path(request_id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::AuditRead).await?;
    let refusal = service.refusals.find(&request_id);
    let entries = service.store.audit_of_request(&request_id).await?;
    if refusal.is_none() && entries.is_empty() {
        return Err(not_found("request in memory or audit; refusals are remembered until the service restarts"));
    }
    answer(&WhyReport { request_id, refusal, entries: entries.into_iter().map(views::audit).collect() })
}

pub(super) async fn crl(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::IssuersRead).await?;
    let lists = service.publisher.publishers().iter().filter_map(|publisher| {
        let list = publisher.current()?;
        Some(CrlInfo {
            issuer: publisher.issuer().view().subject_text.clone(),
            number: list.number,
            this_update: list.this_update.to_string(),
            next_update: list.next_update.to_string(),
            entries: list.entries,
            bytes: list.der.bytes.len() as u64,
            sha256: list.der.sha256().to_string(),
        })
    });
    answer(&lists.collect::<Vec<_>>())
}

/// Who follows the events, and how long revocations take.
pub(super) async fn events(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::AuditRead).await?;
    let latency = &service.latency;
    let milliseconds = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let subscribers = service.hub.watchers().into_iter().map(|watcher| SubscriberInfo {
        identity: watcher.identity,
        streams: watcher.streams as u64,
        acknowledged: watcher.acknowledged,
        lag: watcher.lag.map(|lag| lag as u64),
    });
    let stages =
        Stage::ALL.map(|stage| StageInfo { stage: stage.as_str().to_owned(), over_budget: latency.over_budget(stage) });
    answer(&EventsInfo {
        position: service.hub.position(),
        subscribers: subscribers.collect(),
        budget_ms: milliseconds(latency.budget()),
        stages: stages.to_vec(),
        last_over_budget: latency.last_over().map(|over| OverBudget {
            stage: over.stage.as_str().to_owned(),
            took_ms: milliseconds(over.took),
            seconds_ago: over.noticed.elapsed().as_secs(),
        }),
        query_secrets: service.config.raw.events.query_secrets,
        guards: service.config.raw.approval.required_for.clone(),
        approvers: approvers(&service).await?,
    })
}

async fn approvers(service: &App) -> Result<u64, Refusal> {
    let (now, mut query) =
        (service.clock.now(), DeviceQuery { kind: Some(PrincipalKind::Admin), ..DeviceQuery::default() });
    query.status = Some(PrincipalStatus::Active.as_str().into());
    let mut count = 0;
    loop {
        let page = service.store.devices(query.clone(), now).await?;
        let able = |row: &&DeviceRow| {
            let certified = row.certificate.as_ref().is_some_and(|certificate| now <= certificate.not_after);
            certified && row.principal.scopes().contains(Scope::RequestsApprove)
        };
        count += page.items.iter().filter(able).count() as u64;
        let Some(next) = page.next else { return Ok(count) };
        query.after = Some(next);
    }
}
