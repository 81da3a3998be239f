//! The refresh token that comes after another: always the same one, so that it can be given again when the answer was lost,
//! and found by nobody who has the one before and not the KEK.

use aws_lc_rs::hmac;
use signet_api::{Credential, CredentialKind};
use zeroize::Zeroizing;

use super::Pepper;

pub(super) struct Successors(hmac::Key);

impl Successors {
    pub(super) fn derive(master: &hmac::Key) -> Successors {
        let derived = hmac::sign(master, b"signet refresh successor v1");
        Successors(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }
}

impl Pepper {
    pub fn successor(&self, used: &Credential) -> Credential {
        let mut context = hmac::Context::with_key(&self.1.0);
        context.update(used.id().as_str().as_bytes());
        context.update(used.expose_secret());
        let mut random = Zeroizing::new([0; 24]);
        random.copy_from_slice(&context.sign().as_ref()[..24]);
        Credential::from_random(CredentialKind::Refresh, &random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_one_successor_under_one_kek() {
        let pepper = Pepper::derive(&[1; 32]);
        let first = Credential::from_random(CredentialKind::Refresh, &[7; 24]);
        let next = pepper.successor(&first);
        assert_eq!(next, pepper.successor(&first));
        assert_ne!(next, Pepper::derive(&[2; 32]).successor(&first));
        assert_ne!(next, pepper.successor(&next));
        assert_ne!(next.id(), first.id());
        let mut other = [7; 24];
        other[23] = 8;
        let other = Credential::from_random(CredentialKind::Refresh, &other);
        assert_eq!(other.id(), first.id());
        assert_ne!(pepper.successor(&other).id(), next.id());
    }
}
