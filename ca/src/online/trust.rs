//! `ca trust`: the CA certificates for services, and configurations that really revoke.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use signet_keys::files::Mode;
use signet_pki::pem;

use crate::failure::Failure;
use crate::online::context::At;
use crate::online::files::MAX_PEM;
use crate::online::trust_bundles::{Bundles, Follow};
use crate::online::trust_config::Config;
use crate::online::{bundle, files, print};

#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    Bundle(Bundle),
    Bundles(Bundles),
    Follow(Follow),
    Config(Config),
}

impl TrustCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            TrustCommand::Bundle(command) => command.run(at),
            TrustCommand::Bundles(command) => command.run(at),
            TrustCommand::Follow(command) => command.run(at),
            TrustCommand::Config(command) => print::data(&command.text()?),
        }
    }
}

/// Fetch the root and issuer certificates, checked against the administrator's root
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca trust bundle --out /etc/signet/clients.pem")]
pub(crate) struct Bundle {
    /// File to replace, or - for stdout
    #[arg(long, value_name = "FILE|-")]
    out: PathBuf,
}

impl Bundle {
    fn run(self, at: &At) -> Result<(), Failure> {
        let context = at.open()?;
        let certificates = bundle::fetch(&context, context.roots())?;
        let text = bundle::to_pem(&certificates);
        if self.out == Path::new("-") {
            return print::data(&text);
        }
        write(&self.out, &text)?;
        print::note(format!("{} certificates written to {}", certificates.len(), self.out.display()));
        Ok(())
    }
}

/// Replaces an older bundle and nothing else: a key under that name stays.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if std::fs::symlink_metadata(path).is_ok() {
        let old = files::read_own(path, MAX_PEM)?;
        let key = String::from_utf8_lossy(&old).contains("PRIVATE KEY");
        if key || pem::certificates(&old).is_err() {
            let text = format!("{} is not a list of certificates and is not overwritten", path.display());
            return Err(Failure::refused(text).hint("choose another name, or move the file away first"));
        }
    }
    files::replace(path, text.as_bytes(), Mode::Public)
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
