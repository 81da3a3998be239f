use super::*;
use crate::der::{integer, null, octet_string, sequence, tlv};
use crate::key::SignatureScheme;
use crate::name::DnsName;
use crate::testing::pieces::*;
use crate::testing::request::*;
use crate::testing::{Authority, NOW, TestSigner, authority};

fn leaf() -> Vec<u8> {
    let signer = TestSigner::p256();
    authority().issue(Request::new(&signer).check(&signer).unwrap()).unwrap().into_parts().0
}

fn pieces() -> Pieces {
    Pieces::of_certificate(&leaf())
}

fn view(tbs: &[u8]) -> Result<CertificateView, ViewError> {
    CertificateView::parse(&sign(tbs, &authority().issuer_signer))
}

#[test]
fn an_untouched_certificate_is_read() {
    let found = view(&pieces().bytes()).unwrap();
    assert!(found.verify(authority().issuer.public_key()));
    assert!(!found.verify(authority().root.public_key()));
    assert!(found.unknown_critical.is_empty() && found.permitted_dns.is_none());
    assert!(found.is_valid_at(found.not_before) && found.is_valid_at(found.not_after));
    assert!(!found.is_valid_at(found.not_before.minus(1)) && !found.is_valid_at(found.not_after.plus(1)));
}

#[test]
fn a_repeated_extension_is_refused() {
    let good = pieces();
    for extension in good.extensions.clone() {
        let mut twice = good.clone();
        twice.extensions.push(extension);
        assert_eq!(view(&twice.bytes()).unwrap_err(), ViewError::Structure);
    }
    // The second one would have won.
    let ca = extension(BASIC_CONSTRAINTS, true, &sequence(&[&[0x01, 0x01, 0xff]]));
    let mut twice = good;
    twice.extensions.push(ca);
    assert_eq!(view(&twice.bytes()).unwrap_err(), ViewError::Structure);
}

#[test]
fn a_garbled_extension_is_refused_instead_of_being_overlooked() {
    for kind in [BASIC_CONSTRAINTS, KEY_USAGE, NAME_CONSTRAINTS, ALTERNATIVE_NAMES, EXTENDED_KEY_USAGE] {
        for garbage in [&b"\xff\xff"[..], b"", &octet_string(b"x")] {
            let bent = pieces().replacing(kind, &[extension(kind, true, garbage)]);
            assert_eq!(view(&bent.bytes()).unwrap_err(), ViewError::Structure, "{kind:02x?} {garbage:02x?}");
        }
    }
}

#[test]
fn t09_the_algorithm_inside_must_be_the_one_outside() {
    let bent = pieces().with(ALGORITHM, SignatureScheme::EcdsaSha384.identifier());
    assert_eq!(view(&bent).unwrap_err(), ViewError::Structure);
}

#[test]
fn times_have_one_spelling() {
    let good = (der::time(NOW), der::time(NOW.plus(60)));
    assert!(view(&pieces().with(VALIDITY, sequence(&[&good.0, &good.1]))).is_ok());
    let spellings = [
        // Without seconds, with an offset, as GeneralizedTime before 2050, with fractions, as UTCTime of 1960.
        tlv(0x17, b"2701150800Z"),
        tlv(0x17, b"270115080000+0000"),
        tlv(0x18, b"20270115080000Z"),
        tlv(0x18, b"20500115080000.5Z"),
        tlv(0x17, b"600115080000Z"),
        tlv(0x18, b"20500115080000"),
        tlv(0x17, b"27011508000ZZ"),
        tlv(0x17, b"+70115080000Z"),
        tlv(0x17, b"270230080000Z"),
        tlv(0x17, b"270115240000Z"),
        tlv(0x17, b"270115080060Z"),
        null(),
    ];
    for bad in spellings {
        for validity in [sequence(&[&bad, &good.1]), sequence(&[&good.0, &bad])] {
            let found = view(&pieces().with(VALIDITY, validity));
            assert_eq!(found.unwrap_err(), ViewError::Structure, "{}", String::from_utf8_lossy(&bad));
        }
    }
    let three = sequence(&[&good.0, &good.1, &good.1]);
    assert!(view(&pieces().with(VALIDITY, three)).is_err());
}

#[test]
fn t12_serials_that_are_negative_zero_long_or_padded_are_refused() {
    for content in [&[0xff][..], &[0], &[0, 1], &[1; 21], &[0x80; 20], &[]] {
        assert!(view(&pieces().with(SERIAL, tlv(0x02, content))).is_err(), "{content:02x?}");
    }
    assert!(view(&pieces().with(SERIAL, integer(&[1]))).is_ok());
}

#[test]
fn other_versions_are_refused() {
    for version in [vec![0xa0, 3, 2, 1, 1], vec![0xa0, 3, 2, 1, 0], vec![0xa0, 3, 2, 1, 3], vec![]] {
        assert!(view(&pieces().with(VERSION, version)).is_err());
    }
}

#[test]
fn critical_extensions_that_are_not_understood_are_named() {
    let mut bent = pieces();
    bent.extensions.push(extension(UNKNOWN, true, b"x"));
    assert_eq!(view(&bent.bytes()).unwrap().unknown_critical, ["1.3.6.1.4.1.99999.1"]);
    let mut harmless = pieces();
    harmless.extensions.push(extension(UNKNOWN, false, b"x"));
    assert!(view(&harmless.bytes()).unwrap().unknown_critical.is_empty());
}

#[test]
fn dns_constraints_are_read_and_others_are_not_claimed_to_be() {
    let dns = [DnsName::parse("dev.example").unwrap()];
    let constrained = Authority::constrained(crate::key::KeyAlgorithm::P256, &dns);
    let issuer = constrained.issuer.view();
    assert_eq!(issuer.permitted_dns.as_deref(), Some(&["dev.example".to_owned()][..]));
    assert!(issuer.unknown_critical.is_empty());
    let tree = |tag: u8, base: &[u8]| der::context(tag, &sequence(&[base]));
    let (dns, uri) = (der::context_primitive(2, b"x"), der::context_primitive(6, b"x"));
    for value in [tree(0, &uri), tree(1, &dns), [tree(0, &dns), tree(1, &dns)].concat(), Vec::new()] {
        let mut bent = pieces();
        bent.extensions.push(extension(NAME_CONSTRAINTS, true, &tlv(0x30, &value)));
        let found = view(&bent.bytes()).unwrap();
        assert_eq!((found.unknown_critical, found.permitted_dns), (vec!["2.5.29.30".to_owned()], None));
    }
}

#[test]
fn t07_names_for_people_carry_nothing_that_moves_a_terminal() {
    let text = "a\u{1b}[31m\u{202e}b\0".as_bytes();
    let bent = pieces().with(SUBJECT, name(&[(COMMON_NAME, 0x0c, text)]));
    let found = view(&bent).unwrap();
    assert_eq!(found.subject_text, "CN=a?[31m?b?");
}

#[test]
fn t20_a_certificate_with_something_behind_it_is_refused() {
    let good = leaf();
    assert!(CertificateView::parse(&good).is_ok());
    assert!(CertificateView::parse(&[good.as_slice(), &[0]].concat()).is_err());
    assert!(CertificateView::parse(&[good.as_slice(), &good].concat()).is_err());
    let parts = SignedParts::split(&good).unwrap();
    let third = sequence(&[parts.tbs, parts.algorithm, &der::bit_string(parts.signature), &null()]);
    assert!(CertificateView::parse(&third).is_err());
}
