//! How long to wait between two rounds: a pure function.

use std::time::Duration;

/// `failures` in a row that may pass by themselves; `asked` is `Retry-After` in seconds; `jitter` lies between 0 and 1.
///
/// A good round is followed by the interval, give or take a tenth, so that many hosts do not come together. A failure is
/// tried again sooner, from five seconds doubling up to the interval, and never before the server wants it (T48).
pub fn pause(interval: Duration, failures: u32, asked: Option<u64>, jitter: f64) -> Duration {
    let jitter = jitter.clamp(0.0, 1.0);
    let own = match failures {
        0 => interval.mul_f64(0.9 + jitter / 5.0),
        count => {
            let doubled = FIRST.saturating_mul(1u32.checked_shl(count - 1).unwrap_or(u32::MAX));
            doubled.min(interval).mul_f64(0.5 + jitter / 2.0)
        }
    };
    let asked = Duration::from_secs(asked.unwrap_or(0).min(LONGEST)).mul_f64(1.0 + jitter / 4.0);
    own.max(asked).max(SHORTEST)
}

const FIRST: Duration = Duration::from_secs(5);
const SHORTEST: Duration = Duration::from_secs(1);
/// Seconds: a server that asks for more is not obeyed for ever.
const LONGEST: u64 = 3600;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn seconds(failures: u32, asked: Option<u64>, jitter: f64) -> f64 {
        pause(MINUTE, failures, asked, jitter).as_secs_f64()
    }

    #[test]
    fn good_rounds_come_at_the_interval_and_are_spread() {
        assert_eq!(seconds(0, None, 0.0), 54.0);
        assert_eq!(seconds(0, None, 0.5).round(), 60.0);
        assert_eq!(seconds(0, None, 1.0).round(), 66.0);
    }

    #[test]
    fn failures_double_up_to_the_interval_and_no_loop_is_busy() {
        let pauses: Vec<f64> = (1..8).map(|n| seconds(n, None, 1.0)).collect();
        assert_eq!(pauses, [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0]);
        assert_eq!(seconds(1, None, 0.0), 2.5);
        assert_eq!(seconds(u32::MAX, None, 1.0), 60.0);
        assert_eq!(pause(Duration::ZERO, 1, None, 0.0), SHORTEST);
        assert_eq!(pause(Duration::ZERO, 0, None, 0.0), SHORTEST);
    }

    #[test]
    fn t48_the_server_is_given_the_time_that_it_asks_for_but_not_for_ever() {
        assert_eq!(seconds(1, Some(120), 0.0), 120.0);
        assert_eq!(seconds(1, Some(120), 1.0), 150.0);
        assert_eq!(seconds(0, Some(1), 0.0), 54.0);
        assert_eq!(seconds(1, Some(u64::MAX), 1.0), 4500.0);
    }
}
