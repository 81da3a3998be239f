//! A bounded walk over untrusted bytes that accepts DER and nothing looser.
//!
//! The parsers behind it tolerate BER here and there (long lengths, odd booleans). Two readings of one CSR are an
//! attack surface, so whatever is not canonical is refused before anything looks at its meaning.

use thiserror::Error;

/// Budgets for one document. Every loop over a stranger's bytes ends at one of these.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Octets of the whole document.
    pub bytes: usize,
    /// Nesting; an ordinary CSR needs 9, a certificate 10.
    pub depth: usize,
    /// Elements in the whole document; a CSR with twenty SANs has about 80.
    pub elements: usize,
}

impl Limits {
    /// For a PKCS#10 request: RSA-8192 with a page of extensions stays under 4 KiB.
    pub const CSR: Limits = Limits { bytes: 16 * 1024, depth: 16, elements: 1024 };
    /// For a certificate.
    pub const CERTIFICATE: Limits = Limits { bytes: 32 * 1024, depth: 16, elements: 2048 };
    /// For an OCSP request: 32 certificates by SHA-256 and a nonce are 3.7 KiB, and a signature with its certificate fits
    /// when there are fewer.
    pub const OCSP_REQUEST: Limits = Limits { bytes: 4 * 1024, depth: 16, elements: 1024 };
    /// For the answer to it: 160 octets a certificate, and the responder's own.
    pub const OCSP_RESPONSE: Limits = Limits { bytes: 32 * 1024, depth: 16, elements: 2048 };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DerError {
    #[error("the document is longer than {0} bytes")]
    TooLong(usize),
    #[error("the document is nested deeper than {0} levels")]
    TooDeep(usize),
    #[error("the document has more than {0} elements")]
    TooMany(usize),
    #[error("the document ends in the middle of an element")]
    Truncated,
    #[error("{0} bytes follow the end of the document")]
    Trailing(usize),
    #[error("not DER: {0}")]
    NotCanonical(&'static str),
}

/// Checks that `bytes` is exactly one DER element within `limits`.
pub fn check(bytes: &[u8], limits: Limits) -> Result<(), DerError> {
    if bytes.len() > limits.bytes {
        return Err(DerError::TooLong(limits.bytes));
    }
    let mut walk = Walk { limits, elements: 0 };
    let rest = walk.element(bytes, 0)?;
    if rest.is_empty() { Ok(()) } else { Err(DerError::Trailing(rest.len())) }
}

/// One element taken apart: `(tag, content, whole element, what follows it)`.
type Tlv<'a> = (u8, &'a [u8], &'a [u8], &'a [u8]);

/// Splits off the first element.
pub(crate) fn read_tlv(bytes: &[u8]) -> Result<Tlv<'_>, DerError> {
    let (&tag, after) = bytes.split_first().ok_or(DerError::Truncated)?;
    if tag & 0x1f == 0x1f {
        return Err(DerError::NotCanonical("a tag number above 30"));
    }
    let (&first, after) = after.split_first().ok_or(DerError::Truncated)?;
    let (length, content) = match first {
        0..=0x7f => (usize::from(first), after),
        0x80 => return Err(DerError::NotCanonical("an indefinite length")),
        _ => long_length(usize::from(first & 0x7f), after)?,
    };
    if content.len() < length {
        return Err(DerError::Truncated);
    }
    let (content, rest) = content.split_at(length);
    let whole = &bytes[..bytes.len() - rest.len()];
    Ok((tag, content, whole, rest))
}

fn long_length(count: usize, bytes: &[u8]) -> Result<(usize, &[u8]), DerError> {
    if count > 4 {
        return Err(DerError::NotCanonical("a length of more than four octets"));
    }
    if bytes.len() < count {
        return Err(DerError::Truncated);
    }
    let (octets, rest) = bytes.split_at(count);
    let length = octets.iter().fold(0usize, |n, b| (n << 8) | usize::from(*b));
    if octets[0] == 0 || length < 0x80 {
        return Err(DerError::NotCanonical("a length that is not minimal"));
    }
    Ok((length, rest))
}

struct Walk {
    limits: Limits,
    elements: usize,
}

impl Walk {
    fn element<'a>(&mut self, bytes: &'a [u8], depth: usize) -> Result<&'a [u8], DerError> {
        if depth > self.limits.depth {
            return Err(DerError::TooDeep(self.limits.depth));
        }
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(DerError::TooMany(self.limits.elements));
        }
        let (tag, content, _, rest) = read_tlv(bytes)?;
        if tag & 0x20 == 0 {
            primitive(tag, content)?;
            return Ok(rest);
        }
        if matches!(tag, 0x20..=0x3f) && !matches!(tag, 0x30 | 0x31) {
            return Err(DerError::NotCanonical("a constructed string"));
        }
        let mut inner = content;
        while !inner.is_empty() {
            inner = self.element(inner, depth + 1)?;
        }
        Ok(rest)
    }
}

fn primitive(tag: u8, content: &[u8]) -> Result<(), DerError> {
    let refuse = |why| Err(DerError::NotCanonical(why));
    match tag {
        0x00 => refuse("an end-of-contents marker"),
        0x01 if !matches!(content, [0x00] | [0xff]) => refuse("a BOOLEAN other than 00 or FF"),
        0x02 | 0x0a => match content {
            [] => refuse("an empty INTEGER"),
            [0x00, next, ..] if next & 0x80 == 0 => refuse("an INTEGER with a superfluous zero"),
            [0xff, next, ..] if next & 0x80 != 0 => refuse("an INTEGER with a superfluous sign octet"),
            _ => Ok(()),
        },
        0x03 => bit_string(content),
        0x05 if !content.is_empty() => refuse("a NULL with content"),
        0x06 => object_identifier(content),
        0x0c if std::str::from_utf8(content).is_err() => refuse("a UTF8String that is not UTF-8"),
        0x10 | 0x11 => refuse("a primitive SEQUENCE or SET"),
        0x13 | 0x16 if !content.is_ascii() => refuse("a non-ASCII character in an ASCII string"),
        _ => Ok(()),
    }
}

fn bit_string(content: &[u8]) -> Result<(), DerError> {
    match content {
        [] => Err(DerError::NotCanonical("a BIT STRING without its first octet")),
        [0] => Ok(()),
        [unused, .., last] if *unused <= 7 && last & ((1u16 << unused) - 1) as u8 == 0 => Ok(()),
        _ => Err(DerError::NotCanonical("a BIT STRING with non-zero padding")),
    }
}

fn object_identifier(content: &[u8]) -> Result<(), DerError> {
    // 64 octets are far more than any registered identifier needs.
    if content.is_empty() || content.len() > 64 || content[content.len() - 1] & 0x80 != 0 {
        return Err(DerError::NotCanonical("a malformed OBJECT IDENTIFIER"));
    }
    let mut first_of_arc = true;
    for octet in content {
        if first_of_arc && *octet == 0x80 {
            return Err(DerError::NotCanonical("an OBJECT IDENTIFIER arc that is not minimal"));
        }
        first_of_arc = octet & 0x80 == 0;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(bytes: &[u8]) -> Result<(), DerError> {
        check(bytes, Limits::CSR)
    }

    #[test]
    fn canonical_elements_pass() {
        assert_eq!(verdict(&[0x30, 0x03, 0x02, 0x01, 0x05]), Ok(()));
        assert_eq!(verdict(&[0x03, 0x02, 0x03, 0xf8]), Ok(()));
        assert_eq!(verdict(&[0x06, 0x03, 0x55, 0x04, 0x03]), Ok(()));
    }

    #[test]
    fn looser_encodings_are_refused() {
        let bad: &[(&[u8], &str)] = &[
            (&[0x30, 0x80, 0x00, 0x00], "indefinite length"),
            (&[0x30, 0x81, 0x03, 0x02, 0x01, 0x05], "long length"),
            (&[0x01, 0x01, 0x01], "boolean"),
            (&[0x02, 0x02, 0x00, 0x05], "integer zero"),
            (&[0x02, 0x00], "empty integer"),
            (&[0x03, 0x02, 0x03, 0xff], "padding"),
            (&[0x24, 0x03, 0x04, 0x01, 0x05], "constructed octet string"),
            (&[0x06, 0x02, 0x80, 0x01], "oid arc"),
            (&[0x0c, 0x01, 0xff], "utf8"),
            (&[0x05, 0x01, 0x00], "null"),
            (&[0x1f, 0x1f, 0x00], "high tag"),
        ];
        for (bytes, name) in bad {
            assert!(matches!(verdict(bytes), Err(DerError::NotCanonical(_))), "{name}");
        }
    }

    #[test]
    fn budgets_hold() {
        let mut deep = vec![0x05, 0x00];
        for _ in 0..20 {
            deep = super::super::tlv(0x30, &deep);
        }
        assert_eq!(verdict(&deep), Err(DerError::TooDeep(16)));
        let many = super::super::tlv(0x30, &[0x05, 0x00].repeat(2000));
        assert_eq!(verdict(&many), Err(DerError::TooMany(1024)));
        assert_eq!(verdict(&vec![0; 20_000]), Err(DerError::TooLong(16 * 1024)));
        assert_eq!(verdict(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), Err(DerError::Truncated));
        assert_eq!(verdict(&[0x05, 0x00, 0x00]), Err(DerError::Trailing(1)));
    }
}
