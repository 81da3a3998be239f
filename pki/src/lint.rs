//! Reads to-be-signed bytes back and compares them with what they should say, byte for byte. Written apart from the
//! encoder on purpose: a mistake must happen twice to reach a key.

mod ca;
mod expected;
mod leaf;

use thiserror::Error;
use x509_parser::certificate::TbsCertificate;
use x509_parser::der_parser::oid::Oid;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

pub(crate) use ca::{CaExpectation, ca};
pub(crate) use leaf::{LeafExpectation, leaf};

use crate::der::{self, DerError, Limits, read_tlv};
use crate::encode::{Fields, VERSION_3};
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
    issuer_name: &'a [u8],
    signing_key: &'a PublicKey,
    subject_name: &'a [u8],
    key: &'a PublicKey,
    serial: &'a Serial,
    validity: (UnixTime, UnixTime),
}

/// One extension that must be there, exactly so; `broken` is the sentence when it is not.
struct Wanted {
    oid: &'static [u8],
    critical: bool,
    value: Vec<u8>,
    broken: &'static str,
}

/// Everything in front of the extensions, and that nothing but them follows.
fn frame(bytes: &[u8], expected: &Frame<'_>) -> Result<(), LintError> {
    der::check(bytes, Limits::CERTIFICATE)?;
    require(bytes.first() == Some(&0x30), "the bytes are not a certificate")?;
    let found = Fields::split(bytes)?;
    let (from, to) = expected.validity;
    let scheme = signer::scheme(expected.signing_key).map_err(|e| LintError(e.to_string()))?;
    let serial = expected.serial.as_bytes();
    require(found.version == VERSION_3, "the version is not 3")?;
    require(found.serial == der::integer(serial), "the serial number is not the planned one")?;
    require((16..=20).contains(&serial.len()), "the serial number is too short to be random")?;
    require(found.algorithm == scheme.identifier(), "the signature algorithm is not that of the signing key")?;
    require(found.issuer == expected.issuer_name, "the issuer name is not the subject of the signing certificate")?;
    require(found.validity == der::sequence(&[&der::time(from), &der::time(to)]), "the validity is not as planned")?;
    // `der::time` clamps to what X.509 can write, so a plan beyond that would compare equal.
    require(UnixTime(0) <= from && from < to && to <= UnixTime::MAX, "the validity is empty or cannot be written")?;
    require(found.subject == expected.subject_name, "the subject is not the planned one")?;
    require(found.spki == expected.key.spki(), "the public key is not the one that was checked")?;
    // No unique identifiers ([1], [2]); extensions are the last field.
    let after_extensions = read_tlv(found.rest).map(|(tag, _, _, after)| (tag, after.is_empty()));
    require(after_extensions == Ok((0xa3, true)), "something other than extensions follows the public key")
}

/// The extensions are exactly the wanted ones, each once, in any order, each in its one DER spelling.
fn extensions(bytes: &[u8], mut wanted: Vec<Wanted>) -> Result<(), LintError> {
    let mut seen: Vec<&'static [u8]> = Vec::new();
    let (tag, mut rest, _, tail) = read_tlv(read_tlv(Fields::split(bytes)?.rest)?.1)?;
    require(tag == 0x30 && tail.is_empty(), "the extensions are not a single list")?;
    while !rest.is_empty() {
        let (_, content, whole, after) = read_tlv(rest)?;
        let oid = read_tlv(content)?.1;
        require(!seen.contains(&oid), "an extension is there twice")?;
        let Some(at) = wanted.iter().position(|w| w.oid == oid) else {
            return Err(LintError(format!("extension {} has no business here", Oid::new(oid.into()))));
        };
        let rule = wanted.swap_remove(at);
        // DEFAULT FALSE is left out (X.690 11.5).
        let critical: &[u8] = if rule.critical { &[0x01, 0x01, 0xff] } else { &[] };
        let planned = der::sequence(&[&der::oid(rule.oid), critical, &der::octet_string(&rule.value)]);
        require(whole == planned, rule.broken)?;
        seen.push(rule.oid);
        rest = after;
    }
    if let Some(missing) = wanted.first() {
        return Err(LintError(format!("an extension is missing: {}", missing.broken)));
    }
    understood(bytes)
}

/// The plan itself is nonsense when another reader cannot make sense of what follows it.
fn understood(bytes: &[u8]) -> Result<(), LintError> {
    let Ok(([], tbs)) = TbsCertificate::from_der(bytes) else {
        return Err(LintError("the bytes are not a certificate".into()));
    };
    let unclear = tbs.extensions().iter().find(|extension| {
        let parsed = extension.parsed_extension();
        // Not known there; compared in full above.
        let marks = [expected::OCSP_NOCHECK, expected::NO_REV_AVAIL];
        !marks.contains(&extension.oid.as_bytes())
            && matches!(parsed, ParsedExtension::ParseError { .. } | ParsedExtension::UnsupportedExtension { .. })
    });
    match unclear {
        None => Ok(()),
        Some(extension) => Err(LintError(format!("extension {} cannot be read back", extension.oid))),
    }
}

fn require(holds: bool, sentence: &str) -> Result<(), LintError> {
    if holds { Ok(()) } else { Err(LintError(sentence.to_owned())) }
}

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
