//! What came back is checked before it is written: the server is believed only as far as the trusted roots go.

use signet_api::enroll::IssuedCertificate;
use signet_keys::PrivateKey;
use signet_pki::name::PrincipalKind;
use signet_pki::signer::Signer;
use signet_pki::view::CertificateView;
use signet_pki::{DeviceId, SpiffeId, TrustDomain, UnixTime, chain, pem};
use thiserror::Error;

use crate::failure::Failure;
use crate::store::{Material, State};

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the certificate that the server sent is not usable: {0}")]
pub(crate) struct Unacceptable(String);

impl From<Unacceptable> for Failure {
    fn from(error: Unacceptable) -> Failure {
        Failure::refused(error).hint("Nothing was installed. Tell the administrator, and check this machine's clock")
    }
}

/// What the answer is measured against.
pub(crate) struct Expectation<'a> {
    pub(crate) server: &'a str,
    pub(crate) key: &'a PrivateKey,
    /// The roots that are trusted, DER: the pinned one, or those of the trust bundle.
    pub(crate) roots: Vec<Vec<u8>>,
    /// `None` when neither this machine's clock nor the server's is to be had.
    pub(crate) now: Option<UnixTime>,
    /// Whose certificate it must be: known for a renewal.
    pub(crate) device: Option<&'a DeviceId>,
}

pub(crate) fn accept<'a>(issued: &IssuedCertificate, expected: &Expectation<'a>) -> Result<Material<'a>, Unacceptable> {
    let no = |why: &str| Unacceptable(why.to_owned());
    let leaf =
        pem::decode_one(pem::Label::Certificate, issued.certificate.as_bytes()).map_err(|e| no(&e.to_string()))?;
    let issuers = pem::certificates(issued.chain.as_bytes()).map_err(|e| no(&e.to_string()))?;
    if issuers.len() > MAX_ISSUERS {
        return Err(no("its chain is too long"));
    }
    let chain: Vec<Vec<u8>> = std::iter::once(leaf).chain(issuers).collect();
    let path = chain.iter().map(Vec::as_slice).map(CertificateView::parse);
    let mut path = path.collect::<Result<Vec<_>, _>>().map_err(|e| no(&e.to_string()))?;
    let root = root_above(&path, &expected.roots).ok_or_else(|| no("no root is trusted"))?;
    path.push(root);
    let (leaf, root) = (&path[0], &path[path.len() - 1]);
    if leaf.public_key != *expected.key.public_key() {
        return Err(no("it is for another key"));
    }
    chain::verify(&path, expected.now).map_err(|e| no(&e.to_string()))?;
    check_names(leaf, issued)?;
    if expected.device.is_some_and(|id| *id != issued.device) {
        return Err(no("it is for another device"));
    }
    let state = State {
        server: expected.server.to_owned(),
        root: root.fingerprint().to_string(),
        device: issued.device.clone(),
        profile: issued.profile.chars().filter(|c| !c.is_control()).take(64).collect(),
        serial: leaf.serial.to_string(),
        not_before: leaf.not_before.to_string(),
        not_after: leaf.not_after.to_string(),
        renew_after: issued.renew_after.chars().filter(|c| !c.is_control()).take(40).collect(),
    };
    Ok(Material { key: expected.key, chain, root: root.der.clone(), state })
}

/// The trusted root that issued the end of the path; or any, and the check of the whole path says why it does not fit.
fn root_above(path: &[CertificateView], roots: &[Vec<u8>]) -> Option<CertificateView> {
    let last = path.last()?;
    let mut parsed: Vec<_> = roots.iter().filter_map(|der| CertificateView::parse(der).ok()).collect();
    let at = parsed.iter().position(|root| chain::issued_by(last, root).is_ok()).unwrap_or(0);
    (!parsed.is_empty()).then(|| parsed.swap_remove(at))
}

/// CN and SPIFFE id name the device that the answer names, and it can be used to renew.
fn check_names(leaf: &CertificateView, issued: &IssuedCertificate) -> Result<(), Unacceptable> {
    let no = |why: &str| Err(Unacceptable(why.to_owned()));
    if leaf.is_ca || leaf.key_cert_sign {
        return no("it is the certificate of a certification authority");
    }
    if !leaf.client_auth {
        return no("it cannot be used as a client's certificate, so it could never be renewed");
    }
    if leaf.common_name.as_deref() != Some(issued.device.as_str()) {
        return no("its common name is not the device's id");
    }
    let [uri] = leaf.uris.as_slice() else { return no("it does not have exactly one SPIFFE id") };
    if *uri != issued.spiffe_id || !is_spiffe_id_of(uri, &issued.device) {
        return no("its SPIFFE id does not name the device");
    }
    if leaf.serial.to_string() != issued.serial {
        return no("its serial number is not the one that the answer names");
    }
    Ok(())
}

fn is_spiffe_id_of(uri: &str, device: &DeviceId) -> bool {
    let mut parts = uri.strip_prefix("spiffe://").unwrap_or_default().split('/');
    let domain = parts.next().and_then(|d| TrustDomain::parse(d).ok());
    let kind = parts.next().and_then(PrincipalKind::parse);
    match (domain, kind) {
        (Some(domain), Some(kind)) => SpiffeId::new(&domain, kind, device).as_str() == uri,
        _ => false,
    }
}

/// One issuer, and one more for a cross-signed root.
const MAX_ISSUERS: usize = 2;

#[cfg(test)]
#[path = "accept_tests.rs"]
mod tests;
