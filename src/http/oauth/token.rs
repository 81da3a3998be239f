//! The token endpoint (RFC 6749 3.2).

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use signet_api::ErrorCode;
use signet_api::device_codes::DEVICE_CODE_GRANT;
use signet_api::scope::Scopes;

use super::form::Form;
use super::{Asked, device, nobody, told};
use crate::authorize::Caller;
use crate::http::refusal::Refusal;
use crate::http::{App, request};
use crate::oauth::{Session, Wanted};

pub(super) async fn token(State(service): State<App>, incoming: Request) -> Response<Body> {
    told(grant(&service, incoming).await)
}

async fn grant(service: &App, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::of(service, incoming).await?;
    if asked.form.optional("client_secret").is_some() {
        let told = "client_secret in the body is not taken: put the API key into X-API-Key or HTTP Basic";
        return Err(Refusal::told(ErrorCode::MalformedRequest, told));
    }
    let grant = asked.form.required("grant_type")?;
    if grant.as_str() == DEVICE_CODE_GRANT {
        return device::redeem(service, &asked).await;
    }
    let caller = asked.client(service).await?;
    let wanted = wanted(&asked.form)?;
    let outcome = match grant.as_str() {
        "client_credentials" => {
            let caller = caller.ok_or_else(nobody)?;
            check_client(&asked.form, &caller)?;
            service.oauth.client_credentials(&caller, &wanted, &asked.context).await
        }
        "refresh_token" => {
            if let Some(caller) = &caller {
                check_client(&asked.form, caller)?;
            }
            let token = asked.form.required("refresh_token")?;
            let _turn = asked.attempt.turn().await;
            service.oauth.refresh(&token, caller.as_ref(), &wanted, &asked.context).await
        }
        _ => {
            let told = "grant_type is client_credentials, refresh_token or that of RFC 8628";
            return Err(Refusal::told(ErrorCode::UnsupportedGrant, told));
        }
    };
    request::answer(&outcome.map_err(|error| asked.failed(service, error))?)
}

/// Scopes and audience; `resource` is RFC 8707's name for the latter, `audience` what others call it.
fn wanted(form: &Form) -> Result<Wanted, Refusal> {
    let mut wanted = Wanted::default();
    if let Some(text) = form.optional("scope") {
        let words = text.split(' ').filter(|word| !word.is_empty());
        let (offline, rest): (Vec<&str>, Vec<&str>) = words.partition(|word| *word == OFFLINE);
        if !offline.is_empty() {
            wanted.session = Session::Open;
        }
        if !rest.is_empty() {
            let scopes = rest.join(" ").parse::<Scopes>();
            wanted.scopes = Some(scopes.map_err(|e| Refusal::told(ErrorCode::InvalidScope, e.to_string()))?);
        }
    }
    wanted.audience = match (form.optional("resource"), form.optional("audience")) {
        (Some(_), Some(_)) => {
            let told = "resource and audience say the same: give one of them";
            return Err(Refusal::told(ErrorCode::MalformedRequest, told));
        }
        (one, other) => one.or(other).map(|name| name.to_string()),
    };
    Ok(wanted)
}

/// The client is who it proves to be; if it also says so, that has to be the same.
fn check_client(form: &Form, caller: &Caller) -> Result<(), Refusal> {
    let Some(said) = form.optional("client_id") else { return Ok(()) };
    let is_key = caller.presented().api_key().is_some_and(|key| key.id().as_str() == said.as_str());
    if is_key || caller.id() == said.as_str() || caller.name() == said.as_str() {
        return Ok(());
    }
    Err(Refusal::told(ErrorCode::NotAuthenticated, format!("client_id does not say {}", caller.id())))
}

/// Asks for a refresh token (OpenID Connect Core 11 has the name).
const OFFLINE: &str = "offline_access";
