//! A rule as it was written.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use crate::condition::Conditions;
use crate::facts::{Kind, Status};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    Permit,
    Forbid,
}

impl Effect {
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Permit => "permit",
            Effect::Forbid => "forbid",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Rule {
    pub(crate) id: Arc<str>,
    pub(crate) effect: Effect,
    pub(crate) description: String,
    pub(crate) line: usize,
    pub(crate) principal: Side,
    /// `None`: every action.
    pub(crate) actions: Option<Vec<String>>,
    pub(crate) resource: Side,
    pub(crate) when: Option<Conditions>,
    pub(crate) unless: Option<Conditions>,
    pub(crate) ttl_seconds: Option<u32>,
}

/// Who or what is meant. All fields that are given have to fit; an empty list is one that is not given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Side {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) ids: Vec<String>,
    pub(crate) groups_any: Vec<String>,
    pub(crate) groups_all: Vec<String>,
    pub(crate) accounts: Vec<String>,
    pub(crate) profiles: Vec<String>,
    pub(crate) statuses: Vec<Status>,
}

impl Side {
    /// Kinds and states alone leave it as wide as `*`.
    pub(crate) fn is_wide(&self) -> bool {
        [&self.ids, &self.groups_any, &self.groups_all, &self.accounts, &self.profiles].iter().all(|l| l.is_empty())
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups_any.iter().chain(&self.groups_all).map(String::as_str)
    }
}

impl Rule {
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn effect(&self) -> Effect {
        self.effect
    }

    pub fn description(&self) -> &str {
        &self.description
    }

    /// Where it begins, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The actions that it names; `None` for every action.
    pub fn actions(&self) -> Option<&[String]> {
        self.actions.as_deref()
    }

    /// The same for two rules that say the same, descriptions included.
    pub fn fingerprint(&self) -> String {
        format!("{:?} {:?} {:?}", self.meaning(), self.ttl_seconds, self.description)
    }

    /// What it says about whom, in itself: two rules of the same meaning answer every question alike.
    pub(crate) fn meaning(&self) -> impl Hash + Eq + fmt::Debug + '_ {
        (self.effect, &self.principal, &self.actions, &self.resource, &self.when, &self.unless)
    }

    pub(crate) fn is_wide(&self) -> bool {
        self.actions.is_none() && self.principal.is_wide() && self.resource.is_wide()
    }

    pub(crate) fn is_timed(&self) -> bool {
        [&self.when, &self.unless].into_iter().flatten().any(Conditions::are_timed)
    }
}
