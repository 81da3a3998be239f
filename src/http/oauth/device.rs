//! RFC 8628 on the wire: where a device begins, and where administrators see and decide what waits.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{Response, StatusCode, header};
use axum::response::IntoResponse;
use signet_api::ErrorCode;
use signet_api::admin::{CreateTokens, TokenKind, TokenTarget};
use signet_api::device_codes::{
    DeviceAuthorization, DeviceCodeAction, DeviceCodeDecision, DeviceCodeInfo, DeviceToken, SettledDeviceCode,
};
use signet_api::scope::Scope;
use signet_pki::name::printable;
use signet_pki::{Fingerprint, UnixTime};
use zeroize::Zeroizing;

use super::{Asked, told};
use crate::http::admin::{self, tokens};
use crate::http::refusal::Refusal;
use crate::http::{App, request};
use crate::oauth::device::{Answer, Approved, BeginError, Beginning, INTERVAL, Verdict, Waiting};

/// `POST /v1/oauth/device_authorization` (RFC 8628 3.1).
pub(super) async fn begin(State(service): State<App>, incoming: Request) -> Response<Body> {
    told(begun(&service, incoming).await)
}

async fn begun(service: &App, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::of(service, incoming).await?;
    let (remote, now) = (asked.context.remote, service.clock.now());
    let _place = service.doors.enrollment(remote, service.clock.now_ms(), service.random.as_ref())?;
    let client = asked.form.required("client_id")?;
    if asked.form.optional("scope").is_some_and(|scope| scope.as_str() != ENROLL) {
        return Err(Refusal::told(ErrorCode::InvalidScope, format!("what a device gets like this is: {ENROLL}")));
    }
    let spki = match asked.form.optional("spki") {
        None => None,
        Some(text) => {
            let told = "spki is the SHA-256 of a public key in hex: 64 digits";
            let parsed = Fingerprint::parse(&text);
            Some(parsed.ok_or_else(|| Refusal::told(ErrorCode::MalformedRequest, told))?)
        }
    };
    let beginning = Beginning { client: printable(&client, 64), spki, remote };
    let begun = service.oauth.codes.begin(beginning, now, service.random.as_ref()).map_err(|error| match error {
        BeginError::Full => Refusal::told(ErrorCode::TooManyRequests, "as many codes wait for an administrator as may"),
        BeginError::Random(error) => Refusal::new(ErrorCode::Internal, error.to_string()),
    })?;
    let base = service.config.raw.public_url.trim_end_matches('/');
    request::answer(&DeviceAuthorization {
        device_code: begun.device_code.to_string(),
        user_code: begun.user_code,
        verification_uri: format!("{base}/device"),
        expires_in: begun.expires_at.since(now),
        interval: INTERVAL,
    })
}

/// `GET /device`: for the person who follows the address that a device shows.
pub(super) async fn page() -> Response<Body> {
    let text = "A device of this address asks to be enrolled.\n\nTell an administrator the code that it shows. He looks at what waits \
                and decides:\n\n  ca code list\n  ca code approve CODE --device NAME\n";
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::OK, headers, text).into_response()
}

/// `grant_type=urn:ietf:params:oauth:grant-type:device_code` (RFC 8628 3.4).
pub(super) async fn redeem(service: &App, asked: &Asked) -> Result<Response<Body>, Refusal> {
    let code = asked.form.required("device_code")?;
    let now = service.clock.now();
    match service.oauth.codes.ask(&code, now) {
        Answer::Pending => Err(Refusal::new(ErrorCode::AuthorizationPending, "nobody has decided yet")),
        Answer::SlowDown => Err(Refusal::new(ErrorCode::SlowDown, "asked again too soon")),
        Answer::Denied => Err(Refusal::new(ErrorCode::AccessDenied, "an administrator denied it")),
        Answer::Expired => {
            let refusal = Refusal::new(ErrorCode::ExpiredToken, "no such device code, or it is over");
            Err(request::unproved(service, &asked.attempt, refusal))
        }
        Answer::Approved(Approved { token, device, expires_at }) => {
            let base = service.config.raw.public_url.trim_end_matches('/');
            request::answer(&DeviceToken {
                access_token: token.to_string(),
                token_type: "Bearer".into(),
                expires_in: expires_at.since(now).max(0),
                scope: ENROLL.into(),
                device,
                enrollment_endpoint: format!("{base}/v1/enroll"),
            })
        }
    }
}

/// `GET /v1/admin/device-codes`.
pub(super) async fn list(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    admin::Asked::with(&service, incoming, Scope::EnrollmentsApprove).await?;
    let waiting = service.oauth.codes.waiting(service.clock.now());
    request::answer(&waiting.into_iter().map(info).collect::<Vec<_>>())
}

/// `POST /v1/admin/device-codes/{code}`.
pub(super) async fn decide(
    State(service): State<App>,
    Path(code): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let asked = admin::Asked::with(&service, incoming, Scope::EnrollmentsApprove).await?;
    let (caller, context, decision) = asked.json::<DeviceCodeDecision>(&service).await?;
    let now = service.clock.now();
    // A code is short: a caller that has tried too many waits, and no other.
    let attempt = service.backoff.begin_as(&caller.name(), now);
    if let Some(seconds) = attempt.wait(now) {
        return Err(request::too_many(seconds));
    }
    let Some(waiting) = service.oauth.codes.find(&code, now) else {
        // Whoever tries codes until one fits lets in a device that nobody meant.
        attempt.failed(now);
        return Err(Refusal::told(ErrorCode::NotFound, "no such code waits; codes are good for a quarter of an hour"));
    };
    let (verdict, settled) = match decision.action {
        DeviceCodeAction::Deny => (Verdict::Denied, SettledDeviceCode { device: None, token: None }),
        DeviceCodeAction::Approve => {
            request::require(&caller, Scope::TokensWrite)?;
            let order = order(decision, &waiting);
            let made = tokens::make(&service, (&caller, &context), order).await?;
            let token = made.tokens.into_iter().next();
            let token = token.ok_or_else(|| Refusal::new(ErrorCode::Internal, "an order of one token made none"))?;
            let settled = SettledDeviceCode { device: Some(token.device.clone()), token: Some(token.id) };
            let text = Zeroizing::new(token.token);
            (Verdict::Approved(Approved { token: text, device: token.device, expires_at: waiting.expires_at }), settled)
        }
    };
    if !service.oauth.codes.decide(&waiting.user_code, verdict, now) {
        return Err(Refusal::told(ErrorCode::Conflict, "somebody else decided at the same moment"));
    }
    request::answer(&settled)
}

fn order(decision: DeviceCodeDecision, waiting: &Waiting) -> CreateTokens {
    let spki = waiting.beginning.spki.map(|spki| spki.to_string());
    CreateTokens {
        kind: TokenKind::Interactive,
        profile: decision.profile.unwrap_or_else(|| "device".into()),
        groups: decision.groups,
        lifetime: None,
        batch: None,
        cidr: None,
        approval: false,
        replace: decision.replace,
        permissions: decision.permissions,
        targets: vec![TokenTarget { device: decision.device, spki, ..TokenTarget::default() }],
    }
}

fn info(waiting: Waiting) -> DeviceCodeInfo {
    let text = |at: UnixTime| at.to_string();
    DeviceCodeInfo {
        user_code: waiting.user_code,
        client: waiting.beginning.client,
        spki: waiting.beginning.spki.map(|spki| spki.to_string()),
        address: waiting.beginning.remote.to_string(),
        asked_at: text(waiting.asked_at),
        expires_at: text(waiting.expires_at),
    }
}

const ENROLL: &str = "enroll";
