//! Names that may stand in a certificate. Each type can only hold a valid one.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    #[error("{0:?} is not an id: 1 to 63 of a-z, 0-9 and '-', not beginning or ending in '-'")]
    DeviceId(String),
    #[error("{0:?} is not a DNS name: lower-case labels of a-z, 0-9 and '-', no wildcard, at most 253 characters")]
    DnsName(String),
    #[error("{0:?} is not a trust domain: a lower-case DNS name of at most 253 characters")]
    TrustDomain(String),
}

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident, $check:path, $error:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn parse(text: &str) -> Result<Self, NameError> {
                if $check(text) { Ok($name(text.to_owned())) } else { Err(NameError::$error(printable(text, 64))) }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_newtype!(
    /// The id of a device, service or administrator: a single DNS label, which is also safe as a file name,
    /// a CN and a path segment.
    DeviceId,
    is_label,
    DeviceId
);
text_newtype!(
    /// A host name for a `dNSName` SAN. Never a wildcard, never an address.
    DnsName,
    is_dns_name,
    DnsName
);
text_newtype!(
    /// A SPIFFE trust domain.
    TrustDomain,
    is_dns_name,
    TrustDomain
);

/// `spiffe://<trust domain>/<kind>/<id>` (SPIFFE-ID 2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpiffeId(String);

impl SpiffeId {
    pub fn new(domain: &TrustDomain, kind: PrincipalKind, id: &DeviceId) -> SpiffeId {
        SpiffeId(["spiffe://", domain.as_str(), "/", kind.as_str(), "/", id.as_str()].concat())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a certificate names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    Device,
    Service,
    Admin,
    /// The issuing service's own TLS identity.
    Server,
}

impl PrincipalKind {
    pub fn as_str(self) -> &'static str {
        match self {
            PrincipalKind::Device => "device",
            PrincipalKind::Service => "service",
            PrincipalKind::Admin => "admin",
            PrincipalKind::Server => "server",
        }
    }

    pub fn parse(text: &str) -> Option<PrincipalKind> {
        use PrincipalKind::*;
        [Device, Service, Admin, Server].into_iter().find(|k| k.as_str() == text)
    }
}

/// At most `limit` characters of a stranger's text, fit for a terminal.
pub fn printable(text: &str, limit: usize) -> String {
    text.chars().take(limit).map(|c| if is_printable(c) { c } else { '?' }).collect()
}

/// Neither a control character nor one that hides or turns text: soft hyphen, zero-width and bidirectional controls,
/// line and paragraph separators, tags.
pub(crate) fn is_printable(c: char) -> bool {
    let hidden = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    !c.is_control() && !hidden
}

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_dns_name(text: &str) -> bool {
    // A last label of digits only would read as an IPv4 address.
    let numeric = |label: &str| label.bytes().all(|b| b.is_ascii_digit());
    text.len() <= 253 && text.split('.').all(is_label) && !text.rsplit('.').next().is_none_or(numeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_single_labels() {
        assert!(DeviceId::parse("sensor-17").is_ok());
        let long = "a".repeat(64);
        for bad in ["", "-a", "a-", "A", "a.b", "a/b", "..", "a\0b", "ä", "a b", long.as_str()] {
            assert!(DeviceId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn dns_names_have_no_wildcards_and_are_no_addresses() {
        assert!(DnsName::parse("api.internal").is_ok());
        assert!(DnsName::parse("localhost").is_ok());
        for bad in ["*.x.org", "10.0.0.1", "x..y", "X.org", "x.org.", "xn--\u{e4}"] {
            assert!(DnsName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn t07_a_stranger_s_text_cannot_move_the_cursor_or_turn_the_line() {
        assert_eq!(printable("a\u{1b}[2J\0\u{202e}b\u{200b}\u{feff}ö\n", 64), "a?[2J??b??ö?");
        assert_eq!(printable(&"x".repeat(1000), 64).len(), 64);
    }

    #[test]
    fn t07_homoglyphs_and_their_company_are_no_names() {
        // Cyrillic a, full-width a, a soft hyphen, a zero-width space, a dotless i.
        for bad in ["\u{430}dmin", "\u{ff41}dmin", "ad\u{ad}min", "ad\u{200b}min", "adm\u{131}n", "admin\0", "admin "] {
            assert!(DeviceId::parse(bad).is_err() && DnsName::parse(bad).is_err() && TrustDomain::parse(bad).is_err());
        }
    }

    #[test]
    fn a_dns_name_ends_at_253_characters_and_a_label_at_63() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(longest.len(), 253);
        assert!(DnsName::parse(&longest).is_ok());
        assert!(DnsName::parse(&format!("{longest}a")).is_err());
        assert!(DnsName::parse(&format!("{label}a.org")).is_err());
    }

    #[test]
    fn names_are_checked_when_they_are_deserialised() {
        for bad in ["*.x.org", "", "a b"] {
            assert!(DnsName::try_from(bad.to_owned()).is_err());
        }
    }

    #[test]
    fn spiffe_ids_read_as_expected() {
        let id = SpiffeId::new(
            &TrustDomain::parse("example.org").unwrap(),
            PrincipalKind::Device,
            &DeviceId::parse("a1").unwrap(),
        );
        assert_eq!(id.as_str(), "spiffe://example.org/device/a1");
    }
}
