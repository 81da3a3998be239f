//! What surrounds every handler: request id, time limit, problem documents, log line, counters.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, Version, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use http_body_util::{BodyExt, Limited};
use signet_api::admin::{Damaged, HEADER_DAMAGED};
use signet_api::credential::{Credential, CredentialKind};
use signet_api::scope::{Scope, Scopes};
use signet_api::{ErrorCode, HEADER_REQUEST_ID, admin};

use super::backoff::Attempt;
use super::browser;
use super::connection::Peer;
use super::host;
use super::leftover::Leftover;
use super::refusal::{Refusal, render};
use super::refusals::Logging;
use super::text::Text;
use super::{App, Service};
use crate::authorize::{AccessError, Beyond, Caller, Context, Delegated, Secret, Shown};
use crate::credentials::keys::PresentedKey;
use crate::events::Ending;
use crate::random;
use crate::store::Listed;

/// The id of the request, known to handlers, the answer, the log and the audit.
#[derive(Debug, Clone)]
pub(super) struct RequestId {
    text: String,
    /// When it came.
    pub(super) received: Instant,
}

pub(super) fn wrap(routes: Router<App>, service: App) -> Router {
    surrounded(whole(routes), service)
}

/// For a listener that browsers reach with what they hold for their user.
pub(super) fn wrap_for_browsers(routes: Router<App>, service: App) -> Router {
    let guarded = whole(routes).layer(middleware::from_fn_with_state(service.clone(), browser::guard));
    surrounded(guarded, service).layer(middleware::map_response(browser::harden))
}

fn whole(routes: Router<App>) -> Router<App> {
    routes.fallback(nothing_here).method_not_allowed_fallback(no_such_method)
}

fn surrounded(routes: Router<App>, service: App) -> Router {
    routes.layer(middleware::from_fn_with_state(service.clone(), surround)).with_state(service)
}

async fn nothing_here() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "no route for this path")
}

/// The router adds `Allow` (RFC 9110 15.5.6).
async fn no_such_method() -> Refusal {
    Refusal::new(ErrorCode::MethodNotAllowed, "no route for this method")
}

async fn surround(State(service): State<App>, mut request: Request, next: Next) -> Response<Body> {
    let id = request_id(&service);
    request.extensions_mut().insert(RequestId { text: id.clone(), received: Instant::now() });
    let (method, uri, version) = (request.method().clone(), request.uri().clone(), request.version());
    let peer = request.extensions().get::<Peer>().cloned();
    let leftover = Leftover::of(&mut request);
    let unclear = unclear(&request);
    let is_unclear = unclear.is_some();
    let mut response = if let Some(told) = unclear {
        Refusal::told(ErrorCode::MalformedRequest, told).into_response()
    } else {
        match tokio::time::timeout(service.config.patience.answer, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Refusal::new(ErrorCode::Busy, "the answer took too long").into_response(),
        }
    };
    if let Some(refusal) = refusal_of(&mut response) {
        render(&refusal, &id, &mut response);
        if let Some(leftover) = leftover {
            leftover.drain(service.config.patience.body).await;
        }
        if let Some(peer) = peer.as_ref().filter(|_| refusal.ends_connection()) {
            peer.line.end(Ending::Identity(refusal.code.as_str()));
            // Said as well where it can be (RFC 9113 8.2.2 forbids it in HTTP/2), or the client sends its next request into
            // a connection that is going away.
            if version < Version::HTTP_2 {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
        }
        note_refusal(&service, &id, Line::of(&method, &uri, peer), refusal);
    }
    service.metrics.answered(uri.path(), response.status().as_u16());
    if is_unclear && version < Version::HTTP_2 {
        // Only there is anything behind a body that could pass for a request.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER_REQUEST_ID, value);
    }
    response
}

/// What a handler refused, or what the routing above it did: a path that is not UTF-8, for example.
fn refusal_of(response: &mut Response<Body>) -> Option<Refusal> {
    let own = response.extensions_mut().remove::<Refusal>();
    own.or_else(|| {
        let code = match response.status().as_u16() {
            404 => ErrorCode::NotFound,
            405 => ErrorCode::MethodNotAllowed,
            400 => ErrorCode::MalformedRequest,
            _ => return None,
        };
        *response =
            Refusal::new(code, format!("refused by the router with status {}", response.status())).into_response();
        response.extensions_mut().remove()
    })
}

/// What readers in front of us may have understood differently: for whom the request is, and where it ends. Both lengths in one
/// request never come here as such: hyper reads the chunks, and closes the connection (RFC 9112 6.1).
fn unclear(request: &Request) -> Option<&'static str> {
    if let Err(told) = host::check(request.version(), request.uri(), request.headers()) {
        return Some(told);
    }
    let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    let first = codings.next()?;
    let is_chunked = first.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
    (!is_chunked).then_some("Transfer-Encoding is something else than chunked")
}

/// What a log line says about a request, bounded.
struct Line {
    method: Text,
    path: Text,
    remote: IpAddr,
}

impl Line {
    /// Without the query: secrets do not belong there, and one that strays there is not logged.
    fn of(method: &Method, uri: &Uri, peer: Option<Peer>) -> Line {
        let remote = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.remote);
        Line { method: Text::within(method.as_str(), 32), path: Text::within(uri.path(), 200), remote }
    }
}

fn note_refusal(service: &Service, id: &str, line: Line, refusal: Refusal) {
    let Line { method, path, remote } = line;
    let (method, path, now) = (method.as_str(), path.as_str(), service.clock.now());
    let (code, cause) = (refusal.code.as_str(), refusal.cause.as_str());
    match service.refusals.log(remote, method.len() + path.len() + cause.len(), now) {
        Logging::Line { suppressed } => {
            if suppressed > 0 {
                tracing::info!(%remote, suppressed, "refusals of this address that were not logged");
            }
            if refusal.code.status() >= 500 {
                tracing::error!(request = id, method, path, %remote, code, cause, "refused");
            } else {
                tracing::info!(request = id, method, path, %remote, code, cause, "refused");
            }
        }
        Logging::LastLine => tracing::warn!(%remote, "too many refusals: the rest of this minute is not logged"),
        Logging::Silent => {}
    }
    let entry = admin::Refusal {
        at: now.to_string(),
        method: method.to_owned(),
        path: path.to_owned(),
        remote: remote.to_string(),
        status: refusal.code.status(),
        code: refusal.code,
        told: refusal.detail.map_or_else(|| refusal.code.sentence().to_owned(), String::from),
        cause: refusal.cause.into(),
    };
    service.refusals.note(id, entry);
}

fn request_id(service: &Service) -> String {
    // The time in front, so that the ids of the audit log grow and its index is written at its end; then 48 random bits.
    // A generator that fails leaves a marker instead of a refused request.
    let Ok(random) = random::bytes::<6>(service.random.as_ref()) else { return "req-unknown".to_owned() };
    let mut bytes = [0; 10];
    // 32 bits of quarter seconds: 34 years until the order begins again.
    bytes[..4].copy_from_slice(&((service.clock.now_ms() / 250) as u32).to_be_bytes());
    bytes[4..].copy_from_slice(&random);
    format!("req-{}", data_encoding::HEXLOWER.encode(&bytes))
}

/// Where the request came from, for decisions and audit.
pub(super) fn context(request_id: &RequestId, peer: &Peer) -> Context {
    Context { request_id: request_id.text.clone(), remote: peer.remote }
}

/// Reads a body within size and time.
pub(super) async fn body(service: &Service, body: Body, limit: usize) -> Result<Bytes, Refusal> {
    let read = tokio::time::timeout(service.config.patience.body, Limited::new(body, limit).collect());
    match read.await {
        Err(_late) => Err(Refusal::new(ErrorCode::MalformedRequest, "the body did not arrive in time")),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Refusal::new(ErrorCode::BodyTooLarge, format!("more than {limit} bytes")))
        }
        Ok(Err(error)) => Err(Refusal::new(ErrorCode::MalformedRequest, error.to_string())),
    }
}

/// The one secret of a request, if any. Two are refused: it is not for us to choose.
pub(super) fn bearer(headers: &HeaderMap, kind: CredentialKind) -> Result<Option<Credential>, Refusal> {
    let Some((_, first)) = only_secret(headers)? else { return Ok(None) };
    let text =
        first.to_str().ok().and_then(|t| t.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = text else {
        return Err(Refusal::new(ErrorCode::NotAuthenticated, "the Authorization header is not of scheme Bearer"));
    };
    // A mistyped token and an unknown one look alike from outside.
    Credential::parse(kind, token)
        .map(Some)
        .map_err(|error| Refusal::new(ErrorCode::TokenInvalid, format!("malformed token: {error}")))
}

/// Who asks, by certificate, access token or API key, as the records are now.
pub(super) async fn caller(
    service: &Service,
    headers: &HeaderMap,
    peer: &Peer,
    context: &Context,
) -> Result<Caller, Refusal> {
    prove(service, secret(headers)?, peer, context).await
}

/// The same for a secret that was found already.
pub(super) async fn prove(
    service: &Service,
    secret: Option<Secret>,
    peer: &Peer,
    context: &Context,
) -> Result<Caller, Refusal> {
    prove_in(service, &attempt(service, context), secret, peer, context).await
}

/// The same, as part of an attempt that has begun.
pub(super) async fn prove_in(
    service: &Service,
    attempt: &Attempt,
    secret: Option<Secret>,
    peer: &Peer,
    context: &Context,
) -> Result<Caller, Refusal> {
    let _turn = if secret.is_some() { attempt.turn().await } else { None };
    let shown = Shown { certificate: peer.certificate.as_ref(), secret };
    service.authorizer.caller(shown, context).await.map_err(|error| match error.is_failed_proof() {
        true => unproved(service, attempt, error.into()),
        false => error.into(),
    })
}

/// Of a request that was let in before: why it no longer holds, whatever others at its address have done since.
pub(super) async fn prove_again(
    service: &Service,
    secret: Option<Secret>,
    peer: &Peer,
    context: &Context,
) -> Result<Caller, Refusal> {
    let shown = Shown { certificate: peer.certificate.as_ref(), secret };
    Ok(service.authorizer.caller(shown, context).await?)
}

/// Refuses whoever may not do it, and says what is missing.
pub(super) fn require(caller: &Caller, scope: Scope) -> Result<(), Refusal> {
    if caller.may(scope) {
        return Ok(());
    }
    Err(Refusal::told(ErrorCode::Forbidden, format!("{} has no permission {}", caller.name(), scope.as_str())))
}

/// Rejects a grant of scopes that the caller does not hold.
pub(super) fn require_can_grant(caller: &Caller, given: Scopes) -> Result<Delegated, Refusal> {
    caller.delegate(given).map_err(|Beyond(beyond)| {
        Refusal::told(ErrorCode::Forbidden, format!("{} cannot give what it has not: {beyond}", caller.name()))
    })
}

/// Rejects a decision about a principal, account or key that holds more than the caller.
pub(super) fn require_outranks(caller: &Caller, theirs: Scopes) -> Result<(), Refusal> {
    let beyond = theirs.beyond(caller.scopes());
    if beyond.is_empty() {
        return Ok(());
    }
    let sentence = format!("{} cannot decide about who may do what it may not: {beyond}", caller.name());
    Err(Refusal::told(ErrorCode::Forbidden, sentence))
}

/// Takes a place among the attempts of this address: before the body, so that requests that are half sent count.
pub(super) fn attempt(service: &Service, context: &Context) -> Attempt {
    service.backoff.begin(context.remote, service.clock.now())
}

/// Counts a proof that failed. With too many before it, what is told is that alone.
pub(super) fn unproved(service: &Service, attempt: &Attempt, refusal: Refusal) -> Refusal {
    attempt.failed(service.clock.now()).map_or(refusal, too_many)
}

pub(super) fn too_many(seconds: u64) -> Refusal {
    let refusal = Refusal::new(ErrorCode::TooManyRequests, "too many failed proofs");
    Refusal { retry_after: Some(seconds), ..refusal }
}

/// The one secret of a request that is not an enrollment.
pub(super) fn secret(headers: &HeaderMap) -> Result<Option<Secret>, Refusal> {
    let Some((name, value)) = only_secret(headers)? else { return Ok(None) };
    let Ok(text) = value.to_str() else { return Err(AccessError::Malformed.into()) };
    if name != header::AUTHORIZATION {
        return Ok(Some(Secret::ApiKey(PresentedKey::parse(text))));
    }
    let scheme = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, token)) = scheme else {
        let told = "the Authorization header is not of scheme Bearer; an API key goes into X-API-Key";
        return Err(Refusal::told(ErrorCode::NotAuthenticated, told));
    };
    if token.trim_start().starts_with("sgk_") {
        return Err(Refusal::told(ErrorCode::CredentialInvalid, "an API key goes into the header X-API-Key"));
    }
    Ok(Some(Secret::Bearer(token.trim().to_owned())))
}

/// Two are refused: it is not for us to choose.
pub(super) fn only_secret(headers: &HeaderMap) -> Result<Option<(HeaderName, &HeaderValue)>, Refusal> {
    let named = |name: HeaderName| headers.get_all(&name).iter().map(move |value| (name.clone(), value));
    let mut secrets = named(header::AUTHORIZATION).chain(named(HeaderName::from_static("x-api-key")));
    match (secrets.next(), secrets.next()) {
        (_, Some(_)) => Err(Refusal::new(ErrorCode::TwoSecrets, "Authorization and X-API-Key, or one of them twice")),
        // Whatever is in front of us may make one line of two (RFC 9110 5.3). No secret of ours has a comma.
        (Some((_, value)), None) if value.as_bytes().contains(&b',') => {
            Err(Refusal::new(ErrorCode::TwoSecrets, "a list in Authorization or X-API-Key"))
        }
        (first, None) => Ok(first),
    }
}

/// Strict JSON: unknown keys are errors that name the key.
pub(super) fn json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    // A list of the fields' values in order would pass for the object as well.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(Refusal::told(ErrorCode::MalformedRequest, "the JSON body: a list where an object is expected"));
    }
    serde_json::from_slice(bytes).map_err(|e| Refusal::told(ErrorCode::MalformedRequest, format!("the JSON body: {e}")))
}

/// A list as an array. Rows that cannot be read are named in a header: an array has no place for them.
pub(super) fn answer_list<T, U: serde::Serialize>(
    listed: Listed<T>,
    view: impl FnMut(T) -> U,
) -> Result<Response<Body>, Refusal> {
    let mut response = answer(&listed.items.into_iter().map(view).collect::<Vec<_>>())?;
    if let Some(value) = damaged_header(&listed.damaged) {
        response.headers_mut().insert(HEADER_DAMAGED, value);
    }
    Ok(response)
}

fn damaged_header(damaged: &[Damaged]) -> Option<HeaderValue> {
    let first = &damaged[..damaged.len().min(DAMAGED_NAMED)];
    let text = serde_json::to_string(first).ok().filter(|_| !first.is_empty())?;
    let ascii: String = text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
    HeaderValue::try_from(ascii).ok()
}

pub(super) fn answer<T: serde::Serialize>(value: &T) -> Result<Response<Body>, Refusal> {
    // Room for a certificate with its chain: growing to it would copy it several times.
    let mut body = Vec::with_capacity(2048);
    serde_json::to_writer(&mut body, value).map_err(|e| Refusal::new(ErrorCode::Internal, e.to_string()))?;
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::OK, headers, body).into_response())
}

/// Rows that the header names: a few hundred octets each at most would still fit what clients take for a header.
const DAMAGED_NAMED: usize = 20;
