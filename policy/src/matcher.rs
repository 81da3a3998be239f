//! A rule ready to be asked: words became numbers.

use std::collections::HashMap;
use std::sync::Arc;

use crate::facts::{Entity, Kind, KindSet, Status, StatusSet};
use crate::rule::{Effect, Rule, Side};

/// A word that some rule uses.
pub(crate) type Word = u32;

/// Every word that a rule uses. A word of a question that is not here fits no list.
#[derive(Debug, Default)]
pub(crate) struct Words(HashMap<Arc<str>, Word>);

impl Words {
    pub(crate) fn known(&self, text: &str) -> Option<Word> {
        self.0.get(text).copied()
    }

    fn add(&mut self, text: &str) -> Word {
        let next = self.0.len() as Word;
        *self.0.entry(text.into()).or_insert(next)
    }

    fn list(&mut self, texts: &[String]) -> Box<[Word]> {
        let mut words: Vec<Word> = texts.iter().map(|text| self.add(text)).collect();
        words.sort_unstable();
        words.into()
    }
}

/// One side of a question in words. Two that are equal are the same to every scope.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Known {
    kind: Kind,
    status: Status,
    pub(crate) id: Option<Word>,
    pub(crate) groups: Vec<Word>,
    pub(crate) account: Option<Word>,
    pub(crate) profile: Option<Word>,
}

impl Known {
    pub(crate) fn of(entity: &Entity<'_>, words: &Words) -> Known {
        let known = |text: Option<&str>| text.and_then(|text| words.known(text));
        let mut groups: Vec<Word> = entity.groups.iter().filter_map(|group| words.known(group)).collect();
        groups.sort_unstable();
        Known {
            kind: entity.kind,
            status: entity.status,
            id: words.known(entity.id),
            groups,
            account: known(entity.account),
            profile: known(entity.profile),
        }
    }
}

/// A [`Side`] in words.
#[derive(Debug)]
pub(crate) struct Matcher {
    kinds: KindSet,
    statuses: StatusSet,
    pub(crate) ids: Box<[Word]>,
    pub(crate) groups_any: Box<[Word]>,
    pub(crate) groups_all: Box<[Word]>,
    pub(crate) accounts: Box<[Word]>,
    pub(crate) profiles: Box<[Word]>,
}

impl Matcher {
    fn new(side: &Side, otherwise: &[Status], words: &mut Words) -> Matcher {
        let kinds = if side.kinds.is_empty() { Kind::ALL } else { &side.kinds };
        let statuses = if side.statuses.is_empty() { otherwise } else { &side.statuses };
        Matcher {
            kinds: KindSet::of(kinds),
            statuses: StatusSet::of(statuses),
            ids: words.list(&side.ids),
            groups_any: words.list(&side.groups_any),
            groups_all: words.list(&side.groups_all),
            accounts: words.list(&side.accounts),
            profiles: words.list(&side.profiles),
        }
    }

    pub(crate) fn fits(&self, known: &Known) -> bool {
        self.kinds.contains(known.kind)
            && self.statuses.contains(known.status)
            && holds(&self.ids, known.id)
            && (self.groups_any.is_empty() || known.groups.iter().any(|g| has(&self.groups_any, *g)))
            && self.groups_all.iter().all(|group| known.groups.contains(group))
            && holds(&self.accounts, known.account)
            && holds(&self.profiles, known.profile)
    }
}

/// An empty list asks for nothing.
fn holds(list: &[Word], word: Option<Word>) -> bool {
    list.is_empty() || word.is_some_and(|word| has(list, word))
}

fn has(sorted: &[Word], word: Word) -> bool {
    // Most lists are short, and then this is faster than halving.
    if sorted.len() <= 8 { sorted.contains(&word) } else { sorted.binary_search(&word).is_ok() }
}

/// A [`Rule`] in words, without its conditions.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) effect: Effect,
    pub(crate) principal: Matcher,
    pub(crate) resource: Matcher,
    /// Empty: every action.
    pub(crate) actions: Box<[Word]>,
}

impl Scope {
    pub(crate) fn new(rule: &Rule, words: &mut Words) -> Scope {
        // What a permit says nothing about is the safe half: an active principal, and a resource that nobody has stopped.
        let (asks, asked) = match rule.effect {
            Effect::Permit => (&[Status::Active][..], &[Status::Preregistered, Status::Pending, Status::Active][..]),
            Effect::Forbid => (Status::ALL, Status::ALL),
        };
        Scope {
            effect: rule.effect,
            principal: Matcher::new(&rule.principal, asks, words),
            resource: Matcher::new(&rule.resource, asked, words),
            actions: words.list(rule.actions.as_deref().unwrap_or_default()),
        }
    }

    pub(crate) fn fits(&self, action: Option<Word>, principal: &Known, resource: &Known) -> bool {
        holds(&self.actions, action) && self.resource.fits(resource) && self.principal.fits(principal)
    }

    /// Whether action, principal and resource fit, each for itself.
    pub(crate) fn parts(&self, action: Option<Word>, principal: &Known, resource: &Known) -> [bool; 3] {
        [holds(&self.actions, action), self.principal.fits(principal), self.resource.fits(resource)]
    }
}
