use super::*;
use crate::signer::Signer;
use crate::testing::request::{BASIC_CONSTRAINTS, UNKNOWN, extension};
use crate::testing::responder::{CLIENT_AUTH, OCSP_SIGNING, certificate, no_check};
use crate::testing::{Authority, TestSigner, authority};
use crate::{der, key::KeyAlgorithm};

fn refused(purposes: &[&[u8]], more: &[Vec<u8>]) -> ResponderError {
    let der = certificate(authority(), &TestSigner::p256(), purposes, more);
    ResponderCert::below(&der, &authority().issuer).unwrap_err()
}

#[test]
fn a_certificate_for_answers_alone_is_accepted() {
    for signer in [TestSigner::p256(), TestSigner::p384(), TestSigner::ed25519()] {
        let der = certificate(authority(), &signer, &[OCSP_SIGNING], &[no_check()]);
        let accepted = ResponderCert::below(&der, &authority().issuer).unwrap();
        assert_eq!((accepted.der(), accepted.public_key().spki()), (&der[..], signer.public_key().spki()));
    }
}

#[test]
fn t08_a_device_s_certificate_does_not_answer_for_its_issuer() {
    assert!(matches!(refused(&[CLIENT_AUTH], &[no_check()]), ResponderError::Usage(_)));
    assert!(matches!(refused(&[OCSP_SIGNING, CLIENT_AUTH], &[no_check()]), ResponderError::Usage(_)));
    assert!(matches!(refused(&[OCSP_SIGNING, UNKNOWN], &[no_check()]), ResponderError::Usage(_)));
    // anyExtendedKeyUsage.
    assert!(matches!(refused(&[&[0x55, 0x1d, 0x25, 0x00]], &[no_check()]), ResponderError::Usage(_)));
    assert!(matches!(refused(&[OCSP_SIGNING], &[]), ResponderError::Checked(_)));
    let critical = extension(UNKNOWN, true, &der::null());
    assert!(matches!(refused(&[OCSP_SIGNING], &[no_check(), critical]), ResponderError::Chain(_)));
}

#[test]
fn a_ca_and_a_foreign_responder_are_refused() {
    let ca = extension(BASIC_CONSTRAINTS, true, &der::sequence(&[&[0x01, 0x01, 0xff]]));
    let der = certificate(authority(), &TestSigner::p256(), &[OCSP_SIGNING], &[no_check()]);
    let bent = crate::testing::pieces::Pieces::of_certificate(&der).replacing(BASIC_CONSTRAINTS, &[ca]);
    let bent = crate::testing::pieces::sign(&bent.bytes(), &authority().issuer_signer);
    let refused = ResponderCert::below(&bent, &authority().issuer).unwrap_err();
    assert!(matches!(refused, ResponderError::Usage(_)), "{refused}");
    assert!(matches!(ResponderCert::below(&der, &authority().root), Err(ResponderError::Chain(_))));
    let other = Authority::new(KeyAlgorithm::P256);
    assert!(matches!(ResponderCert::below(&der, &other.issuer), Err(ResponderError::Chain(_))));
    let rsa = certificate(authority(), TestSigner::rsa3072(), &[OCSP_SIGNING], &[no_check()]);
    assert!(matches!(ResponderCert::below(&rsa, &authority().issuer), Err(ResponderError::Key(_))));
}
