//! What surrounds the flows and is replaced in their tests: the clock and waiting. And patience: trying again.

use std::future::Future;
use std::time::Duration;

use signet_api::client::{Client, ClientError, Clock, Method};
use signet_keys::random;
use signet_pki::{DeviceId, UnixTime};
use tokio::time::{Instant, timeout};

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

/// Tries until it is done, refused, or `budget` is spent, on attempts and on waiting.
///
/// Lasts `budget` and [`LAST_TRY`] at most, also when the server says nothing. An approval is looked for once more when the
/// budget ends, whatever the server would like to wait; a server that is busy is not asked again before its time (T48).
pub(crate) async fn persist<T, P: Pause>(
    pause: &mut P,
    budget: Duration,
    attempt: impl AsyncFnMut() -> Result<Attempt<T>, ClientError>,
) -> Result<T, Unfinished> {
    persist_with(pause, budget, LAST_TRY, attempt).await
}

async fn persist_with<T, P: Pause>(
    pause: &mut P,
    budget: Duration,
    last_try: Duration,
    mut attempt: impl AsyncFnMut() -> Result<Attempt<T>, ClientError>,
) -> Result<T, Unfinished> {
    let mut left = budget;
    for count in 0.. {
        let begun = Instant::now();
        let outcome = timeout(left.max(last_try), attempt()).await;
        left = left.saturating_sub(begun.elapsed());
        let mut is_pending = false;
        let (end, asked, why) = match outcome.unwrap_or(Err(ClientError::Timeout("the answer"))) {
            Ok(Attempt::Done(value)) => return Ok(value),
            Ok(Attempt::Pending { device, seconds }) => {
                let why = format!("{device} waits for approval");
                is_pending = true;
                (Unfinished::Pending(device), Some(seconds), why)
            }
            Err(error) if error.is_transient() => {
                let (asked, why) = (error.retry_after(), error.to_string());
                (Unfinished::Failed(error), asked, why)
            }
            Err(error) => return Err(Unfinished::Failed(error)),
        };
        let delay = delay(count, asked, pause.jitter());
        let too_early = asked.is_some() && !is_pending && delay > left;
        if left < SHORTEST || too_early {
            return Err(end);
        }
        let delay = delay.min(left);
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

/// Bounds what comes after a success: the identity is good without it.
pub(crate) async fn briefly<T>(work: impl Future<Output = T>) -> Option<T> {
    timeout(LAST_TRY, work).await.ok()
}

/// Seconds.
const LONGEST: u64 = 3600;
/// What the last attempt gets when nothing is left: a handshake and a renewal over a slow line.
const LAST_TRY: Duration = Duration::from_secs(20);
/// Less is not waited for.
const SHORTEST: Duration = Duration::from_millis(10);

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
    async fn an_approval_within_the_wait_is_found_although_the_server_would_like_to_wait_longer() {
        let (mut pause, mut calls) = (Recorded::default(), 0);
        let outcome = persist(&mut pause, Duration::from_secs(30), async || {
            calls += 1;
            Ok(match calls {
                1 => Attempt::Pending { device: DeviceId::parse("sensor-1").unwrap(), seconds: 300 },
                _ => Attempt::Done("approved"),
            })
        })
        .await;
        assert_eq!(outcome.ok(), Some("approved"));
        assert_eq!(pause.waits.iter().map(|wait| wait.as_secs_f64().round()).collect::<Vec<_>>(), [30.0]);
    }

    #[tokio::test]
    async fn t48_a_busy_server_is_not_asked_before_its_time() {
        let (mut pause, mut calls) = (Recorded::default(), 0);
        let outcome: Result<(), _> = persist(&mut pause, Duration::from_secs(30), async || {
            calls += 1;
            Err(ClientError::UnexpectedStatus { status: 503, retry_after: Some(300) })
        })
        .await;
        assert!(outcome.is_err() && calls == 1 && pause.waits.is_empty());
    }

    #[tokio::test]
    async fn a_silent_server_costs_the_wait_and_one_last_try() {
        let (begun, short) = (Instant::now(), Duration::from_millis(40));
        let silence = async || std::future::pending().await;
        let outcome: Result<(), _> = persist_with(&mut Recorded::default(), short, short, silence).await;
        assert!(matches!(outcome, Err(Unfinished::Failed(ClientError::Timeout(_)))));
        assert!(begun.elapsed() >= short && begun.elapsed() < Duration::from_secs(20));
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
        // Once more when the budget ends.
        let waits: Vec<_> = pause.waits.iter().map(Duration::as_secs_f64).map(f64::round).collect();
        assert_eq!((calls, waits), (5, vec![1.0, 2.0, 4.0, 1.0]));
        let mut calls = 0;
        let outcome: Result<(), _> = persist(&mut pause, Duration::from_secs(8), async || {
            calls += 1;
            Err(ClientError::Protocol("x".into()))
        })
        .await;
        assert!(outcome.is_err() && calls == 1);
    }
}
