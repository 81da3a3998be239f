//! How many questions a service may ask.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Generic cell rate algorithm: for each asker the moment at which its allowance is full again. There are no more entries than
/// askers, which are registered or administrators; those whose allowance is full are forgotten when there are many.
pub(super) struct Quota {
    full_at: Mutex<HashMap<String, i64>>,
    /// Microseconds that one question costs.
    cost: i64,
    burst: i64,
}

impl Quota {
    pub(super) fn new(per_second: u32, burst: u32) -> Quota {
        let cost = 1_000_000 / i64::from(per_second.clamp(1, 1_000_000));
        Quota { full_at: Mutex::default(), cost, burst: cost * i64::from(burst.max(1)) }
    }

    /// Takes the worth of so many questions, all of it or nothing; the milliseconds to wait when there is not enough.
    pub(super) fn take(&self, asker: &str, questions: usize, now_ms: i64) -> Result<(), u64> {
        let now = now_ms.saturating_mul(1000);
        let mut all = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MANY && !all.contains_key(asker) {
            all.retain(|_, full_at| *full_at > now);
        }
        let known = all.get(asker).copied().unwrap_or(now);
        // A clock that was set back must not leave anybody waiting for the old time.
        let full_at = if known > now + self.burst { now } else { known.max(now) };
        // More than the whole allowance at once would never be let in.
        let cost = self.cost.saturating_mul(i64::try_from(questions).unwrap_or(i64::MAX)).min(self.burst);
        let next = full_at + cost;
        if next - now > self.burst {
            return Err(u64::try_from((next - now - self.burst + 999) / 1000).unwrap_or(1));
        }
        all.insert(asker.to_owned(), next);
        Ok(())
    }
}

/// Twice as many as there may be registered services.
const MANY: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t44_one_service_that_asks_too_much_costs_no_other_its_answers() {
        let quota = Quota::new(10, 100);
        let (loud, quiet) = ("loud", "quiet");
        assert_eq!(quota.take(loud, 100, 1_000), Ok(()));
        assert_eq!(quota.take(loud, 1, 1_000), Err(100));
        assert_eq!(quota.take(loud, 5, 1_000), Err(500));
        assert_eq!(quota.take(quiet, 100, 1_000), Ok(()));
        assert_eq!(quota.take(loud, 1, 1_099), Err(1));
        assert_eq!(quota.take(loud, 1, 1_100), Ok(()));
    }

    #[test]
    fn more_than_the_allowance_at_once_takes_all_of_it() {
        let quota = Quota::new(10, 50);
        assert_eq!(quota.take("a", 1_000, 0), Ok(()));
        assert_eq!(quota.take("a", 1, 0), Err(100));
        assert_eq!(quota.take("a", 1_000, 5_000), Ok(()));
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out_and_idle_askers_are_forgotten() {
        let quota = Quota::new(1, 2);
        assert_eq!(quota.take("a", 2, 10_000_000), Ok(()));
        assert_eq!(quota.take("a", 2, 0), Ok(()));
        for number in 0..3 * MANY as i64 {
            assert_eq!(quota.take(&format!("s-{number}"), 1, number * 10_000), Ok(()));
        }
        assert!(quota.full_at.lock().unwrap().len() <= MANY);
    }
}
