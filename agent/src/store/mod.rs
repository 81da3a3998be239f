//! The agent's directory, and why it is whole after every crash.
//!
//! ```text
//! DIR/                                   0700, ours alone
//!   current    -> gen-0003               the one switch
//!   device.key -> current/device.key     fixed links: the paths for other programs' configuration
//!   device.pem, issuer.pem, roots.pem    likewise
//!   trust      -> trust-0002             the trust bundle that is held, if any; roots.pem then leads through it
//!   bundle.pem -> trust/bundle.pem       its roots, issuers and cross certificates
//!   gen-0003/  device.key device.pem issuer.pem roots.pem state.json
//!   gen-0002/                            the one before, until the server has seen the new one in use
//!   request-….key                        the key of a request under way
//!   announced                            the generation that `run --exec` ran its program for
//!   service.json registered              what `register` asked for, and the certificate that the server has it with
//!   lock
//! ```
//!
//! The rule: a key is durable before its request leaves, so that a lost answer is asked for again with the same key. A
//! generation is written file by file into a directory that nothing refers to yet, `state.json` last, after everything
//! in it was verified. Then `current` is renamed into place, which is one step of the file system. So `device.key` and
//! `device.pem` belong together at every moment, whatever step a power cut falls on. The next run finds out from the
//! directory alone what is left to do: a newer generation that is whole is switched to, one without `state.json` is
//! removed. Every change is a list of [`steps::Step`]s, and the tests stop after each of them.

mod generation;
mod guard;
mod layout;
pub(crate) mod steps;
mod trust;

use std::path::{Path, PathBuf};

use signet_api::CredentialId;
use signet_keys::files::{self, FileError, Mode};
use signet_keys::private::KeyError;
use signet_keys::{KeyKind, PrivateKey};
use signet_pki::bundle::Held;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::failure::Failure;
use layout::Listing;
use steps::{Step, apply};

pub(crate) use generation::{Generation, Material, State};
pub(crate) use guard::Absent;

#[derive(Debug, Error)]
pub(crate) enum StoreError {
    #[error("{} is not a directory of this user alone: {why}", path.display())]
    Directory { path: PathBuf, why: &'static str },
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    #[error("another signet-agent is working in {}", .0.display())]
    Busy(PathBuf),
    #[error("{} is in the way: the agent did not make it", .0.display())]
    Obstacle(PathBuf),
    #[error("the identity in {} is damaged: {why}", path.display())]
    Damaged { path: PathBuf, why: String },
    #[error("{} is not valid: {why}", path.display())]
    Published { path: PathBuf, why: String },
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the private key could not be made or read: {0}")]
    Key(#[from] KeyError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let text = error.to_string();
        match error {
            StoreError::Directory { .. } => Failure::refused(text)
                .hint("Give a plain directory with mode 0700 that belongs to the user who runs this"),
            StoreError::Missing(_) => Failure::refused(text).hint("Enroll first: signet-agent enroll --help"),
            StoreError::Busy(_) => {
                Failure::refused(text).hint("Wait until it has finished, then run the command again")
            }
            StoreError::Obstacle(_) => Failure::refused(text).hint("Move it away, or give another --dir"),
            StoreError::Damaged { .. } => {
                Failure::refused(text).hint("Get a new identity with a new token: signet-agent enroll --force")
            }
            StoreError::Published { .. } => Failure::refused(text).hint(WRITE_ANEW),
            StoreError::File(_) | StoreError::Key(_) => {
                Failure::internal(text).hint("Check the directory's permissions and free space")
            }
        }
    }
}

/// Whose key a request carries. A retry of the same request finds the same key.
#[derive(Debug, Clone)]
pub(crate) enum Request<'a> {
    Enroll(&'a CredentialId),
    /// The renewal of this generation.
    Renew(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyAge {
    Fresh,
    /// Left by an earlier attempt, whose answer may have been lost.
    Kept,
}

/// The directory under its lock, repaired.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    _lock: guard::Lock,
}

impl Store {
    pub(crate) fn open(dir: &Path, absent: Absent) -> Result<Store, StoreError> {
        let lock = guard::enter(dir, absent)?;
        let store = Store { dir: dir.to_owned(), _lock: lock };
        store.perform(&Listing::read(dir)?.recovery())?;
        store.perform(&trust::recovery(dir))?;
        Ok(store)
    }

    /// The identity in use, read without lock or repair.
    pub(crate) fn peek(dir: &Path) -> Result<Option<Generation>, StoreError> {
        guard::check(dir)?;
        Listing::read(dir)?.current().map(|number| Generation::load(dir, number)).transpose()
    }

    /// The same, when every file that other programs read of it is whole as well.
    pub(crate) fn inspect(dir: &Path) -> Result<Option<Generation>, StoreError> {
        let found = Store::peek(dir)?;
        found.iter().try_for_each(|generation| generation.check_published(dir))?;
        Ok(found)
    }

    pub(crate) fn current(&self) -> Result<Option<Generation>, StoreError> {
        Listing::read(&self.dir)?.current().map(|number| Generation::load(&self.dir, number)).transpose()
    }

    /// Whether an older generation is kept because the server has not seen the current one in use.
    pub(crate) fn is_unsettled(&self) -> Result<bool, StoreError> {
        Ok(!Listing::read(&self.dir)?.older().is_empty())
    }

    /// The server has seen the current generation: the older ones are of no use any more.
    pub(crate) fn settle(&self) -> Result<(), StoreError> {
        let older = Listing::read(&self.dir)?.older();
        self.perform(&older.into_iter().map(|n| Step::RemoveDir(layout::generation_name(n))).collect::<Vec<_>>())
    }

    /// The key for a request, durable before anyone is asked.
    pub(crate) fn request_key(&self, request: &Request<'_>, kind: KeyKind) -> Result<(PrivateKey, KeyAge), StoreError> {
        let path = self.dir.join(request.file_name());
        match files::read_limited(&path, generation::MAX_FILE) {
            Ok(bytes) => Ok((generation::read_key(&path, bytes)?, KeyAge::Kept)),
            Err(FileError::NotFound { .. }) => {
                let key = PrivateKey::generate(kind)?;
                files::write_new(&path, key.to_pem()?.as_bytes(), Mode::Private)?;
                Ok((key, KeyAge::Fresh))
            }
            Err(other) => Err(other.into()),
        }
    }

    /// Forgets the key of a request that the server has refused for good.
    pub(crate) fn drop_request_key(&self, request: &Request<'_>) -> Result<(), StoreError> {
        self.perform(&[Step::RemoveFile(request.file_name())])
    }

    /// Makes verified material the identity in use; the key that the request had is now part of it.
    pub(crate) fn install(&self, material: &Material<'_>, request: &Request<'_>) -> Result<Generation, StoreError> {
        let listing = Listing::read(&self.dir)?;
        self.perform(&installation(&listing, material, request)?)?;
        Generation::load(&self.dir, listing.next_number())
    }

    /// Puts a trust bundle into force that was found to follow.
    pub(crate) fn adopt(&self, held: &Held) -> Result<(), StoreError> {
        self.perform(&trust::adoption(&self.dir, held)?)
    }

    /// Forgets the trust bundle: a new identity is of another CA.
    pub(crate) fn forget_trust(&self) -> Result<(), StoreError> {
        self.perform(&trust::removal(&self.dir))
    }

    fn perform(&self, steps: &[Step]) -> Result<(), StoreError> {
        steps.iter().try_for_each(|step| apply(&self.dir, step))
    }
}

fn installation(listing: &Listing, material: &Material<'_>, request: &Request<'_>) -> Result<Vec<Step>, StoreError> {
    let number = listing.next_number();
    let mut steps = material.steps(number)?;
    steps.push(Step::Point { link: layout::CURRENT.into(), target: layout::generation_name(number) });
    steps.extend(listing.missing_links());
    steps.push(Step::RemoveFile(request.file_name()));
    Ok(steps)
}

impl Request<'_> {
    /// Both forms are made of validated parts only: base32 and digits.
    fn file_name(&self) -> String {
        match self {
            Request::Enroll(id) => format!("{}{id}.key", layout::REQUEST_PREFIX),
            Request::Renew(generation) => layout::renewal_name(*generation),
        }
    }
}

pub(crate) const WRITE_ANEW: &str = "Let the agent write its files anew: signet-agent renew --force --dir DIR";

/// What stands in a private key file, wiped when dropped.
type SecretBytes = Zeroizing<Vec<u8>>;

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
