//! The archive of the audit log, read as files alone: which segments there are, their lines one by one, and whether all of it
//! is one log with good heads. Memory does not grow with the archive.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
use serde_json::Value;
use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::{chain, pem};

use crate::failure::Failure;
use crate::online::audit_note::{MAX_NOTE, Note, Tree, leaf};
use crate::online::files::{self, MAX_PEM};

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    file: String,
    line: Option<u64>,
    what: String,
}

impl Finding {
    fn file(file: &str, what: impl Into<String>) -> Finding {
        Finding { file: file.to_owned(), line: None, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} line {line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// A file of the archive, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) file: String,
    path: PathBuf,
}

impl Segment {
    fn named(directory: &Path, file: &str) -> Option<Segment> {
        let (first, last) = file.strip_prefix("audit-")?.strip_suffix(".jsonl.gz")?.split_once('-')?;
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        Some(Segment { first, last, file: file.to_owned(), path: directory.join(file) })
    }

    fn checkpoint(&self) -> String {
        self.file.replace(".jsonl.gz", ".checkpoint")
    }

    /// Its lines, the first with number 1, each at most [`MAX_LINE`] long.
    pub(super) fn lines(&self) -> Result<Lines, Finding> {
        let file = File::open(&self.path).map_err(|e| Finding::file(&self.file, e.to_string()))?;
        let reader = BufReader::new(GzDecoder::new(BufReader::new(file)));
        Ok(Lines { reader, file: self.file.clone(), number: 0 })
    }
}

pub(super) struct Lines {
    reader: BufReader<GzDecoder<BufReader<File>>>,
    file: String,
    number: u64,
}

impl Lines {
    /// `None` at the end, after which the file has nothing more.
    pub(super) fn next(&mut self) -> Result<Option<String>, Finding> {
        self.number += 1;
        let mut line = Vec::new();
        let read = (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut line);
        let read = read.map_err(|e| self.finding(format!("it cannot be read: {e}")))?;
        if read == 0 {
            let ended = self.reader.get_mut().get_mut().fill_buf().is_ok_and(<[u8]>::is_empty);
            return if ended { Ok(None) } else { Err(self.finding("something follows the compressed lines")) };
        }
        if line.pop() != Some(b'\n') {
            return Err(self.finding("it ends in the middle of a line, or the line is too long"));
        }
        String::from_utf8(line).map(Some).map_err(|_| self.finding("it is not UTF-8 text"))
    }

    fn finding(&self, what: impl Into<String>) -> Finding {
        Finding { file: self.file.clone(), line: Some(self.number), what: what.into() }
    }
}

pub(super) struct Archive {
    directory: PathBuf,
    /// In the order of the log.
    pub(super) segments: Vec<Segment>,
}

impl Archive {
    pub(super) fn open(directory: &Path) -> Result<Archive, Failure> {
        let refused = |e: std::io::Error| {
            Failure::refused(format!("{}: {e}", directory.display())).hint("name the archive with --archive DIR")
        };
        let mut segments = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(refused)? {
            let file = entry.map_err(refused)?.file_name();
            segments.extend(file.to_str().and_then(|file| Segment::named(directory, file)));
        }
        segments.sort_by_key(|segment| (segment.first, segment.last));
        if segments.is_empty() {
            return Err(Failure::refused(format!("{} holds no segment of an audit log", directory.display()))
                .hint("name the directory of audit.archive_directory, or a copy of it, with --archive DIR"));
        }
        Ok(Archive { directory: directory.to_owned(), segments })
    }

    /// The issuers that lie beside the segments, as far as one of `roots` certified them, at whatever time.
    pub(super) fn issuers(&self, roots: &[IssuerCert]) -> Result<Vec<IssuerCert>, Failure> {
        let refused = |e: std::io::Error| Failure::refused(format!("{}: {e}", self.directory.display()));
        let mut issuers = Vec::new();
        for entry in std::fs::read_dir(&self.directory).map_err(refused)? {
            let path = entry.map_err(refused)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("issuer-") && name.ends_with(".pem") {
                let damaged = |e| {
                    Failure::refused(format!("{}: {e}", path.display()))
                        .hint("copy it again from the directory of audit.archive_directory")
                };
                let ders = pem::certificates(&files::read_own(&path, MAX_PEM)?).map_err(damaged)?;
                issuers.extend(ders.iter().filter_map(|der| certified(der, roots)));
            }
        }
        Ok(issuers)
    }

    /// Every line, every head, and that they are one log from its first entry on.
    pub(super) fn check(&self, issuers: &[IssuerCert], kept: Option<&Note>) -> Result<Checked, Finding> {
        if let Some(kept) = kept {
            kept.signed_by(issuers).map_err(|what| Finding::file(KEPT, what))?;
        }
        let mut walk = Walk::default();
        for (at, segment) in self.segments.iter().enumerate() {
            let missing = !self.directory.join(segment.checkpoint()).exists();
            if missing && at + 1 == self.segments.len() {
                walk.checked.unfinished = Some(segment.file.clone());
                break;
            }
            let last_at = walk.segment(segment)?;
            let note = self.note(segment)?;
            walk.head(segment, &note, issuers, last_at)?;
            if let Some(kept) = kept.filter(|kept| kept.size == note.size) {
                if (kept.root, &kept.origin) != (note.root, &note.origin) {
                    let what = "the log was rewritten: the checkpoint that was kept tells of other entries";
                    return Err(Finding::file(&segment.checkpoint(), what));
                }
                walk.kept = true;
            }
        }
        match kept.filter(|_| !walk.kept) {
            Some(kept) => {
                let end = walk.checked.entries;
                Err(Finding::file(
                    KEPT,
                    format!("it is of {} entries, where no segment ends; the archive ends with {end}", kept.size),
                ))
            }
            None => Ok(walk.checked),
        }
    }

    fn note(&self, segment: &Segment) -> Result<Note, Finding> {
        let file = segment.checkpoint();
        let text = files::read_text(&self.directory.join(&file), MAX_NOTE);
        let text = text.map_err(|failure| Finding::file(&file, failure.message()))?;
        Note::parse(&text).map_err(|what| Finding::file(&file, what))
    }
}

/// Signed by one of the roots. A log outlives its issuers, so that the present time does not count.
fn certified(der: &[u8], roots: &[IssuerCert]) -> Option<IssuerCert> {
    let issuer = IssuerCert::from_der(der).ok()?;
    let below = |root: &IssuerCert| chain::verify(&[issuer.view().clone(), root.view().clone()], None).is_ok();
    roots.iter().any(below).then_some(issuer)
}

/// An archive that is whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) entries: u64,
    /// The last entry of every segment, and the hash of its leaf.
    pub(super) ends: Vec<(u64, String)>,
    /// A file at the end whose checkpoint is not there (yet).
    pub(super) unfinished: Option<String>,
}

#[derive(Default)]
struct Walk {
    checked: Checked,
    previous: [u8; 32],
    tree: Tree,
    origin: Option<String>,
    kept: bool,
}

impl Walk {
    /// The time of its last entry.
    fn segment(&mut self, segment: &Segment) -> Result<UnixTime, Finding> {
        let expected = self.checked.entries + 1;
        if segment.first != expected || segment.last < segment.first {
            let what = match segment.first < expected {
                true => "it overlaps the segment before it".to_owned(),
                false => format!("the entries from {expected} to {} are missing", segment.first - 1),
            };
            return Err(Finding::file(&segment.file, what));
        }
        let mut lines = segment.lines()?;
        let mut at = UnixTime(0);
        while let Some(line) = lines.next()? {
            at = self.line(&line, segment, lines.number).map_err(|what| lines.finding(what))?;
        }
        if self.checked.entries != segment.last {
            return Err(lines.finding(format!("it ends with entry {}", self.checked.entries)));
        }
        self.checked.ends.push((segment.last, hex(&self.previous)));
        Ok(at)
    }

    fn line(&mut self, line: &str, segment: &Segment, number: u64) -> Result<UnixTime, String> {
        let expected = self.checked.entries + 1;
        let value: Value = serde_json::from_str(line).map_err(|_| "it is not JSON".to_owned())?;
        if expected > segment.last {
            return Err(format!("it has a line more than its name says: {} entries", segment.last + 1 - segment.first));
        }
        if value["seq"].as_u64() != Some(expected) {
            return Err(format!("entry {} stands where {expected} belongs", value["seq"]));
        }
        if value["prev"].as_str() != Some(hex(&self.previous).as_str()) {
            let before = match number {
                1 => "the last line of the segment before it".to_owned(),
                number => format!("line {}", number - 1),
            };
            return Err(format!("entry {expected} does not follow {before}: one of the two was changed"));
        }
        self.previous = leaf(line);
        self.tree.push(self.previous);
        self.checked.entries = expected;
        value["at"].as_i64().map(UnixTime).ok_or_else(|| format!("entry {expected} has no time"))
    }

    fn head(&mut self, segment: &Segment, note: &Note, issuers: &[IssuerCert], at: UnixTime) -> Result<(), Finding> {
        let wrong = |what: String| Finding::file(&segment.checkpoint(), what);
        let issuer = note.signed_by(issuers).map_err(wrong)?;
        if issuer.not_after() < at {
            return Err(wrong("its issuer had ended before the last entry was written".into()));
        }
        if note.size != segment.last {
            return Err(wrong(format!("it is of {} entries, not {}", note.size, segment.last)));
        }
        if *self.origin.get_or_insert_with(|| note.origin.clone()) != note.origin {
            return Err(wrong(format!("it is of another log: {}", note.origin)));
        }
        match note.root == self.tree.root() {
            true => Ok(()),
            false => Err(wrong(format!(
                "what {} holds is not what was signed: its last line was changed, or all of it",
                segment.file
            ))),
        }
    }
}

fn hex(hash: &[u8; 32]) -> String {
    data_encoding::HEXLOWER.encode(hash)
}

const KEPT: &str = "the checkpoint that was kept";
/// As the service writes them, one line tells at most of a whole batch.
const MAX_LINE: u64 = 64 << 20;

#[cfg(test)]
#[path = "audit_archive_tests.rs"]
pub(super) mod tests;
