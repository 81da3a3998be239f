//! Passphrases: from a file, a descriptor or a caller's prompt; never from an argument.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use signet_pki::text::{self, TextError};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::files::{self, FileError};

/// A non-empty passphrase of at most 4 KiB. Wiped when dropped, never printed.
pub struct Passphrase(Zeroizing<String>);

#[derive(Debug, Error)]
pub enum PassphraseError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the passphrase cannot be read from descriptor {descriptor}: {source}")]
    Descriptor { descriptor: u32, source: std::io::Error },
    #[error("the passphrase is empty")]
    Empty,
    #[error("the passphrase is longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error("the passphrase cannot be read: {0}")]
    NotText(#[from] TextError),
}

impl Passphrase {
    pub fn new(text: String) -> Result<Passphrase, PassphraseError> {
        let text = Zeroizing::new(text);
        match text.len() {
            0 => Err(PassphraseError::Empty),
            1..=MAX_BYTES => Ok(Passphrase(text)),
            _ => Err(PassphraseError::TooLong),
        }
    }

    /// The content of a file, without one line end at its end.
    pub fn from_file(path: &Path) -> Result<Passphrase, PassphraseError> {
        let bytes = Zeroizing::new(files::read_named(path, MAX_BYTES + EXTRA)?);
        Self::from_bytes(&bytes)
    }

    /// The same from an open descriptor, for example one end of a pipe.
    pub fn from_fd(descriptor: u32) -> Result<Passphrase, PassphraseError> {
        let failed = |source| PassphraseError::Descriptor { descriptor, source };
        let file = File::open(format!("/dev/fd/{descriptor}")).map_err(failed)?;
        // Room for everything at once: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + EXTRA + 1));
        file.take((MAX_BYTES + EXTRA + 1) as u64).read_to_end(&mut bytes).map_err(failed)?;
        Self::from_bytes(&bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Passphrase, PassphraseError> {
        let text = text::plain(bytes)?;
        let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
        Self::new(text.to_owned())
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

const MAX_BYTES: usize = 4096;
/// A byte-order mark, and CR LF.
const EXTRA: usize = 5;

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    fn from_text(text: &[u8]) -> Result<Passphrase, PassphraseError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        std::fs::write(&path, text).unwrap();
        Passphrase::from_file(&path)
    }

    #[test]
    fn one_line_end_is_not_part_of_the_passphrase() {
        for text in ["correct horse", "correct horse\n", "correct horse\r\n", "\u{feff}correct horse\r\n"] {
            assert_eq!(from_text(text.as_bytes()).unwrap().as_bytes(), b"correct horse");
        }
        assert_eq!(from_text(b"x\n\n").unwrap().as_bytes(), b"x\n");
    }

    #[test]
    fn empty_long_and_binary_ones_are_refused() {
        assert!(matches!(from_text(b""), Err(PassphraseError::Empty)));
        assert!(matches!(from_text(b"\n"), Err(PassphraseError::Empty)));
        assert!(matches!(from_text(&[b'a'; MAX_BYTES + 1]), Err(PassphraseError::TooLong)));
        assert!(matches!(from_text(&[b'a'; MAX_BYTES * 2]), Err(PassphraseError::File(FileError::TooLarge { .. }))));
        assert!(matches!(from_text(b"\xff\xfex\0"), Err(PassphraseError::NotText(TextError::Utf16))));
        assert!(matches!(from_text(&[0xff, 0xfe]), Err(PassphraseError::NotText(_))));
        assert_eq!(from_text(&[b'a'; MAX_BYTES]).unwrap().as_bytes().len(), MAX_BYTES);
    }

    #[test]
    fn a_descriptor_is_read_like_a_file() {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"from a pipe\n").unwrap();
        let descriptor = u32::try_from(file.as_raw_fd()).unwrap();
        assert_eq!(Passphrase::from_fd(descriptor).unwrap().as_bytes(), b"from a pipe");
        assert!(matches!(Passphrase::from_fd(99_999), Err(PassphraseError::Descriptor { descriptor: 99_999, .. })));
    }

    #[test]
    fn debug_shows_nothing() {
        let passphrase = Passphrase::new("hunter2".into()).unwrap();
        assert!(!format!("{passphrase:?}").contains("hunter2"));
    }
}
