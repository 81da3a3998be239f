//! Certificates of delegated OCSP responders, put together by hand so that a test can bend them.

use super::pieces::{Pieces, SPKI, sign};
use super::request::{EXTENDED_KEY_USAGE, Request, extension};
use super::{Authority, TestSigner};
use crate::der;
use crate::ocsp::ResponderCert;
use crate::signer::Signer;

/// A responder of an authority's issuer with its key.
pub(crate) struct Responder {
    pub(crate) certificate: ResponderCert,
    pub(crate) signer: TestSigner,
}

impl Responder {
    pub(crate) fn of(authority: &Authority, signer: TestSigner) -> Responder {
        let der = certificate(authority, &signer, &[OCSP_SIGNING], &[no_check()]);
        Responder { certificate: ResponderCert::below(&der, &authority.issuer).unwrap(), signer }
    }
}

/// A leaf of the issuer for these purposes, with more extensions.
pub(crate) fn certificate(authority: &Authority, signer: &TestSigner, purposes: &[&[u8]], more: &[Vec<u8>]) -> Vec<u8> {
    let other = TestSigner::p256();
    let leaf = authority.issue(Request::new(&other).check(&other).unwrap()).unwrap();
    let purposes: Vec<u8> = purposes.iter().flat_map(|purpose| der::oid(purpose)).collect();
    let usage = extension(EXTENDED_KEY_USAGE, false, &der::tlv(0x30, &purposes));
    let extensions = [&[usage], more].concat();
    let mut pieces = Pieces::of_certificate(leaf.der()).replacing(EXTENDED_KEY_USAGE, &extensions);
    pieces.fields[SPKI] = signer.public_key().spki().to_vec();
    sign(&pieces.bytes(), &authority.issuer_signer)
}

pub(crate) fn no_check() -> Vec<u8> {
    extension(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x05], false, &der::null())
}

/// id-kp-OCSPSigning.
pub(crate) const OCSP_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09];
/// id-kp-clientAuth.
pub(crate) const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
