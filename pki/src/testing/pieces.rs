//! A certificate taken to pieces, to be put together again with one of them bent.

use super::TestSigner;
use crate::der::{self, read_tlv};
use crate::encode::{SignedParts, assemble};

/// To-be-signed bytes: the fields in front of the extensions (indices below) and the extensions.
#[derive(Clone)]
pub(crate) struct Pieces {
    pub(crate) fields: Vec<Vec<u8>>,
    pub(crate) extensions: Vec<Vec<u8>>,
}

pub(crate) const VERSION: usize = 0;
pub(crate) const SERIAL: usize = 1;
pub(crate) const ALGORITHM: usize = 2;
pub(crate) const ISSUER: usize = 3;
pub(crate) const VALIDITY: usize = 4;
pub(crate) const SUBJECT: usize = 5;
pub(crate) const SPKI: usize = 6;

impl Pieces {
    pub(crate) fn of(tbs: &[u8]) -> Pieces {
        let mut rest = read_tlv(tbs).unwrap().1;
        let mut fields = Vec::new();
        for _ in VERSION..=SPKI {
            let (_, _, whole, after) = read_tlv(rest).unwrap();
            fields.push(whole.to_vec());
            rest = after;
        }
        let mut list = read_tlv(read_tlv(rest).unwrap().1).unwrap().1;
        let mut extensions = Vec::new();
        while let Ok((_, _, whole, after)) = read_tlv(list) {
            extensions.push(whole.to_vec());
            list = after;
        }
        Pieces { fields, extensions }
    }

    pub(crate) fn of_certificate(der: &[u8]) -> Pieces {
        Pieces::of(SignedParts::split(der).unwrap().tbs)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let extensions = der::context(3, &der::tlv(0x30, &self.extensions.concat()));
        der::tlv(0x30, &[self.fields.concat(), extensions].concat())
    }

    pub(crate) fn with(&self, field: usize, value: Vec<u8>) -> Vec<u8> {
        let mut other = self.clone();
        other.fields[field] = value;
        other.bytes()
    }

    /// Without the extension of this type, and with `new` instead.
    pub(crate) fn replacing(&self, kind: &[u8], new: &[Vec<u8>]) -> Pieces {
        let marker = der::oid(kind);
        let mut other = self.clone();
        other.extensions.retain(|extension| !read_tlv(extension).unwrap().1.starts_with(&marker));
        other.extensions.extend_from_slice(new);
        other
    }
}

/// A certificate over any bytes.
pub(crate) fn sign(tbs: &[u8], signer: &TestSigner) -> Vec<u8> {
    assemble(tbs, signer.scheme(), &signer.sign_with(signer.scheme(), tbs))
}
