//! Several new files as one: when a later one fails, those that this run made before it are taken back.

use std::path::{Path, PathBuf};

use signet_keys::files::{self, FileError, Mode};

/// Files made by this run. Removed again on drop, unless everything succeeded and they are kept.
#[derive(Debug, Default)]
pub(crate) struct Fresh(Vec<PathBuf>);

impl Fresh {
    pub(crate) fn write(&mut self, path: &Path, bytes: &[u8], mode: Mode) -> Result<(), FileError> {
        files::write_new(path, bytes, mode)?;
        self.0.push(path.to_owned());
        Ok(())
    }

    pub(crate) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        for path in &self.0 {
            // Nothing was released that depends on it; what cannot be removed is refused by the next run by name.
            let _ = std::fs::remove_file(path);
        }
    }
}
