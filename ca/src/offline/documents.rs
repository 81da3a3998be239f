//! Reading documents that came from elsewhere: one plain file, of one kind, of a limited size.

use std::path::Path;

use signet_keys::files;
use signet_pki::ca::IssuerCert;
use signet_pki::pem::{self, Label};

use super::refusals::in_file;
use crate::failure::Failure;

/// DER of a certificate file (PEM or DER).
pub(crate) fn certificate(path: &Path) -> Result<Vec<u8>, Failure> {
    read(path, Label::Certificate, MAX_DOCUMENT)
}

/// DER of a CRL file (PEM or DER).
pub(crate) fn crl(path: &Path) -> Result<Vec<u8>, Failure> {
    read(path, Label::Crl, MAX_CRL)
}

/// DER of a request file (PEM or DER).
pub(crate) fn request(path: &Path) -> Result<Vec<u8>, Failure> {
    read(path, Label::Request, MAX_DOCUMENT)
        .map_err(|f| f.or_hint("make a new request on the issuing host: ca issuer request --dir DIR"))
}

pub(crate) fn ca_certificate(path: &Path) -> Result<IssuerCert, Failure> {
    IssuerCert::from_der(&certificate(path)?).map_err(|e| super::refusals::chain(path, e))
}

fn read(path: &Path, label: Label, max_bytes: usize) -> Result<Vec<u8>, Failure> {
    let bytes = files::read_limited(path, max_bytes)?;
    pem::pem_or_der(label, &bytes).map_err(|e| in_file(path, e))
}

/// A certificate or a request of ours has less than 2 KiB.
const MAX_DOCUMENT: usize = 64 * 1024;
/// A root's list has a few entries of 49 octets.
const MAX_CRL: usize = 4 * 1024 * 1024;
