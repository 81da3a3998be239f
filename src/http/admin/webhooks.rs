//! Endpoints of webhooks, their secrets, and what could not be delivered.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use serde_json::{Value, json};
use signet_api::scope::Scope;
use signet_api::webhooks::{
    CreateWebhook, DeadAction, DeadChanged, DeadLetter, DeadOrder, DeadQuery, RotateSecret, WebhookAction,
    WebhookChange, WebhookEvent, WebhookInfo, WebhookSecret, WebhookTest,
};
use signet_api::{Credential, CredentialId, CredentialKind, ErrorCode};
use signet_pki::UnixTime;

use super::{Asked, not_found, segment};
use crate::http::App;
use crate::http::refusal::Refusal;
use crate::http::request::{answer, answer_list, require};
use crate::random;
use crate::store::{
    Actor, AuditDraft, ChangeDead, ChangeWebhook, DeadDelivery, DeadSelection, MAX_WEBHOOKS, NewWebhook, Reach,
    WebhookCreation, WebhookRecord, WebhookStatus, WebhookStep,
};
use crate::webhooks::{SealError, Target};

pub(super) async fn list(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::WebhooksRead).await?;
    answer_list(service.store.webhooks().await?, |webhook| info(&webhook))
}

pub(super) async fn create(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::WebhooksWrite).await?;
    let (caller, context, order) = asked.json::<CreateWebhook>(&service).await?;
    if order.events.iter().any(|event| CONFIDENTIAL.contains(event)) {
        require(&caller, Scope::EventsSecurity)?;
    }
    let invalid = |e: String| Refusal::told(ErrorCode::InvalidArgument, e);
    let target = Target::parse(&order.url).map_err(|e| invalid(e.to_string()))?;
    let reach = if order.private { Reach::Listed } else { Reach::Public };
    service.webhooks.sender().check(&target, reach).await.map_err(|e| invalid(e.to_string()))?;
    let mut events = order.events;
    if events.is_empty() && !caller.may(Scope::EventsSecurity) {
        // The usual ones, but for alarms, which the caller may not see.
        events = USUAL.to_vec();
    }
    events.sort();
    events.dedup();
    let id = new_id(&service)?;
    let (secret, sealed) = service.webhooks.new_secret(&id).map_err(sealing)?;
    let detail =
        json!({ "url": order.url, "events": events, "private": order.private, "remote": context.remote.to_string() });
    let draft = draft(&service, "webhook.created", (caller.actor(), &context.request_id), &id, detail);
    let new = NewWebhook { id: id.clone(), url: order.url, events, reach, secret: sealed, draft };
    match service.store.create_webhook(new).await? {
        WebhookCreation::Created => {}
        WebhookCreation::TooMany => {
            let text = format!("there are {MAX_WEBHOOKS} webhooks already; 'ca webhook delete' makes room");
            return Err(Refusal::told(ErrorCode::Conflict, text));
        }
    }
    service.webhooks.notice();
    let webhook = info(&find(&service, &id).await?);
    answer(&WebhookSecret { webhook, secret: secret.expose().to_string() })
}

pub(super) async fn show(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::WebhooksRead).await?;
    answer(&info(&find(&service, &segment(CredentialId::parse(&id))?).await?))
}

pub(super) async fn change(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::WebhooksWrite).await?;
    let id = segment(CredentialId::parse(&id))?;
    let (caller, context, change) = asked.json::<WebhookChange>(&service).await?;
    let (step, kind) = match change.action {
        WebhookAction::Enable => (WebhookStep::Enable, "webhook.enabled"),
        WebhookAction::Disable => (WebhookStep::Disable, "webhook.disabled"),
        WebhookAction::Delete => (WebhookStep::Delete, "webhook.deleted"),
    };
    let detail = json!({ "remote": context.remote.to_string() });
    let draft = draft(&service, kind, (caller.actor(), &context.request_id), &id, detail);
    let changed = service.store.change_webhook(ChangeWebhook { id, step, draft }).await?;
    service.webhooks.notice();
    answer(&info(&changed.ok_or_else(|| not_found("webhook"))?))
}

pub(super) async fn rotate(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::WebhooksWrite).await?;
    let id = segment(CredentialId::parse(&id))?;
    let (caller, context, order) = asked.json::<RotateSecret>(&service).await?;
    if !(0..=MAX_OVERLAP).contains(&order.overlap) {
        let text = format!("overlap: 0 to {MAX_OVERLAP} seconds");
        return Err(Refusal::told(ErrorCode::InvalidArgument, text));
    }
    let now = service.clock.now();
    let previous_until = (order.overlap > 0).then(|| now.plus(order.overlap));
    let (secret, sealed) = service.webhooks.new_secret(&id).map_err(sealing)?;
    let detail =
        json!({ "previous_until": previous_until.map(|end| end.to_string()), "remote": context.remote.to_string() });
    let draft = draft(&service, "webhook.secret_rotated", (caller.actor(), &context.request_id), &id, detail);
    let step = WebhookStep::Rotate { secret: sealed, previous_until };
    let changed = service.store.change_webhook(ChangeWebhook { id, step, draft }).await?;
    service.webhooks.notice();
    let webhook = info(&changed.ok_or_else(|| not_found("webhook"))?);
    answer(&WebhookSecret { webhook, secret: secret.expose().to_string() })
}

pub(super) async fn test(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::WebhooksWrite).await?;
    let webhook = find(&service, &segment(CredentialId::parse(&id))?).await?;
    let (message, outcome) = service.webhooks.ping(&webhook).await;
    let status = outcome.as_ref().ok().copied();
    let delivered = status.is_some_and(|status| (200..300).contains(&status));
    let detail = json!({ "message": message, "status": status, "remote": asked.context.remote.to_string() });
    let who = (asked.caller.actor(), asked.context.request_id.as_str());
    service.store.note_webhook(draft(&service, "webhook.tested", who, &webhook.id, detail)).await?;
    answer(&WebhookTest { message, delivered, status, error: outcome.err().map(|e| e.to_string()) })
}

pub(super) async fn dead(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::WebhooksRead).await?;
    let mut page = service.store.dead_deliveries(asked.query::<DeadQuery>()?).await?.map(letter);
    if !asked.caller.may(Scope::EventsSecurity) {
        // What these say is not for whoever may look after endpoints.
        let all = service.store.webhooks().await?.items;
        // What an endpoint that cannot be read is for is not known.
        let secret = |id: &CredentialId| all.iter().find(|w| w.id == *id).is_none_or(|w| tells_confidential(&w.events));
        page.items.iter_mut().filter(|letter| secret(&letter.webhook)).for_each(|letter| letter.body = Value::Null);
    }
    answer(&page)
}

pub(super) async fn change_dead(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::WebhooksWrite).await?;
    let (caller, context, order) = asked.json::<DeadOrder>(&service).await?;
    let (which, subject) = match (order.id, order.webhook) {
        (Some(id), None) => (DeadSelection::Delivery(id), format!("delivery:{id}")),
        (None, Some(webhook)) => (DeadSelection::Webhook(webhook.clone()), format!("webhook:{webhook}")),
        _ => return Err(Refusal::told(ErrorCode::InvalidArgument, "name exactly one of id and webhook")),
    };
    let kind = match order.action {
        DeadAction::Redeliver => "webhook.redelivered",
        DeadAction::Drop => "webhook.dropped",
    };
    let draft = AuditDraft {
        kind,
        actor: caller.actor(),
        subject,
        request_id: context.request_id.clone(),
        detail: json!({ "remote": context.remote.to_string() }),
        at: service.clock.now(),
    };
    let changed = service.store.change_dead(ChangeDead { which, action: order.action, draft }).await?;
    if changed == 0 {
        return Err(not_found("dead letter"));
    }
    service.webhooks.notice();
    answer(&DeadChanged { changed })
}

async fn find(service: &App, id: &CredentialId) -> Result<WebhookRecord, Refusal> {
    let all = service.store.webhooks().await?.items;
    all.into_iter().find(|one| one.id == *id).ok_or_else(|| not_found("webhook"))
}

fn new_id(service: &App) -> Result<CredentialId, Refusal> {
    let random = random::bytes::<24>(service.random.as_ref());
    let random = random.map_err(|e| Refusal::new(ErrorCode::Internal, e.to_string()))?;
    Ok(Credential::from_random(CredentialKind::Webhook, &random).id().clone())
}

fn sealing(error: SealError) -> Refusal {
    Refusal::new(ErrorCode::Internal, error.to_string())
}

fn draft(
    service: &App,
    kind: &'static str,
    (actor, request_id): (Actor, &str),
    id: &CredentialId,
    detail: Value,
) -> AuditDraft {
    let (subject, request_id) = (format!("webhook:{id}"), request_id.to_owned());
    AuditDraft { kind, actor, subject, request_id, detail, at: service.clock.now() }
}

fn info(webhook: &WebhookRecord) -> WebhookInfo {
    let some = |time: UnixTime| (time.0 > 0).then(|| time.to_string());
    WebhookInfo {
        id: webhook.id.clone(),
        url: webhook.url.clone(),
        events: webhook.events.clone(),
        private: webhook.reach == Reach::Listed,
        status: webhook.status.as_str().to_owned(),
        created_by: webhook.created_by.clone(),
        created_at: webhook.created_at.to_string(),
        previous_secret_until: webhook.previous.as_ref().map(|(_, until)| until.to_string()),
        position: webhook.position,
        waiting: webhook.waiting,
        dead: webhook.dead,
        failures: webhook.failures,
        last_error: webhook.last_error.clone(),
        last_success_at: webhook.last_success_at.map(|at| at.to_string()),
        paused_until: some(webhook.paused_until).filter(|_| webhook.status == WebhookStatus::Enabled),
    }
}

fn letter(dead: DeadDelivery) -> DeadLetter {
    DeadLetter {
        id: dead.delivery.id,
        webhook: dead.delivery.webhook,
        message: dead.delivery.message,
        event: dead.event,
        created_at: dead.created_at.to_string(),
        died_at: dead.died_at.to_string(),
        attempts: dead.delivery.attempts,
        error: dead.error,
        // JSON of our own making.
        body: serde_json::from_str(&dead.delivery.body).unwrap_or_default(),
    }
}

/// A week: a secret that lives longer beside another is not rotated.
const MAX_OVERLAP: i64 = 7 * 86_400;

/// An endpoint that names nothing gets alarms as well.
fn tells_confidential(events: &[WebhookEvent]) -> bool {
    events.is_empty() || events.iter().any(|event| CONFIDENTIAL.contains(event))
}

/// Told only to endpoints that a caller with `events:security` made.
const CONFIDENTIAL: [WebhookEvent; 2] = [WebhookEvent::Alarm, WebhookEvent::Security];
const USUAL: [WebhookEvent; 6] = [
    WebhookEvent::Revocation,
    WebhookEvent::Suspended,
    WebhookEvent::Resumed,
    WebhookEvent::Retired,
    WebhookEvent::Quarantined,
    WebhookEvent::Distrusted,
];
