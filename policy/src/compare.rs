//! What a new policy would change for the principals that there are.
//!
//! Entities with the same facts, as far as either policy looks at facts, form a class and are asked about once; and only
//! questions that some added, removed or altered rule concerns are asked at all. So the work depends on how many different
//! groups, states and ids the rules tell apart, not on how many devices there are; beyond its limits the answer says that it
//! is not complete.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use signet_pki::UnixTime;

use crate::condition::CertificateConditions;
use crate::decide::Decision;
use crate::facts::{Certificate, Entity, Kind, Request, Status};
use crate::limits::{CLASSES, EXAMPLES, PAIRS, PATHS, QUESTIONS};
use crate::matcher::Known;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::truth::Truth;

/// Two policies and everything that is in the inventory, one by one.
pub struct Comparison {
    policies: [Arc<Policy>; 2],
    at: UnixTime,
    source: Option<IpAddr>,
    /// Rules that only one of the policies has: which policy, and the rule's number in it.
    altered: Vec<(usize, usize)>,
    certificates: Vec<CertificateConditions>,
    /// The whole of a resource, and a part for each pattern of an altered rule.
    paths: Vec<Option<String>>,
    principals: Classes<(Known, Known, Vec<Truth>)>,
    resources: Classes<(Known, Known)>,
    entities: u64,
    is_complete: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// That were looked at.
    pub entities: u64,
    /// Principals for which any answer changes.
    pub affected: u64,
    /// By action, direction and the rules that decide.
    pub changes: Vec<Change>,
    /// Otherwise the numbers are the least that there are.
    pub is_complete: bool,
}

/// Answers that change in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `None`: every action that neither policy names.
    pub action: Option<String>,
    pub is_allowed: bool,
    /// The rules that decided before; none when nothing permitted it.
    pub before: Vec<Arc<str>>,
    pub after: Vec<Arc<str>>,
    pub principals: u64,
    pub resources: u64,
    /// Principal and resource, at most [`EXAMPLES`](crate::limits::EXAMPLES).
    pub examples: Vec<(String, String)>,
}

impl Comparison {
    /// Of the answers at one moment to askers from one address.
    pub fn new(old: Arc<Policy>, new: Arc<Policy>, at: UnixTime, source: Option<IpAddr>) -> Comparison {
        let policies = [old, new];
        let rules = policies.iter().flat_map(|policy| policy.rules());
        let conditions = rules.flat_map(|rule| [&rule.when, &rule.unless]).flatten().map(|c| &c.certificate);
        let certificates: HashSet<_> = conditions.filter(|c| !c.are_none()).cloned().collect();
        let altered = altered(&policies);
        let (paths, is_complete) = paths(&policies, &altered);
        Comparison {
            paths,
            altered,
            policies,
            at,
            source,
            certificates: certificates.into_iter().collect(),
            principals: Classes::default(),
            resources: Classes::default(),
            entities: 0,
            is_complete,
        }
    }

    /// One of the inventory, as a principal and as a resource.
    pub fn add(&mut self, entity: &Entity<'_>) {
        self.entities += 1;
        if self.altered.is_empty() {
            return;
        }
        let known = || (self.policies[0].engine.known(entity), self.policies[1].engine.known(entity));
        let truth = |conditions: &CertificateConditions| match &entity.certificate {
            Some(certificate) => conditions.hold(certificate, self.at.0).truth,
            None => Truth::Unknown,
        };
        let (old, new) = known();
        let certificates = self.certificates.iter().map(truth).collect();
        self.is_complete &= self.resources.add(known(), entity);
        self.is_complete &= self.principals.add((old, new, certificates), entity);
    }

    /// Asks both policies.
    pub fn finish(self) -> Difference {
        let mut found: BTreeMap<How, Found> = BTreeMap::new();
        let mut affected = BTreeSet::new();
        let (principals, resources) = (self.concerned(true), self.concerned(false));
        let everything = self.actions();
        let (mut pairs, mut questions, mut is_complete) = (0, 0, self.is_complete);
        'all: for (p, asks) in &principals {
            for (r, asked) in &resources {
                pairs += 1;
                let actions = self.actions_of(asks.intersection(asked), &everything);
                questions += actions.len() * self.paths.len();
                if pairs > PAIRS || questions > QUESTIONS {
                    is_complete = false;
                    break 'all;
                }
                for action in actions {
                    let Some((before, after)) = self.change(*p, *r, action) else { continue };
                    affected.insert(*p);
                    let (is_allowed, before, after) = (after.is_allowed(), before.rules, after.rules);
                    let action = Some(action.to_owned()).filter(|action| !action.is_empty());
                    let found = found.entry(How { is_allowed, action, before, after }).or_default();
                    found.principals.insert(*p);
                    found.resources.insert(*r);
                }
            }
        }
        let affected = affected.iter().map(|p| self.principals.list[*p].members).sum();
        let changes = found.into_iter().map(|(How { is_allowed, action, before, after }, found)| {
            let members = |set: &BTreeSet<usize>, list: &[Class]| set.iter().map(|i| list[*i].members).sum();
            Change {
                action,
                is_allowed,
                before,
                after,
                principals: members(&found.principals, &self.principals.list),
                resources: members(&found.resources, &self.resources.list),
                examples: self.examples(&found),
            }
        });
        let changes = changes.collect();
        Difference { entities: self.entities, affected, changes, is_complete }
    }

    /// Classes that an altered rule may be about on one side, with those rules.
    fn concerned(&self, as_principal: bool) -> Vec<(usize, Bits)> {
        let list = if as_principal { &self.principals.list } else { &self.resources.list };
        let of = |class: &Class| {
            let entity = class.sample.entity();
            let known = self.policies.each_ref().map(|policy| policy.engine.known(&entity));
            let fits = |(policy, number): &(usize, usize)| {
                let scope = self.policies[*policy].engine.scope(*number);
                let matcher = if as_principal { &scope.principal } else { &scope.resource };
                matcher.fits(&known[*policy])
            };
            Bits::of(self.altered.iter().map(fits))
        };
        list.iter().map(of).enumerate().filter(|(_, bits)| !bits.is_empty()).collect()
    }

    /// Every action that a rule names, and one that none does.
    fn actions(&self) -> BTreeSet<&str> {
        self.policies.iter().flat_map(|policy| policy.actions()).chain([""]).collect()
    }

    fn actions_of<'a>(
        &'a self,
        rules: impl Iterator<Item = usize>,
        everything: &BTreeSet<&'a str>,
    ) -> BTreeSet<&'a str> {
        let mut actions = BTreeSet::new();
        for rule in rules {
            let (policy, number) = self.altered[rule];
            match self.policies[policy].rules()[number].actions() {
                Some(some) => actions.extend(some.iter().map(String::as_str)),
                None => return everything.clone(),
            }
        }
        actions
    }

    fn change(&self, principal: usize, resource: usize, action: &str) -> Option<(Decision, Decision)> {
        self.paths.iter().find_map(|path| self.change_of(principal, resource, action, path.as_deref()))
    }

    fn change_of(
        &self,
        principal: usize,
        resource: usize,
        action: &str,
        path: Option<&str>,
    ) -> Option<(Decision, Decision)> {
        let request = Request {
            principal: self.principals.list[principal].sample.entity(),
            action,
            resource: self.resources.list[resource].sample.entity(),
            at: self.at,
            source: self.source,
            path,
        };
        let [before, after] = self.policies.each_ref().map(|policy| policy.decide(&request));
        (before.is_allowed() != after.is_allowed()).then_some((before, after))
    }

    fn examples(&self, found: &Found) -> Vec<(String, String)> {
        let ids = |set: &BTreeSet<usize>, list: &[Class]| -> Vec<String> {
            set.iter().flat_map(|i| list[*i].ids.clone()).take(EXAMPLES).collect()
        };
        // Different principals first: who is affected is the question.
        let resources = ids(&found.resources, &self.resources.list);
        let principals = ids(&found.principals, &self.principals.list);
        principals.into_iter().zip(resources.iter().cycle()).map(|(p, r)| (p, r.clone())).collect()
    }
}

/// Numbers of rules that one policy has and the other has not.
fn altered(policies: &[Arc<Policy>; 2]) -> Vec<(usize, usize)> {
    let mut altered = Vec::new();
    for (one, other) in [(0, 1), (1, 0)] {
        let there: HashSet<_> = policies[other].rules().iter().map(Rule::meaning).collect();
        let rules = policies[one].rules().iter().enumerate();
        altered.extend(rules.filter(|(_, rule)| !there.contains(&rule.meaning())).map(|(number, _)| (one, number)));
    }
    altered
}

/// What changes which share are told together, in the order in which they are told.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct How {
    is_allowed: bool,
    action: Option<String>,
    before: Vec<Arc<str>>,
    after: Vec<Arc<str>>,
}

/// Paths to ask about, and whether these are all that the rules tell apart. Every pattern stands for what it covers: it covers
/// itself. Those of rules that stay count as well, because they may hide or show what another rule changes.
fn paths(policies: &[Arc<Policy>; 2], altered: &[(usize, usize)]) -> (Vec<Option<String>>, bool) {
    let first = altered.iter().map(|(policy, number)| &policies[*policy].rules()[*number]);
    let rules = first.chain(policies.iter().flat_map(|policy| policy.rules()));
    let patterns = rules.flat_map(|rule| [&rule.when, &rule.unless]).flatten().flat_map(|conditions| &conditions.paths);
    let mut seen = HashSet::new();
    let all: Vec<&String> = patterns.filter(|pattern| seen.insert(*pattern)).collect();
    let some = all.iter().take(PATHS).map(|pattern| Some((*pattern).clone()));
    (some.chain([Some(ELSEWHERE.to_owned()), None]).collect(), all.len() <= PATHS)
}

#[derive(Default)]
struct Found {
    principals: BTreeSet<usize>,
    resources: BTreeSet<usize>,
}

struct Classes<K> {
    found: HashMap<K, usize>,
    list: Vec<Class>,
}

struct Class {
    members: u64,
    ids: Vec<String>,
    /// Any of them: to both policies it is like all others.
    sample: Sample,
}

impl<K> Default for Classes<K> {
    fn default() -> Self {
        Classes { found: HashMap::new(), list: Vec::new() }
    }
}

impl<K: std::hash::Hash + Eq> Classes<K> {
    /// `false` when there are too many.
    fn add(&mut self, key: K, entity: &Entity<'_>) -> bool {
        let next = self.list.len();
        if next >= CLASSES && !self.found.contains_key(&key) {
            return false;
        }
        let number = *self.found.entry(key).or_insert(next);
        if number == next {
            self.list.push(Class { members: 0, ids: Vec::new(), sample: Sample::of(entity) });
        }
        let class = &mut self.list[number];
        class.members += 1;
        if class.ids.len() < EXAMPLES {
            class.ids.push(entity.id.to_owned());
        }
        true
    }
}

/// An entity that outlives what it was read from.
struct Sample {
    kind: Kind,
    id: String,
    status: Status,
    groups: Vec<String>,
    account: Option<String>,
    profile: Option<String>,
    /// Without its profile, which stands beside it.
    certificate: Option<(Certificate<'static>, Option<String>)>,
}

impl Sample {
    fn of(entity: &Entity<'_>) -> Sample {
        let Entity { kind, id, status, groups, account, profile, certificate } = *entity;
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let certificate = certificate.map(|c| {
            let Certificate { newest, issued_at, not_after, hardware_bound, profile } = c;
            (Certificate { newest, issued_at, not_after, hardware_bound, profile: None }, owned(profile))
        });
        let (account, profile) = (owned(account), owned(profile));
        Sample { kind, id: id.to_owned(), status, groups: groups.to_vec(), account, profile, certificate }
    }

    fn entity(&self) -> Entity<'_> {
        let known = self.certificate.as_ref();
        let certificate = known.map(|(c, profile)| Certificate { profile: profile.as_deref(), ..*c });
        Entity {
            kind: self.kind,
            id: &self.id,
            status: self.status,
            groups: &self.groups,
            account: self.account.as_deref(),
            profile: self.profile.as_deref(),
            certificate,
        }
    }
}

/// A set of small numbers.
struct Bits(Vec<u64>);

impl Bits {
    fn of(bits: impl Iterator<Item = bool>) -> Bits {
        let mut words = Vec::new();
        for (number, _) in bits.enumerate().filter(|(_, bit)| *bit) {
            words.resize((number / 64 + 1).max(words.len()), 0);
            words[number / 64] |= 1 << (number % 64);
        }
        Bits(words)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn intersection<'a>(&'a self, other: &'a Bits) -> impl Iterator<Item = usize> + 'a {
        let words = self.0.iter().zip(&other.0).map(|(a, b)| a & b).enumerate();
        words
            .filter(|(_, word)| *word != 0)
            .flat_map(|(at, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit))
    }
}

/// A path that no rule is likely to mean.
const ELSEWHERE: &str = "/-";

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
