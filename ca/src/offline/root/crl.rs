//! `ca root crl`

use std::path::{Path, PathBuf};

use clap::Args;
use signet_keys::files::{self, Mode};
use signet_pki::Serial;
use signet_pki::crl::{CrlView, Reason};
use signet_pki::pem::{self, Label};

use crate::failure::Failure;
use crate::offline::authority::Authority;
use crate::offline::secret::PassphraseArgs;
use crate::offline::{clock, documents, refusals};

/// Sign the root's revocation list, and revoke an issuer with it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples (serials: ca root show --dir root):\n  ca root crl --dir root --out /media/usb/root.crl\n  \
    ca root crl --dir root --revoke 1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e --reason ca-compromise"
)]
pub(crate) struct Crl {
    /// Directory of the root
    #[arg(long)]
    dir: PathBuf,
    /// Serial of an issuer that this root has certified
    #[arg(long, value_name = "SERIAL", value_parser = serial)]
    revoke: Option<Serial>,
    /// Why: unspecified, key-compromise, ca-compromise, affiliation-changed, superseded, cessation-of-operation or
    /// privilege-withdrawn
    #[arg(long, requires = "revoke", default_value = "unspecified", hide_default_value = true, value_parser = reason)]
    reason: Reason,
    /// For how long the list is good
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(i64).range(1..=3650))]
    days: i64,
    /// Also write the list (PEM) here, over an older list only
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl Crl {
    pub(super) fn run(self) -> Result<(), Failure> {
        let now = clock::now()?;
        let mut authority = Authority::open(&self.dir)?;
        if let Some(out) = &self.out {
            check_replaceable(out)?;
        }
        if let Some(serial) = &self.revoke {
            let revoked = authority.ledger.revoke(serial, now.time, self.reason)?;
            eprintln!("Revoking {} ({}), reason {}.", revoked.name, revoked.serial, self.reason.as_str());
        }
        let key = authority.key(&self.passphrase.for_existing("the root key")?)?;
        let list = authority.publish_crl(&key, now, self.days)?;
        if let Some(out) = &self.out {
            files::replace(out, pem::encode(Label::Crl, &list).as_bytes(), Mode::Public)?;
        }
        let path = authority.crl_path();
        let view = CrlView::verified(&list, &authority.root).map_err(|e| refusals::crl(&path, e))?;
        let revoked = view.entries().map_err(|e| refusals::crl(&path, e))?.len();
        println!("number          {}", view.number);
        println!("valid           {} to {}", view.this_update, view.next_update);
        println!("revoked         {revoked}");
        println!("\nWrote {} and root.crl.der beside it.", path.display());
        println!("Next: carry root.crl to the issuing host, in the place of the older one.");
        Ok(())
    }
}

/// `--out` replaces, and a slip of the hand must not replace a key.
fn check_replaceable(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok() && documents::crl(path).is_err() {
        return Err(Failure::refused(format!("{} exists and is not a revocation list", path.display()))
            .hint("choose another --out"));
    }
    Ok(())
}

fn serial(text: &str) -> Result<Serial, String> {
    Serial::parse(text).map_err(|e| e.to_string())
}

fn reason(text: &str) -> Result<Reason, String> {
    Reason::parse(text).ok_or_else(|| {
        let all: Vec<&str> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        format!("one of: {}", all.join(", "))
    })
}
