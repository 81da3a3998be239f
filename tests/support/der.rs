//! A DER writer that refuses nothing: tests write with it what no library would.

pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    if content.len() < 0x80 {
        out.push(content.len() as u8);
    } else {
        let length: Vec<u8> = content.len().to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
        out.push(0x80 | length.len() as u8);
        out.extend(length);
    }
    out.extend_from_slice(content);
    out
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub(crate) fn set(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x31, &parts.concat())
}

pub(crate) fn oid(content: &[u8]) -> Vec<u8> {
    tlv(0x06, content)
}

pub(crate) fn octets(content: &[u8]) -> Vec<u8> {
    tlv(0x04, content)
}

pub(crate) fn bits(content: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], content].concat())
}

/// An RDN with one attribute.
pub(crate) fn rdn(kind: &[u8], string_tag: u8, value: &[u8]) -> Vec<u8> {
    set(&[&sequence(&[&oid(kind), &tlv(string_tag, value)])])
}

pub(crate) fn extension(kind: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let flag: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    sequence(&[&oid(kind), flag, &octets(value)])
}

/// An `extensionRequest` attribute (RFC 2985 5.4.2).
pub(crate) fn extension_request(extensions: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[&oid(EXTENSION_REQUEST), &set(&[&tlv(0x30, &extensions.concat())])])
}

/// `CertificationRequestInfo` (RFC 2986 4.1).
pub(crate) fn info(subject: &[u8], spki: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[&[0x02, 0x01, 0x00], subject, spki, &tlv(0xa0, &attributes.concat())])
}

/// A whole request around `info`.
pub(crate) fn request(info: &[u8], algorithm: &[u8], signature: &[u8]) -> Vec<u8> {
    sequence(&[info, &sequence(&[&oid(algorithm)]), &bits(signature)])
}

/// A request of a P-256 key with these names and attributes, properly signed.
pub(crate) fn signed(key: &super::TestKey, subject: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let info = info(subject, &key.spki(), attributes);
    request(&info, ECDSA_SHA256, &key.sign(&info))
}

/// Tag, content and what follows.
pub(crate) fn read(bytes: &[u8]) -> (u8, &[u8], &[u8]) {
    let (tag, first) = (bytes[0], usize::from(bytes[1]));
    let (length, at) = if first < 0x80 {
        (first, 2)
    } else {
        let count = first & 0x7f;
        (bytes[2..2 + count].iter().fold(0, |n, b| n << 8 | usize::from(*b)), 2 + count)
    };
    (tag, &bytes[at..at + length], &bytes[at + length..])
}

pub(crate) const EXTENSION_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e];
pub(crate) const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
pub(crate) const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
pub(crate) const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
pub(crate) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
pub(crate) const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
pub(crate) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];
pub(crate) const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
pub(crate) const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];
/// 1.3.6.1.4.1.99999.1: nobody's.
pub(crate) const UNKNOWN: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8d, 0x1f, 0x01];
