//! A piece of the log as a file: the canonical leaves, one to a line, in gzip. Made from leaves that are checked on their
//! way in, and read back leaf by leaf.

use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use thiserror::Error;

use super::merkle::Frontier;
use super::{follows, leaf_hash};

/// The first and the last sequence number. Its files are named after it, so that names sort as the log does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentName {
    pub first: u64,
    pub last: u64,
}

impl SegmentName {
    pub fn file(self) -> String {
        format!("{}{SUFFIX}", self.stem())
    }

    pub fn checkpoint(self) -> String {
        format!("{}.checkpoint", self.stem())
    }

    pub fn entries(self) -> u64 {
        self.last + 1 - self.first
    }

    /// The name of a segment's file, written exactly as [`file`](SegmentName::file) writes it.
    pub fn parse(file: &str) -> Option<SegmentName> {
        let (first, last) = file.strip_prefix("audit-")?.strip_suffix(SUFFIX)?.split_once('-')?;
        let name = SegmentName { first: first.parse().ok()?, last: last.parse().ok()? };
        (0 < name.first && name.first <= name.last && name.file() == file).then_some(name)
    }

    fn stem(self) -> String {
        format!("audit-{:012}-{:012}", self.first, self.last)
    }
}

/// A leaf that does not follow the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("entry {0} does not follow the one before it")]
pub struct Broken(pub u64);

pub struct SegmentBuilder {
    previous: [u8; 32],
    frontier: Frontier,
    out: GzEncoder<Vec<u8>>,
}

/// A whole segment in memory.
pub struct Built {
    pub bytes: Vec<u8>,
    pub last_hash: [u8; 32],
    /// Over the whole log up to here.
    pub frontier: Frontier,
}

impl SegmentBuilder {
    /// Goes on behind a leaf with hash `previous`, which ended a log with this frontier.
    pub fn after(previous: [u8; 32], frontier: Frontier) -> SegmentBuilder {
        SegmentBuilder { previous, frontier, out: GzEncoder::new(Vec::new(), Compression::default()) }
    }

    pub fn push(&mut self, canonical: &str, hash: &[u8; 32]) -> Result<(), Broken> {
        let sequence = self.frontier.size() + 1;
        if !follows(&self.previous, sequence, canonical, hash) {
            return Err(Broken(sequence));
        }
        self.previous = *hash;
        self.frontier.push(*hash);
        // Writing to memory does not fail, and JSON holds no line feed.
        let _ = self.out.write_all(canonical.as_bytes()).and_then(|()| self.out.write_all(b"\n"));
        Ok(())
    }

    pub fn finish(self) -> io::Result<Built> {
        Ok(Built { bytes: self.out.finish()?, last_hash: self.previous, frontier: self.frontier })
    }
}

/// Reads a segment whose first leaf has to follow a leaf with hash `previous`, to its end. The hash of its last leaf.
pub fn read_back(bytes: &[u8], name: SegmentName, previous: [u8; 32]) -> io::Result<[u8; 32]> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut lines = BufReader::new(GzDecoder::new(bytes));
    let (mut previous, mut line) = (previous, Vec::new());
    for sequence in name.first..=name.last {
        line.clear();
        (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line)?;
        let canonical = line.strip_suffix(b"\n").and_then(|bytes| std::str::from_utf8(bytes).ok());
        let canonical = canonical.ok_or_else(|| invalid(format!("it ends before entry {sequence}")))?;
        let hash = leaf_hash(canonical.as_bytes());
        if !follows(&previous, sequence, canonical, &hash) {
            return Err(invalid(Broken(sequence).to_string()));
        }
        previous = hash;
    }
    let more = !lines.fill_buf()?.is_empty() || !lines.into_inner().into_inner().is_empty();
    if more { Err(invalid(format!("it goes on after entry {}", name.last))) } else { Ok(previous) }
}

const SUFFIX: &str = ".jsonl.gz";
/// The longest entry tells of the revocation of a whole batch: about 60 octets for each of its devices.
const MAX_LINE: u64 = 64 << 20;

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
