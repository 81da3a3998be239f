use super::*;
use crate::crl::{CrlPlan, Entries, encode_entry, sign};
use crate::der::{self, integer, null, octet_string, oid, sequence, time, tlv};
use crate::encode::assemble;
use crate::key::SignatureScheme;
use crate::testing::request::extension;
use crate::testing::{DAY, NOW, authority};

/// A list put together by hand.
#[derive(Clone)]
struct List {
    version: Vec<u8>,
    algorithm: Vec<u8>,
    issuer: Vec<u8>,
    dates: Vec<u8>,
    revoked: Vec<u8>,
    extensions: Vec<u8>,
}

impl List {
    fn new() -> List {
        let mut entry = Vec::new();
        encode_entry(&Serial::from_random([3; 20]), NOW, Reason::KeyCompromise, &mut entry);
        List {
            version: integer(&[1]),
            algorithm: SignatureScheme::EcdsaSha256.identifier(),
            issuer: authority().issuer.subject().to_vec(),
            dates: [time(NOW), time(NOW.plus(DAY))].concat(),
            revoked: tlv(0x30, &entry),
            extensions: with(&[number(&integer(&[9]))]),
        }
    }

    fn read(&self) -> Result<CrlView, CrlError> {
        let parts = [&self.version, &self.algorithm, &self.issuer, &self.dates, &self.revoked, &self.extensions];
        let tbs = sequence(&parts.map(Vec::as_slice));
        let signature = authority().issuer_signer.sign_with(SignatureScheme::EcdsaSha256, &tbs);
        CrlView::verified(&assemble(&tbs, SignatureScheme::EcdsaSha256, &signature), &authority().issuer)
    }
}

fn with(extensions: &[Vec<u8>]) -> Vec<u8> {
    der::context(0, &tlv(0x30, &extensions.concat()))
}

fn number(value: &[u8]) -> Vec<u8> {
    extension(OID_CRL_NUMBER, false, value)
}

fn entry(serial: &[u8], date: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let list = if extensions.is_empty() { Vec::new() } else { tlv(0x30, &extensions.concat()) };
    tlv(0x30, &sequence(&[serial, date, &list]))
}

#[test]
fn a_list_by_hand_is_read_like_one_of_ours() {
    let view = List::new().read().unwrap();
    assert_eq!((view.number, view.this_update, view.next_update), (9, NOW, NOW.plus(DAY)));
    assert_eq!(view.entries().unwrap(), [(Serial::from_random([3; 20]), NOW, Reason::KeyCompromise)]);
}

#[test]
fn a_list_of_another_issuer_or_key_is_refused() {
    let plan = CrlPlan::full(1, NOW, NOW.plus(1), Entries::new());
    let of_root = sign(&authority().root, &authority().root_signer, plan).unwrap().der().to_vec();
    assert!(CrlView::verified(&of_root, &authority().root).is_ok());
    assert!(matches!(CrlView::verified(&of_root, &authority().issuer), Err(CrlError::Issuer(_))));
    let parts = SignedParts::split(&of_root).unwrap();
    let foreign = authority().issuer_signer.sign_with(SignatureScheme::EcdsaSha256, parts.tbs);
    let forged = assemble(parts.tbs, SignatureScheme::EcdsaSha256, &foreign);
    assert_eq!(CrlView::verified(&forged, &authority().root).unwrap_err(), CrlError::Signature);
    let inside = List { algorithm: SignatureScheme::EcdsaSha384.identifier(), ..List::new() };
    assert_eq!(inside.read().unwrap_err(), CrlError::Signature);
}

#[test]
fn t32_numbers_that_do_not_fit_or_have_a_second_spelling_are_refused() {
    let read = |content: &[u8]| {
        let list = List { extensions: with(&[number(&tlv(0x02, content))]), ..List::new() };
        list.read().map(|view| view.number)
    };
    assert_eq!(read(&[0]), Ok(0));
    assert_eq!(read(&[0, 0x80]), Ok(0x80));
    assert_eq!(read(&[0x7f; 8]), Ok(0x7f7f_7f7f_7f7f_7f7f));
    assert_eq!(read(&[&[0][..], &[0xff; 8]].concat()), Ok(u64::MAX));
    // Nine octets of magnitude would wrap around to a small number.
    for bad in [&[1; 9][..], &[0x80], &[], &[0, 0], &[0, 1], &[0xff; 8], &[&[0][..], &[0xff; 9]].concat()] {
        assert_eq!(read(bad), Err(CrlError::Structure), "{bad:02x?}");
    }
    let twice = with(&[number(&integer(&[9])), number(&integer(&[8]))]);
    for extensions in [twice, with(&[]), with(&[number(&octet_string(&[9]))]), with(&[number(&[])])] {
        assert!(List { extensions, ..List::new() }.read().is_err());
    }
}

#[test]
fn a_list_that_is_not_the_full_one_is_refused() {
    let good = number(&integer(&[9]));
    // A delta indicator and an issuing distribution point are critical (RFC 5280 5.2.4, 5.2.5).
    for last in [27, 28] {
        let partial = extension(&[0x55, 0x1d, last], true, &sequence(&[]));
        for extensions in [with(&[good.clone(), partial.clone()]), with(&[partial.clone(), good.clone()])] {
            assert_eq!(List { extensions, ..List::new() }.read().unwrap_err(), CrlError::Partial);
        }
    }
    // Hidden among what may be ignored.
    let disguised = extension(&[0x55, 0x1d, 28], false, &sequence(&[]));
    assert!(List { extensions: with(&[good.clone(), disguised]), ..List::new() }.read().is_err());
    let unknown = extension(&[0x55, 0x1d, 20, 1], true, b"");
    assert_eq!(
        List { extensions: with(&[good.clone(), unknown]), ..List::new() }.read().unwrap_err(),
        CrlError::Partial
    );
    let other_issuer = extension(&[0x55, 0x1d, 0x1d], true, &sequence(&[]));
    let view = List { revoked: entry(&integer(&[5]), &time(NOW), &[other_issuer]), ..List::new() }.read().unwrap();
    assert_eq!(view.entries().unwrap_err(), CrlError::Partial);
    let harmless = extension(&[0x55, 0x1d, 20, 1], false, b"");
    assert!(List { extensions: with(&[good, harmless]), ..List::new() }.read().is_ok());
}

#[test]
fn entries_of_another_shape_are_refused() {
    let date = time(NOW);
    let reason = |value: &[u8]| entry(&integer(&[5]), &time(NOW), &[extension(OID_REASON, false, value)]);
    let good = [reason(&tlv(0x0a, &[1])), entry(&integer(&[5]), &date, &[])];
    for revoked in good {
        assert!(List { revoked, ..List::new() }.read().unwrap().entries().is_ok());
    }
    let twice = [extension(OID_REASON, false, &tlv(0x0a, &[1])), extension(OID_REASON, false, &tlv(0x0a, &[4]))];
    let bad = [
        reason(&tlv(0x0a, &[6])),
        reason(&tlv(0x0a, &[1, 1])),
        reason(&tlv(0x0a, &[])),
        reason(&tlv(0x02, &[1])),
        reason(&[]),
        entry(&integer(&[5]), &date, &twice),
        entry(&integer(&[]), &date, &[]),
        entry(&tlv(0x02, &[0x80]), &date, &[]),
        entry(&tlv(0x02, &[0, 5]), &date, &[]),
        entry(&octet_string(&[5]), &date, &[]),
        entry(&integer(&[5]), &null(), &[]),
        entry(&integer(&[5]), &tlv(0x17, b"270115080000+0000"), &[]),
        tlv(0x30, &integer(&[5])),
        tlv(0x30, &[0x30]),
        tlv(0x30, &sequence(&[&integer(&[5]), &date, &oid(OID_REASON)])),
    ];
    for (number, revoked) in bad.into_iter().enumerate() {
        let view = List { revoked, ..List::new() }.read().unwrap();
        assert!(view.entries().is_err(), "case {number}");
    }
}

#[test]
fn lists_of_another_shape_are_refused() {
    let good = List::new();
    let without_next = List { dates: time(NOW), ..good.clone() };
    let bad = [
        List { version: integer(&[0]), ..good.clone() },
        List { version: Vec::new(), ..good.clone() },
        List { issuer: null(), ..good.clone() },
        List { revoked: sequence(&[]), ..good.clone() },
        List { revoked: [good.revoked.clone(), good.revoked.clone()].concat(), ..good.clone() },
        List { extensions: Vec::new(), ..good.clone() },
        List { extensions: [good.extensions.clone(), null()].concat(), ..good.clone() },
        List { extensions: der::context(1, &number(&integer(&[9]))), ..good.clone() },
        List { extensions: der::context(0, &[tlv(0x30, &number(&integer(&[9]))), null()].concat()), ..good },
        without_next,
    ];
    for (number, list) in bad.iter().enumerate() {
        assert!(list.read().is_err(), "case {number}");
    }
}

#[test]
fn dates_have_one_spelling() {
    let read = |tag: u8, text: &str| read_time(tag, text.as_bytes()).map(|t| t.to_string());
    assert_eq!(read(0x17, "000101000000Z").as_deref(), Ok("2000-01-01T00:00:00Z"));
    assert_eq!(read(0x17, "491231235959Z").as_deref(), Ok("2049-12-31T23:59:59Z"));
    assert_eq!(read(0x17, "700101000000Z").as_deref(), Ok("1970-01-01T00:00:00Z"));
    assert_eq!(read(0x17, "280229120000Z").as_deref(), Ok("2028-02-29T12:00:00Z"));
    assert_eq!(read(0x18, "20500101000000Z").as_deref(), Ok("2050-01-01T00:00:00Z"));
    assert_eq!(read(0x18, "99991231235959Z").as_deref(), Ok("9999-12-31T23:59:59Z"));
    for (tag, bad) in [
        (0x17, "+10101000000Z"),
        (0x17, "0001010000Z"),
        (0x17, "000101000000z"),
        (0x17, "000101000000"),
        (0x17, "001301000000Z"),
        (0x17, "000001000000Z"),
        (0x17, "000100000000Z"),
        (0x17, "270229000000Z"),
        (0x17, "000101240000Z"),
        (0x17, "000101006000Z"),
        (0x17, "000101000060Z"),
        (0x17, "00010100000éZ"),
        (0x17, "20500101000000Z"),
        (0x18, "20491231235959Z"),
        (0x18, "19700101000000Z"),
        (0x18, "000101000000Z"),
        (0x18, "20500101000000.0Z"),
        (0x18, ""),
        (0x18, "Z"),
        (0x04, "000101000000Z"),
    ] {
        assert_eq!(read(tag, bad), Err(CrlError::Structure), "{bad:?}");
    }
}
