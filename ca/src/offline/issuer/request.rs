//! `ca issuer request`

use std::path::{Path, PathBuf};

use clap::Args;
use signet_keys::files::{self, FileError, Mode};
use signet_keys::{KeyKind, Passphrase, PrivateKey};
use signet_pki::ca::CaName;
use signet_pki::pem::{self, Label};
use signet_pki::signer::Signer;
use signet_pki::{Fingerprint, csr};

use super::{KEY, REQUEST};
use crate::failure::Failure;
use crate::offline::fresh::Fresh;
use crate::offline::secret::PassphraseArgs;

/// Make the issuer's key and the request that the root will sign
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  ca issuer request --dir issuer --name 'Acme Issuing CA' --passphrase-file secrets/kek"
)]
pub(crate) struct Request {
    /// Directory for key and request
    #[arg(long)]
    dir: PathBuf,
    /// Name of the issuer (CN)
    #[arg(long, default_value = "Signet Issuing CA")]
    name: String,
    /// Organisation (O)
    #[arg(long)]
    org: Option<String>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl Request {
    pub(super) fn run(self) -> Result<(), Failure> {
        let name = CaName::new(&self.name, self.org.as_deref())?;
        check_absent(&self.dir)?;
        let passphrase = self.passphrase.for_new("the issuer's key")?;
        let (key, der) = make(&self.dir, &name, &passphrase)?;
        println!("key             {}", key.public_key().algorithm());
        println!("key SHA-256     {}", key.public_key().fingerprint());
        println!("request SHA-256 {}", Fingerprint::of(&der));
        println!("\nWrote {} and {}.", self.dir.join(KEY).display(), self.dir.join(REQUEST).display());
        println!("Carry {REQUEST} to the root and compare the request SHA-256 there.");
        println!("Next, on the root's machine: ca root sign --dir DIR --request {REQUEST} --out issuer.pem");
        Ok(())
    }
}

fn check_absent(dir: &Path) -> Result<(), Failure> {
    for name in [KEY, REQUEST] {
        let path = dir.join(name);
        if path.symlink_metadata().is_ok() {
            let error = FileError::AlreadyExists { path };
            return Err(Failure::refused(error).hint("a key is never overwritten: choose another --dir"));
        }
    }
    Ok(())
}

/// Writes key and request, both or none; returns the key and the request's DER.
pub(crate) fn make(dir: &Path, name: &CaName, passphrase: &Passphrase) -> Result<(PrivateKey, Vec<u8>), Failure> {
    check_absent(dir)?;
    files::create_private_dir(dir)?;
    let key = PrivateKey::generate(KeyKind::P256)?;
    let der = csr::make_named(&key, name.common_name(), name.organization())?;
    let mut fresh = Fresh::default();
    fresh.write(&dir.join(KEY), key.to_encrypted_pem(passphrase)?.as_bytes(), Mode::Private)?;
    fresh.write(&dir.join(REQUEST), pem::encode(Label::Request, &der).as_bytes(), Mode::Public)?;
    fresh.keep();
    Ok((key, der))
}
