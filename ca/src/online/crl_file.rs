//! The lists of the service in the words of this command line.

use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_sync::{Refusal, lists};

use crate::failure::Failure;

pub(super) use signet_sync::lists::{List, to_pem, uncovered};

/// The lists of the service: each signed by a CA of the bundle, one for each CA at most, none of them over.
pub(super) fn check(text: &[u8], bundle: &[IssuerCert], now: UnixTime) -> Result<Vec<List>, Failure> {
    lists::check(text, bundle, now).map_err(|why| {
        Failure::refused(format!("the CRLs of the service are refused: {why}"))
            .hint("the file was not touched; look at the service with: ca crl show")
    })
}

/// Refuses to go back: a lower number, an older date, or an issuer that is still there and has no list any more.
pub(super) fn must_be_newer(new: &[List], old_file: &[u8], bundle: &[IssuerCert]) -> Result<(), Failure> {
    lists::must_be_newer(new, old_file, bundle).map_err(|why| match why {
        Refusal::NotLists | Refusal::HeldUnreadable(_) => Failure::refused(&why).hint(why.hint()),
        _ => Failure::refused(&why)
            .hint("the file was not touched; somebody may be replaying an old CRL: compare it with 'ca crl show'"),
    })
}
