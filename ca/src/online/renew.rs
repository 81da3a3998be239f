//! `ca renew`: the administrator's own certificate, with a new key, while the old one is still good.
//!
//! Key and certificate are two files, and a stop may come between any two steps. So the new pair is first written whole
//! beside the old one; a directory whose pair does not fit is finished from there by whichever command reads it next.

use std::path::{Path, PathBuf};

use clap::Args;
use signet_api::enroll::{IssuedCertificate, RenewRequest, WhoAmI};
use signet_keys::files::Mode;
use signet_keys::{KeyKind, PrivateKey};
use signet_pki::csr;
use signet_pki::pem::{self, Label};
use signet_pki::signer::Signer;

use super::admin_dir::AdminDir;
use super::context::{At, Context};
use super::service::{Service, get, post};
use super::{files, issue, print};
use crate::failure::Failure;

/// Renew the administrator's own certificate, with a new key
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca renew")]
pub(crate) struct Renew {
    #[command(flatten)]
    at: At,
}

impl Renew {
    pub(super) fn run(self) -> Result<(), Failure> {
        let context = self.at.open()?;
        let dir = context.dir()?;
        let next = Pair::next(&dir.path);
        request(&context, dir, &next)?;
        // Its first use ends the old one; from here on the new pair is the only one, and it is on disk.
        let renewed = Context::new(next.read(dir)?)?;
        let me: WhoAmI = get(&renewed, "/v1/whoami")?;
        next.switch(&dir.path)?;
        print::note(format!(
            "{} has certificate {} until {}",
            me.id,
            me.serial.unwrap_or_default(),
            me.not_after.unwrap_or_default()
        ));
        Ok(())
    }
}

/// Gets a certificate for a new key and writes both beside the old pair.
fn request(service: &dyn Service, dir: &AdminDir, next: &Pair) -> Result<(), Failure> {
    let name = dir.leaf().common_name.clone().unwrap_or_default();
    let key = PrivateKey::generate(KeyKind::P256).map_err(|e| Failure::internal(&e).hint(e.hint()))?;
    let der = csr::make(&key, &name).map_err(Failure::internal)?;
    let text = key.to_pem().map_err(|e| Failure::internal(&e).hint(e.hint()))?;
    // The key first: a certificate whose key is lost would be of no use.
    files::replace(&next.key, text.as_bytes(), Mode::Private)?;
    let order = RenewRequest { csr: pem::encode(Label::Request, &der), device: None, profile: None, groups: None };
    let issued: IssuedCertificate = post(service, "/v1/renew", &order)?;
    issue::check(&issued, key.public_key(), &dir.roots)?;
    files::replace(&next.certificate, issue::whole(&issued).as_bytes(), Mode::Public)
}

/// The files of a renewal that is under way.
pub(super) struct Pair {
    key: PathBuf,
    certificate: PathBuf,
}

impl Pair {
    pub(super) fn next(dir: &Path) -> Pair {
        Pair { key: dir.join("admin.key.next"), certificate: dir.join("admin.pem.next") }
    }

    pub(super) fn is_there(&self) -> bool {
        self.key.is_file() && self.certificate.is_file()
    }

    fn read(&self, like: &AdminDir) -> Result<AdminDir, Failure> {
        AdminDir::with_pair(like, &self.certificate, &self.key)
    }

    /// Puts the new pair in the place of the old one. May be repeated after a stop at any point.
    pub(super) fn switch(&self, dir: &Path) -> Result<(), Failure> {
        let read = |path: &Path| files::read_own(path, 64 * 1024).map(zeroize::Zeroizing::new);
        files::replace(&dir.join("admin.key"), &read(&self.key)?, Mode::Private)?;
        files::replace(&dir.join("admin.pem"), &read(&self.certificate)?, Mode::Public)?;
        for path in [&self.certificate, &self.key] {
            std::fs::remove_file(path).map_err(|e| Failure::internal(format!("{}: {e}", path.display())))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "renew_tests.rs"]
mod tests;
