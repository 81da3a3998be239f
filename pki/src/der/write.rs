//! A DER writer for the structures whose encoding must be ours: CRLs, extension bodies, the outer `SEQUENCE` of what we sign.

use crate::time::UnixTime;

pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 6);
    header(tag, content.len(), &mut out);
    out.extend_from_slice(content);
    out
}

/// Tag and minimal length octets (X.690 10.1).
pub(crate) fn header(tag: u8, length: usize, out: &mut Vec<u8>) {
    out.push(tag);
    if length < 0x80 {
        out.push(length as u8);
        return;
    }
    let bytes = length.to_be_bytes();
    let skip = bytes.iter().take_while(|b| **b == 0).count();
    out.push(0x80 | (bytes.len() - skip) as u8);
    out.extend_from_slice(&bytes[skip..]);
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    let length = parts.iter().map(|p| p.len()).sum();
    let mut out = Vec::with_capacity(length + 6);
    header(0x30, length, &mut out);
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// A non-negative INTEGER from big-endian bytes, minimal.
pub(crate) fn integer(magnitude: &[u8]) -> Vec<u8> {
    let skip = magnitude.iter().take_while(|b| **b == 0).count();
    let rest = &magnitude[skip..];
    if rest.first().is_none_or(|b| b & 0x80 != 0) {
        let mut padded = vec![0];
        padded.extend_from_slice(rest);
        return tlv(0x02, &padded);
    }
    tlv(0x02, rest)
}

pub(crate) fn octet_string(content: &[u8]) -> Vec<u8> {
    tlv(0x04, content)
}

pub(crate) fn bit_string(content: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(content.len() + 1);
    body.push(0);
    body.extend_from_slice(content);
    tlv(0x03, &body)
}

pub(crate) fn null() -> Vec<u8> {
    vec![0x05, 0x00]
}

/// An OBJECT IDENTIFIER from its encoded content octets.
pub(crate) fn oid(content: &[u8]) -> Vec<u8> {
    tlv(0x06, content)
}

/// `[n]` constructed.
pub(crate) fn context(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, content)
}

/// `[n]` primitive (implicitly tagged strings).
pub(crate) fn context_primitive(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0x80 | number, content)
}

/// RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050.
pub(crate) fn time(at: UnixTime) -> Vec<u8> {
    let t = at.civil();
    let tail = format!("{:02}{:02}{:02}{:02}{:02}Z", t.month, t.day, t.hour, t.minute, t.second);
    if (1950..2050).contains(&t.year) {
        tlv(0x17, format!("{:02}{tail}", t.year % 100).as_bytes())
    } else {
        tlv(0x18, format!("{:04}{tail}", t.year).as_bytes())
    }
}

/// GeneralizedTime whatever the year: what OCSP writes (RFC 6960 4.2.1).
pub(crate) fn generalized_time(at: UnixTime) -> Vec<u8> {
    let t = at.civil();
    let text = format!("{:04}{:02}{:02}{:02}{:02}{:02}Z", t.year, t.month, t.day, t.hour, t.minute, t.second);
    tlv(0x18, text.as_bytes())
}
