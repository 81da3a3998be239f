//! The stages of signing keys. They follow from when a key was first published and from the clock: nobody has to switch.

use signet_api::jwt::{Jwk, Jwks};
use signet_keys::PrivateKey;
use signet_pki::signer::Signer;
use signet_pki::{PublicKey, UnixTime};

use crate::config::LONGEST_TOKEN;

/// A private key and when the set of keys first had it.
pub(super) struct TokenKey {
    kid: String,
    jwk: Jwk,
    key: PrivateKey,
    published_at: UnixTime,
}

impl TokenKey {
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn signer(&self) -> &dyn Signer {
        &self.key
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStage {
    /// In the set, and does not sign yet.
    Published,
    Signing,
    /// Signs no more; its last tokens may be around.
    Retiring,
    /// Its last token is over: the file may go.
    Retired,
}

impl KeyStage {
    pub fn as_str(self) -> &'static str {
        match self {
            KeyStage::Published => "published",
            KeyStage::Signing => "signing",
            KeyStage::Retiring => "retiring",
            KeyStage::Retired => "retired",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedKey {
    pub kid: String,
    pub stage: KeyStage,
    pub published_at: UnixTime,
    pub signs_from: UnixTime,
    /// The next key takes over.
    pub signs_until: Option<UnixTime>,
    pub verifies_until: Option<UnixTime>,
}

/// In the order in which they sign.
pub struct TokenKeys {
    keys: Vec<TokenKey>,
    delay: i64,
}

impl TokenKeys {
    /// The thumbprint of a key that may sign tokens.
    pub fn kid_of(key: &PrivateKey) -> Option<String> {
        signet_api::jwt::thumbprint_of(key.public_key())
    }

    /// `published` tells since when a key is in the set; `delay`: seconds from there to its first signature. The first key
    /// signs at once, because nobody has a copy of a set without it.
    pub fn new(keys: Vec<PrivateKey>, published: impl Fn(&str) -> Option<UnixTime>, delay: i64) -> TokenKeys {
        let known = |key: PrivateKey| {
            let jwk = Jwk::of(key.public_key())?;
            let published_at = published(&jwk.kid)?;
            Some(TokenKey { kid: jwk.kid.clone(), jwk, key, published_at })
        };
        // Files come in the order of their names: with the same first day the older file signs first.
        let mut keys: Vec<TokenKey> = keys.into_iter().filter_map(known).collect();
        keys.sort_by_key(|key| key.published_at);
        TokenKeys { keys, delay }
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn signing(&self, now: UnixTime) -> Option<&TokenKey> {
        self.at(KeyStage::Signing, now)
    }

    /// A key of the set, by its thumbprint.
    pub(super) fn verifying(&self, kid: &str, now: UnixTime) -> Option<&PublicKey> {
        let (at, key) = self.keys.iter().enumerate().find(|(_, key)| key.kid == kid)?;
        (self.stage(at, now) != KeyStage::Retired).then(|| key.key.public_key())
    }

    /// What verifiers fetch.
    pub fn set(&self, now: UnixTime) -> Jwks {
        let wanted = |(at, _): &(usize, &TokenKey)| self.stage(*at, now) != KeyStage::Retired;
        Jwks { keys: self.keys.iter().enumerate().filter(wanted).map(|(_, key)| key.jwk.clone()).collect() }
    }

    pub fn staged(&self, now: UnixTime) -> Vec<StagedKey> {
        let one = |(at, key): (usize, &TokenKey)| StagedKey {
            kid: key.kid.clone(),
            stage: self.stage(at, now),
            published_at: key.published_at,
            signs_from: self.signs_from(at),
            signs_until: self.signs_until(at),
            verifies_until: self.signs_until(at).map(|end| end.plus(LONGEST_TOKEN)),
        };
        self.keys.iter().enumerate().map(one).collect()
    }

    fn at(&self, stage: KeyStage, now: UnixTime) -> Option<&TokenKey> {
        (0..self.keys.len()).find(|at| self.stage(*at, now) == stage).map(|at| &self.keys[at])
    }

    fn stage(&self, at: usize, now: UnixTime) -> KeyStage {
        match self.signs_until(at) {
            Some(end) if now >= end.plus(LONGEST_TOKEN) => KeyStage::Retired,
            Some(end) if now >= end => KeyStage::Retiring,
            // A clock that was set back must not leave the service without a key.
            _ if at == 0 || now >= self.signs_from(at) => KeyStage::Signing,
            _ => KeyStage::Published,
        }
    }

    fn signs_from(&self, at: usize) -> UnixTime {
        let published = self.keys[at].published_at;
        if at == 0 { published } else { published.plus(self.delay) }
    }

    fn signs_until(&self, at: usize) -> Option<UnixTime> {
        (at + 1 < self.keys.len()).then(|| self.signs_from(at + 1))
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
