//! Inventory, manual issue and revocation.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use serde_json::json;
use signet_api::ErrorCode;
use signet_api::admin::{
    DeviceAction, DeviceChange, DeviceDetail, DeviceQuery, IssueRequest, RevokeRequest, TokenQuery,
};
use signet_api::scope::{AccountId, Scope, Scopes};
use signet_pki::crl::Reason;
use signet_pki::name::PrincipalKind;
use signet_pki::{DeviceId, Fingerprint, Serial, UnixTime};

use super::approvals::{Guard, require_approval};
use super::grants::{Grant, authorize_grant};
use super::{Asked, not_found, revocations, segment, views};
use crate::authorize::{Caller, Context, Enrollment, Evidence, ManualOrder};
use crate::credentials::order::check_groups;
use crate::enrollment::Outcome;
use crate::http::App;
use crate::http::native;
use crate::http::refusal::Refusal;
use crate::http::request::{answer, require, require_can_grant, require_outranks};
use crate::revocation::Wish;
use crate::store::{
    AuditDraft, ChangeDevice, Conflict, Guarded, Listed, Mode, PrincipalRecord, RevokeTarget, SeenClaim, Step,
};

pub(super) async fn list(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::DevicesRead).await?;
    let now = service.clock.now();
    let query = asked.query::<DeviceQuery>()?;
    if matches!(query.kind, Some(PrincipalKind::Admin | PrincipalKind::Server)) {
        require(&asked.caller, Scope::AccountsRead)?;
    }
    let page = service.store.devices(query, now).await?;
    answer(&page.map(|d| views::device(d, now)))
}

pub(super) async fn show(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::DevicesRead).await?;
    let id = segment(DeviceId::parse(&id))?;
    let now = service.clock.now();
    let principal = service.store.principal(&id).await?.ok_or_else(|| not_found("device"))?;
    let Listed { items: certificates, mut damaged } = service.store.certificates_of(&id).await?;
    let query = TokenQuery { device: Some(id), limit: Some(100), ..TokenQuery::default() };
    let tokens = service.store.tokens(query, now).await?;
    damaged.extend(tokens.damaged);
    let newest = certificates.iter().find(|c| c.status_is_live()).cloned().map(|c| views::certificate(c, now));
    answer(&DeviceDetail {
        device: views::principal(principal, newest),
        certificates: certificates.into_iter().map(|c| views::certificate(c, now)).collect(),
        tokens: tokens.items.into_iter().map(|t| views::token(t, now)).collect(),
        damaged,
    })
}

pub(super) async fn certificate(
    State(service): State<App>,
    Path(serial): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::DevicesRead).await?;
    let serial = segment(Serial::parse(&serial))?;
    let record = service.store.certificate(&serial).await?.ok_or_else(|| not_found("certificate"))?;
    answer(&views::certificate(record, service.clock.now()))
}

pub(super) async fn change(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::DevicesRead).await?;
    let device = segment(DeviceId::parse(&id))?;
    let received = asked.received;
    let (caller, context, change) = asked.json::<DeviceChange>(&service).await?;
    if change == DeviceChange::default() {
        return Err(Refusal::told(ErrorCode::InvalidArgument, "the change is empty"));
    }
    may_change(&caller, &change)?;
    let found = service.store.principal(&device).await?.ok_or_else(|| not_found("device"))?;
    spare_administrators(&caller, &found)?;
    if change.permissions.is_some() || change.account.is_some() {
        require_outranks(&caller, found.scopes())?;
    }
    if let Some(name) = &change.profile {
        let profile = service.authorizer.profiles.for_devices(name).filter(|p| p.kind == found.kind);
        profile.ok_or_else(|| {
            Refusal::told(
                ErrorCode::InvalidArgument,
                format!("there is no profile {name:?} for a {}", found.kind.as_str()),
            )
        })?;
    }
    if let Some(groups) = &change.groups {
        check_groups(groups)?;
    }
    if let Some(permissions) = &change.permissions {
        let (by, path) = ((&caller, &context), format!("/v1/admin/devices/{device}"));
        let summary = format!("Let the {} {device} do from now on: {permissions}", found.kind.as_str());
        if found.kind == PrincipalKind::Admin {
            let guard = Guard { guarded: Guarded::Administrators, path, body: &change, summary };
            require_approval(&service, by, guard).await?;
        } else {
            let (scopes, held) = (permissions.scopes(), found.scopes());
            authorize_grant(&service, by, Grant { scopes, held, path, body: &change, summary }).await?;
        }
    }
    let order = order(device.clone(), change, &caller, &context, service.clock.now())?;
    if matches!(order.step, Some(Step::Suspend | Step::Retire)) {
        service.latency.begin(&context.request_id, received);
    }
    let changed = service.revocation.change(order, &context).await?.ok_or_else(|| not_found("device"))?;
    let record = changed.map_err(|conflict| refused(&device, conflict))?;
    service.hub.has_told().await;
    answer(&views::principal(record, None))
}

/// Each part of a change has its own permission; nobody gives what he has not.
fn may_change(caller: &Caller, change: &DeviceChange) -> Result<(), Refusal> {
    match change.action {
        Some(DeviceAction::Approve | DeviceAction::Deny) => require(caller, Scope::EnrollmentsApprove)?,
        Some(DeviceAction::Suspend | DeviceAction::Retire) if caller.may(Scope::RevocationsWrite) => {}
        Some(DeviceAction::Suspend | DeviceAction::Resume | DeviceAction::Retire) => {
            require(caller, Scope::DevicesWrite)?;
        }
        None => {}
    }
    if change.groups.is_some() || change.profile.is_some() || change.recoveries.is_some() {
        require(caller, Scope::DevicesWrite)?;
    }
    if change.account.is_some() || change.permissions.is_some() {
        require(caller, Scope::AccountsWrite)?;
    }
    match &change.permissions {
        Some(given) => require_can_grant(caller, given.scopes()).map(|_| ()),
        None => Ok(()),
    }
}

fn refused(device: &DeviceId, conflict: Conflict) -> Refusal {
    let told = |sentence: String| Refusal::told(ErrorCode::Conflict, sentence);
    match conflict {
        Conflict::Status(status) => told(format!("the device is {}", status.as_str())),
        Conflict::NoAccount => {
            Refusal::told(ErrorCode::InvalidArgument, "there is no such account, or it is not active")
        }
        Conflict::Outranked(beyond) => {
            let sentence =
                format!("{device} may do what the caller may not, so it is not for the caller to decide: {beyond}");
            Refusal::told(ErrorCode::Forbidden, sentence)
        }
        Conflict::OpenToken { token, by } => told(format!(
            "{by} has made a token whose holder becomes {device}; revoke it first: ca token revoke {token}"
        )),
        Conflict::UnusedCertificate(serial) => told(format!(
            "a certificate of {device} that was never used waits beside the one in use, and its holder would get the \
             permissions too: revoke it first ('ca revoke {serial}'), or let the device use it"
        )),
        Conflict::Generation(newest) => told(format!(
            "{device} has another certificate by now, of generation {newest}: look again with 'ca device show {device}'"
        )),
        Conflict::Claims(waiting) => {
            let listed = waiting.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
            told(format!(
                "these claims on {device} wait, each with a key of its own: {listed}; look at them with 'ca device show \
                 {device}', then name one: ca device approve {device} --token ID"
            ))
        }
        other => Refusal::new(ErrorCode::Conflict, format!("{other:?}")),
    }
}

/// An administrator is changed and ended only by whoever may say what administrators may do.
pub(super) fn spare_administrators(caller: &Caller, principal: &PrincipalRecord) -> Result<(), Refusal> {
    match principal.kind {
        PrincipalKind::Admin | PrincipalKind::Server => {
            require(caller, Scope::AccountsWrite)?;
            require_outranks(caller, principal.scopes())
        }
        PrincipalKind::Device | PrincipalKind::Service => Ok(()),
    }
}

/// A token or a certificate of a device makes its holder the device: rejects one for a device that holds more than the caller, and
/// waits for a second person when what it holds is guarded.
pub(super) async fn authorize_becoming<T: serde::Serialize>(
    service: &App,
    by: (&Caller, &Context),
    devices: impl Iterator<Item = &DeviceId>,
    (path, body): (&str, &T),
) -> Result<(), Refusal> {
    let (mut scopes, mut named) = (Scopes::NONE, Vec::new());
    for device in devices {
        let found = service.store.principal(device).await?;
        if let Some(found) = found.filter(|found| found.permissions.is_some()) {
            require_outranks(by.0, found.scopes())?;
            scopes = scopes.with(found.scopes());
            named.push(device.as_str());
        }
    }
    if named.is_empty() {
        return Ok(());
    }
    let summary = format!("Let the holder of a new token or certificate become {}, with: {scopes}", named.join(", "));
    let grant = Grant { scopes, held: Scopes::NONE, path: path.into(), body, summary };
    authorize_grant(service, by, grant).await.map(|_| ())
}

fn order(
    device: DeviceId,
    change: DeviceChange,
    caller: &Caller,
    context: &Context,
    now: UnixTime,
) -> Result<ChangeDevice, Refusal> {
    let (step, kind) = match change.action {
        None => (None, "device.changed"),
        Some(DeviceAction::Suspend) => (Some(Step::Suspend), "device.suspended"),
        Some(DeviceAction::Resume) => (Some(Step::Resume), "device.resumed"),
        Some(DeviceAction::Retire) => (Some(Step::Retire), "device.retired"),
        Some(DeviceAction::Approve) => (Some(Step::Approve), "enrollment.approved"),
        Some(DeviceAction::Deny) => (Some(Step::Deny), "enrollment.denied"),
    };
    let mut detail = json!({ "groups": change.groups, "profile": change.profile, "recoveries": change.recoveries });
    if let Some(account) = &change.account {
        detail["account"] = account.as_str().into();
    }
    if let Some(permissions) = &change.permissions {
        detail["permissions"] = permissions.to_string().into();
    }
    let draft = AuditDraft {
        kind,
        actor: caller.actor(),
        subject: device.to_string(),
        request_id: context.request_id.clone(),
        detail,
        at: now,
    };
    let account = match change.account.as_deref() {
        None => None,
        Some("") => Some(None),
        Some(id) => {
            let parsed = AccountId::parse(id);
            Some(Some(parsed.map_err(|e| Refusal::told(ErrorCode::InvalidArgument, e.to_string()))?))
        }
    };
    let DeviceChange { groups, profile, recoveries, permissions, generation, token, spki, .. } = change;
    let claim = match (token, spki) {
        (None, None) => None,
        (None, Some(_)) => {
            return Err(Refusal::told(ErrorCode::InvalidArgument, "spki goes with the token that it claims"));
        }
        (Some(token), spki) => {
            let invalid = || Refusal::told(ErrorCode::InvalidArgument, "spki is 64 hexadecimal digits");
            let spki = spki.map(|text| Fingerprint::parse(&text).ok_or_else(invalid)).transpose()?;
            Some(SeenClaim { token, spki })
        }
    };
    let outranked_by = Some(caller.scopes());
    Ok(ChangeDevice {
        device,
        step,
        groups,
        profile,
        recoveries,
        account,
        permissions,
        outranked_by,
        generation,
        claim,
        now,
        draft,
    })
}

pub(super) async fn revoke(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::RevocationsWrite).await?;
    let received = asked.received;
    let (caller, context, order) = asked.json::<RevokeRequest>(&service).await?;
    let target = target(&service, &caller, &order).await?;
    let reason = order.reason.unwrap_or(Reason::Unspecified);
    let mode = if order.dry_run { Mode::DryRun } else { Mode::Apply };
    if mode == Mode::Apply {
        agree(&service, (&caller, &context), &order, &target).await?;
    }
    let wish = Wish { target, reason, mode };
    service.latency.begin(&context.request_id, received);
    let report = service.revocation.revoke(wish, caller.actor(), &context).await?;
    if !report.revoked.known {
        return Err(not_found("device, certificate, batch, account or session"));
    }
    service.hub.has_told().await;
    answer(&revocations::told(report))
}

/// A second administrator, when many devices would end. One device is never kept waiting for it.
async fn agree(
    service: &App,
    (caller, context): (&Caller, &Context),
    order: &RevokeRequest,
    target: &RevokeTarget,
) -> Result<(), Refusal> {
    let settings = &service.config.raw.approval;
    let reason = order.reason.unwrap_or(Reason::Unspecified);
    let many = matches!(target, RevokeTarget::Batch(_) | RevokeTarget::Account(_)) || reason.is_compromise();
    let guarded = many && settings.required_for.contains(&Guarded::Batches);
    if !guarded && !reason.is_compromise() {
        return Ok(());
    }
    let wish = Wish { target: target.clone(), reason, mode: Mode::DryRun };
    let plan = service.revocation.revoke(wish, caller.actor(), context).await?.revoked;
    revocations::spare_affected(service, caller, &plan).await?;
    let devices = plan.devices.len() + plan.affected.len();
    if !guarded || devices < settings.batch_size as usize {
        return Ok(());
    }
    let what = match target {
        RevokeTarget::Account(id) => format!("the account {id}"),
        RevokeTarget::Batch(batch) => format!("the batch {batch}"),
        RevokeTarget::Device(id) => format!("{id} and what was made with it"),
        RevokeTarget::Serial(serial) => format!("the certificate {serial} and what was made with it"),
        RevokeTarget::Credential(id) => format!("the API key {id} and what was made with it"),
        RevokeTarget::Session(id) => format!("the session {id} and what was made with it"),
    };
    let summary = format!("Revoke {what}: {devices} devices now");
    let guard = Guard { guarded: Guarded::Batches, path: "/v1/admin/revocations".into(), body: order, summary };
    require_approval(service, (caller, context), guard).await
}

async fn target(service: &App, caller: &Caller, order: &RevokeRequest) -> Result<RevokeTarget, Refusal> {
    let invalid = |text: String| Refusal::told(ErrorCode::InvalidArgument, text);
    if let Some(session) = &order.session {
        let alone =
            order.device.is_none() && order.serial.is_none() && order.batch.is_none() && order.account.is_none();
        return if alone { Ok(RevokeTarget::Session(session.clone())) } else { Err(invalid(ONE_TARGET.into())) };
    }
    match (&order.device, &order.serial, &order.batch, &order.account) {
        (Some(device), None, None, None) => {
            if let Some(found) = service.store.principal(device).await? {
                spare_administrators(caller, &found)?;
            }
            Ok(RevokeTarget::Device(device.clone()))
        }
        (None, Some(serial), None, None) => {
            let serial = Serial::parse(serial).map_err(|e| invalid(e.to_string()))?;
            if let Some(found) = service.store.certificate(&serial).await? {
                spare_administrators(caller, &found.principal)?;
            }
            Ok(RevokeTarget::Serial(serial))
        }
        (None, None, Some(batch), None) => Ok(RevokeTarget::Batch(batch.clone())),
        (None, None, None, Some(account)) => {
            require(caller, Scope::AccountsWrite)?;
            if caller.scopes() != Scopes::all() {
                for found in service.store.administrators_of(account).await? {
                    spare_administrators(caller, &found)?;
                }
            }
            Ok(RevokeTarget::Account(account.clone()))
        }
        _ => Err(invalid(ONE_TARGET.into())),
    }
}

const ONE_TARGET: &str = "name exactly one of device, serial, batch, account and session";

pub(super) async fn issue(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::CertificatesIssue).await?;
    let (admin, context, request) = asked.json::<IssueRequest>(&service).await?;
    check_groups(&request.groups)?;
    let path = "/v1/admin/issue";
    authorize_becoming(&service, (&admin, &context), std::iter::once(&request.device), (path, &request)).await?;
    let order = ManualOrder {
        device: request.device,
        profile: request.profile,
        groups: request.groups,
        dns_names: request.dns_names,
        lifetime: request.lifetime,
        replace: request.replace,
    };
    let evidence = Evidence::Administrator { admin, order };
    let enrollment = Enrollment { csr: request.csr.into_bytes(), evidence, context };
    match service.road.walk(enrollment).await? {
        Outcome::Issued(issued) | Outcome::Replayed(issued) => answer(&native::certificate(&service, &issued)?),
        Outcome::Pending(_) => Err(Refusal::new(ErrorCode::Internal, "a manual issue cannot wait for approval")),
    }
}
