//! Counters of decisions.

use std::time::Instant;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    Allow,
    Deny,
    /// Allowed without a look at anything.
    Blind,
    /// The question was not the asker's to ask.
    Foreign,
    /// The asker asks too much.
    Quota,
    /// The store could not be read.
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: Outcome,
}

pub struct Meter {
    outcomes: Family<Labels, Counter>,
    seconds: Histogram,
}

impl Default for Meter {
    fn default() -> Meter {
        Meter { outcomes: Family::default(), seconds: Histogram::new(SECONDS) }
    }
}

impl Meter {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("authz_decisions", "Questions about permission by outcome", self.outcomes.clone());
        let help = "From the question to the decision, without the network; a batch counts as one";
        registry.register("authz_seconds", help, self.seconds.clone());
    }

    pub fn count(&self, outcome: Outcome) {
        self.outcomes.get_or_create(&Labels { outcome }).inc();
    }

    pub fn took(&self, began: Instant) {
        self.seconds.observe(began.elapsed().as_secs_f64());
    }
}

/// Bounds of buckets: from memory, from the page cache, the goal, from the disk, too late.
const SECONDS: [f64; 7] = [0.000_03, 0.000_1, 0.000_3, 0.001, 0.002, 0.01, 0.1];
