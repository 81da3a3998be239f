//! `ca root cross-sign`: the old root vouches for the new one.

use std::path::PathBuf;

use clap::Args;
use signet_keys::files::{self, FileError, Mode};
use signet_pki::ca::IssuerCert;
use signet_pki::pem::{self, Label};

use crate::failure::Failure;
use crate::offline::authority::Authority;
use crate::offline::confirm::{self, Consent};
use crate::offline::describe::Summary;
use crate::offline::secret::PassphraseArgs;
use crate::offline::{clock, documents};

/// Certify a new root by this one: who knows this root alone accepts what stands below the new one
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  ca root cross-sign --dir root --root /media/usb/root-2.pem --out /media/usb/cross.pem"
)]
pub(crate) struct CrossSign {
    /// Directory of the root that signs
    #[arg(long)]
    dir: PathBuf,
    /// Certificate of the new root (PEM or DER)
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// Where to write the cross certificate; must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Do not ask: the new root's SHA-256 was compared already
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl CrossSign {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.out.symlink_metadata().is_ok() {
            return Err(FileError::AlreadyExists { path: self.out }.into());
        }
        let now = clock::now()?;
        let other = documents::ca_certificate(&self.root)?;
        let mut authority = Authority::open(&self.dir)?;
        check(&authority, &other)?;
        eprint!("The new root:\n{}\n", Summary::of(other.view()));
        let hash = other.view().fingerprint().to_string();
        confirm::compared(Consent::from_flag(self.yes), "the new root's SHA-256", &hash)?;
        let key = authority.key(&self.passphrase.for_existing("the root key")?)?;
        let cross = authority.certify_cross(&key, &other, now)?;
        files::write_new(&self.out, pem::encode(Label::Certificate, cross.der()).as_bytes(), Mode::Public)?;
        print!("{}", Summary::of(cross.view()));
        println!("\nWrote {}.", self.out.display());
        println!("Next: ca root bundle --dir DIR --add-root FILE --add-issuer {}", self.out.display());
        Ok(())
    }
}

fn check(authority: &Authority, other: &IssuerCert) -> Result<(), Failure> {
    let refused = |text: &str| Failure::refused(text);
    if other.public_key() == authority.root.public_key() {
        return Err(refused("this is the root that would sign, or another certificate of its key")
            .hint("make the new root first: ca root init --dir NEW --name 'Acme Root CA 2'"));
    }
    if other.subject() == authority.root.subject() {
        // Chains are built by names: two roots of one name are taken for each other.
        return Err(refused("the new root has the same name as this one")
            .hint("make it with a name of its own: ca root init --dir NEW --name 'Acme Root CA 2'"));
    }
    if !other.view().is_self_issued() {
        return Err(refused("this is not a root: another CA has issued it")
            .hint("an issuer is certified from its request: ca root sign --dir DIR --request FILE --out FILE"));
    }
    Ok(())
}
