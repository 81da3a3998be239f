//! Access tokens: compact JWS (RFC 7515 3.1) of type `at+jwt` (RFC 9068), signed with ES256 and nothing else.
//!
//! The header of a stranger's token decides nothing: algorithm and type are fixed, the key is one of those that are known by
//! their thumbprint, and a header that says more than these three is not ours.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use signet_pki::key::{KeyAlgorithm, SignatureScheme};
use signet_pki::signer::{Signer, SignerError};
use signet_pki::{Fingerprint, PublicKey};
use thiserror::Error;

use crate::credential::CredentialId;
use crate::scope::Scopes;

/// What a token says (RFC 9068 2.2). Times in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// The service's public URL.
    pub iss: String,
    /// `device:sensor-1`, `account:acme`.
    pub sub: String,
    pub aud: String,
    pub client_id: String,
    pub iat: i64,
    pub exp: i64,
    pub jti: String,
    #[serde(default, skip_serializing_if = "no_scopes")]
    pub scope: Scopes,
    /// Of the device or service (RFC 9068 2.2.3.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Good only with this certificate (RFC 8705 3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
    /// The serial number of that certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<String>,
    /// The session: the family of refresh tokens that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<CredentialId>,
    /// The API key that it was got with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<CredentialId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// SHA-256 of the certificate's DER.
    #[serde(rename = "x5t#S256", with = "thumbprint")]
    pub certificate: Fingerprint,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JwsError {
    #[error("it is longer than any of our tokens")]
    Long,
    #[error("it is not three parts of canonical base64url with dots between them")]
    Form,
    #[error("its header is not exactly alg ES256, typ at+jwt and a kid")]
    Header,
    #[error("it names a key that is not published")]
    Key,
    #[error("its signature does not hold")]
    Signature,
    #[error("its claims are not those of our tokens")]
    Claims,
}

/// A signed token. Only a P-256 key signs: another one's signature has another length, and is refused.
pub fn sign(claims: &Claims, kid: &str, key: &dyn Signer) -> Result<String, SignerError> {
    let failed = |what: &str| SignerError::Unavailable(what.into());
    let header = Header { alg: ALGORITHM.into(), typ: TYPE.into(), kid: kid.into() };
    let mut text = String::with_capacity(1024);
    let encode = |value: serde_json::Result<Vec<u8>>| value.map(|json| BASE64URL_NOPAD.encode(&json));
    text += &encode(serde_json::to_vec(&header)).map_err(|_| failed("the header"))?;
    text.push('.');
    text += &encode(serde_json::to_vec(claims)).map_err(|_| failed("the claims"))?;
    let signature = fixed(&key.sign(text.as_bytes())?).ok_or_else(|| failed("not a P-256 signature"))?;
    text.push('.');
    text += &BASE64URL_NOPAD.encode(&signature);
    // What nobody could read leaves nobody.
    if text.len() > MAX_BYTES { Err(failed("the token is too long")) } else { Ok(text) }
}

/// The claims of a token that is ours by form and signature. Times, audience and binding are for the caller to judge.
pub fn verify<'k>(token: &str, find: impl FnOnce(&str) -> Option<&'k PublicKey>) -> Result<Claims, JwsError> {
    if token.len() > MAX_BYTES {
        return Err(JwsError::Long);
    }
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(JwsError::Form);
    };
    // Strict: without padding, and the bits that are left over are zero.
    let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| JwsError::Form);
    let head: Header = object(&decode(header)?).ok_or(JwsError::Header)?;
    if head.alg != ALGORITHM || head.typ != TYPE {
        return Err(JwsError::Header);
    }
    let payload = decode(claims)?;
    let signature = <[u8; 64]>::try_from(decode(signature)?).map_err(|_| JwsError::Signature)?;
    let key = find(&head.kid).filter(|key| key.algorithm() == KeyAlgorithm::P256).ok_or(JwsError::Key)?;
    let signed = &token.as_bytes()[..header.len() + 1 + claims.len()];
    if !key.verify(SignatureScheme::EcdsaSha256, signed, &der(&signature)) {
        return Err(JwsError::Signature);
    }
    object(&payload).ok_or(JwsError::Claims)
}

/// Whether a text may be one of ours, as opposed to another kind of secret.
pub fn looks_like_one(token: &str) -> bool {
    token.bytes().filter(|b| *b == b'.').count() == 2
}

/// RFC 7638: SHA-256 of the key's required members in their order.
pub fn thumbprint_of(key: &PublicKey) -> Option<String> {
    let (x, y) = coordinates(key)?;
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    Some(BASE64URL_NOPAD.encode(&Fingerprint::of(canonical.as_bytes()).0))
}

/// A public key as it stands in a set of keys (RFC 7517 4, RFC 7518 6.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    pub kty: String,
    pub crv: String,
    pub x: String,
    pub y: String,
    #[serde(rename = "use")]
    pub usage: String,
    pub alg: String,
    pub kid: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    pub keys: Vec<Jwk>,
}

impl Jwk {
    /// `None` for a key that is not P-256.
    pub fn of(key: &PublicKey) -> Option<Jwk> {
        let (x, y) = coordinates(key)?;
        let (kty, crv) = ("EC".into(), "P-256".into());
        Some(Jwk { kty, crv, x, y, usage: "sig".into(), alg: ALGORITHM.into(), kid: thumbprint_of(key)? })
    }
}

/// RFC 6749 3.3 knows no empty list.
pub(crate) fn no_scopes(scopes: &Scopes) -> bool {
    scopes.is_empty()
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// An object and not the list of its values. Members that come twice or are not known are refused by the derived reader.
fn object<T: serde::de::DeserializeOwned>(json: &[u8]) -> Option<T> {
    if json.first() == Some(&b'{') { serde_json::from_slice(json).ok() } else { None }
}

fn coordinates(key: &PublicKey) -> Option<(String, String)> {
    let point = key.key_bits().strip_prefix(&[4]).filter(|rest| rest.len() == 64)?;
    let (x, y) = point.split_at(32);
    Some((BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y)))
}

/// `ECDSA-Sig-Value` (RFC 3279 2.2.3) to r and s of 32 octets each (RFC 7518 3.4).
fn fixed(der: &[u8]) -> Option<[u8; 64]> {
    let rest = der.strip_prefix(&[0x30])?;
    let (length, mut rest) = rest.split_first()?;
    if usize::from(*length) != rest.len() || *length >= 0x80 {
        return None;
    }
    let mut out = [0; 64];
    for half in out.chunks_exact_mut(32) {
        let (length, tail) = rest.strip_prefix(&[0x02])?.split_first()?;
        let (number, tail) = tail.split_at_checked(usize::from(*length))?;
        let digits = number.strip_prefix(&[0]).unwrap_or(number);
        half[32usize.checked_sub(digits.len())?..].copy_from_slice(digits);
        rest = tail;
    }
    rest.is_empty().then_some(out)
}

fn der(signature: &[u8; 64]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|b| **b == 0).count().min(number.len() - 1);
        let digits = &number[zeros..];
        let sign: &[u8] = if digits[0] & 0x80 != 0 { &[0] } else { &[] };
        // At most 33 octets each: a short length.
        [&[0x02, (sign.len() + digits.len()) as u8][..], sign, digits].concat()
    };
    let (r, s) = signature.split_at(32);
    let both = [integer(r), integer(s)].concat();
    [&[0x30, both.len() as u8][..], &both].concat()
}

mod thumbprint {
    use super::{BASE64URL_NOPAD, Fingerprint};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(value: &Fingerprint, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64URL_NOPAD.encode(&value.0))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Fingerprint, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok().and_then(|b| b.try_into().ok());
        bytes.map(Fingerprint).ok_or_else(|| D::Error::custom("not a SHA-256 in base64url"))
    }
}

const ALGORITHM: &str = "ES256";
const TYPE: &str = "at+jwt";
/// Thirty-two groups of 63 characters, all scopes and an audience of 512 fit twice; a header line of ours takes it.
const MAX_BYTES: usize = 8 * 1024;

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
