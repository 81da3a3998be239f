//! Files that are complete or absent: new ones never overwrite, replaced ones change at once, and writing follows no link.
//!
//! Reading has three doors, by who says where the file is: [`read_limited`] for what these programs wrote themselves and
//! for a medium from another machine, [`read_named`] for a path that the operator wrote into a configuration, and
//! [`read_input`] for an argument of a command.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, FileType, Mode as Bits, OFlags, RenameFlags};
use rustix::io::Errno;
use thiserror::Error;

use crate::random;

/// Who may read what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// 0600, whatever the umask.
    Private,
    /// 0644, whatever the umask.
    Public,
}

#[derive(Debug, Error)]
pub enum FileError {
    #[error("{} exists already and is not overwritten", path.display())]
    AlreadyExists { path: PathBuf },
    #[error("{} does not exist", path.display())]
    NotFound { path: PathBuf },
    #[error("{} is larger than {max_bytes} bytes", path.display())]
    TooLarge { path: PathBuf, max_bytes: usize },
    #[error("{} is a link, a directory or a device, where a plain file is expected", path.display())]
    NotRegular { path: PathBuf },
    #[error("there is no space left to write {}", path.display())]
    NoSpace { path: PathBuf },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl FileError {
    pub fn path(&self) -> &Path {
        match self {
            FileError::AlreadyExists { path }
            | FileError::NotFound { path }
            | FileError::TooLarge { path, .. }
            | FileError::NotRegular { path }
            | FileError::NoSpace { path }
            | FileError::Io { path, .. } => path,
        }
    }

    fn new(path: &Path, source: impl Into<io::Error>) -> FileError {
        let (path, source) = (path.to_owned(), source.into());
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::EXIST) => FileError::AlreadyExists { path },
            Some(Errno::NOENT) => FileError::NotFound { path },
            Some(Errno::NOSPC | Errno::DQUOT) => FileError::NoSpace { path },
            // O_NOFOLLOW on a link, and the forms that only other kinds of files have.
            Some(Errno::LOOP | Errno::ISDIR | Errno::NXIO) => FileError::NotRegular { path },
            _ => FileError::Io { path, source },
        }
    }
}

/// Writes a file that must not exist yet. It appears under its name complete and durable, or not at all.
pub fn write_new(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), FileError> {
    let place = Place::of(path)?;
    // Before the work and as a clearer error; the rename below is what guarantees it.
    if place.kind()?.is_some() {
        return Err(FileError::AlreadyExists { path: path.to_owned() });
    }
    place.write(bytes, mode)?.become_new()
}

/// Writes a file in one step over what stood there, which must be a plain file or nothing.
pub fn replace(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), FileError> {
    let place = Place::of(path)?;
    if place.kind()?.is_some_and(|kind| kind != FileType::RegularFile) {
        return Err(FileError::NotRegular { path: path.to_owned() });
    }
    place.write(bytes, mode)?.become_current()
}

/// Reads a plain file of at most `max_bytes`; a link, a pipe or a device is refused without waiting for it.
pub fn read_limited(path: &Path, max_bytes: usize) -> Result<Vec<u8>, FileError> {
    read_plain(path, max_bytes, OFlags::NOFOLLOW)
}

/// The same behind links: a mounted secret of Kubernetes is one (`..data/NAME`), and so are the agent's `device.pem` and
/// `roots.pem`. A pipe or a device is refused without waiting for it: a service reads such files again while it runs.
pub fn read_named(path: &Path, max_bytes: usize) -> Result<Vec<u8>, FileError> {
    read_plain(path, max_bytes, OFlags::empty())
}

/// What a command was given as an input: a plain file, also behind links, a pipe such as `<(…)`, `/dev/stdin`, or `-` for
/// standard input. Waits until it has ended, or was longer than `max_bytes`.
pub fn read_input(path: &Path, max_bytes: usize) -> Result<Vec<u8>, FileError> {
    if path == Path::new("-") {
        return read_bounded(io::stdin().lock(), Path::new("standard input"), 0, max_bytes);
    }
    let failed = |e: Errno| FileError::new(path, e);
    let file = fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Bits::empty()).map_err(failed)?;
    let kind = FileType::from_raw_mode(fs::fstat(&file).map_err(failed)?.st_mode);
    match kind {
        FileType::RegularFile | FileType::Fifo | FileType::CharacterDevice | FileType::Socket => {
            read_bounded(File::from(file), path, 0, max_bytes)
        }
        _ => Err(FileError::NotRegular { path: path.to_owned() }),
    }
}

fn read_plain(path: &Path, max_bytes: usize, links: OFlags) -> Result<Vec<u8>, FileError> {
    let failed = |e: Errno| FileError::new(path, e);
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | links;
    let file = fs::open(path, flags, Bits::empty()).map_err(failed)?;
    let stat = fs::fstat(&file).map_err(failed)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(FileError::NotRegular { path: path.to_owned() });
    }
    let too_large = || FileError::TooLarge { path: path.to_owned(), max_bytes };
    let size = usize::try_from(stat.st_size).map_err(|_| too_large())?;
    if size > max_bytes {
        return Err(too_large());
    }
    read_bounded(File::from(file), path, size, max_bytes)
}

/// `expected` octets are made room for at once: a buffer that grows leaves copies of secrets behind.
fn read_bounded(source: impl Read, path: &Path, expected: usize, max_bytes: usize) -> Result<Vec<u8>, FileError> {
    let expected = if expected == 0 { max_bytes.min(SMALL) } else { expected };
    // One byte more than announced, so that a file that grows meanwhile is noticed.
    let mut bytes = Vec::with_capacity(expected + 1);
    source.take(max_bytes as u64 + 1).read_to_end(&mut bytes).map_err(|e| FileError::new(path, e))?;
    if bytes.len() > max_bytes {
        return Err(FileError::TooLarge { path: path.to_owned(), max_bytes });
    }
    Ok(bytes)
}

/// Makes a directory with mode 0700; one that exists is left as it is. A link to one is refused: whoever made the link
/// would decide where the keys go.
pub fn create_private_dir(path: &Path) -> Result<(), FileError> {
    let is_dir = || path.symlink_metadata().is_ok_and(|found| found.is_dir());
    match create_new_private_dir(path) {
        Err(FileError::AlreadyExists { .. }) if is_dir() => Ok(()),
        other => other,
    }
}

/// Makes a directory with mode 0700 that must not exist yet.
pub fn create_new_private_dir(path: &Path) -> Result<(), FileError> {
    // The parent is opened first, so that it is the one named when it does not exist.
    let place = Place::of(path)?;
    fs::mkdirat(&place.dir, place.name, Bits::RWXU).map_err(|e| FileError::new(path, e))?;
    sync_dir(&place.dir, path)
}

/// Moves a finished directory to its name, which must be free or an empty directory.
pub fn move_dir(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::rename(from, to).map_err(|e| match e {
        Errno::NOTEMPTY => FileError::AlreadyExists { path: to.to_owned() },
        other => FileError::new(to, other),
    })?;
    sync_dir(&Place::of(to)?.dir, to)
}

fn sync_dir(dir: &OwnedFd, path: &Path) -> Result<(), FileError> {
    match fs::fsync(dir) {
        // Some file systems cannot flush a directory and say so.
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(e) => Err(FileError::new(path, e)),
    }
}

/// An open directory and a name in it: every later step is relative to it, so nobody can swap the directory.
struct Place<'a> {
    path: &'a Path,
    dir: OwnedFd,
    name: &'a OsStr,
}

impl<'a> Place<'a> {
    fn of(path: &'a Path) -> Result<Place<'a>, FileError> {
        let name = path.file_name().ok_or_else(|| FileError::NotRegular { path: path.to_owned() })?;
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let dir = fs::open(parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Bits::empty())
            .map_err(|e| FileError::new(parent, e))?;
        Ok(Place { path, dir, name })
    }

    /// What stands there now; a link counts as itself.
    fn kind(&self) -> Result<Option<FileType>, FileError> {
        match fs::statat(&self.dir, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(FileError::new(self.path, e)),
        }
    }

    fn write(self, bytes: &[u8], mode: Mode) -> Result<Temporary<'a>, FileError> {
        let random = random::bytes::<8>().map_err(|e| FileError::new(self.path, io::Error::other(e)))?;
        let name = format!(".signet-{:016x}.tmp", u64::from_be_bytes(random));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::openat(&self.dir, name.as_str(), flags, Bits::RUSR | Bits::WUSR)
            .map_err(|e| FileError::new(self.path, e))?;
        // From here on the temporary name is removed on every way out.
        let temporary = Temporary { place: self, name };
        let path = temporary.place.path;
        let mut file = File::from(file);
        file.write_all(bytes).map_err(|e| FileError::new(path, e))?;
        if mode == Mode::Public {
            match fs::fchmod(&file, Bits::RUSR | Bits::WUSR | Bits::RGRP | Bits::ROTH) {
                // FAT, the usual format of a USB stick, keeps no modes.
                Ok(()) | Err(Errno::PERM | Errno::NOTSUP) => {}
                Err(e) => return Err(FileError::new(path, e)),
            }
        }
        file.sync_all().map_err(|e| FileError::new(path, e))?;
        Ok(temporary)
    }
}

/// A complete, flushed file that has not got its name yet.
struct Temporary<'a> {
    place: Place<'a>,
    name: String,
}

impl Temporary<'_> {
    fn become_new(self) -> Result<(), FileError> {
        let Place { path, dir, name } = &self.place;
        let moved = match fs::renameat_with(dir, self.name.as_str(), dir, *name, RenameFlags::NOREPLACE) {
            // Not every file system knows the flag; a hard link does not replace anything either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                fs::linkat(dir, self.name.as_str(), dir, *name, AtFlags::empty())
            }
            other => other,
        };
        moved.map_err(|e| FileError::new(path, e))?;
        // After a hard link the temporary name must go before the directory is flushed.
        self.remove();
        sync_dir(&self.place.dir, self.place.path)
    }

    fn become_current(self) -> Result<(), FileError> {
        let Place { path, dir, name } = &self.place;
        fs::renameat(dir, self.name.as_str(), dir, *name).map_err(|e| FileError::new(path, e))?;
        sync_dir(dir, path)
    }

    fn remove(&self) {
        // Usually it has been renamed and is not there any more.
        let _ = fs::unlinkat(&self.place.dir, self.name.as_str(), AtFlags::empty());
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Keys, tokens and passphrases are shorter.
const SMALL: usize = 16 * 1024;

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
