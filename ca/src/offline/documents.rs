//! Reading documents that came from elsewhere: one plain file, of one kind, of a limited size.

use std::path::Path;

use signet_keys::private::KeyError;
use signet_keys::{Passphrase, PrivateKey, files};
use signet_pki::bundle::{self, Bundle};
use signet_pki::ca::IssuerCert;
use signet_pki::pem::{self, Label};
use signet_pki::text;
use zeroize::Zeroizing;

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
}

pub(crate) fn ca_certificate(path: &Path) -> Result<IssuerCert, Failure> {
    IssuerCert::from_der(&certificate(path)?).map_err(|e| super::refusals::chain(path, e))
}

pub(crate) fn bundle(path: &Path) -> Result<Bundle, Failure> {
    let bytes = files::read_named(path, bundle::MAX_BYTES)?;
    Bundle::parse(&bytes).map_err(|e| in_file(path, e).hint("a bundle comes from a root: ca root bundle --dir DIR"))
}

/// An encrypted private key. One that lies there in the clear is refused.
pub(crate) fn key(path: &Path, passphrase: &Passphrase) -> Result<PrivateKey, Failure> {
    let bytes = Zeroizing::new(files::read_limited(path, MAX_KEY)?);
    let opened = match text::plain(&bytes) {
        Ok(text) => PrivateKey::from_encrypted_pem(text, passphrase),
        Err(_) => Err(KeyError::NotPem),
    };
    opened.map_err(|e| in_file(path, &e).hint(e.hint()))
}

fn read(path: &Path, label: Label, max_bytes: usize) -> Result<Vec<u8>, Failure> {
    let bytes = match label {
        // They come to the root on a medium from another machine: a link there would name a file of this machine.
        Label::Request => files::read_limited(path, max_bytes)?,
        _ => files::read_named(path, max_bytes)?,
    };
    let hint = match label {
        Label::Request => "make a new request on the issuing host: ca issuer request --dir DIR",
        Label::Crl => "a list comes from the root: ca root crl --dir DIR --out FILE",
        _ => "check that this is the certificate, as PEM or DER",
    };
    pem::pem_or_der(label, &bytes).map_err(|e| in_file(path, e).hint(hint))
}

/// A certificate or a request of ours has less than 2 KiB.
const MAX_DOCUMENT: usize = 64 * 1024;
/// A root's list has a few entries of 49 octets.
const MAX_CRL: usize = 4 * 1024 * 1024;
/// Ours have about 500 octets.
const MAX_KEY: usize = 16 * 1024;
