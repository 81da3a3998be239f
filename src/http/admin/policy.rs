//! The policy of live permission: reading, comparing and applying it. Who may do that is decided by scopes, never by a policy:
//! one that denies everything can be mended like any other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use serde_json::json;
use signet_api::ErrorCode;
use signet_api::policy::{
    POLICY_PATH, PolicyCandidate, PolicyChange, PolicyDiff, PolicyExample, PolicyInfo, PolicyOrder, PolicyStep,
};
use signet_api::scope::Scope;
use signet_pki::UnixTime;
use signet_policy::{Change, Policy};

use super::approvals::{Guard, require_approval};
use super::{Asked, not_found};
use crate::http::App;
use crate::http::refusal::Refusal;
use crate::http::request::{self, answer, answer_list};
use crate::policy::{Candidate, Compared, PolicyError, told};
use crate::store::{AuditDraft, Guarded, InsteadOf, PolicyOrigin, PolicyRecord};

pub(super) async fn show(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::PolicyRead).await?;
    answer(&info(&service).await?)
}

pub(super) async fn history(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::PolicyRead).await?;
    answer_list(service.store.policies(HISTORY).await?, step)
}

pub(super) async fn of_history(
    State(service): State<App>,
    Path(revision): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::PolicyRead).await?;
    let record = service.store.policy_of(&revision).await?.ok_or_else(|| not_found("revision of the policy"))?;
    answer(&step(record))
}

pub(super) async fn diff(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::PolicyRead).await?;
    // The examples are names of the inventory.
    request::require(&asked.caller, Scope::DevicesRead)?;
    let (_, _, candidate) = asked.json::<PolicyCandidate>(&service).await?;
    let at = match &candidate.at {
        None => service.clock.now(),
        Some(text) => UnixTime::parse_rfc3339(text).ok_or_else(|| {
            Refusal::told(ErrorCode::InvalidArgument, "at: a time such as 2027-01-31T08:00:00Z is expected")
        })?,
    };
    let policy = Arc::new(Policy::parse(&candidate.text).map_err(|error| refusal(error.into()))?);
    let outcome = policy.fixtures().run(&policy);
    let compared = service.policies.compare(service.store.as_ref(), policy.clone(), at, candidate.source).await?;
    let Some(compared) = compared else {
        return Err(Refusal::told(ErrorCode::Busy, "somebody else is comparing policies"));
    };
    let mut diff = view(compared, &policy);
    diff.tests = outcome.cases as u64;
    diff.failed_tests = outcome.failures.iter().map(told).collect();
    answer(&diff)
}

pub(super) async fn apply(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::PolicyWrite).await?;
    let (caller, context, order) = asked.json::<PolicyOrder>(&service).await?;
    if let Some(file) = service.config.policy_file() {
        let text = format!("it comes from the file {} on the issuing host: change that", file.display());
        return Err(Refusal::told(ErrorCode::PolicyInFile, text));
    }
    let candidate = Candidate::check(&order.text).map_err(refusal)?;
    let (next, in_force) = (candidate.policy(), service.policies.current());
    // What would be refused, or is done already, needs nobody's approval.
    if next.revision() != in_force.revision() && order.instead_of == in_force.revision() {
        let summary = format!("Apply the policy {} in place of {}", next.revision(), order.instead_of);
        let guard = Guard { guarded: Guarded::Policy, path: POLICY_PATH.into(), body: &order, summary };
        require_approval(&service, (&caller, &context), guard).await?;
    }
    let expected = Some(order.instead_of).filter(|revision| revision != Policy::empty().revision());
    let draft = AuditDraft {
        kind: "policy.applied",
        actor: caller.actor(),
        subject: "policy".into(),
        request_id: context.request_id,
        detail: json!({ "remote": context.remote.to_string() }),
        at: service.clock.now(),
    };
    let how = (PolicyOrigin::Api, InsteadOf::Only(expected));
    service.policies.apply(service.store.as_ref(), candidate, how, draft).await.map_err(refusal)?;
    answer(&info(&service).await?)
}

async fn info(service: &App) -> Result<PolicyInfo, Refusal> {
    let policy = service.policies.current();
    // Who applied what decides; between the two reads another may have been applied.
    let record = service.store.policy_of(policy.revision()).await?;
    Ok(PolicyInfo {
        revision: policy.revision().to_owned(),
        text: policy.text().to_owned(),
        rules: policy.rules().len() as u64,
        tests: policy.fixtures().cases().len() as u64,
        origin: record.as_ref().map(|record| record.origin.as_str().to_owned()),
        applied_by: record.as_ref().map(|record| record.applied_by.clone()),
        applied_at: record.as_ref().map(|record| record.applied_at.to_string()),
        file: service.config.policy_file().map(|path| path.display().to_string()),
        problem: service.policies.problem().map(|problem| problem.as_ref().clone()),
    })
}

fn step(record: PolicyRecord) -> PolicyStep {
    PolicyStep {
        number: record.number,
        revision: record.revision,
        origin: record.origin.as_str().to_owned(),
        applied_by: record.applied_by,
        applied_at: record.applied_at.to_string(),
        text: record.text,
    }
}

fn view(compared: Compared, new: &Policy) -> PolicyDiff {
    let Compared { old, difference, warnings } = compared;
    let rules = |policy: &Policy| -> BTreeMap<String, String> {
        policy.rules().iter().map(|rule| (rule.id().to_owned(), rule.fingerprint())).collect()
    };
    let (before, after) = (rules(&old), rules(new));
    let ids = |rules: &BTreeMap<String, String>| rules.keys().cloned().collect::<BTreeSet<_>>();
    let (had, has) = (ids(&before), ids(&after));
    PolicyDiff {
        from: old.revision().to_owned(),
        to: new.revision().to_owned(),
        rules_added: has.difference(&had).cloned().collect(),
        rules_removed: had.difference(&has).cloned().collect(),
        rules_changed: has.intersection(&had).filter(|id| before[*id] != after[*id]).cloned().collect(),
        entities: difference.entities,
        affected: difference.affected,
        changes: difference.changes.into_iter().map(change).collect(),
        is_complete: difference.is_complete,
        warnings: warnings.iter().map(ToString::to_string).collect(),
        tests: 0,
        failed_tests: Vec::new(),
    }
}

fn change(change: Change) -> PolicyChange {
    let rules = |ids: Vec<Arc<str>>| ids.iter().map(ToString::to_string).collect();
    let example = |(principal, resource)| PolicyExample { principal, resource };
    PolicyChange {
        action: change.action.unwrap_or_else(|| "*".to_owned()),
        becomes: if change.is_allowed { "allow" } else { "deny" }.to_owned(),
        before: rules(change.before),
        after: rules(change.after),
        principals: change.principals,
        resources: change.resources,
        examples: change.examples.into_iter().map(example).collect(),
    }
}

fn refusal(error: PolicyError) -> Refusal {
    match error {
        PolicyError::Text(errors) => {
            let lines: Vec<String> = errors.0.iter().take(TOLD).map(ToString::to_string).collect();
            Refusal::told(ErrorCode::PolicyRefused, lines.join("; "))
        }
        PolicyError::Tests(_) | PolicyError::NoRule | PolicyError::Unreadable(_) => {
            Refusal::told(ErrorCode::PolicyRefused, error.to_string())
        }
        PolicyError::Conflict(_) => Refusal::told(ErrorCode::PolicyChanged, error.to_string()),
        PolicyError::Store(error) => error.into(),
    }
}

/// Steps of the history that are shown.
const HISTORY: u32 = 500;
/// Mistakes that a refusal names; 'ca policy check' names up to a hundred.
const TOLD: usize = 10;
