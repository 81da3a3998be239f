//! What is remembered between two rounds, beside the file of lists. Losing it loses conditional requests and one part of
//! the protection against older lists, and nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use signet_keys::files::{self, FileError, Mode};
use signet_pki::UnixTime;

use crate::decision::Marks;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// Validators by URL, of the bundle below and of the file with the hash below.
    pub(crate) etags: BTreeMap<String, String>,
    /// SHA-256 of the file of lists for which the validator is good.
    pub(crate) lists: String,
    /// The CA certificates, PEM. Checked against the pinned roots whenever they are read.
    pub(crate) bundle: String,
    pub(crate) marks: Marks,
    /// SHA-256 of the files that the services were last told about with success.
    pub(crate) told: String,
    /// Of the last round that found what is held to be the newest.
    pub(crate) last_success: UnixTime,
}

impl Default for State {
    fn default() -> State {
        State {
            etags: BTreeMap::new(),
            lists: String::new(),
            bundle: String::new(),
            marks: Marks::new(),
            told: String::new(),
            last_success: UnixTime(0),
        }
    }
}

impl State {
    /// A file that cannot be understood is reported and counts as none.
    pub(crate) fn read(path: &Path) -> (State, Option<String>) {
        match files::read_limited(path, MAX_STATE) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(state) => (state, None),
                Err(e) => (State::default(), Some(format!("{} is damaged and starts anew: {e}", path.display()))),
            },
            Err(FileError::NotFound { .. }) => (State::default(), None),
            Err(e) => (State::default(), Some(e.to_string())),
        }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), FileError> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        files::replace(path, text.as_bytes(), Mode::Public)
    }
}

/// 64 certificates of some kilobytes.
const MAX_STATE: usize = 1 << 20;
