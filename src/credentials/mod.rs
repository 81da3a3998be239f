//! Secrets that Signet hands out: how they are made, and how they are known again without being kept.

pub mod apikeys;
pub mod delegation;
pub mod keys;
pub mod order;
pub mod successor;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use signet_api::Credential;

use successor::Successors;

/// The keyed hash under which the store knows credentials. Its key is derived from the KEK, which is not in the
/// database: a stolen database or backup holds nothing that can be presented.
pub struct Pepper(hmac::Key, Successors);

impl Pepper {
    pub fn derive(kek: &[u8; 32]) -> Pepper {
        let master = hmac::Key::new(hmac::HMAC_SHA256, kek);
        let derived = hmac::sign(&master, b"signet credential pepper v1");
        Pepper(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()), Successors::derive(&master))
    }

    pub fn hash(&self, credential: &Credential) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(credential.kind().prefix().as_bytes());
        context.update(credential.id().as_str().as_bytes());
        context.update(credential.expose_secret());
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }

    /// Whether `presented` is the credential whose hash is stored. An id that is not stored costs the same work as a
    /// wrong secret.
    pub fn matches(&self, presented: &Credential, stored: Option<&[u8; 32]>) -> bool {
        let hash = self.hash(presented);
        let equal = verify_slices_are_equal(&hash, stored.unwrap_or(&[0; 32])).is_ok();
        equal && stored.is_some()
    }
}

#[cfg(test)]
mod tests {
    use signet_api::CredentialKind;

    use super::*;

    #[test]
    fn only_the_same_secret_under_the_same_pepper_matches() {
        let pepper = Pepper::derive(&[1; 32]);
        let one = Credential::from_random(CredentialKind::Enrollment, &[1; 24]);
        let mut random = [1; 24];
        random[20] = 2;
        let other = Credential::from_random(CredentialKind::Enrollment, &random);
        assert_eq!(one.id(), other.id());
        let stored = pepper.hash(&one);
        assert!(pepper.matches(&one, Some(&stored)));
        assert!(!pepper.matches(&other, Some(&stored)));
        assert!(!pepper.matches(&one, None));
        assert!(!Pepper::derive(&[2; 32]).matches(&one, Some(&stored)));
    }
}
