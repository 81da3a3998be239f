//! The directory is a plain one, ours alone, and used by one agent at a time.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::geteuid;
use signet_keys::files::{self, FileError};

use super::StoreError;

/// What to do about a directory that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    Create,
    Refuse,
}

/// The lock of a directory, held until this is dropped.
#[derive(Debug)]
pub(super) struct Lock(OwnedFd);

impl Drop for Lock {
    /// Said aloud: a program that is being started at this moment has a copy of the descriptor, and would keep the lock.
    fn drop(&mut self) {
        let _ = fs::flock(&self.0, FlockOperation::Unlock);
    }
}

/// Checks the directory and takes its lock.
pub(super) fn enter(dir: &Path, absent: Absent) -> Result<Lock, StoreError> {
    match check(dir) {
        Err(StoreError::Missing(_)) if absent == Absent::Create => {
            files::create_private_dir(dir)?;
            check(dir)?;
        }
        outcome => outcome?,
    }
    let path = dir.join("lock");
    let failed = |e: Errno| StoreError::File(FileError::Io { path: path.clone(), source: e.into() });
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let lock = fs::open(&path, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?;
    match fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Lock(lock)),
        Err(Errno::WOULDBLOCK) => Err(StoreError::Busy(dir.to_owned())),
        Err(e) => Err(failed(e)),
    }
}

/// Somebody who can write here, or who owns it, could put a link where a key is to be written.
pub(super) fn check(dir: &Path) -> Result<(), StoreError> {
    let refuse = |why| Err(StoreError::Directory { path: dir.to_owned(), why });
    // A path that ends in a slash would be followed through a link.
    let plain: std::path::PathBuf = dir.components().collect();
    let stat = match fs::statat(fs::CWD, &plain, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Err(StoreError::Missing(dir.to_owned())),
        Err(e) => return Err(StoreError::File(FileError::Io { path: dir.to_owned(), source: e.into() })),
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {}
        FileType::Symlink => return refuse("it is a symbolic link"),
        _ => return refuse("it is something else"),
    }
    if stat.st_uid != geteuid().as_raw() {
        return refuse("it belongs to another user");
    }
    if Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        return refuse("others can write in it");
    }
    Ok(())
}
