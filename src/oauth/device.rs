//! The device grant (RFC 8628): a device shows a short code, an administrator enters it, and the device gets an enrollment token.
//! Whoever begins has proved nothing, so all of it stands in memory, and there is little of it; after a restart one begins anew.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use signet_keys::random::RandomError;
use signet_pki::{DeviceId, Fingerprint, UnixTime};
use zeroize::Zeroizing;

use crate::network::network;
use crate::random::{self, Random};

/// What somebody begins with.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// What the client calls itself; shown to the administrator, and believed by nobody.
    pub client: String,
    /// The key that the token will be bound to.
    pub spki: Option<Fingerprint>,
    pub remote: IpAddr,
}

/// What the device gets: one code to ask with, one to show.
pub struct Begun {
    pub device_code: Zeroizing<String>,
    pub user_code: String,
    pub expires_at: UnixTime,
}

/// As an administrator sees it.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub user_code: String,
    pub beginning: Beginning,
    pub asked_at: UnixTime,
    pub expires_at: UnixTime,
}

/// What the administrator said.
#[derive(Clone)]
pub enum Verdict {
    Approved(Approved),
    Denied,
}

/// An enrollment token for the device that asked.
#[derive(Clone)]
pub struct Approved {
    pub token: Zeroizing<String>,
    pub device: DeviceId,
    pub expires_at: UnixTime,
}

/// What a device that asks again is told (RFC 8628 3.5).
pub enum Answer {
    Pending,
    /// It asks too often; from now on it has to wait longer.
    SlowDown,
    Denied,
    /// Over, or never there: a code that is over is not kept.
    Expired,
    Approved(Approved),
}

#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    #[error("as many codes wait as may")]
    Full,
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// The codes that wait, by the hash of the device's.
#[derive(Default)]
pub struct DeviceCodes(Mutex<HashMap<Fingerprint, Entry>>);

struct Entry {
    waiting: Waiting,
    verdict: Option<Verdict>,
    /// Seconds that the device has to leave between two questions.
    interval: i64,
    asked_last: Option<UnixTime>,
}

impl DeviceCodes {
    pub fn begin(&self, beginning: Beginning, now: UnixTime, source: &dyn Random) -> Result<Begun, BeginError> {
        let device_code = Zeroizing::new(device_code(&random::bytes::<26>(source)?));
        let user_code = user_code(&random::bytes::<16>(source)?);
        let mut entries = self.entries(now);
        let own = network(beginning.remote);
        let of_address = entries.values().filter(|e| network(e.waiting.beginning.remote) == own).count();
        let taken = entries.values().any(|entry| entry.waiting.user_code == user_code);
        if entries.len() >= MOST || of_address >= MOST_OF_ADDRESS || taken {
            return Err(BeginError::Full);
        }
        let expires_at = now.plus(LIFETIME);
        let waiting = Waiting { user_code: user_code.clone(), beginning, asked_at: now, expires_at };
        let entry = Entry { waiting, verdict: None, interval: INTERVAL, asked_last: None };
        entries.insert(Fingerprint::of(device_code.as_bytes()), entry);
        Ok(Begun { device_code, user_code, expires_at })
    }

    /// Those that nobody has decided on, the oldest first.
    pub fn waiting(&self, now: UnixTime) -> Vec<Waiting> {
        let entries = self.entries(now);
        let open = entries.values().filter(|entry| entry.verdict.is_none());
        let mut waiting: Vec<Waiting> = open.map(|entry| entry.waiting.clone()).collect();
        waiting.sort_by(|a, b| (a.asked_at, &a.user_code).cmp(&(b.asked_at, &b.user_code)));
        waiting
    }

    /// By what a person typed: case and hyphens do not matter.
    pub fn find(&self, typed: &str, now: UnixTime) -> Option<Waiting> {
        let typed = folded(typed);
        self.waiting(now).into_iter().find(|waiting| folded(&waiting.user_code) == typed)
    }

    /// `false`: it is over, or somebody has decided already.
    pub fn decide(&self, user_code: &str, verdict: Verdict, now: UnixTime) -> bool {
        let mut entries = self.entries(now);
        let open = |entry: &&mut Entry| entry.verdict.is_none() && entry.waiting.user_code == user_code;
        match entries.values_mut().find(open) {
            Some(entry) => {
                entry.verdict = Some(verdict);
                true
            }
            None => false,
        }
    }

    /// The device asks what became of it. A token is told until it is over, so that a lost answer harms nobody.
    pub fn ask(&self, device_code: &str, now: UnixTime) -> Answer {
        let mut entries = self.entries(now);
        let Some(entry) = entries.get_mut(&Fingerprint::of(device_code.as_bytes())) else { return Answer::Expired };
        match &entry.verdict {
            Some(Verdict::Approved(approved)) => return Answer::Approved(approved.clone()),
            Some(Verdict::Denied) => return Answer::Denied,
            None => {}
        }
        let too_soon = entry.asked_last.is_some_and(|last| now.since(last) < entry.interval);
        entry.asked_last = Some(now);
        if too_soon {
            // RFC 8628 3.5: five seconds more, from now on.
            entry.interval = (entry.interval + INTERVAL).min(LIFETIME);
            return Answer::SlowDown;
        }
        Answer::Pending
    }

    /// Without those that are over.
    fn entries(&self, now: UnixTime) -> MutexGuard<'_, HashMap<Fingerprint, Entry>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| now < entry.waiting.expires_at);
        entries
    }
}

/// In the form of our credentials, so that one that strays is cut out of logs as they are.
fn device_code(random: &[u8; 26]) -> String {
    let text = data_encoding::BASE32_DNSCURVE.encode(random);
    format!("{DEVICE_CODE_PREFIX}_{}_{}", &text[..10], &text[10..])
}

/// Eight letters that make no words and are not taken for each other (RFC 8628 6.1): 34 bits, for whoever is let in to guess.
fn user_code(random: &[u8; 16]) -> String {
    // 256 is no multiple of 20: two octets to a letter leave a bias of a thousandth.
    let letter = |pair: &[u8]| char::from(LETTERS[usize::from(u16::from_be_bytes([pair[0], pair[1]])) % LETTERS.len()]);
    let text: String = random.chunks_exact(2).map(letter).collect();
    format!("{}-{}", &text[..4], &text[4..])
}

fn folded(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).take(16).collect()
}

pub const DEVICE_CODE_PREFIX: &str = "sgd";
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Seconds that a code waits for a person; as long as an interactive token.
pub const LIFETIME: i64 = 900;
/// Seconds between two questions of a device.
pub const INTERVAL: i64 = 5;
/// Codes at one time: at 300 octets each this is nothing, and more than administrators look at in a quarter of an hour.
const MOST: usize = 1000;
/// Of one address: a bench on which devices are set up.
const MOST_OF_ADDRESS: usize = 50;

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
