//! Reads to-be-signed bytes back, once, and compares every element with what it should say. Written apart from the
//! encoders on purpose: a mistake must happen twice to reach a key.

mod ca;
mod leaf;
mod read;
mod rule;

use thiserror::Error;
use x509_parser::der_parser::oid::Oid;

pub(crate) use ca::{CaExpectation, ca};
pub(crate) use leaf::leaf;
use read::{NameRule, Reader, is_scheme, only};
use rule::Rule;

use crate::der::{DerError, Limits};
use crate::key::PublicKey;
use crate::serial::Serial;
use crate::signer;
use crate::time::UnixTime;

/// The rule that was broken, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct LintError(pub String);

impl From<DerError> for LintError {
    fn from(error: DerError) -> LintError {
        LintError(error.to_string())
    }
}

/// What every certificate has, beside its extensions.
struct Frame<'a> {
    issuer: NameRule<'a>,
    signing_key: &'a PublicKey,
    subject: NameRule<'a>,
    key: &'a PublicKey,
    serial: &'a Serial,
    validity: (UnixTime, UnixTime),
}

/// Everything in front of the extensions (RFC 5280 4.1), and that nothing but them follows. Answers their list.
fn frame<'a>(bytes: &'a [u8], expected: &Frame<'_>) -> Result<&'a [u8], LintError> {
    // No reader of ours, or of other people, takes more.
    require(bytes.len() <= Limits::CERTIFICATE.bytes, "the certificate is longer than readers accept")?;
    let mut fields = Reader(only(bytes, 0x30).ok_or_else(|| broken("the bytes are not a certificate"))?);
    let not_version_3 = || broken("not a certificate of version 3");
    let mut next = |tag| fields.next(tag).ok_or_else(not_version_3);
    let (version, serial, algorithm) = (next(0xa0)?, next(0x02)?, next(0x30)?);
    let (issuer, validity, subject, spki) = (next(0x30)?, next(0x30)?, next(0x30)?, next(0x30)?);
    let planned = expected.serial.as_bytes();
    require(only(version, 0x02) == Some(&[2]), "the version is not 3")?;
    require(is_magnitude(serial, planned), "the serial number is not the planned one")?;
    require((16..=20).contains(&planned.len()), "the serial number is too short to be random")?;
    let scheme = signer::scheme(expected.signing_key).map_err(|e| LintError(e.to_string()))?;
    require(is_scheme(algorithm, scheme), "the signature algorithm is not that of the signing key")?;
    let issuer_fits = expected.issuer.fits(issuer);
    require(issuer_fits, "the issuer name is not the subject of the signing certificate")?;
    let (from, to) = expected.validity;
    require(UnixTime(0) <= from && from < to && to <= UnixTime::MAX, "the validity is empty or cannot be written")?;
    let mut times = Reader(validity);
    let as_planned = times.time() == Some(from.0) && times.time() == Some(to.0) && times.is_done();
    require(as_planned, "the validity is not as planned")?;
    require(expected.subject.fits(subject), "the subject is not the planned one")?;
    let planned_key = only(expected.key.spki(), 0x30);
    require(planned_key == Some(spki), "the public key is not the one that was checked")?;
    // No unique identifiers ([1], [2]); extensions are the last field.
    let extensions = fields.next(0xa3).filter(|_| fields.is_done());
    let extensions = extensions.ok_or_else(|| broken("something other than extensions follows the public key"))?;
    only(extensions, 0x30).ok_or_else(|| broken("the extensions are not a single list"))
}

/// The extensions are exactly the wanted ones, each once, in any order, each in its one DER spelling.
fn extensions(list: &[u8], wanted: &[Option<Rule<'_>>]) -> Result<(), LintError> {
    let mut list = Reader(list);
    let mut seen = [false; 16];
    while !list.is_done() {
        let content = list.next(0x30).ok_or_else(|| broken("the extensions are not a single list"))?;
        let mut extension = Reader(content);
        let oid = extension.next(0x06).ok_or_else(|| broken("an extension without identifier"))?;
        let found = wanted.iter().zip(&mut seen).find_map(|(rule, seen)| {
            let rule = rule.as_ref()?;
            (rule.terms().oid == oid).then_some((rule, seen))
        });
        let Some((rule, seen)) = found else {
            return Err(LintError(format!("extension {} has no business here", Oid::new(oid.into()))));
        };
        require(!*seen, "an extension is there twice")?;
        *seen = true;
        let terms = rule.terms();
        // DEFAULT FALSE is left out (X.690 11.5).
        let critical = !terms.critical || extension.next(0x01) == Some(&[0xff]);
        let value = extension.next(0x04).filter(|_| extension.is_done());
        require(critical && value.is_some_and(|value| rule.holds(value)), terms.broken)?;
    }
    let missing = wanted.iter().zip(seen).find_map(|(rule, seen)| rule.as_ref().filter(|_| !seen));
    match missing {
        None => Ok(()),
        Some(rule) => Err(LintError(format!("an extension is missing: {}", rule.terms().broken))),
    }
}

/// The content of an INTEGER: positive, and with a zero in front only where the sign needs one (X.690 8.3).
fn is_magnitude(content: &[u8], magnitude: &[u8]) -> bool {
    match magnitude {
        [] => false,
        [0, ..] => false,
        [first, ..] if first & 0x80 != 0 => content.strip_prefix(&[0]) == Some(magnitude),
        _ => content == magnitude,
    }
}

fn require(holds: bool, sentence: &str) -> Result<(), LintError> {
    if holds { Ok(()) } else { Err(broken(sentence)) }
}

fn broken(sentence: &str) -> LintError {
    LintError(sentence.to_owned())
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
