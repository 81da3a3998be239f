//! Which messages were taken already (T41). In memory, and as long as a signature counts: what is older is refused for its
//! timestamp, what was signed before this process began for that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use signet_api::standard_webhooks::{Claim, TOLERANCE};
use signet_pki::UnixTime;

/// Clones share what they know.
#[derive(Clone)]
pub struct Window {
    since: UnixTime,
    messages: Arc<Mutex<HashMap<[u8; 32], Message>>>,
}

#[derive(Clone, Copy)]
struct Message {
    /// Seconds; from then on its timestamp is too old.
    until: i64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    UnderWay,
    Done,
}

/// Why a message is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It was, and that is its answer.
    Done,
    /// Another request with it has not ended yet.
    UnderWay,
    /// It was signed before this process began.
    Unknown,
    /// More messages than can be remembered.
    Full,
}

/// The right to carry out one message. Without [`done`](Place::done) it may come again.
pub struct Place {
    window: Window,
    key: [u8; 32],
}

impl Window {
    pub fn since(now: UnixTime) -> Window {
        Window { since: now, messages: Arc::default() }
    }

    pub fn enter(&self, claim: &Claim, now: UnixTime) -> Result<Place, Seen> {
        if claim.timestamp < self.since.0 {
            return Err(Seen::Unknown);
        }
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, claim.id.as_bytes()).as_ref());
        let mut messages = self.messages();
        match messages.get(&key) {
            Some(Message { state: State::Done, .. }) => return Err(Seen::Done),
            Some(Message { state: State::UnderWay, .. }) => return Err(Seen::UnderWay),
            None => {}
        }
        if messages.len() >= MESSAGES {
            messages.retain(|_, message| message.state == State::UnderWay || message.until >= now.0);
        }
        if messages.len() >= MESSAGES {
            return Err(Seen::Full);
        }
        messages.insert(key, Message { until: claim.timestamp + TOLERANCE, state: State::UnderWay });
        Ok(Place { window: self.clone(), key })
    }

    fn messages(&self) -> MutexGuard<'_, HashMap<[u8; 32], Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// From now on the message is a repetition.
    pub fn done(self) {
        if let Some(message) = self.window.messages().get_mut(&self.key) {
            message.state = State::Done;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut messages = self.window.messages();
        if messages.get(&self.key).is_some_and(|message| message.state == State::UnderWay) {
            messages.remove(&self.key);
        }
    }
}

/// Messages of one hook, all of them proved: 64 octets each make less than 1 MiB.
const MESSAGES: usize = 10_000;

#[cfg(test)]
mod tests {
    use signet_api::standard_webhooks::SigningSecret;

    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn claim(id: &str, at: i64) -> Claim {
        let signature = SigningSecret::from_octets(&[1; 32]).unwrap().sign(id, at, b"");
        Claim::read(id, &at.to_string(), &signature).unwrap()
    }

    #[test]
    fn t41_a_message_is_carried_out_once() {
        let window = Window::since(NOW);
        let place = window.enter(&claim("a", NOW.0), NOW).ok().unwrap();
        assert_eq!(window.enter(&claim("a", NOW.0), NOW).err(), Some(Seen::UnderWay));
        place.done();
        // The sender's next attempt has another timestamp and the same id.
        assert_eq!(window.enter(&claim("a", NOW.0 + 60), NOW.plus(60)).err(), Some(Seen::Done));
        assert!(window.enter(&claim("b", NOW.0), NOW).is_ok());
    }

    #[test]
    fn what_failed_may_come_again() {
        let window = Window::since(NOW);
        drop(window.enter(&claim("a", NOW.0), NOW).ok().unwrap());
        assert!(window.enter(&claim("a", NOW.0), NOW).is_ok());
    }

    #[test]
    fn t41_what_was_signed_before_the_start_is_not_taken() {
        assert_eq!(Window::since(NOW).enter(&claim("a", NOW.0 - 1), NOW).err(), Some(Seen::Unknown));
    }

    #[test]
    fn t41_the_memory_is_bounded_and_forgets_only_what_counts_for_nothing() {
        let window = Window::since(NOW);
        for n in 0..MESSAGES {
            window.enter(&claim(&format!("m{n}"), NOW.0), NOW).ok().unwrap().done();
        }
        assert_eq!(window.enter(&claim("one-more", NOW.0), NOW.plus(300)).err(), Some(Seen::Full));
        assert_eq!(window.enter(&claim("m0", NOW.0), NOW.plus(300)).err(), Some(Seen::Done));
        assert!(window.enter(&claim("one-more", NOW.0 + 301), NOW.plus(301)).is_ok());
    }
}
