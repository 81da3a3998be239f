//! A certificate as read, in owned fields, for everyone who needs to look at one.

use std::net::IpAddr;

use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

use crate::der::{self, DerError, Limits};
use crate::encode::SignedParts;
use crate::key::{Fingerprint, KeyError, PublicKey};
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
}

impl CertificateView {
    pub fn parse(bytes: &[u8]) -> Result<CertificateView, ViewError> {
        der::check(bytes, Limits::CERTIFICATE)?;
        let (rest, cert) = X509Certificate::from_der(bytes).map_err(|_| ViewError::Structure)?;
        if !rest.is_empty() {
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
            issuer_text: cert.issuer().to_string(),
            subject_text: cert.subject().to_string(),
            common_name: text(cn),
            organization: text(organization),
            not_before: UnixTime(cert.validity().not_before.timestamp()),
            not_after: UnixTime(cert.validity().not_after.timestamp()),
            public_key: PublicKey::from_spki(cert.public_key().raw)?,
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
        };
        for extension in cert.extensions() {
            view.read_extension(extension.parsed_extension());
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

    fn read_extension(&mut self, extension: &ParsedExtension<'_>) {
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
            ParsedExtension::CRLDistributionPoints(points) => {
                for point in &points.points {
                    if let Some(x509_parser::extensions::DistributionPointName::FullName(names)) =
                        &point.distribution_point
                    {
                        self.crl_urls.extend(names.iter().filter_map(uri));
                    }
                }
            }
            _ => {}
        }
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
