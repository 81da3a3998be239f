//! `/v1/oauth/*` and the documents that tell clients where they are. Refusals speak RFC 6749 5.2 as well.

mod device;
mod documents;
mod form;
mod token;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use signet_api::ErrorCode;

use super::App;
use super::connection::Peer;
use super::native::known;
use super::refusal::{OAuthCode, Refusal};
use super::request;
use crate::authorize::{Caller, Context, Secret};
use crate::http::Service;
use crate::http::backoff::Attempt;
use crate::oauth::OAuthError;
use form::Form;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/oauth/token", post(token::token))
        .route("/v1/oauth/device_authorization", post(device::begin))
        .route("/device", get(device::page))
        .route("/v1/admin/device-codes", get(device::list))
        .route("/v1/admin/device-codes/{code}", post(device::decide))
        .route("/v1/oauth/introspect", post(introspect))
        .route("/v1/oauth/revoke", post(revoke))
        .route("/.well-known/jwks.json", get(documents::jwks))
        .route("/.well-known/oauth-authorization-server", get(documents::metadata))
}

async fn introspect(State(service): State<App>, incoming: Request) -> Response<Body> {
    let answer = async {
        let asked = Asked::of(&service, incoming).await?;
        let caller = asked.caller(&service).await?.ok_or_else(nobody)?;
        let token = asked.form.required("token")?;
        let told = service.oauth.introspect(&caller, &token).await.map_err(|e| asked.failed(&service, e))?;
        request::answer(&told)
    };
    told(answer.await)
}

/// RFC 7009 2.2: also for a token that nobody knows the answer is 200.
async fn revoke(State(service): State<App>, incoming: Request) -> Response<Body> {
    let answer = async {
        let asked = Asked::of(&service, incoming).await?;
        // Whoever has the token may end it; who says who it is has to be that.
        asked.caller(&service).await?;
        let token = asked.form.required("token")?;
        service.oauth.revoke(&token, &asked.context).await.map_err(|e| asked.failed(&service, e))?;
        Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response())
    };
    told(answer.await)
}

/// A form, with who sent it.
struct Asked {
    context: Context,
    peer: Peer,
    headers: HeaderMap,
    form: Form,
    /// Begun before the form was read.
    attempt: Attempt,
}

impl Asked {
    async fn of(service: &Service, incoming: Request) -> Result<Asked, Refusal> {
        let (parts, body) = incoming.into_parts();
        let (id, peer) = known(&parts.extensions)?;
        let context = request::context(&id, &peer);
        let attempt = request::attempt(service, &context);
        let form = Form::read(service, &parts.headers, body).await?;
        Ok(Asked { context, peer, headers: parts.headers, form, attempt })
    }

    /// By certificate, access token, or an API key in its header or as the password of HTTP Basic (RFC 6749 2.3.1); `None` for
    /// nobody.
    async fn caller(&self, service: &Service) -> Result<Option<Caller>, Refusal> {
        let secret = match form::basic(&self.headers)? {
            Some(key) => Some(Secret::ApiKey(Some(key))),
            None => request::secret(&self.headers)?,
        };
        if secret.is_none() && self.peer.certificate.is_none() {
            return Ok(None);
        }
        request::prove_in(service, &self.attempt, secret, &self.peer, &self.context).await.map(Some)
    }

    /// A token makes no tokens: a copy of it would never end.
    async fn client(&self, service: &Service) -> Result<Option<Caller>, Refusal> {
        let bearer = self.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if bearer.is_some_and(|text| text.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer "))) {
            let told = "an access token is not a client's credential: use the certificate, or the key in X-API-Key";
            return Err(Refusal::told(ErrorCode::NotAuthenticated, told));
        }
        self.caller(service).await
    }

    fn failed(&self, service: &Service, error: OAuthError) -> Refusal {
        match error.is_failed_proof() {
            true => request::unproved(service, &self.attempt, refused(error)),
            false => refused(error),
        }
    }
}

fn refused(error: OAuthError) -> Refusal {
    let Some(code) = error.code() else {
        return match error {
            OAuthError::Access(error) => error.into(),
            OAuthError::Store(error) => error.into(),
            other => Refusal::new(ErrorCode::Internal, other.to_string()),
        };
    };
    match error {
        OAuthError::Unknown | OAuthError::Mint(_) | OAuthError::Random(_) => Refusal::new(code, error.to_string()),
        told => Refusal::told(code, told.to_string()),
    }
}

fn nobody() -> Refusal {
    Refusal::new(ErrorCode::NotAuthenticated, "neither a client certificate nor an API key")
}

/// A refusal with the code that OAuth has for it.
fn told(answer: Result<Response<Body>, Refusal>) -> Response<Body> {
    answer.unwrap_or_else(|refusal| {
        let code = OAuthCode(standard(refusal.code));
        let mut response = refusal.into_response();
        response.extensions_mut().insert(code);
        response
    })
}

/// RFC 6749 5.2 and 4.1.2.1, RFC 8707 2.
fn standard(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::InvalidScope => "invalid_scope",
        ErrorCode::InvalidGrant => "invalid_grant",
        ErrorCode::InvalidTarget => "invalid_target",
        ErrorCode::UnsupportedGrant => "unsupported_grant_type",
        // RFC 8628 3.5.
        ErrorCode::AuthorizationPending | ErrorCode::SlowDown | ErrorCode::AccessDenied | ErrorCode::ExpiredToken => {
            code.as_str()
        }
        _ => match code.status() {
            401 => "invalid_client",
            403 => "unauthorized_client",
            429 | 503 => "temporarily_unavailable",
            500..=599 => "server_error",
            _ => "invalid_request",
        },
    }
}
