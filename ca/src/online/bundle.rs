//! The CA certificates that the service publishes, accepted only below a root that the administrator already has.

use signet_pki::ca::IssuerCert;
use signet_pki::{chain, pem};

use crate::failure::Failure;
use crate::online::service::{Call, Service};
use crate::online::trust_bundles;

/// Fetches the roots and issuers; every one of them was checked against `roots`.
pub(super) fn fetch(service: &dyn Service, roots: &[IssuerCert]) -> Result<Vec<IssuerCert>, Failure> {
    let text = service.call(Call::Get { path: "/v1/trust/bundle.pem" })?;
    match checked(&text, roots) {
        // Perhaps there are newer roots, which follow from ours.
        Err(refused) => match trust_bundles::follow(service, roots) {
            Ok(Some(held)) => checked(&text, held.bundle().roots()),
            _ => Err(refused),
        },
        found => found,
    }
}

/// Parses and checks a bundle. Lifetimes are not judged here: a list of an issuer that ended is still a list.
fn checked(text: &[u8], roots: &[IssuerCert]) -> Result<Vec<IssuerCert>, Failure> {
    let refused = |what: String| {
        Failure::refused(format!("the bundle of the service is refused: {what}"))
            .hint("compare roots.pem in the administrator's directory with the root on the issuing host: ca root show")
    };
    let ders = pem::certificates(text).map_err(|e| refused(e.to_string()))?;
    if ders.len() > MAX_CERTIFICATES {
        return Err(refused(format!("{} certificates", ders.len())));
    }
    let mut found = Vec::new();
    for der in ders {
        let one = IssuerCert::from_der(&der).map_err(|e| refused(e.to_string()))?;
        let known = |root: &IssuerCert| {
            root.der() == one.der() || chain::verify(&[one.view().clone(), root.view().clone()], None).is_ok()
        };
        if !roots.iter().any(known) {
            return Err(refused(format!("{} does not stand below a trusted root", one.view().subject_text)));
        }
        found.push(one);
    }
    Ok(found)
}

pub(super) fn to_pem(certificates: &[IssuerCert]) -> String {
    certificates.iter().map(|c| pem::encode(pem::Label::Certificate, c.der())).collect()
}

/// A handful of roots and issuers over the years.
const MAX_CERTIFICATES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::online::admin_dir::tests::Authority;

    #[test]
    fn a_bundle_is_accepted_below_our_root_and_refused_below_another() {
        let (ours, theirs) = (Authority::new("Ours"), Authority::new("Theirs"));
        let text = to_pem(&[ours.root.clone(), ours.issuer.clone()]);
        assert_eq!(checked(text.as_bytes(), std::slice::from_ref(&ours.root)).unwrap().len(), 2);
        let mixed = text + &to_pem(std::slice::from_ref(&theirs.issuer));
        let said = format!("{:?}", checked(mixed.as_bytes(), &[ours.root]).unwrap_err());
        assert!(said.contains("does not stand below a trusted root"), "{said}");
    }

    #[test]
    fn an_empty_bundle_is_refused() {
        assert!(checked(b"", &[Authority::new("Ours").root]).is_err());
    }
}
