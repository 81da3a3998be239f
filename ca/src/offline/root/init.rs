//! `ca root init`

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use signet_keys::KeyKind;
use signet_pki::ca::CaName;

use crate::failure::Failure;
use crate::offline::authority::{Authority, RootPlan};
use crate::offline::clock;
use crate::offline::describe::Summary;
use crate::offline::secret::PassphraseArgs;

/// Make a root: an encrypted key, its certificate and its first revocation list
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  ca root init --dir root --name 'Acme Root CA' --crl-url http://ca.acme.example:8080/crl/root.crl"
)]
pub(crate) struct Init {
    /// Directory for the root, best on an encrypted medium that stays offline
    #[arg(long)]
    dir: PathBuf,
    /// Name of the root (CN)
    #[arg(long)]
    name: String,
    /// Organisation (O)
    #[arg(long)]
    org: Option<String>,
    /// Kind of the root's key
    #[arg(long, value_enum, default_value_t = KeyChoice::P384)]
    key: KeyChoice,
    #[arg(long, value_name = "YEARS", default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=50))]
    lifetime_years: i64,
    /// Where the root's revocation list will be published; goes into issuers (repeatable)
    #[arg(long, value_name = "URL", value_parser = url)]
    crl_url: Vec<String>,
    /// Where the root's certificate will be published; goes into issuers (repeatable)
    #[arg(long, value_name = "URL", value_parser = url)]
    ca_url: Vec<String>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KeyChoice {
    P384,
    P256,
}

impl Init {
    pub(super) fn run(self) -> Result<(), Failure> {
        let plan = RootPlan {
            name: CaName::new(&self.name, self.org.as_deref())?,
            key: self.key.kind(),
            years: self.lifetime_years,
            crl_urls: self.crl_url,
            ca_urls: self.ca_url,
        };
        Authority::check_absent(&self.dir)?;
        let passphrase = self.passphrase.for_new("the root key")?;
        let authority = Authority::create(&self.dir, plan, &passphrase, clock::now()?)?;
        print!("{}", Summary::of(authority.root.view()));
        println!("\nMade {} with root.key, root.pem, root.toml, root.crl and root.crl.der.", self.dir.display());
        println!("Write down the SHA-256 above: it is how others recognise this root. Make a backup of the directory.");
        println!("Next, on the issuing host: ca issuer request --dir DIR");
        Ok(())
    }
}

impl KeyChoice {
    fn kind(self) -> KeyKind {
        match self {
            KeyChoice::P384 => KeyKind::P384,
            KeyChoice::P256 => KeyKind::P256,
        }
    }
}

/// Absolute HTTP, in the characters that a certificate can hold (RFC 5280 4.2.1.13).
fn url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let good = host.is_some_and(|h| !h.is_empty() && !h.starts_with('/')) && text.bytes().all(|b| b.is_ascii_graphic());
    if good && text.len() <= MAX_URL {
        Ok(text.to_owned())
    } else {
        Err("this is not an absolute URL such as http://ca.acme.example:8080/crl/root.crl".into())
    }
}

const MAX_URL: usize = 1024;
