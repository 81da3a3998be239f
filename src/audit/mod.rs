//! The audit log: hash-chained leaves with a Merkle tree (RFC 6962) over them, the segments in which they are archived, and
//! the signed heads. Pure functions; the store and the archive keep what they make.

pub mod checkpoint;
pub mod merkle;
pub mod segment;

use aws_lc_rs::digest::{Context, SHA256};
use serde_json::{Map, Value};
use signet_pki::UnixTime;

/// An entry before the store gives it its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditDraft {
    /// Stable, `noun.verb`.
    pub kind: &'static str,
    /// Who did it: `admin:alice`, `device:sensor-1`, `token:4f7k2m9qpz`, `signetd`.
    pub actor: String,
    /// What it was done to.
    pub subject: String,
    pub request_id: String,
    /// Facts, never secrets.
    pub detail: Value,
    pub at: UnixTime,
}

/// A leaf with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Leaf {
    pub sequence: u64,
    pub canonical: String,
    pub hash: [u8; 32],
}

/// Hash before the first leaf.
pub const GENESIS: [u8; 32] = [0; 32];

/// Appends `draft` after a leaf with hash `previous` and sequence `sequence - 1`.
///
/// The canonical bytes are JSON with sorted keys and no spaces, so that anyone can rebuild them.
pub fn append(previous: &[u8; 32], sequence: u64, draft: &AuditDraft) -> Leaf {
    let mut object = Map::new();
    object.insert("actor".into(), draft.actor.clone().into());
    object.insert("at".into(), draft.at.0.into());
    object.insert("detail".into(), draft.detail.clone());
    object.insert("kind".into(), draft.kind.into());
    object.insert("prev".into(), hex(previous).into());
    object.insert("request".into(), draft.request_id.clone().into());
    object.insert("seq".into(), sequence.into());
    object.insert("subject".into(), draft.subject.clone().into());
    let canonical = Value::Object(object).to_string();
    let hash = leaf_hash(canonical.as_bytes());
    Leaf { sequence, canonical, hash }
}

/// RFC 6962 2.1: the hash of a leaf is SHA-256 over 0x00 and its bytes.
pub fn leaf_hash(canonical: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(&[0]);
    context.update(canonical);
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// Whether a stored leaf follows `previous` at `sequence`, by its bytes alone.
pub fn follows(previous: &[u8; 32], sequence: u64, canonical: &str, hash: &[u8; 32]) -> bool {
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(canonical) else { return false };
    object.get("prev").and_then(Value::as_str) == Some(hex(previous).as_str())
        && object.get("seq").and_then(Value::as_u64) == Some(sequence)
        && leaf_hash(canonical.as_bytes()) == *hash
}

pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(subject: &str) -> AuditDraft {
        AuditDraft {
            kind: "token.created",
            actor: "admin:a".into(),
            subject: subject.into(),
            request_id: "r".into(),
            detail: serde_json::json!({"b": 1, "a": [2]}),
            at: UnixTime(5),
        }
    }

    #[test]
    fn a_changed_leaf_does_not_follow() {
        let first = append(&GENESIS, 1, &draft("x"));
        let second = append(&first.hash, 2, &draft("y"));
        assert!(follows(&GENESIS, 1, &first.canonical, &first.hash));
        assert!(follows(&first.hash, 2, &second.canonical, &second.hash));
        let forged = second.canonical.replace("\"y\"", "\"z\"");
        assert!(!follows(&first.hash, 2, &forged, &second.hash));
        assert!(!follows(&GENESIS, 2, &second.canonical, &second.hash));
        assert!(!follows(&first.hash, 3, &second.canonical, &second.hash));
    }

    #[test]
    fn keys_are_sorted_so_that_the_bytes_can_be_rebuilt() {
        let leaf = append(&GENESIS, 1, &draft("x"));
        let again: Value = serde_json::from_str(&leaf.canonical).unwrap();
        assert_eq!(again.to_string(), leaf.canonical);
        assert!(leaf.canonical.contains(r#""detail":{"a":[2],"b":1}"#));
    }
}
