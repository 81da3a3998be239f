//! API keys: made, shown, changed and replaced by an administrator.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use serde_json::json;
use signet_api::access::{ApiKeyAction, ChangeApiKey, CreateApiKey, CreatedApiKey, CredentialQuery};
use signet_api::scope::{Scope, Scopes};
use signet_api::{CredentialId, CredentialKind, ErrorCode};
use signet_pki::name::PrincipalKind;

use super::grants::{Grant, authorize_grant};
use super::{Asked, revocations, segment};
use crate::authorize::{Caller, Context, Delegated};
use crate::credentials::apikeys::{self, Plan, YEAR};
use crate::http::refusal::Refusal;
use crate::http::request::{answer, require_outranks};
use crate::http::rotation::{self, Rotation};
use crate::http::{App, Service};
use crate::store::{AuditDraft, ChangeCredential, CreateCredentials, CredentialRecord, CredentialStatus, Owner};

pub(super) async fn create(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::AccountsWrite).await?;
    let (caller, context, order) = asked.json::<CreateApiKey>(&service).await?;
    let owner = match (&order.account, &order.device) {
        (Some(account), None) => Owner::Account(account.clone()),
        (None, Some(device)) => Owner::Principal(device.clone()),
        _ => return Err(Refusal::told(ErrorCode::InvalidArgument, "name exactly one of account and device")),
    };
    spare_other_administrators(&service, &caller, &owner).await?;
    let wanted = scopes(&service, &owner, order.scopes).await?;
    Plan::check(&order.name, order.cidr.as_deref(), order.lifetime)?;
    let scopes = grant(&service, (&caller, &context), &owner, (wanted, Scopes::NONE), ("", &order)).await?;
    let plan = Plan::new(owner, &order.name, scopes, order.cidr, order.lifetime, YEAR)?;
    let now = service.clock.now();
    let (record, key) = plan.mint(&caller.name(), now, &service.authorizer.pepper, service.random.as_ref())?;
    let draft = AuditDraft {
        kind: "apikey.created",
        actor: caller.actor(),
        subject: rotation::subject(&record.id),
        request_id: context.request_id,
        detail: json!({
            "owner": rotation::owner(&record.owner), "name": record.name, "scopes": record.scopes, "cidr": record.cidr,
            "expires_at": record.expires_at.to_string(),
        }),
        at: now,
    };
    let order = CreateCredentials { credentials: vec![record.clone()], origin: caller.origin(), draft };
    service.store.create_credentials(order).await?.map_err(rotation::conflict)?;
    answer(&CreatedApiKey { key: key.to_string(), replaces: None, info: rotation::info(record, now) })
}

/// What is wanted for a key, which is at most what its owner may; everything of the owner's when nothing is said.
pub(super) async fn scopes(service: &Service, owner: &Owner, wanted: Option<Scopes>) -> Result<Scopes, Refusal> {
    let own = scopes_of(service, owner).await?;
    let scopes = wanted.unwrap_or(own);
    only_of(owner, scopes, own)?;
    Ok(scopes)
}

/// Scopes for a key that may do `held` now. `below`: the rest of the path, and the request.
pub(super) async fn grant<T: serde::Serialize>(
    service: &App,
    by: (&Caller, &Context),
    owner: &Owner,
    (scopes, held): (Scopes, Scopes),
    (below, body): (&str, &T),
) -> Result<Delegated, Refusal> {
    let summary = format!("Let a key of {} do: {scopes}", rotation::owner(owner));
    let path = format!("/v1/admin/apikeys{below}");
    authorize_grant(service, by, Grant { scopes, held, path, body, summary }).await
}

/// A key of an administrator acts in that administrator's name: only they themselves, with their certificate, make one or let one
/// do more.
pub(super) async fn spare_other_administrators(service: &App, caller: &Caller, owner: &Owner) -> Result<(), Refusal> {
    let Owner::Principal(id) = owner else { return Ok(()) };
    let found = service.store.principal(id).await?;
    let administrator = found.is_some_and(|found| found.kind == PrincipalKind::Admin);
    if !administrator || caller.person().is_some_and(|person| person.id() == id) {
        return Ok(());
    }
    let told =
        format!("keys of the administrator {id} are made by {id}, with the administrator's own certificate alone");
    Err(Refusal::told(ErrorCode::Forbidden, told))
}

fn only_of(owner: &Owner, scopes: Scopes, own: Scopes) -> Result<(), Refusal> {
    let beyond = scopes.beyond(own);
    if beyond.is_empty() {
        return Ok(());
    }
    let sentence = format!("{} may not do that itself: {beyond}", rotation::owner(owner));
    Err(Refusal::told(ErrorCode::InvalidArgument, sentence))
}

async fn scopes_of(service: &Service, owner: &Owner) -> Result<Scopes, Refusal> {
    let found = match owner {
        Owner::Account(id) => service.store.account(id).await?.map(|account| account.permissions.scopes()),
        Owner::Principal(id) => service.store.principal(id).await?.map(|principal| principal.scopes()),
    };
    found.ok_or_else(|| rotation::conflict(crate::store::AccessConflict::NoOwner))
}

pub(super) async fn list(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::AccountsRead).await?;
    let query = asked.query::<CredentialQuery>()?;
    let kind = Some(CredentialKind::ApiKey.prefix().to_owned());
    let now = service.clock.now();
    let page = service.store.credentials(CredentialQuery { kind, ..query }, now).await?;
    answer(&page.map(|key| rotation::info(key, now)))
}

pub(super) async fn show(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::AccountsRead).await?;
    let id = segment(CredentialId::parse(&id))?;
    answer(&rotation::info(rotation::find(&service, &id).await?, service.clock.now()))
}

pub(super) async fn change(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::AccountsWrite).await?;
    let id = segment(CredentialId::parse(&id))?;
    let (caller, context, change) = asked.json::<ChangeApiKey>(&service).await?;
    check(&change)?;
    let found = rotation::find(&service, &id).await?;
    if change.action == Some(ApiKeyAction::Rotate) {
        // The answer holds the new key.
        spare_other_administrators(&service, &caller, &found.owner).await?;
        let rotation = Rotation::of(&service, found, change.overlap).await?;
        let (pattern, below) = (rotation.pattern(), format!("/{id}"));
        let owner = pattern.owner.clone();
        let wanted = (pattern.scopes, Scopes::NONE);
        let scopes = grant(&service, (&caller, &context), &owner, wanted, (&below, &change)).await?;
        return answer(&rotation::rotate(&service, rotation, scopes, &caller, context).await?);
    }
    if change.action == Some(ApiKeyAction::Revoke) {
        return revocations::revoke_key(&service, (&caller, &context), found, &change).await;
    }
    may_change(&service, (&caller, &context), &found, &change).await?;
    let now = service.clock.now();
    let (status, kind) = match change.action {
        None | Some(ApiKeyAction::Rotate | ApiKeyAction::Revoke) => (None, "apikey.changed"),
        Some(ApiKeyAction::Enable) => (Some(CredentialStatus::Active), "apikey.enabled"),
        Some(ApiKeyAction::Disable) => (Some(CredentialStatus::Disabled), "apikey.disabled"),
    };
    let mut detail = json!({ "owner": rotation::owner(&found.owner) });
    if let Some(name) = &change.name {
        detail["name"] = name.as_str().into();
    }
    if let Some(scopes) = change.scopes {
        detail["scopes"] = scopes.to_string().into();
        detail["scopes_before"] = found.scopes.to_string().into();
    }
    if let Some(cidr) = &change.cidr {
        detail["cidr"] = cidr.as_str().into();
        detail["cidr_before"] = found.cidr.clone().into();
    }
    let (actor, subject) = (caller.actor(), rotation::subject(&id));
    let draft = AuditDraft { kind, actor, subject, request_id: context.request_id, detail, at: now };
    let cidr = change.cidr.map(|cidr| Some(cidr).filter(|cidr| !cidr.is_empty()));
    let order = ChangeCredential { id, status, name: change.name, scopes: change.scopes, cidr, draft };
    let changed = service.store.change_credential(order).await?.ok_or_else(rotation::gone)?;
    answer(&rotation::info(changed.map_err(rotation::conflict)?, now))
}

fn check(change: &ChangeApiKey) -> Result<(), Refusal> {
    let invalid = |sentence: &str| Err(Refusal::told(ErrorCode::InvalidArgument, sentence));
    let rotates = change.action == Some(ApiKeyAction::Rotate);
    if *change == ChangeApiKey::default() {
        return invalid("the change is empty");
    }
    if rotates && (change.name.is_some() || change.scopes.is_some() || change.cidr.is_some()) {
        return invalid("a rotation makes the same key anew; change it before or after");
    }
    if !rotates && change.overlap.is_some() {
        return invalid("an overlap is for rotations");
    }
    let revokes = change.action == Some(ApiKeyAction::Revoke);
    if !revokes && (change.reason.is_some() || change.dry_run) {
        return invalid("a reason and a dry run are for revocations");
    }
    if revokes && (change.name.is_some() || change.scopes.is_some() || change.cidr.is_some()) {
        return invalid("a revocation changes nothing else");
    }
    if let Some(name) = &change.name {
        apikeys::check_name(name)?;
    }
    Ok(apikeys::check_network(change.cidr.as_deref().filter(|cidr| !cidr.is_empty()))?)
}

/// To disable, revoke and narrow is the safe direction and open to everybody here; what makes a key do more is not.
async fn may_change(
    service: &App,
    by: (&Caller, &Context),
    found: &CredentialRecord,
    change: &ChangeApiKey,
) -> Result<(), Refusal> {
    let added = change.scopes.unwrap_or(Scopes::NONE).beyond(found.scopes);
    let loosens = change.action == Some(ApiKeyAction::Enable) || change.cidr.is_some();
    if loosens || !added.is_empty() {
        spare_other_administrators(service, by.0, &found.owner).await?;
    }
    if loosens {
        require_outranks(by.0, found.scopes)?;
    }
    if !added.is_empty() {
        only_of(&found.owner, added, scopes_of(service, &found.owner).await?)?;
        let below = format!("/{}", found.id);
        grant(service, by, &found.owner, (added, Scopes::NONE), (&below, change)).await?;
    }
    Ok(())
}
