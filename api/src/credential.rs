//! `<prefix>_<id>_<secret><check>`: the one format of every secret that Signet hands out.
//!
//! The id is public. The secret has 128 random bits. The check is a CRC-32 over what stands before it, so that a
//! mistyped credential is refused before it travels.

use std::fmt;

use data_encoding::{Encoding, Specification};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    Enrollment,
    Refresh,
    ApiKey,
    Webhook,
    Ticket,
}

impl CredentialKind {
    pub const ALL: [CredentialKind; 5] = [
        CredentialKind::Enrollment,
        CredentialKind::Refresh,
        CredentialKind::ApiKey,
        CredentialKind::Webhook,
        CredentialKind::Ticket,
    ];

    pub fn prefix(self) -> &'static str {
        match self {
            CredentialKind::Enrollment => "sge",
            CredentialKind::Refresh => "sgr",
            CredentialKind::ApiKey => "sgk",
            CredentialKind::Webhook => "sgw",
            CredentialKind::Ticket => "sgt",
        }
    }
}

/// The public part: ten characters of lower-case Crockford base32.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CredentialId(String);

impl CredentialId {
    pub fn parse(text: &str) -> Result<CredentialId, CredentialError> {
        let text = normalise(text);
        if text.len() != ID_LENGTH || !text.bytes().all(|b| ALPHABET.as_bytes().contains(&b)) {
            return Err(CredentialError::Format);
        }
        Ok(CredentialId(text.to_string()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for CredentialId {
    type Error = CredentialError;
    fn try_from(text: String) -> Result<Self, CredentialError> {
        CredentialId::parse(&text)
    }
}

impl From<CredentialId> for String {
    fn from(id: CredentialId) -> String {
        id.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CredentialError {
    #[error("this does not look like a Signet credential (prefix_id_secret)")]
    Format,
    #[error("the check characters do not match: it was mistyped or cut off")]
    Checksum,
    #[error("this is a credential of another kind")]
    Kind,
}

/// A credential with its secret. Well formed, which says nothing about whether it is valid. `Debug` shows the id only.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    kind: CredentialKind,
    id: CredentialId,
    secret: SecretBytes,
}

#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
struct SecretBytes([u8; 16]);

impl Credential {
    /// `random`: 24 octets of a cryptographic generator; eight become the id, sixteen the secret.
    pub fn from_random(kind: CredentialKind, random: &[u8; 24]) -> Credential {
        let id = crockford().encode(&random[..8])[..ID_LENGTH].to_owned();
        let mut secret = [0; 16];
        secret.copy_from_slice(&random[8..]);
        Credential { kind, id: CredentialId(id), secret: SecretBytes(secret) }
    }

    /// Accepts upper and lower case, and the digits that people misread (O for 0, I and L for 1).
    pub fn parse(kind: CredentialKind, text: &str) -> Result<Credential, CredentialError> {
        let text = text.trim();
        // Longer than any credential; refused before anything is copied.
        if text.len() > 128 || !text.is_ascii() {
            return Err(CredentialError::Format);
        }
        let mut parts = text.splitn(3, '_');
        let (Some(prefix), Some(id), Some(tail)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(CredentialError::Format);
        };
        let prefix = prefix.to_ascii_lowercase();
        let found = CredentialKind::ALL.into_iter().find(|k| k.prefix() == prefix).ok_or(CredentialError::Format)?;
        let id = CredentialId::parse(id)?;
        let tail = normalise(tail);
        if tail.len() != SECRET_LENGTH + CHECK_LENGTH {
            return Err(CredentialError::Format);
        }
        let (secret_text, check) = tail.split_at(SECRET_LENGTH);
        let decoded = Zeroizing::new(crockford().decode(secret_text.as_bytes()).map_err(|_| CredentialError::Format)?);
        if checksum(found, &id, secret_text) != check {
            return Err(CredentialError::Checksum);
        }
        if found != kind {
            return Err(CredentialError::Kind);
        }
        let secret = decoded.as_slice().try_into().map_err(|_| CredentialError::Format)?;
        Ok(Credential { kind, id, secret: SecretBytes(secret) })
    }

    pub fn kind(&self) -> CredentialKind {
        self.kind
    }

    pub fn id(&self) -> &CredentialId {
        &self.id
    }

    /// The whole credential as text. Show it once; never log it.
    pub fn expose(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(crockford().encode(&self.secret.0));
        let check = checksum(self.kind, &self.id, &secret);
        Zeroizing::new(format!("{}_{}_{}{}", self.kind.prefix(), self.id, *secret, check))
    }

    /// The secret octets, for the keyed hash under which the store knows it.
    pub fn expose_secret(&self) -> &[u8; 16] {
        &self.secret.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}_{}_…)", self.kind.prefix(), self.id)
    }
}

fn checksum(kind: CredentialKind, id: &CredentialId, secret: &str) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(format!("{}_{id}_", kind.prefix()).as_bytes());
    hasher.update(secret.as_bytes());
    crockford().encode(&hasher.finalize().to_be_bytes())
}

fn normalise(text: &str) -> Zeroizing<String> {
    let fold = |c: char| match c.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    };
    Zeroizing::new(text.chars().map(fold).collect())
}

fn crockford() -> &'static Encoding {
    static ENCODING: std::sync::OnceLock<Encoding> = std::sync::OnceLock::new();
    ENCODING.get_or_init(|| {
        let mut specification = Specification::new();
        specification.symbols.push_str(ALPHABET);
        specification.encoding().unwrap_or(data_encoding::BASE32_DNSCURVE)
    })
}

const ALPHABET: &str = "0123456789abcdefghjkmnpqrstvwxyz";
const ID_LENGTH: usize = 10;
/// 16 octets in base32.
const SECRET_LENGTH: usize = 26;
/// 4 octets in base32.
const CHECK_LENGTH: usize = 7;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_credential_survives_its_text(random in any::<[u8; 24]>()) {
            let one = Credential::from_random(CredentialKind::Enrollment, &random);
            let text = one.expose();
            prop_assert_eq!(Credential::parse(CredentialKind::Enrollment, &text), Ok(one.clone()));
            prop_assert_eq!(Credential::parse(CredentialKind::Enrollment, &text.to_uppercase()), Ok(one));
        }

        #[test]
        fn every_single_substitution_is_noticed(random in any::<[u8; 24]>(), at in 4usize..47, step in 1usize..32) {
            let text = Credential::from_random(CredentialKind::ApiKey, &random).expose();
            let mut bytes = text.as_bytes().to_vec();
            let Some(old) = ALPHABET.bytes().position(|b| b == bytes[at]) else { return Ok(()) };
            bytes[at] = ALPHABET.as_bytes()[(old + step) % 32];
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert!(Credential::parse(CredentialKind::ApiKey, &changed).is_err());
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = Credential::parse(CredentialKind::Ticket, &text);
        }
    }

    #[test]
    fn debug_hides_the_secret() {
        let random: [u8; 24] = std::array::from_fn(|i| (i as u8).wrapping_mul(37));
        let one = Credential::from_random(CredentialKind::Enrollment, &random);
        let secret = one.expose()[15..].to_owned();
        assert!(!format!("{one:?}").contains(&secret[..8]));
    }

    #[test]
    fn another_kind_is_said_to_be_one() {
        let text = Credential::from_random(CredentialKind::ApiKey, &[7; 24]).expose();
        assert_eq!(Credential::parse(CredentialKind::Enrollment, &text), Err(CredentialError::Kind));
    }
}
