//! The directory of the archive. Nothing in it is ever overwritten; what is there already must be what would be written.

use std::path::{Path, PathBuf};

use signet_keys::files::{self, FileError, Mode};
use signet_pki::Fingerprint;
use signet_pki::key::PublicKey;
use signet_pki::pem::{self, Label};

use super::{ArchiveError, Digest};
use crate::audit::checkpoint::Checkpoint;
use crate::audit::segment::{self, Built, SegmentName};
use crate::issuer::{Issuer, Issuers};
use crate::store::AuditSegment;

#[derive(Debug, Clone)]
pub(super) struct Files {
    directory: PathBuf,
}

/// Whose signature a checkpoint may carry.
pub(super) struct Signers {
    /// One that was written before a rotation is good: every issuer that is loaded.
    keys: Vec<PublicKey>,
    /// Name and content of the file by which a reader of the checkpoints gets from a root to the key.
    certificate: (String, String),
}

impl Signers {
    pub(super) fn of(active: &Issuer, all: &Issuers) -> Signers {
        let certificate = active.certificate();
        let name = format!("issuer-{}.pem", certificate.short_id());
        Signers {
            keys: all.all().iter().map(|issuer| issuer.certificate().public_key().clone()).collect(),
            certificate: (name, pem::encode(Label::Certificate, certificate.der())),
        }
    }
}

impl Files {
    pub(super) fn new(directory: PathBuf) -> Files {
        Files { directory }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn foreign(&self, name: SegmentName, what: &str) -> ArchiveError {
        ArchiveError::Foreign { path: self.directory.join(name.file()), what: what.to_owned() }
    }

    /// A segment that begins so and was not recorded: a run ended between the file and the record. Its own name says where it
    /// ends, so that no two files overlap when the settings have changed since.
    pub(super) fn beginning_with(&self, first: u64) -> Result<Option<SegmentName>, ArchiveError> {
        let failed = |source| FileError::Io { path: self.directory.clone(), source };
        for entry in std::fs::read_dir(&self.directory).map_err(failed)? {
            let file = entry.map_err(failed)?.file_name();
            let name = file.to_str().and_then(SegmentName::parse).filter(|name| name.first == first);
            if name.is_some() {
                return Ok(name);
            }
        }
        Ok(None)
    }

    /// Segment, certificate and checkpoint, each whole and on disk before the next; then all of it is read back.
    pub(super) fn write(
        &self,
        name: SegmentName,
        built: &Built,
        anchor: [u8; 32],
        (head, note): (&Checkpoint, &str),
        signers: &Signers,
    ) -> Result<Digest, ArchiveError> {
        let (certificate, pem) = &signers.certificate;
        self.put(certificate, pem.as_bytes())?;
        self.put(&name.file(), &built.bytes)?;
        self.put(&name.checkpoint(), note.as_bytes())?;
        let foreign = |file: String, what: String| ArchiveError::Foreign { path: self.directory.join(file), what };
        if self.get(certificate, MAX_SMALL)? != pem.as_bytes() {
            return Err(foreign(certificate.clone(), "it is not the issuer's certificate".into()));
        }
        let bytes = self.get(&name.file(), MAX_SEGMENT)?;
        let last = segment::read_back(&bytes, name, anchor).map_err(|e| foreign(name.file(), e.to_string()))?;
        if last != built.last_hash {
            return Err(foreign(name.file(), "it holds other entries than the database".into()));
        }
        let note = self.get(&name.checkpoint(), MAX_SMALL)?;
        if !std::str::from_utf8(&note).is_ok_and(|note| signers.keys.iter().any(|key| head.is_in(note, key))) {
            return Err(foreign(name.checkpoint(), "it is not the issuer's checkpoint of this segment".into()));
        }
        Ok(Fingerprint::of(&bytes))
    }

    /// The file of a recorded segment, as it was recorded.
    pub(super) fn require(&self, segment: &AuditSegment) -> Result<(), ArchiveError> {
        let path = self.directory.join(segment.name.file());
        let found = self.get(&segment.name.file(), MAX_SEGMENT).map(|bytes| Fingerprint::of(&bytes).0);
        match found {
            Ok(sha256) if sha256 == segment.file_sha256 => Ok(()),
            Ok(_) => Err(ArchiveError::Lost { path, what: "it was changed".into() }),
            Err(error) => Err(ArchiveError::Lost { path, what: error.to_string() }),
        }
    }

    fn put(&self, file: &str, bytes: &[u8]) -> Result<(), FileError> {
        match files::write_new(&self.directory.join(file), bytes, Mode::Private) {
            // Whether it is ours is found out by reading it.
            Ok(()) | Err(FileError::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn get(&self, file: &str, limit: usize) -> Result<Vec<u8>, FileError> {
        files::read_limited(&self.directory.join(file), limit)
    }
}

/// Whether the directory is there and takes new files.
pub fn probe(directory: &Path) -> Result<(), FileError> {
    use rustix::fs::{Access, access};
    if !directory.is_dir() {
        return Err(FileError::NotFound { path: directory.to_owned() });
    }
    access(directory, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|e| FileError::Io { path: directory.to_owned(), source: e.into() })
}

/// A certificate, a checkpoint.
const MAX_SMALL: usize = 64 << 10;
/// The largest segment that can be ordered has 30 MB; one with long entries may have more.
const MAX_SEGMENT: usize = 1 << 30;
