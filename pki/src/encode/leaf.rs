//! The to-be-signed bytes of a leaf, written in one go. Byte for byte what rcgen writes for the same plan: a property
//! test holds that, so there is one form of leaf, whoever encodes it.

use std::net::IpAddr;

use super::VERSION_3;
use crate::der::{self, Writer};
use crate::issue::{IssueError, Leaf, Subject};
use crate::key::SignatureScheme;
use crate::profile::{Profile, Revocation, Usage};

/// `scheme` is the issuing key's. Fails only when there is no place for the shard's list.
pub(crate) fn leaf_tbs(leaf: &Leaf<'_>, scheme: SignatureScheme) -> Result<Vec<u8>, IssueError> {
    let Leaf { issuer, locations, profile, subject, key, serial, validity: (from, to), shard } = *leaf;
    let in_shard = shard.map(|shard| locations.shard(shard)).transpose()?;
    let lists = match in_shard.as_deref() {
        _ if !profile.names_revocation() => &[],
        None => locations.crl.as_slice(),
        Some(lists) => lists,
    };
    let names: usize = subject.dns_names.iter().map(|dns| dns.as_str().len() + 2).sum();
    let mut out = Writer::with_capacity(USUAL_LENGTH + key.spki().len() + names + subject.addresses.len() * 18);
    out.nested(SEQUENCE, |tbs| {
        tbs.put(VERSION_3);
        tbs.integer(serial.as_bytes());
        tbs.put(scheme.der());
        tbs.put(issuer.subject());
        tbs.nested(SEQUENCE, |validity| {
            validity.time(from);
            validity.time(to);
        });
        tbs.nested(SEQUENCE, |name| {
            name.nested(SET, |rdn| {
                rdn.nested(SEQUENCE, |cn| {
                    cn.put(&[0x06, 0x03, 0x55, 0x04, 0x03]);
                    cn.element(UTF8_STRING, subject.id.as_str().as_bytes());
                });
            });
        });
        tbs.put(key.spki());
        tbs.nested(0xa3, |field| field.nested(SEQUENCE, |list| extensions(leaf, lists, list)));
    });
    Ok(out.finish())
}

/// In rcgen's order.
fn extensions(leaf: &Leaf<'_>, lists: &[String], list: &mut Writer) {
    let Leaf { issuer, locations, profile, subject, key, .. } = *leaf;
    extension(list, AUTHORITY_KEY_ID, |value| {
        value.nested(SEQUENCE, |id| id.element(0x80, issuer.key_identifier()));
    });
    extension(list, ALTERNATIVE_NAMES, |value| value.nested(SEQUENCE, |names| alternative_names(subject, names)));
    list.put(DIGITAL_SIGNATURE);
    if !profile.usages.is_empty() {
        extension(list, EXTENDED_KEY_USAGE, |value| value.nested(SEQUENCE, |list| purposes(profile, list)));
    }
    if !lists.is_empty() {
        extension(list, CRL_DISTRIBUTION, |value| {
            value.nested(SEQUENCE, |points| {
                points.nested(SEQUENCE, |point| {
                    point.nested(0xa0, |name| name.nested(0xa0, |full| uris(lists, full)));
                });
            });
        });
    }
    extension(list, SUBJECT_KEY_ID, |value| value.element(OCTET_STRING, &key.key_identifier()));
    list.put(END_ENTITY);
    let ocsp = if profile.names_revocation() { locations.ocsp.as_slice() } else { &[] };
    if !ocsp.is_empty() || !locations.ca_issuers.is_empty() {
        extension(list, AUTHORITY_INFORMATION, |value| {
            value.nested(SEQUENCE, |list| {
                ocsp.iter().for_each(|url| access(list, ACCESS_OCSP, url));
                locations.ca_issuers.iter().for_each(|url| access(list, ACCESS_CA_ISSUERS, url));
            });
        });
    }
    if profile.is_ocsp_responder() {
        extension(list, OCSP_NOCHECK, |value| value.put(&der::null()));
    }
    if profile.revocation == Revocation::Unavailable {
        extension(list, NO_REV_AVAIL, |value| value.put(&der::null()));
    }
}

/// `oid` is the whole element; not critical.
fn extension(list: &mut Writer, oid: &[u8], value: impl FnOnce(&mut Writer)) {
    list.nested(SEQUENCE, |extension| {
        extension.put(oid);
        extension.nested(OCTET_STRING, value);
    });
}

fn alternative_names(subject: &Subject, names: &mut Writer) {
    names.element(0x86, subject.spiffe_id().as_str().as_bytes());
    subject.dns_names.iter().for_each(|dns| names.element(0x82, dns.as_str().as_bytes()));
    subject.addresses.iter().for_each(|address| match address {
        IpAddr::V4(four) => names.element(0x87, &four.octets()),
        IpAddr::V6(sixteen) => names.element(0x87, &sixteen.octets()),
    });
}

fn purposes(profile: &Profile, list: &mut Writer) {
    for usage in &profile.usages {
        let last = match usage {
            Usage::ServerAuth => 1,
            Usage::ClientAuth => 2,
            Usage::OcspSigning => 9,
        };
        list.put(&[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, last]);
    }
}

fn uris(urls: &[String], names: &mut Writer) {
    urls.iter().for_each(|url| names.element(0x86, url.as_bytes()));
}

fn access(list: &mut Writer, method: u8, url: &str) {
    list.nested(SEQUENCE, |description| {
        description.put(&[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, method]);
        description.element(0x86, url.as_bytes());
    });
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0c;
/// Octets of everything but key and names, with places of usual length.
const USUAL_LENGTH: usize = 768;

const SUBJECT_KEY_ID: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x0e];
const ALTERNATIVE_NAMES: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];
const CRL_DISTRIBUTION: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x1f];
const AUTHORITY_KEY_ID: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x23];
const EXTENDED_KEY_USAGE: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x25];
const AUTHORITY_INFORMATION: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01];
/// RFC 6960 4.2.2.2.1.
const OCSP_NOCHECK: &[u8] = &[0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x05];
/// RFC 9608 2.
const NO_REV_AVAIL: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x38];
const ACCESS_OCSP: u8 = 1;
const ACCESS_CA_ISSUERS: u8 = 2;
/// Whole extensions that say the same in every leaf that has them. KeyUsage, critical: digitalSignature alone.
const DIGITAL_SIGNATURE: &[u8] =
    &[0x30, 0x0e, 0x06, 0x03, 0x55, 0x1d, 0x0f, 0x01, 0x01, 0xff, 0x04, 0x04, 0x03, 0x02, 0x07, 0x80];
/// BasicConstraints, critical: cA is FALSE, which is left out, and no path length.
const END_ENTITY: &[u8] = &[0x30, 0x0c, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x02, 0x30, 0x00];

#[cfg(test)]
#[path = "leaf_tests.rs"]
mod tests;
