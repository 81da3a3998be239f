//! The extensions and names that a certificate of ours must carry, written out from the plan (RFC 5280 4.2).

use std::net::IpAddr;

use super::{LintError, Wanted, require};
use crate::der;
use crate::issue::Subject;
use crate::key::PublicKey;
use crate::name::DnsName;
use crate::profile::Usage;

/// `[O=…,] CN=…`, one attribute in each RDN, UTF8String.
pub(super) fn name(organization: Option<&str>, common_name: &str) -> Vec<u8> {
    let rdn = |oid: &[u8], text: &str| {
        der::tlv(0x31, &der::sequence(&[&der::oid(oid), &der::tlv(UTF8_STRING, text.as_bytes())]))
    };
    let organization = organization.map(|text| rdn(ORGANIZATION, text)).unwrap_or_default();
    der::sequence(&[&organization, &rdn(COMMON_NAME, common_name)])
}

pub(super) fn basic_constraints(content: &[&[u8]]) -> Wanted {
    let broken = "the basic constraints are not the planned ones";
    Wanted { oid: BASIC_CONSTRAINTS, critical: true, value: der::sequence(content), broken }
}

/// `bits` is the whole BIT STRING.
pub(super) fn key_usage(bits: [u8; 4]) -> Wanted {
    Wanted { oid: KEY_USAGE, critical: true, value: bits.to_vec(), broken: "the key usage is not the planned one" }
}

pub(super) fn extended_key_usage(usages: &[Usage]) -> Wanted {
    // id-kp-serverAuth, id-kp-clientAuth and id-kp-OCSPSigning.
    let purpose = |usage: &Usage| match usage {
        Usage::ServerAuth => der::oid(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01]),
        Usage::ClientAuth => der::oid(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02]),
        Usage::OcspSigning => der::oid(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09]),
    };
    let value = list(usages.iter().map(purpose));
    Wanted { oid: EXTENDED_KEY_USAGE, critical: false, value, broken: "extended key usage is not the profile's" }
}

/// The record's names, in number, kind, order and bytes: `[6]` URI, `[2]` dNSName, `[7]` iPAddress.
pub(super) fn alternative_names(subject: &Subject) -> Wanted {
    let mut names = vec![der::context_primitive(6, subject.spiffe_id().as_str().as_bytes())];
    names.extend(subject.dns_names.iter().map(|dns| der::context_primitive(2, dns.as_str().as_bytes())));
    names.extend(subject.addresses.iter().map(|address| match address {
        IpAddr::V4(four) => der::context_primitive(7, &four.octets()),
        IpAddr::V6(sixteen) => der::context_primitive(7, &sixteen.octets()),
    }));
    let broken = "the alternative names are not the principal's";
    Wanted { oid: ALTERNATIVE_NAMES, critical: false, value: list(names.into_iter()), broken }
}

pub(super) fn subject_key_identifier(key: &PublicKey) -> Wanted {
    let value = der::octet_string(&key.key_identifier());
    Wanted { oid: SUBJECT_KEY_ID, critical: false, value, broken: "the subject key identifier is wrong" }
}

/// The key identifier alone, without the issuer's name and serial.
pub(super) fn authority_key_identifier(issuer_key_id: &[u8]) -> Wanted {
    let value = der::sequence(&[&der::context_primitive(0, issuer_key_id)]);
    Wanted { oid: AUTHORITY_KEY_ID, critical: false, value, broken: "the authority key identifier is wrong" }
}

/// One distribution point with a full name of URIs; none when nothing is configured. A shard's list lies in a folder
/// named as the full list.
pub(super) fn crl_distribution(lists: &[String], shard: Option<u16>) -> Result<Option<Wanted>, LintError> {
    let fit = lists.iter().all(|url| url.ends_with(".crl")) && !lists.is_empty();
    require(shard.is_none() || fit, "a shard needs the place of a full list")?;
    let place = |url: &String| match shard {
        None => url.clone(),
        Some(shard) => format!("{}/{shard}.crl", &url[..url.len() - 4]),
    };
    let uris: Vec<u8> = lists.iter().flat_map(|url| der::context_primitive(6, place(url).as_bytes())).collect();
    let full_name = der::context(0, &der::context(0, &uris));
    let value = der::sequence(&[&der::sequence(&[&full_name])]);
    let broken = "the CRL location is not the configured one";
    Ok((!uris.is_empty()).then_some(Wanted { oid: CRL_DISTRIBUTION, critical: false, value, broken }))
}

/// OCSP in front of caIssuers; none when nothing is configured.
pub(super) fn authority_information(ocsp: &[String], ca_issuers: &[String]) -> Option<Wanted> {
    let at = |method: u8, url: &String| {
        let id = der::oid(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, method]);
        der::sequence(&[&id, &der::context_primitive(6, url.as_bytes())])
    };
    let value = list(ocsp.iter().map(|url| at(1, url)).chain(ca_issuers.iter().map(|url| at(2, url))));
    let broken = "the authority information is not the configured one";
    let configured = !(ocsp.is_empty() && ca_issuers.is_empty());
    configured.then_some(Wanted { oid: AUTHORITY_INFORMATION, critical: false, value, broken })
}

pub(super) fn ocsp_nocheck() -> Wanted {
    Wanted {
        oid: OCSP_NOCHECK,
        critical: false,
        value: der::null(),
        broken: "a responder is not excused from revocation",
    }
}

pub(super) fn no_rev_avail() -> Wanted {
    Wanted {
        oid: NO_REV_AVAIL,
        critical: false,
        value: der::null(),
        broken: "the certificate does not say that its revocation is not available",
    }
}

/// Permitted DNS subtrees and no others (RFC 5280 4.2.1.10).
pub(super) fn name_constraints(permitted: &[DnsName]) -> Option<Wanted> {
    let subtree = |dns: &DnsName| der::sequence(&[&der::context_primitive(2, dns.as_str().as_bytes())]);
    let subtrees: Vec<u8> = permitted.iter().flat_map(subtree).collect();
    let value = der::sequence(&[&der::context(0, &subtrees)]);
    let broken = "the name constraints are not the planned ones";
    (!permitted.is_empty()).then_some(Wanted { oid: NAME_CONSTRAINTS, critical: true, value, broken })
}

fn list(elements: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    der::tlv(0x30, &elements.flatten().collect::<Vec<u8>>())
}

const UTF8_STRING: u8 = 0x0c;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];
const CRL_DISTRIBUTION: &[u8] = &[0x55, 0x1d, 0x1f];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const AUTHORITY_INFORMATION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01];
pub(super) const OCSP_NOCHECK: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x05];
pub(super) const NO_REV_AVAIL: &[u8] = &[0x55, 0x1d, 0x38];
