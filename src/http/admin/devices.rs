//! Inventory, manual issue and revocation.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use serde_json::json;
use signet_api::ErrorCode;
use signet_api::admin::{
    DeviceAction, DeviceChange, DeviceDetail, DeviceQuery, IssueRequest, RevokeReport, RevokeRequest, TokenQuery,
};
use signet_api::scope::{AccountId, Scope, Scopes};
use signet_pki::crl::Reason;
use signet_pki::name::PrincipalKind;
use signet_pki::{DeviceId, Serial, UnixTime};

use super::approvals::{Act, second};
use super::{Asked, not_found, segment, views};
use crate::authorize::{Caller, Context, Enrollment, Evidence, ManualOrder, held};
use crate::credentials::order::check_groups;
use crate::enrollment::Outcome;
use crate::http::App;
use crate::http::native;
use crate::http::refusal::Refusal;
use crate::http::request::{answer, over, require, within};
use crate::revocation::Wish;
use crate::store::{
    AuditDraft, ChangeDevice, Conflict, Guarded, Listed, Mode, PrincipalRecord, RevokeTarget, Step, TokenRecord,
    TokenStatus,
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
        over(&caller, held(&found))?;
    }
    if change.permissions.as_ref().is_some_and(|given| !given.scopes().beyond(held(&found)).is_empty()) {
        nobody_waits_to_become(&service, &caller, &device).await?;
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
    if let (PrincipalKind::Admin, Some(permissions)) = (found.kind, &change.permissions) {
        let summary = format!("Let the administrator {device} do from now on: {permissions}");
        let path = format!("/v1/admin/devices/{device}");
        let act = Act { guarded: Guarded::Administrators, path, body: &change, summary };
        second(&service, (&caller, &context), act).await?;
    }
    let order = order(device, change, &caller, &context, service.clock.now())?;
    if matches!(order.step, Some(Step::Suspend | Step::Retire)) {
        service.latency.begin(&context.request_id, received);
    }
    let changed = service.revocation.change(order, &context).await?.ok_or_else(|| not_found("device"))?;
    let record = changed.map_err(|conflict| match conflict {
        Conflict::Status(status) => Refusal::told(ErrorCode::Conflict, format!("the device is {}", status.as_str())),
        Conflict::NoAccount => {
            Refusal::told(ErrorCode::InvalidArgument, "there is no such account, or it is not active")
        }
        other => Refusal::new(ErrorCode::Conflict, format!("{other:?}")),
    })?;
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
        Some(given) => within(caller, given.scopes()),
        None => Ok(()),
    }
}

/// An administrator is changed and ended only by whoever may say what administrators may do.
fn spare_administrators(caller: &Caller, principal: &PrincipalRecord) -> Result<(), Refusal> {
    match principal.kind {
        PrincipalKind::Admin | PrincipalKind::Server => {
            require(caller, Scope::AccountsWrite)?;
            over(caller, held(principal))
        }
        PrincipalKind::Device | PrincipalKind::Service => Ok(()),
    }
}

/// Whoever redeems an open token of the device becomes it, with all that it may do from now on (T30).
async fn nobody_waits_to_become(service: &App, caller: &Caller, device: &DeviceId) -> Result<(), Refusal> {
    let (query, now) =
        (TokenQuery { device: Some(device.clone()), limit: Some(1000), ..TokenQuery::default() }, service.clock.now());
    let tokens = service.store.tokens(query, now).await?.items;
    let actor = caller.actor();
    let open = |token: &&TokenRecord| {
        let open = matches!(token.status, TokenStatus::Active | TokenStatus::Pending | TokenStatus::Approved);
        open && now < token.expires_at && token.created_by != actor
    };
    let Some(token) = tokens.iter().find(open) else { return Ok(()) };
    let sentence = format!(
        "{} has made a token with which anybody becomes {device}; revoke it first: ca token revoke {}",
        token.created_by, token.id
    );
    Err(Refusal::told(ErrorCode::Conflict, sentence))
}

/// Whoever makes a token or a certificate of a device can become it.
pub(super) async fn may_become(service: &App, caller: &Caller, device: &DeviceId) -> Result<(), Refusal> {
    if caller.scopes() == Scopes::all() {
        return Ok(());
    }
    match service.store.principal(device).await? {
        Some(found) if found.permissions.is_some() => over(caller, held(&found)),
        _ => Ok(()),
    }
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
    let DeviceChange { groups, profile, recoveries, permissions, .. } = change;
    Ok(ChangeDevice { device, step, groups, profile, recoveries, account, permissions, now, draft })
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
        return Err(not_found("device, certificate, batch or account"));
    }
    service.hub.has_told().await;
    answer(&RevokeReport {
        dry_run: order.dry_run,
        devices: report.revoked.devices,
        certificates: report.revoked.certificates.iter().map(Serial::to_string).collect(),
        tokens: report.revoked.tokens,
        accounts: report.revoked.accounts,
        credentials: report.revoked.credentials,
        crl_number: report.crl_number,
    })
}

/// A second administrator, when many devices would end. One device is never kept waiting for it.
async fn agree(
    service: &App,
    (caller, context): (&Caller, &Context),
    order: &RevokeRequest,
    target: &RevokeTarget,
) -> Result<(), Refusal> {
    let settings = &service.config.raw.approval;
    let many = matches!(target, RevokeTarget::Batch(_) | RevokeTarget::Account(_));
    if !many || !settings.required_for.contains(&Guarded::Batches) {
        return Ok(());
    }
    let wish = Wish { target: target.clone(), reason: Reason::Unspecified, mode: Mode::DryRun };
    let devices = service.revocation.revoke(wish, caller.actor(), context).await?.revoked.devices.len();
    if devices < settings.batch_size as usize {
        return Ok(());
    }
    let what = match target {
        RevokeTarget::Account(id) => format!("the account {id}"),
        RevokeTarget::Batch(batch) => format!("the batch {batch}"),
        RevokeTarget::Device(_) | RevokeTarget::Serial(_) => String::new(),
    };
    let summary = format!("Revoke {what}: {devices} devices now");
    let act = Act { guarded: Guarded::Batches, path: "/v1/admin/revocations".into(), body: order, summary };
    second(service, (caller, context), act).await
}

async fn target(service: &App, caller: &Caller, order: &RevokeRequest) -> Result<RevokeTarget, Refusal> {
    let invalid = |text: String| Refusal::told(ErrorCode::InvalidArgument, text);
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
                for device in service.store.devices_of(account).await? {
                    if let Some(found) = service.store.principal(&device).await? {
                        spare_administrators(caller, &found)?;
                    }
                }
            }
            Ok(RevokeTarget::Account(account.clone()))
        }
        _ => Err(invalid("name exactly one of device, serial, batch and account".into())),
    }
}

pub(super) async fn issue(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::CertificatesIssue).await?;
    let (admin, context, request) = asked.json::<IssueRequest>(&service).await?;
    check_groups(&request.groups)?;
    may_become(&service, &admin, &request.device).await?;
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
