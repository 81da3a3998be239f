//! The files of a verifier: replaced as a whole and only when they change, never over something else, one writer at a time.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{self, FlockOperation, OFlags};
use rustix::io::Errno;
use signet_keys::files::{self, FileError, Mode};
use signet_pki::Fingerprint;
use signet_pki::pem;

use crate::decision::MAX_ANSWER;
use crate::lists::List;
use crate::refusal::Refusal;
use crate::report::{Outcome, Problem};

/// What stands there; `None` for nothing.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match files::read_limited(path, MAX_ANSWER) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(FileError::NotFound { .. }) => Ok(None),
        Err(e) => Err(e),
    }
}

pub(crate) fn write_lists(path: &Path, text: &str) -> Result<(), Problem> {
    Ok(files::replace(path, text.as_bytes(), Mode::Public)?)
}

/// Replaces an older bundle and nothing else: a key under that name stays.
pub(crate) fn write_bundle(path: &Path, text: &str) -> Result<Changed, Problem> {
    let is_bundle = |old: &[u8]| {
        let lossy = String::from_utf8_lossy(old);
        old.is_empty() || lossy.contains("-----BEGIN CERTIFICATE-----") && !lossy.contains("PRIVATE KEY-----")
    };
    match read(path)? {
        Some(old) if old == text.as_bytes() => Ok(Changed::No),
        Some(old) if !is_bundle(&old) => Err(Refusal::NotCertificates.into()),
        Some(_) | None => {
            files::replace(path, text.as_bytes(), Mode::Public)?;
            Ok(Changed::Yes)
        }
    }
}

/// One file for each list. Those of CAs that are over stay: they harm nobody, and their owner may still use them.
pub(crate) fn write_der(dir: &Path, lists: &[List]) -> Result<Changed, Problem> {
    let mut changed = Changed::No;
    for list in lists {
        let path = dir.join(format!("{}.crl", list.issuer.short_id()));
        match read(&path)? {
            Some(old) if old == list.der => {}
            Some(old) if !old.is_empty() && pem::pem_or_der(pem::Label::Crl, &old).is_err() => {
                return Err(Refusal::NotLists.into());
            }
            Some(_) | None => {
                files::replace(&path, &list.der, Mode::Public)?;
                changed = Changed::Yes;
            }
        }
    }
    Ok(changed)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changed {
    Yes,
    No,
}

pub(crate) fn hash(bytes: &[u8]) -> String {
    Fingerprint::of(bytes).to_string()
}

/// Held while one process compares and writes, so that a slower one cannot put its older lists over newer ones. Ends with
/// the value; `None` where the file system has no such locks.
pub(crate) async fn lock(file: &Path) -> Result<Option<OwnedFd>, Problem> {
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let opened = fs::open(parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, fs::Mode::empty());
    let dir = opened.map_err(|e| match e {
        Errno::NOENT => FileError::NotFound { path: parent.to_owned() },
        other => FileError::Io { path: parent.to_owned(), source: other.into() },
    })?;
    for _ in 0..LOCK_TRIES {
        match fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(dir)),
            Err(Errno::WOULDBLOCK) => tokio::time::sleep(LOCK_PAUSE).await,
            Err(_) => return Ok(None),
        }
    }
    let message = format!("another program has held the lock of {} for ten seconds", parent.display());
    Err(Problem::new(Outcome::Unreachable, "busy", message, "let one program keep the files of that directory fresh"))
}

const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// Ten seconds: comparing and writing take one at most.
const LOCK_TRIES: u32 = 200;
