//! `ca issuer install`

use std::path::{Path, PathBuf};

use clap::Args;
use signet_keys::files::{self, Mode};
use signet_pki::ca::IssuerCert;
use signet_pki::crl::CrlView;
use signet_pki::csr::CheckedCsr;
use signet_pki::key_policy::KeyPolicy;
use signet_pki::pem::{self, Label};
use signet_pki::signer::Signer;
use signet_pki::{Fingerprint, PublicKey, UnixTime};

use super::{CERTIFICATE, KEY, REQUEST, ROOT, ROOT_CRL};
use crate::failure::Failure;
use crate::offline::confirm::{self, Consent};
use crate::offline::describe::Summary;
use crate::offline::refusals::{self, in_file};
use crate::offline::secret::PassphraseArgs;
use crate::offline::{clock, documents};

/// Check what came back from the root, and put it beside the issuer's key
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  ca issuer install --dir issuer --certificate /media/usb/issuer.pem --root /media/usb/root.pem \\\n    --root-crl /media/usb/root.crl"
)]
pub(crate) struct Install {
    /// Directory with issuer.key and issuer.csr
    #[arg(long)]
    dir: PathBuf,
    /// The issuer's certificate
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
    /// The root's certificate
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// The root's revocation list
    #[arg(long, value_name = "FILE")]
    root_crl: Option<PathBuf>,
    /// SHA-256 of the root, as written down when it was made; otherwise you are asked
    #[arg(long, value_name = "SHA-256", value_parser = fingerprint)]
    root_fingerprint: Option<Fingerprint>,
    /// Do not ask: the root's SHA-256 was compared already
    #[arg(long)]
    yes: bool,
    /// With the passphrase the certificate is compared with the key itself, otherwise with issuer.csr
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl Install {
    pub(super) fn run(self) -> Result<(), Failure> {
        let own = self.own_key()?;
        let checked = Checked::read(&self.certificate, &self.root, self.root_crl.as_deref(), &own, clock::now()?.time)?;
        let actual = checked.root.view().fingerprint();
        eprint!("The root:\n{}\n", Summary::of(checked.root.view()));
        match self.root_fingerprint {
            Some(expected) if expected != actual => {
                return Err(Failure::refused(format!("this is another root: its SHA-256 is {}", actual.colons()))
                    .hint("do not install it; find out who exchanged the file"));
            }
            Some(_) => {}
            None => confirm::compared(Consent::from_flag(self.yes), "the root's SHA-256", &actual.to_string())?,
        }
        checked.write(&self.dir)?;
        print!("{}", Summary::of(checked.issuer.view()));
        println!("\nWrote {CERTIFICATE} and {ROOT} to {}.", self.dir.display());
        match checked.crl {
            Some(_) => println!("Wrote {ROOT_CRL} there too. Next: name these files in signet.toml, [issuer]."),
            None => println!("Next: have the root sign its list (ca root crl) and install it with --root-crl FILE."),
        }
        Ok(())
    }

    /// The key itself when its passphrase is given; else the request, whose signature proves the same key.
    fn own_key(&self) -> Result<PublicKey, Failure> {
        if let Some(passphrase) = self.passphrase.given()? {
            return Ok(documents::key(&self.dir.join(KEY), &passphrase)?.public_key().clone());
        }
        let path = self.dir.join(REQUEST);
        let der = documents::request(&path)?;
        let request = CheckedCsr::from_der(&der, &KeyPolicy::standard()).map_err(|e| refusals::request(&path, e))?;
        Ok(request.into_public_key())
    }
}

/// An issuer's certificate, its root and the root's list that fit each other and the issuer's key.
pub(crate) struct Checked {
    issuer: IssuerCert,
    root: IssuerCert,
    crl: Option<Vec<u8>>,
}

impl Checked {
    pub(crate) fn read(
        certificate: &Path,
        root: &Path,
        crl: Option<&Path>,
        own: &PublicKey,
        now: UnixTime,
    ) -> Result<Checked, Failure> {
        let root_cert = documents::ca_certificate(root)?;
        let issuer = IssuerCert::below(&documents::certificate(certificate)?, &root_cert, now)
            .map_err(|e| refusals::chain(certificate, e))?;
        if issuer.public_key() != own {
            return Err(in_file(certificate, "this certificate is for another key than issuer.key")
                .hint("have the root sign issuer.csr of this directory: ca root sign --request issuer.csr"));
        }
        if issuer.view().path_len != Some(0) || issuer.view().is_self_issued() {
            return Err(in_file(certificate, "an issuer has the path length 0 and a root above it")
                .hint("have the root sign it again: ca root sign --dir DIR --request FILE --out FILE"));
        }
        let crl = crl.map(|path| read_crl(path, &root_cert, &issuer, now)).transpose()?;
        Ok(Checked { issuer, root: root_cert, crl })
    }

    /// The issuer's certificate comes last: when it is there, everything is.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), Failure> {
        let root = dir.join(ROOT);
        if root.symlink_metadata().is_ok() && documents::certificate(&root)? != self.root.der() {
            return Err(Failure::refused(format!("{} is another root", root.display()))
                .hint("an issuer does not change its root: make a new one in another --dir"));
        }
        files::replace(&root, pem::encode(Label::Certificate, self.root.der()).as_bytes(), Mode::Public)?;
        if let Some(crl) = &self.crl {
            files::replace(&dir.join(ROOT_CRL), pem::encode(Label::Crl, crl).as_bytes(), Mode::Public)?;
        }
        let text = pem::encode(Label::Certificate, self.issuer.der());
        Ok(files::replace(&dir.join(CERTIFICATE), text.as_bytes(), Mode::Public)?)
    }
}

fn read_crl(path: &Path, root: &IssuerCert, issuer: &IssuerCert, now: UnixTime) -> Result<Vec<u8>, Failure> {
    let der = documents::crl(path)?;
    let view = CrlView::verified(&der, root).map_err(|e| refusals::crl(path, e))?;
    if now > view.next_update || now < view.this_update {
        return Err(in_file(path, format!("the list is good from {} to {} only", view.this_update, view.next_update))
            .hint("check the clock of this machine, or have the root sign a new list: ca root crl --dir DIR"));
    }
    let serial = &issuer.view().serial;
    if view.entries().map_err(|e| refusals::crl(path, e))?.iter().any(|(revoked, _, _)| revoked == serial) {
        return Err(in_file(path, format!("the root has revoked this issuer ({serial})"))
            .hint("make a new issuer: ca issuer request --dir DIR"));
    }
    Ok(der)
}

fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    Fingerprint::parse(text).ok_or_else(|| "a SHA-256 has 64 hexadecimal digits, with or without colons".into())
}
