//! A mark outside the database that shows how far it had come. A database that is behind its mark was rolled back: used
//! tokens would live again and revocations would be lost, so the service does not start on it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use signet_api::admin::AuditQuery;
use signet_keys::files::{self, FileError, Mode};

use crate::audit::hex;
use crate::config::ConfigError;
use crate::store::{AuditRow, Store, StoreError};

/// The newest audit entry that the mark knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    pub sequence: u64,
    pub leaf_hash: String,
}

pub struct Anchor {
    path: PathBuf,
}

impl Anchor {
    pub fn at(path: PathBuf) -> Anchor {
        Anchor { path }
    }

    pub fn read(&self) -> Result<Option<Mark>, ConfigError> {
        let damaged = |cause: String| {
            let hint = "if the database is known to be the newest, remove the file; else see 'signetd restored --help'";
            ConfigError::new(format!("{}: {cause}", self.path.display()), hint)
        };
        match files::read_limited(&self.path, 4096) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| damaged(e.to_string())),
            Err(FileError::NotFound { .. }) => Ok(None),
            Err(error) => Err(damaged(error.to_string())),
        }
    }

    /// Refuses a store that does not contain what the mark says it had.
    pub async fn check(&self, store: &dyn Store) -> Result<(), ConfigError> {
        let Some(mark) = self.read()? else { return Ok(()) };
        let query =
            AuditQuery { after: Some(mark.sequence.saturating_sub(1)), limit: Some(1), ..AuditQuery::default() };
        let rows = store.audit(query).await.map_err(|e| ConfigError::new(e.to_string(), "check store.path"))?;
        let found = rows.first().filter(|row| row.sequence == mark.sequence);
        match found {
            Some(row) if hex(&row.leaf_hash) == mark.leaf_hash => Ok(()),
            _ => Err(ConfigError::new(
                format!(
                    "the database is not the one that had audit entry {}: it was rolled back or replaced",
                    mark.sequence
                ),
                "put the newest database back; after a restore from backup run 'signetd restored --config FILE'",
            )),
        }
    }

    /// Moves the mark to the newest entry, when there is a newer one.
    pub async fn advance(&self, store: &dyn Store, known: &mut Option<u64>) -> Result<(), AnchorError> {
        let Some(newest) = newest(store).await? else { return Ok(()) };
        if *known == Some(newest.sequence) {
            return Ok(());
        }
        self.write(&Mark { sequence: newest.sequence, leaf_hash: hex(&newest.leaf_hash) })?;
        *known = Some(newest.sequence);
        Ok(())
    }

    fn write(&self, mark: &Mark) -> Result<(), AnchorError> {
        // Two fields of a string and a number always serialise.
        let text = serde_json::to_vec(mark).unwrap_or_default();
        files::replace(&self.path, &text, Mode::Private).map_err(AnchorError::File)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    File(FileError),
}

async fn newest(store: &dyn Store) -> Result<Option<AuditRow>, StoreError> {
    let query = AuditQuery { after: None, limit: Some(1), ..AuditQuery::default() };
    Ok(store.audit(query).await?.pop())
}
