//! The single durable changes that everything else is made of.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, fsync, renameat, symlinkat};
use signet_keys::files::{self, FileError, Mode};

use super::{SecretBytes, StoreError};

/// Names are relative to the agent's directory.
pub(crate) enum Step {
    MakeDir(String),
    Write {
        name: String,
        bytes: SecretBytes,
        mode: Mode,
    },
    /// Sets a symbolic link in one step, also over an older one.
    Point {
        link: String,
        target: String,
    },
    RemoveFile(String),
    /// A generation; `state.json` goes first, so that what is left half-way counts as unfinished.
    RemoveDir(String),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::MakeDir(name) => write!(f, "MakeDir({name})"),
            Step::Write { name, .. } => write!(f, "Write({name})"),
            Step::Point { link, target } => write!(f, "Point({link} -> {target})"),
            Step::RemoveFile(name) => write!(f, "RemoveFile({name})"),
            Step::RemoveDir(name) => write!(f, "RemoveDir({name})"),
        }
    }
}

pub(crate) fn apply(dir: &Path, step: &Step) -> Result<(), StoreError> {
    match step {
        Step::MakeDir(name) => files::create_new_private_dir(&dir.join(name)).map_err(StoreError::from),
        Step::Write { name, bytes, mode } => files::write_new(&dir.join(name), bytes, *mode).map_err(StoreError::from),
        Step::Point { link, target } => point(dir, link, target),
        Step::RemoveFile(name) => {
            let path = dir.join(name);
            gone(fs::remove_file(&path)).map_err(|e| failed(&path, e))?;
            sync(dir)
        }
        Step::RemoveDir(name) => {
            let path = dir.join(name);
            gone(fs::remove_file(path.join(super::generation::STATE))).map_err(|e| failed(&path, e))?;
            gone(fs::remove_dir_all(&path)).map_err(|e| failed(&path, e))?;
            sync(dir)
        }
    }
}

fn point(dir: &Path, link: &str, target: &str) -> Result<(), StoreError> {
    let (temporary, path) = (dir.join(format!("{}{link}", super::layout::LINK_PREFIX)), dir.join(link));
    gone(fs::remove_file(&temporary)).map_err(|e| failed(&temporary, e))?;
    symlinkat(target, CWD, &temporary).map_err(|e| failed(&temporary, e.into()))?;
    renameat(CWD, &temporary, CWD, &path).map_err(|e| failed(&path, e.into()))?;
    sync(dir)
}

fn sync(dir: &Path) -> Result<(), StoreError> {
    let open = fs::File::open(dir).map_err(|e| failed(dir, e))?;
    fsync(&open).map_err(|e| failed(dir, e.into()))
}

/// Removing what is not there is what a repetition after a crash does.
fn gone(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn failed(path: &Path, source: io::Error) -> StoreError {
    StoreError::File(FileError::Io { path: path.to_owned(), source })
}
