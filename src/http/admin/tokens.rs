//! Enrollment tokens.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use serde_json::json;
use signet_api::admin::{CreateTokens, CreatedTokens, Page, RevokedTokens, TokenInfo, TokenQuery};
use signet_api::scope::Scope;
use signet_api::{CredentialId, ErrorCode};

use super::{Asked, not_found, segment, views};
use crate::credentials::order::{self, Ordering};
use crate::http::App;
use crate::http::refusal::Refusal;
use crate::http::request::answer;
use crate::store::{self, AuditDraft, TokenConflict, TokenSelection};

pub(super) async fn create(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::TokensWrite).await?;
    let (admin, context, order) = asked.json::<CreateTokens>(&service).await?;
    let profiles = &service.authorizer.profiles;
    let profile = profiles.for_devices(&order.profile).ok_or_else(|| {
        let known = profiles.device_names().join(", ");
        Refusal::told(ErrorCode::InvalidArgument, format!("there is no profile {:?}; known are {known}", order.profile))
    })?;
    let actor = admin.actor();
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
        actor: actor.clone(),
        subject,
        request_id: context.request_id,
        detail: json!({ "tokens": ids, "devices": devices, "profile": order.profile, "groups": order.groups }),
        at: now,
    };
    let stored = store::CreateTokens { tokens: minted.records, kind: profile.kind, draft };
    service.store.create_tokens(stored).await?.map_err(conflict)?;
    answer(&CreatedTokens { batch: order.batch, root_fingerprint: root.to_string(), tokens: minted.shown })
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
    };
    Refusal::told(ErrorCode::Conflict, sentence)
}

pub(super) async fn list(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::TokensRead).await?;
    let now = service.clock.now();
    let page = service.store.tokens(asked.query::<TokenQuery>()?, now).await?;
    let items: Vec<TokenInfo> = page.items.into_iter().map(|t| views::token(t, now)).collect();
    answer(&Page { items, next: page.next })
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
