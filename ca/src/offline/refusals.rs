//! What the libraries refuse, as the failures of a command: the same sentence, with the next step as a hint.

use std::path::Path;

use signet_keys::files::FileError;
use signet_keys::passphrase::PassphraseError;
use signet_keys::private::KeyError;
use signet_keys::random::RandomError;
use signet_pki::bundle::BundleError;
use signet_pki::ca::{CaNameError, IssuerError};
use signet_pki::chain::ChainError;
use signet_pki::crl::CrlError;
use signet_pki::csr::CsrError;
use signet_pki::issue::IssueError;
use signet_pki::signer::SignerError;

use crate::failure::Failure;

impl From<FileError> for Failure {
    fn from(error: FileError) -> Failure {
        let hint = match &error {
            FileError::AlreadyExists { .. } => "choose another name, or move what is there out of the way",
            FileError::NotFound { .. } => "check the path",
            FileError::TooLarge { .. } => "check that this is the right file",
            FileError::NotRegular { .. } => "copy the file itself to this place and name it directly",
            FileError::NoSpace { .. } => "make room and run the same command again; no partial file was left",
            FileError::Io { .. } => "check that the directory exists and that you may write there",
        };
        match error {
            FileError::NoSpace { .. } | FileError::Io { .. } => Failure::internal(error).hint(hint),
            _ => Failure::refused(error).hint(hint),
        }
    }
}

impl From<PassphraseError> for Failure {
    fn from(error: PassphraseError) -> Failure {
        match error {
            PassphraseError::File(file) => file.into(),
            other => Failure::refused(other)
                .hint("put the passphrase alone on the first line of a file: --passphrase-file FILE"),
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Failure {
        let hint = error.hint();
        match error {
            KeyError::Internal => Failure::internal(error).hint(hint),
            _ => Failure::refused(error).hint(hint),
        }
    }
}

impl From<RandomError> for Failure {
    fn from(error: RandomError) -> Failure {
        Failure::internal(error).hint(TRY_AGAIN)
    }
}

impl From<SignerError> for Failure {
    fn from(error: SignerError) -> Failure {
        Failure::internal(error).hint(TRY_AGAIN)
    }
}

impl From<IssueError> for Failure {
    fn from(error: IssueError) -> Failure {
        match error {
            IssueError::Signer(inner) => inner.into(),
            IssueError::WrongKey => {
                Failure::refused(error).hint("use the key and the certificate of one and the same CA")
            }
            other => {
                Failure::refused(other).hint("nothing was signed; change what was asked for and run the command again")
            }
        }
    }
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Failure {
        match error {
            BundleError::Signer(inner) => inner.into(),
            other => Failure::refused(other).hint("nothing was written; look at the certificates that were named"),
        }
    }
}

impl From<CaNameError> for Failure {
    fn from(error: CaNameError) -> Failure {
        Failure::refused(error).hint("give it another one: --name 'Acme Root CA'")
    }
}

/// A document that was read from `path` and is not what it has to be.
pub(crate) fn in_file(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::refused(format!("{}: {error}", path.display()))
}

pub(crate) fn request(path: &Path, error: CsrError) -> Failure {
    in_file(path, error).hint("make a new request on the issuing host: ca issuer request --dir DIR")
}

pub(crate) fn chain(path: &Path, error: IssuerError) -> Failure {
    let hint = match &error {
        IssuerError::Chain(ChainError::Validity { .. }) => {
            "check the clock of this machine, or have the root sign a new certificate"
        }
        IssuerError::Chain(_) => "take the certificate and the root from the same ceremony",
        _ => "have the root sign it: ca root sign --dir DIR --request FILE --out FILE",
    };
    in_file(path, error).hint(hint)
}

pub(crate) fn crl(path: &Path, error: CrlError) -> Failure {
    in_file(path, error).hint("take the list from the root itself: ca root crl --dir DIR")
}

const TRY_AGAIN: &str = "try again; if it persists, check this machine";
