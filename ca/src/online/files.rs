//! The keys crate's file habits, with sentences for this command line.

use std::path::Path;

use signet_keys::files::{self, FileError, Mode};
use signet_pki::text;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// What stands under a name that a command is about to write to, or in a directory of ours: a link is refused.
pub(super) fn read_own(path: &Path, max_bytes: usize) -> Result<Vec<u8>, Failure> {
    files::read_limited(path, max_bytes).map_err(failure)
}

/// An input that was named: a file, also behind links, a pipe, or `-` for standard input.
pub(super) fn read(path: &Path, max_bytes: usize) -> Result<Vec<u8>, Failure> {
    files::read_input(path, max_bytes).map_err(failure)
}

/// The same as text, without a byte-order mark.
pub(super) fn read_text(path: &Path, max_bytes: usize) -> Result<Zeroizing<String>, Failure> {
    let bytes = Zeroizing::new(read(path, max_bytes)?);
    let refused = |e| Failure::refused(format!("{}: {e}", path.display())).hint("save the file as UTF-8 text");
    text::plain(&bytes).map(|text| Zeroizing::new(text.to_owned())).map_err(refused)
}

pub(super) fn write_new(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), Failure> {
    files::write_new(path, bytes, mode).map_err(failure)
}

pub(super) fn replace(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), Failure> {
    files::replace(path, bytes, mode).map_err(failure)
}

/// Refuses before the service is asked for something that could not be kept.
pub(super) fn must_be_new(path: &Path) -> Result<(), Failure> {
    if std::fs::symlink_metadata(path).is_ok() {
        return Err(failure(FileError::AlreadyExists { path: path.to_owned() }));
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match parent.is_dir() && path.file_name().is_some() {
        true => Ok(()),
        false => Err(failure(FileError::NotFound { path: parent.to_owned() })),
    }
}

pub(super) fn failure(error: FileError) -> Failure {
    let hint = match &error {
        FileError::AlreadyExists { .. } => "choose another name, or move the file away first",
        FileError::NotFound { .. } => "check the spelling; directories are not made",
        FileError::TooLarge { .. } => "is this the right file?",
        FileError::NotRegular { .. } => "name a file itself, or '-' for standard input where a file is read",
        FileError::NoSpace { .. } => "free some space and repeat the command",
        FileError::Io { .. } => "check the permissions of the file and of its directory",
    };
    Failure::refused(&error).hint(hint)
}

/// PEM files of certificates and keys have a few kilobytes.
pub(super) const MAX_PEM: usize = 1 << 20;
