//! Text files as people's editors write them: a UTF-8 byte-order mark is no part of the text, and UTF-16 is named.

use thiserror::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TextError {
    #[error("the text is UTF-16, where UTF-8 is expected: save it as UTF-8")]
    Utf16,
    #[error("line {line} is not UTF-8 text")]
    NotUtf8 { line: usize },
}

/// The text of a file, without a byte-order mark. Line ends are left as they are.
pub fn plain(bytes: &[u8]) -> Result<&str, TextError> {
    let text = without_mark(bytes)?;
    std::str::from_utf8(text).map_err(|e| {
        let before = &text[..e.valid_up_to()];
        TextError::NotUtf8 { line: 1 + before.iter().filter(|b| **b == b'\n').count() }
    })
}

/// The octets behind a byte-order mark, which may be other than UTF-8: explanatory text has no rules.
pub(crate) fn without_mark(bytes: &[u8]) -> Result<&[u8], TextError> {
    let is_utf16 = match bytes {
        [0xff, 0xfe, _, 0, ..] | [0xfe, 0xff, 0, ..] => true,
        _ => bytes.contains(&0) && find(bytes, UTF16_BEGIN).is_some(),
    };
    if is_utf16 { Err(TextError::Utf16) } else { Ok(bytes.strip_prefix(MARK).unwrap_or(bytes)) }
}

pub(crate) fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// U+FEFF in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// A boundary in UTF-16, in either order of octets: marks are often missing.
const UTF16_BEGIN: &[u8] = b"B\0E\0G\0I\0N";

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, encode: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(encode).collect()
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(plain(b"\xef\xbb\xbfa\r\nb"), Ok("a\r\nb"));
        assert_eq!(plain(b"a\xef\xbb\xbf"), Ok("a\u{feff}"));
        assert_eq!(plain(b""), Ok(""));
    }

    #[test]
    fn utf16_and_binary_octets_are_named_with_their_line() {
        for encode in [u16::to_le_bytes, u16::to_be_bytes] {
            assert_eq!(plain(&utf16("\u{feff}secret", encode)), Err(TextError::Utf16));
            assert_eq!(plain(&utf16("-----BEGIN X509 CRL-----\n", encode)), Err(TextError::Utf16));
        }
        assert_eq!(plain(b"one\ntwo\n\xff"), Err(TextError::NotUtf8 { line: 3 }));
    }
}
