//! What the daemon does next: a pure function of what it knows and the time.

use std::time::Duration;

use signet_pki::UnixTime;

use crate::world::delay;

/// What the daemon knows between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Situation {
    pub(crate) renew_after: UnixTime,
    /// Failures since the last success.
    pub(crate) failures: u32,
    /// When the last one was, by the same clock.
    pub(crate) failed_at: UnixTime,
    /// What the server asked for then, in seconds.
    pub(crate) asked: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Renew,
    Sleep(Duration),
}

/// `jitter` is between 0 and 1, drawn once for each failure. `now` is `None` while the clock cannot be right: then the
/// server is asked what time it is, at the pace of a failing server.
pub(crate) fn next_step(situation: &Situation, now: Option<UnixTime>, jitter: f64) -> Step {
    let Some(now) = now else {
        return match situation.failures {
            0 => Step::Renew,
            failures => Step::Sleep(delay(failures - 1, situation.asked, jitter)),
        };
    };
    let mut at = situation.renew_after;
    if let Some(before) = situation.failures.checked_sub(1) {
        // The clock was set back behind the failure: do not wait for the difference.
        let since = now.since(situation.failed_at).max(0);
        let pause = delay(before, situation.asked, jitter).as_secs().max(1);
        at = at.max(now.plus(i64::try_from(pause).unwrap_or(i64::MAX) - since));
    }
    match at.since(now) {
        seconds if seconds <= 0 => Step::Renew,
        // Short naps, so that a clock that is set meanwhile, or a machine that slept, is noticed.
        seconds => Step::Sleep(Duration::from_secs(seconds.unsigned_abs()).min(LONGEST_NAP)),
    }
}

const LONGEST_NAP: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: UnixTime = UnixTime(1_800_000_000);

    fn calm() -> Situation {
        Situation { renew_after: DUE, failures: 0, failed_at: UnixTime(0), asked: None }
    }

    fn sleep(seconds: u64) -> Step {
        Step::Sleep(Duration::from_secs(seconds))
    }

    #[test]
    fn it_sleeps_in_naps_until_renewal_is_due() {
        assert_eq!(next_step(&calm(), Some(DUE.minus(100_000)), 0.0), sleep(900));
        assert_eq!(next_step(&calm(), Some(DUE.minus(7)), 0.0), sleep(7));
        assert_eq!(next_step(&calm(), Some(DUE), 0.0), Step::Renew);
        assert_eq!(next_step(&calm(), Some(UnixTime::MAX), 0.0), Step::Renew);
    }

    #[test]
    fn failures_are_spaced_out_and_the_server_is_obeyed() {
        let failed = Situation { failures: 5, failed_at: DUE, ..calm() };
        assert_eq!(next_step(&failed, Some(DUE), 1.0), sleep(16));
        assert_eq!(next_step(&failed, Some(DUE.plus(10)), 1.0), sleep(6));
        assert_eq!(next_step(&failed, Some(DUE.plus(16)), 1.0), Step::Renew);
        let asked = Situation { asked: Some(100), ..failed };
        assert_eq!(next_step(&asked, Some(DUE), 0.0), sleep(100));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_stop_the_daemon() {
        let failed = Situation { failures: 5, failed_at: DUE.plus(1_000_000), ..calm() };
        assert_eq!(next_step(&failed, Some(DUE), 1.0), sleep(16));
    }

    #[test]
    fn t17_without_a_plausible_clock_the_server_is_asked_at_a_slower_and_slower_pace() {
        assert_eq!(next_step(&calm(), None, 1.0), Step::Renew);
        assert_eq!(next_step(&Situation { failures: 3, ..calm() }, None, 1.0), sleep(4));
    }

    #[test]
    fn a_simulated_year_of_a_daily_certificate_renews_about_twice_a_day() {
        let (mut now, mut situation, mut renewals) = (DUE, calm(), 0);
        while now < DUE.plus(365 * 86_400) {
            match next_step(&situation, Some(now), 0.5) {
                Step::Sleep(nap) => now = now.plus(nap.as_secs() as i64),
                Step::Renew => {
                    renewals += 1;
                    situation.renew_after = now.plus(43_200);
                }
            }
        }
        assert_eq!(renewals, 730);
    }
}
