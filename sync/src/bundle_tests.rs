use super::*;
use crate::lists;
use crate::testing::{Authority, NOW, crl_pem};

fn checked(certificates: &[&IssuerCert], roots: &[&IssuerCert]) -> Result<Vec<IssuerCert>, Refusal> {
    let own = |list: &[&IssuerCert]| list.iter().map(|c| (*c).clone()).collect::<Vec<_>>();
    check(to_pem(&own(certificates)).as_bytes(), &own(roots))
}

#[test]
fn a_bundle_is_accepted_below_our_root_and_refused_below_another() {
    let (ours, theirs) = (Authority::new("Ours"), Authority::new("Theirs"));
    assert_eq!(checked(&[&ours.root, &ours.issuer], &[&ours.root]).unwrap().len(), 2);
    let mixed = checked(&[&ours.root, &ours.issuer, &theirs.issuer], &[&ours.root]).unwrap_err();
    assert_eq!(mixed.code(), "bundle_untrusted");
    let root = checked(&[&ours.root, &theirs.root], &[&ours.root]).unwrap_err();
    assert_eq!(root, Refusal::BundleStranger { name: "CN=Theirs root".into() });
}

#[test]
fn what_is_no_bundle_is_refused() {
    let ours = Authority::new("Ours");
    let roots = [ours.root.clone()];
    for text in ["", "<html>", "-----BEGIN CERTIFICATE-----\nMII\n"] {
        assert_eq!(check(text.as_bytes(), &roots).unwrap_err().code(), "bundle_unreadable", "{text}");
    }
    let many = to_pem(&vec![ours.issuer.clone(); 65]);
    assert_eq!(check(many.as_bytes(), &roots).unwrap_err(), Refusal::BundleTooMany(65));
}

#[test]
fn the_root_belongs_to_the_chain_also_when_it_was_left_out() {
    let ours = Authority::new("Ours");
    let found = checked(&[&ours.issuer], &[&ours.root]).unwrap();
    assert_eq!(found[0].der(), ours.root.der());
    assert_eq!(found.len(), 2);
}

#[test]
fn a_root_that_ours_certified_across_is_left_out_and_its_cross_certificate_stays() {
    let (ours, next) = (Authority::new("Ours"), Authority::new("Next"));
    let cross = ours.cross(&next);
    let all = [&next.root, &cross, &ours.issuer, &ours.root];
    let found = checked(&all, &[&ours.root]).unwrap();
    assert!(found.iter().any(|ca| ca.der() == cross.der()) && found.iter().all(|ca| ca.der() != next.root.der()));
    let without = checked(&[&next.root, &ours.issuer, &ours.root], &[&ours.root]).unwrap_err();
    assert_eq!(without, Refusal::BundleStranger { name: "CN=Next root".into() });
    let pinned = checked(&[&next.issuer, &next.root, &cross, &ours.issuer], &[&ours.root, &next.root]).unwrap();
    assert_eq!(pinned.len(), 5, "and the old root, which was left out");
}

#[test]
fn t32_a_ca_that_was_taken_out_is_lost_unless_it_is_over_or_revoked() {
    let ours = Authority::new("Ours");
    let (other, ended) = (ours.next_issuer("Other", 100), ours.next_issuer("Ended", -1));
    let held = [ours.root.clone(), ours.issuer.clone(), other.issuer.clone(), ended.issuer.clone()];
    let offered = ours.bundle();
    let of = |text: String| lists::check(text.as_bytes(), &offered, NOW).unwrap();
    let lost_with =
        |lists: &[List]| lost(&held, &offered, lists, NOW).iter().map(|ca| ca.short_id()).collect::<Vec<_>>();
    assert_eq!(lost_with(&of(crl_pem(&ours.lists(5)))), [other.issuer.short_id()]);
    let revoked = crl_pem(&[ours.root_crl(6, &[other.issuer.view().serial.clone()])]);
    assert!(lost_with(&of(revoked)).is_empty());
}
