//! `root.toml`: what a root has to remember. The certificates it issued (only those can be revoked), where its list and
//! its certificate are published, and the number of its last list.

use std::path::Path;

use serde::{Deserialize, Serialize};
use signet_keys::files::{self, Mode};
use signet_pki::bundle::Bundle;
use signet_pki::crl::{Entries, Reason};
use signet_pki::view::CertificateView;
use signet_pki::{Fingerprint, Serial, UnixTime};

use super::refusals::in_file;
use crate::failure::Failure;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ledger {
    format: u32,
    /// Written into every issuer.
    pub(crate) crl_urls: Vec<String>,
    pub(crate) ca_urls: Vec<String>,
    pub(crate) last_crl_number: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) issuers: Vec<Issued>,
    /// Trust bundles that this root has signed, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) bundles: Vec<SignedBundle>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignedBundle {
    pub(crate) sequence: u64,
    /// Of its content.
    pub(crate) sha256: String,
    pub(crate) created: String,
    /// SHA-256 of each root in it.
    pub(crate) roots: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issued {
    pub(crate) serial: String,
    pub(crate) name: String,
    pub(crate) not_before: String,
    pub(crate) not_after: String,
    /// SHA-256 of the public key.
    pub(crate) key: String,
    /// SHA-256 of the request that asked for it.
    pub(crate) request: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revoked: Option<Revoked>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revoked {
    pub(crate) at: String,
    pub(crate) reason: Reason,
}

impl Ledger {
    pub(crate) fn new(crl_urls: Vec<String>, ca_urls: Vec<String>) -> Ledger {
        Ledger { format: FORMAT, crl_urls, ca_urls, last_crl_number: 0, issuers: Vec::new(), bundles: Vec::new() }
    }

    pub(crate) fn load(path: &Path) -> Result<Ledger, Failure> {
        let bytes = files::read_limited(path, MAX_BYTES)?;
        let text = String::from_utf8(bytes).map_err(|e| damaged(path, e))?;
        let ledger: Ledger = toml::from_str(&text).map_err(|e| damaged(path, e.message()))?;
        if ledger.format != FORMAT {
            return Err(damaged(path, format!("format {} is not known here", ledger.format)));
        }
        // Now, and not in the middle of a ceremony.
        ledger.crl_entries().map_err(|text| damaged(path, text))?;
        Ok(ledger)
    }

    pub(crate) fn to_text(&self) -> Result<String, Failure> {
        let body = toml::to_string(self).map_err(Failure::internal)?;
        Ok(format!("{HEADER}{body}"))
    }

    pub(crate) fn save(&self, path: &Path) -> Result<(), Failure> {
        Ok(files::replace(path, self.to_text()?.as_bytes(), Mode::Public)?)
    }

    pub(crate) fn record(&mut self, issuer: &CertificateView, request: Fingerprint) {
        self.issuers.push(Issued {
            serial: issuer.serial.to_string(),
            name: issuer.subject_text.clone(),
            not_before: issuer.not_before.to_string(),
            not_after: issuer.not_after.to_string(),
            key: issuer.public_key.fingerprint().to_string(),
            request: request.to_string(),
            revoked: None,
        });
    }

    pub(crate) fn record_bundle(&mut self, bundle: &Bundle) {
        self.bundles.push(SignedBundle {
            sequence: bundle.sequence(),
            sha256: bundle.digest().to_string(),
            created: bundle.created().to_string(),
            roots: bundle.roots().iter().map(|root| root.view().fingerprint().to_string()).collect(),
        });
    }

    /// By serial only: a certificate's hash can be changed by anybody without making it invalid.
    pub(crate) fn revoke(&mut self, serial: &Serial, at: UnixTime, reason: Reason) -> Result<&Issued, Failure> {
        let text = serial.to_string();
        let Some(issued) = self.issuers.iter_mut().find(|i| i.serial == text) else {
            return Err(Failure::refused(format!("this root has issued no certificate with the serial {text}"))
                .hint("see what it has issued: ca root show --dir DIR"));
        };
        if let Some(revoked) = &issued.revoked {
            return Err(Failure::refused(format!("{text} was revoked at {} already", revoked.at))
                .hint("for a new list, leave out --revoke: ca root crl --dir DIR"));
        }
        issued.revoked = Some(Revoked { at: at.to_string(), reason });
        Ok(issued)
    }

    /// The content of the next list.
    pub(crate) fn crl_entries(&self) -> Result<Entries, String> {
        let mut out = Entries::new();
        for issued in &self.issuers {
            let serial = Serial::parse(&issued.serial).map_err(|e| format!("{:?}: {e}", issued.serial))?;
            if let Some(Revoked { at, reason }) = &issued.revoked {
                let at = UnixTime::parse_rfc3339(at).ok_or_else(|| format!("{at:?} is not a time"))?;
                out.push(&serial, at, *reason);
            }
        }
        Ok(out)
    }
}

fn damaged(path: &Path, error: impl std::fmt::Display) -> Failure {
    in_file(path, error).hint("take the file from its backup; the root's record is needed to revoke anything")
}

const FORMAT: u32 = 1;
const MAX_BYTES: usize = 1024 * 1024;
const HEADER: &str =
    "# The record of this root, kept by `ca root`. It belongs to the backup, together with root.key.\n";
