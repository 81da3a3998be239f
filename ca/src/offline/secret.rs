//! Where passphrases come from: a file, a descriptor, or a person. Never an argument.

use std::path::PathBuf;

use clap::Args;
use signet_keys::Passphrase;

use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct PassphraseArgs {
    /// Read the passphrase from this file instead of asking
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_fd")]
    passphrase_file: Option<PathBuf>,
    /// Read the passphrase from this open descriptor
    #[arg(long, value_name = "N")]
    passphrase_fd: Option<u32>,
}

impl PassphraseArgs {
    /// For a key that is about to be made: a person types it twice.
    pub(crate) fn for_new(&self, what: &str) -> Result<Passphrase, Failure> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        let first = prompt(&format!("New passphrase for {what}: "))?;
        let second = prompt("The same again: ")?;
        if first.as_bytes() != second.as_bytes() {
            return Err(Failure::refused("the two passphrases differ").hint("nothing was written; start again"));
        }
        Ok(first)
    }

    pub(crate) fn for_existing(&self, what: &str) -> Result<Passphrase, Failure> {
        match self.given()? {
            Some(given) => Ok(given),
            None => prompt(&format!("Passphrase of {what}: ")),
        }
    }

    /// The passphrase, when a file or a descriptor was named.
    pub(crate) fn given(&self) -> Result<Option<Passphrase>, Failure> {
        match (&self.passphrase_file, self.passphrase_fd) {
            (Some(file), _) => Ok(Some(Passphrase::from_file(file)?)),
            (None, Some(descriptor)) => Ok(Some(Passphrase::from_fd(descriptor)?)),
            (None, None) => Ok(None),
        }
    }
}

fn prompt(text: &str) -> Result<Passphrase, Failure> {
    let typed = rpassword::prompt_password(text).map_err(|_| {
        Failure::usage("there is no terminal to ask for the passphrase")
            .hint("use --passphrase-file FILE or --passphrase-fd N")
    })?;
    Ok(Passphrase::new(typed)?)
}
