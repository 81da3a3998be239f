//! What is kept of refusals: a short memory that `ca why` reads, and a budget for the log. A client that has proved nothing causes
//! no persistent write, and its texts cost what they cost once.

use std::collections::VecDeque;
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use signet_api::admin;
use signet_pki::UnixTime;

use super::doors::{SLOTS, index};

/// The last refusals, in memory.
pub struct RefusalLog {
    memory: Mutex<Memory>,
    hasher: RandomState,
    lines: Mutex<Vec<Lines>>,
}

/// Octets of all that is remembered: some hours of an ordinary fleet.
const REMEMBERED: usize = 4 * 1024 * 1024;
/// What an entry takes beside its texts.
const ENTRY: usize = size_of::<(String, admin::Refusal)>();
/// Octets that one address (an IPv6 /64) may have logged in a minute: about two hundred lines.
const LOGGED: usize = 64 * 1024;
/// What a line has beside its texts.
const LINE: usize = 200;
/// Seconds.
const WINDOW: i64 = 60;

#[derive(Default)]
struct Memory {
    entries: VecDeque<(String, admin::Refusal)>,
    octets: usize,
}

#[derive(Clone, Copy, Default)]
struct Lines {
    since: i64,
    octets: usize,
    suppressed: u64,
}

/// Whether a refusal is written into the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Logging {
    /// After so many that were not.
    Line {
        suppressed: u64,
    },
    /// The first that is not written in this minute: that alone is worth a line.
    LastLine,
    Silent,
}

impl Default for RefusalLog {
    fn default() -> RefusalLog {
        let lines = Mutex::new(vec![Lines::default(); SLOTS]);
        RefusalLog { memory: Mutex::default(), hasher: RandomState::new(), lines }
    }
}

impl RefusalLog {
    pub(super) fn note(&self, request_id: &str, entry: admin::Refusal) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.octets += size(request_id, &entry);
        memory.entries.push_back((request_id.to_owned(), entry));
        while memory.octets > REMEMBERED {
            let Some((id, oldest)) = memory.entries.pop_front() else { break };
            memory.octets -= size(&id, &oldest);
        }
    }

    pub(super) fn find(&self, request_id: &str) -> Option<admin::Refusal> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.entries.iter().rev().find(|(id, _)| id == request_id).map(|(_, entry)| entry.clone())
    }

    /// Takes `texts` octets from what `address` may have logged in this minute.
    pub(super) fn log(&self, address: IpAddr, texts: usize, now: UnixTime) -> Logging {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let own = &mut lines[index(&self.hasher, address)];
        let mut suppressed = 0;
        if now.0 >= own.since + WINDOW || now.0 < own.since {
            suppressed = own.suppressed;
            *own = Lines { since: now.0, ..Lines::default() };
        }
        if own.octets + texts + LINE <= LOGGED {
            own.octets += texts + LINE;
            return Logging::Line { suppressed };
        }
        own.suppressed += 1;
        if own.suppressed == 1 { Logging::LastLine } else { Logging::Silent }
    }
}

fn size(request_id: &str, entry: &admin::Refusal) -> usize {
    let admin::Refusal { at, method, path, remote, status: _, code: _, told, cause } = entry;
    ENTRY + [request_id, at, method, path, remote, told, cause].map(str::len).iter().sum::<usize>()
}

#[cfg(test)]
mod tests {
    use signet_api::ErrorCode;

    use super::*;

    fn entry(cause: &str) -> admin::Refusal {
        admin::Refusal {
            at: "2026-12-01T00:00:00Z".into(),
            method: "POST".into(),
            path: "/v1/recover".into(),
            remote: "192.0.2.1".into(),
            status: 400,
            code: ErrorCode::MalformedRequest,
            told: String::new(),
            cause: cause.into(),
        }
    }

    #[test]
    fn t71_what_is_remembered_has_a_budget_in_octets_and_the_newest_is_there() {
        let log = RefusalLog::default();
        let cause = "x".repeat(65_000);
        for n in 0..8_000 {
            log.note(&format!("req-{n}"), entry(&cause));
        }
        let memory = log.memory.lock().unwrap();
        let held: usize = memory.entries.iter().map(|(id, entry)| size(id, entry)).sum();
        assert_eq!(held, memory.octets);
        assert!(held <= REMEMBERED && held > REMEMBERED / 2, "{held}");
        drop(memory);
        assert_eq!(log.find("req-7999").unwrap().cause, cause);
        assert!(log.find("req-0").is_none());
    }

    #[test]
    fn t71_an_address_has_a_budget_for_the_log_and_what_was_left_out_is_counted() {
        let log = RefusalLog::default();
        let address = |last: u8| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, u16::from(last)]);
        let (mut octets, mut answers) = (0, Vec::new());
        for n in 0..=255 {
            let answer = log.log(address(n), 1_000, UnixTime(1_000));
            octets += if answer == (Logging::Line { suppressed: 0 }) { 1_000 + LINE } else { 0 };
            answers.push(answer);
        }
        assert!(octets <= LOGGED && octets + 1_000 + LINE > LOGGED, "{octets}");
        assert_eq!(answers.iter().filter(|answer| **answer == Logging::LastLine).count(), 1);
        let left_out = answers.iter().filter(|answer| !matches!(answer, Logging::Line { .. })).count() as u64;
        assert_eq!(log.log(address(9), 1_000, UnixTime(1_060)), Logging::Line { suppressed: left_out });
        assert_eq!(log.log(address(9), 1_000, UnixTime(1_060)), Logging::Line { suppressed: 0 });
    }
}
