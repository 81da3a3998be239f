//! Changes to raw bytes, for tests that damage what is read.

use proptest::prelude::*;

/// A change to raw bytes; positions are taken modulo the length.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    Flip(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
    Cut(usize),
}

impl Damage {
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len().max(1);
        match self {
            Damage::Flip(at, mask) => {
                if let Some(octet) = bytes.get_mut(at % length) {
                    *octet ^= mask;
                }
            }
            Damage::Insert(at, new) => drop(bytes.splice(at % length..at % length, new.iter().copied())),
            Damage::Remove(at, count) => {
                let from = at % length;
                bytes.drain(from..(from + count).min(bytes.len()));
            }
            Damage::Repeat(at, count) => {
                let from = at % length;
                let piece = bytes[from..(from + count).min(bytes.len())].to_vec();
                bytes.splice(from..from, piece);
            }
            Damage::Cut(at) => bytes.truncate(at % length),
        }
    }
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<usize>(), 1..=255u8).prop_map(|(at, mask)| Damage::Flip(at, mask)),
        2 => (any::<usize>(), prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(at, new)| Damage::Insert(at, new)),
        2 => (any::<usize>(), 1..40usize).prop_map(|(at, count)| Damage::Remove(at, count)),
        1 => (any::<usize>(), 1..80usize).prop_map(|(at, count)| Damage::Repeat(at, count)),
        1 => any::<usize>().prop_map(Damage::Cut),
    ]
}
