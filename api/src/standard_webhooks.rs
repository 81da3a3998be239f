//! Standard Webhooks 1.0 (standardwebhooks.com): how a message is signed, and how the signature is known again.
//!
//! Signed is `ID.TIMESTAMP.BODY` with HMAC-SHA256. While two secrets are live a message carries a signature of each.

use std::fmt;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use signet_pki::UnixTime;
use thiserror::Error;
use zeroize::Zeroizing;

pub const HEADER_ID: &str = "webhook-id";
/// Seconds since 1970.
pub const HEADER_TIMESTAMP: &str = "webhook-timestamp";
pub const HEADER_SIGNATURE: &str = "webhook-signature";
/// Seconds that the clocks of sender and receiver may differ, delivery included.
pub const TOLERANCE: i64 = 300;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a signing secret is whsec_ and then 24 to 64 octets in base64")]
pub struct SecretError;

/// A symmetric signing secret. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Zeroizing<Vec<u8>>);

impl SigningSecret {
    /// 24 to 64 octets.
    pub fn from_octets(octets: &[u8]) -> Result<SigningSecret, SecretError> {
        match octets.len() {
            24..=64 => Ok(SigningSecret(Zeroizing::new(octets.to_vec()))),
            _ => Err(SecretError),
        }
    }

    /// `whsec_…`.
    pub fn parse(text: &str) -> Result<SigningSecret, SecretError> {
        let encoded = text.trim().strip_prefix(PREFIX).filter(|t| t.len() <= 88).ok_or(SecretError)?;
        let octets = Zeroizing::new(BASE64.decode(encoded.as_bytes()).map_err(|_| SecretError)?);
        SigningSecret::from_octets(&octets)
    }

    /// The whole secret as text. Show it once; never log it.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", BASE64.encode(&self.0)))
    }

    pub fn expose_octets(&self) -> &[u8] {
        &self.0
    }

    /// One entry of the header `webhook-signature`.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.key());
        for part in [id.as_bytes(), b".", timestamp.to_string().as_bytes(), b".", body] {
            context.update(part);
        }
        format!("{VERSION}{}", BASE64.encode(context.sign().as_ref()))
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(hidden)")
    }
}

/// Why a message is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProofError {
    #[error("webhook-id: 1 to 128 visible ASCII characters without a full stop")]
    Id,
    #[error("webhook-timestamp: seconds since 1970")]
    Timestamp,
    #[error("webhook-signature: no signature of version v1, or more than eight")]
    Signature,
    #[error("the timestamp is more than five minutes away from this clock")]
    Late,
    #[error("none of the signatures is by a secret of this hook")]
    Wrong,
}

/// What the three headers say. Well formed, which says nothing about whether it is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub id: String,
    pub timestamp: i64,
    signatures: Vec<[u8; 32]>,
}

impl Claim {
    /// Signatures of other versions are passed over, as the specification asks.
    pub fn read(id: &str, timestamp: &str, signature: &str) -> Result<Claim, ProofError> {
        // A full stop in the id would let one signed text be read as two different messages.
        let visible = |b: u8| b.is_ascii_graphic() && b != b'.';
        if id.is_empty() || id.len() > 128 || !id.bytes().all(visible) {
            return Err(ProofError::Id);
        }
        // `parse` alone would accept a sign; a leading zero would be signed as it is and compared without it.
        let digits = timestamp.bytes().all(|b| b.is_ascii_digit()) && !timestamp.starts_with('0');
        let seconds =
            timestamp.parse().ok().filter(|_| digits && timestamp.len() <= 12).ok_or(ProofError::Timestamp)?;
        if signature.len() > MAX_HEADER {
            return Err(ProofError::Signature);
        }
        let mut signatures = Vec::new();
        for text in signature.split(' ').filter_map(|one| one.strip_prefix(VERSION)) {
            let decoded = BASE64.decode(text.as_bytes()).ok().and_then(|octets| octets.try_into().ok());
            match decoded {
                Some(octets) if signatures.len() < MAX_SIGNATURES => signatures.push(octets),
                _ => return Err(ProofError::Signature),
            }
        }
        if signatures.is_empty() {
            Err(ProofError::Signature)
        } else {
            Ok(Claim { id: id.to_owned(), timestamp: seconds, signatures })
        }
    }

    /// Every secret is tried with every signature, in constant time each.
    pub fn verify(&self, secrets: &[SigningSecret], body: &[u8], now: UnixTime) -> Result<(), ProofError> {
        let message = [self.id.as_bytes(), b".", self.timestamp.to_string().as_bytes(), b".", body].concat();
        let mut good = false;
        for key in secrets.iter().map(SigningSecret::key) {
            for signature in &self.signatures {
                good |= hmac::verify(&key, &message, signature).is_ok();
            }
        }
        if !good {
            return Err(ProofError::Wrong);
        }
        if (now.0 - self.timestamp).abs() > TOLERANCE { Err(ProofError::Late) } else { Ok(()) }
    }
}

const PREFIX: &str = "whsec_";
const VERSION: &str = "v1,";
/// Two live secrets make two; some senders add one for each of several versions.
const MAX_SIGNATURES: usize = 8;
/// Eight signatures with room for those of other versions.
const MAX_HEADER: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_614_265_330);

    fn secret(octet: u8) -> SigningSecret {
        SigningSecret::from_octets(&[octet; 32]).unwrap()
    }

    fn claim(signature: &str) -> Claim {
        Claim::read("msg_1", &NOW.0.to_string(), signature).unwrap()
    }

    /// The example of the specification's reference libraries.
    #[test]
    fn the_signature_is_that_of_the_reference_libraries() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let claim = Claim::read("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", &signature).unwrap();
        assert_eq!(claim.verify(&[secret], br#"{"test": 2432232314}"#, NOW), Ok(()));
    }

    #[test]
    fn any_of_two_secrets_and_any_of_several_signatures_is_enough() {
        let both =
            format!("v1a,ed25519 {} {}", secret(1).sign("msg_1", NOW.0, b"x"), secret(2).sign("msg_1", NOW.0, b"x"));
        for known in [vec![secret(1)], vec![secret(2)], vec![secret(9), secret(2)]] {
            assert_eq!(claim(&both).verify(&known, b"x", NOW), Ok(()));
        }
        for unknown in [vec![secret(3)], vec![]] {
            assert_eq!(claim(&both).verify(&unknown, b"x", NOW), Err(ProofError::Wrong));
        }
    }

    #[test]
    fn id_timestamp_and_body_are_all_signed() {
        let signature = secret(1).sign("msg_1", NOW.0, b"x");
        let verify = |id: &str, at: i64, body: &[u8]| {
            Claim::read(id, &at.to_string(), &signature).unwrap().verify(&[secret(1)], body, NOW)
        };
        assert_eq!(verify("msg_1", NOW.0, b"x"), Ok(()));
        assert_eq!(verify("msg_2", NOW.0, b"x"), Err(ProofError::Wrong));
        assert_eq!(verify("msg_1", NOW.0 + 1, b"x"), Err(ProofError::Wrong));
        assert_eq!(verify("msg_1", NOW.0, b"y"), Err(ProofError::Wrong));
    }

    #[test]
    fn t41_a_timestamp_counts_for_five_minutes_on_either_side() {
        let signature = secret(1).sign("msg_1", NOW.0, b"x");
        for (seconds, expected) in
            [(300, Ok(())), (-300, Ok(())), (301, Err(ProofError::Late)), (-301, Err(ProofError::Late))]
        {
            assert_eq!(claim(&signature).verify(&[secret(1)], b"x", NOW.plus(seconds)), expected);
        }
    }

    #[test]
    fn headers_that_could_be_read_in_two_ways_are_refused() {
        let good = secret(1).sign("msg_1", NOW.0, b"x");
        for id in ["", "a.b", "a b", "ä", "a\n", &"x".repeat(129)] {
            assert_eq!(Claim::read(id, "1614265330", &good), Err(ProofError::Id), "{id:?}");
        }
        for at in ["", "0", "01614265330", "+1614265330", "-1", "1614265330.0", " 1614265330", "9999999999999"] {
            assert_eq!(Claim::read("a", at, &good), Err(ProofError::Timestamp), "{at:?}");
        }
        let many = [good.as_str(); 9].join(" ");
        for signature in
            ["", "v1", "v1,", "v1,AAAA", "v2,AAAA", &good[3..], &good.replace('=', ""), &many, &"v".repeat(1025)]
        {
            assert_eq!(Claim::read("a", "1614265330", signature), Err(ProofError::Signature), "{signature:?}");
        }
    }

    #[test]
    fn t26_a_secret_shows_itself_on_request_only() {
        let text = secret(7).expose();
        assert_eq!(SigningSecret::parse(&text), Ok(secret(7)));
        assert_eq!(format!("{:?}", secret(7)), "SigningSecret(hidden)");
        for bad in
            ["", "whsec_", "whsec_AAAA", "whsek_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
        {
            assert_eq!(SigningSecret::parse(bad), Err(SecretError), "{bad}");
        }
        assert!(SigningSecret::parse(&format!("whsec_{}", BASE64.encode(&[1; 65]))).is_err());
    }
}
