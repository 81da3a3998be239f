//! The entries of a list, encoded: each is checked once, when it comes in, and copied from then on.

use std::fmt;

use super::view::{CrlError, Walk};
use super::{Reason, encode_entry};
use crate::serial::Serial;
use crate::time::UnixTime;

/// `revokedCertificates` elements in order. Made by encoding, or by reading bytes that somebody else kept; whoever holds one
/// holds entries that can be read, and never reads them again.
#[derive(Clone, Default)]
pub struct Entries {
    /// [`HEADROOM`] octets for what a list has in front of its entries, so that it can be built where they are; then the
    /// elements. Nothing at all as long as there is no element.
    buffer: Vec<u8>,
    count: u64,
}

impl Entries {
    pub fn new() -> Entries {
        Entries::default()
    }

    /// Checks that `bytes` are whole elements, each with a serial, a date and a reason that we know.
    pub fn read(bytes: &[u8]) -> Result<Entries, CrlError> {
        let mut entries = Entries::new();
        entries.append(bytes)?;
        Ok(entries)
    }

    pub fn push(&mut self, serial: &Serial, revoked_at: UnixTime, reason: Reason) {
        self.begin();
        encode_entry(serial, revoked_at, reason, &mut self.buffer);
        self.count += 1;
    }

    /// Reads encoded elements and puts them at the end; on an error nothing is changed. Answers how many they were.
    pub fn append(&mut self, bytes: &[u8]) -> Result<u64, CrlError> {
        let mut more = 0;
        for entry in Walk(bytes) {
            entry?;
            more += 1;
        }
        if more > 0 {
            self.begin();
            self.buffer.extend_from_slice(bytes);
            self.count += more;
        }
        Ok(more)
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.get(HEADROOM..).unwrap_or_default()
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A buffer with `before` and these elements behind `headroom` octets or more, and with room for `behind` octets after
    /// them; also where the elements begin. Without anything before them they stay where they are.
    pub(super) fn into_buffer(self, before: &[u8], headroom: usize, behind: usize) -> (Vec<u8>, usize) {
        let own = self.as_bytes();
        if before.is_empty() && !own.is_empty() && headroom <= HEADROOM {
            let mut buffer = self.buffer;
            buffer.reserve_exact(behind);
            return (buffer, HEADROOM);
        }
        let mut buffer = Vec::with_capacity(headroom + before.len() + own.len() + behind);
        buffer.resize(headroom, 0);
        buffer.extend_from_slice(before);
        buffer.extend_from_slice(own);
        (buffer, headroom)
    }

    fn begin(&mut self) {
        if self.buffer.is_empty() {
            self.buffer.resize(HEADROOM, 0);
        }
    }
}

impl PartialEq for Entries {
    fn eq(&self, other: &Entries) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Entries {}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entries({}, {} octets)", self.count, self.as_bytes().len())
    }
}

/// A name with CN and O of 64 characters of four octets needs 560; the rest of what stands in front, 60.
const HEADROOM: usize = 1024;
