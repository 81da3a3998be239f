//! API keys as they are presented, and when they were used.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::hmac;
use signet_api::{Credential, CredentialId, CredentialKind};
use signet_pki::UnixTime;
use zeroize::Zeroizing;

use super::Pepper;

/// The text of an `X-API-Key` header, well formed.
pub enum PresentedKey {
    Own(Credential),
    /// A key that another system made: a UUID (RFC 9562).
    Legacy(LegacyKey),
}

pub struct LegacyKey(Zeroizing<[u8; 16]>);

impl PresentedKey {
    /// `None` for what is neither.
    pub fn parse(text: &str) -> Option<PresentedKey> {
        match LegacyKey::parse(text) {
            Some(key) => Some(PresentedKey::Legacy(key)),
            None => Credential::parse(CredentialKind::ApiKey, text).ok().map(PresentedKey::Own),
        }
    }
}

impl LegacyKey {
    /// With or without hyphens, braces and `urn:uuid:` left to those who have them.
    pub fn parse(text: &str) -> Option<LegacyKey> {
        let text = text.trim();
        let hyphens = text.len() == 36 && [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-');
        if !hyphens && text.len() != 32 {
            return None;
        }
        let digits: Zeroizing<String> = Zeroizing::new(text.chars().filter(|c| *c != '-').collect());
        let bytes = Zeroizing::new(data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?);
        let key = <[u8; 16]>::try_from(bytes.as_slice()).ok()?;
        // The nil and max UUIDs are nobody's secret.
        if key.iter().all(|b| *b == key[0]) { None } else { Some(LegacyKey(Zeroizing::new(key))) }
    }
}

impl Pepper {
    /// Under which a key of another system is known: it has no id of its own to be found by.
    pub fn hash_legacy(&self, key: &LegacyKey) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(b"uuid\0");
        context.update(key.0.as_slice());
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }
}

/// Credentials that were used since the last look; written once a minute instead of at every request.
#[derive(Default)]
pub struct Uses(Mutex<HashMap<CredentialId, UnixTime>>);

impl Uses {
    /// Only of what was proved, so there are no more entries than credentials.
    pub fn note(&self, id: &CredentialId, now: UnixTime) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match uses.get_mut(id) {
            Some(at) => *at = now,
            None => drop(uses.insert(id.clone(), now)),
        }
    }

    /// Whether it was used and that is not written yet.
    pub fn holds(&self, id: &CredentialId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    pub fn take(&self) -> Vec<(CredentialId, UnixTime)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).drain().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_one_with_and_without_hyphens() {
        let pepper = Pepper::derive(&[1; 32]);
        let hash = |text: &str| LegacyKey::parse(text).map(|key| pepper.hash_legacy(&key));
        let one = hash("3f2504e0-4f89-41d3-9a0c-0305e82c3301");
        assert!(one.is_some());
        assert_eq!(one, hash("3F2504E04F8941D39A0C0305E82C3301"));
        assert_ne!(one, hash("3f2504e0-4f89-41d3-9a0c-0305e82c3302"));
        for none in [
            "",
            "3f2504e0-4f89-41d3-9a0c-0305e82c330",
            "3f2504e04-f89-41d3-9a0c-0305e82c3301",
            "zf2504e0-4f89-41d3-9a0c-0305e82c3301",
            "00000000-0000-0000-0000-000000000000",
            "ffffffffffffffffffffffffffffffff",
            "3f2504e0-4f89-41d3-9a0c-0305e82c\u{e9}\u{e9}",
        ] {
            assert!(hash(none).is_none(), "{none:?}");
        }
    }

    #[test]
    fn what_is_neither_form_is_no_key() {
        let own = Credential::from_random(CredentialKind::ApiKey, &[7; 24]).expose();
        assert!(matches!(PresentedKey::parse(&own), Some(PresentedKey::Own(_))));
        let other = Credential::from_random(CredentialKind::Refresh, &[7; 24]).expose();
        assert!(PresentedKey::parse(&other).is_none() && PresentedKey::parse("secret").is_none());
    }

    #[test]
    fn the_last_use_is_told_once() {
        let uses = Uses::default();
        let id = Credential::from_random(CredentialKind::ApiKey, &[7; 24]).id().clone();
        uses.note(&id, UnixTime(1));
        uses.note(&id, UnixTime(5));
        assert!(uses.holds(&id));
        assert_eq!(uses.take(), [(id.clone(), UnixTime(5))]);
        assert!(!uses.holds(&id));
        assert!(uses.take().is_empty());
    }
}
