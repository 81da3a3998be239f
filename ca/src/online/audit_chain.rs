//! The audit log checked here, by its bytes alone: nothing of the service's own check is believed.

use serde_json::Value;
use signet_api::admin::AuditEntry;
use signet_pki::{Fingerprint, UnixTime};

/// Walks a log from its first entry. Each entry must follow the one before.
#[derive(Debug)]
pub(super) struct ChainCheck {
    previous: String,
    entries: u64,
    seen: Option<Landmark>,
}

/// A leaf that the service named as its newest: it must turn up at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Landmark {
    sequence: u64,
    hash: String,
    found: Found,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Yes,
    NotYet,
}

impl ChainCheck {
    /// `entries` and `head`: what the service says its log ended with, before the walk began.
    pub(super) fn up_to(entries: u64, head: &str) -> ChainCheck {
        let seen = (entries > 0).then(|| Landmark { sequence: entries, hash: head.to_owned(), found: Found::NotYet });
        ChainCheck { previous: "0".repeat(64), entries: 0, seen }
    }

    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    pub(super) fn head(&self) -> &str {
        &self.previous
    }

    /// Takes the next entry, or says what is wrong with it.
    pub(super) fn push(&mut self, entry: &AuditEntry) -> Result<(), String> {
        let expected = self.entries + 1;
        if entry.sequence != expected {
            return Err(format!("entry {expected} is missing: {} comes instead", entry.sequence));
        }
        let hash = leaf_hash(&entry.canonical);
        if hash != entry.leaf_hash.to_ascii_lowercase() {
            return Err(format!("entry {expected} was changed: its bytes do not give its hash"));
        }
        let canonical: Value =
            serde_json::from_str(&entry.canonical).map_err(|_| format!("entry {expected} is not JSON"))?;
        if canonical["prev"].as_str() != Some(self.previous.as_str()) {
            return Err(format!("entry {expected} does not follow the entry before it"));
        }
        if !tells_the_same(entry, &canonical) {
            return Err(format!("entry {expected} is shown differently from what was hashed"));
        }
        self.entries = expected;
        self.previous = hash;
        if let Some(mark) = self.seen.as_mut().filter(|mark| mark.sequence == expected) {
            if !mark.hash.eq_ignore_ascii_case(&self.previous) {
                return Err(format!("entry {expected} is not the one that the service named as its newest"));
            }
            mark.found = Found::Yes;
        }
        Ok(())
    }

    /// At the end of the log.
    pub(super) fn finish(&self) -> Result<(), String> {
        match &self.seen {
            Some(Landmark { sequence, found: Found::NotYet, .. }) => {
                Err(format!("the log was cut: it has {} entries, the service counts {sequence}", self.entries))
            }
            _ => Ok(()),
        }
    }
}

/// RFC 6962 2.1: SHA-256 over 0x00 and the bytes of the leaf.
fn leaf_hash(canonical: &str) -> String {
    let bytes: Vec<u8> = std::iter::once(0).chain(canonical.bytes()).collect();
    Fingerprint::of(&bytes).to_string()
}

fn tells_the_same(entry: &AuditEntry, canonical: &Value) -> bool {
    let same_text = |key: &str, shown: &str| canonical[key].as_str() == Some(shown);
    let at = UnixTime::parse_rfc3339(&entry.at).map(|at| at.0);
    canonical["seq"].as_u64() == Some(entry.sequence)
        && at.is_some()
        && canonical["at"].as_i64() == at
        && same_text("kind", &entry.kind)
        && same_text("actor", &entry.actor)
        && same_text("subject", &entry.subject)
        && canonical["detail"] == entry.detail
}

#[cfg(test)]
#[path = "audit_chain_tests.rs"]
pub(super) mod tests;
