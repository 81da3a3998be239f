//! `ca trust`: the CA certificates for services, and configurations that really revoke.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use signet_keys::files::Mode;
use signet_pki::pem;

use crate::failure::Failure;
use crate::online::context::At;
use crate::online::files::MAX_PEM;
use crate::online::trust_bundles::{Bundles, Follow};
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
        let old = files::read(path, MAX_PEM)?;
        let key = String::from_utf8_lossy(&old).contains("PRIVATE KEY");
        if key || pem::certificates(&old).is_err() {
            let text = format!("{} is not a list of certificates and is not overwritten", path.display());
            return Err(Failure::refused(text).hint("choose another name, or move the file away first"));
        }
    }
    files::replace(path, text.as_bytes(), Mode::Public)
}

/// Print a configuration under which a revoked device is refused
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca trust config nginx --dir /etc/signet > /etc/nginx/conf.d/signet.conf")]
pub(crate) struct Config {
    kind: Kind,
    /// Where the service keeps clients.pem, crl.pem and its own certificate
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    dir: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Nginx,
    Rustls,
}

impl Config {
    fn text(&self) -> Result<String, Failure> {
        let dir = self.dir.trim_end_matches('/');
        // Quoting rules differ between the formats; a path that needs none is the same in all of them.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@');
        if dir.is_empty() || !dir.chars().all(plain) {
            return Err(Failure::usage("--dir is a path of letters, digits and . _ - + @ /, for example /etc/signet"));
        }
        let template = match self.kind {
            Kind::Nginx => NGINX,
            Kind::Rustls => RUSTLS,
        };
        Ok(template.replace(DEFAULT_DIR, dir))
    }
}

const DEFAULT_DIR: &str = "/etc/signet";
const NGINX: &str = include_str!("../../templates/nginx.conf");
const RUSTLS: &str = include_str!("../../templates/rustls.rs");

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
