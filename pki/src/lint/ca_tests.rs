use std::sync::OnceLock;

use super::*;
use crate::encode::SignedParts;
use crate::key::KeyAlgorithm;
use crate::signer::Signer;
use crate::testing::{Authority, DAY, NOW, TestSigner, issuer_plan};

/// What one CA certificate was made from; the expectation borrows from it.
struct Made {
    tbs: Vec<u8>,
    root: Option<IssuerCert>,
    name: CaName,
    key: PublicKey,
    serial: Serial,
    validity: (UnixTime, UnixTime),
    locations: Locations,
    permitted_dns: Vec<DnsName>,
}

impl Made {
    fn lint(&self, tbs: &[u8]) -> Result<(), String> {
        let expectation = CaExpectation {
            root: self.root.as_ref(),
            below: if self.root.is_some() { Below::Leaves } else { Below::Anything },
            name: &self.name,
            key: &self.key,
            serial: &self.serial,
            validity: self.validity,
            locations: &self.locations,
            permitted_dns: &self.permitted_dns,
        };
        ca(tbs, &expectation).map_err(|e| e.0)
    }

    fn refused(&self, sentence: &str) {
        let found = self.lint(&self.tbs).expect_err(sentence);
        assert!(found.contains(sentence), "{found:?} instead of {sentence:?}");
    }
}

fn dns() -> Vec<DnsName> {
    vec![DnsName::parse("dev.example").unwrap(), DnsName::parse("x.example").unwrap()]
}

fn shared() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::constrained(KeyAlgorithm::P256, &dns()))
}

fn made(cert: &IssuerCert, name: &str) -> Made {
    Made {
        tbs: SignedParts::split(cert.der()).unwrap().tbs.to_vec(),
        root: None,
        name: CaName::new(name, Some("Example")).unwrap(),
        key: cert.public_key().clone(),
        serial: cert.view().serial.clone(),
        validity: (cert.view().not_before, cert.view().not_after),
        locations: Locations::default(),
        permitted_dns: Vec::new(),
    }
}

fn root() -> Made {
    made(&shared().root, "Test Root")
}

fn issuer() -> Made {
    let locations = issuer_plan(&shared().issuer_signer).locations;
    let rest = made(&shared().issuer, "Test Issuer 1");
    Made { root: Some(shared().root.clone()), locations, permitted_dns: dns(), ..rest }
}

#[test]
fn what_was_made_as_planned_passes() {
    assert_eq!(root().lint(&root().tbs), Ok(()));
    assert_eq!(issuer().lint(&issuer().tbs), Ok(()));
}

#[test]
fn every_bit_of_a_ca_certificate_matters() {
    for made in [root(), issuer()] {
        for at in 0..made.tbs.len() * 8 {
            let mut other = made.tbs.clone();
            other[at / 8] ^= 1 << (at % 8);
            assert!(made.lint(&other).is_err(), "bit {at}");
        }
    }
}

#[test]
fn another_plan_does_not_fit_the_bytes() {
    for made in [root, issuer] {
        let other_key = TestSigner::p256().public_key().clone();
        let (from, to) = made().validity;
        // In a root the subject is the issuer too, and that is compared first.
        let field = if made().root.is_some() { "the subject is not" } else { "the issuer name is not" };
        Made { name: CaName::new("Other", Some("Example")).unwrap(), ..made() }.refused(field);
        Made { name: CaName::new(made().name.common_name(), None).unwrap(), ..made() }.refused(field);
        Made { serial: Serial::from_random([9; 20]), ..made() }.refused("the serial number");
        Made { validity: (from.plus(1), to), ..made() }.refused("the validity");
        Made { validity: (from, to.minus(1)), ..made() }.refused("the validity");
        Made { key: other_key, ..made() }.refused("the public key is not the one");
        Made { key: TestSigner::rsa3072().public_key().clone(), ..made() }.refused("cannot sign certificates");
    }
    let elsewhere = Locations { crl: vec!["http://other.example/x".into()], ..issuer().locations };
    Made { locations: elsewhere, ..issuer() }.refused("the CRL location");
    let ocsp = Locations { ocsp: vec!["http://other.example/ocsp".into()], ..issuer().locations };
    Made { locations: ocsp, ..issuer() }.refused("the authority information");
    Made { locations: Locations::default(), ..issuer() }.refused("no business here");
    Made { permitted_dns: dns()[..1].to_vec(), ..issuer() }.refused("the name constraints");
    Made { permitted_dns: Vec::new(), ..issuer() }.refused("no business here");
    Made { permitted_dns: dns(), ..root() }.refused("an extension is missing");
}

#[test]
fn a_root_is_no_issuer_and_an_issuer_is_no_root() {
    let stranger = Authority::new(KeyAlgorithm::P256);
    Made { root: None, ..issuer() }.refused("the issuer name");
    Made { root: Some(stranger.root), ..issuer() }.refused("the authority key identifier");
    Made { root: Some(shared().root.clone()), ..root() }.refused("another name than its root");
    let renamed = CaName::new("Renamed", Some("Example")).unwrap();
    Made { root: Some(shared().root.clone()), name: renamed, ..root() }.refused("another key than its root");
}

#[test]
fn an_issuer_certifies_no_other_issuer_and_does_not_outlive_its_root() {
    Made { root: Some(shared().issuer.clone()), ..issuer() }.refused("may not certify another CA");
    let (from, end) = (NOW.minus(DAY), shared().root.not_after());
    Made { validity: (from, end.plus(1)), ..issuer() }.refused("outlives its root");
    Made { validity: (from, from), ..root() }.refused("the validity");
}
