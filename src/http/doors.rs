//! Who may come in, and how many at once. Memory is fixed: tables and permits, no lists of strangers.

use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use signet_api::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits;
use super::refusal::Refusal;
use crate::config::raw::RawAdmission;
use crate::network::network;
use crate::random::Random;

/// Slots; addresses that share one share its allowance, and nobody can choose whom to share with.
pub(super) const SLOTS: usize = 4096;

/// The doors of the API: enrollment for strangers, renewal for those who have a certificate. Each has its own room, so
/// that a flood at one leaves the other free.
pub struct Doors {
    enrollment: Arc<Semaphore>,
    renewal: Arc<Semaphore>,
    rate: Rate,
}

impl Doors {
    pub fn new(admission: &RawAdmission) -> Doors {
        Doors {
            enrollment: Arc::new(Semaphore::new(limits::ENROLLMENTS)),
            renewal: Arc::new(Semaphore::new(limits::RENEWALS)),
            rate: Rate::new(admission.enrollments_per_second, admission.enrollment_burst),
        }
    }

    /// For somebody who has shown nothing yet but an address.
    pub(super) fn enrollment(
        &self,
        address: IpAddr,
        now_ms: i64,
        random: &dyn Random,
    ) -> Result<OwnedSemaphorePermit, Refusal> {
        if let Some(wait_ms) = self.rate.take(address, now_ms) {
            let refusal = Refusal::new(ErrorCode::TooManyRequests, format!("the rate of {address} is used up"));
            return Err(Refusal { retry_after: Some(whole_seconds(wait_ms)), ..refusal });
        }
        place(&self.enrollment, "the enrollment door is full", random)
    }

    pub(super) fn renewal(&self, random: &dyn Random) -> Result<OwnedSemaphorePermit, Refusal> {
        place(&self.renewal, "the renewal door is full", random)
    }
}

/// Early and cheap: whoever finds no place is told to come back, at different times so that they do not all come at once.
fn place(door: &Arc<Semaphore>, cause: &str, random: &dyn Random) -> Result<OwnedSemaphorePermit, Refusal> {
    door.clone().try_acquire_owned().map_err(|_| {
        let spread = crate::random::bytes::<1>(random).map_or(0, |[b]| u64::from(b) % limits::SPREAD_SECONDS);
        Refusal { retry_after: Some(1 + spread), ..Refusal::new(ErrorCode::Busy, cause) }
    })
}

/// Generic cell rate algorithm: a slot holds the moment at which its allowance is full again.
struct Rate {
    hasher: RandomState,
    slots: Mutex<Vec<i64>>,
    /// Milliseconds times [`SCALE`] that one request costs.
    cost: i64,
    burst: i64,
}

/// Thousandths of a millisecond, so that rates above a thousand a second are exact.
const SCALE: i64 = 1000;

impl Rate {
    fn new(per_second: u32, burst: u32) -> Rate {
        let cost = 1000 * SCALE / i64::from(per_second.max(1));
        Rate {
            hasher: RandomState::new(),
            slots: Mutex::new(vec![0; SLOTS]),
            cost,
            burst: cost * i64::from(burst.max(1)),
        }
    }

    /// Takes one request's worth; the milliseconds to wait when there is none.
    fn take(&self, address: IpAddr, now_ms: i64) -> Option<i64> {
        let now = now_ms.saturating_mul(SCALE);
        let mut slots = self.slots.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let slot = &mut slots[index(&self.hasher, address)];
        // A clock that was set back must not leave an address waiting for the old time.
        let full_at = if *slot > now + self.burst { now } else { now.max(*slot) };
        let next = full_at + self.cost;
        if next - now > self.burst {
            return Some((next - now - self.burst + SCALE - 1) / SCALE);
        }
        *slot = next;
        None
    }
}

pub(super) fn index(hasher: &RandomState, address: IpAddr) -> usize {
    slot_of(hasher, network(address))
}

pub(super) fn slot_of(hasher: &RandomState, counted: impl Hash) -> usize {
    (hasher.hash_one(counted) % SLOTS as u64) as usize
}

fn whole_seconds(milliseconds: i64) -> u64 {
    u64::try_from((milliseconds + 999) / 1000).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds_exactly() {
        let rate = Rate::new(10, 5);
        let address = IpAddr::from([192, 0, 2, 7]);
        for _ in 0..5 {
            assert_eq!(rate.take(address, 1_000), None);
        }
        assert_eq!(rate.take(address, 1_000), Some(100));
        assert_eq!(rate.take(address, 1_099), Some(1));
        assert_eq!(rate.take(address, 1_100), None);
        assert_eq!(rate.take(address, 1_100), Some(100));
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let rate = Rate::new(1, 2);
        let address = IpAddr::from([192, 0, 2, 7]);
        assert_eq!(rate.take(address, 1_000_000), None);
        assert_eq!(rate.take(address, 1_000_000), None);
        // An hour earlier the allowance is at most used up, not an hour away.
        assert!(rate.take(address, 1_000_000 - 3_600_000).is_none_or(|ms| ms <= 1_000));
    }

    #[test]
    fn a_full_room_says_when_to_come_back() {
        let doors = Doors::new(&RawAdmission::default());
        let random = crate::random::SystemRandom;
        let held: Vec<_> = std::iter::from_fn(|| doors.renewal(&random).ok()).collect();
        assert_eq!(held.len(), limits::RENEWALS);
        let refusal = doors.renewal(&random).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::Busy);
        assert!((1..=limits::SPREAD_SECONDS).contains(&refusal.retry_after.unwrap()));
        drop(held);
        assert!(doors.renewal(&random).is_ok());
    }
}
