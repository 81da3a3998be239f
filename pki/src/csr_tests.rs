use super::*;
use crate::der::{bit_string, context, context_primitive, integer, null, octet_string, oid, sequence, tlv};
use crate::key::KeyAlgorithm;
use crate::testing::auditor::{Expected, audit};
use crate::testing::request::*;
use crate::testing::{NOW, TestSigner, authority, locations, profile, subject};

fn check(bytes: &[u8]) -> Result<CheckedCsr, CsrError> {
    CheckedCsr::from_der(bytes, &KeyPolicy::any())
}

/// The request is accepted, and what is issued for it passes the auditor.
fn issues_correctly(request: &[u8], signer: &TestSigner) -> CheckedCsr {
    let csr = check(request).unwrap();
    assert_eq!(csr.public_key(), signer.public_key());
    let signed = authority().issue(csr.clone()).unwrap();
    let expected = Expected {
        issuer: &authority().issuer,
        locations: &locations(),
        profile: &profile(),
        subject: &subject(),
        spki: signer.public_key().spki(),
        now: NOW,
        shard: None,
    };
    assert_eq!(audit(signed.der(), &expected), Ok(()));
    csr
}

#[test]
fn requests_of_every_key_type_are_accepted_in_der_and_pem() {
    for signer in [&TestSigner::p256(), &TestSigner::p384(), &TestSigner::ed25519(), TestSigner::rsa3072()] {
        let der = Request::new(signer).signed(signer);
        issues_correctly(&der, signer);
        let text = format!("Certificate Request:\n    Data:\n{}", pem::encode(Label::Request, &der));
        for pem in [text.clone(), text.replace('\n', "\r\n"), text.replace("CERTIFICATE", "NEW CERTIFICATE")] {
            let csr = CheckedCsr::parse(pem.as_bytes(), &KeyPolicy::any()).unwrap();
            assert_eq!(csr.into_public_key(), *signer.public_key());
        }
        assert!(CheckedCsr::parse(&der, &KeyPolicy::any()).is_ok());
    }
}

#[test]
fn our_own_requests_are_accepted() {
    for signer in [TestSigner::p256(), TestSigner::p384(), TestSigner::ed25519()] {
        let csr = issues_correctly(&make(&signer, "sensor-17").unwrap(), &signer);
        let wishes = csr.wishes();
        assert_eq!(wishes.subject, "CN=sensor-17");
        assert_eq!((wishes.common_name.as_deref(), wishes.organization.as_deref()), (Some("sensor-17"), None));
        assert!(wishes.extensions.is_empty());
    }
}

#[test]
fn two_requests_in_one_text_are_refused() {
    let signer = TestSigner::p256();
    let pem = pem::encode(Label::Request, &Request::new(&signer).signed(&signer));
    let several = CheckedCsr::parse(pem.repeat(2).as_bytes(), &KeyPolicy::any());
    assert!(matches!(several, Err(CsrError::Pem(PemError::Several(_)))));
    let none = CheckedCsr::parse(b"hello", &KeyPolicy::any());
    assert!(matches!(none, Err(CsrError::Pem(PemError::Missing(_)))));
}

#[test]
fn the_profile_s_key_policy_holds() {
    let signer = TestSigner::p384();
    let request = Request::new(&signer).signed(&signer);
    let policy = KeyPolicy::new([crate::key_policy::KeyType::P256]);
    let refused = CheckedCsr::from_der(&request, &policy).unwrap_err();
    assert_eq!(refused, CsrError::Policy(KeyRefusal::TypeNotAllowed(KeyAlgorithm::P384)));
}

#[test]
fn t06_a_request_without_possession_is_refused() {
    let (signer, other) = (TestSigner::p256(), TestSigner::p256());
    let request = Request::new(&signer);
    // Signed by another key, with another key's SPKI put in, with no signature at all, and with a damaged one.
    assert_eq!(check(&request.signed(&other)).unwrap_err(), CsrError::Possession);
    let swapped = Request { spki: other.public_key().spki().to_vec(), ..request.clone() };
    assert_eq!(check(&swapped.signed(&signer)).unwrap_err(), CsrError::Possession);
    let algorithm = SignatureScheme::EcdsaSha256.identifier();
    for signature in [vec![], vec![0; 70], sequence(&[&integer(&[0]), &integer(&[0])])] {
        let bytes = sequence(&[&request.info(), &algorithm, &bit_string(&signature)]);
        assert_eq!(check(&bytes).unwrap_err(), CsrError::Possession, "{signature:02x?}");
    }
    // r = s = 0 is what CVE-2022-21449 let through; r = n likewise.
    let order = [&[0xff; 4][..], &[0; 4], &[0xff; 8], &[0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84]].concat();
    let order = [order, vec![0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51]].concat();
    let signature = sequence(&[&integer(&order), &integer(&order)]);
    let bytes = sequence(&[&request.info(), &algorithm, &bit_string(&signature)]);
    assert_eq!(check(&bytes).unwrap_err(), CsrError::Possession);
}

#[test]
fn t06_a_signature_over_other_bytes_is_refused() {
    let signer = TestSigner::p256();
    let (mine, other) = (Request::new(&signer), Request { subject: name(&[]), ..Request::new(&signer) });
    let signature = signer.sign_with(SignatureScheme::EcdsaSha256, &other.info());
    let bytes = sequence(&[&mine.info(), &SignatureScheme::EcdsaSha256.identifier(), &bit_string(&signature)]);
    assert_eq!(check(&bytes).unwrap_err(), CsrError::Possession);
    // A certificate's signature is no proof either: domain and key differ.
    assert!(check(authority().issuer.der()).is_err());
}

#[test]
fn t06_the_digest_named_must_be_the_digest_used() {
    let signer = TestSigner::p256();
    let info = Request::new(&signer).info();
    let signature = signer.sign_with(SignatureScheme::EcdsaSha256, &info);
    for scheme in [SignatureScheme::EcdsaSha384, SignatureScheme::Ed25519, SignatureScheme::RsaPkcs1Sha256] {
        let bytes = sequence(&[&info, &scheme.identifier(), &bit_string(&signature)]);
        assert_eq!(check(&bytes).unwrap_err(), CsrError::Possession, "{scheme:?}");
    }
    let sha1 = sequence(&[&oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01])]);
    let with_null = sequence(&[&oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]), &null()]);
    for algorithm in [sha1, with_null] {
        let bytes = sequence(&[&info, &algorithm, &bit_string(&signature)]);
        assert_eq!(check(&bytes).unwrap_err(), CsrError::Algorithm);
    }
}

#[test]
fn t09_a_digest_that_does_not_match_the_curve_yields_a_correct_certificate() {
    // rcgen would label the key by the digest (pitfall 3).
    let (small, large) = (TestSigner::p256(), TestSigner::p384());
    for (signer, scheme) in [
        (&large, SignatureScheme::EcdsaSha256),
        (&large, SignatureScheme::EcdsaSha512),
        (&small, SignatureScheme::EcdsaSha384),
        (&small, SignatureScheme::EcdsaSha512),
    ] {
        let csr = issues_correctly(&Request::new(signer).signed_with(signer, scheme), signer);
        let signed = authority().issue(csr).unwrap();
        let view = crate::view::CertificateView::parse(signed.der()).unwrap();
        assert_eq!(view.public_key.algorithm(), signer.public_key().algorithm());
    }
}

#[test]
fn t07_what_the_subject_says_has_no_effect() {
    let signer = TestSigner::p256();
    let long = [b'x'; 8_000];
    let two_in_one = [attribute_value((COMMON_NAME, 0x0c, b"a")), attribute_value((UNIT, 0x0c, b"admins"))].concat();
    let subjects = [
        name(&[]),
        name(&[(ORGANIZATION, 0x0c, b"system:masters"), (COMMON_NAME, 0x0c, b"kubernetes-admin")]),
        name(&[(COMMON_NAME, 0x0c, b"admin\0.evil.org")]),
        name(&[(COMMON_NAME, 0x0c, "аdmin".as_bytes())]),
        name(&[(COMMON_NAME, 0x0c, b"a"), (COMMON_NAME, 0x0c, b"b")]),
        name(&[(COMMON_NAME, 0x1e, &[0, 0x61, 0])]),
        name(&[(COMMON_NAME, 0x14, &[0xff, 0x80])]),
        name(&[(COMMON_NAME, 0x04, b"no string at all")]),
        name(&[(COMMON_NAME, 0x0c, &long)]),
        name(&[(DOMAIN_COMPONENT, 0x16, b"a"), (DOMAIN_COMPONENT, 0x16, b"b")]),
        tlv(0x30, &tlv(0x31, &two_in_one)),
    ];
    for subject in subjects {
        let request = Request { subject, ..Request::new(&signer) };
        let csr = issues_correctly(&request.signed(&signer), &signer);
        assert!(csr.wishes().subject.chars().count() <= 256);
        assert!(!csr.wishes().subject.chars().any(char::is_control), "{:?}", csr.wishes());
    }
}

#[test]
fn t07_a_name_of_64k_is_refused_by_size() {
    let signer = TestSigner::p256();
    let long = vec![b'x'; 64 * 1024];
    let request = Request { subject: name(&[(COMMON_NAME, 0x0c, &long)]), ..Request::new(&signer) };
    let der = request.signed(&signer);
    assert_eq!(check(&der).unwrap_err(), CsrError::Encoding(DerError::TooLong(16 * 1024)));
    let pem = pem::encode(Label::Request, &der);
    let refused = CheckedCsr::parse(pem.as_bytes(), &KeyPolicy::any()).unwrap_err();
    assert_eq!(refused, CsrError::Encoding(DerError::TooLong(16 * 1024)));
}

#[test]
fn t07_wished_names_are_not_issued() {
    let signer = TestSigner::p256();
    let other_name = context(0, &[oid(UNKNOWN), context(0, &tlv(0x0c, b"root@corp"))].concat());
    let names = sequence(&[
        &context_primitive(2, b"*.example.org"),
        &context_primitive(2, b"evil.org\0.example.org"),
        &context_primitive(6, b"spiffe://example.org/admin/root"),
        &context_primitive(7, &[127, 0, 0, 1]),
        &context_primitive(7, &[1, 2, 3]),
        &context_primitive(1, b"root@example.org"),
        &other_name,
    ]);
    let request = Request::asking(&signer, &[extension(ALTERNATIVE_NAMES, false, &names)]);
    let csr = issues_correctly(&request.signed(&signer), &signer);
    assert_eq!(csr.wishes().extensions, ["2.5.29.17"]);
}

#[test]
fn t08_wished_authority_is_not_issued() {
    let signer = TestSigner::p256();
    let any_usage = sequence(&[&oid(&[0x55, 0x1d, 0x25, 0x00])]);
    let wishes = [
        extension(BASIC_CONSTRAINTS, true, &sequence(&[&[0x01, 0x01, 0xff], &integer(&[3])])),
        extension(KEY_USAGE, true, &[0x03, 0x02, 0x01, 0xfe]),
        extension(EXTENDED_KEY_USAGE, false, &any_usage),
        extension(NAME_CONSTRAINTS, true, &sequence(&[&context(0, &sequence(&[&context_primitive(2, b"")]))])),
        extension(SUBJECT_KEY_ID, false, &octet_string(authority().issuer.key_identifier())),
        extension(AUTHORITY_KEY_ID, false, &sequence(&[&context_primitive(0, &[7; 20])])),
        extension(UNKNOWN, true, b"not even DER"),
    ];
    let csr = issues_correctly(&Request::asking(&signer, &wishes).signed(&signer), &signer);
    assert_eq!(csr.wishes().extensions.len(), wishes.len());
    for wish in wishes {
        issues_correctly(&Request::asking(&signer, &[wish]).signed(&signer), &signer);
    }
}

#[test]
fn t08_repeated_attributes_and_extensions_are_refused() {
    let signer = TestSigner::p256();
    let usage = extension(KEY_USAGE, true, &[0x03, 0x02, 0x07, 0x80]);
    let request = extension_request(std::slice::from_ref(&usage));
    let password = attribute(CHALLENGE_PASSWORD, &[tlv(0x0c, b"x")]);
    let twice = |attributes: Vec<Vec<u8>>| Request { attributes: Some(attributes), ..Request::new(&signer) };
    let list = tlv(0x30, &usage);
    let repeated = [
        twice(vec![request.clone(), request.clone()]),
        twice(vec![request.clone(), password.clone(), request]),
        twice(vec![password.clone(), password]),
        twice(vec![extension_request(&[usage.clone(), usage.clone()])]),
        // Two values inside one attribute: a reader that takes the first and one that takes the last would differ.
        twice(vec![attribute(EXTENSION_REQUEST, &[list.clone(), list.clone()])]),
        twice(vec![attribute(EXTENSION_REQUEST, &[list, tlv(0x30, &[])])]),
    ];
    for (number, request) in repeated.iter().enumerate() {
        assert_eq!(request.check(&signer).unwrap_err(), CsrError::Duplicate, "case {number}");
    }
}

#[test]
fn attributes_may_be_absent_empty_or_none_of_our_business() {
    let signer = TestSigner::p256();
    let with = |attributes| Request { attributes, ..Request::new(&signer) };
    let friendly = attribute(UNKNOWN, &[null(), sequence(&[])]);
    // A challengePassword of any string type is ignored (interop rule 9).
    let passwords = [0x0c, 0x13, 0x14, 0x16].map(|tag| attribute(CHALLENGE_PASSWORD, &[tlv(tag, b"tls-unique")]));
    let mut all = vec![with(None), with(Some(vec![])), with(Some(vec![friendly])), Request::asking(&signer, &[])];
    all.extend(passwords.map(|p| with(Some(vec![p]))));
    for request in all {
        issues_correctly(&request.signed(&signer), &signer);
    }
}

#[test]
fn t20_attributes_of_another_shape_are_refused() {
    let signer = TestSigner::p256();
    let value = octet_string(b"x");
    let extra = |inner: &[u8]| tlv(0x30, &[oid(EXTENSION_REQUEST), tlv(0x31, &sequence(&[inner]))].concat());
    let bad = [
        null(),
        sequence(&[]),
        sequence(&[&oid(UNKNOWN)]),
        attribute(UNKNOWN, &[]),
        attribute(EXTENSION_REQUEST, &[]),
        sequence(&[&oid(UNKNOWN), &tlv(0x30, &null())]),
        sequence(&[&oid(UNKNOWN), &tlv(0x31, &null()), &null()]),
        sequence(&[&integer(&[1]), &tlv(0x31, &null())]),
        attribute(EXTENSION_REQUEST, &[null()]),
        extra(&null()),
        extra(&sequence(&[&oid(UNKNOWN)])),
        extra(&sequence(&[&oid(UNKNOWN), &[0x01, 0x01, 0xff]])),
        extra(&sequence(&[&oid(UNKNOWN), &null(), &value])),
        extra(&sequence(&[&oid(UNKNOWN), &value, &value])),
        extra(&sequence(&[&value, &oid(UNKNOWN)])),
    ];
    for (number, attribute) in bad.into_iter().enumerate() {
        let request = Request { attributes: Some(vec![attribute]), ..Request::new(&signer) };
        let refused = request.check(&signer).unwrap_err();
        assert!(matches!(refused, CsrError::Structure | CsrError::Encoding(_)), "case {number}: {refused:?}");
    }
}

#[test]
fn t20_trailing_bytes_and_other_shapes_are_refused() {
    let signer = TestSigner::p256();
    let request = Request::new(&signer);
    let good = request.signed(&signer);
    let trailing = [good.as_slice(), &[0]].concat();
    assert_eq!(check(&trailing).unwrap_err(), CsrError::Encoding(DerError::Trailing(1)));
    let (info, algorithm) = (request.info(), SignatureScheme::EcdsaSha256.identifier());
    let signature = bit_string(&signer.sign_with(SignatureScheme::EcdsaSha256, &info));
    let mut shapes = vec![
        sequence(&[&info, &algorithm, &signature, &null()]),
        sequence(&[&info, &algorithm]),
        sequence(&[&info, &signature, &algorithm]),
        sequence(&[&null(), &info, &algorithm, &signature]),
        tlv(0x31, &[info, algorithm, signature].concat()),
        null(),
    ];
    let version_1 = Request { version: integer(&[1]), ..request.clone() };
    let no_version = Request { version: Vec::new(), ..request.clone() };
    let no_spki = Request { spki: Vec::new(), ..request.clone() };
    let no_name = Request { subject: null(), ..request };
    shapes.extend([version_1, no_version, no_spki, no_name].map(|r| r.signed(&signer)));
    for (number, bytes) in shapes.iter().enumerate() {
        assert!(matches!(check(bytes), Err(CsrError::Structure | CsrError::Encoding(_))), "case {number}");
    }
}

#[test]
fn t20_ber_is_refused_even_when_it_is_signed() {
    let signer = TestSigner::p256();
    let request = Request::new(&signer);
    let resign = |info: Vec<u8>| {
        let signature = signer.sign_with(SignatureScheme::EcdsaSha256, &info);
        sequence(&[&info, &SignatureScheme::EcdsaSha256.identifier(), &bit_string(&signature)])
    };
    let content = &request.info()[3..];
    let indefinite = [&[0x30, 0x80][..], content, &[0, 0]].concat();
    let long_length = [&[0x30, 0x82, 0x00, content.len() as u8][..], content].concat();
    for info in [indefinite, long_length] {
        assert!(matches!(check(&resign(info)), Err(CsrError::Encoding(DerError::NotCanonical(_)))));
    }
    let good = request.signed(&signer);
    let outer_indefinite = [&[0x30, 0x80][..], &good[3..], &[0, 0]].concat();
    assert!(matches!(check(&outer_indefinite), Err(CsrError::Encoding(DerError::NotCanonical(_)))));
    // A boolean of 1 in an attribute, a constructed octet string, a version with a superfluous zero.
    let odd_boolean = attribute(UNKNOWN, &[vec![0x01, 0x01, 0x01]]);
    let pieces = attribute(UNKNOWN, &[tlv(0x24, &octet_string(b"x"))]);
    for attribute in [odd_boolean, pieces] {
        let request = Request { attributes: Some(vec![attribute]), ..Request::new(&signer) };
        assert!(matches!(request.check(&signer), Err(CsrError::Encoding(DerError::NotCanonical(_)))));
    }
    let padded = Request { version: vec![0x02, 0x02, 0, 0], ..Request::new(&signer) };
    assert!(matches!(padded.check(&signer), Err(CsrError::Encoding(DerError::NotCanonical(_)))));
}

#[test]
fn t20_bombs_end_at_a_budget() {
    let signer = TestSigner::p256();
    let mut deep = null();
    for _ in 0..40 {
        deep = sequence(&[&deep]);
    }
    let request = |attribute| Request { attributes: Some(vec![attribute]), ..Request::new(&signer) };
    let deep = request(attribute(UNKNOWN, &[deep])).check(&signer).unwrap_err();
    assert_eq!(deep, CsrError::Encoding(DerError::TooDeep(16)));
    let many: Vec<Vec<u8>> =
        (0..2_000).map(|n: u16| extension(&n.to_be_bytes().map(|b| b & 0x7f), false, b"")).collect();
    let many = Request::asking(&signer, &many).check(&signer).unwrap_err();
    assert_eq!(many, CsrError::Encoding(DerError::TooMany(1024)));
    let nulls = request(attribute(UNKNOWN, &vec![null(); 3_000])).check(&signer).unwrap_err();
    assert_eq!(nulls, CsrError::Encoding(DerError::TooMany(1024)));
    let huge_oid = request(attribute(&[0x7f; 500], &[null()])).check(&signer).unwrap_err();
    assert!(matches!(huge_oid, CsrError::Encoding(DerError::NotCanonical(_))));
    // The longest identifiers that pass are shown, not choked on.
    for long in [vec![0xff; 63], vec![0x81; 63], [vec![0x2a], vec![0xff; 9]].concat(), vec![0x87; 9]] {
        let long = [long, vec![0x7f]].concat();
        let csr = Request::asking(&signer, &[extension(&long, false, b"")]).check(&signer).unwrap();
        assert_eq!(csr.wishes().extensions.len(), 1);
    }
}

#[test]
fn t11_the_issuer_s_own_key_is_not_certified() {
    let key = &authority().issuer_signer;
    let csr = Request::new(key).check(key).unwrap();
    let refused = authority().issue(csr).unwrap_err();
    assert!(refused.to_string().contains("issuer's own"), "{refused}");
    let policy = KeyPolicy::any().blocking([key.public_key().fingerprint()]);
    let refused = CheckedCsr::from_der(&Request::new(key).signed(key), &policy).unwrap_err();
    assert_eq!(refused, CsrError::Policy(KeyRefusal::Blocked));
}
