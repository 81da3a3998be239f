//! PKCS#10 requests put together by hand, so that a test can bend any part of one.

use super::TestSigner;
use crate::csr::{CheckedCsr, CsrError};
use crate::der::{self, bit_string, context, octet_string, oid, sequence, tlv};
use crate::key::SignatureScheme;
use crate::key_policy::KeyPolicy;
use crate::signer::Signer;

/// The parts of `CertificationRequestInfo`, each DER.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) version: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) spki: Vec<u8>,
    /// The elements inside `[0]`; none leaves the field out.
    pub(crate) attributes: Option<Vec<Vec<u8>>>,
}

impl Request {
    pub(crate) fn new(signer: &TestSigner) -> Request {
        Request {
            version: der::integer(&[0]),
            subject: name(&[(COMMON_NAME, 0x0c, b"wish")]),
            spki: signer.public_key().spki().to_vec(),
            attributes: Some(Vec::new()),
        }
    }

    pub(crate) fn asking(signer: &TestSigner, extensions: &[Vec<u8>]) -> Request {
        let mut request = Request::new(signer);
        request.attributes = Some(vec![extension_request(extensions)]);
        request
    }

    pub(crate) fn info(&self) -> Vec<u8> {
        let attributes = self.attributes.as_ref().map(|all| context(0, &all.concat())).unwrap_or_default();
        sequence(&[&self.version, &self.subject, &self.spki, &attributes])
    }

    pub(crate) fn signed(&self, signer: &TestSigner) -> Vec<u8> {
        self.signed_with(signer, signer.scheme())
    }

    pub(crate) fn signed_with(&self, signer: &TestSigner, scheme: SignatureScheme) -> Vec<u8> {
        let info = self.info();
        let signature = signer.sign_with(scheme, &info);
        sequence(&[&info, &scheme.identifier(), &bit_string(&signature)])
    }

    pub(crate) fn check(&self, signer: &TestSigner) -> Result<CheckedCsr, CsrError> {
        CheckedCsr::from_der(&self.signed(signer), &KeyPolicy::any())
    }
}

/// A name with one attribute in each RDN: `(type, string tag, value)`.
pub(crate) fn name(attributes: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
    let rdns: Vec<u8> = attributes.iter().flat_map(|a| tlv(0x31, &attribute_value(*a))).collect();
    tlv(0x30, &rdns)
}

pub(crate) fn attribute_value((kind, tag, value): (&[u8], u8, &[u8])) -> Vec<u8> {
    sequence(&[&oid(kind), &tlv(tag, value)])
}

/// `Attribute` (RFC 2986 4.1) with the given values.
pub(crate) fn attribute(kind: &[u8], values: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[&oid(kind), &tlv(0x31, &values.concat())])
}

pub(crate) fn extension_request(extensions: &[Vec<u8>]) -> Vec<u8> {
    attribute(EXTENSION_REQUEST, &[tlv(0x30, &extensions.concat())])
}

pub(crate) fn extension(kind: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let flag: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    sequence(&[&oid(kind), flag, &octet_string(value)])
}

pub(crate) const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
pub(crate) const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
pub(crate) const UNIT: &[u8] = &[0x55, 0x04, 0x0b];
pub(crate) const DOMAIN_COMPONENT: &[u8] = &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19];
pub(crate) const EXTENSION_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e];
pub(crate) const CHALLENGE_PASSWORD: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x07];
pub(crate) const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 0x0e];
pub(crate) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
pub(crate) const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
pub(crate) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
pub(crate) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];
pub(crate) const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 0x23];
pub(crate) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
/// 1.3.6.1.4.1.99999.1: nobody's.
pub(crate) const UNKNOWN: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8d, 0x1f, 0x01];
