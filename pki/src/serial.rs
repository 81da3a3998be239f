//! Certificate serial numbers (RFC 5280 4.1.2.2).

use std::fmt;

use thiserror::Error;

/// A positive serial of at most 20 octets. Its one text form is lower-case hex without leading zero octets.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(Vec<u8>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SerialError {
    #[error("a serial number is hexadecimal, for example 4f00a1…")]
    NotHex,
    #[error("a serial number is positive and has at most 20 octets")]
    OutOfRange,
}

impl Serial {
    /// From 20 octets of a cryptographic generator: 159 random bits, the top bit cleared so that the DER stays at
    /// 20 octets, and never zero in front so that every serial has the same length.
    pub fn from_random(mut random: [u8; 20]) -> Serial {
        random[0] &= 0x7f;
        if random[0] == 0 {
            random[0] = 0x40;
        }
        Serial(random.to_vec())
    }

    /// From the content octets of a DER INTEGER.
    pub fn from_der_content(content: &[u8]) -> Result<Serial, SerialError> {
        let magnitude = match content {
            [] => return Err(SerialError::OutOfRange),
            [first, ..] if first & 0x80 != 0 => return Err(SerialError::OutOfRange),
            // A zero in front is there to keep the number positive and for nothing else (X.690 8.3.2).
            [0, next, ..] if next & 0x80 == 0 => return Err(SerialError::OutOfRange),
            [0, rest @ ..] => rest,
            whole => whole,
        };
        Self::from_magnitude(magnitude)
    }

    fn from_magnitude(bytes: &[u8]) -> Result<Serial, SerialError> {
        let skip = bytes.iter().take_while(|b| **b == 0).count();
        let rest = &bytes[skip..];
        let too_long = rest.len() > 20 || (rest.len() == 20 && rest[0] & 0x80 != 0);
        if rest.is_empty() || too_long {
            return Err(SerialError::OutOfRange);
        }
        Ok(Serial(rest.to_vec()))
    }

    /// Accepts what people paste: upper or lower case, colons or spaces between octets, a `0x` in front.
    pub fn parse(text: &str) -> Result<Serial, SerialError> {
        let text = text.trim();
        let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        let digits: Vec<u8> = text.bytes().filter(|b| !matches!(b, b':' | b' ')).collect();
        if digits.is_empty() {
            return Err(SerialError::NotHex);
        }
        if digits.len() > 64 {
            return Err(SerialError::OutOfRange);
        }
        let nibbles: Option<Vec<u8>> = digits.iter().map(|b| char::from(*b).to_digit(16).map(|d| d as u8)).collect();
        let mut nibbles = nibbles.ok_or(SerialError::NotHex)?;
        if nibbles.len() % 2 == 1 {
            nibbles.insert(0, 0);
        }
        let bytes: Vec<u8> = nibbles.chunks(2).map(|p| p[0] << 4 | p[1]).collect();
        Self::from_magnitude(&bytes)
    }

    /// Big-endian magnitude without leading zeros.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_serials_are_positive_and_twenty_octets() {
        for fill in [0x00, 0x7f, 0x80, 0xff] {
            let serial = Serial::from_random([fill; 20]);
            assert_eq!(serial.as_bytes().len(), 20);
            assert_eq!(serial.as_bytes()[0] & 0x80, 0);
            assert_ne!(serial.as_bytes()[0], 0);
        }
    }

    #[test]
    fn every_spelling_has_one_canonical_form() {
        for text in ["0A:bc", "abc", "0xABC", "00000abc", " 0a bc "] {
            assert_eq!(Serial::parse(text).unwrap().to_string(), "0abc");
        }
    }

    #[test]
    fn what_is_not_a_serial_is_refused() {
        assert_eq!(Serial::parse("xyz"), Err(SerialError::NotHex));
        assert_eq!(Serial::parse(""), Err(SerialError::NotHex));
        assert_eq!(Serial::parse("0"), Err(SerialError::OutOfRange));
        assert_eq!(Serial::parse(&"f".repeat(42)), Err(SerialError::OutOfRange));
        assert_eq!(Serial::from_der_content(&[0x80]), Err(SerialError::OutOfRange));
    }

    #[test]
    fn t12_der_serials_are_positive_minimal_and_at_most_twenty_octets() {
        let twenty_one = [&[0, 0x80][..], &[1; 19]].concat();
        let bad: [&[u8]; 7] = [&[], &[0], &[0, 0], &[0, 1], &[0xff; 20], &[1; 21], &twenty_one];
        for content in bad {
            assert_eq!(Serial::from_der_content(content), Err(SerialError::OutOfRange), "{content:02x?}");
        }
        assert_eq!(Serial::from_der_content(&[0, 0x80]).unwrap().to_string(), "80");
        assert_eq!(Serial::from_der_content(&[0x7f; 20]).unwrap().as_bytes().len(), 20);
    }

    #[test]
    fn t12_serials_keep_159_bits_of_what_the_generator_gave() {
        let random: [u8; 20] = std::array::from_fn(|i| 0xf0 | i as u8);
        let serial = Serial::from_random(random);
        assert_eq!(serial.as_bytes()[0], random[0] & 0x7f);
        assert_eq!(serial.as_bytes()[1..], random[1..]);
    }
}
