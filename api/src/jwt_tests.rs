use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use proptest::prelude::*;

use super::*;

struct Key(EcdsaKeyPair, PublicKey);

impl Key {
    fn p256() -> Key {
        Key::of(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    fn of(pair: EcdsaKeyPair) -> Key {
        let public = PublicKey::from_uncompressed_point(pair.public_key().as_ref()).unwrap();
        Key(pair, public)
    }
}

impl Signer for Key {
    fn public_key(&self) -> &PublicKey {
        &self.1
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec())
    }
}

fn claims() -> Claims {
    Claims {
        iss: "https://ca.example:8443".into(),
        sub: "device:sensor-1".into(),
        aud: "https://ca.example:8443".into(),
        client_id: "sensor-1".into(),
        iat: 1_800_000_000,
        exp: 1_800_003_600,
        jti: "abc".into(),
        scope: "devices:read audit:read".parse().unwrap(),
        groups: vec!["lab".into()],
        cnf: Some(Confirmation { certificate: Fingerprint([7; 32]) }),
        cert: Some("0a1b".into()),
        sid: Some(CredentialId::parse("0123456789").unwrap()),
        key: None,
    }
}

#[test]
fn what_was_signed_is_read_again_with_the_key_of_its_header_and_no_other() {
    let (key, other) = (Key::p256(), Key::p256());
    // The halves of a signature begin with a zero once in 128 signatures; all lengths have to work.
    for _ in 0..600 {
        let token = sign(&claims(), "kid-1", &key).unwrap();
        let read = verify(&token, |kid| (kid == "kid-1").then_some(key.public_key()));
        assert_eq!(read, Ok(claims()), "{token}");
        assert!(looks_like_one(&token));
    }
    let token = sign(&claims(), "kid-1", &key).unwrap();
    assert_eq!(verify(&token, |_| None), Err(JwsError::Key));
    assert_eq!(verify(&token, |_| Some(other.public_key())), Err(JwsError::Signature));
}

#[test]
fn only_a_p256_key_signs_and_verifies() {
    let large = Key::of(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap());
    assert!(sign(&claims(), "kid-1", &large).is_err());
    let token = sign(&claims(), "kid-1", &Key::p256()).unwrap();
    assert_eq!(verify(&token, |_| Some(large.public_key())), Err(JwsError::Key));
    assert!(Jwk::of(large.public_key()).is_none());
}

#[test]
fn a_thumbprint_is_that_of_the_example() {
    // The key of RFC 7515 A.3, its thumbprint from another implementation (jose 6, calculateJwkThumbprint).
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
    let (x, y) = ("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    let key = PublicKey::from_uncompressed_point(&[vec![4], decode(x), decode(y)].concat()).unwrap();
    assert_eq!(thumbprint_of(&key).unwrap(), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
    let jwk = Jwk::of(&key).unwrap();
    assert_eq!((jwk.x.as_str(), jwk.y.as_str(), jwk.usage.as_str()), (x, y, "sig"));
}

#[test]
fn the_header_says_three_things_and_the_claims_nothing_that_comes_twice() {
    let key = Key::p256();
    let make = |header: &str, payload: &str| {
        let text =
            format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(payload.as_bytes()));
        let signature = BASE64URL_NOPAD.encode(&fixed(&key.sign(text.as_bytes()).unwrap()).unwrap());
        verify(&format!("{text}.{signature}"), |_| Some(key.public_key()))
    };
    let good = r#"{"kid":"k","typ":"at+jwt","alg":"ES256"}"#;
    let payload = serde_json::to_string(&claims()).unwrap();
    assert_eq!(make(good, &payload), Ok(claims()));
    for bad in [
        r#"{"kid":"k","typ":"at+jwt","alg":"none"}"#,
        r#"{"kid":"k","typ":"at+jwt","alg":"HS256"}"#,
        r#"{"kid":"k","typ":"JWT","alg":"ES256"}"#,
        r#"{"kid":"k","alg":"ES256"}"#,
        r#"{"typ":"at+jwt","alg":"ES256"}"#,
        r#"{"kid":"k","kid":"k","typ":"at+jwt","alg":"ES256"}"#,
        r#"{"kid":"k","typ":"at+jwt","alg":"ES256","crit":[]}"#,
        r#"{"kid":"k","typ":"at+jwt","alg":"ES256","jwk":{}}"#,
        r#"["ES256","at+jwt","k"]"#,
        "null",
        "",
    ] {
        assert_eq!(make(bad, &payload), Err(JwsError::Header), "{bad}");
    }
    let body = payload.strip_suffix('}').unwrap();
    for bad in [
        format!("{body},\"sub\":\"device:other\"}}"),
        format!("{body},\"nbf\":0}}"),
        format!("{payload} x"),
        format!("[{payload}]"),
        payload.replace("1800003600", "1800003600.5"),
        payload.replace("1800003600", "99999999999999999999"),
        payload.replace("devices:read", "root"),
        "{}".into(),
    ] {
        assert_eq!(make(good, &bad), Err(JwsError::Claims), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_changed_character_passes(at in 0usize..2000, to in "[A-Za-z0-9_.=-]") {
        let key = Key::p256();
        let token = sign(&claims(), "kid-1", &key).unwrap();
        let at = at % token.len();
        let mut changed = token.clone();
        changed.replace_range(at..at + 1, &to);
        prop_assume!(changed != token);
        prop_assert!(verify(&changed, |_| Some(key.public_key())).is_err());
    }

    #[test]
    fn whatever_comes_is_answered(text in "\\PC{0,300}") {
        prop_assert!(verify(&text, |_| None).is_err());
    }
}
