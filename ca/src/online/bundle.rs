//! The CA certificates that the service publishes, accepted only below a root that the administrator already has.

use signet_pki::ca::IssuerCert;
pub(super) use signet_sync::bundle::to_pem;

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

fn checked(text: &[u8], roots: &[IssuerCert]) -> Result<Vec<IssuerCert>, Failure> {
    signet_sync::bundle::check(text, roots).map_err(|why| {
        Failure::refused(format!("the bundle of the service is refused: {why}"))
            .hint("compare roots.pem in the administrator's directory with the root on the issuing host: ca root show")
    })
}

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
