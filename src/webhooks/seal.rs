//! Signing secrets at rest: they have to be usable, so they are encrypted under a key that is not in the database (T28).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use signet_api::CredentialId;
use signet_api::standard_webhooks::SigningSecret;
use zeroize::Zeroizing;

use crate::random::{self, Random};

/// Nonce, ciphertext and tag stand one after another. The endpoint's id is authenticated with it, so that a sealed secret that is
/// moved to another endpoint opens nothing.
pub struct Sealer(LessSafeKey);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret cannot be sealed or opened")]
pub struct SealError;

impl Sealer {
    pub fn derive(kek: &[u8; 32]) -> Result<Sealer, SealError> {
        let master = hmac::Key::new(hmac::HMAC_SHA256, kek);
        let derived = hmac::sign(&master, b"signet webhook secrets v1");
        let key = UnboundKey::new(&AES_256_GCM, derived.as_ref()).map_err(|_| SealError)?;
        Ok(Sealer(LessSafeKey::new(key)))
    }

    pub fn seal(&self, id: &CredentialId, secret: &SigningSecret, source: &dyn Random) -> Result<Vec<u8>, SealError> {
        // 96 random bits: a hundred thousand secrets repeat none with a probability of one in 2^62.
        let nonce: [u8; NONCE_LEN] = random::bytes(source).map_err(|_| SealError)?;
        let mut text = Zeroizing::new(secret.expose_octets().to_vec());
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(id.as_str()), &mut text)
            .map_err(|_| SealError)?;
        Ok([nonce.as_slice(), &text, tag.as_ref()].concat())
    }

    pub fn open(&self, id: &CredentialId, sealed: &[u8]) -> Result<SigningSecret, SealError> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        let mut rest = Zeroizing::new(rest.to_vec());
        let text = self.0.open_in_place(nonce, Aad::from(id.as_str()), &mut rest).map_err(|_| SealError)?;
        SigningSecret::from_octets(text).map_err(|_| SealError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn t28_a_sealed_secret_opens_for_its_endpoint_and_key_alone() {
        let sealer = Sealer::derive(&[1; 32]).unwrap();
        let (one, other) = (CredentialId::parse("0123456789").unwrap(), CredentialId::parse("0123456780").unwrap());
        let secret = SigningSecret::from_octets(&[7; 32]).unwrap();
        let sealed = sealer.seal(&one, &secret, &SystemRandom).unwrap();
        assert_eq!(sealer.open(&one, &sealed), Ok(secret.clone()));
        assert!(!sealed.windows(8).any(|window| window == [7; 8]));
        assert_ne!(sealed, sealer.seal(&one, &secret, &SystemRandom).unwrap());
        assert_eq!(sealer.open(&other, &sealed), Err(SealError));
        assert_eq!(Sealer::derive(&[2; 32]).unwrap().open(&one, &sealed), Err(SealError));
        for at in 0..sealed.len() {
            let mut spoiled = sealed.clone();
            spoiled[at] ^= 1;
            assert_eq!(sealer.open(&one, &spoiled), Err(SealError), "octet {at}");
        }
        assert_eq!(sealer.open(&one, &sealed[..10]), Err(SealError));
    }
}
