//! A DER writer for the structures whose encoding must be ours: leaves, CRLs, the outer `SEQUENCE` of what we sign.

use crate::time::UnixTime;

/// Elements one after the other in one buffer. The length of an element is written when its content is complete.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn with_capacity(octets: usize) -> Writer {
        Writer(Vec::with_capacity(octets))
    }

    /// Octets that are DER already, or the content of a primitive element.
    pub(crate) fn put(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    pub(crate) fn element(&mut self, tag: u8, content: &[u8]) {
        header(tag, content.len(), &mut self.0);
        self.put(content);
    }

    /// An element whose content `write` appends.
    pub(crate) fn nested(&mut self, tag: u8, write: impl FnOnce(&mut Writer)) {
        self.0.push(tag);
        let start = self.0.len();
        // Room for a length below 128; the content moves when it grew longer.
        self.0.push(0);
        write(self);
        let length = self.0.len() - start - 1;
        if length < 0x80 {
            self.0[start] = length as u8;
            return;
        }
        let octets = length.to_be_bytes();
        let skip = octets.iter().take_while(|b| **b == 0).count();
        let octets = &octets[skip..];
        self.0[start] = 0x80 | octets.len() as u8;
        let end = self.0.len();
        self.0.resize(end + octets.len(), 0);
        self.0.copy_within(start + 1..end, start + 1 + octets.len());
        self.0[start + 1..start + 1 + octets.len()].copy_from_slice(octets);
    }

    /// A non-negative INTEGER from big-endian bytes, minimal.
    pub(crate) fn integer(&mut self, magnitude: &[u8]) {
        let skip = magnitude.iter().take_while(|b| **b == 0).count();
        let rest = &magnitude[skip..];
        let pad = rest.first().is_none_or(|b| b & 0x80 != 0);
        header(0x02, rest.len() + usize::from(pad), &mut self.0);
        if pad {
            self.0.push(0);
        }
        self.put(rest);
    }

    /// RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050.
    pub(crate) fn time(&mut self, at: UnixTime) {
        let t = at.civil();
        let two = |n: u8| [b'0' + n / 10 % 10, b'0' + n % 10];
        let (century, year) = (two((t.year / 100) as u8), two((t.year % 100) as u8));
        if (1950..2050).contains(&t.year) {
            self.put(&[0x17, 13]);
        } else {
            self.put(&[0x18, 15]);
            self.put(&century);
        }
        for part in [year, two(t.month), two(t.day), two(t.hour), two(t.minute), two(t.second)] {
            self.put(&part);
        }
        self.0.push(b'Z');
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

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
    let mut out = Writer::with_capacity(magnitude.len() + 3);
    out.integer(magnitude);
    out.finish()
}

pub(crate) fn octet_string(content: &[u8]) -> Vec<u8> {
    tlv(0x04, content)
}

pub(crate) fn bit_string(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 7);
    header(0x03, content.len() + 1, &mut out);
    out.push(0);
    out.extend_from_slice(content);
    out
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
    let mut out = Writer::with_capacity(17);
    out.time(at);
    out.finish()
}

/// GeneralizedTime whatever the year: what OCSP writes (RFC 6960 4.2.1).
pub(crate) fn generalized_time(at: UnixTime) -> Vec<u8> {
    let t = at.civil();
    let text = format!("{:04}{:02}{:02}{:02}{:02}{:02}Z", t.year, t.month, t.day, t.hour, t.minute, t.second);
    tlv(0x18, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_elements_have_the_length_of_what_was_written_into_them() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000] {
            let content = vec![7; length];
            let mut out = Writer::with_capacity(0);
            out.put(&[9]);
            out.nested(0x30, |out| out.nested(0xa3, |out| out.put(&content)));
            assert_eq!(out.finish(), [&[9], tlv(0x30, &tlv(0xa3, &content)).as_slice()].concat(), "{length}");
        }
    }

    #[test]
    fn times_are_written_with_every_digit_in_its_place() {
        let written =
            |text: &str| String::from_utf8(time(UnixTime::parse_rfc3339(text).unwrap())[2..].to_vec()).unwrap();
        assert_eq!(written("1970-01-02T03:04:05Z"), "700102030405Z");
        assert_eq!(written("2009-10-20T13:24:35Z"), "091020132435Z");
        assert_eq!(written("2049-12-31T23:59:59Z"), "491231235959Z");
        assert_eq!(written("2050-01-01T00:00:00Z"), "20500101000000Z");
        assert_eq!(written("9999-12-31T23:59:59Z"), "99991231235959Z");
    }
}
