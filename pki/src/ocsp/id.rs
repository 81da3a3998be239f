//! `CertID` (RFC 6960 4.1.1): how a request names a certificate, by hashes of its issuer's name and key and by its serial.

use std::ops::Range;

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use crate::ca::IssuerCert;
use crate::der::{self, DerError, read_tlv};
use crate::serial::Serial;

/// SHA-1 is what most clients still send (RFC 5019 2.1.1). It names an issuer here and protects nothing: an answer repeats
/// the name that was asked for, and the signature over it uses another hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdHash {
    Sha1,
    Sha256,
}

/// As it was written, because an answer repeats it byte for byte: clients compare.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertId {
    der: Vec<u8>,
    /// `None` for a hash that is not known here.
    hash: Option<IdHash>,
    /// Both hashes of the issuer, as elements, inside `der`.
    issuer: Range<usize>,
    /// `None` for a number that no certificate of ours can have.
    serial: Option<Serial>,
}

impl CertId {
    pub fn new(hash: IdHash, issuer: &IssuerCert, serial: &Serial) -> CertId {
        let algorithm = der::sequence(&[&der::oid(hash.oid()), &der::null()]);
        let names = hash.issuer(issuer);
        let number = der::integer(serial.as_bytes());
        let der = der::sequence(&[&algorithm, &names, &number]);
        let end = der.len() - number.len();
        CertId { hash: Some(hash), issuer: end - names.len()..end, serial: Some(serial.clone()), der }
    }

    /// From the first element of `bytes`, and what follows it. The bytes have been checked to be DER.
    pub(super) fn read(bytes: &[u8]) -> Result<(CertId, &[u8]), DerError> {
        let (tag, body, whole, after) = read_tlv(bytes)?;
        let (algorithm_tag, algorithm, _, names) = read_tlv(body)?;
        let (name_tag, _, _, rest) = read_tlv(names)?;
        let (key_tag, _, _, rest) = read_tlv(rest)?;
        let (serial_tag, serial, _, end) = read_tlv(rest)?;
        let (oid_tag, oid, _, parameters) = read_tlv(algorithm)?;
        let tags = (tag, algorithm_tag, name_tag, key_tag, serial_tag, oid_tag);
        if tags != (0x30, 0x30, 0x04, 0x04, 0x02, 0x06) || !end.is_empty() {
            return Err(DerError::NotCanonical("not a CertID"));
        }
        // Absent and NULL are both written (RFC 5754 2); anything else is another algorithm.
        let hash = IdHash::from_oid(oid).filter(|_| matches!(parameters, [] | [0x05, 0x00]));
        let from = whole.len() - names.len();
        let id = CertId {
            der: whole.to_vec(),
            hash,
            issuer: from..whole.len() - rest.len(),
            serial: Serial::from_der_content(serial).ok(),
        };
        Ok((id, after))
    }

    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub fn serial(&self) -> Option<&Serial> {
        self.serial.as_ref()
    }

    pub fn hash(&self) -> Option<IdHash> {
        self.hash
    }
}

/// The hashes by which requests may name one issuer, made once.
#[derive(Debug, Clone)]
pub struct IssuerIds {
    sha1: Vec<u8>,
    sha256: Vec<u8>,
}

impl IssuerIds {
    pub fn of(issuer: &IssuerCert) -> IssuerIds {
        IssuerIds { sha1: IdHash::Sha1.issuer(issuer), sha256: IdHash::Sha256.issuer(issuer) }
    }

    /// Whether `id` names a certificate of this issuer.
    pub fn named_by(&self, id: &CertId) -> bool {
        let own = match id.hash {
            Some(IdHash::Sha1) => &self.sha1,
            Some(IdHash::Sha256) => &self.sha256,
            None => return false,
        };
        id.der[id.issuer.clone()] == own[..]
    }
}

impl IdHash {
    fn from_oid(oid: &[u8]) -> Option<IdHash> {
        [IdHash::Sha1, IdHash::Sha256].into_iter().find(|hash| hash.oid() == oid)
    }

    fn oid(self) -> &'static [u8] {
        match self {
            IdHash::Sha1 => &[0x2b, 0x0e, 0x03, 0x02, 0x1a],
            IdHash::Sha256 => &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
        }
    }

    /// `issuerNameHash` over the name's DER and `issuerKeyHash` over the key bits, as elements.
    fn issuer(self, issuer: &IssuerCert) -> Vec<u8> {
        let of = |bytes: &[u8]| match self {
            IdHash::Sha1 => digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes),
            IdHash::Sha256 => digest::digest(&SHA256, bytes),
        };
        let [name, key] = [issuer.subject(), issuer.public_key().key_bits()].map(|b| der::octet_string(of(b).as_ref()));
        [name, key].concat()
    }
}

/// `KeyHash` of a `ResponderID` (4.2.1): SHA-1 over the key bits, always.
pub(super) fn key_hash(key_bits: &[u8]) -> [u8; 20] {
    let mut hash = [0; 20];
    hash.copy_from_slice(digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, key_bits).as_ref());
    hash
}
