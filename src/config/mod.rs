//! What was typed, and what it means. Every file that it names is read and checked here, once.

mod browser;
mod oauth;
mod profiles;
pub mod raw;
mod root_lists;

use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use signet_keys::{Passphrase, PrivateKey, files};
use signet_pki::ca::IssuerCert;
use signet_pki::issue::Locations;
use signet_pki::pem::{self, Label};
use signet_pki::signer::Signer;
use signet_pki::text;
use signet_pki::{Fingerprint, UnixTime};
use thiserror::Error;
use zeroize::Zeroizing;

pub use oauth::LONGEST_TOKEN;
pub use profiles::{ADMIN_PROFILE, OCSP_PROFILE, Profiles, SERVER_PROFILE};
pub use raw::RawOauth;

use raw::{RawConfig, RawServices};
pub use root_lists::RootLists;

use crate::anchor::Anchor;

/// A signature each, once in an interval: a third of a second in an hour.
const MAX_SHARDS: u16 = 4096;

#[derive(Debug, Error)]
#[error("{message}")]
pub struct ConfigError {
    message: String,
    hint: String,
}

impl ConfigError {
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> ConfigError {
        ConfigError { message: message.into(), hint: hint.into() }
    }

    pub fn hint(&self) -> &str {
        &self.hint
    }
}

/// A configuration whose parts fit together. Paths are absolute or relative to the file's directory.
#[derive(Debug, Clone)]
pub struct Config {
    pub raw: RawConfig,
    pub patience: Patience,
    base: PathBuf,
}

/// How long the listeners wait. Not for configuring: tests shorten it.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A TLS handshake: two round trips over a slow mobile link with retransmissions.
    pub handshake: Duration,
    /// From the first octet of a request to the end of its headers; also how long an idle connection may wait.
    pub headers: Duration,
    /// A request body from first to last octet.
    pub body: Duration,
    /// How long a write may wait for a client that does not read; a client that reads slowly earns it back.
    pub write: Duration,
    /// Answering one request, waiting in queues included.
    pub answer: Duration,
    /// The age at which a connection takes no more requests: what TLS checked at its beginning is not true for ever.
    pub connection: Duration,
    /// Between two signs of life in a stream of events.
    pub heartbeat: Duration,
    /// Between two looks at whether a stream's reader still has the right to it. Revocations are noticed at once; this is for
    /// what nobody does, such as the end of a certificate.
    pub recheck: Duration,
    /// Resolving, connecting and asking an endpoint of a webhook. The longest that a receiver may take to write down a message.
    pub webhook: Duration,
    /// From the signal to stop until what is still open is cut.
    pub drain: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        let seconds = Duration::from_secs;
        Patience {
            handshake: seconds(10),
            headers: seconds(10),
            body: seconds(15),
            write: seconds(20),
            answer: seconds(30),
            connection: seconds(3600),
            heartbeat: seconds(15),
            recheck: seconds(60),
            webhook: seconds(5),
            drain: seconds(20),
        }
    }
}

/// Keys and certificates that the configuration names, opened.
pub struct Material {
    pub kek: Zeroizing<[u8; 32]>,
    pub root: IssuerCert,
    /// `[issuer]` first, then each of `[[issuers]]`; at least one.
    pub issuers: Vec<(IssuerCert, PrivateKey)>,
    pub root_lists: RootLists,
    pub blocked: Vec<Fingerprint>,
    /// Keys that sign access tokens.
    pub token_keys: Vec<PrivateKey>,
}

impl Config {
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let bytes = files::read_named(path, 1 << 20).map_err(|e| {
            ConfigError::new(e.to_string(), "make a first configuration with 'ca init DIR', or name it with --config")
        })?;
        let text =
            text::plain(&bytes).map_err(|e| ConfigError::new(format!("{}: {e}", path.display()), "check --config"))?;
        let base = path.parent().map(Path::to_owned).unwrap_or_default();
        Config::parse(text, base).map_err(|e| ConfigError::new(format!("{}: {}", path.display(), e.message), e.hint))
    }

    /// `base` is the directory that relative paths start from.
    pub fn parse(text: &str, base: PathBuf) -> Result<Config, ConfigError> {
        let raw: RawConfig = toml::from_str(text).map_err(|e| {
            ConfigError::new(e.to_string().trim_end().to_owned(), "correct the line; nothing was started or changed")
        })?;
        let config = Config { raw, patience: Patience::default(), base };
        config.check()?;
        Ok(config)
    }

    pub fn path(&self, relative: &Path) -> PathBuf {
        self.base.join(relative)
    }

    pub fn database(&self) -> PathBuf {
        self.path(&self.raw.store.path)
    }

    /// Where old entries of the audit log go.
    pub fn audit_archive(&self) -> Option<PathBuf> {
        self.raw.audit.archive_directory.as_deref().map(|directory| self.path(directory))
    }

    /// The file that the policy of live permission is kept in.
    pub fn policy_file(&self) -> Option<PathBuf> {
        self.raw.policy.file.as_deref().map(|file| self.path(file))
    }

    pub fn anchor(&self) -> Anchor {
        Anchor::at(self.path(&self.raw.store.anchor))
    }

    /// What every leaf says about where its issuer's CRL, certificate and responder are.
    pub fn locations(&self, issuer: &IssuerCert) -> Locations {
        let base = self.raw.publication.base_url.trim_end_matches('/');
        Locations {
            crl: vec![format!("{base}/crl/{}.crl", issuer.short_id())],
            ca_issuers: vec![format!("{base}/ca/{}.cer", issuer.short_id())],
            ocsp: self.raw.publication.ocsp.then(|| format!("{base}/ocsp")).into_iter().collect(),
        }
    }

    pub fn kek(&self) -> Result<Zeroizing<[u8; 32]>, ConfigError> {
        let path = self.path(&self.raw.keys.kek_file);
        let text = Zeroizing::new(self.read(&self.raw.keys.kek_file, 4096)?);
        let digits = std::str::from_utf8(&text).ok().map(str::trim).and_then(Fingerprint::parse);
        let bad = || {
            ConfigError::new(
                format!("{} does not hold 64 hexadecimal digits", path.display()),
                "restore it from the backup: without it neither the issuing key nor any token can be read",
            )
        };
        digits.map(|d| Zeroizing::new(d.0)).ok_or_else(bad)
    }

    pub fn material(&self, now: UnixTime) -> Result<Material, ConfigError> {
        let kek = self.kek()?;
        let root = self.ca(&self.raw.issuer.root)?;
        let first = (&self.raw.issuer.certificate, &self.raw.issuer.key);
        let next = self.raw.issuers.iter().map(|issuer| (&issuer.certificate, &issuer.key));
        let mut issuers: Vec<(IssuerCert, PrivateKey)> = Vec::new();
        for (certificate, key) in std::iter::once(first).chain(next) {
            let loaded = self.issuer(certificate, key)?;
            apart(&loaded.0, &issuers)?;
            issuers.push(loaded);
        }
        IssuerCert::below(issuers[0].0.der(), &root, now).map_err(|e| {
            let install = "install a certificate from your root with 'ca issuer install'";
            ConfigError::new(format!("the issuer's certificate is not usable: {e}"), install)
        })?;
        let root_lists = self.root_lists(&root)?;
        let token_keys = self.token_keys()?;
        Ok(Material { kek, root, issuers, root_lists, blocked: self.blocked()?, token_keys })
    }

    /// A certificate with its key.
    fn issuer(&self, certificate: &Path, key: &Path) -> Result<(IssuerCert, PrivateKey), ConfigError> {
        let issuer = self.ca(certificate)?;
        let opened = self.issuer_key(key)?;
        if opened.public_key() != issuer.public_key() {
            return Err(ConfigError::new(
                format!("{} is not the key of the issuer's certificate", self.path(key).display()),
                "install the certificate that was made for this key, with 'ca issuer install'",
            ));
        }
        Ok((issuer, opened))
    }

    fn check(&self) -> Result<(), ConfigError> {
        let url = |name: &str, value: &str, scheme: &str| {
            let rest = value.strip_prefix(scheme).map(|r| r.trim_end_matches('/'));
            match rest {
                Some(host) if !host.is_empty() && host.is_ascii() && !host.contains(['/', '?', '#', '@', ' ']) => {
                    Ok(())
                }
                _ => Err(ConfigError::new(
                    format!("{name} = {value:?} is not of the form {scheme}HOST[:PORT]"),
                    "give the address under which devices reach this host",
                )),
            }
        };
        url("public_url", &self.raw.public_url, "https://")?;
        url("publication.base_url", &self.raw.publication.base_url, "http://")?;
        if self.raw.tls.names.is_empty() && self.raw.tls.addresses.is_empty() {
            return Err(ConfigError::new("tls.names and tls.addresses are both empty", "name this host in tls.names"));
        }
        let publication = &self.raw.publication;
        if publication.crl_interval_seconds < 60
            || publication.crl_lifetime_seconds < publication.crl_interval_seconds.saturating_mul(2)
        {
            return Err(ConfigError::new(
                "publication: the CRL interval is at least 60 seconds and the lifetime at least twice as long",
                "leave both out for an hour and seven days",
            ));
        }
        let shards = publication.crl_shards;
        if shards > MAX_SHARDS || (shards > 0 && !shards.is_power_of_two()) {
            return Err(ConfigError::new(
                format!("publication.crl_shards = {shards} is not 0 or a power of two up to {MAX_SHARDS}"),
                "leave it out for one list; 256 lists keep a list of a million revocations at 200 KiB each",
            ));
        }
        if !(600..=86_400).contains(&publication.ocsp_lifetime_seconds) {
            // Below, clients with a clock that is off refuse; above, a copy of a good answer outlives a revocation by days.
            return Err(ConfigError::new(
                "publication.ocsp_lifetime_seconds is 600 to 86400",
                "leave it out for an hour",
            ));
        }
        if publication.revocation_budget_ms == 0 {
            let message = "publication.revocation_budget_ms is at least 1";
            return Err(ConfigError::new(message, "leave it out for a second"));
        }
        if self.raw.retention.certificate_days < 2 {
            // A used token answers its own key for a day.
            let message = "retention.certificate_days is at least 2";
            return Err(ConfigError::new(message, "leave it out for 30 days"));
        }
        self.check_audit()?;
        self.check_oauth()?;
        self.check_approval()?;
        self.check_authz()?;
        self.raw.browser.check(&self.raw.listen)?;
        if self.raw.admission.enrollments_per_second == 0 || self.raw.admission.enrollment_burst == 0 {
            let message = "admission: rates are at least 1";
            return Err(ConfigError::new(message, "leave the section out for the defaults"));
        }
        self.probed_networks()?;
        if !self.raw.listen.local.ip().is_loopback() {
            return Err(ConfigError::new(
                format!("listen.local = {} is not a loopback address", self.raw.listen.local),
                "metrics and health are served on loopback only; put a proxy in front if you must",
            ));
        }
        Profiles::compile(&self.raw.profiles).map(|_| ())
    }

    fn check_authz(&self) -> Result<(), ConfigError> {
        let authz = &self.raw.authz;
        // Above an hour a permission outlives its end by more than a working person waits.
        let times_are_good = authz.ttl_seconds <= 3600 && (0..=3600).contains(&authz.superseded_seconds);
        if !times_are_good || authz.checks_per_second == 0 || authz.check_burst == 0 {
            return Err(ConfigError::new(
                "authz: ttl_seconds and superseded_seconds are 0 to 3600, checks_per_second and check_burst at least 1",
                "leave them out for 30, 300, 5000 and 10000",
            ));
        }
        Ok(())
    }

    /// Where registered services may be connected to; `None` when they are not.
    pub fn probed_networks(&self) -> Result<Option<Vec<IpNet>>, ConfigError> {
        let RawServices { probe, allow } = &self.raw.services;
        let network = |text: &String| {
            let wrong = |e| ConfigError::new(format!("services.allow: {text:?}: {e}"), "write networks as 10.1.0.0/16");
            text.parse().map_err(wrong)
        };
        let networks = allow.iter().map(network).collect::<Result<Vec<IpNet>, _>>()?;
        if *probe && networks.is_empty() {
            let hint = "list the networks in which your services are, for example services.allow = [\"10.1.0.0/16\"]";
            return Err(ConfigError::new("services.probe is on and services.allow is empty", hint));
        }
        Ok(probe.then_some(networks))
    }

    fn check_approval(&self) -> Result<(), ConfigError> {
        let approval = &self.raw.approval;
        if approval.batch_size == 0 || !(1..=168).contains(&approval.lifetime_hours) {
            let message = "approval: batch_size is at least 1 and lifetime_hours is from 1 to 168";
            return Err(ConfigError::new(message, "leave both out for 100 and 24"));
        }
        Ok(())
    }

    fn check_audit(&self) -> Result<(), ConfigError> {
        let audit = &self.raw.audit;
        if audit.keep_days < 7 {
            // Questions about the last days are answered from the database alone.
            return Err(ConfigError::new("audit.keep_days is at least 7", "leave it out for 90 days"));
        }
        if !SEGMENT_ENTRIES.contains(&audit.segment_entries) {
            let (least, most) = (SEGMENT_ENTRIES.start(), SEGMENT_ENTRIES.end());
            let message = format!("audit.segment_entries is from {least} to {most}");
            return Err(ConfigError::new(message, "leave it out for 100000"));
        }
        Ok(())
    }

    fn read(&self, relative: &Path, limit: usize) -> Result<Vec<u8>, ConfigError> {
        files::read_named(&self.path(relative), limit).map_err(|e| {
            ConfigError::new(e.to_string(), "check the path in the configuration and who may read the file")
        })
    }

    fn ca(&self, relative: &Path) -> Result<IssuerCert, ConfigError> {
        let bytes = self.read(relative, 64 * 1024)?;
        let named = |e: String| {
            let hint = "it must hold one CA certificate in PEM; 'ca root show --certificate FILE' reads it";
            ConfigError::new(format!("{}: {e}", self.path(relative).display()), hint)
        };
        let der = pem::pem_or_der(Label::Certificate, &bytes).map_err(|e| named(e.to_string()))?;
        IssuerCert::from_der(&der).map_err(|e| named(e.to_string()))
    }

    /// What encrypts key files: the text of the KEK.
    fn passphrase(&self) -> Result<Passphrase, ConfigError> {
        let kek_text = Zeroizing::new(self.read(&self.raw.keys.kek_file, 4096)?);
        let kek_text = text::plain(&kek_text).unwrap_or_default().trim().to_owned();
        Passphrase::new(kek_text).map_err(|e| ConfigError::new(e.to_string(), "restore keys.kek_file"))
    }

    fn issuer_key(&self, path: &Path) -> Result<PrivateKey, ConfigError> {
        let text = Zeroizing::new(self.read(path, 64 * 1024)?);
        let text = text::plain(&text).unwrap_or_default();
        PrivateKey::open(text, Some(&self.passphrase()?)).map_err(|e| {
            let hint = "the key is encrypted under keys.kek_file: both must come from the same installation";
            ConfigError::new(format!("{}: {e}", self.path(path).display()), hint)
        })
    }

    fn blocked(&self) -> Result<Vec<Fingerprint>, ConfigError> {
        let Some(file) = &self.raw.keys.blocked_spki_file else { return Ok(Vec::new()) };
        let bytes = self.read(file, 256 << 20)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(|l| l.split('#').next().unwrap_or_default().trim()).enumerate();
        let wanted = lines.filter(|(_, l)| !l.is_empty());
        wanted
            .map(|(number, line)| {
                let message = format!("{} line {}: not a SHA-256 fingerprint", file.display(), number + 1);
                Fingerprint::parse(line).ok_or_else(|| ConfigError::new(message, "one fingerprint a line, in hex"))
            })
            .collect()
    }
}

/// Verifiers look for a list by its issuer's name, and some take the first that fits.
fn apart(issuer: &IssuerCert, others: &[(IssuerCert, PrivateKey)]) -> Result<(), ConfigError> {
    let same = |(other, _): &&(IssuerCert, PrivateKey)| {
        other.subject() == issuer.subject() || other.key_identifier() == issuer.key_identifier()
    };
    match others.iter().find(same) {
        None => Ok(()),
        Some(_) => Err(ConfigError::new(
            format!("two issuers have the name {} or the same key", issuer.view().subject_text),
            "give every issuer a key and a name of its own: 'ca issuer request --name' with a number or a year",
        )),
    }
}

/// A file of fewer is not worth its name; a larger one would be made in too much memory (100 octets an entry).
const SEGMENT_ENTRIES: std::ops::RangeInclusive<u32> = 10..=300_000;

#[cfg(test)]
mod tests;
