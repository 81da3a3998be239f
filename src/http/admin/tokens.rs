//! Enrollment tokens.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use serde_json::json;
use signet_api::admin::{CreateTokens, CreatedTokens, RevokedTokens, TokenKind, TokenQuery};
use signet_api::scope::{Scope, Scopes};
use signet_api::{CredentialId, ErrorCode};
use signet_pki::name::PrincipalKind;
use signet_pki::profile::Profile;

use super::approvals::{Guard, require_approval};
use super::devices::authorize_becoming;
use super::grants::{Grant, authorize_grant};
use super::{Asked, not_found, segment, views};
use crate::authorize::{Caller, Context};
use crate::config::ADMIN_PROFILE;
use crate::credentials::order::{self, Ordering};
use crate::http::App;
use crate::http::refusal::Refusal;
use crate::http::request::{answer, require, require_can_grant};
use crate::store::{self, AuditDraft, Guarded, TokenConflict, TokenSelection};

pub(super) async fn create(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::TokensWrite).await?;
    let (caller, context, order) = asked.json::<CreateTokens>(&service).await?;
    answer(&make(&service, (&caller, &context), order).await?)
}

/// Checks an order, mints its tokens and keeps them.
pub(in crate::http) async fn make(
    service: &App,
    (caller, context): (&Caller, &Context),
    order: CreateTokens,
) -> Result<CreatedTokens, Refusal> {
    let profile = profile(service, caller, &order)?;
    let (actor, by) = (caller.name(), (caller, context));
    let root = service.publisher.root().view().fingerprint();
    let now = service.clock.now();
    let circumstances =
        Ordering { profile: &profile, actor: &actor, now, public_url: &service.config.raw.public_url, root };
    let minted = order::mint(&order, &circumstances, &service.authorizer.pepper, service.random.as_ref())?;
    let ids: Vec<&str> = minted.shown.iter().map(|t| t.id.as_str()).collect();
    let devices: Vec<&str> = minted.shown.iter().map(|t| t.device.as_str()).collect();
    let subject = match (&order.batch, devices.as_slice()) {
        (Some(batch), _) => format!("batch:{batch}"),
        (None, [one, ..]) => (*one).to_owned(),
        (None, []) => String::new(),
    };
    let draft = AuditDraft {
        kind: "token.created",
        actor: caller.actor(),
        subject,
        request_id: context.request_id.clone(),
        detail: json!({ "tokens": ids, "devices": devices, "profile": order.profile, "groups": order.groups }),
        at: now,
    };
    if profile.kind == PrincipalKind::Admin {
        invitation(service, by, &order).await?;
    } else {
        let devices = order.targets.iter().filter_map(|target| target.device.as_ref());
        authorize_becoming(service, by, devices, (PATH, &order)).await?;
    }
    let approval = &service.config.raw.approval;
    let stored = store::CreateTokens {
        tokens: minted.records,
        kind: profile.kind,
        permissions: order.permissions.clone(),
        outranked_by: caller.scopes(),
        large_batch: approval.required_for.contains(&Guarded::Batches).then_some(approval.batch_size),
        origin: caller.origin(),
        draft,
    };
    let stored_at_once = service.store.create_tokens(stored.clone()).await?;
    if let Err(TokenConflict::LargeBatch(total)) = stored_at_once {
        let batch = order.batch.as_deref().unwrap_or_default();
        let (count, profile) = (order.targets.len(), &order.profile);
        let summary =
            format!("Make {count} enrollment tokens, batch {batch}, which has {total} then, profile {profile}");
        let guard = Guard { guarded: Guarded::Batches, path: PATH.into(), body: &order, summary };
        require_approval(service, by, guard).await?;
        let approved = store::CreateTokens { large_batch: None, ..stored };
        service.store.create_tokens(approved).await?.map_err(conflict)?;
    } else {
        stored_at_once.map_err(conflict)?;
    }
    Ok(CreatedTokens { batch: order.batch, root_fingerprint: root.to_string(), tokens: minted.shown })
}

/// Tokens for an administrator are for whoever may say what administrators may do, and give no more than he has.
fn profile(service: &App, caller: &Caller, order: &CreateTokens) -> Result<Arc<Profile>, Refusal> {
    let invalid = |told: String| Refusal::told(ErrorCode::InvalidArgument, told);
    let profiles = &service.authorizer.profiles;
    if order.profile != ADMIN_PROFILE {
        if order.permissions.is_some() {
            return Err(invalid(
                "permissions are for administrators; a device gets them with 'ca device permit'".into(),
            ));
        }
        return profiles.for_devices(&order.profile).ok_or_else(|| {
            let known = profiles.device_names().join(", ");
            invalid(format!("there is no profile {:?}; known are {known}", order.profile))
        });
    }
    require(caller, Scope::AccountsWrite)?;
    let Some(given) = &order.permissions else {
        return Err(invalid("say what the administrator may do, for example role:auditor".into()));
    };
    require_can_grant(caller, given.scopes())?;
    let named = matches!(order.targets.as_slice(), [one] if one.device.is_some());
    if !named || order.kind != TokenKind::Interactive || order.replace {
        return Err(invalid("an administrator is invited alone, by name, with an interactive token".into()));
    }
    profiles.named(ADMIN_PROFILE).ok_or_else(|| invalid("there is no profile for administrators".into()))
}

/// A second administrator, where one has to agree to a further one.
async fn invitation(service: &App, by: (&Caller, &Context), order: &CreateTokens) -> Result<(), Refusal> {
    let given = order.permissions.clone().unwrap_or_default();
    let name = order.targets.first().and_then(|target| target.device.as_ref()).map_or("", |id| id.as_str());
    let summary = format!("Let {name} administer, with the permissions: {given}");
    if service.config.raw.approval.required_for.contains(&Guarded::Administrators) {
        let guard = Guard { guarded: Guarded::Administrators, path: PATH.into(), body: order, summary };
        return require_approval(service, by, guard).await;
    }
    let (scopes, held) = (given.scopes(), Scopes::NONE);
    authorize_grant(service, by, Grant { scopes, held, path: PATH.into(), body: order, summary }).await.map(|_| ())
}

fn conflict(conflict: TokenConflict) -> Refusal {
    let sentence = match conflict {
        TokenConflict::Exists(id) => {
            format!(
                "the device {id} is enrolled already; with --replace (in the API: replace) the token may enroll it again"
            )
        }
        TokenConflict::Ended(id) => {
            format!("the id {id} belongs to a device that was revoked, retired, or is of another kind")
        }
        TokenConflict::Outranked(id, beyond) => {
            let told =
                format!("{id} may do what the caller may not, so a token for it is not the caller's to make: {beyond}");
            return Refusal::told(ErrorCode::Forbidden, told);
        }
        TokenConflict::LargeBatch(total) => format!("the batch would have {total} tokens"),
    };
    Refusal::told(ErrorCode::Conflict, sentence)
}

pub(super) async fn list(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::TokensRead).await?;
    let now = service.clock.now();
    let page = service.store.tokens(asked.query::<TokenQuery>()?, now).await?;
    answer(&page.map(|t| views::token(t, now)))
}

pub(super) async fn show(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::TokensRead).await?;
    let id = segment(CredentialId::parse(&id))?;
    let record = service.store.token(&id).await?.ok_or_else(|| not_found("token"))?;
    answer(&views::token(record, service.clock.now()))
}

pub(super) async fn revoke(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::TokensWrite).await?;
    let id = segment(CredentialId::parse(&id))?;
    service.store.token(&id).await?.ok_or_else(|| not_found("token"))?;
    let subject = format!("token:{id}");
    end(&service, asked, TokenSelection::Id(id), subject).await
}

pub(super) async fn revoke_batch(
    State(service): State<App>,
    Path(batch): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::TokensWrite).await?;
    let query = TokenQuery { batch: Some(batch.clone()), limit: Some(1), ..TokenQuery::default() };
    if service.store.tokens(query, service.clock.now()).await?.items.is_empty() {
        return Err(not_found("batch"));
    }
    let subject = format!("batch:{batch}");
    end(&service, asked, TokenSelection::Batch(batch), subject).await
}

async fn end(service: &App, asked: Asked, which: TokenSelection, subject: String) -> Result<Response<Body>, Refusal> {
    let now = service.clock.now();
    let draft = AuditDraft {
        kind: "token.revoked",
        actor: asked.caller.actor(),
        subject,
        request_id: asked.context.request_id,
        detail: json!({}),
        at: now,
    };
    let tokens = service.store.revoke_tokens(store::RevokeTokens { which, now, draft }).await?;
    answer(&RevokedTokens { tokens })
}

const PATH: &str = "/v1/admin/tokens";
