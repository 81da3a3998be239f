//! The extensions that a certificate of ours must carry, each read for what the plan says (RFC 5280 4.2).

use std::net::IpAddr;

use super::read::{Reader, only};
use crate::issue::Subject;
use crate::name::DnsName;
use crate::profile::Usage;

/// One extension that must be there, exactly so.
pub(super) enum Rule<'a> {
    /// The key identifier alone, without the issuer's name and serial.
    AuthorityKeyId(&'a [u8]),
    SubjectKeyId([u8; 20]),
    /// The BIT STRING's octets: how many bits are unused, and the bits.
    KeyUsage([u8; 2]),
    Purposes(&'a [Usage]),
    /// The record's names, in number, kind, order and octets.
    AlternativeNames(&'a Subject),
    /// Not a CA, and no path length.
    EndEntity,
    /// A CA; `None` for any path length below it.
    Authority {
        path_length: Option<u8>,
    },
    /// One distribution point with a full name of URIs: the full lists, or those of a shard.
    Lists(&'a [String], Option<u16>),
    /// OCSP in front of caIssuers.
    Access {
        ocsp: &'a [String],
        ca_issuers: &'a [String],
    },
    OcspNoCheck,
    NoRevAvail,
    /// Permitted DNS subtrees and no others (4.2.1.10).
    PermittedDns(&'a [DnsName]),
}

/// What is said about an extension whatever its value.
pub(super) struct Terms {
    pub(super) oid: &'static [u8],
    pub(super) critical: bool,
    /// The sentence when the rule is broken.
    pub(super) broken: &'static str,
}

impl Rule<'_> {
    pub(super) fn terms(&self) -> &'static Terms {
        match self {
            Rule::AuthorityKeyId(_) => &AUTHORITY_KEY_ID,
            Rule::SubjectKeyId(_) => &SUBJECT_KEY_ID,
            Rule::KeyUsage(_) => &KEY_USAGE,
            Rule::Purposes(_) => &EXTENDED_KEY_USAGE,
            Rule::AlternativeNames(_) => &ALTERNATIVE_NAMES,
            Rule::EndEntity | Rule::Authority { .. } => &BASIC_CONSTRAINTS,
            Rule::Lists(..) => &CRL_DISTRIBUTION,
            Rule::Access { .. } => &AUTHORITY_INFORMATION,
            Rule::OcspNoCheck => &OCSP_NOCHECK,
            Rule::NoRevAvail => &NO_REV_AVAIL,
            Rule::PermittedDns(_) => &NAME_CONSTRAINTS,
        }
    }

    /// `value`: what is inside the OCTET STRING.
    pub(super) fn holds(&self, value: &[u8]) -> bool {
        match self {
            Rule::AuthorityKeyId(id) => only(value, 0x30).and_then(|aki| only(aki, 0x80)) == Some(id),
            Rule::SubjectKeyId(id) => only(value, 0x04) == Some(id),
            Rule::KeyUsage(bits) => only(value, 0x03) == Some(bits),
            Rule::Purposes(usages) => are_purposes(value, usages),
            Rule::AlternativeNames(subject) => are_names_of(value, subject),
            Rule::EndEntity => only(value, 0x30) == Some(&[]),
            Rule::Authority { path_length } => is_authority(value, *path_length),
            Rule::Lists(urls, shard) => are_lists(value, urls, *shard),
            Rule::Access { ocsp, ca_issuers } => is_access(value, ocsp, ca_issuers),
            Rule::OcspNoCheck | Rule::NoRevAvail => only(value, 0x05) == Some(&[]),
            Rule::PermittedDns(permitted) => are_permitted(value, permitted),
        }
    }
}

fn are_purposes(value: &[u8], usages: &[Usage]) -> bool {
    let mut found = Reader(only(value, 0x30).unwrap_or_default());
    let all = usages.iter().all(|usage| {
        // id-kp-serverAuth, id-kp-clientAuth and id-kp-OCSPSigning.
        let oid = match usage {
            Usage::ServerAuth => &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01],
            Usage::ClientAuth => &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02],
            Usage::OcspSigning => &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09],
        };
        found.next(0x06) == Some(oid)
    });
    all && found.is_done() && !usages.is_empty()
}

/// `[6]` URI, `[2]` dNSName, `[7]` iPAddress.
fn are_names_of(value: &[u8], subject: &Subject) -> bool {
    let mut names = Reader(only(value, 0x30).unwrap_or_default());
    names.next(0x86).is_some_and(|uri| is_spiffe_id(uri, subject))
        && subject.dns_names.iter().all(|dns| names.next(0x82) == Some(dns.as_str().as_bytes()))
        && subject.addresses.iter().all(|address| match address {
            IpAddr::V4(four) => names.next(0x87) == Some(&four.octets()),
            IpAddr::V6(sixteen) => names.next(0x87) == Some(&sixteen.octets()),
        })
        && names.is_done()
}

/// `spiffe://<trust domain>/<kind>/<id>`.
fn is_spiffe_id(uri: &[u8], subject: &Subject) -> bool {
    let parts = ["spiffe://", subject.domain.as_str(), "/", subject.kind.as_str(), "/", subject.id.as_str()];
    let rest = parts.iter().try_fold(uri, |rest, part| rest.strip_prefix(part.as_bytes()));
    rest == Some(&[])
}

fn is_authority(value: &[u8], path_length: Option<u8>) -> bool {
    let mut fields = Reader(only(value, 0x30).unwrap_or_default());
    let ca = fields.next(0x01) == Some(&[0xff]);
    ca && path_length.is_none_or(|length| fields.next(0x02) == Some(&[length])) && fields.is_done()
}

fn are_lists(value: &[u8], urls: &[String], shard: Option<u16>) -> bool {
    let point = only(value, 0x30).and_then(|points| only(points, 0x30));
    let names = point.and_then(|point| only(point, 0xa0)).and_then(|name| only(name, 0xa0));
    let mut names = Reader(names.unwrap_or_default());
    urls.iter().all(|url| names.next(0x86).is_some_and(|found| is_list(found, url, shard))) && names.is_done()
}

/// The list of shard 7 of `…/x.crl` is `…/x/7.crl`.
fn is_list(found: &[u8], full: &str, shard: Option<u16>) -> bool {
    let Some(shard) = shard else { return is_place(found, full) };
    let mut parts = found.rsplitn(2, |octet| *octet == b'/');
    let (Some(file), Some(folder)) = (parts.next(), parts.next()) else { return false };
    let number = file.strip_suffix(b".crl").and_then(decimal);
    number == Some(shard) && full.strip_suffix(".crl").is_some_and(|stem| is_place(folder, stem))
}

/// Digits without sign or superfluous zero.
fn decimal(digits: &[u8]) -> Option<u16> {
    let canonical = matches!(digits, [b'0'] | [b'1'..=b'9', ..]);
    let value = |n: u16, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    };
    digits.iter().try_fold(0, value).filter(|_| canonical)
}

/// A URI is an IA5String (4.2.1.6); of those characters, neither blanks nor controls belong in one.
fn is_place(found: &[u8], url: &str) -> bool {
    found == url.as_bytes() && !found.is_empty() && found.iter().all(u8::is_ascii_graphic)
}

fn is_access(value: &[u8], ocsp: &[String], ca_issuers: &[String]) -> bool {
    let mut list = Reader(only(value, 0x30).unwrap_or_default());
    let mut is_next = |method: u8, url: &String| {
        let mut description = Reader(list.next(0x30).unwrap_or_default());
        description.next(0x06) == Some(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, method])
            && description.next(0x86).is_some_and(|found| is_place(found, url))
            && description.is_done()
    };
    ocsp.iter().all(|url| is_next(1, url)) && ca_issuers.iter().all(|url| is_next(2, url)) && list.is_done()
}

fn are_permitted(value: &[u8], permitted: &[DnsName]) -> bool {
    let mut subtrees = Reader(only(value, 0x30).and_then(|both| only(both, 0xa0)).unwrap_or_default());
    let mut is_next = |dns: &DnsName| {
        let subtree = subtrees.next(0x30).and_then(|subtree| only(subtree, 0x82));
        subtree == Some(dns.as_str().as_bytes())
    };
    permitted.iter().all(&mut is_next) && subtrees.is_done() && !permitted.is_empty()
}

const SUBJECT_KEY_ID: Terms =
    Terms { oid: &[0x55, 0x1d, 0x0e], critical: false, broken: "the subject key identifier is wrong" };
const KEY_USAGE: Terms =
    Terms { oid: &[0x55, 0x1d, 0x0f], critical: true, broken: "the key usage is not the planned one" };
const ALTERNATIVE_NAMES: Terms =
    Terms { oid: &[0x55, 0x1d, 0x11], critical: false, broken: "the alternative names are not the principal's" };
const BASIC_CONSTRAINTS: Terms =
    Terms { oid: &[0x55, 0x1d, 0x13], critical: true, broken: "the basic constraints are not the planned ones" };
const NAME_CONSTRAINTS: Terms =
    Terms { oid: &[0x55, 0x1d, 0x1e], critical: true, broken: "the name constraints are not the planned ones" };
const CRL_DISTRIBUTION: Terms =
    Terms { oid: &[0x55, 0x1d, 0x1f], critical: false, broken: "the CRL location is not the configured one" };
const AUTHORITY_KEY_ID: Terms =
    Terms { oid: &[0x55, 0x1d, 0x23], critical: false, broken: "the authority key identifier is wrong" };
const EXTENDED_KEY_USAGE: Terms =
    Terms { oid: &[0x55, 0x1d, 0x25], critical: false, broken: "extended key usage is not the profile's" };
const NO_REV_AVAIL: Terms = Terms {
    oid: &[0x55, 0x1d, 0x38],
    critical: false,
    broken: "the certificate does not say that its revocation is not available",
};
const AUTHORITY_INFORMATION: Terms = Terms {
    oid: &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01],
    critical: false,
    broken: "the authority information is not the configured one",
};
const OCSP_NOCHECK: Terms = Terms {
    oid: &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x05],
    critical: false,
    broken: "a responder is not excused from revocation",
};
