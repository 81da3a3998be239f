//! What the daemon does next: a pure function of what it knows and the time.

use std::time::Duration;

use signet_pki::UnixTime;

use crate::world::delay;

/// What the daemon knows between two steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Situation {
    pub(crate) renew_after: UnixTime,
    pub(crate) last: Last,
    /// Slept since the last try: counted, so that a clock that is set meanwhile does not matter.
    pub(crate) waited: Duration,
}

/// How the last try ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Last {
    None,
    Good,
    Failed {
        /// In a row.
        count: u32,
        /// `Retry-After`, seconds.
        asked: Option<u64>,
        /// Between 0 and 1, drawn once for this failure.
        jitter: f64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A renewal, which does nothing when it is not due.
    Try,
    Sleep(Duration),
}

/// `now` is `None` while the machine's clock cannot be right: then only the server can tell whether a renewal is due.
pub(crate) fn next_step(situation: &Situation, now: Option<UnixTime>) -> Step {
    let pause = match (situation.last, now) {
        (Last::None, _) => return Step::Try,
        (Last::Good, Some(_)) => SHORTEST,
        (Last::Good, None) => LONGEST_NAP,
        (Last::Failed { count, asked, jitter }, _) => delay(count.saturating_sub(1), asked, jitter),
    };
    let rest = pause.saturating_sub(situation.waited);
    let until_due = now.map_or(0, |now| situation.renew_after.since(now).max(0)).unsigned_abs();
    match rest.max(Duration::from_secs(until_due)) {
        Duration::ZERO => Step::Try,
        // Short naps, so that a clock that is set meanwhile, or a machine that slept, is noticed.
        nap => Step::Sleep(nap.min(LONGEST_NAP)),
    }
}

const LONGEST_NAP: Duration = Duration::from_secs(15 * 60);
/// Between two renewals, should the server say that each is due at once.
const SHORTEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: UnixTime = UnixTime(1_800_000_000);

    fn calm() -> Situation {
        Situation { renew_after: DUE, last: Last::Good, waited: Duration::from_secs(60) }
    }

    fn failed(count: u32, asked: Option<u64>) -> Situation {
        Situation { last: Last::Failed { count, asked, jitter: 1.0 }, waited: Duration::ZERO, ..calm() }
    }

    fn sleep(seconds: u64) -> Step {
        Step::Sleep(Duration::from_secs(seconds))
    }

    #[test]
    fn it_sleeps_in_naps_until_renewal_is_due() {
        assert_eq!(next_step(&calm(), Some(DUE.minus(100_000))), sleep(900));
        assert_eq!(next_step(&calm(), Some(DUE.minus(7))), sleep(7));
        assert_eq!(next_step(&calm(), Some(DUE)), Step::Try);
        assert_eq!(next_step(&calm(), Some(UnixTime::MAX)), Step::Try);
    }

    #[test]
    fn the_first_step_is_to_look() {
        let fresh = Situation { last: Last::None, ..calm() };
        assert_eq!(next_step(&fresh, Some(DUE.minus(100_000))), Step::Try);
    }

    #[test]
    fn failures_are_spaced_out_and_the_server_is_obeyed() {
        assert_eq!(next_step(&failed(5, None), Some(DUE)), sleep(16));
        assert_eq!(next_step(&failed(5, Some(100)), Some(DUE)), sleep(125));
        let slept = Situation { waited: Duration::from_secs(10), ..failed(5, None) };
        assert_eq!(next_step(&slept, Some(DUE)), sleep(6));
        let rested = Situation { waited: Duration::from_secs(16), ..failed(5, None) };
        assert_eq!(next_step(&rested, Some(DUE)), Step::Try);
    }

    #[test]
    fn a_server_that_wants_renewals_all_the_time_gets_one_a_minute() {
        let eager = Situation { renew_after: UnixTime(0), waited: Duration::ZERO, ..calm() };
        assert_eq!(next_step(&eager, Some(DUE)), sleep(60));
    }

    #[test]
    fn t17_without_a_plausible_clock_the_server_is_asked_now_and_then() {
        assert_eq!(next_step(&Situation { waited: Duration::ZERO, ..calm() }, None), sleep(900));
        assert_eq!(next_step(&Situation { waited: Duration::from_secs(900), ..calm() }, None), Step::Try);
        assert_eq!(next_step(&failed(3, None), None), sleep(4));
        let rested = Situation { waited: Duration::from_secs(4), ..failed(3, None) };
        assert_eq!(next_step(&rested, None), Step::Try);
    }

    #[test]
    fn a_simulated_year_of_a_daily_certificate_renews_twice_a_day() {
        let (mut now, mut situation, mut renewals) = (DUE, calm(), 0);
        while now < DUE.plus(365 * 86_400) {
            match next_step(&situation, Some(now)) {
                Step::Sleep(nap) => {
                    now = now.plus(nap.as_secs() as i64);
                    situation.waited += nap;
                }
                Step::Try => {
                    renewals += 1;
                    situation = Situation { renew_after: now.plus(43_200), last: Last::Good, waited: Duration::ZERO };
                }
            }
        }
        assert_eq!(renewals, 730);
    }
}
