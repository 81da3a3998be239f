//! Failed proofs cost the address that made them: a fixed table, so that a flood of addresses costs no memory.
//!
//! What is limited are guesses. A proof that holds is never refused because of others' guesses at its address or elsewhere: over
//! the limit it waits for a turn, and only a proof that fails is told to come back later.

use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signet_pki::UnixTime;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::doors::{SLOTS, index, slot_of};

/// Failures that an address may make in a window before the next ones are told to wait.
const FREE: u32 = 10;
/// All addresses together. A fleet that mistypes makes dozens, a search makes millions.
const FREE_OVERALL: u32 = 1000;
/// Seconds.
const WINDOW: i64 = 60;
/// Proofs checked at one time for all addresses that are over their limit: a check is one keyed hash and one look-up.
const TURNS: usize = 16;
/// The slot that counts for all addresses.
const OVERALL: usize = SLOTS;

#[derive(Clone, Copy, Default)]
struct Slot {
    since: i64,
    failures: u32,
    /// Attempts that have begun and not ended: each of them may be a failure.
    under_way: u32,
}

impl Slot {
    fn failures_at(&self, now: UnixTime) -> u32 {
        if (self.since..self.since + WINDOW).contains(&now.0) { self.failures } else { 0 }
    }

    fn note(&mut self, now: UnixTime) {
        let failures = self.failures_at(now);
        if failures == 0 {
            self.since = now.0;
        }
        self.failures = failures.saturating_add(1);
    }
}

#[derive(Clone)]
pub struct Backoff(Arc<Table>);

struct Table {
    hasher: RandomState,
    slots: Mutex<Vec<Slot>>,
    turns: Semaphore,
}

impl Default for Backoff {
    fn default() -> Backoff {
        let slots = Mutex::new(vec![Slot::default(); SLOTS + 1]);
        Backoff(Arc::new(Table { hasher: RandomState::new(), slots, turns: Semaphore::new(TURNS) }))
    }
}

impl Backoff {
    /// Takes a place for an attempt to prove something, before its body is read.
    pub fn begin(&self, address: IpAddr, now: UnixTime) -> Attempt {
        self.begin_at(index(&self.0.hasher, address), now)
    }

    /// The same, counted by who tries and not by where: for short codes, which only known callers may try.
    pub fn begin_as(&self, caller: &str, now: UnixTime) -> Attempt {
        self.begin_at(slot_of(&self.0.hasher, caller), now)
    }

    fn begin_at(&self, slot: usize, now: UnixTime) -> Attempt {
        let mut slots = self.0.slots();
        let mut begin = |slot: usize, free: u32| {
            let slot = &mut slots[slot];
            let so_far = slot.failures_at(now).saturating_add(slot.under_way);
            slot.under_way += 1;
            so_far >= free
        };
        let over = begin(slot, FREE) | begin(OVERALL, FREE_OVERALL);
        Attempt { table: self.0.clone(), slot, standing: if over { Standing::OverLimit } else { Standing::Free } }
    }
}

impl Table {
    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Free,
    OverLimit,
}

/// One attempt, counted from its beginning until it is dropped.
pub struct Attempt {
    table: Arc<Table>,
    slot: usize,
    standing: Standing,
}

impl Attempt {
    /// Over the limit, checks are made one after the other. Held while the proof is checked, never while octets are awaited.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        match self.standing {
            Standing::Free => None,
            // An error would mean that the semaphore was closed, which it never is.
            Standing::OverLimit => self.table.turns.acquire().await.ok(),
        }
    }

    /// Counts a failure; the seconds to wait when there were too many before.
    pub fn failed(&self, now: UnixTime) -> Option<u64> {
        let mut slots = self.table.slots();
        slots[self.slot].note(now);
        slots[OVERALL].note(now);
        drop(slots);
        self.wait(now)
    }

    /// Seconds until the window of those who failed is over, when this attempt is beyond the limit.
    pub fn wait(&self, now: UnixTime) -> Option<u64> {
        let slots = self.table.slots();
        let over = [(self.slot, FREE), (OVERALL, FREE_OVERALL)];
        let ends = over.iter().filter(|(slot, free)| slots[*slot].failures_at(now) >= *free);
        let seconds = ends.map(|(slot, _)| slots[*slot].since + WINDOW - now.0).max().unwrap_or(WINDOW);
        (self.standing == Standing::OverLimit).then_some(seconds.max(1) as u64)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut slots = self.table.slots();
        for slot in [self.slot, OVERALL] {
            slots[slot].under_way = slots[slot].under_way.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn guesses_are_told_to_wait_after_ten_failures_and_for_a_minute() {
        let backoff = Backoff::default();
        let start = UnixTime(1_000);
        for _ in 0..10 {
            assert_eq!(backoff.begin(address(1), start).failed(start), None);
        }
        assert_eq!(backoff.begin(address(1), start).wait(start.plus(15)), Some(45));
        assert_eq!(backoff.begin(address(1), start.plus(60)).wait(start.plus(60)), None);
    }

    #[test]
    fn guesses_from_everywhere_are_told_to_wait_as_well() {
        let backoff = Backoff::default();
        for i in 0..1000u32 {
            backoff.begin(IpAddr::from(i.to_be_bytes()), UnixTime(5)).failed(UnixTime(5));
        }
        assert!(backoff.begin(IpAddr::from([255, 1, 2, 3]), UnixTime(5)).failed(UnixTime(5)).is_some());
    }

    #[test]
    fn t73_attempts_under_way_count_from_their_beginning() {
        let backoff = Backoff::default();
        let now = UnixTime(1_000);
        let mut begun: Vec<Attempt> = (0..1_140).map(|_| backoff.begin(address(1), now)).collect();
        let verdicts = begun.iter().filter(|attempt| attempt.failed(now).is_none()).count();
        assert_eq!(verdicts, 10, "of all that began at once, so many learn whether their guess was wrong");
        begun.clear();
        assert_eq!(backoff.begin(address(1), now.plus(60)).failed(now.plus(60)), None, "places were given back");
    }
}
