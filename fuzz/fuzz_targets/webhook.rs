//! The headers of a signed message are read in one way, and nothing but a signature of its own secret is believed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signet_api::standard_webhooks::{Claim, ProofError, SigningSecret};
use signet_pki::UnixTime;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(secret) = SigningSecret::parse(text) {
        assert_eq!(SigningSecret::parse(&secret.expose()), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "SigningSecret(hidden)");
    }
    let mut parts = text.splitn(4, '\n');
    let mut next = || parts.next().unwrap_or_default();
    let (id, timestamp, signature, body) = (next(), next(), next(), next());
    let Ok(claim) = Claim::read(id, timestamp, signature) else { return };
    assert_eq!((claim.id.as_str(), claim.timestamp.to_string().as_str()), (id, timestamp));
    let now = UnixTime(claim.timestamp);
    let Ok(secret) = SigningSecret::from_octets(&[7; 32]) else { return };
    assert_eq!(claim.verify(&[secret.clone()], body.as_bytes(), now), Err(ProofError::Wrong), "nobody has signed this");
    // What is signed for these headers is accepted with them, beside whatever else stands in the header.
    let signed = secret.sign(id, claim.timestamp, body.as_bytes());
    if let Ok(claim) = Claim::read(id, timestamp, &format!("{signed} {signature}")) {
        assert_eq!(claim.verify(&[secret], body.as_bytes(), now), Ok(()));
    }
});
