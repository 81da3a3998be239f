//! A root in its directory: `root.key`, `root.pem`, `root.toml`, and the last list as `root.crl` and `root.crl.der`.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use signet_keys::files::{self, FileError, Mode};
use signet_keys::{KeyKind, Passphrase, PrivateKey, random};
use signet_pki::bundle::Bundle;
use signet_pki::ca::{CaName, IssuerCert, IssuerPlan, certify_cross, certify_issuer, self_signed};
use signet_pki::crl::{self, CrlPlan};
use signet_pki::issue::Locations;
use signet_pki::pem::{self, Label};
use signet_pki::profile::BACKDATE;
use signet_pki::signer::Signer;
use signet_pki::{Fingerprint, UnixTime};

use super::clock::Now;
use super::documents;
use super::fresh::Fresh;
use super::ledger::Ledger;
use super::refusals::in_file;
use crate::failure::Failure;

/// What a new root will be.
#[derive(Debug)]
pub(crate) struct RootPlan {
    pub(crate) name: CaName,
    pub(crate) key: KeyKind,
    pub(crate) years: i64,
    pub(crate) crl_urls: Vec<String>,
    pub(crate) ca_urls: Vec<String>,
}

/// An existing root. Held exclusively: two commands at once would lose each other's records.
#[derive(Debug)]
pub(crate) struct Authority {
    dir: PathBuf,
    pub(crate) root: IssuerCert,
    pub(crate) ledger: Ledger,
    _lock: File,
}

impl Authority {
    /// Refused before anybody is asked for a passphrase.
    pub(crate) fn check_absent(dir: &Path) -> Result<(), Failure> {
        for name in [KEY, CERTIFICATE, LEDGER, CRL_PEM, CRL_DER] {
            let path = dir.join(name);
            if path.symlink_metadata().is_ok() {
                let error = FileError::AlreadyExists { path };
                return Err(Failure::refused(error).hint("a root is never overwritten: choose another --dir"));
            }
        }
        Ok(())
    }

    /// Makes key, certificate and first list; all of them or none.
    pub(crate) fn create(dir: &Path, plan: RootPlan, passphrase: &Passphrase, now: Now) -> Result<Authority, Failure> {
        Self::check_absent(dir)?;
        let key = PrivateKey::generate(plan.key)?;
        let validity = (now.time.minus(BACKDATE), now.time.plus(plan.years * YEAR));
        let root = self_signed(&key, &plan.name, validity, random::bytes()?)?;
        files::create_private_dir(dir)?;
        let lock = lock(dir)?;
        let mut fresh = Fresh::default();
        fresh.write(&dir.join(KEY), key.to_encrypted_pem(passphrase)?.as_bytes(), Mode::Private)?;
        // From what is on the disk, not from memory: a key that cannot be read back must never sign.
        let key = open_key(&dir.join(KEY), &root, passphrase)?;
        let mut ledger = Ledger::new(plan.crl_urls, plan.ca_urls);
        let list = next_crl(&root, &key, &mut ledger, now, FIRST_CRL_DAYS)?;
        fresh.write(&dir.join(LEDGER), ledger.to_text()?.as_bytes(), Mode::Public)?;
        fresh.write(&dir.join(CRL_DER), &list, Mode::Public)?;
        fresh.write(&dir.join(CRL_PEM), pem::encode(Label::Crl, &list).as_bytes(), Mode::Public)?;
        fresh.write(&dir.join(CERTIFICATE), pem::encode(Label::Certificate, root.der()).as_bytes(), Mode::Public)?;
        fresh.keep();
        Ok(Authority { dir: dir.to_owned(), root, ledger, _lock: lock })
    }

    pub(crate) fn open(dir: &Path) -> Result<Authority, Failure> {
        let certificate = dir.join(CERTIFICATE);
        if certificate.symlink_metadata().is_err() {
            return Err(Failure::refused(format!("there is no root in {}", dir.display()))
                .hint("make one: ca root init --dir DIR --name 'Acme Root CA'"));
        }
        let lock = lock(dir)?;
        let root = documents::ca_certificate(&certificate)?;
        let ledger = Ledger::load(&dir.join(LEDGER))?;
        Ok(Authority { dir: dir.to_owned(), root, ledger, _lock: lock })
    }

    pub(crate) fn key(&self, passphrase: &Passphrase) -> Result<PrivateKey, Failure> {
        open_key(&self.dir.join(KEY), &self.root, passphrase)
    }

    /// Signs an issuer and records it before anybody has it, so that everything that exists can be revoked.
    pub(crate) fn certify(
        &mut self,
        key: &PrivateKey,
        plan: IssuerPlan,
        request: Fingerprint,
    ) -> Result<IssuerCert, Failure> {
        let issuer = certify_issuer(&self.root, key, plan, random::bytes()?)?;
        self.ledger.record(issuer.view(), request);
        self.ledger.save(&self.dir.join(LEDGER))?;
        Ok(issuer)
    }

    /// Certifies another root for as long as both live, and records that like an issuer, so that it can be revoked.
    pub(crate) fn certify_cross(
        &mut self,
        key: &PrivateKey,
        other: &IssuerCert,
        now: Now,
    ) -> Result<IssuerCert, Failure> {
        let (from, _) = self.issuer_validity(now, 0)?;
        let (crl, ca_issuers) = (self.ledger.crl_urls.clone(), self.ledger.ca_urls.clone());
        let locations = Locations { crl, ca_issuers, ..Locations::default() };
        let cross = certify_cross(&self.root, key, other, (from, UnixTime::MAX), &locations, random::bytes()?)?;
        self.ledger.record(cross.view(), other.view().fingerprint());
        self.ledger.save(&self.dir.join(LEDGER))?;
        Ok(cross)
    }

    /// The newest trust bundle that this root has signed.
    pub(crate) fn newest_bundle(&self) -> Result<Option<Bundle>, Failure> {
        let Some(last) = self.ledger.bundles.last() else { return Ok(None) };
        let bundle = documents::bundle(&self.bundle_path(last.sequence))?;
        self.check_history(&bundle)?;
        Ok(Some(bundle))
    }

    /// Two bundles of one sequence would lead devices to different roots for ever: a root signs one of them.
    pub(crate) fn check_unsigned(&self, sequence: u64, digest: Option<Fingerprint>) -> Result<(), Failure> {
        let Some(last) = self.ledger.bundles.last().filter(|last| last.sequence >= sequence) else { return Ok(()) };
        let path = self.bundle_path(last.sequence);
        if digest.is_some_and(|d| d.to_string() == last.sha256) {
            return Err(Failure::refused("this root has signed this bundle already")
                .hint(format!("it is in {}", path.display())));
        }
        Err(Failure::refused(format!("this root has signed trust bundle {} already", last.sequence)).hint(format!(
            "continue from the newest, with --previous FILE; the one that was signed here is {}",
            path.display()
        )))
    }

    /// Whether a bundle is the one that this root knows under its sequence, if it knows any.
    pub(crate) fn check_history(&self, bundle: &Bundle) -> Result<(), Failure> {
        let known = self.ledger.bundles.iter().find(|known| known.sequence == bundle.sequence());
        match known {
            Some(known) if known.sha256 != bundle.digest().to_string() => {
                let text =
                    format!("this is another trust bundle {} than the one that this root signed", known.sequence);
                Err(Failure::refused(text)
                    .hint("do not sign; find out who made it, and take bundles from the root's own directory"))
            }
            _ => Ok(()),
        }
    }

    /// Records a bundle that was signed, then writes it into the directory; never over another.
    pub(crate) fn keep_bundle(&mut self, bundle: &Bundle) -> Result<PathBuf, Failure> {
        let path = self.bundle_path(bundle.sequence());
        // In this order a stop in between leaves a file that no record names, and the next run finds it in its way.
        files::write_new(&path, bundle.der(), Mode::Public).map_err(|error| {
            let interrupted = matches!(error, FileError::AlreadyExists { .. });
            let failure = Failure::from(error);
            if interrupted {
                failure.hint("an interrupted run has signed it: use it, and continue from it with --previous FILE")
            } else {
                failure
            }
        })?;
        self.ledger.record_bundle(bundle);
        self.ledger.save(&self.dir.join(LEDGER))?;
        Ok(path)
    }

    fn bundle_path(&self, sequence: u64) -> PathBuf {
        self.dir.join(format!("bundle-{sequence:04}.der"))
    }

    /// Signs the next list, remembers its number and what it revokes, and only then lets it out. Returns its DER.
    pub(crate) fn publish_crl(&mut self, key: &PrivateKey, now: Now, days: i64) -> Result<Vec<u8>, Failure> {
        let list = next_crl(&self.root, key, &mut self.ledger, now, days)?;
        self.ledger.save(&self.dir.join(LEDGER))?;
        files::replace(&self.dir.join(CRL_DER), &list, Mode::Public)?;
        files::replace(&self.dir.join(CRL_PEM), pem::encode(Label::Crl, &list).as_bytes(), Mode::Public)?;
        Ok(list)
    }

    /// The last list, DER.
    pub(crate) fn last_crl(&self) -> Result<Vec<u8>, Failure> {
        documents::crl(&self.crl_path())
    }

    pub(crate) fn crl_path(&self) -> PathBuf {
        self.dir.join(CRL_PEM)
    }

    pub(crate) fn certificate_path(&self) -> PathBuf {
        self.dir.join(CERTIFICATE)
    }

    /// From now (a little earlier, for clocks that are behind) for so many years, which must end before the root does.
    pub(crate) fn issuer_validity(&self, now: Now, years: i64) -> Result<(UnixTime, UnixTime), Failure> {
        let root = self.root.view();
        let end = now.time.plus(years * YEAR);
        if !root.is_valid_at(now.time) {
            let text = format!("the root is valid from {} to {} only", root.not_before, root.not_after);
            return Err(Failure::refused(text).hint("check the clock of this machine: date --utc"));
        }
        if end > root.not_after {
            let whole_years = root.not_after.since(now.time) / YEAR;
            return Err(Failure::refused(format!(
                "{years} years would outlive the root, which ends at {}",
                root.not_after
            ))
            .hint(match whole_years {
                0 => "the root has less than a year left: make a new one with ca root init".to_owned(),
                n => format!("use --lifetime-years {n} or less"),
            }));
        }
        Ok((now.time.minus(BACKDATE).max(root.not_before), end))
    }
}

fn open_key(path: &Path, root: &IssuerCert, passphrase: &Passphrase) -> Result<PrivateKey, Failure> {
    let key = documents::key(path, passphrase)?;
    if key.public_key() != root.public_key() {
        return Err(in_file(path, "this is not the key of root.pem beside it").hint("take both from the same backup"));
    }
    Ok(key)
}

fn next_crl(root: &IssuerCert, key: &PrivateKey, ledger: &mut Ledger, now: Now, days: i64) -> Result<Vec<u8>, Failure> {
    // From the clock, so that a root restored from an old backup still counts upwards.
    let number = now.millis.max(ledger.last_crl_number.saturating_add(1));
    let entries = ledger.crl_entries().map_err(Failure::internal)?;
    let this_update = now.time.minus(BACKDATE).max(root.view().not_before);
    let plan = CrlPlan::full(number, this_update, now.time.plus(days * DAY), entries);
    let list = crl::sign(root, key, plan)?.der().to_vec();
    ledger.last_crl_number = number;
    Ok(list)
}

fn lock(dir: &Path) -> Result<File, Failure> {
    let file = File::open(dir).map_err(|e| in_file(dir, e).hint("check that you may read this directory"))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        Failure::refused(format!("another ca command works in {}", dir.display())).hint("wait until it has finished")
    })?;
    Ok(file)
}

pub(crate) const YEAR: i64 = 31_556_952;
const DAY: i64 = 86_400;
const FIRST_CRL_DAYS: i64 = 400;
const KEY: &str = "root.key";
const CERTIFICATE: &str = "root.pem";
const LEDGER: &str = "root.toml";
const CRL_PEM: &str = "root.crl";
const CRL_DER: &str = "root.crl.der";
