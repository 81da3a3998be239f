//! What surrounds the flows and is replaced in their tests: the clock and waiting. And patience: trying again.

use std::future::Future;
use std::time::Duration;

use signet_api::client::{Client, ClientError, Clock, Method};
use signet_keys::random;
use signet_pki::{DeviceId, UnixTime};

use crate::failure::Failure;

pub(crate) struct World<P> {
    pub(crate) clock: Clock,
    pub(crate) pause: P,
}

pub(crate) trait Pause {
    fn wait(&mut self, how_long: Duration, why: &str) -> impl Future<Output = ()>;

    /// Sleeps without a word: nothing is wrong.
    fn sleep(&mut self, how_long: Duration) -> impl Future<Output = ()>;

    /// Between 0 and 1.
    fn jitter(&mut self) -> f64;
}

/// Waits in real time and says so on stderr.
pub(crate) struct RealPause;

impl Pause for RealPause {
    async fn wait(&mut self, how_long: Duration, why: &str) {
        eprintln!("signet-agent: {why}; trying again in {} s", how_long.as_secs().max(1));
        tokio::time::sleep(how_long).await;
    }

    async fn sleep(&mut self, how_long: Duration) {
        tokio::time::sleep(how_long).await;
    }

    fn jitter(&mut self) -> f64 {
        // A failing generator stops keys from being made; here the middle does.
        let drawn = random::bytes::<4>().map_or(u32::MAX / 2, u32::from_be_bytes);
        f64::from(drawn) / f64::from(u32::MAX)
    }
}

impl<P> World<P> {
    /// The time, from the server when this machine's clock cannot be right (pitfall 15).
    pub(crate) async fn now(&self, client: &Client) -> Result<UnixTime, ClientError> {
        let local = self.clock.read();
        if Clock::is_plausible(local) {
            return Ok(local);
        }
        let answer = client.send(Method::GET, "/v1/trust/roots.pem", &[("accept", "*/*")], None).await?;
        answer.server_time().ok_or_else(|| ClientError::Protocol("the server does not say what time it is".into()))
    }

    /// The machine's clock, as far as it can be believed.
    pub(crate) fn plausible_now(&self) -> Option<UnixTime> {
        Some(self.clock.read()).filter(|at| Clock::is_plausible(*at))
    }
}

/// One attempt that did not fail.
pub(crate) enum Attempt<T> {
    Done(T),
    /// An administrator has to approve; the server says when to ask again.
    Pending {
        device: DeviceId,
        seconds: u64,
    },
}

#[derive(Debug)]
pub(crate) enum Unfinished {
    Failed(ClientError),
    Pending(DeviceId),
}

impl From<Unfinished> for Failure {
    fn from(end: Unfinished) -> Failure {
        match end {
            Unfinished::Failed(error) => error.into(),
            Unfinished::Pending(device) => Failure::refused(format!("the enrollment of {device} waits for approval"))
                .hint(format!(
                    "After 'ca device approve {device}' run the same command again, or wait with --wait SECONDS"
                )),
        }
    }
}

/// Tries until it is done, refused, or `budget` would be spent on waiting.
pub(crate) async fn persist<T, P: Pause>(
    pause: &mut P,
    budget: Duration,
    mut attempt: impl AsyncFnMut() -> Result<Attempt<T>, ClientError>,
) -> Result<T, Unfinished> {
    let mut left = budget;
    for count in 0.. {
        let (end, asked, why) = match attempt().await {
            Ok(Attempt::Done(value)) => return Ok(value),
            Ok(Attempt::Pending { device, seconds }) => {
                let why = format!("{device} waits for approval");
                (Unfinished::Pending(device), Some(seconds), why)
            }
            Err(error) if error.is_transient() => {
                let (asked, why) = (error.retry_after(), error.to_string());
                (Unfinished::Failed(error), asked, why)
            }
            Err(error) => return Err(Unfinished::Failed(error)),
        };
        let delay = delay(count, asked, pause.jitter());
        if delay > left {
            return Err(end);
        }
        left -= delay;
        pause.wait(delay, &why).await;
    }
    // Not reached: the loop has no end of its own.
    Err(Unfinished::Failed(ClientError::Timeout("trying")))
}

/// Doubles from one second to an hour, spread over its upper half; never less than the server asked for, and then up to a
/// quarter more, so that a fleet that was sent away together does not come back together (T48).
pub(crate) fn delay(failures: u32, asked: Option<u64>, jitter: f64) -> Duration {
    match asked {
        Some(seconds) => Duration::from_secs(seconds.min(LONGEST)).mul_f64(1.0 + jitter / 4.0),
        None => Duration::from_secs(1u64.checked_shl(failures.min(12)).unwrap_or(LONGEST).min(LONGEST))
            .mul_f64(0.5 + jitter / 2.0),
    }
}

/// Seconds.
const LONGEST: u64 = 3600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_server::Recorded;

    #[test]
    fn delays_double_up_to_an_hour_and_stay_in_their_upper_half() {
        assert_eq!(delay(0, None, 1.0), Duration::from_secs(1));
        assert_eq!(delay(3, None, 0.0), Duration::from_secs(4));
        assert_eq!(delay(40, None, 1.0), Duration::from_secs(3600));
    }

    #[test]
    fn t48_the_server_is_given_at_least_the_time_that_it_asked_for() {
        assert_eq!(delay(0, Some(20), 0.0), Duration::from_secs(20));
        assert_eq!(delay(9, Some(20), 1.0), Duration::from_secs(25));
        assert!(delay(0, Some(u64::MAX), 1.0) <= Duration::from_secs(4500));
    }

    #[tokio::test]
    async fn patience_ends_with_its_budget_and_at_once_when_it_is_no_use() {
        let mut pause = Recorded::default();
        let mut calls = 0;
        let outcome: Result<(), _> = persist(&mut pause, Duration::from_secs(8), async || {
            calls += 1;
            Err(ClientError::Timeout("x"))
        })
        .await;
        assert!(matches!(outcome, Err(Unfinished::Failed(ClientError::Timeout(_)))));
        assert_eq!((calls, pause.waits.iter().map(Duration::as_secs).collect::<Vec<_>>()), (4, vec![1, 2, 4]));
        let mut calls = 0;
        let outcome: Result<(), _> = persist(&mut pause, Duration::from_secs(8), async || {
            calls += 1;
            Err(ClientError::Protocol("x".into()))
        })
        .await;
        assert!(outcome.is_err() && calls == 1);
    }
}
