//! Trust bundles: the roots of a trust domain, as a chain of signed documents of which each follows from the one before.
//!
//! A device that was off for years holds an old bundle, or only a root. It takes the next one when a root that it trusts
//! already has signed it, and goes on from there; who delivers the documents does not matter. Time is no part of a step:
//! old roots have ended when somebody follows them. Only the roots at the end have to be good now ([`Held::usable_roots`]).
//!
//! What is signed is [`PURPOSE`] and the content's bytes, so that no signature on a bundle is one on a certificate, nor
//! the other way round. A bundle is named by the hash of its content and not of the whole document: an ECDSA signature can
//! be changed without becoming invalid.

mod content;

use thiserror::Error;

use crate::ca::IssuerCert;
use crate::der::{self, DerError, Limits, read_tlv};
use crate::key::{Fingerprint, PublicKey};
use crate::name::TrustDomain;
use crate::signer::{self, Signer, SignerError};
use crate::time::UnixTime;

use content::Content;
pub use content::Draft;

/// Why bytes are no bundle, or a draft cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BundleError {
    #[error("the trust bundle is malformed: {0}")]
    Encoding(#[from] DerError),
    #[error("the trust bundle is malformed: {0}")]
    Structure(&'static str),
    #[error("the trust bundle has the format {0}, which this program does not know")]
    Format(u64),
    #[error("the trust bundle holds a certificate that does not belong there: {0}")]
    Certificate(String),
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error("the signature that came back does not verify")]
    BadSignature,
    #[error("this key has signed the trust bundle already")]
    SignedAlready,
}

/// Why a bundle does not follow from what is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StepError {
    #[error("the trust bundle is for {found}, not for {expected}")]
    Domain { expected: TrustDomain, found: TrustDomain },
    #[error("the trust bundle has the sequence {found}, where {expected} comes next")]
    Sequence { expected: u64, found: u64 },
    #[error(
        "trust bundle {0} does not continue the one before it that is held here: somebody has made two of the same sequence"
    )]
    Fork(u64),
    #[error("trust bundle {0} is signed by no root that was trusted before it")]
    Unsigned(u64),
    #[error("trust bundle {sequence} brings in {root}, whose key has not signed it")]
    NoPossession { sequence: u64, root: String },
    #[error("trust bundle {0} carries a signature that is wrong, or of a key that it has nothing to do with")]
    WrongSignature(u64),
    #[error("trust bundle {0} does not have the pinned root, or is not signed by it")]
    NotOfPin(u64),
    #[error("no root of trust bundle {sequence} is valid at {at}")]
    NoUsableRoot { sequence: u64, at: UnixTime },
}

/// A bundle as read: well-formed, and nothing more. Trust begins with [`Held`].
#[derive(Debug, Clone)]
pub struct Bundle {
    der: Vec<u8>,
    content: Content,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    /// SHA-256 of the signer's public key.
    key: Fingerprint,
    value: Vec<u8>,
}

impl Bundle {
    /// Strict DER within limits; a format of the future is told apart from damage.
    pub fn parse(bytes: &[u8]) -> Result<Bundle, BundleError> {
        der::check(bytes, LIMITS)?;
        let (tag, body, _, _) = read_tlv(bytes)?;
        let (content_tag, _, content, rest) = read_tlv(body)?;
        if (tag, content_tag) != (0x30, 0x30) {
            return Err(BundleError::Structure("it does not begin with a content"));
        }
        let content = Content::read(content)?;
        let (tag, mut list, _, rest) = read_tlv(rest)?;
        if tag != 0x30 || !rest.is_empty() {
            return Err(BundleError::Structure("its signatures are not a single list"));
        }
        let mut signatures: Vec<Signature> = Vec::new();
        while !list.is_empty() {
            let (signature, rest) = Signature::read(list)?;
            if signatures.len() == MAX_SIGNATURES || signatures.iter().any(|s| s.key == signature.key) {
                return Err(BundleError::Structure("a key has signed twice, or there are too many signatures"));
            }
            signatures.push(signature);
            list = rest;
        }
        Ok(Bundle { der: bytes.to_vec(), content, signatures })
    }

    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub fn trust_domain(&self) -> &TrustDomain {
        &self.content.facts.trust_domain
    }

    /// 1 for the first.
    pub fn sequence(&self) -> u64 {
        self.content.facts.sequence
    }

    /// What the next bundle names as the one before it.
    pub fn digest(&self) -> Fingerprint {
        Fingerprint::of(&self.content.bytes)
    }

    /// The digest of the bundle before; none for the first.
    pub fn previous(&self) -> Option<Fingerprint> {
        self.content.facts.previous
    }

    /// When it was drawn up, by the clock of the ceremony. Nothing is decided by it.
    pub fn created(&self) -> UnixTime {
        self.content.facts.created
    }

    pub fn roots(&self) -> &[IssuerCert] {
        &self.content.facts.roots
    }

    /// Issuers and cross certificates, each issued by one of the roots.
    pub fn issuers(&self) -> &[IssuerCert] {
        &self.content.facts.issuers
    }

    /// Adds a signature: the proof that a new root has its key.
    pub fn cosign(self, signer: &dyn Signer) -> Result<Bundle, BundleError> {
        if self.is_marked_by(signer.public_key()) {
            return Err(BundleError::SignedAlready);
        }
        let signature = Signature::make(&self.content, signer)?;
        let signatures = self.signatures.into_iter().chain([signature]).collect();
        Bundle::assemble(self.content, signatures)
    }

    /// Roots that `before` does not have and whose keys have not signed yet: who is still to be asked.
    pub fn missing_signatures<'a>(&'a self, before: &'a [IssuerCert]) -> impl Iterator<Item = &'a IssuerCert> {
        let is_new = |root: &&IssuerCert| !before.iter().any(|known| known.der() == root.der());
        self.roots().iter().filter(is_new).filter(|root| !self.is_signed_by(root.public_key()))
    }

    /// Whether `key` has signed it, verified.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.signatures.iter().any(|s| s.key == key.fingerprint() && s.verifies(&self.content, key))
    }

    fn is_marked_by(&self, key: &PublicKey) -> bool {
        self.signatures.iter().any(|s| s.key == key.fingerprint())
    }

    fn assemble(content: Content, signatures: Vec<Signature>) -> Result<Bundle, BundleError> {
        let encoded: Vec<Vec<u8>> = signatures.iter().map(Signature::to_der).collect();
        let list: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
        // Read back: what leaves is what everybody else will be able to read.
        Bundle::parse(&der::sequence(&[&content.bytes, &der::sequence(&list)]))
    }
}

impl Draft {
    /// Encodes it, reads that back, and signs.
    pub fn sign(self, signer: &dyn Signer) -> Result<Bundle, BundleError> {
        let content = Content::encode(self)?;
        let signature = Signature::make(&content, signer)?;
        Bundle::assemble(content, vec![signature])
    }
}

impl Signature {
    fn make(content: &Content, signer: &dyn Signer) -> Result<Signature, BundleError> {
        let key = signer.public_key();
        let signature = Signature { key: key.fingerprint(), value: signer.sign(&message(content))? };
        if signature.verifies(content, key) { Ok(signature) } else { Err(BundleError::BadSignature) }
    }

    /// The scheme is that of the key, so there is no algorithm to choose.
    fn verifies(&self, content: &Content, key: &PublicKey) -> bool {
        signer::scheme(key).is_ok_and(|scheme| key.verify(scheme, &message(content), &self.value))
    }

    fn to_der(&self) -> Vec<u8> {
        der::sequence(&[&der::octet_string(&self.key.0), &der::octet_string(&self.value)])
    }

    fn read(bytes: &[u8]) -> Result<(Signature, &[u8]), BundleError> {
        let (tag, body, _, after) = read_tlv(bytes)?;
        let (key_tag, key, _, rest) = read_tlv(body)?;
        let (value_tag, value, _, rest) = read_tlv(rest)?;
        match (tag, key_tag, value_tag, key.try_into()) {
            (0x30, 0x04, 0x04, Ok(key)) if rest.is_empty() => {
                Ok((Signature { key: Fingerprint(key), value: value.to_vec() }, after))
            }
            _ => Err(BundleError::Structure("a signature is not a key's hash and a value")),
        }
    }
}

/// A bundle that follows from something trusted. Made by the steps below only.
#[derive(Debug, Clone)]
pub struct Held(Bundle);

impl Held {
    /// The first bundle of a domain, for those who take its roots from elsewhere: every root has signed it.
    pub fn first(bundle: Bundle) -> Result<Held, StepError> {
        if bundle.sequence() != 1 {
            return Err(StepError::Sequence { expected: 1, found: bundle.sequence() });
        }
        bundle.check_signatures(&[])?;
        Ok(Held(bundle))
    }

    /// The bundle that somebody begins with who knows one root of it: that root has signed it, whatever its sequence.
    pub fn pinned(bundle: Bundle, domain: &TrustDomain, pin: &Fingerprint) -> Result<Held, StepError> {
        bundle.check_domain(domain)?;
        let root = bundle.roots().iter().find(|root| Fingerprint::of(root.der()) == *pin);
        if !root.is_some_and(|root| bundle.is_signed_by(root.public_key())) {
            return Err(StepError::NotOfPin(bundle.sequence()));
        }
        Ok(Held(bundle))
    }

    /// Bytes of which this machine verified, when it stored them, that they follow.
    pub fn verified_before(bundle: Bundle) -> Held {
        Held(bundle)
    }

    /// The next one, when it follows.
    pub fn follow(&self, next: Bundle) -> Result<Held, StepError> {
        next.check_domain(self.0.trust_domain())?;
        let expected = self.0.sequence() + 1;
        if next.sequence() != expected {
            return Err(StepError::Sequence { expected, found: next.sequence() });
        }
        if next.previous() != Some(self.0.digest()) {
            return Err(StepError::Fork(next.sequence()));
        }
        next.check_signatures(self.0.roots())?;
        Ok(Held(next))
    }

    pub fn bundle(&self) -> &Bundle {
        &self.0
    }

    /// The roots that are valid at a time; all of them when nobody knows the time (a device that boots in 1970).
    pub fn usable_roots(&self, at: Option<UnixTime>) -> Result<Vec<&IssuerCert>, StepError> {
        let Some(at) = at else { return Ok(self.0.roots().iter().collect()) };
        let usable: Vec<_> = self.0.roots().iter().filter(|root| root.view().is_valid_at(at)).collect();
        if usable.is_empty() {
            return Err(StepError::NoUsableRoot { sequence: self.0.sequence(), at });
        }
        Ok(usable)
    }
}

impl Bundle {
    fn check_domain(&self, expected: &TrustDomain) -> Result<(), StepError> {
        match self.trust_domain() == expected {
            true => Ok(()),
            false => Err(StepError::Domain { expected: expected.clone(), found: self.trust_domain().clone() }),
        }
    }

    /// One root of `before` has signed, every root that is new has, and nobody else. Without `before` all are new.
    fn check_signatures(&self, before: &[IssuerCert]) -> Result<(), StepError> {
        let sequence = self.sequence();
        let known = |s: &Signature| {
            let mut keys = before.iter().chain(self.roots()).map(IssuerCert::public_key);
            keys.find(|key| key.fingerprint() == s.key).is_some_and(|key| s.verifies(&self.content, key))
        };
        if !self.signatures.iter().all(known) {
            return Err(StepError::WrongSignature(sequence));
        }
        if !before.is_empty() && !before.iter().any(|root| self.is_marked_by(root.public_key())) {
            return Err(StepError::Unsigned(sequence));
        }
        match self.missing_signatures(before).next() {
            None => Ok(()),
            Some(root) => Err(StepError::NoPossession { sequence, root: root.view().subject_text.clone() }),
        }
    }
}

fn message(content: &Content) -> Vec<u8> {
    [PURPOSE, &content.bytes].concat()
}

/// Stands in front of what is signed. No DER begins like this.
pub const PURPOSE: &[u8] = b"signet trust bundle, format 1\n";
/// Octets of a bundle at most: a hundred certificates.
pub const MAX_BYTES: usize = 128 * 1024;
/// Certificates need 10 levels and have some 80 elements each.
const LIMITS: Limits = Limits { bytes: MAX_BYTES, depth: 18, elements: 16 * 1024 };
/// Every root of two bundles, and no more.
const MAX_SIGNATURES: usize = 2 * content::MAX_ROOTS;

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
