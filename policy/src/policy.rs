//! A policy: a text that was understood.

use std::collections::BTreeSet;
use std::sync::Arc;

use signet_pki::Fingerprint;

use crate::decide::{Decision, Engine};
use crate::error::{PolicyErrors, Warning};
use crate::facts::Request;
use crate::fixtures::Fixtures;
use crate::limits::DEFAULT_TTL_SECONDS;
use crate::read;
use crate::rule::Rule;

/// Rules that fit together, ready to decide. About 300 octets a rule beside the text.
#[derive(Debug)]
pub struct Policy {
    text: String,
    revision: String,
    ttl_seconds: u32,
    /// By id.
    rules: Vec<Rule>,
    pub(crate) engine: Engine,
    fixtures: Fixtures,
}

impl Policy {
    /// Reads a text of at most [`limits::TEXT_BYTES`](crate::limits::TEXT_BYTES), or tells all that is wrong with it.
    pub fn parse(text: &str) -> Result<Policy, PolicyErrors> {
        let read::Document { mut rules, ttl_seconds, fixtures } = read::policy(text)?;
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        let engine = Engine::new(&rules);
        let ttl_seconds = ttl_seconds.unwrap_or(DEFAULT_TTL_SECONDS);
        Ok(Policy { revision: revision(text), text: text.to_owned(), ttl_seconds, rules, engine, fixtures })
    }

    /// What holds before anybody has written a policy: nothing is permitted.
    pub fn empty() -> Policy {
        Policy {
            text: String::new(),
            revision: revision(""),
            ttl_seconds: DEFAULT_TTL_SECONDS,
            rules: Vec::new(),
            engine: Engine::default(),
            fixtures: Fixtures::default(),
        }
    }

    /// A few microseconds, whatever the number of rules, as long as each concerns few questions.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        self.engine.decide(&self.rules, self.ttl_seconds, request)
    }

    /// For a question that nothing permits: the permits that only one part keeps from applying, with that part. Looks at
    /// every rule: for people, not for every request.
    pub fn near_misses(&self, request: &Request<'_>) -> Vec<(Arc<str>, &'static str)> {
        self.engine.near_misses(&self.rules, request)
    }

    /// 16 hexadecimal digits that are others for another text; line ends do not count.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// By id.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.binary_search_by(|rule| (*rule.id).cmp(id)).ok().map(|at| &self.rules[at])
    }

    /// The cases that stand in the text itself.
    pub fn fixtures(&self) -> &Fixtures {
        &self.fixtures
    }

    /// Whether the time matters to any rule.
    pub fn is_timed(&self) -> bool {
        self.rules.iter().any(Rule::is_timed)
    }

    /// Every action that a rule names.
    pub fn actions(&self) -> BTreeSet<&str> {
        self.rules.iter().filter_map(Rule::actions).flatten().map(String::as_str).collect()
    }

    /// Groups that `exists` does not know: most likely misspelt, perhaps only not in use yet.
    pub fn unknown_groups(&self, exists: impl Fn(&str) -> bool) -> Vec<Warning> {
        let mut found = BTreeSet::new();
        for rule in &self.rules {
            for group in rule.principal.groups().chain(rule.resource.groups()).filter(|group| !exists(group)) {
                let message = format!("nobody is in the group {group:?}");
                found.insert(Warning { line: rule.line, name: Some(rule.id.to_string()), message });
            }
        }
        found.into_iter().collect()
    }
}

fn revision(text: &str) -> String {
    let canonical = text.replace("\r\n", "\n");
    let mut digits = Fingerprint::of(canonical.trim_end().as_bytes()).to_string();
    digits.truncate(16);
    digits
}
