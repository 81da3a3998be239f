//! `/v1/hooks/{name}`: other systems ask for what they may, about one device.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, header};
use axum::routing::post;
use serde_json::json;
use signet_api::ErrorCode;
use signet_api::standard_webhooks::{Claim, HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP};
use signet_api::webhooks::{HookAnswer, HookRequest, HookResult};
use signet_pki::DeviceId;
use signet_pki::crl::Reason;
use signet_pki::name::PrincipalKind;

use super::native::known;
use super::refusal::Refusal;
use super::{App, limits, request};
use crate::authorize::Context;
use crate::hooks::{Action, Hook, Place, Proved, Seen};
use crate::revocation::Wish;
use crate::store::{AuditDraft, ChangeDevice, Conflict, Mode, PrincipalRecord, PrincipalStatus, RevokeTarget, Step};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/v1/hooks/{name}", post(called))
}

async fn called(
    State(service): State<App>,
    Path(name): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let (parts, body) = incoming.into_parts();
    let (id, peer) = known(&parts.extensions)?;
    let context = request::context(&id, &peer);
    let attempt = request::attempt(&service, &context);
    let _place = service.hooks.place().ok_or_else(|| Refusal::new(ErrorCode::Busy, "all places of hooks are taken"))?;
    let proved = prove(&service, &name, &parts, body).await;
    let (proved, bytes) = proved.map_err(|refusal| match refusal.code {
        ErrorCode::HookRefused => request::unproved(&service, &attempt, refusal),
        _ => refusal,
    })?;
    drop(attempt);
    let place = match enter(&service, &proved)? {
        Entry::New(place) => place,
        Entry::Repeated => return request::answer(&HookAnswer { result: HookResult::AlreadyDone }),
    };
    let asked: HookRequest = request::json(&bytes)?;
    if let Some(seconds) = proved.hook.take(service.clock.now()) {
        let refusal = Refusal::told(ErrorCode::TooManyRequests, "this hook has used up its hour");
        return Err(Refusal { retry_after: Some(seconds), ..refusal });
    }
    let message = proved.claim.as_ref().map(|claim| claim.id.clone());
    let order = Order { hook: proved.hook, asked: &asked, message, context: &context };
    if proved.hook.action != Action::Approve {
        service.latency.begin(&context.request_id, id.received);
    }
    let result = carry_out(&service, &order).await.inspect_err(|_| service.latency.forget(&context.request_id))?;
    if let Some(place) = place {
        place.done();
    }
    service.hub.has_told().await;
    request::answer(&HookAnswer { result })
}

/// Every way of proving nothing gets the same answer, whether there is such a hook or not.
async fn prove<'a>(service: &'a App, name: &str, parts: &Parts, body: Body) -> Result<(Proved<'a>, Bytes), Refusal> {
    let refused = |cause: String| Refusal::new(ErrorCode::HookRefused, format!("hook {name:?}: {cause}"));
    match evidence(&parts.headers)? {
        Evidence::None => Err(refused("nothing was shown".into())),
        Evidence::Bearer(bearer) => {
            let proved = service.hooks.by_bearer(name, bearer);
            let proved = proved.ok_or_else(|| refused("no such hook, or a wrong bearer".into()))?;
            Ok((proved, request::body(service, body, limits::HOOK_BODY_BYTES).await?))
        }
        Evidence::Signature(headers) => {
            let claim = Claim::read(headers.id, headers.timestamp, headers.signature);
            let claim = claim.map_err(|e| refused(e.to_string()))?;
            let bytes = request::body(service, body, limits::HOOK_BODY_BYTES).await?;
            let proved = service.hooks.by_signature(name, claim, &bytes, service.clock.now());
            Ok((proved.map_err(|e| refused(e.to_string()))?, bytes))
        }
    }
}

enum Evidence<'a> {
    None,
    Bearer(&'a str),
    Signature(Headers<'a>),
}

struct Headers<'a> {
    id: &'a str,
    timestamp: &'a str,
    signature: &'a str,
}

fn evidence(headers: &HeaderMap) -> Result<Evidence<'_>, Refusal> {
    let secrets = [header::AUTHORIZATION.as_str(), "x-api-key", HEADER_SIGNATURE];
    let shown: usize = secrets.iter().map(|name| headers.get_all(*name).iter().count()).sum();
    if shown > 1 {
        return Err(Refusal::told(ErrorCode::TwoSecrets, "show a bearer or one webhook-signature, once"));
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let doubled = |name: &str| headers.get_all(name).iter().count() > 1;
    if doubled(HEADER_ID) || doubled(HEADER_TIMESTAMP) {
        return Err(Refusal::told(ErrorCode::MalformedRequest, "webhook-id and webhook-timestamp are there once each"));
    }
    if let Some(signature) = text(HEADER_SIGNATURE) {
        let (id, timestamp) = (text(HEADER_ID).unwrap_or_default(), text(HEADER_TIMESTAMP).unwrap_or_default());
        return Ok(Evidence::Signature(Headers { id, timestamp, signature }));
    }
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(|text| text.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, bearer)| bearer.trim());
    Ok(bearer.map_or(Evidence::None, Evidence::Bearer))
}

enum Entry {
    /// With a place, when messages have ids.
    New(Option<Place>),
    Repeated,
}

/// A signed message counts once (T41). A bearer proves no message, and asks for what is the same when it is asked for again.
fn enter(service: &App, proved: &Proved<'_>) -> Result<Entry, Refusal> {
    let Some(claim) = &proved.claim else { return Ok(Entry::New(None)) };
    match proved.hook.window.enter(claim, service.clock.now()) {
        Ok(place) => Ok(Entry::New(Some(place))),
        Err(Seen::Done) => Ok(Entry::Repeated),
        Err(Seen::UnderWay) => {
            Err(Refusal::told(ErrorCode::Conflict, "another request with this message has not ended yet"))
        }
        Err(Seen::Unknown) => {
            Err(Refusal::told(ErrorCode::Busy, "the service has just started; sign the message again and repeat it"))
        }
        Err(Seen::Full) => Err(Refusal::told(ErrorCode::Busy, "too many messages within five minutes")),
    }
}

struct Order<'a> {
    hook: &'a Hook,
    asked: &'a HookRequest,
    message: Option<String>,
    context: &'a Context,
}

async fn carry_out(service: &App, order: &Order<'_>) -> Result<HookResult, Refusal> {
    let reason = order.asked.reason.as_deref().unwrap_or_default();
    if reason.chars().count() > 200 || reason.chars().any(char::is_control) {
        return Err(Refusal::told(ErrorCode::InvalidArgument, "reason: at most 200 printable characters"));
    }
    let found = find(service, order.asked).await?;
    // Administrators and services are nobody's inventory: a hook can neither let them in nor lock them out.
    let found = found.filter(|device| device.kind == PrincipalKind::Device);
    match order.hook.action {
        Action::Approve => approve(service, order, found).await,
        Action::Suspend | Action::Revoke => lose(service, order, found).await,
    }
}

async fn find(service: &App, asked: &HookRequest) -> Result<Option<PrincipalRecord>, Refusal> {
    let id: DeviceId = match (&asked.device, &asked.hardware_serial) {
        (Some(device), None) => device.clone(),
        (None, Some(serial)) => {
            let mut all = service.store.with_hardware_serial(serial).await?;
            if all.len() > 1 {
                let text = "several devices have this hardware serial number; name one by its id";
                return Err(Refusal::told(ErrorCode::Conflict, text));
            }
            match all.pop() {
                Some(device) => device,
                None => return Ok(None),
            }
        }
        _ => {
            let text = "name exactly one of device and hardware_serial";
            return Err(Refusal::told(ErrorCode::InvalidArgument, text));
        }
    };
    Ok(service.store.principal(&id).await?)
}

/// What is not there and what does not wait get the same answer: a caller that may approve need not learn which.
async fn approve(service: &App, order: &Order<'_>, found: Option<PrincipalRecord>) -> Result<HookResult, Refusal> {
    let nothing = || Refusal::told(ErrorCode::Conflict, "no enrollment of such a device waits for approval");
    let device = found.ok_or_else(nothing)?;
    step(service, order, device.id, Step::Approve, "enrollment.approved").await?.ok_or_else(nothing)?;
    Ok(HookResult::Approved)
}

async fn lose(service: &App, order: &Order<'_>, found: Option<PrincipalRecord>) -> Result<HookResult, Refusal> {
    let device = found.ok_or_else(|| Refusal::told(ErrorCode::NotFound, "there is no such device"))?;
    let waits = || Refusal::told(ErrorCode::Conflict, "the device has no certificate yet");
    match (order.hook.action, device.status) {
        (_, PrincipalStatus::Revoked | PrincipalStatus::Retired) => Ok(HookResult::AlreadyDone),
        (Action::Revoke, _) => revoke(service, order, device.id).await,
        (_, PrincipalStatus::Suspended) => Ok(HookResult::AlreadyDone),
        // Whoever has it now gets no certificate.
        (_, PrincipalStatus::Pending) => {
            step(service, order, device.id, Step::Deny, "enrollment.denied").await?.ok_or_else(waits)?;
            Ok(HookResult::Denied)
        }
        (_, PrincipalStatus::Active) => {
            step(service, order, device.id, Step::Suspend, "device.suspended").await?.ok_or_else(waits)?;
            Ok(HookResult::Suspended)
        }
        (_, PrincipalStatus::Preregistered) => Err(waits()),
    }
}

/// `None`: the step is not possible now.
async fn step(
    service: &App,
    order: &Order<'_>,
    device: DeviceId,
    step: Step,
    kind: &'static str,
) -> Result<Option<PrincipalRecord>, Refusal> {
    let now = service.clock.now();
    let draft = AuditDraft {
        kind,
        actor: order.hook.actor().into(),
        subject: device.to_string(),
        request_id: order.context.request_id.clone(),
        detail: json!({
            "message": order.message, "hardware_serial": order.asked.hardware_serial, "reason": order.asked.reason,
            "remote": order.context.remote.to_string(),
        }),
        at: now,
    };
    let change = ChangeDevice::step(device, step, now, draft);
    match service.revocation.change(change, order.context).await? {
        // Which of several claims is the rightful one is for an administrator to say.
        None | Some(Err(Conflict::Status(_) | Conflict::Claims(_))) => Ok(None),
        Some(Err(other)) => Err(Refusal::new(ErrorCode::Conflict, format!("{other:?}"))),
        Some(Ok(record)) => Ok(Some(record)),
    }
}

async fn revoke(service: &App, order: &Order<'_>, device: DeviceId) -> Result<HookResult, Refusal> {
    // Whoever has the device may have its key.
    let wish = Wish { target: RevokeTarget::Device(device), reason: Reason::KeyCompromise, mode: Mode::Apply };
    let report = service.revocation.revoke(wish, order.hook.actor().into(), order.context).await?;
    Ok(if report.revoked.is_empty() { HookResult::AlreadyDone } else { HookResult::Revoked })
}
