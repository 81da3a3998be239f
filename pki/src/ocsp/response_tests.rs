use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::key::KeyAlgorithm;
use crate::ocsp::{CertId, IdHash, OcspError, OcspView, Unsuccessful};
use crate::pem::{self, Label};
use crate::serial::Serial;
use crate::testing::openssl::openssl;
use crate::testing::responder::Responder;
use crate::testing::{Authority, DAY, NOW, TestSigner, authority};

const HOUR: i64 = 3600;

fn id(authority: &Authority, number: u8) -> CertId {
    CertId::new(IdHash::Sha1, &authority.issuer, &Serial::from_random([number; 20]))
}

fn single(number: u8, status: Status) -> Single {
    Single { id: id(authority(), number), status, this_update: NOW, next_update: NOW.plus(HOUR) }
}

fn responder() -> Responder {
    Responder::of(authority(), TestSigner::p256())
}

fn answer(responder: &Responder, singles: &[Single], nonce: Option<&[u8]>) -> Result<Vec<u8>, IssueError> {
    sign(&responder.certificate, &responder.signer, AnswerPlan { produced_at: NOW, singles, nonce })
}

fn read(bytes: &[u8]) -> Result<OcspView, OcspError> {
    OcspView::verified(bytes, &authority().issuer, NOW)
}

#[test]
fn what_was_planned_comes_back() {
    let responder = responder();
    let singles = [
        single(1, Status::Good),
        single(2, Status::Revoked { at: NOW.minus(60), reason: Reason::KeyCompromise }),
        single(3, Status::Revoked { at: UnixTime(0), reason: Reason::Unspecified }),
        single(4, Status::Unknown),
    ];
    let view = read(&answer(&responder, &singles, Some(&[7; 32])).unwrap()).unwrap();
    assert_eq!((view.produced_at, view.nonce.as_deref()), (NOW, Some(&[7; 32][..])));
    assert_eq!(view.responder.der(), responder.certificate.der());
    assert_eq!(view.singles(), singles);
    for single in &singles {
        assert_eq!(view.about(&single.id, NOW), Some(single.status));
        assert_eq!(view.about(&single.id, NOW.plus(HOUR)), Some(single.status));
        assert_eq!(view.about(&single.id, NOW.plus(HOUR + 1)), None);
        assert_eq!(view.about(&single.id, NOW.minus(1)), None);
    }
    assert_eq!(view.about(&id(authority(), 9), NOW), None, "nothing is said about another");
    let other_hash = CertId::new(IdHash::Sha256, &authority().issuer, singles[0].id.serial().unwrap());
    assert_eq!(view.about(&other_hash, NOW), None);
}

#[test]
fn every_kind_of_key_answers() {
    for signer in [TestSigner::p256(), TestSigner::p384(), TestSigner::ed25519()] {
        let responder = Responder::of(authority(), signer);
        let view = read(&answer(&responder, &[single(1, Status::Good)], None).unwrap()).unwrap();
        assert_eq!((view.nonce.as_deref(), view.singles().len()), (None, 1));
    }
}

#[test]
fn a_plan_that_makes_no_sense_is_not_signed() {
    let responder = responder();
    let refused = |singles: &[Single]| {
        let refused = answer(&responder, singles, None).unwrap_err();
        assert!(matches!(refused, IssueError::Lint(_)), "{refused}");
    };
    let good = single(1, Status::Good);
    refused(&[]);
    refused(&[Single { next_update: NOW, ..good.clone() }]);
    refused(&[Single { next_update: NOW.minus(1), ..good.clone() }]);
    refused(&[Single { next_update: NOW.plus(DAY + 1), this_update: NOW, ..good.clone() }]);
    refused(&[Single { this_update: NOW.plus(1), ..good.clone() }]);
    refused(&[Single { this_update: UnixTime(-1), ..good.clone() }]);
    refused(&[single(1, Status::Revoked { at: UnixTime(-1), reason: Reason::Superseded })]);
    refused(&[single(1, Status::Revoked { at: UnixTime(UnixTime::MAX.0 + 1), reason: Reason::Superseded })]);
    for nonce in [&[][..], &[1; 129]] {
        assert!(matches!(answer(&responder, std::slice::from_ref(&good), Some(nonce)), Err(IssueError::Lint(_))));
    }
    let at = |produced_at| {
        let [this_update, next_update] = [produced_at, UnixTime::plus(produced_at, 60)];
        let singles = [Single { this_update, next_update, ..good.clone() }];
        sign(&responder.certificate, &responder.signer, AnswerPlan { produced_at, singles: &singles, nonce: None })
    };
    let end = responder.certificate.not_after();
    at(end.minus(60)).unwrap();
    for outside in [end.minus(59), end.plus(1), responder.certificate.view().not_before.minus(1)] {
        assert!(matches!(at(outside), Err(IssueError::Lint(_))), "{outside}");
    }
}

#[test]
fn no_other_key_answers() {
    let (one, other) = (responder(), responder());
    let singles = [single(1, Status::Good)];
    let plan = AnswerPlan { produced_at: NOW, singles: &singles, nonce: None };
    assert_eq!(sign(&one.certificate, &other.signer, plan).unwrap_err(), IssueError::WrongKey);
    assert_eq!(sign(&one.certificate, &authority().issuer_signer, plan).unwrap_err(), IssueError::WrongKey);
}

#[test]
fn an_answer_is_refused_for_another_issuer_and_after_its_responder_s_end() {
    let responder = responder();
    let bytes = answer(&responder, &[single(1, Status::Good)], None).unwrap();
    let at = |at| OcspView::verified(&bytes, &authority().issuer, at).map(|_| ());
    assert_eq!(at(responder.certificate.not_after()), Ok(()));
    assert_eq!(at(responder.certificate.not_after().plus(1)), Err(OcspError::Validity));
    assert_eq!(at(responder.certificate.view().not_before.minus(1)), Err(OcspError::Validity));
    let other = Authority::new(KeyAlgorithm::P256);
    assert!(matches!(OcspView::verified(&bytes, &other.issuer, NOW), Err(OcspError::Responder(_))));
    assert!(matches!(OcspView::verified(&bytes, &authority().root, NOW), Err(OcspError::Responder(_))));
}

#[test]
fn refusals_are_five_octets_and_say_nothing_about_a_certificate() {
    for (refusal, code) in [
        (Unsuccessful::MalformedRequest, 1),
        (Unsuccessful::InternalError, 2),
        (Unsuccessful::TryLater, 3),
        (Unsuccessful::Unauthorized, 6),
    ] {
        assert_eq!(refusal.to_der(), [0x30, 0x03, 0x0a, 0x01, code]);
        assert_eq!(read(&refusal.to_der()).unwrap_err(), OcspError::Unsuccessful(refusal));
    }
    // sigRequired is not for us to say, 4 and 7 do not exist; and "successful" alone is none.
    for code in [0, 4, 5, 7, 255] {
        assert!(matches!(read(&[0x30, 0x03, 0x0a, 0x01, code]), Err(OcspError::Structure | OcspError::Encoding(_))));
    }
}

fn any_status() -> impl Strategy<Value = Status> {
    let time = (0..=UnixTime::MAX.0).prop_map(UnixTime);
    prop_oneof![
        Just(Status::Good),
        Just(Status::Unknown),
        (time, prop::sample::select(&Reason::ALL[..])).prop_map(|(at, reason)| Status::Revoked { at, reason }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_answer_says_what_was_planned(
        all in prop::collection::vec((any::<[u8; 20]>(), any::<bool>(), any_status(), 1..=DAY), 1..=32),
        nonce in prop::option::of(prop::collection::vec(any::<u8>(), 1..=128)),
    ) {
        let responder = responder();
        let singles: Vec<Single> = all.into_iter().map(|(serial, sha1, status, seconds)| {
            let hash = if sha1 { IdHash::Sha1 } else { IdHash::Sha256 };
            let id = CertId::new(hash, &authority().issuer, &Serial::from_random(serial));
            // The responder's certificate lives for a day, too.
            Single { id, status, this_update: NOW.minus(60), next_update: NOW.minus(60).plus(seconds) }
        }).collect();
        let bytes = answer(&responder, &singles, nonce.as_deref()).unwrap();
        let view = read(&bytes).unwrap();
        prop_assert_eq!(view.singles(), &singles[..]);
        prop_assert_eq!(view.nonce, nonce);
    }
}

fn openssl_reads(directory: &Path, number: u8, extra: &[&str]) -> String {
    let serial = format!("0x{}", Serial::from_random([number; 20]));
    let at = NOW.plus(60).0.to_string();
    let mut arguments = vec!["ocsp", "-respin", "answer", "-issuer", "issuer", "-serial", &serial, "-no_nonce"];
    arguments.extend(["-CAfile", "root", "-verify_other", "issuer", "-attime", &at, "-resp_text"]);
    arguments.extend(extra);
    openssl(directory, &arguments).1
}

#[test]
fn openssl_verifies_our_answers_and_tells_them_apart() {
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Ed25519] {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let made = Authority::new(algorithm);
        let responder = Responder::of(&made, TestSigner::new(algorithm));
        for (file, der) in [("root", made.root.der()), ("issuer", made.issuer.der())] {
            std::fs::write(directory.join(file), pem::encode(Label::Certificate, der)).unwrap();
        }
        let revoked = Status::Revoked { at: NOW, reason: Reason::KeyCompromise };
        let of = |number, status| Single { id: id(&made, number), ..single(number, status) };
        let singles = [of(1, Status::Good), of(2, revoked), of(3, Status::Unknown)];
        std::fs::write(directory.join("answer"), answer(&responder, &singles, None).unwrap()).unwrap();
        // Years ahead of this machine's clock, so the dates are skipped: `-attime` is for certificates alone.
        let age = ["-validity_period", "999999999"];
        for (number, said) in [(1, ": good"), (2, ": revoked"), (3, ": unknown")] {
            let text = openssl_reads(directory, number, &age);
            assert!(text.contains("Response verify OK") && text.contains(said), "{algorithm}: {text}");
        }
        let text = openssl_reads(directory, 2, &age);
        for line in [
            "OCSP Response Status: successful (0x0)",
            "Produced At: Jan 15 08:00:00 2027 GMT",
            "This Update: Jan 15 08:00:00 2027 GMT",
            "Next Update: Jan 15 09:00:00 2027 GMT",
            "Revocation Time: Jan 15 08:00:00 2027 GMT",
            "Revocation Reason: keyCompromise (0x1)",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
