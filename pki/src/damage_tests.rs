//! Random damage to everything that is read from outside: never a panic, and nothing that was signed can change.

use std::sync::OnceLock;

use proptest::prelude::*;

use crate::ca::IssuerCert;
use crate::crl::{CrlPlan, CrlView, Entries, Reason, sign};
use crate::csr::CheckedCsr;
use crate::encode::SignedParts;
use crate::key_policy::KeyPolicy;
use crate::ocsp::{AnswerPlan, CertId, IdHash, OcspRequest, OcspView, Single, Status};
use crate::pem::{self, Label};
use crate::serial::Serial;
use crate::signer::Signer;
use crate::testing::damage::{Damage, damage};
use crate::testing::request::{ALTERNATIVE_NAMES, Request, extension};
use crate::testing::responder::Responder;
use crate::testing::{DAY, NOW, TestSigner, authority};
use crate::view::CertificateView;

struct Samples {
    csr: Vec<u8>,
    leaf: Vec<u8>,
    list: Vec<u8>,
    asked: Vec<u8>,
    answered: Vec<u8>,
    spkis: Vec<Vec<u8>>,
}

fn samples() -> &'static Samples {
    static SAMPLES: OnceLock<Samples> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let signer = TestSigner::p256();
        let wish = extension(ALTERNATIVE_NAMES, false, &[0x30, 0x03, 0x82, 0x01, b'a']);
        let csr = Request::asking(&signer, &[wish]).signed(&signer);
        let leaf = authority().issue(CheckedCsr::from_der(&csr, &KeyPolicy::any()).unwrap()).unwrap().into_parts().0;
        let mut entries = Entries::new();
        for n in 1..6 {
            entries.push(&Serial::from_random([n; 20]), NOW, Reason::KeyCompromise);
        }
        let plan = CrlPlan::full(5, NOW, NOW.plus(DAY), entries);
        let list = sign(&authority().issuer, &authority().issuer_signer, plan).unwrap().der().to_vec();
        let all = [&signer, &TestSigner::p384(), &TestSigner::ed25519(), TestSigner::rsa3072()];
        let (asked, answered) = question_and_answer();
        Samples { csr, leaf, list, asked, answered, spkis: all.map(|s| s.public_key().spki().to_vec()).to_vec() }
    })
}

/// About two certificates, with a nonce.
fn question_and_answer() -> (Vec<u8>, Vec<u8>) {
    let id = |hash, n| CertId::new(hash, &authority().issuer, &Serial::from_random([n; 20]));
    let ids = vec![id(IdHash::Sha1, 1), id(IdHash::Sha256, 2)];
    let revoked = Status::Revoked { at: NOW, reason: Reason::KeyCompromise };
    let singles = [(&ids[0], Status::Good), (&ids[1], revoked)].map(|(id, status)| Single {
        id: id.clone(),
        status,
        this_update: NOW,
        next_update: NOW.plus(60),
    });
    let responder = Responder::of(authority(), TestSigner::p256());
    let plan = AnswerPlan { produced_at: NOW, singles: &singles, nonce: Some(&[7; 32]) };
    let answered = crate::ocsp::sign(&responder.certificate, &responder.signer, plan).unwrap();
    (OcspRequest::new(ids, Some(vec![7; 32])).unwrap().to_der(), answered)
}

fn damaged(bytes: &[u8], damage: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    damage.iter().for_each(|d| d.apply(&mut bytes));
    bytes
}

fn signed_part(bytes: &[u8]) -> Option<Vec<u8>> {
    SignedParts::split(bytes).ok().map(|parts| parts.tbs.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn t06_a_damaged_request_is_refused_unless_its_signed_part_is_whole(all in prop::collection::vec(damage(), 1..4)) {
        let bytes = damaged(&samples().csr, &all);
        if CheckedCsr::from_der(&bytes, &KeyPolicy::any()).is_ok() {
            prop_assert_eq!(signed_part(&bytes), signed_part(&samples().csr));
        }
    }

    #[test]
    fn t20_a_damaged_certificate_does_not_verify(all in prop::collection::vec(damage(), 1..4)) {
        let bytes = damaged(&samples().leaf, &all);
        if CertificateView::parse(&bytes).is_ok_and(|view| view.verify(authority().issuer.public_key())) {
            prop_assert_eq!(signed_part(&bytes), signed_part(&samples().leaf));
        }
    }

    #[test]
    fn t20_a_damaged_ca_certificate_leads_to_no_other_chain(all in prop::collection::vec(damage(), 1..4)) {
        let bytes = damaged(authority().issuer.der(), &all);
        if IssuerCert::below(&bytes, &authority().root, NOW).is_ok() {
            prop_assert_eq!(signed_part(&bytes), signed_part(authority().issuer.der()));
        }
    }

    #[test]
    fn t20_a_damaged_list_is_refused(all in prop::collection::vec(damage(), 1..4)) {
        let bytes = damaged(&samples().list, &all);
        if CrlView::verified(&bytes, &authority().issuer).is_ok() {
            prop_assert_eq!(signed_part(&bytes), signed_part(&samples().list));
        }
    }

    #[test]
    fn t20_a_list_damaged_before_it_was_signed_is_read_or_refused(all in prop::collection::vec(damage(), 1..4)) {
        let tbs = damaged(SignedParts::split(&samples().list).unwrap().tbs, &all);
        let bytes = crate::testing::pieces::sign(&tbs, &authority().issuer_signer);
        if let Ok(view) = CrlView::verified(&bytes, &authority().issuer) {
            // Whatever can be read is written again in the same way.
            if let Ok(entries) = view.entries() {
                let again = entries.iter().map(|(s, _, _)| s.as_bytes().len()).max();
                prop_assert!(again.is_none_or(|longest| longest <= 20));
            }
        }
    }

    #[test]
    fn t20_a_damaged_question_is_refused_or_one_that_can_be_written(all in prop::collection::vec(damage(), 1..4)) {
        let bytes = damaged(&samples().asked, &all);
        if let Ok(request) = OcspRequest::parse(&bytes) {
            let again = OcspRequest::parse(&request.to_der());
            prop_assert_eq!(again.as_ref(), Ok(&request));
        }
    }

    #[test]
    fn t20_a_damaged_answer_says_what_was_signed_or_nothing(all in prop::collection::vec(damage(), 1..4)) {
        let good = OcspView::verified(&samples().answered, &authority().issuer, NOW).unwrap();
        let bytes = damaged(&samples().answered, &all);
        if let Ok(view) = OcspView::verified(&bytes, &authority().issuer, NOW) {
            prop_assert_eq!(view.singles(), good.singles());
            prop_assert_eq!((view.produced_at, view.nonce), (good.produced_at, good.nonce));
        }
    }

    #[test]
    fn t20_a_certificate_damaged_before_it_was_signed_is_read_or_refused(
        all in prop::collection::vec(damage(), 1..4)
    ) {
        let tbs = damaged(SignedParts::split(&samples().leaf).unwrap().tbs, &all);
        let bytes = crate::testing::pieces::sign(&tbs, &authority().issuer_signer);
        if let Ok(view) = CertificateView::parse(&bytes) {
            prop_assert_eq!(&view.der, &bytes);
            prop_assert!(view.serial.as_bytes().len() <= 20);
            let _ = crate::chain::verify(&[view, authority().issuer.view().clone()], Some(NOW));
        }
    }

    #[test]
    fn t10_a_damaged_key_is_refused_or_another_key(which in 0usize..4, all in prop::collection::vec(damage(), 1..4)) {
        let good = &samples().spkis[which];
        let bytes = damaged(good, &all);
        if let Ok(key) = crate::PublicKey::from_spki(&bytes) {
            prop_assert_eq!(key.spki(), &bytes);
            let _ = KeyPolicy::any().check(&key);
        }
    }

    #[test]
    fn t20_damaged_pem_text_never_yields_other_bytes_that_pass(all in prop::collection::vec(damage(), 1..4)) {
        let text = pem::encode(Label::Request, &samples().csr);
        let bytes = damaged(text.as_bytes(), &all);
        if let Ok(der) = pem::decode_one(Label::Request, &bytes)
            && CheckedCsr::from_der(&der, &KeyPolicy::any()).is_ok()
        {
            prop_assert_eq!(signed_part(&der), signed_part(&samples().csr));
        }
        for label in [Label::Certificate, Label::Crl, Label::PrivateKey, Label::EncryptedPrivateKey] {
            prop_assert!(pem::decode_one(label, &bytes).is_err());
        }
    }
}

#[test]
fn t20_no_prefix_is_taken_for_the_whole() {
    let Samples { csr, leaf, list, asked, answered, .. } = samples();
    for length in 0..csr.len() {
        assert!(CheckedCsr::from_der(&csr[..length], &KeyPolicy::any()).is_err());
    }
    for length in 0..leaf.len() {
        assert!(CertificateView::parse(&leaf[..length]).is_err());
    }
    for length in 0..list.len() {
        assert!(CrlView::verified(&list[..length], &authority().issuer).is_err());
    }
    for length in 0..asked.len() {
        assert!(OcspRequest::parse(&asked[..length]).is_err());
    }
    for length in 0..answered.len() {
        assert!(OcspView::verified(&answered[..length], &authority().issuer, NOW).is_err());
    }
    let text = pem::encode(Label::Request, csr);
    for length in 0..text.trim_end().len() - 5 {
        assert!(pem::decode_one(Label::Request, &text.as_bytes()[..length]).is_err(), "{length}");
    }
}

#[test]
fn t06_every_flipped_bit_of_a_request_is_noticed() {
    let good = &samples().csr;
    let info = signed_part(good).unwrap();
    let start = good.windows(info.len()).position(|w| w == info).unwrap();
    for at in 0..good.len() * 8 {
        let mut other = good.clone();
        other[at / 8] ^= 1 << (at % 8);
        let accepted = CheckedCsr::from_der(&other, &KeyPolicy::any()).is_ok();
        assert!(!accepted, "bit {at}; the signed part is {start}..{}", start + info.len());
    }
}
