//! A list as it is built and kept: one buffer, made once, shared from then on.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::view::{CrlFields, frames};
use super::{CrlPlan, OID_AKI, OID_CRL_NUMBER, OID_IDP, Scope};
use crate::ca::IssuerCert;
use crate::der;
use crate::encode::SignedParts;
use crate::issue::IssueError;
use crate::key::SignatureScheme;
use crate::lint::LintError;
use crate::signer::{self, Signer};

/// A list that was signed here, with entries that the next one can go on from. Clones share the bytes.
#[derive(Clone)]
pub struct SignedList {
    buffer: Arc<Vec<u8>>,
    start: usize,
    entries: Range<usize>,
    count: u64,
}

impl SignedList {
    pub fn der(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// How many entries it has.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The entries, encoded.
    pub fn entries(&self) -> &[u8] {
        &self.buffer[self.entries.clone()]
    }
}

impl AsRef<[u8]> for SignedList {
    fn as_ref(&self) -> &[u8] {
        self.der()
    }
}

impl fmt::Debug for SignedList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedList({} entries, {} octets)", self.count, self.der().len())
    }
}

/// Signs the list of this issuer that `plan` says, and verifies what came back.
///
/// The list is written once, into a buffer of its size, and hashed once: signer and check are given the digest. Entries
/// were checked when they came in, so that of them only the framing is read back.
pub fn sign(issuer: &IssuerCert, signer: &dyn Signer, plan: CrlPlan<'_>) -> Result<SignedList, IssueError> {
    if signer.public_key() != issuer.public_key() {
        return Err(IssueError::WrongKey);
    }
    let scheme = signer::scheme(issuer.public_key())?;
    let said =
        Said { issuer, scheme, number: plan.number, dates: (plan.this_update, plan.next_update), scope: plan.scope };
    let before = plan.continues.map_or(&[][..], SignedList::entries);
    let count = plan.continues.map_or(0, SignedList::count) + plan.entries.count();
    let length = before.len() + plan.entries.as_bytes().len();
    let extensions = der::context(0, &extensions(issuer, plan.number, plan.scope));
    let algorithm = scheme.identifier();
    let head = head(&said, length, extensions.len());
    let behind = extensions.len() + algorithm.len() + SIGNATURE;
    let (mut buffer, at) = plan.entries.into_buffer(before, head.len() + HEADER, behind);
    let tbs_at = at - head.len();
    buffer[tbs_at..at].copy_from_slice(&head);
    buffer.extend_from_slice(&extensions);
    let tbs = &buffer[tbs_at..];
    lint(tbs, &said, length, count)?;

    let digest = scheme.digest(tbs);
    let signature = match &digest {
        Some(digest) => signer.sign_hashed(tbs, digest)?,
        None => signer.sign(tbs)?,
    };
    buffer.extend_from_slice(&algorithm);
    buffer.extend_from_slice(&der::bit_string(&signature));
    let mut outer = Vec::with_capacity(HEADER);
    der::header(0x30, buffer.len() - tbs_at, &mut outer);
    let start = tbs_at - outer.len();
    buffer[start..tbs_at].copy_from_slice(&outer);

    // The signer is not trusted: what it answered is verified under the issuer's certified key, as it stands in the list.
    let parts = SignedParts::split(&buffer[start..]).map_err(|_| IssueError::BadSignature)?;
    let whole = parts.tbs.len() == at - tbs_at + length + extensions.len() && parts.algorithm == algorithm;
    let genuine = match &digest {
        Some(digest) => issuer.public_key().verify_digest(scheme, digest, parts.signature),
        None => parts.verify(issuer.public_key()),
    };
    if !whole || !genuine {
        return Err(IssueError::BadSignature);
    }
    Ok(SignedList { buffer: Arc::new(buffer), start, entries: at..at + length, count })
}

/// What the list has to say beside its entries.
struct Said<'a> {
    issuer: &'a IssuerCert,
    scheme: SignatureScheme,
    number: u64,
    dates: (crate::UnixTime, crate::UnixTime),
    scope: Scope<'a>,
}

/// `TBSCertList` (RFC 5280 5.1) from its header to the header of its entries.
fn head(said: &Said<'_>, entries: usize, extensions: usize) -> Vec<u8> {
    let (version, algorithm) = (der::integer(&[1]), said.scheme.identifier());
    let (this_update, next_update) = (der::time(said.dates.0), der::time(said.dates.1));
    let mut revoked = Vec::new();
    // revokedCertificates MUST be absent when there are none (5.1.2.6).
    if entries > 0 {
        der::header(0x30, entries, &mut revoked);
    }
    let parts = [&version[..], &algorithm, said.issuer.subject(), &this_update, &next_update, &revoked];
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut head = Vec::with_capacity(length + HEADER);
    der::header(0x30, length + entries + extensions, &mut head);
    parts.iter().for_each(|part| head.extend_from_slice(part));
    head
}

fn extensions(issuer: &IssuerCert, number: u64, scope: Scope<'_>) -> Vec<u8> {
    let key_id = der::sequence(&[&der::context_primitive(0, issuer.key_identifier())]);
    let number = der::integer(&number.to_be_bytes());
    let extension = |oid: &[u8], value: &[u8]| der::sequence(&[&der::oid(oid), &der::octet_string(value)]);
    let point = match scope {
        Scope::Full => Vec::new(),
        Scope::Shard { url } => {
            let value = der::octet_string(&distribution_point(url));
            der::sequence(&[&der::oid(OID_IDP), &CRITICAL, &value])
        }
    };
    der::sequence(&[&extension(OID_AKI, &key_id), &extension(OID_CRL_NUMBER, &number), &point])
}

/// `IssuingDistributionPoint` (RFC 5280 5.2.5) with one full name, all reasons, and no kind of certificate left out. It has
/// to be a name of the distribution point in the certificates that look for it (6.3.3 b).
fn distribution_point(url: &str) -> Vec<u8> {
    let full_name = der::context(0, &der::context_primitive(6, url.as_bytes()));
    der::sequence(&[&der::context(0, &full_name)])
}

/// Reads the list back before a key is touched: it says what was planned, and its entries are as many and as long.
fn lint(tbs: &[u8], said: &Said<'_>, length: usize, count: u64) -> Result<(), LintError> {
    let refuse = |sentence: &str| Err(LintError(sentence.to_owned()));
    let (this_update, next_update) = said.dates;
    if next_update <= this_update {
        return refuse("the revocation list would expire before it begins");
    }
    let Ok(found) = CrlFields::read(tbs) else { return refuse("the revocation list cannot be read back") };
    if found.algorithm != said.scheme.identifier() || found.issuer != said.issuer.subject() {
        return refuse("the revocation list names another issuer or algorithm");
    }
    if (found.number, found.this_update, found.next_update) != (said.number, this_update, next_update) {
        return refuse("the revocation list has another number or other dates than planned");
    }
    if found.authority_key_id != Some(said.issuer.key_identifier()) {
        return refuse("the revocation list has the wrong authority key identifier");
    }
    let agrees = match (said.scope, found.distribution_point) {
        (Scope::Full, None) => true,
        // A URI is an IA5String (RFC 5280 4.2.1.6).
        (Scope::Shard { url }, Some(point)) => {
            !url.is_empty() && url.bytes().all(|b| b.is_ascii_graphic()) && point == distribution_point(url)
        }
        (Scope::Full, Some(_)) | (Scope::Shard { .. }, None) => false,
    };
    if !agrees {
        return refuse("the revocation list has another scope than planned");
    }
    if found.entries.len() != length || frames(found.entries) != Some(count) {
        return refuse("the entries of the revocation list are not those that were put in");
    }
    Ok(())
}

/// A tag and five octets of length.
const HEADER: usize = 6;
/// The longest ECDSA signature of P-384 in DER with its BIT STRING: 104 + 3; Ed25519 has 64.
const SIGNATURE: usize = 112;
const CRITICAL: [u8; 3] = [0x01, 0x01, 0xff];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crl::{Entries, Reason};
    use crate::serial::Serial;
    use crate::testing::{NOW, authority};

    fn list(continues: Option<&SignedList>, entries: Entries) -> SignedList {
        let plan = CrlPlan { continues, ..CrlPlan::full(1, NOW, NOW.plus(60), entries) };
        sign(&authority().issuer, &authority().issuer_signer, plan).unwrap()
    }

    #[test]
    fn the_next_list_is_written_once_into_a_buffer_of_its_size() {
        let mut entries = Entries::new();
        (0..200u8).for_each(|n| entries.push(&Serial::from_random([n; 20]), NOW, Reason::Superseded));
        let first = list(None, entries.clone());
        let next = list(Some(&first), entries);
        assert_eq!(next.count(), 400);
        // A signature is some octets longer or shorter.
        assert!(next.buffer.capacity() < next.der().len() + SIGNATURE, "{}", next.buffer.capacity());
        assert!(!Arc::ptr_eq(&first.buffer, &next.buffer));
        assert!(Arc::ptr_eq(&next.buffer, &next.clone().buffer), "a clone shares the bytes");
    }
}
