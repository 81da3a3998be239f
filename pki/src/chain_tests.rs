use super::*;
use crate::ca::{CaName, self_signed};
use crate::der::{self, sequence};
use crate::key::KeyAlgorithm;
use crate::name::DnsName;
use crate::signer::Signer;
use crate::testing::pieces::*;
use crate::testing::request::*;
use crate::testing::{Authority, DAY, NOW, TestSigner, authority};

fn leaf(authority: &Authority) -> CertificateView {
    let signer = TestSigner::p256();
    let signed = authority.issue(Request::new(&signer).check(&signer).unwrap()).unwrap();
    CertificateView::parse(signed.der()).unwrap()
}

fn chain(authority: &Authority) -> Vec<CertificateView> {
    vec![leaf(authority), authority.issuer.view().clone(), authority.root.view().clone()]
}

#[test]
fn a_chain_of_three_holds_and_so_does_each_tail_of_it() {
    let chain = chain(authority());
    for tail in [&chain[..], &chain[1..], &chain[2..]] {
        assert_eq!(verify(tail, Some(NOW)), Ok(()));
    }
}

#[test]
fn a_chain_with_a_gap_or_in_another_order_does_not() {
    let [leaf, issuer, root]: [CertificateView; 3] = chain(authority()).try_into().unwrap();
    let gap = verify(&[leaf.clone(), root.clone()], Some(NOW));
    assert!(matches!(gap, Err(ChainError::Name { .. })), "{gap:?}");
    assert!(verify(&[issuer.clone(), leaf.clone(), root], Some(NOW)).is_err());
    assert!(matches!(verify(&[leaf.clone(), issuer], Some(NOW)), Err(ChainError::NotRoot(_))));
    assert!(matches!(verify(&[leaf], Some(NOW)), Err(ChainError::NotRoot(_))));
    assert!(matches!(verify(&[], Some(NOW)), Err(ChainError::NotRoot(_))));
}

#[test]
fn a_namesake_of_the_root_is_not_the_root() {
    let namesake = self_signed(
        &TestSigner::p256(),
        &CaName::new("Test Root", Some("Example")).unwrap(),
        (NOW, NOW.plus(DAY)),
        [9; 20],
    );
    let mut chain = chain(authority());
    chain[2] = namesake.unwrap().view().clone();
    assert!(matches!(verify(&chain, Some(NOW)), Err(ChainError::Signature { .. })));
}

#[test]
fn time_counts_unless_the_clock_cannot_be_trusted() {
    let chain = chain(authority());
    for at in [NOW.minus(301), NOW.plus(DAY + 1), NOW.plus(30 * 365 * DAY), crate::UnixTime(0)] {
        assert!(matches!(verify(&chain, Some(at)), Err(ChainError::Validity { .. })));
    }
    assert_eq!(verify(&chain, None), Ok(()));
}

#[test]
fn a_leaf_issues_nothing() {
    let signer = TestSigner::p256();
    let signed = authority().issue(Request::new(&signer).check(&signer).unwrap()).unwrap();
    let parent = CertificateView::parse(signed.der()).unwrap();
    let child = Pieces::of_certificate(&parent.der).with(ISSUER, parent.subject.clone());
    let child = CertificateView::parse(&sign(&child, &signer)).unwrap();
    assert!(child.verify(signer.public_key()));
    assert!(matches!(issued_by(&child, &parent), Err(ChainError::NotCa(_))));
}

#[test]
fn a_path_longer_than_allowed_is_refused() {
    // An issuer (path length 0) that certifies another CA all the same.
    let authority = authority();
    let below = TestSigner::p256();
    let mut pieces = Pieces::of_certificate(authority.issuer.der());
    pieces.fields[ISSUER] = authority.issuer.subject().to_vec();
    pieces.fields[SUBJECT] = name(&[(COMMON_NAME, 0x0c, b"Rogue")]);
    pieces.fields[SPKI] = below.public_key().spki().to_vec();
    let rogue = CertificateView::parse(&sign(&pieces.bytes(), &authority.issuer_signer)).unwrap();
    let leaf = Pieces::of_certificate(&leaf(authority).der).with(ISSUER, rogue.subject.clone());
    let leaf = CertificateView::parse(&sign(&leaf, &below)).unwrap();
    let chain = [leaf, rogue, authority.issuer.view().clone(), authority.root.view().clone()];
    assert!(matches!(verify(&chain, Some(NOW)), Err(ChainError::PathTooLong(_))));
}

#[test]
fn dns_constraints_bind_everything_below() {
    let permitted = |names: &[&str]| {
        let names: Vec<DnsName> = names.iter().map(|n| DnsName::parse(n).unwrap()).collect();
        let authority = Authority::constrained(KeyAlgorithm::P256, &names);
        verify(&chain(&authority), Some(NOW))
    };
    // The leaf carries sensor-17.dev.example.
    assert_eq!(permitted(&["example"]), Ok(()));
    assert_eq!(permitted(&["other.org", "dev.example"]), Ok(()));
    assert_eq!(permitted(&["sensor-17.dev.example"]), Ok(()));
    for outside in ["other.org", "ev.example", "a.sensor-17.dev.example", "sensor-1.dev.example"] {
        assert!(matches!(permitted(&[outside]), Err(ChainError::NotPermitted { .. })), "{outside}");
    }
}

#[test]
fn a_critical_extension_that_nobody_understands_breaks_the_path() {
    let authority = authority();
    let mut pieces = Pieces::of_certificate(&leaf(authority).der);
    pieces.extensions.push(extension(UNKNOWN, true, &sequence(&[])));
    let mut chain = chain(authority);
    chain[0] = CertificateView::parse(&sign(&pieces.bytes(), &authority.issuer_signer)).unwrap();
    assert!(matches!(verify(&chain, Some(NOW)), Err(ChainError::Critical { .. })));
    // Neither does an issuer with constraints of a kind that is not checked here.
    let uri = der::context(0, &sequence(&[&der::context_primitive(6, b"example.org")]));
    let mut pieces = Pieces::of_certificate(authority.issuer.der());
    pieces.extensions.push(extension(NAME_CONSTRAINTS, true, &sequence(&[&uri])));
    chain = self::chain(authority);
    chain[1] = CertificateView::parse(&sign(&pieces.bytes(), &authority.root_signer)).unwrap();
    assert!(matches!(verify(&chain, Some(NOW)), Err(ChainError::Critical { .. })));
}
