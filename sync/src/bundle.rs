//! The CA certificates of the chain, accepted only below roots that the caller already has.

use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::view::CertificateView;
use signet_pki::{chain, pem};

use crate::lists::List;
use crate::refusal::Refusal;

/// Parses and checks a bundle, PEM. Lifetimes are not judged here: a list of an issuer that ended is still a list.
///
/// A root that is not pinned, but certified across by one that is, is left out: its cross certificate stands for its key.
pub fn check(text: &[u8], roots: &[IssuerCert]) -> Result<Vec<IssuerCert>, Refusal> {
    let ders = pem::certificates(text).map_err(|e| Refusal::BundleUnreadable(e.to_string()))?;
    if ders.len() > MAX_CERTIFICATES {
        return Err(Refusal::BundleTooMany(ders.len()));
    }
    let parsed: Result<Vec<IssuerCert>, _> = ders.iter().map(|der| IssuerCert::from_der(der)).collect();
    let parsed = parsed.map_err(|e| Refusal::BundleUnreadable(e.to_string()))?;
    // With the path of each up to its root, itself first.
    let mut paths: Vec<Vec<CertificateView>> = roots.iter().map(|root| vec![root.view().clone()]).collect();
    let mut found: Vec<bool> = parsed.iter().map(|one| roots.iter().any(|root| root.der() == one.der())).collect();
    for _ in 0..MAX_DEPTH {
        for (one, known) in parsed.iter().zip(&mut found).filter(|(_, known)| !**known) {
            // In a verifier's file a root has no limits, also not those of its cross certificate.
            if one.view().is_self_issued() {
                continue;
            }
            let Some(path) = path_of(one, &paths) else { continue };
            paths.push(path);
            *known = true;
        }
    }
    let vouched = |one: &IssuerCert| {
        let same =
            |path: &Vec<CertificateView>| path[0].subject == one.subject() && path[0].public_key == *one.public_key();
        one.view().is_self_issued() && paths.iter().any(same)
    };
    let stranger = parsed.iter().zip(&found).find(|(one, known)| !**known && !vouched(one));
    if let Some((one, _)) = stranger {
        return Err(Refusal::BundleStranger { name: one.view().subject_text.clone() });
    }
    let mut bundle: Vec<IssuerCert> =
        parsed.into_iter().zip(found).filter(|(_, known)| *known).map(|(one, _)| one).collect();
    complete(&mut bundle, roots);
    Ok(bundle)
}

fn path_of(one: &IssuerCert, paths: &[Vec<CertificateView>]) -> Option<Vec<CertificateView>> {
    let whole = |above: &Vec<CertificateView>| [std::slice::from_ref(one.view()), above].concat();
    paths.iter().filter(|above| above.len() < MAX_DEPTH).map(whole).find(|path| chain::verify(path, None).is_ok())
}

/// A root belongs to the chain also when nobody sent it.
fn complete(bundle: &mut Vec<IssuerCert>, roots: &[IssuerCert]) {
    for root in roots {
        let above = |ca: &IssuerCert| chain::issued_by(ca.view(), root.view()).is_ok();
        if !bundle.iter().any(|ca| ca.der() == root.der()) && bundle.iter().any(above) {
            bundle.insert(0, root.clone());
        }
    }
}

pub fn to_pem(certificates: &[IssuerCert]) -> String {
    certificates.iter().map(|c| pem::encode(pem::Label::Certificate, c.der())).collect()
}

/// The CA certificates that are held, still in force, and missing from `offered`. Somebody on the path could have taken
/// one out together with its list, so that they count only when a list of `lists` revokes them, or when the answer came
/// from the service itself.
pub fn lost<'a>(held: &'a [IssuerCert], offered: &[IssuerCert], lists: &[List], now: UnixTime) -> Vec<&'a IssuerCert> {
    let there = |ca: &IssuerCert| offered.iter().any(|one| one.public_key() == ca.public_key());
    let revoked = |ca: &IssuerCert| {
        let above = lists.iter().filter(|list| list.issuer.subject() == ca.view().issuer);
        above.filter_map(|list| list.view.entries().ok()).flatten().any(|(serial, _, _)| serial == ca.view().serial)
    };
    held.iter().filter(|ca| ca.not_after() > now && !there(ca) && !revoked(ca)).collect()
}

/// A handful of roots and issuers over the years.
const MAX_CERTIFICATES: usize = 64;
/// Issuer, cross certificate, root; and one to spare.
const MAX_DEPTH: usize = 4;

#[cfg(test)]
#[path = "bundle_tests.rs"]
mod tests;
