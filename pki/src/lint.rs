//! Reads to-be-signed bytes back and compares them with what they should say. Written apart from the encoder on
//! purpose: a mistake must happen twice to reach a key.

use thiserror::Error;
use x509_parser::certificate::TbsCertificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

use crate::ca::{CaExpectation, IssuerCert};
use crate::der::{self, Limits};
use crate::issue::{Locations, Subject};
use crate::key::PublicKey;
use crate::profile::{BACKDATE, Profile, Usage};
use crate::serial::Serial;
use crate::signer;
use crate::time::UnixTime;

/// The rule that was broken, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct LintError(pub String);

pub(crate) struct LeafExpectation<'a> {
    pub(crate) issuer: &'a IssuerCert,
    pub(crate) locations: &'a Locations,
    pub(crate) profile: &'a Profile,
    pub(crate) subject: &'a Subject,
    pub(crate) key: &'a PublicKey,
    pub(crate) serial: &'a Serial,
    pub(crate) validity: (UnixTime, UnixTime),
}

pub(crate) fn leaf(bytes: &[u8], expected: &LeafExpectation<'_>) -> Result<(), LintError> {
    let tbs = parse(bytes)?;
    common(&tbs, expected.key, expected.serial, expected.validity)?;
    require(tbs.issuer.as_raw() == expected.issuer.subject(), "the issuer name is not the issuer's subject")?;
    let scheme = signer::scheme(expected.issuer.public_key()).map_err(|e| LintError(e.to_string()))?;
    require(identifier(&tbs) == scheme.identifier(), "the signature algorithm is not the issuer's")?;
    subject_is_only_a_common_name(&tbs, expected.subject.id.as_str())?;
    let (from, to) = expected.validity;
    require(to <= expected.issuer.not_after(), "the certificate outlives its issuer")?;
    require(to.since(from) <= expected.profile.max_lifetime + BACKDATE, "the certificate outlives its profile")?;
    let mut seen = Seen::default();
    for extension in tbs.extensions() {
        let content = extension.value;
        match (extension.parsed_extension(), extension.critical) {
            (ParsedExtension::BasicConstraints(bc), true) => {
                require(!bc.ca && bc.path_len_constraint.is_none(), "a leaf must not be a CA")?;
                seen.note(Bit::Basic)?;
            }
            (ParsedExtension::KeyUsage(_), true) => {
                // BIT STRING, seven unused bits, digitalSignature alone.
                require(content == [0x03, 0x02, 0x07, 0x80], "key usage is not digitalSignature alone")?;
                seen.note(Bit::KeyUsage)?;
            }
            (ParsedExtension::ExtendedKeyUsage(_), false) => {
                require(content == usages(&expected.profile.usages), "extended key usage is not the profile's")?;
                seen.note(Bit::Extended)?;
            }
            (ParsedExtension::SubjectAlternativeName(names), false) => {
                alternative_names(&names.general_names, expected.subject)?;
                seen.note(Bit::Names)?;
            }
            (ParsedExtension::SubjectKeyIdentifier(id), false) => {
                require(id.0 == expected.key.key_identifier(), "the subject key identifier is wrong")?;
                seen.note(Bit::Subject)?;
            }
            (ParsedExtension::AuthorityKeyIdentifier(id), false) => {
                let found = id.key_identifier.as_ref().map(|k| k.0);
                require(found == Some(expected.issuer.key_identifier()), "the authority key identifier is wrong")?;
                require(id.authority_cert_serial.is_none(), "the authority key identifier says too much")?;
                seen.note(Bit::Authority)?;
            }
            (ParsedExtension::CRLDistributionPoints(points), false) => {
                let urls = crate::lint::crl_urls(points);
                require(urls == expected.locations.crl, "the CRL location is not the configured one")?;
                seen.note(Bit::Crl)?;
            }
            (ParsedExtension::AuthorityInfoAccess(access), false) => {
                require(info_access(access) == configured_access(expected.locations), "AIA is not as configured")?;
                seen.note(Bit::Access)?;
            }
            _ => return Err(LintError(format!("extension {} has no business here", extension.oid))),
        }
    }
    let mut wanted = vec![Bit::Basic, Bit::KeyUsage, Bit::Extended, Bit::Names, Bit::Subject, Bit::Authority];
    wanted.extend((!expected.locations.crl.is_empty()).then_some(Bit::Crl));
    let access = !expected.locations.ca_issuers.is_empty() || !expected.locations.ocsp.is_empty();
    wanted.extend(access.then_some(Bit::Access));
    seen.are_exactly(&wanted)
}

/// Root and issuer certificates.
pub(crate) fn ca(bytes: &[u8], expected: &CaExpectation<'_>) -> Result<(), LintError> {
    let tbs = parse(bytes)?;
    common(&tbs, expected.key, expected.serial, expected.validity)?;
    require(tbs.issuer.as_raw() == expected.issuer_name, "the issuer name is not the signing CA's subject")?;
    let scheme = signer::scheme(expected.signing_key).map_err(|e| LintError(e.to_string()))?;
    require(identifier(&tbs) == scheme.identifier(), "the signature algorithm is not the signing CA's")?;
    let mut seen = Seen::default();
    for extension in tbs.extensions() {
        match (extension.parsed_extension(), extension.critical) {
            (ParsedExtension::BasicConstraints(bc), true) => {
                require(bc.ca && bc.path_len_constraint == expected.path_len, "the path length is wrong")?;
                seen.note(Bit::Basic)?;
            }
            (ParsedExtension::KeyUsage(_), true) => {
                // keyCertSign (5) and cRLSign (6): 0000 0110.
                require(extension.value == [0x03, 0x02, 0x01, 0x06], "key usage is not keyCertSign and cRLSign")?;
                seen.note(Bit::KeyUsage)?;
            }
            (ParsedExtension::SubjectKeyIdentifier(id), false) => {
                require(id.0 == expected.key.key_identifier(), "the subject key identifier is wrong")?;
                seen.note(Bit::Subject)?;
            }
            (ParsedExtension::AuthorityKeyIdentifier(id), false) => {
                let found = id.key_identifier.as_ref().map(|k| k.0);
                require(found == Some(expected.signing_key_id), "the authority key identifier is wrong")?;
                seen.note(Bit::Authority)?;
            }
            (ParsedExtension::CRLDistributionPoints(points), false) => {
                require(crl_urls(points) == expected.locations.crl, "the CRL location is wrong")?;
                seen.note(Bit::Crl)?;
            }
            (ParsedExtension::AuthorityInfoAccess(access), false) => {
                require(info_access(access) == configured_access(expected.locations), "AIA is wrong")?;
                seen.note(Bit::Access)?;
            }
            (ParsedExtension::NameConstraints(constraints), true) if !expected.permitted_dns.is_empty() => {
                let permitted = constraints.permitted_subtrees.iter().flatten();
                let found: Vec<_> = permitted.map(|s| s.base.clone()).collect();
                let wanted: Vec<_> = expected.permitted_dns.iter().map(|d| GeneralName::DNSName(d.as_str())).collect();
                require(found == wanted && constraints.excluded_subtrees.is_none(), "name constraints are wrong")?;
                seen.note(Bit::Constraints)?;
            }
            _ => return Err(LintError(format!("extension {} has no business here", extension.oid))),
        }
    }
    let mut wanted = vec![Bit::Basic, Bit::KeyUsage, Bit::Subject, Bit::Authority];
    wanted.extend((!expected.locations.crl.is_empty()).then_some(Bit::Crl));
    wanted.extend((!expected.locations.ca_issuers.is_empty()).then_some(Bit::Access));
    wanted.extend((!expected.permitted_dns.is_empty()).then_some(Bit::Constraints));
    seen.are_exactly(&wanted)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bit {
    Basic,
    KeyUsage,
    Extended,
    Names,
    Subject,
    Authority,
    Crl,
    Access,
    Constraints,
}

#[derive(Default)]
struct Seen(Vec<Bit>);

impl Seen {
    fn note(&mut self, bit: Bit) -> Result<(), LintError> {
        require(!self.0.contains(&bit), "an extension is there twice")?;
        self.0.push(bit);
        Ok(())
    }

    fn are_exactly(&self, wanted: &[Bit]) -> Result<(), LintError> {
        require(self.0.len() == wanted.len() && wanted.iter().all(|b| self.0.contains(b)), "an extension is missing")
    }
}

fn require(holds: bool, sentence: &str) -> Result<(), LintError> {
    if holds { Ok(()) } else { Err(LintError(sentence.to_owned())) }
}

fn parse(bytes: &[u8]) -> Result<TbsCertificate<'_>, LintError> {
    der::check(bytes, Limits::CERTIFICATE).map_err(|e| LintError(e.to_string()))?;
    match TbsCertificate::from_der(bytes) {
        Ok(([], tbs)) => Ok(tbs),
        _ => Err(LintError("the bytes are not a certificate".into())),
    }
}

fn common(
    tbs: &TbsCertificate<'_>,
    key: &PublicKey,
    serial: &Serial,
    (from, to): (UnixTime, UnixTime),
) -> Result<(), LintError> {
    require(tbs.version().0 == 2, "the version is not 3")?;
    let found = Serial::from_der_content(tbs.raw_serial()).map_err(|e| LintError(e.to_string()))?;
    require(&found == serial && tbs.raw_serial().len() <= 20, "the serial number is not the planned one")?;
    require(found.as_bytes().len() >= 16, "the serial number is too short to be random")?;
    require(tbs.subject_pki.raw == key.spki(), "the public key is not the one that was checked")?;
    let validity = tbs.validity();
    let times = (validity.not_before.timestamp(), validity.not_after.timestamp());
    require(times == (from.0, to.0) && from < to, "the validity is not the planned one")?;
    require(tbs.issuer_uid.is_none() && tbs.subject_uid.is_none(), "unique identifiers are not used")
}

fn identifier(tbs: &TbsCertificate<'_>) -> Vec<u8> {
    let oid = der::oid(tbs.signature.algorithm.as_bytes());
    match tbs.signature.parameters {
        None => der::sequence(&[&oid]),
        Some(_) => der::sequence(&[&oid, &der::null()]),
    }
}

fn subject_is_only_a_common_name(tbs: &TbsCertificate<'_>, id: &str) -> Result<(), LintError> {
    let attributes: Vec<_> = tbs.subject.iter_attributes().collect();
    let names: Vec<_> = tbs.subject.iter_common_name().filter_map(|a| a.as_str().ok()).collect();
    require(attributes.len() == 1 && names == [id], "the subject is not the principal's id")
}

/// Names must equal the record's, in number, kind, order and bytes.
fn alternative_names(found: &[GeneralName<'_>], subject: &Subject) -> Result<(), LintError> {
    let spiffe = subject.spiffe_id();
    let mut wanted = vec![(6, spiffe.as_str().as_bytes().to_vec())];
    wanted.extend(subject.dns_names.iter().map(|d| (2, d.as_str().as_bytes().to_vec())));
    wanted.extend(subject.addresses.iter().map(|a| match a {
        std::net::IpAddr::V4(a) => (7, a.octets().to_vec()),
        std::net::IpAddr::V6(a) => (7, a.octets().to_vec()),
    }));
    let found: Vec<(u8, Vec<u8>)> = found
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(dns) => (2, dns.as_bytes().to_vec()),
            GeneralName::URI(uri) => (6, uri.as_bytes().to_vec()),
            GeneralName::IPAddress(octets) => (7, octets.to_vec()),
            _ => (255, Vec::new()),
        })
        .collect();
    require(found == wanted, "the alternative names are not the principal's")
}

fn usages(wanted: &[Usage]) -> Vec<u8> {
    let oids: Vec<Vec<u8>> = wanted
        .iter()
        .map(|usage| {
            let last = match usage {
                Usage::ServerAuth => 1,
                Usage::ClientAuth => 2,
            };
            der::oid(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, last])
        })
        .collect();
    let refs: Vec<&[u8]> = oids.iter().map(Vec::as_slice).collect();
    der::sequence(&refs)
}

fn crl_urls(points: &x509_parser::extensions::CRLDistributionPoints<'_>) -> Vec<String> {
    use x509_parser::extensions::DistributionPointName::FullName;
    let names = points.points.iter().filter_map(|p| match (&p.distribution_point, &p.reasons, &p.crl_issuer) {
        (Some(FullName(names)), None, None) => Some(names),
        _ => None,
    });
    names
        .flatten()
        .map(|name| match name {
            GeneralName::URI(uri) => (*uri).to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

fn info_access(access: &x509_parser::extensions::AuthorityInfoAccess<'_>) -> Vec<(String, String)> {
    access
        .accessdescs
        .iter()
        .map(|d| {
            let location = match &d.access_location {
                GeneralName::URI(uri) => (*uri).to_owned(),
                other => format!("{other:?}"),
            };
            (d.access_method.to_id_string(), location)
        })
        .collect()
}

fn configured_access(locations: &Locations) -> Vec<(String, String)> {
    let of = |method: &'static str, urls: &[String]| -> Vec<(String, String)> {
        urls.iter().map(|url| (method.to_owned(), url.clone())).collect()
    };
    let mut all = of("1.3.6.1.5.5.7.48.1", &locations.ocsp);
    all.extend(of("1.3.6.1.5.5.7.48.2", &locations.ca_issuers));
    all
}
