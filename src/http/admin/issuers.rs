//! The issuers: what they may do, what depends on them, and the next step of each.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use data_encoding::HEXLOWER;
use serde_json::json;
use signet_api::ErrorCode;
use signet_api::admin::{IssuerAction, IssuerChange, IssuerInfo, ResponderInfo};
use signet_api::scope::Scope;
use signet_pki::UnixTime;

use super::approvals::{Guard, require_approval};
use super::{Asked, not_found};
use crate::authorize::{Caller, Context};
use crate::config::OCSP_PROFILE;
use crate::http::App;
use crate::http::refusal::Refusal;
use crate::http::request::answer;
use crate::issuer::Issuer;
use crate::store::{AuditDraft, Guarded, IssuerRecord, IssuerStep, Stage, StageConflict};

pub(super) async fn list(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::IssuersRead).await?;
    answer(&all(&service).await?)
}

pub(super) async fn step(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::IssuersWrite).await?;
    let (admin, context, change) = asked.json::<IssuerChange>(&service).await?;
    let issuer = service.road.issuers.named(&id).cloned().ok_or_else(|| not_found("issuer in the configuration"))?;
    let record = service.road.issuers.record(issuer.certificate().key_identifier());
    let record = record.ok_or_else(|| not_found("issuer in the store"))?;
    check(&change)?;
    let waits_for = match change.action {
        IssuerAction::Activate => waits_for(&service, &issuer, &record, service.clock.now()).await?,
        IssuerAction::Retire | IssuerAction::Distrust => None,
    };
    if let Some(why) = waits_for.as_ref().filter(|_| !change.force) {
        let hint = format!("{why} If it cannot wait: 'ca issuer activate {id} --force --reason TEXT'");
        return Err(Refusal::told(ErrorCode::Conflict, hint));
    }
    if change.action == IssuerAction::Distrust
        && !change.force
        && admin.identity().is_some_and(|own| own.record().issuer == record.key_id)
    {
        let text = "your own certificate ends with it: activate another issuer and run 'ca renew' first; with --force you are \
                    locked out until 'signetd setup --admin NAME --admin-dir DIR' on the issuing host";
        return Err(Refusal::told(ErrorCode::Conflict, text));
    }
    let verb = match change.action {
        IssuerAction::Activate => "Let sign from now on",
        IssuerAction::Retire => "Let sign no more",
        IssuerAction::Distrust => "Refuse all certificates of",
    };
    let summary = format!("{verb} the issuer {id}, {}", issuer.certificate().view().subject_text);
    let path = format!("/v1/admin/issuers/{id}");
    let guard = Guard { guarded: Guarded::Issuers, path, body: &change, summary };
    require_approval(&service, (&admin, &context), guard).await?;
    let mut order = order(&record, &change, waits_for, (&admin, &context), service.clock.now());
    // In DER: open connections are found by it.
    order.draft.detail["name"] = HEXLOWER.encode(issuer.certificate().subject()).into();
    let written = service.store.step_issuer(order).await;
    // Also after an error, which says nothing about whether it happened.
    let followed = service.follow_issuers().await;
    match written? {
        Ok(()) => {}
        Err(StageConflict::Unknown) => return Err(not_found("issuer in the store")),
        Err(StageConflict::Stage(stage)) => return Err(impossible(stage, change.action)),
    }
    followed?;
    answer(&all(&service).await?)
}

fn check(change: &IssuerChange) -> Result<(), Refusal> {
    let invalid = |text: &str| Err(Refusal::told(ErrorCode::InvalidArgument, text));
    let reason = change.reason.as_deref().unwrap_or_default().trim();
    if reason.is_empty() && (change.force || change.action == IssuerAction::Distrust) {
        return invalid("give a reason: it stands in the audit log");
    }
    if reason.chars().count() > 200 || reason.chars().any(char::is_control) {
        return invalid("reason: at most 200 printable characters");
    }
    Ok(())
}

fn impossible(stage: Stage, action: IssuerAction) -> Refusal {
    let text = match (stage, action) {
        (Stage::Distrusted, _) => "it is distrusted, and that is for good; make another issuer",
        (Stage::Active, _) => "it is the active one: activate another, and it retires by itself",
        _ => "there is no way to this stage from the one that it has",
    };
    Refusal::told(ErrorCode::Conflict, text)
}

fn order(
    record: &IssuerRecord,
    change: &IssuerChange,
    waited_for: Option<String>,
    (admin, context): (&Caller, &Context),
    now: UnixTime,
) -> IssuerStep {
    let (to, kind) = match change.action {
        IssuerAction::Activate => (Stage::Active, "issuer.activated"),
        IssuerAction::Retire => (Stage::Retiring, "issuer.retired"),
        IssuerAction::Distrust => (Stage::Distrusted, "issuer.distrusted"),
    };
    let mut detail =
        json!({ "stage": to.as_str(), "from": record.stage.as_str(), "remote": context.remote.to_string() });
    if let Some(reason) = &change.reason {
        detail["reason"] = reason.trim().into();
    }
    // What was overruled by force.
    if let Some(why) = waited_for {
        detail["forced"] = why.into();
    }
    let draft = AuditDraft {
        kind,
        actor: admin.actor(),
        subject: format!("issuer:{}", crate::store::short_id(&record.key_id)),
        request_id: context.request_id.clone(),
        detail,
        at: now,
    };
    IssuerStep { key_id: record.key_id.clone(), to, draft }
}

/// Why verifiers or devices may refuse what it signs. `None`: nothing is known against it.
async fn waits_for(
    service: &App,
    issuer: &Issuer,
    record: &IssuerRecord,
    now: UnixTime,
) -> Result<Option<String>, Refusal> {
    if matches!(record.stage, Stage::Active | Stage::Distrusted) {
        return Ok(None);
    }
    let certificate = issuer.certificate();
    if service.publisher.of(&certificate.short_id()).and_then(|publisher| publisher.current()).is_none() {
        return Ok(Some("Its revocation list is not published yet.".into()));
    }
    let hours = i64::from(service.config.raw.issuer.activation_delay_hours);
    let since = now.since(record.published_at);
    if since < hours * 3600 {
        return Ok(Some(format!(
            "Verifiers need its revocation list first: it has been published for {} of {hours} hours.",
            since.max(0) / 3600
        )));
    }
    let holds = |bundle: &&signet_pki::bundle::Bundle| bundle.issuers().iter().any(|c| c.der() == certificate.der());
    let Some(first) = service.trust.all().find(holds).map(|bundle| bundle.sequence()) else { return Ok(None) };
    let holders = service.store.bundle_holders(now).await?;
    let total: u64 = holders.iter().map(|h| h.devices).sum();
    let seen: u64 = holders.iter().filter(|h| h.sequence.is_some_and(|s| s >= first)).map(|h| h.devices).sum();
    // Of a hundred thousand devices some are always in a drawer.
    let enough = u128::from(seen) * 100 >= u128::from(total) * ENOUGH_PERCENT;
    Ok((!enough).then(|| {
        format!(
            "{seen} of {total} live devices hold trust bundle {first}, which brings it; {ENOUGH_PERCENT} % are enough."
        )
    }))
}

async fn all(service: &App) -> Result<Vec<IssuerInfo>, Refusal> {
    let mut infos = Vec::new();
    for issuer in service.road.issuers.all() {
        infos.push(info(service, issuer).await?);
    }
    Ok(infos)
}

async fn info(service: &App, issuer: &Issuer) -> Result<IssuerInfo, Refusal> {
    let certificate = issuer.certificate();
    let (id, now) = (certificate.short_id(), service.clock.now());
    let record = service.road.issuers.record(certificate.key_identifier());
    let record = record.ok_or_else(|| not_found("issuer in the store"))?;
    let used = service.store.issuer_use(&record.key_id, now, OCSP_PROFILE).await?;
    let over = match record.stage {
        Stage::Distrusted => true,
        Stage::Retiring => used.last_not_after.is_none(),
        Stage::Published | Stage::Active => false,
    };
    let responder = service.ocsp.as_ref().and_then(|responders| responders.of(&id));
    let list = service.publisher.of(&id).and_then(|publisher| publisher.current());
    Ok(IssuerInfo {
        serial: certificate.view().serial.to_string(),
        subject: certificate.view().subject_text.clone(),
        key: certificate.public_key().algorithm().to_string(),
        not_after: certificate.not_after().to_string(),
        active: record.stage == Stage::Active,
        stage: record.stage.as_str().to_owned(),
        since: record.changed_at.to_string(),
        live: used.live,
        last_not_after: used.last_not_after.map(|end| end.to_string()),
        crl_bytes: list.map(|list| list.der.bytes.len() as u64),
        removable: over,
        waits_for: waits_for(service, issuer, &record, now).await?,
        responder: responder.map(|r| ResponderInfo { not_after: r.not_after().map(|end| end.to_string()) }),
        id,
    })
}

/// Devices that hold a bundle with the new issuer.
const ENOUGH_PERCENT: u128 = 95;
