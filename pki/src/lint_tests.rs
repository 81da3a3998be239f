use std::sync::OnceLock;

use super::*;
use crate::ca::IssuerCert;
use crate::encode::SignedParts;
use crate::issue::{Locations, Subject};
use crate::name::{DeviceId, PrincipalKind};
use crate::profile::{Profile, Revocation, Usage};
use crate::signer::Signer;
use crate::testing::pieces::*;
use crate::testing::request::*;
use crate::testing::{DAY, NOW, TestSigner, authority, locations, profile, subject};
use crate::view::CertificateView;

/// A leaf that passes, with everything that it was made from.
struct Leaf {
    tbs: Vec<u8>,
    key: PublicKey,
    serial: Serial,
    validity: (UnixTime, UnixTime),
    profile: Profile,
    subject: Subject,
    locations: Locations,
    issuer: IssuerCert,
    shard: Option<u16>,
}

impl Leaf {
    fn new() -> Leaf {
        let signer = TestSigner::p256();
        let signed = authority().issue(Request::new(&signer).check(&signer).unwrap()).unwrap();
        let view = CertificateView::parse(signed.der()).unwrap();
        Leaf {
            tbs: SignedParts::split(signed.der()).unwrap().tbs.to_vec(),
            key: signer.public_key().clone(),
            serial: view.serial,
            validity: (view.not_before, view.not_after),
            profile: profile(),
            subject: subject(),
            locations: locations(),
            issuer: authority().issuer.clone(),
            shard: None,
        }
    }

    fn lint(&self, tbs: &[u8]) -> Result<(), String> {
        let expectation = LeafExpectation {
            issuer: &self.issuer,
            locations: &self.locations,
            profile: &self.profile,
            subject: &self.subject,
            key: &self.key,
            serial: &self.serial,
            validity: self.validity,
            shard: self.shard,
        };
        leaf(tbs, &expectation).map_err(|e| e.0)
    }
}

fn shared() -> &'static Leaf {
    static LEAF: OnceLock<Leaf> = OnceLock::new();
    LEAF.get_or_init(Leaf::new)
}

fn refused(tbs: &[u8], sentence: &str) {
    let found = shared().lint(tbs).expect_err(sentence);
    assert!(found.contains(sentence), "{found:?} instead of {sentence:?}");
}

#[test]
fn the_planned_leaf_passes() {
    assert_eq!(shared().lint(&shared().tbs), Ok(()));
    assert_eq!(Pieces::of(&shared().tbs).bytes(), shared().tbs);
}

#[test]
fn t08_every_bit_of_a_leaf_matters() {
    let tbs = &shared().tbs;
    for at in 0..tbs.len() {
        for bit in 0..8 {
            let mut other = tbs.clone();
            other[at] ^= 1 << bit;
            assert!(shared().lint(&other).is_err(), "bit {bit} of octet {at}");
        }
    }
}

#[test]
fn no_octet_can_be_added_or_left_out() {
    let tbs = &shared().tbs;
    for at in 0..=tbs.len() {
        assert!(shared().lint(&tbs[..at]).is_err() || at == tbs.len());
        for octet in [0x00, 0x30, 0xff] {
            let mut longer = tbs.clone();
            longer.insert(at, octet);
            assert!(shared().lint(&longer).is_err(), "{octet:02x} before {at}");
        }
        if at < tbs.len() {
            let mut shorter = tbs.clone();
            shorter.remove(at);
            assert!(shared().lint(&shorter).is_err(), "without {at}");
        }
    }
}

#[test]
fn each_field_in_front_of_the_extensions_is_compared() {
    let pieces = Pieces::of(&shared().tbs);
    let (from, to) = shared().validity;
    let validity = |from, to| der::sequence(&[&der::time(from), &der::time(to)]);
    let generalized = der::tlv(0x18, b"20270115080000Z");
    let other_key = TestSigner::p256().public_key().spki().to_vec();
    refused(&pieces.with(VERSION, vec![0xa0, 3, 2, 1, 1]), "the version is not 3");
    refused(&pieces.with(VERSION, Vec::new()), "not a certificate of version 3");
    refused(&pieces.with(SERIAL, der::integer(&[5; 20])), "the serial number is not the planned one");
    refused(&pieces.with(SERIAL, der::tlv(0x02, &[0xf0; 20])), "the serial number is not the planned one");
    refused(&pieces.with(ALGORITHM, crate::key::SignatureScheme::EcdsaSha384.identifier()), "the signature algorithm");
    refused(&pieces.with(ISSUER, authority().root.subject().to_vec()), "the issuer name");
    refused(&pieces.with(VALIDITY, validity(from, to.plus(1))), "the validity is not as planned");
    refused(&pieces.with(VALIDITY, validity(from.minus(1), to)), "the validity is not as planned");
    refused(&pieces.with(VALIDITY, der::sequence(&[&der::time(from), &generalized])), "the validity is not as planned");
    refused(&pieces.with(SUBJECT, name(&[])), "the subject is not the planned one");
    refused(&pieces.with(SUBJECT, name(&[(COMMON_NAME, 0x13, b"sensor-17")])), "the subject is not the planned one");
    refused(&pieces.with(SPKI, other_key), "the public key is not the one that was checked");
}

#[test]
fn t07_a_second_attribute_in_the_subject_is_refused() {
    let pieces = Pieces::of(&shared().tbs);
    let (id, masters) = ((COMMON_NAME, 0x0c, &b"sensor-17"[..]), (ORGANIZATION, 0x0c, &b"system:masters"[..]));
    let one_rdn = der::tlv(0x31, &[attribute_value(id), attribute_value(masters)].concat());
    for subject in [name(&[id, masters]), name(&[masters, id]), name(&[id, id]), der::tlv(0x30, &one_rdn)] {
        refused(&pieces.with(SUBJECT, subject), "the subject is not the planned one");
    }
}

#[test]
fn each_extension_must_be_there_once_and_as_critical_as_planned() {
    let good = Pieces::of(&shared().tbs);
    assert_eq!(good.extensions.len(), 8);
    for at in 0..good.extensions.len() {
        let mut without = good.clone();
        without.extensions.remove(at);
        refused(&without.bytes(), "an extension is missing");
        let mut twice = good.clone();
        twice.extensions.push(good.extensions[at].clone());
        refused(&twice.bytes(), "an extension is there twice");
        let mut flipped = good.clone();
        let content = read_tlv(&good.extensions[at]).unwrap().1;
        let (_, _, oid, rest) = read_tlv(content).unwrap();
        flipped.extensions[at] = match rest[0] {
            0x01 => der::sequence(&[oid, read_tlv(rest).unwrap().3]),
            _ => der::sequence(&[oid, &[0x01, 0x01, 0xff], rest]),
        };
        assert!(shared().lint(&flipped.bytes()).is_err(), "criticality of extension {at}");
        // DEFAULT FALSE is left out in DER.
        if rest[0] != 0x01 {
            flipped.extensions[at] = der::sequence(&[oid, &[0x01, 0x01, 0x00], rest]);
            assert!(shared().lint(&flipped.bytes()).is_err(), "DEFAULT of extension {at}");
        }
    }
}

#[test]
fn the_order_of_the_extensions_is_free() {
    let mut pieces = Pieces::of(&shared().tbs);
    pieces.extensions.reverse();
    assert_eq!(shared().lint(&pieces.bytes()), Ok(()));
}

#[test]
fn t08_authority_in_a_leaf_is_refused() {
    let good = Pieces::of(&shared().tbs);
    let replace = |kind: &[u8], critical, value: &[u8]| {
        let mut other = good.clone();
        let marker = der::oid(kind);
        other.extensions.retain(|e| !e.windows(marker.len()).any(|w| w == marker));
        assert_eq!(other.extensions.len(), 7);
        other.extensions.push(extension(kind, critical, value));
        other.bytes()
    };
    let ca = der::sequence(&[&[0x01, 0x01, 0xff]]);
    let explicit_false = der::sequence(&[&[0x01, 0x01, 0x00]]);
    let path = der::sequence(&[&der::integer(&[])]);
    for value in [ca, explicit_false, path] {
        refused(&replace(BASIC_CONSTRAINTS, true, &value), "the basic constraints are not the planned ones");
    }
    for bits in [[0x03, 0x02, 0x02, 0x84], [0x03, 0x02, 0x01, 0x06], [0x03, 0x02, 0x05, 0xa0], [0x03, 0x02, 0x00, 0x80]]
    {
        assert!(shared().lint(&replace(KEY_USAGE, true, &bits)).is_err(), "{bits:02x?}");
    }
    let purpose = |last| der::oid(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, last]);
    let any = der::oid(&[0x55, 0x1d, 0x25, 0x00]);
    for purposes in [any.clone(), purpose(1), [purpose(2), any].concat(), [purpose(2), purpose(9)].concat(), vec![]] {
        let value = der::tlv(0x30, &purposes);
        refused(&replace(EXTENDED_KEY_USAGE, false, &value), "extended key usage is not the profile's");
    }
    refused(&replace(SUBJECT_KEY_ID, false, &der::octet_string(&[7; 20])), "the subject key identifier is wrong");
    let own_id = der::context_primitive(0, authority().issuer.key_identifier());
    let serial = der::context_primitive(2, &[1]);
    let verbose = der::sequence(&[&own_id, &der::context(1, &der::context(4, authority().root.subject())), &serial]);
    for value in [verbose, der::sequence(&[]), der::sequence(&[&der::context_primitive(0, &[7; 20])])] {
        refused(&replace(AUTHORITY_KEY_ID, false, &value), "the authority key identifier is wrong");
    }
}

#[test]
fn t08_extensions_that_were_not_planned_are_refused() {
    for (kind, critical) in [(UNKNOWN, true), (UNKNOWN, false), (NAME_CONSTRAINTS, true), (&[0x55, 0x1d, 0x20], false)]
    {
        let mut pieces = Pieces::of(&shared().tbs);
        pieces.extensions.push(extension(kind, critical, &der::sequence(&[])));
        refused(&pieces.bytes(), "has no business here");
    }
}

#[test]
fn t07_names_that_differ_in_any_way_are_refused() {
    let san = |names: &[&[u8]]| {
        let mut pieces = Pieces::of(&shared().tbs);
        let marker = der::oid(ALTERNATIVE_NAMES);
        let at = pieces.extensions.iter().position(|e| e.windows(5).any(|w| w == marker)).unwrap();
        pieces.extensions[at] = extension(ALTERNATIVE_NAMES, false, &der::sequence(names));
        pieces.bytes()
    };
    let uri = der::context_primitive(6, b"spiffe://example.org/device/sensor-17");
    let dns = der::context_primitive(2, b"sensor-17.dev.example");
    let four = der::context_primitive(7, &[10, 1, 2, 3]);
    let six = der::context_primitive(7, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x17]);
    assert_eq!(shared().lint(&san(&[&uri, &dns, &four, &six])), Ok(()));
    let wildcard = der::context_primitive(2, b"*.dev.example");
    let upper = der::context_primitive(2, b"SENSOR-17.dev.example");
    let masked = der::context_primitive(7, &[10, 1, 2, 3, 255, 255, 255, 255]);
    let other_name = der::context(0, &[der::oid(UNKNOWN), der::context(0, &der::null())].concat());
    let text_address = der::context_primitive(2, b"10.1.2.3");
    let wrong: [&[&[u8]]; 10] = [
        &[],
        &[&uri, &dns, &four],
        &[&dns, &uri, &four, &six],
        &[&uri, &dns, &four, &six, &dns],
        &[&uri, &wildcard, &four, &six],
        &[&uri, &upper, &four, &six],
        &[&uri, &dns, &masked, &six],
        &[&uri, &dns, &text_address, &six],
        &[&uri, &dns, &four, &six, &other_name],
        &[&other_name, &dns, &four, &six],
    ];
    for names in wrong {
        refused(&san(names), "the alternative names are not the principal's");
    }
}

#[test]
fn places_that_differ_are_refused() {
    let good = Pieces::of(&shared().tbs);
    let replace = |kind: &[u8], value: &[u8]| {
        let mut other = good.clone();
        let marker = der::oid(kind);
        let at = other.extensions.iter().position(|e| e.windows(marker.len()).any(|w| w == marker)).unwrap();
        other.extensions[at] = extension(kind, false, value);
        other.bytes()
    };
    let uri = |text: &str| der::context_primitive(6, text.as_bytes());
    let uris = [uri(&locations().crl[0]), uri(&locations().crl[1])].concat();
    let point = |tail: &[u8]| der::sequence(&[&der::context(0, &der::context(0, &uris)), tail]);
    let points: &[u8] = &[0x55, 0x1d, 0x1f];
    assert_eq!(shared().lint(&replace(points, &der::sequence(&[&point(&[])]))), Ok(()));
    // A second point, a point for some reasons only, a point of another issuer: readers would look elsewhere.
    let reasons = der::tlv(0x81, &[0x06, 0x40]);
    let other_issuer = der::context(2, &der::context(4, authority().root.subject()));
    for value in [
        der::sequence(&[&point(&[]), &point(&[])]),
        der::sequence(&[&point(&reasons)]),
        der::sequence(&[&point(&other_issuer)]),
        der::sequence(&[&point(&[]), &der::sequence(&[&other_issuer])]),
        der::sequence(&[]),
    ] {
        refused(&replace(points, &value), "the CRL location is not the configured one");
    }
    let access: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01];
    refused(&replace(access, &der::sequence(&[])), "the authority information is not the configured one");
}

#[test]
fn revocation_is_named_or_excused_and_never_both() {
    let marks: [(&[u8], fn(&mut Leaf)); 2] = [
        (&[0x55, 0x1d, 0x38], |leaf| leaf.profile.revocation = Revocation::Unavailable),
        (&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x05], |leaf| {
            leaf.profile.usages = vec![Usage::OcspSigning];
            (leaf.profile.kind, leaf.subject.kind) = (PrincipalKind::Server, PrincipalKind::Server);
        }),
    ];
    let points: &[u8] = &[0x55, 0x1d, 0x1f];
    let purposes = |last| der::sequence(&[&der::oid(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, last])]);
    for (kind, edit) in marks {
        let good = Pieces::of(&shared().tbs);
        let mark = extension(kind, false, &der::null());
        let mut marked = good.clone();
        marked.extensions.push(mark.clone());
        refused(&marked.bytes(), "has no business here");
        let mut leaf = Leaf::new();
        edit(&mut leaf);
        leaf.locations.ocsp.clear();
        let server = leaf.profile.kind == PrincipalKind::Server;
        let mut pieces = Pieces::of(&leaf.tbs);
        if server {
            pieces = pieces.replacing(EXTENDED_KEY_USAGE, &[extension(EXTENDED_KEY_USAGE, false, &purposes(9))]);
            leaf.subject.dns_names.clear();
            leaf.subject.addresses.clear();
            let uri = der::context_primitive(6, b"spiffe://example.org/server/sensor-17");
            let names = extension(ALTERNATIVE_NAMES, false, &der::sequence(&[&uri]));
            pieces = pieces.replacing(ALTERNATIVE_NAMES, &[names]);
        }
        let issuers = der::sequence(&[
            &der::oid(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02]),
            &der::context_primitive(6, locations().ca_issuers[0].as_bytes()),
        ]);
        let access: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01];
        pieces = pieces.replacing(access, &[extension(access, false, &der::sequence(&[&issuers]))]);
        let silent = pieces.replacing(points, std::slice::from_ref(&mark));
        assert_eq!(leaf.lint(&silent.bytes()), Ok(()));
        let refused = |pieces: &Pieces, sentence: &str| {
            let found = leaf.lint(&pieces.bytes()).unwrap_err();
            assert!(found.contains(sentence), "{found}");
        };
        refused(&pieces.replacing(points, &[]), "an extension is missing");
        let mut both = pieces.clone();
        both.extensions.push(mark.clone());
        refused(&both, "has no business here");
        refused(&silent.replacing(kind, &[extension(kind, true, &der::null())]), "revo");
        refused(&silent.replacing(kind, &[extension(kind, false, &der::sequence(&[]))]), "revo");
        leaf.shard = Some(1);
        assert!(leaf.lint(&silent.bytes()).unwrap_err().contains("in no shard"));
    }
}

#[test]
fn a_leaf_names_the_list_of_its_own_shard() {
    let mut leaf = Leaf::new();
    let tbs = leaf.tbs.clone();
    let points: &[u8] = &[0x55, 0x1d, 0x1f];
    let with = |lists: [&str; 2]| {
        let uris = lists.map(|url| der::context_primitive(6, url.as_bytes())).concat();
        let point = der::sequence(&[&der::context(0, &der::context(0, &uris))]);
        Pieces::of(&tbs).replacing(points, &[extension(points, false, &der::sequence(&[&point]))]).bytes()
    };
    leaf.shard = Some(12);
    let good = ["http://ca.example/crl/issuer/12.crl", "http://mirror.example/crl/issuer/12.crl"];
    assert_eq!(leaf.lint(&with(good)), Ok(()));
    for bad in [
        "http://ca.example/crl/issuer/1.crl",
        "http://ca.example/crl/issuer/012.crl",
        "http://ca.example/crl/issuer/+12.crl",
        "http://ca.example/crl/issuer/12",
        "http://ca.example/crl/issuer/12.crl/12.crl",
        "http://ca.example/crl/other/12.crl",
        "http://ca.example/crl/issuer.crl",
        "http://mirror.example/crl/issuer/12.crl",
    ] {
        let found = leaf.lint(&with([bad, good[1]])).unwrap_err();
        assert_eq!(found, "the CRL location is not the configured one", "{bad}");
    }
    assert!(leaf.lint(&leaf.tbs).is_err());
    leaf.shard = None;
    assert!(leaf.lint(&with(good)).is_err());
    leaf.shard = Some(12);
    leaf.locations.crl[0] = "http://ca.example/list".into();
    assert!(leaf.lint(&with(good)).unwrap_err().contains("a shard needs"));
}

#[test]
fn no_lifetime_beyond_issuer_or_profile_passes() {
    let plan = |edit: fn(&mut Leaf)| {
        let mut leaf = Leaf::new();
        edit(&mut leaf);
        let (from, to) = leaf.validity;
        let tbs = Pieces::of(&leaf.tbs).with(VALIDITY, der::sequence(&[&der::time(from), &der::time(to)]));
        leaf.lint(&tbs)
    };
    assert_eq!(plan(|_| ()), Ok(()));
    assert_eq!(plan(|leaf| leaf.validity.1 = NOW.plus(7 * DAY)), Ok(()));
    let beyond_profile = plan(|leaf| leaf.validity.1 = NOW.plus(7 * DAY + 1));
    assert_eq!(beyond_profile, Err("the certificate outlives its profile".into()));
    let beyond_issuer = plan(|leaf| leaf.validity = (NOW, leaf.issuer.not_after().plus(1)));
    assert_eq!(beyond_issuer, Err("the certificate outlives its issuer".into()));
    let empty = "the validity is empty or cannot be written".to_owned();
    assert_eq!(plan(|leaf| leaf.validity = (NOW, NOW)), Err(empty.clone()));
    assert_eq!(plan(|leaf| leaf.validity = (NOW.plus(2), NOW.plus(1))), Err(empty.clone()));
    assert_eq!(plan(|leaf| leaf.validity = (UnixTime(-5), UnixTime(100))), Err(empty));
    let endless = plan(|leaf| (leaf.profile.max_lifetime, leaf.validity.1) = (i64::MAX, NOW.plus(400 * DAY)));
    assert_eq!(endless, Ok(()));
}

#[test]
fn plans_that_no_certificate_should_follow_are_refused() {
    let plan = |edit: fn(&mut Leaf)| {
        let mut leaf = Leaf::new();
        edit(&mut leaf);
        leaf.lint(&leaf.tbs).unwrap_err()
    };
    assert!(plan(|leaf| leaf.profile.usages.clear()).contains("without usages"));
    assert!(plan(|leaf| leaf.profile.kind = PrincipalKind::Admin).contains("another kind of principal"));
    assert!(plan(|leaf| leaf.profile.dns_suffixes.clear()).contains("does not allow one of the DNS names"));
    assert!(plan(|leaf| leaf.profile.usages.push(Usage::ServerAuth)).contains("extended key usage"));
    assert!(plan(|leaf| leaf.key = leaf.issuer.public_key().clone()).contains("the issuer's own"));
    assert!(plan(|leaf| leaf.subject.id = DeviceId::parse("sensor-18").unwrap()).contains("subject"));
    assert!(plan(|leaf| leaf.subject.addresses.clear()).contains("alternative names"));
    assert!(plan(|leaf| leaf.locations.crl.clear()).contains("no business here"));
    assert!(plan(|leaf| leaf.issuer = authority().root.clone()).contains("issuer name"));
    let short = plan(|leaf| leaf.serial = Serial::parse("01").unwrap());
    assert!(short.contains("serial number"), "{short}");
}
