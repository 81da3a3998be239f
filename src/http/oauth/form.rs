//! `application/x-www-form-urlencoded`, strictly: every parameter once (RFC 6749 3.2).

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use signet_api::credential::CredentialKind;
use signet_api::{Credential, ErrorCode};
use zeroize::Zeroizing;

use crate::credentials::keys::PresentedKey;
use crate::http::refusal::Refusal;
use crate::http::{Service, limits, media, request};

/// Parameters by name. Values may be secrets.
pub(super) struct Form(BTreeMap<String, Zeroizing<String>>);

impl Form {
    pub(super) async fn read(service: &Service, headers: &HeaderMap, body: Body) -> Result<Form, Refusal> {
        if media::of(headers)?.as_deref() != Some(MEDIA) {
            return Err(Refusal::told(ErrorCode::UnsupportedMedia, format!("the body has to be {MEDIA}")));
        }
        let bytes = request::body(service, body, limits::FORM_BYTES).await?;
        Form::parse(&bytes).map_err(|told| Refusal::told(ErrorCode::MalformedRequest, told))
    }

    fn parse(bytes: &[u8]) -> Result<Form, String> {
        let mut form = BTreeMap::new();
        for pair in bytes.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            let decoded = |part: &[u8]| decode(part).ok_or("the form is not percent-encoded UTF-8".to_owned());
            let (name, value) = (decoded(&pair[..at])?, decoded(pair.get(at + 1..).unwrap_or_default())?);
            if form.len() >= MOST {
                return Err(format!("the form has more than {MOST} parameters"));
            }
            if form.contains_key(name.as_str()) {
                // Only names of ours come back.
                let known = KNOWN.iter().find(|known| **known == name.as_str()).unwrap_or(&"a parameter");
                return Err(format!("{known} is there twice"));
            }
            form.insert(name.to_string(), value);
        }
        Ok(Form(form))
    }

    /// Without a value is without the parameter (RFC 6749 3.2).
    pub(super) fn optional(&self, name: &str) -> Option<Zeroizing<String>> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    pub(super) fn required(&self, name: &'static str) -> Result<Zeroizing<String>, Refusal> {
        let missing = || Refusal::told(ErrorCode::MalformedRequest, format!("the parameter {name} is missing"));
        self.optional(name).ok_or_else(missing)
    }
}

/// An API key as the password of HTTP Basic, its id as the name; `None` for another scheme or no header.
pub(super) fn basic(headers: &HeaderMap) -> Result<Option<PresentedKey>, Refusal> {
    let Some((name, value)) = request::only_secret(headers)? else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let Some(encoded) = text.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case("basic ")).map(|_| &text[6..]) else {
        return Ok(None);
    };
    if name != header::AUTHORIZATION {
        return Ok(None);
    }
    let key = parse_basic(encoded.trim());
    let wrong = "Authorization: Basic holds no API key: its user name is the key's id, its password the whole key";
    key.map(|key| Some(PresentedKey::Own(key))).ok_or_else(|| Refusal::told(ErrorCode::CredentialInvalid, wrong))
}

fn parse_basic(encoded: &str) -> Option<Credential> {
    let decoded = Zeroizing::new(data_encoding::BASE64.decode(encoded.as_bytes()).ok()?);
    let at = decoded.iter().position(|b| *b == b':')?;
    // Both halves are form-encoded before (RFC 6749 2.3.1); our ids and keys look the same either way.
    let (id, secret) = (decode(&decoded[..at])?, decode(&decoded[at + 1..])?);
    let key = Credential::parse(CredentialKind::ApiKey, &secret).ok()?;
    (key.id().as_str() == id.as_str()).then_some(key)
}

fn decode(part: &[u8]) -> Option<Zeroizing<String>> {
    let mut out = Zeroizing::new(Vec::with_capacity(part.len()));
    let mut rest = part.iter();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|d| char::from(*d).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                (high * 16 + low) as u8
            }
            other => *other,
        });
    }
    // A NUL belongs into none of these values.
    let text = std::str::from_utf8(&out).ok().filter(|text| !text.contains('\0'))?;
    Some(Zeroizing::new(text.to_owned()))
}

const MEDIA: &str = "application/x-www-form-urlencoded";
/// Ours are ten; others are ignored (RFC 6749 3.2).
const MOST: usize = 32;
const KNOWN: [&str; 8] =
    ["grant_type", "scope", "client_id", "client_secret", "refresh_token", "resource", "audience", "token"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_with_each_parameter_once() {
        let form = Form::parse(b"grant_type=client_credentials&scope=devices%3aread+events:read&&empty=&flag").unwrap();
        assert_eq!(form.optional("scope").unwrap().as_str(), "devices:read events:read");
        assert!(form.optional("empty").is_none() && form.optional("flag").is_none() && form.optional("x").is_none());
        assert_eq!(Form::parse(b"scope=a&sc%6fpe=b").err().unwrap(), "scope is there twice");
        assert_eq!(Form::parse(b"secret-x=a&secret-x=b").err().unwrap(), "a parameter is there twice");
        for bad in [&b"a=%"[..], b"a=%4", b"a=%zz", b"a=%ff", b"a=%00", b"\xff=1"] {
            assert!(Form::parse(bad).is_err(), "{bad:?}");
        }
        let many: String = (0..40).map(|n| format!("p{n}=1&")).collect();
        assert!(Form::parse(many.as_bytes()).is_err());
    }

    #[test]
    fn the_password_of_basic_is_the_key_and_its_name_the_key_s_id() {
        let key = Credential::from_random(CredentialKind::ApiKey, &[7; 24]);
        let text = |id: &str, key: &str| data_encoding::BASE64.encode(format!("{id}:{key}").as_bytes());
        assert_eq!(parse_basic(&text(key.id().as_str(), &key.expose())), Some(key.clone()));
        assert_eq!(parse_basic(&text("acme", &key.expose())), None);
        assert_eq!(parse_basic(&text(key.id().as_str(), "secret")), None);
        assert_eq!(parse_basic("no base64"), None);
    }
}
