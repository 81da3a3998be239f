//! Inventory, manual issue and revocation.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use serde_json::json;
use signet_api::ErrorCode;
use signet_api::admin::{
    DeviceAction, DeviceChange, DeviceDetail, DeviceInfo, DeviceQuery, IssueRequest, Page, RevokeReport, RevokeRequest,
    TokenQuery,
};
use signet_pki::crl::Reason;
use signet_pki::{DeviceId, Serial};

use super::{Asked, not_found, segment, views};
use crate::authorize::{Enrollment, Evidence, ManualOrder};
use crate::credentials::order::check_groups;
use crate::enrollment::Outcome;
use crate::http::App;
use crate::http::native;
use crate::http::refusal::Refusal;
use crate::http::request::answer;
use crate::revocation::Wish;
use crate::store::{AuditDraft, ChangeDevice, Conflict, Mode, RevokeTarget, Step};

pub(super) async fn list(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::by_administrator(&service, incoming).await?;
    let now = service.clock.now();
    let page = service.store.devices(asked.query::<DeviceQuery>()?, now).await?;
    let items: Vec<DeviceInfo> = page.items.into_iter().map(|d| views::device(d, now)).collect();
    answer(&Page { items, next: page.next })
}

pub(super) async fn show(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    Asked::by_administrator(&service, incoming).await?;
    let id = segment(DeviceId::parse(&id))?;
    let now = service.clock.now();
    let principal = service.store.principal(&id).await?.ok_or_else(|| not_found("device"))?;
    let certificates = service.store.certificates_of(&id).await?;
    let query = TokenQuery { device: Some(id), limit: Some(100), ..TokenQuery::default() };
    let tokens = service.store.tokens(query, now).await?;
    let newest = certificates.iter().find(|c| c.status_is_live()).cloned().map(|c| views::certificate(c, now));
    answer(&DeviceDetail {
        device: views::principal(principal, newest),
        certificates: certificates.into_iter().map(|c| views::certificate(c, now)).collect(),
        tokens: tokens.items.into_iter().map(|t| views::token(t, now)).collect(),
    })
}

pub(super) async fn certificate(
    State(service): State<App>,
    Path(serial): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    Asked::by_administrator(&service, incoming).await?;
    let serial = segment(Serial::parse(&serial))?;
    let record = service.store.certificate(&serial).await?.ok_or_else(|| not_found("certificate"))?;
    answer(&views::certificate(record, service.clock.now()))
}

pub(super) async fn change(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::by_administrator(&service, incoming).await?;
    let device = segment(DeviceId::parse(&id))?;
    let received = asked.received;
    let (admin, context, change) = asked.json::<DeviceChange>(&service).await?;
    if change == DeviceChange::default() {
        return Err(Refusal::told(ErrorCode::InvalidArgument, "the change is empty"));
    }
    let found = service.store.principal(&device).await?.ok_or_else(|| not_found("device"))?;
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
    let now = service.clock.now();
    let (step, kind) = match change.action {
        None => (None, "device.changed"),
        Some(DeviceAction::Suspend) => (Some(Step::Suspend), "device.suspended"),
        Some(DeviceAction::Resume) => (Some(Step::Resume), "device.resumed"),
        Some(DeviceAction::Retire) => (Some(Step::Retire), "device.retired"),
        Some(DeviceAction::Approve) => (Some(Step::Approve), "enrollment.approved"),
        Some(DeviceAction::Deny) => (Some(Step::Deny), "enrollment.denied"),
    };
    let draft = AuditDraft {
        kind,
        actor: admin.actor(),
        subject: device.to_string(),
        request_id: context.request_id.clone(),
        detail: json!({ "groups": change.groups, "profile": change.profile, "recoveries": change.recoveries }),
        at: now,
    };
    let DeviceChange { groups, profile, recoveries, .. } = change;
    let order = ChangeDevice { device, step, groups, profile, recoveries, now, draft };
    if matches!(step, Some(Step::Suspend | Step::Retire)) {
        service.latency.begin(&context.request_id, received);
    }
    let changed = service.revocation.change(order, &context).await?.ok_or_else(|| not_found("device"))?;
    let record = changed.map_err(|conflict| match conflict {
        Conflict::Status(status) => Refusal::told(ErrorCode::Conflict, format!("the device is {}", status.as_str())),
        other => Refusal::new(ErrorCode::Conflict, format!("{other:?}")),
    })?;
    service.hub.has_told().await;
    answer(&views::principal(record, None))
}

pub(super) async fn revoke(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::by_administrator(&service, incoming).await?;
    let received = asked.received;
    let (admin, context, order) = asked.json::<RevokeRequest>(&service).await?;
    let target = match (order.device, order.serial, order.batch) {
        (Some(device), None, None) => RevokeTarget::Device(device),
        (None, Some(serial), None) => {
            let parsed = Serial::parse(&serial);
            RevokeTarget::Serial(parsed.map_err(|e| Refusal::told(ErrorCode::InvalidArgument, e.to_string()))?)
        }
        (None, None, Some(batch)) => RevokeTarget::Batch(batch),
        _ => return Err(Refusal::told(ErrorCode::InvalidArgument, "name exactly one of device, serial and batch")),
    };
    let reason = order.reason.unwrap_or(Reason::Unspecified);
    let mode = if order.dry_run { Mode::DryRun } else { Mode::Apply };
    let wish = Wish { target, reason, mode };
    service.latency.begin(&context.request_id, received);
    let report = service.revocation.revoke(wish, admin.actor(), &context).await?;
    if !report.revoked.known {
        return Err(not_found("device, certificate or batch"));
    }
    service.hub.has_told().await;
    answer(&RevokeReport {
        dry_run: order.dry_run,
        devices: report.revoked.devices,
        certificates: report.revoked.certificates.iter().map(Serial::to_string).collect(),
        tokens: report.revoked.tokens,
        crl_number: report.crl_number,
    })
}

pub(super) async fn issue(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::by_administrator(&service, incoming).await?;
    let (admin, context, request) = asked.json::<IssueRequest>(&service).await?;
    check_groups(&request.groups)?;
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
