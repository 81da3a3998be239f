//! From facts to an answer.

use std::sync::Arc;

use crate::facts::{Entity, Request};
use crate::index::Index;
use crate::matcher::{Known, Scope, Words};
use crate::rule::{Effect, Rule};
use crate::truth::{Timed, Truth};

/// Why the answer is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Rules permit it and none forbids it.
    Permitted,
    /// Rules forbid it, whatever others permit.
    Forbidden,
    /// No rule permits it.
    NoRule,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Permitted => "permitted",
            Reason::Forbidden => "forbidden",
            Reason::NoRule => "no_rule",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub reason: Reason,
    /// Ids of the rules that decided, sorted; none for [`Reason::NoRule`].
    pub rules: Vec<Arc<str>>,
    /// Rules among all of which a fact was missing, sorted: a `permit` among them did not apply, a `forbid` did.
    pub unknown: Vec<Arc<str>>,
    /// Seconds for which the answer may be kept: it does not change within them by the passing of time alone.
    pub ttl_seconds: u32,
}

impl Decision {
    pub fn is_allowed(&self) -> bool {
        self.reason == Reason::Permitted
    }
}

/// Rules by number, in the order of their ids: the order of the text means nothing.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    words: Words,
    scopes: Vec<Scope>,
    index: Index,
}

impl Engine {
    pub(crate) fn new(rules: &[Rule]) -> Engine {
        let mut words = Words::default();
        let scopes: Vec<Scope> = rules.iter().map(|rule| Scope::new(rule, &mut words)).collect();
        let index = Index::new(&scopes);
        Engine { words, scopes, index }
    }

    pub(crate) fn known(&self, entity: &Entity<'_>) -> Known {
        Known::of(entity, &self.words)
    }

    /// Of the rule with this number.
    pub(crate) fn scope(&self, number: usize) -> &Scope {
        &self.scopes[number]
    }

    pub(crate) fn decide(&self, rules: &[Rule], ttl: u32, request: &Request<'_>) -> Decision {
        let action = self.words.known(request.action);
        let principal = Known::of(&request.principal, &self.words);
        let resource = Known::of(&request.resource, &self.words);
        let (mut permit, mut forbid) = (Side::default(), Side::default());
        let mut unknown = Vec::new();
        for number in self.index.candidates(action, &principal, &resource) {
            let scope = &self.scopes[number as usize];
            if !scope.fits(action, &principal, &resource) {
                continue;
            }
            let applies = conditions(&rules[number as usize], request);
            if applies.truth == Truth::Unknown {
                unknown.push(number);
            }
            // What is not known never lets in.
            match scope.effect {
                Effect::Permit => permit.add(number, applies.settled(false)),
                Effect::Forbid => forbid.add(number, applies.settled(true)),
            }
        }
        let allowed = permit.any.and(forbid.any.not());
        let (reason, deciding) = match (forbid.any.is_true(), permit.any.is_true()) {
            (true, _) => (Reason::Forbidden, forbid.numbers),
            (false, true) => (Reason::Permitted, permit.numbers),
            (false, false) => (Reason::NoRule, Vec::new()),
        };
        let cap = deciding.iter().filter_map(|n| rules[*n as usize].ttl_seconds).min().unwrap_or(ttl);
        let left = u32::try_from(allowed.until.saturating_sub(request.at.0)).unwrap_or(u32::MAX);
        Decision { reason, rules: ids(rules, deciding), unknown: ids(rules, unknown), ttl_seconds: cap.min(left) }
    }
}

impl Engine {
    /// Permits that only one part keeps from applying, with that part.
    pub(crate) fn near_misses(&self, rules: &[Rule], request: &Request<'_>) -> Vec<(Arc<str>, &'static str)> {
        let action = self.words.known(request.action);
        let principal = Known::of(&request.principal, &self.words);
        let resource = Known::of(&request.resource, &self.words);
        let permits = self.scopes.iter().zip(rules).filter(|(scope, _)| scope.effect == Effect::Permit);
        let missing = permits.filter_map(|(scope, rule)| {
            let [acts, asks, asked] = scope.parts(action, &principal, &resource);
            let applies = conditions(rule, request).is_true();
            let parts =
                [(acts, "the action"), (asks, "the principal"), (asked, "the resource"), (applies, "a condition")];
            let mut wrong = parts.into_iter().filter(|(fits, _)| !fits);
            match (wrong.next(), wrong.next()) {
                (Some((_, part)), None) => Some((rule.id.clone(), part)),
                _ => None,
            }
        });
        missing.collect()
    }
}

/// The rules of one effect that apply.
struct Side {
    any: Timed,
    numbers: Vec<u32>,
}

impl Default for Side {
    fn default() -> Side {
        Side { any: Timed::FALSE, numbers: Vec::new() }
    }
}

impl Side {
    fn add(&mut self, number: u32, applies: Timed) {
        self.any = self.any.or(applies);
        if applies.is_true() {
            self.numbers.push(number);
        }
    }
}

fn conditions(rule: &Rule, request: &Request<'_>) -> Timed {
    let when = rule.when.as_ref().map_or(Timed::TRUE, |conditions| conditions.hold(request));
    let unless = rule.unless.as_ref().map_or(Timed::FALSE, |conditions| conditions.hold(request));
    when.and(unless.not())
}

fn ids(rules: &[Rule], mut numbers: Vec<u32>) -> Vec<Arc<str>> {
    numbers.sort_unstable();
    numbers.dedup();
    numbers.into_iter().map(|number| rules[number as usize].id.clone()).collect()
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
