//! Alarms: listed, shown, and closed with a reason.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use serde_json::Value;
use signet_api::ErrorCode;
use signet_api::alarms::{ALARM_CLOSED, AlarmInfo, AlarmQuery, CloseAlarm, explain};
use signet_api::scope::Scope;

use super::{Asked, not_found, segment};
use crate::http::App;
use crate::http::refusal::Refusal;
use crate::http::request::answer;
use crate::store::{self, AlarmRecord, AuditDraft};

pub(super) async fn list(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::EventsSecurity).await?;
    let page = service.store.alarms(asked.query::<AlarmQuery>()?).await?;
    answer(&page.map(info))
}

pub(super) async fn show(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::EventsSecurity).await?;
    let found = service.store.alarm_of(segment(id.parse())?).await?;
    answer(&info(found.ok_or_else(|| not_found("alarm"))?))
}

/// For those who may end what an alarm is about: who only reads cannot make one go away.
pub(super) async fn close(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::RevocationsWrite).await?;
    let id = segment(id.parse())?;
    let (caller, context, order) = asked.json::<CloseAlarm>(&service).await?;
    let reason = order.reason.trim().to_owned();
    if reason.is_empty() || reason.chars().count() > MAX_REASON || reason.chars().any(char::is_control) {
        let told = format!("reason: what was found and done, in 1 to {MAX_REASON} printable characters");
        return Err(Refusal::told(ErrorCode::InvalidArgument, told));
    }
    let draft = AuditDraft {
        kind: ALARM_CLOSED,
        actor: caller.actor(),
        subject: String::new(),
        request_id: context.request_id,
        detail: Value::Null,
        at: service.clock.now(),
    };
    let closed = service.store.close_alarm(store::CloseAlarm { id, reason, draft }).await?;
    let record = closed.ok_or_else(|| not_found("alarm"))?.map_err(|store::AlreadyClosed(before)| {
        let told = format!("{} closed it on {}: {}", before.by, before.at, before.reason);
        Refusal::told(ErrorCode::Conflict, told)
    })?;
    answer(&info(record))
}

fn info(record: AlarmRecord) -> AlarmInfo {
    let (meaning, advice) = explain(&record.kind);
    let (closed_at, closed_by, reason) = match record.closed {
        None => (None, None, None),
        Some(closed) => (Some(closed.at.to_string()), Some(closed.by), Some(closed.reason)),
    };
    AlarmInfo {
        id: record.id,
        first_at: record.first_at.to_string(),
        last_at: record.last_at.to_string(),
        times: record.times,
        sequence: record.sequence,
        detail: record.detail,
        meaning: meaning.to_owned(),
        advice: advice.replace("DEVICE", &record.subject),
        kind: record.kind,
        subject: record.subject,
        closed_at,
        closed_by,
        reason,
    }
}

const MAX_REASON: usize = 200;
