//! The audit log checked here, by its bytes alone: nothing of the service's own check is believed.

use serde_json::Value;
use signet_api::admin::AuditEntry;
use signet_pki::UnixTime;

use crate::online::audit_note::leaf;

/// Walks a log from its first entry, or from the end of its archive. Each entry must follow the one before.
#[derive(Debug)]
pub(super) struct ChainCheck {
    previous: String,
    entries: u64,
    archived: Option<Archived>,
    landmarks: Vec<Landmark>,
}

/// A leaf that must turn up at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Landmark {
    sequence: u64,
    hash: String,
    whose: &'static str,
    found: Found,
}

/// The end of the archive, of which an entry behind it must tell: it was written with the record of the segment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Archived {
    last: u64,
    hash: String,
    told: Found,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Yes,
    NotYet,
}

impl ChainCheck {
    /// `last` and `hash`: the newest archived entry, 0 when there is none.
    pub(super) fn after(last: u64, hash: &str) -> ChainCheck {
        let archived = (last > 0).then(|| Archived { last, hash: hash.to_ascii_lowercase(), told: Found::NotYet });
        let previous = archived.as_ref().map_or_else(|| "0".repeat(64), |a| a.hash.clone());
        ChainCheck { previous, entries: last, archived, landmarks: Vec::new() }
    }

    /// An entry that `whose` names must be met; one before the walk is known already.
    pub(super) fn must_meet(mut self, sequence: u64, hash: &str, whose: &'static str) -> ChainCheck {
        if sequence > self.entries {
            self.landmarks.push(Landmark { sequence, hash: hash.to_owned(), whose, found: Found::NotYet });
        }
        self
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
        for mark in self.landmarks.iter_mut().filter(|mark| mark.sequence == expected) {
            if !mark.hash.eq_ignore_ascii_case(&self.previous) {
                return Err(format!("entry {expected} is not the one that {} as the newest", mark.whose));
            }
            mark.found = Found::Yes;
        }
        self.hear(&canonical)
    }

    /// What the log itself says about the end of its archive.
    fn hear(&mut self, canonical: &Value) -> Result<(), String> {
        let detail = &canonical["detail"];
        let Some(archived) = self.archived.as_mut() else { return Ok(()) };
        if canonical["kind"] != "audit.archived" || detail["last"].as_u64() != Some(archived.last) {
            return Ok(());
        }
        if detail["last_hash"].as_str() != Some(archived.hash.as_str()) {
            return Err(format!("entry {} tells of another archive than the one that it goes on from", self.entries));
        }
        archived.told = Found::Yes;
        Ok(())
    }

    /// At the end of the log.
    pub(super) fn finish(&self) -> Result<(), String> {
        if let Some(mark) = self.landmarks.iter().find(|mark| mark.found == Found::NotYet) {
            let Landmark { sequence, whose, .. } = mark;
            return Err(format!("the log was cut: it ends with entry {}, and {whose} {sequence}", self.entries));
        }
        match &self.archived {
            Some(Archived { last, told: Found::NotYet, .. }) => {
                Err(format!("no entry tells that the log was archived up to {last}"))
            }
            _ => Ok(()),
        }
    }
}

fn leaf_hash(canonical: &str) -> String {
    data_encoding::HEXLOWER.encode(&leaf(canonical))
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
