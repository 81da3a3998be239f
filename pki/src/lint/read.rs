//! A reader that takes DER apart without copying it. It answers `None` for anything else than what was asked for.

use crate::der::read_tlv;
use crate::key::SignatureScheme;

/// What is left to read.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next element, which must have this tag.
    pub(super) fn next(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content, _, rest) = read_tlv(self.0).ok()?;
        self.0 = rest;
        (found == tag).then_some(content)
    }

    /// The next element as a time, in seconds since 1970.
    pub(super) fn time(&mut self) -> Option<i64> {
        let (tag, digits, _, rest) = read_tlv(self.0).ok()?;
        self.0 = rest;
        seconds(tag, digits)
    }

    pub(super) fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}

/// The content of the one and only element.
pub(super) fn only(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let mut reader = Reader(bytes);
    reader.next(tag).filter(|_| reader.is_done())
}

/// How a name must read.
#[derive(Clone, Copy)]
pub(super) enum NameRule<'a> {
    /// This element, octet for octet.
    Same(&'a [u8]),
    /// `[O=…,] CN=…`, one attribute in each RDN, UTF8String.
    Text { organization: Option<&'a str>, common_name: &'a str },
}

impl NameRule<'_> {
    /// `content`: what is inside the outer SEQUENCE.
    pub(super) fn fits(&self, content: &[u8]) -> bool {
        match *self {
            NameRule::Same(whole) => only(whole, 0x30) == Some(content),
            NameRule::Text { organization, common_name } => {
                let mut rdns = Reader(content);
                let organization = organization.is_none_or(|text| is_attribute(&mut rdns, ORGANIZATION, text));
                organization && is_attribute(&mut rdns, COMMON_NAME, common_name) && rdns.is_done()
            }
        }
    }
}

fn is_attribute(rdns: &mut Reader<'_>, oid: &[u8], text: &str) -> bool {
    let Some(content) = rdns.next(0x31).and_then(|rdn| only(rdn, 0x30)) else { return false };
    let mut attribute = Reader(content);
    attribute.next(0x06) == Some(oid) && attribute.next(UTF8_STRING) == Some(text.as_bytes()) && attribute.is_done()
}

/// `content`: what is inside the AlgorithmIdentifier. No parameters, not even NULL (RFC 5758 3.2, RFC 8410 3).
pub(super) fn is_scheme(content: &[u8], scheme: SignatureScheme) -> bool {
    let oid: &[u8] = match scheme {
        SignatureScheme::EcdsaSha256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
        SignatureScheme::EcdsaSha384 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03],
        SignatureScheme::Ed25519 => &[0x2b, 0x65, 0x70],
        // Nothing here signs with these.
        SignatureScheme::EcdsaSha512
        | SignatureScheme::RsaPkcs1Sha256
        | SignatureScheme::RsaPkcs1Sha384
        | SignatureScheme::RsaPkcs1Sha512 => return false,
    };
    only(content, 0x06) == Some(oid)
}

/// UTCTime for 1950 to 2049, GeneralizedTime for all other years (RFC 5280 4.1.2.5), both to the second and in UTC.
pub(super) fn seconds(tag: u8, text: &[u8]) -> Option<i64> {
    let (text, last) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let (years, rest) = match (tag, text.len()) {
        (0x17, 12) => text.split_at(2),
        (0x18, 14) => text.split_at(4),
        _ => return None,
    };
    let digits = |digits: &[u8]| -> Option<i64> {
        digits.iter().try_fold(0, |n, digit| digit.is_ascii_digit().then(|| n * 10 + i64::from(digit - b'0')))
    };
    let year = match (tag, digits(years)?) {
        (0x17, year @ 50..) => 1900 + year,
        (0x17, year) => 2000 + year,
        (_, year) => Some(year).filter(|year| !(1950..2050).contains(year))?,
    };
    let mut parts = [0; 5];
    for (part, two) in parts.iter_mut().zip(rest.chunks_exact(2)) {
        *part = digits(two)?;
    }
    let [month, day, hour, minute, second] = parts;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    let exists = (1..=length).contains(&day) && hour < 24 && minute < 60 && second < 60 && last == b"Z";
    // Days since 1970-01-01, counted in years that begin in March: the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    exists.then_some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

const UTF8_STRING: u8 = 0x0c;
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::der;
    use crate::time::UnixTime;

    proptest! {
        #[test]
        fn times_are_read_as_they_are_written(at in 0..=UnixTime::MAX.0) {
            let written = der::time(UnixTime(at));
            prop_assert_eq!(seconds(written[0], &written[2..]), Some(at));
        }
    }

    #[test]
    fn every_day_of_four_hundred_years_is_read() {
        for day in 0..146_097 {
            let at = day * 86_400 + 86_399;
            let written = der::time(UnixTime(at));
            assert_eq!(seconds(written[0], &written[2..]), Some(at));
        }
    }

    #[test]
    fn a_second_spelling_of_a_moment_is_not_read() {
        assert_eq!(seconds(0x17, b"270115080000Z"), Some(1_800_000_000));
        for text in ["20270115080000Z", "20500115080000z", "205001150800Z", "20500230000000Z", "20501301000000Z"] {
            assert_eq!(seconds(0x18, text.as_bytes()), None, "{text}");
        }
        for text in [
            "270115080060Z",
            "270115086000Z",
            "270115240000Z",
            "270100000000Z",
            "2701150800Z",
            "270115080000+",
            "",
            "Z",
        ] {
            assert_eq!(seconds(0x17, text.as_bytes()), None, "{text}");
        }
        assert_eq!((seconds(0x17, b"270229000000Z"), seconds(0x17, b"+70115080000Z")), (None, None));
        assert!(seconds(0x17, b"280229000000Z").is_some() && seconds(0x18, b"21000229000000Z").is_none());
    }

    #[test]
    fn names_are_read_in_one_spelling() {
        let rule = NameRule::Text { organization: Some("Acme"), common_name: "x" };
        let rdn = |last: u8, tag: u8, text: &[u8]| {
            der::tlv(0x31, &der::sequence(&[&der::oid(&[0x55, 0x04, last]), &der::tlv(tag, text)]))
        };
        let (o, cn) = (rdn(10, 0x0c, b"Acme"), rdn(3, 0x0c, b"x"));
        assert!(rule.fits(&[&o[..], &cn].concat()));
        let printable = rdn(3, 0x13, b"x");
        for wrong in [
            [&cn[..], &o],
            [&o[..], &printable],
            [&cn[..], &[]],
            [&o[..], &[]],
            [&o[..], &[cn.clone(), cn.clone()].concat()],
        ] {
            assert!(!rule.fits(&wrong.concat()));
        }
    }
}
