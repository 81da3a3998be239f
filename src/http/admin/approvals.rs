//! What needs a second administrator, when the configuration says so. The same request sent again after the approval is the one
//! that was approved: nothing is carried out behind the back of who asked for it.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use serde_json::{Value, json};
use signet_api::ErrorCode;
use signet_api::approvals::{ApprovalAction, ApprovalDecision, ApprovalInfo, ApprovalQuery};
use signet_api::scope::Scope;
use signet_pki::{DeviceId, Fingerprint, UnixTime};

use super::{Asked, not_found};
use crate::authorize::{Caller, Context, Person};
use crate::http::App;
use crate::http::refusal::Refusal;
use crate::http::request::{answer, answer_list};
use crate::random;
use crate::store::{
    Approval, ApprovalConflict, ApprovalRecord, ApprovalStatus, AskApproval, AuditDraft, DecideApproval, Guarded,
};

/// An operation that may need two persons.
pub(super) struct Guard<'a, T> {
    pub(super) guarded: Guarded,
    pub(super) path: String,
    pub(super) body: &'a T,
    /// A sentence for the person who approves.
    pub(super) summary: String,
}

/// Lets the request on when no second person has to agree, or one has; an approval is good for one request of the person who
/// asked. Rejects a request of a caller who is no person: a key may be in the hands of the one who would approve.
pub(super) async fn require_approval<T: serde::Serialize>(
    service: &App,
    (caller, context): (&Caller, &Context),
    act: Guard<'_, T>,
) -> Result<(), Refusal> {
    let settings = &service.config.raw.approval;
    if !settings.required_for.contains(&act.guarded) {
        return Ok(());
    }
    let person = person(caller, "needs a second administrator, so it is asked for")?;
    let body = serde_json::to_string(act.body).map_err(|e| Refusal::new(ErrorCode::Internal, e.to_string()))?;
    if body.len() > MOST_TEXT {
        let told = format!("what needs a second administrator has at most {MOST_TEXT} octets; send it in parts");
        return Err(Refusal::told(ErrorCode::BodyTooLarge, told));
    }
    let now = service.clock.now();
    let random: [u8; 8] =
        random::bytes(service.random.as_ref()).map_err(|e| Refusal::new(ErrorCode::Internal, e.to_string()))?;
    let id = format!("ap-{}", &data_encoding::BASE32_DNSCURVE.encode(&random)[..12]);
    let record = ApprovalRecord {
        id,
        guarded: act.guarded,
        summary: act.summary,
        digest: Fingerprint::of(format!("{}\n{body}", act.path).as_bytes()).0,
        path: act.path,
        body,
        status: ApprovalStatus::Pending,
        requested_by: person.id().clone(),
        requested_at: now,
        expires_at: now.plus(i64::from(settings.lifetime_hours) * 3600),
        decided_by: None,
        decided_at: None,
        reason: None,
    };
    let draft = draft(caller, context, now);
    let order = AskApproval { record, most_pending: MOST_PENDING, now, draft };
    match service.store.ask_approval(order).await? {
        Approval::Granted(_) => Ok(()),
        Approval::Waits(record) => {
            let told = format!(
                "Request {} waits for another administrator, until {}: 'ca approval approve {}'.",
                record.id, record.expires_at, record.id
            );
            Err(Refusal::told(ErrorCode::ApprovalNeeded, told))
        }
        Approval::Denied(record) => {
            let by = record.decided_by.map(|by| named(&by)).unwrap_or_default();
            let why = record.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            Err(Refusal::told(ErrorCode::ApprovalDenied, format!("Request {} was denied by {by}{why}", record.id)))
        }
        Approval::TooMany => {
            let told = format!("{} has {MOST_PENDING} requests that wait for another administrator", caller.name());
            Err(Refusal::told(ErrorCode::TooManyRequests, told))
        }
    }
}

pub(super) async fn list(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::AuditRead).await?;
    let now = service.clock.now();
    let waiting_at = (!asked.query::<ApprovalQuery>()?.all).then_some(now);
    answer_list(service.store.approvals(waiting_at).await?, |record| info(record, now))
}

pub(super) async fn show(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::AuditRead).await?;
    let record = service.store.approval(&id).await?.ok_or_else(|| not_found("request for approval"))?;
    answer(&info(record, service.clock.now()))
}

pub(super) async fn decide(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::RequestsApprove).await?;
    let (caller, context, decision) = asked.json::<ApprovalDecision>(&service).await?;
    let person = person(&caller, "an approval is given")?;
    let digest = Fingerprint::parse(&decision.digest);
    let digest = digest.ok_or_else(|| Refusal::told(ErrorCode::InvalidArgument, "digest is 64 hexadecimal digits"))?;
    let reason = decision.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty()).map(str::to_owned);
    if reason.as_ref().is_some_and(|r| r.chars().count() > 200 || r.chars().any(char::is_control)) {
        return Err(Refusal::told(ErrorCode::InvalidArgument, "reason: at most 200 printable characters"));
    }
    let to = match decision.action {
        ApprovalAction::Approve => ApprovalStatus::Approved,
        ApprovalAction::Deny => ApprovalStatus::Denied,
    };
    let now = service.clock.now();
    let draft = draft(&caller, &context, now);
    let order = DecideApproval { id, to, by: person.id().clone(), reason, digest: digest.0, now, draft };
    let decided = service.store.decide_approval(order).await?.ok_or_else(|| not_found("request for approval"))?;
    let record = decided.map_err(|conflict| match conflict {
        ApprovalConflict::Own => Refusal::told(ErrorCode::Forbidden, "nobody approves his own request"),
        ApprovalConflict::Other => Refusal::told(ErrorCode::Conflict, "the digest is not that of this request"),
        ApprovalConflict::Expired => {
            Refusal::told(ErrorCode::Conflict, "the request has expired; it has to be sent anew")
        }
        ApprovalConflict::Status(status) => {
            Refusal::told(ErrorCode::Conflict, format!("the request is {} already", status.as_str()))
        }
    })?;
    answer(&info(record, now))
}

fn person(caller: &Caller, what: &str) -> Result<Person, Refusal> {
    caller.person().ok_or_else(|| {
        let told = format!("{what} with an administrator's own certificate alone, without a key or token");
        Refusal::told(ErrorCode::Forbidden, told)
    })
}

fn named(person: &DeviceId) -> String {
    format!("admin:{person}")
}

fn draft(caller: &Caller, context: &Context, now: UnixTime) -> AuditDraft {
    AuditDraft {
        kind: "approval.requested",
        actor: caller.actor(),
        subject: String::new(),
        request_id: context.request_id.clone(),
        detail: json!({}),
        at: now,
    }
}

fn info(record: ApprovalRecord, now: UnixTime) -> ApprovalInfo {
    let open = matches!(record.status, ApprovalStatus::Pending | ApprovalStatus::Approved);
    let status = if open && now >= record.expires_at { "expired" } else { record.status.as_str() };
    ApprovalInfo {
        status: status.to_owned(),
        guarded: record.guarded,
        summary: record.summary,
        path: record.path,
        // JSON of our own making.
        body: serde_json::from_str(&record.body).unwrap_or(Value::Null),
        digest: data_encoding::HEXLOWER.encode(&record.digest),
        id: record.id,
        requested_by: named(&record.requested_by),
        requested_at: record.requested_at.to_string(),
        expires_at: record.expires_at.to_string(),
        decided_by: record.decided_by.map(|by| named(&by)),
        decided_at: record.decided_at.map(|at| at.to_string()),
        reason: record.reason,
    }
}

/// Of one administrator, that nobody has decided on: more is a flood in which one goes unseen.
const MOST_PENDING: u32 = 20;
/// Octets of a request that somebody has to read before he approves it.
const MOST_TEXT: usize = 2 << 20;
