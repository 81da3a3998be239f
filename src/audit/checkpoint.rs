//! Signed heads of the archived log: a checkpoint (c2sp.org/tlog-checkpoint) in a signed note (c2sp.org/signed-note), so
//! that anybody's witness can keep one.

use data_encoding::BASE64;
use signet_pki::TrustDomain;
use signet_pki::key::PublicKey;
use signet_pki::signer;

/// How far the log has come, and the head of the tree over all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    /// Leaves, from the first of the log.
    pub size: u64,
    /// RFC 6962 2.1.
    pub root: [u8; 32],
}

/// The name of a trust domain's log and of the key that signs for it. Its first letter keeps what is signed apart from
/// everything else that the issuing key signs: those are DER and begin with 0x30.
pub fn origin(domain: &TrustDomain) -> String {
    format!("audit.{domain}/signet")
}

impl Checkpoint {
    /// What is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(&self.root))
    }

    /// The text with an ECDSA signature over it, in DER.
    pub fn note(&self, key: &PublicKey, signature: &[u8]) -> String {
        let whole = [&key_id(key), signature].concat();
        format!("{}\n\u{2014} {} {}\n", self.text(), self.origin, BASE64.encode(&whole))
    }

    /// Whether `note` says exactly this, with one good signature by `key`.
    pub fn is_in(&self, note: &str, key: &PublicKey) -> bool {
        let prefix = format!("{}\n\u{2014} {} ", self.text(), self.origin);
        let line = note.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix('\n'));
        let whole = line.and_then(|line| BASE64.decode(line.as_bytes()).ok()).unwrap_or_default();
        let Ok(scheme) = signer::scheme(key) else { return false };
        whole.strip_prefix(&key_id(key)).is_some_and(|signature| key.verify(scheme, self.text().as_bytes(), signature))
    }
}

/// For ECDSA (signature type 2) the first octets of the hash of the SPKI.
fn key_id(key: &PublicKey) -> [u8; 4] {
    let [a, b, c, d, ..] = key.fingerprint().0;
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use signet_keys::{KeyKind, PrivateKey};
    use signet_pki::signer::Signer;

    use super::*;

    #[test]
    fn a_note_is_good_for_its_words_and_its_key_alone() {
        let [key, other] = [KeyKind::P256, KeyKind::P384].map(|kind| PrivateKey::generate(kind).unwrap());
        let origin = origin(&TrustDomain::parse("0.example").unwrap());
        let checkpoint = Checkpoint { origin, size: 12, root: [7; 32] };
        let text = "audit.0.example/signet\n12\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";
        assert_eq!(checkpoint.text(), text);
        for signer in [&key, &other] {
            let note = checkpoint.note(signer.public_key(), &signer.sign(text.as_bytes()).unwrap());
            assert!(note.starts_with(&format!("{text}\n\u{2014} audit.0.example/signet ")), "{note}");
            assert!(checkpoint.is_in(&note, signer.public_key()));
            let stranger = if signer.public_key() == key.public_key() { &other } else { &key };
            assert!(!checkpoint.is_in(&note, stranger.public_key()));
            assert!(!Checkpoint { size: 13, ..checkpoint.clone() }.is_in(&note, signer.public_key()));
            assert!(!checkpoint.is_in(&note.replacen("12", "13", 1), signer.public_key()));
            assert!(!checkpoint.is_in(&(note + "x"), signer.public_key()));
        }
        let strange = checkpoint.note(key.public_key(), &other.sign(text.as_bytes()).unwrap());
        assert!(!checkpoint.is_in(&strange, key.public_key()));
    }
}
