//! Trust bundles as the service hands them out: read at the start, verified from the first to the last, never changed.
//!
//! A new one is put into the directory and the service restarted; nothing that arrives over the network can add any.

use std::fs;
use std::path::{Path, PathBuf};

use signet_keys::files;
use signet_pki::bundle::{Bundle, Held, MAX_BYTES};
use signet_pki::ca::IssuerCert;

use crate::config::{Config, ConfigError};
use crate::revocation::Document;

/// The whole chain, oldest first; empty when none is configured.
#[derive(Debug, Default)]
pub struct TrustBundles(Vec<Step>);

#[derive(Debug)]
struct Step {
    bundle: Bundle,
    document: Document,
}

impl TrustBundles {
    /// Reads `trust.bundles`. The newest bundle has to know `root`, the issuer's: devices trust what it names and nothing
    /// else.
    pub fn load(config: &Config, root: &IssuerCert) -> Result<TrustBundles, ConfigError> {
        let Some(dir) = &config.raw.trust.bundles else { return Ok(TrustBundles::default()) };
        let dir = config.path(dir);
        let mut held: Option<Held> = None;
        let mut steps = Vec::new();
        for sequence in 1..=last_sequence(&dir)? {
            let path = dir.join(file_name(sequence));
            let next = follow(held, &path, sequence)?;
            let bundle = next.bundle().clone();
            steps.push(Step { document: Document::octets(bundle.der().to_vec()), bundle });
            held = Some(next);
        }
        let newest = held.as_ref().map(Held::bundle).ok_or_else(|| {
            ConfigError::new(
                format!("there is no {} in {}", file_name(1), dir.display()),
                "put every bundle there that a root has signed (ca root bundle), or leave trust.bundles out",
            )
        })?;
        check_newest(newest, config, root)?;
        Ok(TrustBundles(steps))
    }

    pub fn newest(&self) -> Option<&Bundle> {
        self.0.last().map(|step| &step.bundle)
    }

    /// Oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Bundle> {
        self.0.iter().map(|step| &step.bundle)
    }

    pub fn document(&self, sequence: u64) -> Option<&Document> {
        let at = usize::try_from(sequence).ok()?.checked_sub(1)?;
        self.0.get(at).map(|step| &step.document)
    }

    /// Roots of the newest bundle.
    pub fn roots(&self) -> &[IssuerCert] {
        self.newest().map_or(&[], Bundle::roots)
    }

    /// Issuers and cross certificates of the newest bundle.
    pub fn issuers(&self) -> &[IssuerCert] {
        self.newest().map_or(&[], Bundle::issuers)
    }

    /// Every CA under which a client's certificate may stand.
    pub fn authorities(&self) -> impl Iterator<Item = &IssuerCert> {
        self.roots().iter().chain(self.issuers())
    }

    /// Certificates by which other roots vouch for this one.
    pub fn crosses_to<'a>(&'a self, root: &'a IssuerCert) -> impl Iterator<Item = &'a IssuerCert> {
        self.issuers().iter().filter(|ca| ca.subject() == root.subject() && ca.public_key() == root.public_key())
    }
}

fn follow(held: Option<Held>, path: &Path, sequence: u64) -> Result<Held, ConfigError> {
    let fail = |what: String, hint: &str| ConfigError::new(format!("{}: {what}", path.display()), hint);
    let bytes = match files::read_named(path, MAX_BYTES) {
        Err(files::FileError::NotFound { .. }) => {
            return Err(fail(
                format!("trust bundle {sequence} is missing, and later ones are there"),
                "put every bundle there: devices follow them one by one",
            ));
        }
        other => other.map_err(|e| ConfigError::new(e.to_string(), "check who may read trust.bundles"))?,
    };
    let bundle = Bundle::parse(&bytes).map_err(|e| fail(e.to_string(), FROM_THE_ROOT))?;
    let step = match held {
        None => Held::first(bundle),
        Some(held) => held.follow(bundle),
    };
    step.map_err(|e| fail(e.to_string(), FROM_THE_ROOT))
}

fn check_newest(newest: &Bundle, config: &Config, root: &IssuerCert) -> Result<(), ConfigError> {
    let (domain, expected) = (newest.trust_domain(), &config.raw.trust_domain);
    if domain != expected {
        return Err(ConfigError::new(
            format!("the trust bundles are for {domain}, and trust_domain is {expected}"),
            "take the bundles that were made with: ca root bundle --trust-domain DOMAIN",
        ));
    }
    if !newest.roots().iter().any(|known| known.der() == root.der()) {
        return Err(ConfigError::new(
            format!("trust bundle {} does not have the issuer's root {}", newest.sequence(), root.view().subject_text),
            "bring it in with 'ca root bundle --add-root FILE' and put the new bundle beside the others",
        ));
    }
    Ok(())
}

/// The highest number of a file that has the name of a bundle; other files are not looked at.
fn last_sequence(dir: &Path) -> Result<u64, ConfigError> {
    let fail = |e: std::io::Error| {
        ConfigError::new(format!("trust.bundles: {}: {e}", dir.display()), "make the directory, or leave the key out")
    };
    let mut last = 0;
    for entry in fs::read_dir(dir).map_err(fail)? {
        let name = PathBuf::from(entry.map_err(fail)?.file_name());
        last = sequence_of(&name).unwrap_or(0).max(last);
    }
    Ok(last)
}

fn sequence_of(name: &Path) -> Option<u64> {
    let number = name.to_str()?.strip_prefix("bundle-")?.strip_suffix(".der")?.parse().ok()?;
    (Path::new(&file_name(number)) == name).then_some(number)
}

fn file_name(sequence: u64) -> String {
    format!("bundle-{sequence:04}.der")
}

const FROM_THE_ROOT: &str = "copy it again from the directory of the root that signed it last: ca root bundle";
