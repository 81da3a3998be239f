//! How long it takes until a revocation counts, stage by stage, and an alarm when that is too long.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Where a revocation has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Durable: the API refuses what was revoked.
    Committed,
    /// On the published revocation list.
    Listed,
    /// In the queues of the subscribers.
    Handed,
    /// A subscriber says that it has acted.
    Acknowledged,
    /// In the answers of the OCSP responder.
    Ocsp,
}

impl Stage {
    pub const ALL: [Stage; 5] = [Stage::Committed, Stage::Listed, Stage::Handed, Stage::Acknowledged, Stage::Ocsp];

    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Committed => "committed",
            Stage::Listed => "crl",
            Stage::Handed => "handed",
            Stage::Acknowledged => "acknowledged",
            Stage::Ocsp => "ocsp",
        }
    }
}

/// Whether a change has to appear on a revocation list: a suspension does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    Expected,
    None,
}

/// Everything that was committed before a list was begun.
#[derive(Debug, Clone, Copy)]
pub struct Mark(u64);

/// What was over the budget last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    pub stage: Stage,
    pub took: Duration,
    pub noticed: Instant,
}

/// The stages of the latest revocations. Stages may be reported late, twice or never; each counts once for a revocation,
/// but for acknowledgements, of which each subscriber makes one.
pub struct Latency {
    budget: Duration,
    seconds: Family<Label, Histogram>,
    over: Family<Label, Counter>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    stage: &'static str,
}

#[derive(Default)]
struct State {
    tracked: VecDeque<Tracked>,
    commits: u64,
    last_over: Option<Over>,
}

struct Tracked {
    request: String,
    received: Instant,
    /// Counts the commits.
    committed: Option<u64>,
    sequence: Option<u64>,
    list: ListState,
    answered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListState {
    Unneeded,
    Awaited,
    /// Awaited for too long, which has been said.
    Overdue,
    Published,
}

impl Latency {
    pub fn new(budget: Duration) -> Latency {
        let seconds = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        Latency { budget, seconds, over: Family::default(), state: Mutex::new(State::default()) }
    }

    pub fn register(&self, registry: &mut Registry) {
        let help = "From the receipt of a revocation to the stage";
        registry.register("revocation_latency_seconds", help, self.seconds.clone());
        registry.register("revocation_over_budget", "Revocations that reached the stage too late", self.over.clone());
    }

    pub fn budget(&self) -> Duration {
        self.budget
    }

    /// How often a stage was reached too late.
    pub fn over_budget(&self, stage: Stage) -> u64 {
        self.over.get_or_create(&Label { stage: stage.as_str() }).get()
    }

    pub fn last_over(&self) -> Option<Over> {
        self.state().last_over.clone()
    }

    /// A request to revoke was received; only of a caller who may.
    pub fn begin(&self, request: &str, received: Instant) {
        let mut state = self.state();
        if state.tracked.len() >= TRACKED {
            state.tracked.pop_front();
        }
        let request = request.to_owned();
        let list = ListState::Unneeded;
        state.tracked.push_back(Tracked { request, received, committed: None, sequence: None, list, answered: false });
    }

    /// The request changed nothing.
    pub fn forget(&self, request: &str) {
        self.state().tracked.retain(|one| one.request != request);
    }

    /// The request is durable.
    pub fn committed(&self, request: &str, list: List) {
        let mut state = self.state();
        state.commits += 1;
        let commits = state.commits;
        let Some(one) = state.tracked.iter_mut().rfind(|one| one.request == request && one.committed.is_none()) else {
            return;
        };
        one.committed = Some(commits);
        one.list = if list == List::Expected { ListState::Awaited } else { ListState::Unneeded };
        let took = one.received.elapsed();
        self.observe(&mut state, Stage::Committed, took, request);
    }

    /// To be taken before a list reads the store.
    pub fn mark(&self) -> Mark {
        Mark(self.state().commits)
    }

    /// A list was published that was begun after `mark`.
    pub fn listed(&self, mark: Mark) {
        let mut state = self.state();
        let mut reached = Vec::new();
        for one in state.tracked.iter_mut().filter(|one| one.committed.is_some_and(|commit| commit <= mark.0)) {
            let before = one.list;
            if matches!(before, ListState::Awaited | ListState::Overdue) {
                one.list = ListState::Published;
                reached.push((one.received.elapsed(), one.request.clone(), before));
            }
        }
        for (took, request, before) in reached {
            match before {
                // The alarm was given when it was overdue.
                ListState::Overdue => self.record(Stage::Listed, took),
                _ => self.observe(&mut state, Stage::Listed, took, &request),
            }
        }
    }

    /// The audit entry of a request has this sequence.
    pub fn numbered(&self, request: &str, sequence: u64) {
        if let Some(one) = self.state().tracked.iter_mut().rfind(|one| one.request == request) {
            one.sequence = Some(sequence);
        }
    }

    /// The revocations with an audit sequence in `after + 1 ..= up_to` have reached `stage` now. For the stages that follow
    /// the audit log: [`Stage::Handed`], [`Stage::Acknowledged`], [`Stage::Ocsp`].
    pub fn observed(&self, stage: Stage, after: u64, up_to: u64) {
        let mut state = self.state();
        let mut reached = Vec::new();
        for one in &mut state.tracked {
            if !one.sequence.is_some_and(|sequence| after < sequence && sequence <= up_to) {
                continue;
            }
            if stage == Stage::Ocsp && std::mem::replace(&mut one.answered, true) {
                continue;
            }
            reached.push((one.received.elapsed(), one.request.clone()));
        }
        for (took, request) in reached {
            self.observe(&mut state, stage, took, &request);
        }
    }

    /// Gives the alarm for what is not on a list yet: it must not wait for a list that never comes.
    pub fn review(&self) {
        let mut state = self.state();
        let mut late = Vec::new();
        for one in state.tracked.iter_mut().filter(|one| one.list == ListState::Awaited) {
            let waits = one.received.elapsed();
            if waits > self.budget {
                one.list = ListState::Overdue;
                late.push((waits, one.request.clone()));
            }
        }
        for (waits, request) in late {
            self.alarm(&mut state, Stage::Listed, waits, &request);
        }
    }

    fn observe(&self, state: &mut State, stage: Stage, took: Duration, request: &str) {
        self.record(stage, took);
        if took > self.budget {
            self.alarm(state, stage, took, request);
        }
    }

    fn record(&self, stage: Stage, took: Duration) {
        self.seconds.get_or_create(&Label { stage: stage.as_str() }).observe(took.as_secs_f64());
    }

    fn alarm(&self, state: &mut State, stage: Stage, took: Duration, request: &str) {
        self.over.get_or_create(&Label { stage: stage.as_str() }).inc();
        let (took_ms, budget_ms, stage_name) = (took.as_millis(), self.budget.as_millis(), stage.as_str());
        tracing::warn!(request, stage = stage_name, took_ms, budget_ms, "a revocation is over its budget");
        state.last_over = Some(Over { stage, took, noticed: Instant::now() });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Revocations whose stages are followed. Beyond, the oldest is forgotten: a thousand at once are a batch job, and a
/// histogram of the newest of them says the same.
const TRACKED: usize = 1024;
/// Seconds, around the budget of one.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::MAX;

    fn latency(budget: Duration) -> Latency {
        Latency::new(budget)
    }

    fn counts(latency: &Latency) -> Vec<String> {
        let mut registry = Registry::default();
        latency.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let mut lines: Vec<String> = text
            .lines()
            .filter_map(|l| l.strip_prefix("revocation_latency_seconds_count{stage=\""))
            .map(|l| l.replace("\"}", ""))
            .collect();
        lines.sort();
        lines
    }

    /// A moment that lies so far back that everything since is over any budget of a second.
    fn long_ago() -> Instant {
        Instant::now().checked_sub(Duration::from_secs(3)).unwrap()
    }

    #[test]
    fn every_stage_is_counted_once_for_a_revocation() {
        let latency = latency(NEVER);
        latency.begin("a", Instant::now());
        latency.committed("a", List::Expected);
        latency.committed("a", List::Expected);
        let mark = latency.mark();
        latency.begin("b", Instant::now());
        latency.committed("b", List::Expected);
        latency.listed(mark);
        latency.listed(mark);
        assert_eq!(counts(&latency), ["committed 2", "crl 1"], "b came after the list was begun");
        latency.numbered("a", 7);
        latency.numbered("b", 9);
        latency.observed(Stage::Handed, 6, 7);
        latency.observed(Stage::Acknowledged, 0, 9);
        latency.observed(Stage::Ocsp, 0, 7);
        latency.observed(Stage::Ocsp, 0, 9);
        latency.listed(latency.mark());
        assert_eq!(counts(&latency), ["acknowledged 2", "committed 2", "crl 2", "handed 1", "ocsp 2"]);
        assert_eq!(latency.last_over(), None);
    }

    #[test]
    fn what_changed_nothing_or_needs_no_list_waits_for_none() {
        let latency = latency(Duration::from_secs(1));
        latency.begin("dry", long_ago());
        latency.forget("dry");
        latency.committed("dry", List::Expected);
        latency.begin("suspension", Instant::now());
        latency.committed("suspension", List::None);
        latency.review();
        latency.listed(latency.mark());
        assert_eq!(counts(&latency), ["committed 1"]);
        assert_eq!(latency.over_budget(Stage::Listed), 0);
    }

    #[test]
    fn a_list_that_does_not_come_gives_one_alarm_and_is_still_measured() {
        let latency = latency(Duration::from_secs(1));
        latency.begin("a", long_ago());
        latency.committed("a", List::Expected);
        assert_eq!(latency.over_budget(Stage::Committed), 1);
        latency.review();
        latency.review();
        assert_eq!(latency.over_budget(Stage::Listed), 1);
        assert_eq!(latency.last_over().unwrap().stage, Stage::Listed);
        latency.listed(latency.mark());
        assert_eq!(latency.over_budget(Stage::Listed), 1);
        assert_eq!(counts(&latency), ["committed 1", "crl 1"]);
    }

    #[test]
    fn the_memory_is_bounded() {
        let latency = latency(NEVER);
        for n in 0..3 * TRACKED {
            latency.begin(&format!("r{n}"), Instant::now());
        }
        assert_eq!(latency.state().tracked.len(), TRACKED);
    }
}
