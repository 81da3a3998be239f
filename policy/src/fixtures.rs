//! Cases that a policy has to answer as its author meant: the tests of a policy.

use std::collections::BTreeMap;
use std::net::IpAddr;

use signet_pki::UnixTime;

use crate::decide::{Decision, Reason};
use crate::error::PolicyErrors;
use crate::facts::{Certificate, Entity, Kind, Request, Status};
use crate::policy::Policy;
use crate::read;

/// Entities that are made up, and questions about them with the answers that are expected.
#[derive(Debug, Clone, Default)]
pub struct Fixtures {
    pub(crate) entities: BTreeMap<String, Facts>,
    pub(crate) cases: Vec<Case>,
}

#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    /// Counted from 1.
    pub line: usize,
    pub(crate) principal: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) at: Option<UnixTime>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) path: Option<String>,
    pub expected: Expected,
    /// One of the rules that have to decide.
    pub rule: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    Allow,
    Deny,
}

impl Expected {
    pub fn as_str(self) -> &'static str {
        match self {
            Expected::Allow => "allow",
            Expected::Deny => "deny",
        }
    }
}

/// Owned facts of an entity. Ages stand in for times, so that a case holds whenever it is run.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) kind: Kind,
    pub(crate) status: Status,
    pub(crate) groups: Vec<String>,
    pub(crate) account: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) certificate: Option<CertificateFacts>,
}

#[derive(Debug, Clone)]
pub(crate) struct CertificateFacts {
    /// Seconds since it was issued.
    pub(crate) age: i64,
    /// Seconds that are left of it.
    pub(crate) lasts: Option<i64>,
    pub(crate) is_over: bool,
    pub(crate) newest: bool,
    pub(crate) hardware_bound: Option<bool>,
    pub(crate) profile: Option<String>,
}

/// What became of all cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    pub cases: usize,
    pub failures: Vec<Failure>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub line: usize,
    pub name: String,
    /// `allow`, or `allow by RULE`.
    pub expected: String,
    /// What was answered instead, with the rules that did it.
    pub found: String,
    /// What to look at.
    pub why: String,
}

impl Fixtures {
    /// Reads a file of `[[entity]]` and `[[test]]` alone.
    pub fn parse(text: &str) -> Result<Fixtures, PolicyErrors> {
        read::fixtures(text)
    }

    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Asks the policy every question.
    pub fn run(&self, policy: &Policy) -> Outcome {
        let failures = self.cases.iter().filter_map(|case| self.check(case, policy)).collect();
        Outcome { cases: self.cases.len(), failures }
    }

    fn check(&self, case: &Case, policy: &Policy) -> Option<Failure> {
        let failure = |found: String, why: String| {
            let by = case.rule.as_ref().map(|rule| format!(" by {rule}")).unwrap_or_default();
            let expected = format!("{}{by}", case.expected.as_str());
            Some(Failure { line: case.line, name: case.name.clone(), expected, found, why })
        };
        if case.at.is_none() && policy.is_timed() {
            return failure("nothing".into(), "the policy decides by time: give the test an 'at'".into());
        }
        if let Some(rule) = case.rule.as_ref().filter(|rule| policy.rule(rule).is_none()) {
            return failure("nothing".into(), format!("the policy has no rule {rule}"));
        }
        let (principal, resource) = (self.entities.get(&case.principal)?, self.entities.get(&case.resource)?);
        let at = case.at.unwrap_or(ANY_TIME);
        let request = Request {
            principal: principal.as_entity(&case.principal, at),
            action: &case.action,
            resource: resource.as_entity(&case.resource, at),
            at,
            source: case.source,
            path: case.path.as_deref(),
        };
        let decision = policy.decide(&request);
        let as_expected = decision.is_allowed() == (case.expected == Expected::Allow);
        let by = case.rule.as_ref().is_none_or(|rule| decision.rules.iter().any(|id| **id == **rule));
        if as_expected && by {
            return None;
        }
        failure(found(&decision), why(&decision, policy, &request))
    }
}

impl Facts {
    fn as_entity<'a>(&'a self, id: &'a str, at: UnixTime) -> Entity<'a> {
        let certificate = self.certificate.as_ref().map(|facts| Certificate {
            newest: facts.newest,
            issued_at: at.minus(facts.age),
            not_after: match (facts.is_over, facts.lasts) {
                (true, _) => at.minus(1),
                (false, Some(seconds)) => at.plus(seconds),
                (false, None) => UnixTime::MAX,
            },
            profile: facts.profile.as_deref(),
            hardware_bound: facts.hardware_bound,
        });
        Entity {
            kind: self.kind,
            id,
            status: self.status,
            groups: &self.groups,
            account: self.account.as_deref(),
            profile: self.profile.as_deref(),
            certificate,
        }
    }
}

fn found(decision: &Decision) -> String {
    let rules = decision.rules.join(", ");
    match decision.reason {
        Reason::Permitted => format!("allow by {rules}"),
        Reason::Forbidden => format!("deny by {rules}"),
        Reason::NoRule => "deny: no rule permits it".to_owned(),
    }
}

fn why(decision: &Decision, policy: &Policy, request: &Request<'_>) -> String {
    if !decision.unknown.is_empty() {
        return format!("a fact that {} asks for is not given", decision.unknown.join(", "));
    }
    match decision.reason {
        Reason::Permitted | Reason::Forbidden => {
            let rules = decision.rules.iter().filter_map(|id| policy.rule(id));
            rules.map(|rule| format!("line {}: {}", rule.line, rule.description)).collect::<Vec<_>>().join("; ")
        }
        Reason::NoRule => {
            let near = policy.near_misses(request);
            let told = near.iter().take(3).map(|(id, part)| format!("{id}: {part} does not fit"));
            told.collect::<Vec<_>>().join("; ")
        }
    }
}

/// For a policy to which the time does not matter.
const ANY_TIME: UnixTime = UnixTime(1_800_000_000);

#[cfg(test)]
#[path = "fixtures_tests.rs"]
mod tests;
