//! Failed proofs cost the address that made them: a fixed table, so that a flood of addresses costs no memory.

use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Mutex;

use signet_pki::UnixTime;

use super::doors::{SLOTS, index as slot};

/// Failures that an address may make in a window before it has to wait.
const FREE: u32 = 10;
/// All addresses together. A fleet that mistypes makes dozens, a search makes millions.
const FREE_OVERALL: u32 = 1000;
/// Seconds.
const WINDOW: i64 = 60;

#[derive(Clone, Copy, Default)]
struct Slot {
    since: i64,
    failures: u32,
}

pub struct Backoff {
    hasher: RandomState,
    slots: Mutex<Vec<Slot>>,
}

impl Default for Backoff {
    fn default() -> Backoff {
        // The last slot counts for everybody.
        Backoff { hasher: RandomState::new(), slots: Mutex::new(vec![Slot::default(); SLOTS + 1]) }
    }
}

impl Backoff {
    /// Seconds that this address has to wait, if any.
    pub fn wait(&self, address: IpAddr, now: UnixTime) -> Option<u64> {
        let slots = self.slots.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let over = |slot: &Slot, free: u32| slot.failures >= free && now.0 < slot.since + WINDOW;
        let limited = [(self.index(address), FREE), (SLOTS, FREE_OVERALL)];
        let waits =
            limited.iter().filter(|(i, free)| over(&slots[*i], *free)).map(|(i, _)| slots[*i].since + WINDOW - now.0);
        waits.max().map(|seconds| seconds.max(1) as u64)
    }

    pub fn note_failure(&self, address: IpAddr, now: UnixTime) {
        let mut slots = self.slots.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        for index in [self.index(address), SLOTS] {
            let slot = &mut slots[index];
            if now.0 >= slot.since + WINDOW || now.0 < slot.since {
                *slot = Slot { since: now.0, failures: 0 };
            }
            slot.failures = slot.failures.saturating_add(1);
        }
    }

    fn index(&self, address: IpAddr) -> usize {
        slot(&self.hasher, address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn patience_ends_after_ten_failures_and_returns_after_a_minute() {
        let backoff = Backoff::default();
        let start = UnixTime(1_000);
        for _ in 0..10 {
            assert_eq!(backoff.wait(address(1), start), None);
            backoff.note_failure(address(1), start);
        }
        assert_eq!(backoff.wait(address(1), start.plus(15)), Some(45));
        assert_eq!(backoff.wait(address(1), start.plus(60)), None);
    }

    #[test]
    fn a_flood_from_everywhere_is_slowed_as_well() {
        let backoff = Backoff::default();
        for i in 0..1000u32 {
            backoff.note_failure(IpAddr::from(i.to_be_bytes()), UnixTime(5));
        }
        assert!(backoff.wait(IpAddr::from([255, 1, 2, 3]), UnixTime(5)).is_some());
    }
}
