//! What a trust bundle says, and its one encoding.
//!
//! ```text
//! Content ::= SEQUENCE {
//!     format       INTEGER (1),
//!     trustDomain  UTF8String,
//!     sequence     INTEGER,                 -- 1, 2, 3, …
//!     previous     OCTET STRING,            -- SHA-256 of the content before; empty in the first
//!     created      INTEGER,                 -- seconds since 1970
//!     roots        SEQUENCE OF Certificate,
//!     issuers      SEQUENCE OF Certificate }
//! ```

use super::BundleError;
use crate::ca::IssuerCert;
use crate::chain;
use crate::der::{self, read_tlv};
use crate::key::Fingerprint;
use crate::name::TrustDomain;
use crate::signer;
use crate::time::UnixTime;

/// A bundle that nobody has signed.
#[derive(Debug, Clone)]
pub struct Draft {
    pub trust_domain: TrustDomain,
    pub sequence: u64,
    /// Digest of the bundle before; none for the first.
    pub previous: Option<Fingerprint>,
    pub created: UnixTime,
    pub roots: Vec<IssuerCert>,
    /// Issuers and cross certificates.
    pub issuers: Vec<IssuerCert>,
}

/// Bytes with their meaning.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    pub(super) facts: Draft,
}

impl Content {
    pub(super) fn encode(draft: Draft) -> Result<Content, BundleError> {
        let list = |all: &[IssuerCert]| der::sequence(&all.iter().map(IssuerCert::der).collect::<Vec<_>>());
        let bytes = der::sequence(&[
            &number(FORMAT),
            &der::tlv(UTF8_STRING, draft.trust_domain.as_str().as_bytes()),
            &number(draft.sequence),
            &der::octet_string(draft.previous.as_ref().map_or(&[], |hash| hash.0.as_slice())),
            &number(u64::try_from(draft.created.0).unwrap_or(0)),
            &list(&draft.roots),
            &list(&draft.issuers),
        ]);
        Content::read(&bytes)
    }

    /// `bytes` have passed the strict reader.
    pub(super) fn read(bytes: &[u8]) -> Result<Content, BundleError> {
        let mut rest = read_tlv(bytes)?.1;
        let mut next = |expected: u8, broken: &'static str| -> Result<&[u8], BundleError> {
            let (tag, content, _, after) = read_tlv(rest)?;
            rest = after;
            if tag == expected { Ok(content) } else { Err(BundleError::Structure(broken)) }
        };
        // First of all: what follows has another shape in another format.
        let format = read_number(next(INTEGER, "it does not begin with its format")?)?;
        if format != FORMAT {
            return Err(BundleError::Format(format));
        }
        let domain = next(UTF8_STRING, "the trust domain is missing")?;
        let sequence = read_number(next(INTEGER, "the sequence is missing")?)?;
        let previous = next(OCTET_STRING, "the hash of the bundle before is missing")?;
        let created = read_number(next(INTEGER, "the time is missing")?)?;
        let roots = next(SEQUENCE, "the roots are missing")?;
        let issuers = next(SEQUENCE, "the issuers are missing")?;
        if !rest.is_empty() {
            return Err(BundleError::Structure("something follows the issuers"));
        }
        let facts = Draft {
            trust_domain: trust_domain(domain)?,
            sequence: Some(sequence)
                .filter(|n| (1..=MAX_SEQUENCE).contains(n))
                .ok_or(BundleError::Structure("the sequence is out of range"))?,
            previous: digest_before(previous, sequence)?,
            created: i64::try_from(created)
                .ok()
                .map(UnixTime)
                .filter(|at| *at <= UnixTime::MAX)
                .ok_or(BundleError::Structure("the time is out of range"))?,
            roots: certificates(roots, MAX_ROOTS)?,
            issuers: certificates(issuers, MAX_ISSUERS)?,
        };
        facts.check()?;
        Ok(Content { bytes: bytes.to_vec(), facts })
    }
}

impl Draft {
    /// Roots sign themselves, what stands below them is signed by one of them, and nothing is there twice.
    fn check(&self) -> Result<(), BundleError> {
        let wrong =
            |cert: &IssuerCert, why: &str| Err(BundleError::Certificate(format!("{} {why}", cert.view().subject_text)));
        if self.roots.is_empty() {
            return Err(BundleError::Structure("it has no root"));
        }
        for root in &self.roots {
            let view = root.view();
            if !view.is_self_issued() || chain::issued_by(view, view).is_err() {
                return wrong(root, "is not self-signed, so it is no root");
            }
            if signer::scheme(root.public_key()).is_err() {
                return wrong(root, "has a key of a type that cannot sign here");
            }
        }
        for issuer in &self.issuers {
            let view = issuer.view();
            if view.is_self_issued() || !self.roots.iter().any(|root| chain::issued_by(view, root.view()).is_ok()) {
                return wrong(issuer, "is not issued by one of its roots");
            }
        }
        let all: Vec<&IssuerCert> = self.roots.iter().chain(&self.issuers).collect();
        let twice = (1..all.len()).find(|n| all[..*n].iter().any(|earlier| earlier.der() == all[*n].der()));
        twice.map_or(Ok(()), |n| wrong(all[n], "is there twice"))
    }
}

fn trust_domain(bytes: &[u8]) -> Result<TrustDomain, BundleError> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let domain = TrustDomain::parse(text).map_err(|_| BundleError::Structure("the trust domain is not one"))?;
    // The one spelling: a domain that was read in another would be written back differently.
    if domain.as_str() == text { Ok(domain) } else { Err(BundleError::Structure("the trust domain is not one")) }
}

/// Nothing before the first, and a hash before every other.
fn digest_before(bytes: &[u8], sequence: u64) -> Result<Option<Fingerprint>, BundleError> {
    match (<[u8; 32]>::try_from(bytes), sequence) {
        (Ok(hash), 2..) => Ok(Some(Fingerprint(hash))),
        (Err(_), 1) if bytes.is_empty() => Ok(None),
        _ => Err(BundleError::Structure("the hash of the bundle before does not fit its sequence")),
    }
}

fn certificates(mut list: &[u8], most: usize) -> Result<Vec<IssuerCert>, BundleError> {
    let mut found = Vec::new();
    while !list.is_empty() {
        if found.len() == most {
            return Err(BundleError::Structure("there are too many certificates"));
        }
        let (_, _, whole, rest) = read_tlv(list)?;
        found.push(IssuerCert::from_der(whole).map_err(|e| BundleError::Certificate(e.to_string()))?);
        list = rest;
    }
    Ok(found)
}

fn number(value: u64) -> Vec<u8> {
    der::integer(&value.to_be_bytes())
}

/// Not negative, and of 64 bits at most.
fn read_number(content: &[u8]) -> Result<u64, BundleError> {
    let magnitude = match content {
        [0, rest @ ..] => rest,
        [first, ..] if first & 0x80 != 0 => return Err(BundleError::Structure("a number is negative")),
        all => all,
    };
    if magnitude.len() > 8 {
        return Err(BundleError::Structure("a number is too large"));
    }
    Ok(magnitude.iter().fold(0, |n, octet| n << 8 | u64::from(*octet)))
}

const FORMAT: u64 = 1;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0c;
const SEQUENCE: u8 = 0x30;
/// A rollover every year for as long as anybody cares.
const MAX_SEQUENCE: u64 = 9999;
/// One in use, one to come, and some that are on their way out.
pub(super) const MAX_ROOTS: usize = 8;
/// Issuers of all roots, and a cross certificate for each pair.
const MAX_ISSUERS: usize = 64;
