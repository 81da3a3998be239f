//! The rollback guard: a file outside the database that says how far the database had come. A database that is behind it was
//! rolled back: used tokens would live again and revocations would be lost, so the service does not start on it. The database
//! remembers that it has a guard, so that a copy without one is noticed as well.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use signet_keys::files::{self, FileError, Mode};

use crate::audit::hex;
use crate::config::ConfigError;
use crate::store::{Displaced, Position, Store, StoreError};

/// The newest audit entry that the guard knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    pub sequence: u64,
    pub leaf_hash: String,
}

impl Mark {
    fn of(position: Position) -> Mark {
        Mark { sequence: position.sequence, leaf_hash: hex(&position.leaf_hash) }
    }

    fn position(&self) -> Option<Position> {
        let hash = data_encoding::HEXLOWER.decode(self.leaf_hash.as_bytes()).ok()?;
        Some(Position { sequence: self.sequence, leaf_hash: hash.try_into().ok()? })
    }
}

pub struct Anchor {
    path: PathBuf,
}

impl Anchor {
    pub fn at(path: PathBuf) -> Anchor {
        Anchor { path }
    }

    fn read(&self) -> Result<Option<Position>, AnchorError> {
        let damaged = |cause: String| AnchorError::Damaged { path: self.path.clone(), cause };
        let bytes = match files::read_limited(&self.path, 4096) {
            Ok(bytes) => bytes,
            Err(FileError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(damaged(error.to_string())),
        };
        let mark: Mark = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        mark.position().map(Some).ok_or_else(|| damaged("leaf_hash is not a SHA-256 in hexadecimal digits".into()))
    }

    /// Refuses a store that does not hold what the guard says it had, and one that had a guard which is not there. A store that
    /// never had one gets it.
    pub async fn check(&self, store: &dyn Store) -> Result<(), ConfigError> {
        let guarded = store.is_guarded().await.map_err(store_error)?;
        match self.read().map_err(ConfigError::from)? {
            Some(mark) if !store.holds(mark).await.map_err(store_error)? => {
                return Err(ConfigError::new(
                    format!(
                        "the database is not the one that had audit entry {}: it was rolled back or replaced",
                        mark.sequence
                    ),
                    format!("put the newest database back; {RESTORED}"),
                ));
            }
            Some(_) => {}
            None if guarded => {
                let message = format!(
                    "the rollback guard {} is missing, and the database had one: it may be an older copy, in which used \
                     tokens live again and revocations are lost",
                    self.path.display()
                );
                return Err(ConfigError::new(message, format!("put the file back where it was; {RESTORED}")));
            }
            None => self.write(store.position()).map_err(ConfigError::from)?,
        }
        if guarded { Ok(()) } else { store.note_guard().await.map_err(store_error) }
    }

    /// Moves the guard to the newest entry, when there is a newer one. Before that, the live database has to hold the entry
    /// that the guard names; otherwise the store is stopped, and the guard says what it had, so that no start accepts less.
    pub async fn advance(&self, store: &dyn Store, known: &mut Option<Position>) -> Result<(), AnchorError> {
        let newest = store.position();
        if *known == Some(newest) && store.displaced().is_none() {
            return Ok(());
        }
        let mark = self.read()?;
        if let (None, Some(mark)) = (store.displaced(), mark)
            && !store.holds(mark).await?
        {
            store.displace(Displaced::OtherGuard);
        }
        let displaced = store.displaced();
        // A file with another one's log may pass for what it was before: no database is at the place that the guard names then.
        let newest = match displaced {
            Some(Displaced::OtherContent) => Position { sequence: newest.sequence + 1, leaf_hash: [0; 32] },
            _ => newest,
        };
        let moves = mark.is_none_or(|mark| mark != newest && mark.sequence <= newest.sequence);
        if moves && displaced != Some(Displaced::OtherGuard) {
            self.write(newest)?;
        }
        if let Some(reason) = displaced {
            return Err(StoreError::from(reason).into());
        }
        *known = Some(newest);
        Ok(())
    }

    /// Makes the guard anew for a database that an operator has accepted, whatever it said before.
    pub async fn start_over(&self, store: &dyn Store) -> Result<(), AnchorError> {
        self.write(store.position())?;
        Ok(store.note_guard().await?)
    }

    fn write(&self, position: Position) -> Result<(), AnchorError> {
        // Two fields of a string and a number always serialise.
        let text = serde_json::to_vec(&Mark::of(position)).unwrap_or_default();
        files::replace(&self.path, &text, Mode::Private).map_err(AnchorError::File)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(FileError),
    #[error("the rollback guard {} cannot be read: {cause}", path.display())]
    Damaged { path: PathBuf, cause: String },
}

impl From<AnchorError> for ConfigError {
    fn from(error: AnchorError) -> ConfigError {
        let hint = match &error {
            AnchorError::Store(_) => "check store.path in the configuration".into(),
            AnchorError::File(_) => "check store.anchor in the configuration, and the free space there".into(),
            AnchorError::Damaged { .. } => format!("put the file back as it was; {RESTORED}"),
        };
        ConfigError::new(error.to_string(), hint)
    }
}

fn store_error(error: StoreError) -> ConfigError {
    AnchorError::from(error).into()
}

const RESTORED: &str = "after a restore from backup run 'signetd restored --config FILE --crl NEWEST.crl', with every list that \
                        mirrors and verifiers still have";
