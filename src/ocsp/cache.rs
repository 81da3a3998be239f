//! Signed answers in memory. Its size is fixed; who asks about more certificates than fit pays with signatures.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use signet_pki::ocsp::Status;
use signet_pki::{Fingerprint, UnixTime};

/// A signed answer with what HTTP says about it.
#[derive(Debug)]
pub struct Answered {
    pub der: Bytes,
    pub statuses: Vec<Status>,
    pub this_update: UnixTime,
    pub next_update: UnixTime,
    /// Quoted, as HTTP wants it.
    pub etag: String,
}

impl Answered {
    pub(super) fn new(der: Vec<u8>, statuses: Vec<Status>, this_update: UnixTime, next_update: UnixTime) -> Answered {
        let sha256 = Fingerprint::of(&der).to_string();
        Answered { etag: format!("\"{}\"", &sha256[..32]), der: der.into(), statuses, this_update, next_update }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) answer: Arc<Answered>,
    /// The store's revision that the status was read after.
    pub(super) revision: u64,
}

/// By `CertID`, in two halves: when the young one is full it becomes the old one, and what nobody asked for since then goes.
#[derive(Default)]
pub(super) struct Cache(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    young: HashMap<Box<[u8]>, Entry>,
    old: HashMap<Box<[u8]>, Entry>,
}

impl Cache {
    pub(super) fn find(&self, id: &[u8]) -> Option<Entry> {
        let mut halves = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(entry) = halves.young.get(id) {
            return Some(entry.clone());
        }
        let (id, entry) = halves.old.remove_entry(id)?;
        halves.put(id, entry.clone());
        Some(entry)
    }

    pub(super) fn keep(&self, id: Box<[u8]>, entry: Entry) {
        let mut halves = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        halves.old.remove(&id);
        halves.put(id, entry);
    }
}

impl Halves {
    fn put(&mut self, id: Box<[u8]>, entry: Entry) {
        if self.young.len() >= HALF && !self.young.contains_key(&id) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, entry);
    }
}

/// Entries of a half. At 1.2 KiB each both are 20 MiB, and a fleet of sixteen thousand devices is answered from memory.
const HALF: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(revision: u64) -> Entry {
        let answer = Answered::new(vec![1], vec![Status::Good], UnixTime(0), UnixTime(1));
        Entry { answer: Arc::new(answer), revision }
    }

    fn id(number: usize) -> Box<[u8]> {
        number.to_be_bytes().into()
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let cache = Cache::default();
        cache.keep(id(0), entry(7));
        for number in 1..10 * HALF {
            cache.keep(id(number), entry(1));
            assert_eq!(cache.find(&id(0)).map(|e| e.revision), Some(7));
        }
        assert!(cache.find(&id(1)).is_none());
        let halves = cache.0.lock().unwrap();
        assert!(halves.young.len() <= HALF && halves.old.len() <= HALF);
    }

    #[test]
    fn a_newer_answer_takes_the_place_of_the_older_in_either_half() {
        let cache = Cache::default();
        cache.keep(id(0), entry(1));
        for number in 1..=HALF {
            cache.keep(id(number), entry(1));
        }
        cache.keep(id(0), entry(2));
        cache.keep(id(HALF), entry(2));
        assert_eq!(cache.find(&id(0)).map(|e| e.revision), Some(2));
        assert_eq!(cache.find(&id(HALF)).map(|e| e.revision), Some(2));
        let halves = cache.0.lock().unwrap();
        assert!(!halves.old.contains_key(&id(0)), "one place for one certificate");
    }
}
