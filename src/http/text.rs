//! What is told, logged and remembered of a request: bounded and without secrets from the moment it is made.

use signet_api::CredentialKind;

use crate::oauth::device::DEVICE_CODE_PREFIX;

/// A sentence with a quotation from the request fits, whatever a parser quoted.
const LONGEST: usize = 1024;
/// Ours have ten characters.
const LONGEST_ID: usize = 64;

/// A text without the secrets that a client may have put where they do not belong. At most [`LONGEST`] octets of what it is made
/// of are read, and a few more to see where the last secret ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    pub fn of(text: impl AsRef<str>) -> Text {
        Text::within(text.as_ref(), LONGEST)
    }

    /// Of at most `longest` octets of `text`.
    pub(super) fn within(text: &str, longest: usize) -> Text {
        Text(scrub(text, longest, &mut |_| ()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Text> for String {
    fn from(text: Text) -> String {
        text.0
    }
}

/// Cuts credentials off after their public id, and keys of other systems after their first characters. One pass: what was read is
/// not read again, but for the few octets by which a beginning is known. `looked` is told how many octets each step looks at.
fn scrub(text: &str, longest: usize, looked: &mut impl FnMut(usize)) -> String {
    let mut out = String::with_capacity(text.len().min(longest));
    let (mut at, mut in_number) = (0, false);
    while at < text.len() {
        if at >= longest {
            out.push('…');
            break;
        }
        let rest = &text[at..];
        let piece = match (credential(rest, looked), in_number) {
            (Some(piece), _) => piece,
            // Digits in the middle of a longer number, such as a fingerprint, are no key.
            (None, true) => Piece::plain(rest),
            (None, false) => uuid(rest, looked).unwrap_or_else(|| Piece::plain(rest)),
        };
        out.push_str(&rest[..piece.shown]);
        if piece.shown < piece.length {
            out.push('…');
        }
        in_number = piece.length == 1 && rest.as_bytes()[0].is_ascii_hexdigit();
        looked(piece.length);
        at += piece.length;
    }
    out
}

/// Octets of the text, and how many of them may be shown.
struct Piece {
    shown: usize,
    length: usize,
}

impl Piece {
    fn plain(rest: &str) -> Piece {
        let length = rest.chars().next().map_or(0, char::len_utf8);
        Piece { shown: length, length }
    }
}

/// The credential that `rest` begins with, in either case: prefix, underscore, id, underscore, secret.
fn credential(rest: &str, looked: &mut impl FnMut(usize)) -> Option<Piece> {
    looked(4);
    let bytes = rest.as_bytes();
    let head = bytes.get(..4).filter(|head| head[3] == b'_')?;
    let mut prefixes = CredentialKind::ALL.into_iter().map(CredentialKind::prefix).chain([DEVICE_CODE_PREFIX]);
    prefixes.find(|prefix| prefix.as_bytes().eq_ignore_ascii_case(&head[..3]))?;
    let id = bytes[4..].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
    let (id_ends, shown) = (4 + id, 4 + id.min(LONGEST_ID));
    if bytes.get(id_ends) != Some(&b'_') {
        return Some(Piece { shown, length: id_ends });
    }
    let secret = bytes[id_ends + 1..].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    let end = id_ends + 1 + secret;
    // Without an id that is cut, the underscore behind it is shown.
    Some(Piece { shown: if id > LONGEST_ID { shown } else { id_ends + 1 }, length: end })
}

/// An imported key is a UUID (RFC 9562): 32 digits, and nothing in it says that it is a secret.
fn uuid(rest: &str, looked: &mut impl FnMut(usize)) -> Option<Piece> {
    let text = rest.as_bytes();
    let run = text.iter().take(33).take_while(|b| b.is_ascii_hexdigit()).count();
    looked(run + 1);
    if run == 32 {
        return Some(Piece { shown: 8, length: 32 });
    }
    let whole = text.get(..36).filter(|_| run == 8)?;
    looked(36);
    let fits = whole.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    fits.then_some(Piece { shown: 8, length: 36 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t26_of_a_credential_the_public_part_is_left() {
        let cases = [
            ("no secret here, sge is no prefix", "no secret here, sge is no prefix"),
            ("a \"sge_0123456789_abcdefghijklmnop\" b", "a \"sge_0123456789_…\" b"),
            ("/e/SGE_0123456789_ABCDEF/x", "/e/SGE_0123456789_…/x"),
            ("sgk_a_b,sgt_c_d_e", "sgk_a_…,sgt_c_…"),
            ("sgd_a_b", "sgd_a_…"),
            ("sge_ä_", "sge_ä_"),
            ("sge_", "sge_"),
            ("öö sge_0_x", "öö sge_0_…"),
            ("a 3F2504E0-4f89-41d3-9a0c-0305e82c3301é", "a 3F2504E0…é"),
            ("\"3f2504e04f8941d39a0c0305e82c3301\"", "\"3f2504e0…\""),
            // Request ids, serial numbers and fingerprints are no secrets.
            ("req-0123456789abcdef0123", "req-0123456789abcdef0123"),
            ("4b0d00e9aebc436a0de449f5db896078d31e83e0", "4b0d00e9aebc436a0de449f5db896078d31e83e0"),
            (&"ab".repeat(32), &"ab".repeat(32)),
        ];
        for (text, expected) in cases {
            assert_eq!(Text::of(text).as_str(), expected);
        }
    }

    #[test]
    fn t71_a_text_is_searched_in_one_pass_whatever_it_holds() {
        let cost = |text: &str| {
            let mut steps = 0;
            scrub(text, usize::MAX, &mut |octets| steps += octets);
            steps
        };
        let patterns =
            ["sgk_!", "sgk_a", "sgk_", "SGE_a_b", "s", "0", "0a-", "3f2504e0-", "é", "sgd__", "3f2504e04f8941d3 "];
        for pattern in patterns {
            let (once, twice) = (cost(&pattern.repeat(4_000)), cost(&pattern.repeat(8_000)));
            assert!(once <= 50 * 4_000 * pattern.len(), "{pattern:?} costs {once}");
            assert!(twice <= 2 * once + 1_000, "{pattern:?}: {once}, and twice of it {twice}");
        }
    }

    #[test]
    fn t71_a_text_has_a_bound_and_a_secret_across_it_is_cut() {
        for filler in ["x", "é", "sgk_!", "sgk_a", "sgk_a_b ", "3f2504e04f8941d39a0c0305e82c3301 "] {
            let text = Text::of(filler.repeat(100_000));
            assert!(text.as_str().len() <= 2 * LONGEST, "{filler:?}: {}", text.as_str().len());
        }
        for secret in
            ["3f2504e04f8941d39a0c0305e82c3301", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "sgk_0123_secretsecret"]
        {
            for before in LONGEST - 40..LONGEST + 2 {
                let text = Text::of(" ".repeat(before) + secret);
                assert!(!["4f89", "secr"].iter().any(|part| text.as_str().contains(part)), "{before}: {text:?}");
            }
        }
        assert_eq!(Text::within("abcdef", 3).as_str(), "abc…");
        assert_eq!(Text::within("abc", 3).as_str(), "abc");
    }
}
