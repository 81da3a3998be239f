//! The audit log: hash-chained leaves with a Merkle tree (RFC 6962) over them, the segments in which they are archived, and
//! the signed heads. Pure functions; the store and the archive keep what they make.

pub mod checkpoint;
pub mod merkle;
pub mod segment;

use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::Value;
use signet_pki::UnixTime;

/// Who did something, and the credential that it was done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    name: String,
    with: Option<String>,
}

impl Actor {
    /// `with`: `certificate:SERIAL`, `apikey:ID`, `access_token:JTI from ID`, `ticket:ID from ID`.
    pub fn with(name: String, with: String) -> Actor {
        Actor { name, with: Some(with) }
    }

    /// `admin:alice`, `device:sensor-1`, `token:4f7k2m9qpz`, `signetd`: a name with an id is a credential or a principal of its
    /// own.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn acted_with(&self) -> Option<&str> {
        self.with.as_deref()
    }
}

/// For actors that are their own credential: a token, a program.
impl From<String> for Actor {
    fn from(name: String) -> Actor {
        Actor { name, with: None }
    }
}

impl From<&str> for Actor {
    fn from(name: &str) -> Actor {
        name.to_owned().into()
    }
}

/// An entry before the store gives it its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditDraft {
    /// Stable, `noun.verb`.
    pub kind: &'static str,
    pub actor: Actor,
    /// What it was done to.
    pub subject: String,
    pub request_id: String,
    /// Facts, never secrets. The credential that acted is added as `acted_with`.
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

/// An entry of which everything is written but what its place in the chain decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub kind: &'static str,
    pub actor: String,
    pub subject: String,
    pub request_id: String,
    pub at: UnixTime,
    /// Canonical bytes before the previous hash, between it and the sequence, and after the sequence.
    before: String,
    between: String,
    after: String,
}

impl Entry {
    /// `detail` is a struct whose fields stand in the order of their names.
    pub fn new<D: Serialize>(
        kind: &'static str,
        (actor, subject, request_id): (String, String, String),
        at: UnixTime,
        detail: &D,
    ) -> Entry {
        let before = format!(
            r#"{{"actor":{},"at":{},"detail":{},"kind":{},"prev":""#,
            json(&actor),
            at.0,
            json(detail),
            json(kind)
        );
        let between = format!(r#"","request":{},"seq":"#, json(&request_id));
        let after = format!(r#","subject":{}}}"#, json(&subject));
        Entry { kind, actor, subject, request_id, at, before, between, after }
    }

    /// The leaf after one with hash `previous` and sequence `sequence - 1`.
    ///
    /// The canonical bytes are JSON with sorted keys and no spaces, so that anyone can rebuild them.
    pub fn append(&self, previous: &[u8; 32], sequence: u64) -> Leaf {
        // A hash in hex and a number.
        let room = self.before.len() + 64 + self.between.len() + 20 + self.after.len();
        let mut canonical = String::with_capacity(room);
        canonical.push_str(&self.before);
        HEXLOWER.encode_append(previous, &mut canonical);
        canonical.push_str(&self.between);
        canonical.push_str(&sequence.to_string());
        canonical.push_str(&self.after);
        let hash = leaf_hash(canonical.as_bytes());
        Leaf { sequence, canonical, hash }
    }
}

impl From<&AuditDraft> for Entry {
    fn from(draft: &AuditDraft) -> Entry {
        let names = (draft.actor.name.clone(), draft.subject.clone(), draft.request_id.clone());
        let Some(with) = &draft.actor.with else { return Entry::new(draft.kind, names, draft.at, &draft.detail) };
        let mut detail = draft.detail.clone();
        if detail.is_null() {
            detail = Value::Object(serde_json::Map::new());
        }
        // Every detail is an object; one that is not says what acted in the log all the same.
        match detail.as_object_mut() {
            Some(object) => object.insert("acted_with".into(), with.as_str().into()).map_or((), drop),
            None => detail = serde_json::json!({ "acted_with": with, "detail": detail }),
        }
        Entry::new(draft.kind, names, draft.at, &detail)
    }
}

#[expect(clippy::expect_used, reason = "text, and structs and maps of it and of numbers, always have a JSON form")]
fn json<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("an audit entry as JSON")
}

/// Hash before the first leaf.
pub const GENESIS: [u8; 32] = [0; 32];

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
    HEXLOWER.encode(bytes)
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
        let first = Entry::from(&draft("x")).append(&GENESIS, 1);
        let second = Entry::from(&draft("y")).append(&first.hash, 2);
        assert!(follows(&GENESIS, 1, &first.canonical, &first.hash));
        assert!(follows(&first.hash, 2, &second.canonical, &second.hash));
        let forged = second.canonical.replace("\"y\"", "\"z\"");
        assert!(!follows(&first.hash, 2, &forged, &second.hash));
        assert!(!follows(&GENESIS, 2, &second.canonical, &second.hash));
        assert!(!follows(&first.hash, 3, &second.canonical, &second.hash));
    }

    #[test]
    fn keys_are_sorted_so_that_the_bytes_can_be_rebuilt() {
        let leaf = Entry::from(&draft("x")).append(&GENESIS, 1);
        let again: Value = serde_json::from_str(&leaf.canonical).unwrap();
        assert_eq!(again.to_string(), leaf.canonical);
        assert!(leaf.canonical.contains(r#""detail":{"a":[2],"b":1}"#));
    }
}
