//! A certificate as read, in owned fields, for everyone who needs to look at one.

use std::collections::HashSet;
use std::net::IpAddr;

use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

use crate::der::{self, DerError, Limits};
use crate::encode::{Fields, SignedParts, VERSION_3};
use crate::key::{Fingerprint, KeyError, PublicKey};
use crate::name::printable;
use crate::serial::{Serial, SerialError};
use crate::time::UnixTime;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ViewError {
    #[error("the certificate is malformed: {0}")]
    Encoding(#[from] DerError),
    #[error("the certificate is malformed")]
    Structure,
    #[error("the certificate's public key: {0}")]
    Key(#[from] KeyError),
    #[error("the certificate's serial number: {0}")]
    Serial(#[from] SerialError),
}

/// The parsed parts of one certificate. Parsing checks no signature and no validity: see [`crate::chain`].
#[derive(Debug, Clone)]
pub struct CertificateView {
    pub der: Vec<u8>,
    pub serial: Serial,
    /// Names as DER, for exact comparison.
    pub issuer: Vec<u8>,
    pub subject: Vec<u8>,
    /// Names as text, for people.
    pub issuer_text: String,
    pub subject_text: String,
    pub common_name: Option<String>,
    pub organization: Option<String>,
    pub not_before: UnixTime,
    pub not_after: UnixTime,
    pub public_key: PublicKey,
    pub is_ca: bool,
    pub path_len: Option<u32>,
    pub subject_key_id: Option<Vec<u8>>,
    pub authority_key_id: Option<Vec<u8>>,
    pub key_cert_sign: bool,
    pub crl_sign: bool,
    pub server_auth: bool,
    pub client_auth: bool,
    pub dns_names: Vec<String>,
    pub uris: Vec<String>,
    pub addresses: Vec<IpAddr>,
    pub crl_urls: Vec<String>,
    /// DNS name constraints: the only DNS names that certificates below this one may carry. `None` for no limit.
    pub permitted_dns: Option<Vec<String>>,
    /// Dotted identifiers of critical extensions that nothing here understands; a path through them is refused.
    pub unknown_critical: Vec<String>,
}

impl CertificateView {
    pub fn parse(bytes: &[u8]) -> Result<CertificateView, ViewError> {
        der::check(bytes, Limits::CERTIFICATE)?;
        let (rest, cert) = X509Certificate::from_der(bytes).map_err(|_| ViewError::Structure)?;
        if !rest.is_empty() || !is_well_formed(bytes, &cert)? {
            return Err(ViewError::Structure);
        }
        let text = |values: Option<&str>| values.map(str::to_owned);
        let cn = cert.subject().iter_common_name().next().and_then(|a| a.as_str().ok());
        let organization = cert.subject().iter_organization().next().and_then(|a| a.as_str().ok());
        let mut view = CertificateView {
            der: bytes.to_vec(),
            serial: Serial::from_der_content(cert.raw_serial())?,
            issuer: cert.issuer().as_raw().to_vec(),
            subject: cert.subject().as_raw().to_vec(),
            issuer_text: printable(&cert.issuer().to_string(), TEXT_LIMIT),
            subject_text: printable(&cert.subject().to_string(), TEXT_LIMIT),
            common_name: text(cn),
            organization: text(organization),
            not_before: UnixTime(cert.validity().not_before.timestamp()),
            not_after: UnixTime(cert.validity().not_after.timestamp()),
            public_key: PublicKey::from_strict_spki(cert.public_key().raw)?,
            is_ca: false,
            path_len: None,
            subject_key_id: None,
            authority_key_id: None,
            key_cert_sign: false,
            crl_sign: false,
            server_auth: false,
            client_auth: false,
            dns_names: Vec::new(),
            uris: Vec::new(),
            addresses: Vec::new(),
            crl_urls: Vec::new(),
            permitted_dns: None,
            unknown_critical: Vec::new(),
        };
        for extension in cert.extensions() {
            let understood = view.read_extension(extension.parsed_extension());
            if extension.critical && !understood {
                view.unknown_critical.push(extension.oid.to_id_string());
            }
        }
        Ok(view)
    }

    /// SHA-256 of the whole certificate. For people and pinning only: an ECDSA signature can be changed without
    /// becoming invalid, so nothing is revoked or looked up by it.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.der)
    }

    pub fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    pub fn is_valid_at(&self, at: UnixTime) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    /// Whether `key` signed this certificate.
    pub fn verify(&self, key: &PublicKey) -> bool {
        SignedParts::split(&self.der).is_ok_and(|parts| parts.verify(key))
    }

    /// Whether the extension's whole meaning is in the fields afterwards, so that it may be critical.
    fn read_extension(&mut self, extension: &ParsedExtension<'_>) -> bool {
        match extension {
            ParsedExtension::BasicConstraints(bc) => {
                self.is_ca = bc.ca;
                self.path_len = bc.path_len_constraint;
            }
            ParsedExtension::KeyUsage(usage) => {
                self.key_cert_sign = usage.key_cert_sign();
                self.crl_sign = usage.crl_sign();
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.server_auth = usage.server_auth;
                self.client_auth = usage.client_auth;
            }
            ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key_id = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                self.authority_key_id = id.key_identifier.as_ref().map(|k| k.0.to_vec());
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                names.general_names.iter().for_each(|n| self.read_name(n));
            }
            ParsedExtension::NameConstraints(constraints) => return self.read_constraints(constraints),
            ParsedExtension::CRLDistributionPoints(points) => {
                let full_names = points.points.iter().filter_map(|point| match &point.distribution_point {
                    Some(DistributionPointName::FullName(names)) => Some(names),
                    _ => None,
                });
                self.crl_urls.extend(full_names.flatten().filter_map(uri));
                return false;
            }
            _ => return false,
        }
        true
    }

    /// Only what Signet writes is understood: permitted subtrees, all of them DNS names.
    fn read_constraints(&mut self, constraints: &x509_parser::extensions::NameConstraints<'_>) -> bool {
        let permitted = constraints.permitted_subtrees.iter().flatten();
        let dns: Option<Vec<String>> = permitted
            .map(|subtree| match &subtree.base {
                GeneralName::DNSName(dns) => Some((*dns).to_owned()),
                _ => None,
            })
            .collect();
        let understood = constraints.excluded_subtrees.is_none() && dns.as_ref().is_some_and(|d| !d.is_empty());
        self.permitted_dns = dns.filter(|_| understood);
        understood
    }

    fn read_name(&mut self, name: &GeneralName<'_>) {
        match name {
            GeneralName::DNSName(dns) => self.dns_names.push((*dns).to_owned()),
            GeneralName::URI(text) => self.uris.push((*text).to_owned()),
            GeneralName::IPAddress(octets) => self.addresses.extend(address(octets)),
            _ => {}
        }
    }
}

/// What the lenient parser behind this lets pass: a version other than 3 beside extensions, an algorithm inside that is
/// not the one outside (RFC 5280 4.1.1.2), times in another spelling (4.1.2.5), an extension twice (4.2) or garbled.
fn is_well_formed(bytes: &[u8], cert: &X509Certificate<'_>) -> Result<bool, DerError> {
    let parts = SignedParts::split(bytes)?;
    let fields = Fields::split(parts.tbs)?;
    let time = |at: i64| der::time(UnixTime(at));
    let validity = cert.validity();
    let times = der::sequence(&[&time(validity.not_before.timestamp()), &time(validity.not_after.timestamp())]);
    let mut seen = HashSet::new();
    let extensions = cert.extensions().iter().all(|extension| {
        let garbled = matches!(extension.parsed_extension(), ParsedExtension::ParseError { .. });
        seen.insert(extension.oid.as_bytes()) && !garbled
    });
    let version = fields.version == VERSION_3;
    Ok(version && extensions && parts.algorithm == fields.algorithm && fields.validity == times)
}

fn uri(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::URI(text) => Some((*text).to_owned()),
        _ => None,
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Some(IpAddr::from(four));
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

/// Characters of a name that are kept for people.
const TEXT_LIMIT: usize = 512;

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
