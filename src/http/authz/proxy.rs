//! `/v1/authz/nginx` for `auth_request`, and what other proxies share with it: the answer is in the status.
//!
//! What a proxy sends is its own word about its client. It counts from a registered service alone, about itself alone, and each
//! header counts that stands there once.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use signet_api::ErrorCode;
use signet_api::authz::{CheckAnswer, ProxyQuery, SubjectName, Verdict};

use super::super::native::known;
use super::{App, Refusal, Timer, admit, decide, refused, request, service_of};
use crate::permission::{Question, Reason, path};

pub(super) async fn nginx(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    answer(service, incoming, nginx_question).await
}

/// What a proxy asks.
pub(super) struct Asked {
    /// `None`: its client has shown no certificate.
    pub(super) subject: Option<Result<SubjectName, Reason>>,
    pub(super) action: String,
    pub(super) about: About,
    pub(super) source: Option<IpAddr>,
}

pub(super) enum About {
    /// The asking service, by the target of its client's request.
    Path(String),
    /// What the proxy's configuration names in the query.
    Resource(String),
}

pub(super) async fn answer(
    service: App,
    incoming: Request,
    read: fn(&Request) -> Result<Asked, Refusal>,
) -> Result<Response<Body>, Refusal> {
    let (id, peer) = known(incoming.extensions())?;
    let context = request::context(&id, &peer);
    let who = service_of(&service, &peer, &context).await?;
    let _timer = Timer(&service, id.received);
    admit(&service, who.asker(), 1)?;
    let Asked { subject, action, about, source } = read(&incoming)?;
    let subject = subject.ok_or_else(|| {
        Refusal::told(ErrorCode::NotAuthenticated, "the client of the proxy has shown no certificate")
    })?;
    let permission = &service.permission;
    let target = match &about {
        About::Path(target) => permission.own_path(who.asker(), target),
        About::Resource(name) => permission.target(who.asker(), Some(name)),
    };
    let target = target.map_err(|foreign| refused(&service, foreign))?;
    let subject = subject.and_then(|name| permission.named(&name));
    let question = Question { subject, action, target, source };
    let answer = decide(&service, &who, &question).await?.view(who.asker(), &question);
    Ok(told(&answer))
}

/// Headers that nginx sets for its question, and what its configuration says in the query of the address.
fn nginx_question(incoming: &Request) -> Result<Asked, Refusal> {
    let headers = incoming.headers();
    // What nginx sets cannot be told from what a client sends unless nothing of the client's is passed on.
    if let Some(tell) = TELLS.iter().find(|name| headers.contains_key(**name)) {
        let detail = format!("the header {tell} of a client was passed on; set proxy_pass_request_headers off");
        return Err(Refusal::told(ErrorCode::MalformedRequest, detail));
    }
    let text = |name| once(headers, name).map(|value| value.filter(|v| !v.is_empty()).map(str::to_owned));
    let missing = |name| Refusal::told(ErrorCode::MalformedRequest, format!("the proxy sets no header {name}"));
    let (certificate, serial) = (text("x-client-cert")?, text("x-client-serial")?);
    let verified = text("x-client-verify")?.is_none_or(|said| said == "SUCCESS");
    let name = SubjectName { certificate, serial, ..SubjectName::default() };
    let subject = (name != SubjectName::default()).then_some(match verified {
        true => Ok(name),
        false => Err(Reason::CertificateUnverified),
    });
    let Query(ProxyQuery { action, resource }) =
        Query::try_from_uri(incoming.uri()).map_err(|e| Refusal::told(ErrorCode::MalformedRequest, e.to_string()))?;
    let about = match resource {
        Some(name) => About::Resource(name),
        None => About::Path(text("x-original-uri")?.ok_or_else(|| missing("X-Original-URI"))?),
    };
    let action = match action {
        Some(action) => Some(action),
        None => path::action(&text("x-original-method")?.ok_or_else(|| missing("X-Original-Method"))?),
    };
    Ok(Asked { subject, action: known_action(action)?, about, source: source(headers)? })
}

pub(super) fn known_action(action: Option<String>) -> Result<String, Refusal> {
    action.ok_or_else(|| Refusal::told(ErrorCode::MalformedRequest, "that is no method of HTTP"))
}

pub(super) fn source(headers: &HeaderMap) -> Result<Option<IpAddr>, Refusal> {
    let malformed = |_| Refusal::told(ErrorCode::MalformedRequest, "X-Real-IP is no address");
    once(headers, "x-real-ip")?.map(|text| text.parse().map_err(malformed)).transpose()
}

/// Of two, one may be the client's.
pub(super) fn once<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = |what: &str| Refusal::told(ErrorCode::MalformedRequest, format!("the header {name} {what}"));
    if values.next().is_some() {
        return Err(wrong("stands there twice"));
    }
    value.to_str().map(Some).map_err(|_| wrong("is not text"))
}

/// 200 or 403, with what the application behind the proxy may want to know in the headers.
fn told(answer: &CheckAnswer) -> Response<Body> {
    let mut response = match answer.decision {
        Verdict::Allow => StatusCode::OK.into_response(),
        // Its client sees the body; the reasons are for the proxy and for `ca why`.
        Verdict::Deny => Refusal::new(ErrorCode::NotPermitted, answer.reasons.join(" ")).into_response(),
    };
    let subject = answer.subject.id.as_deref().unwrap_or_default();
    let fields = [
        ("x-signet-decision", answer.decision.as_str().to_owned()),
        ("x-signet-subject", subject.to_owned()),
        ("x-signet-kind", answer.subject.kind.clone().unwrap_or_default()),
        ("x-signet-groups", answer.subject.groups.join(",")),
        ("x-signet-reasons", answer.reasons.join(",")),
        ("x-signet-policy", answer.policy.clone()),
        ("x-signet-ttl", answer.ttl.to_string()),
        ("x-signet-fail-mode", answer.fail_mode.as_str().to_owned()),
        ("x-signet-degraded", answer.degraded.to_string()),
    ];
    // Also the empty ones: whoever passes them on then replaces what its client sent under the same name.
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What nearly every client sends, and nginx does not by itself.
const TELLS: [&str; 6] = ["user-agent", "accept", "accept-encoding", "cookie", "authorization", "x-api-key"];
