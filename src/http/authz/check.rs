//! `POST /v1/authz/check`: one question, or a batch.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::http::request::Parts;
use signet_api::ErrorCode;
use signet_api::authz::{BATCH, Check, CheckAnswer, CheckAnswers, CheckRequest};
use signet_api::scope::Scope;
use signet_pki::name::PrincipalKind;

use super::super::native::known;
use super::{
    App, Context, Peer, Refusal, Service, Timer, Who, admit, decide, limits, refused, registered, remembered, request,
};
use crate::permission::{Asker, Question};

pub(super) async fn check(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let (parts, body) = incoming.into_parts();
    let (id, peer) = known(&parts.extensions)?;
    let context = request::context(&id, &peer);
    let who = asker_of(&service, &parts, &peer, &context).await?;
    let bytes = request::body(&service, body, limits::CHECKS_BYTES).await?;
    let _timer = Timer(&service, id.received);
    let CheckRequest { subject, action, resource, source, checks } = request::json(&bytes)?;
    match (subject, action, checks) {
        (Some(subject), Some(action), checks) if checks.is_empty() => {
            admit(&service, who.asker(), 1)?;
            request::answer(&one(&service, &who, Check { subject, action, resource, source }).await?)
        }
        (None, None, checks) if !checks.is_empty() && resource.is_none() && source.is_none() => {
            request::answer(&all(&service, &who, checks).await?)
        }
        _ => Err(Refusal::told(
            ErrorCode::InvalidArgument,
            "give subject and action, or checks with one or more of both",
        )),
    }
}

/// A registered service, by certificate or key; or somebody who may read the policy, and so may know everything.
async fn asker_of(service: &Service, parts: &Parts, peer: &Peer, context: &Context) -> Result<Who, Refusal> {
    let caller = match request::caller(service, &parts.headers, peer, context).await {
        Ok(caller) => caller,
        Err(refusal) => return remembered(service, peer, refusal),
    };
    let is_service = caller.principal().is_some_and(|principal| principal.kind == PrincipalKind::Service);
    if is_service || !caller.may(Scope::PolicyRead) {
        return registered(service, &caller).map(Who::Known);
    }
    Ok(Who::Known(Asker::Administrator { actor: caller.name() }))
}

async fn all(service: &Service, who: &Who, checks: Vec<Check>) -> Result<CheckAnswers, Refusal> {
    if checks.len() > BATCH {
        return Err(Refusal::told(ErrorCode::InvalidArgument, format!("checks has more than {BATCH} questions")));
    }
    admit(service, who.asker(), checks.len())?;
    let mut answers = Vec::with_capacity(checks.len());
    for (number, check) in checks.into_iter().enumerate() {
        // A read does not wait, so that without this a batch would keep a thread to itself.
        if number % STRETCH == STRETCH - 1 {
            tokio::task::yield_now().await;
        }
        answers.push(one(service, who, check).await?);
    }
    Ok(CheckAnswers { answers })
}

async fn one(service: &Service, who: &Who, check: Check) -> Result<CheckAnswer, Refusal> {
    let Check { subject, action, resource, source } = check;
    // As long as an action of a rule, so that a longer one fits none.
    let is_word = (1..=ACTION).contains(&action.len()) && action.bytes().all(|b| b.is_ascii_graphic());
    if !is_word {
        return Err(Refusal::told(ErrorCode::InvalidArgument, format!("action is a word of 1 to {ACTION} characters")));
    }
    if subject == Default::default() {
        return Err(Refusal::told(ErrorCode::InvalidArgument, "subject names nobody"));
    }
    let permission = &service.permission;
    let target = permission.target(who.asker(), resource.as_deref()).map_err(|foreign| refused(service, foreign))?;
    let question = Question { subject: permission.named(&subject), action, target, source };
    Ok(decide(service, who, &question).await?.view(who.asker(), &question))
}

/// Questions between two pauses: 200 us.
const STRETCH: usize = 10;
/// Characters of an action.
const ACTION: usize = 64;
