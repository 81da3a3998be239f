//! Certificates as people and scripts read them.

use std::fmt;

use serde::Serialize;
use signet_pki::name::printable;
use signet_pki::view::CertificateView;

#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    subject: String,
    issuer: String,
    serial: String,
    not_before: String,
    not_after: String,
    key: String,
    /// SHA-256 of the public key, hex.
    key_sha256: String,
    ca: bool,
    path_length: Option<u32>,
    usages: Vec<&'static str>,
    dns_names: Vec<String>,
    uris: Vec<String>,
    permitted_dns: Vec<String>,
    crl_urls: Vec<String>,
    /// SHA-256 of the certificate, upper-case hex with colons.
    fingerprint: String,
}

impl Summary {
    pub(crate) fn of(view: &CertificateView) -> Summary {
        let usages = [
            (view.key_cert_sign, "keyCertSign"),
            (view.crl_sign, "cRLSign"),
            (view.server_auth, "serverAuth"),
            (view.client_auth, "clientAuth"),
        ];
        let safe = |texts: &[String]| texts.iter().map(|t| printable(t, MAX_TEXT)).collect();
        Summary {
            subject: printable(&view.subject_text, MAX_TEXT),
            issuer: printable(&view.issuer_text, MAX_TEXT),
            serial: view.serial.to_string(),
            not_before: view.not_before.to_string(),
            not_after: view.not_after.to_string(),
            key: view.public_key.algorithm().to_string(),
            key_sha256: view.public_key.fingerprint().to_string(),
            ca: view.is_ca,
            path_length: view.path_len,
            usages: usages.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect(),
            dns_names: safe(&view.dns_names),
            uris: safe(&view.uris),
            permitted_dns: safe(view.permitted_dns.as_deref().unwrap_or_default()),
            crl_urls: safe(&view.crl_urls),
            fingerprint: view.fingerprint().colons(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: &str| writeln!(f, "{name:<16}{value}");
        row("subject", &self.subject)?;
        row("issuer", &self.issuer)?;
        row("serial", &self.serial)?;
        row("valid", &format!("{} to {}", self.not_before, self.not_after))?;
        row("key", &self.key)?;
        row("key SHA-256", &self.key_sha256)?;
        row("authority", &authority(self.ca, self.path_length))?;
        for (name, values) in [
            ("usages", self.usages.join(", ")),
            ("DNS names", self.dns_names.join(", ")),
            ("URIs", self.uris.join(", ")),
            ("only below DNS", self.permitted_dns.join(", ")),
            ("CRL", self.crl_urls.join(", ")),
        ] {
            if !values.is_empty() {
                row(name, &values)?;
            }
        }
        row("SHA-256", &self.fingerprint)
    }
}

fn authority(ca: bool, path_length: Option<u32>) -> String {
    match (ca, path_length) {
        (false, _) => "no".into(),
        (true, None) => "yes".into(),
        (true, Some(limit)) => format!("yes, path length {limit}"),
    }
}

/// Certificates from elsewhere may hold any text.
const MAX_TEXT: usize = 256;
