//! The keys that sign access tokens, and the sessions of refresh tokens.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use signet_api::CredentialId;
use signet_api::access::CredentialQuery;
use signet_api::oauth::{RevokedSession, SessionInfo, TokenKeyInfo, TokenKeys};
use signet_api::scope::Scope;

use super::{Asked, not_found, segment};
use crate::http::App;
use crate::http::refusal::Refusal;
use crate::http::request::answer;
use crate::jwt::StagedKey;
use crate::store::{CredentialRecord, Owner};

pub(super) async fn keys(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::IssuersRead).await?;
    let staged = service.authorizer.tokens.keys().staged(service.clock.now());
    answer(&TokenKeys { keys: staged.into_iter().map(key_info).collect() })
}

pub(super) async fn sessions(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::AccountsRead).await?;
    let page = service.oauth.sessions(asked.query::<CredentialQuery>()?).await?;
    answer(&page.map(session_info))
}

pub(super) async fn revoke(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::RevocationsWrite).await?;
    let id = segment(CredentialId::parse(&id))?;
    let revoked = service.oauth.end_session(&id, asked.caller.actor(), &asked.context).await?;
    if revoked.is_empty() {
        return Err(not_found("session that is open"));
    }
    answer(&RevokedSession { revoked })
}

fn key_info(key: StagedKey) -> TokenKeyInfo {
    TokenKeyInfo {
        kid: key.kid,
        stage: key.stage.as_str().to_owned(),
        published_at: key.published_at.to_string(),
        signs_from: key.signs_from.to_string(),
        signs_until: key.signs_until.map(|at| at.to_string()),
        verifies_until: key.verifies_until.map(|at| at.to_string()),
    }
}

fn session_info(record: CredentialRecord) -> SessionInfo {
    let (account, device) = match record.owner {
        Owner::Account(id) => (Some(id), None),
        Owner::Principal(id) => (None, Some(id)),
    };
    SessionInfo {
        id: record.family,
        account,
        device,
        scopes: record.scopes,
        bound: record.spki.is_some(),
        refreshed_at: record.created_at.to_string(),
        idle_until: record.expires_at.to_string(),
        ends_at: record.line_ends_at.unwrap_or(record.expires_at).to_string(),
    }
}
