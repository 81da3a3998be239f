//! The policy of live permission: which one is in force, and how another takes its place.
//!
//! It decides what devices may do to services. What administrators may do here is decided by their scopes and by nothing in
//! a policy, so that whatever it says, somebody can mend it.

mod compare;
mod words;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use signet_policy::{Failure, Outcome, Policy, PolicyErrors};
use thiserror::Error;
use tokio::sync::{Mutex, TryLockError};

use crate::store::{ApplyPolicy, AuditDraft, InsteadOf, PolicyConflict, PolicyOrigin, PolicyStore, StoreError};

pub use compare::Compared;
pub use words::{kind, status};

/// The policy in force, compiled, and what is wrong with the one that should be.
pub struct Policies {
    current: Arc<ArcSwap<Policy>>,
    problem: ArcSwapOption<String>,
    /// One application at a time, so that memory follows the store.
    applying: Mutex<()>,
    /// One comparison at a time: each keeps a core busy.
    comparing: Mutex<()>,
    /// An application ended without an answer.
    unsure: AtomicBool,
    rules: Gauge,
    failing: Gauge,
    applied: Counter,
}

/// Why a text does not become the policy. The one in force stays.
#[derive(Debug, Error)]
pub enum PolicyError {
    #[error("{0}")]
    Text(#[from] PolicyErrors),
    #[error("{}", failed(.0))]
    Tests(Outcome),
    /// The file, and why.
    #[error("{0}")]
    Unreadable(String),
    /// A file that is being written, or one that was emptied by mistake, would deny everything to everybody.
    #[error("it has no rule, so it would deny everything; if that is meant, write a forbid of everything")]
    NoRule,
    #[error("revision {} is in force", .0.in_force.as_deref().unwrap_or("of no policy"))]
    Conflict(PolicyConflict),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A text that may become the policy: it was understood, and its own tests pass.
#[derive(Debug, Clone)]
pub struct Candidate(Arc<Policy>);

impl Candidate {
    pub fn check(text: &str) -> Result<Candidate, PolicyError> {
        let policy = Policy::parse(text)?;
        if policy.rules().is_empty() {
            return Err(PolicyError::NoRule);
        }
        let outcome = policy.fixtures().run(&policy);
        if outcome.failures.is_empty() { Ok(Candidate(Arc::new(policy))) } else { Err(PolicyError::Tests(outcome)) }
    }

    pub fn policy(&self) -> &Policy {
        &self.0
    }
}

impl Default for Policies {
    /// Nothing is permitted until [`follow`](Policies::follow) has read the store.
    fn default() -> Policies {
        Policies {
            current: Arc::new(ArcSwap::from_pointee(Policy::empty())),
            problem: ArcSwapOption::empty(),
            applying: Mutex::default(),
            comparing: Mutex::default(),
            unsure: AtomicBool::new(true),
            rules: Gauge::default(),
            failing: Gauge::default(),
            applied: Counter::default(),
        }
    }
}

impl Policies {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("policy_rules", "Rules of the policy in force", self.rules.clone());
        let help = "1 when the policy that should be in force cannot be";
        registry.register("policy_failing", help, self.failing.clone());
        registry.register("policy_applied", "Policies that took the place of another", self.applied.clone());
    }

    pub fn current(&self) -> Arc<Policy> {
        self.current.load_full()
    }

    /// What always holds the policy in force: for those who decide.
    pub fn shared(&self) -> Arc<ArcSwap<Policy>> {
        self.current.clone()
    }

    /// What keeps the wished-for policy out of force, for people.
    pub fn problem(&self) -> Option<Arc<String>> {
        self.problem.load_full()
    }

    pub fn set_problem(&self, problem: Option<String>) {
        self.failing.set(problem.is_some().into());
        self.problem.store(problem.map(Arc::new));
    }

    /// Writes a candidate to the store, and puts it in force.
    pub async fn apply(
        &self,
        store: &dyn PolicyStore,
        candidate: Candidate,
        (origin, instead_of): (PolicyOrigin, InsteadOf),
        draft: AuditDraft,
    ) -> Result<(), PolicyError> {
        let _alone = self.applying.lock().await;
        let Candidate(policy) = candidate;
        let (text, revision) = (policy.text().to_owned(), policy.revision().to_owned());
        // Set before, for a request that is cut off while it waits.
        self.unsure.store(true, Ordering::SeqCst);
        match store.apply_policy(ApplyPolicy { text, revision, origin, instead_of, draft }).await? {
            Ok(_) => {
                self.put(policy);
                self.set_problem(None);
            }
            Err(conflict) => {
                self.unsure.store(false, Ordering::SeqCst);
                return Err(PolicyError::Conflict(conflict));
            }
        }
        self.unsure.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Takes over what the store says is in force, unless it is known.
    pub async fn follow(&self, store: &dyn PolicyStore) -> Result<(), StoreError> {
        if !self.unsure.load(Ordering::SeqCst) {
            return Ok(());
        }
        let _alone = self.applying.lock().await;
        let record = store.policy().await?;
        self.unsure.store(false, Ordering::SeqCst);
        let Some(text) = record.and_then(|record| record.text) else { return Ok(()) };
        match Policy::parse(&text) {
            Ok(policy) => self.put(Arc::new(policy)),
            // Another version of this program understood it. What cannot be understood permits nothing.
            Err(error) => {
                tracing::error!(%error, "the policy in the database is not understood: what is in force goes on");
                self.set_problem(Some(format!("the policy in the database: {error}")));
            }
        }
        Ok(())
    }

    fn put(&self, policy: Arc<Policy>) {
        if self.current.load().revision() != policy.revision() {
            tracing::info!(revision = policy.revision(), rules = policy.rules().len(), "policy in force");
            self.applied.inc();
        }
        self.rules.set(i64::try_from(policy.rules().len()).unwrap_or(i64::MAX));
        self.current.store(policy);
    }

    /// The right to compare, unless somebody else is at it.
    fn compare_alone(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, TryLockError> {
        self.comparing.try_lock()
    }
}

/// One line for people.
pub fn told(failure: &Failure) -> String {
    let Failure { line, name, expected, found, why } = failure;
    format!("line {line}, test {name:?}: expected {expected}, found {found} ({why})")
}

fn failed(outcome: &Outcome) -> String {
    let lines: Vec<String> = outcome.failures.iter().take(TOLD).map(told).collect();
    format!("{} of {} tests fail: {}", outcome.failures.len(), outcome.cases, lines.join("; "))
}

/// Failed tests that a refusal names; 'ca policy test' names all.
const TOLD: usize = 10;
