use std::path::Path;

use super::*;
use crate::csr::CheckedCsr;
use crate::issue::{LeafPlan, LintedTbs, Signed};
use crate::key::KeyAlgorithm;
use crate::testing::openssl::openssl;
use crate::testing::request::Request;
use crate::testing::{Authority, DAY, NOW, TestSigner, authority, locations, profile, subject};
use crate::{pem, pem::Label};

/// An entry as `(serial, date, reason)`.
type Entry = (Serial, UnixTime, Reason);

fn serial(number: u32) -> Serial {
    let mut random = [0x5a; 20];
    random[16..].copy_from_slice(&number.to_be_bytes());
    Serial::from_random(random)
}

fn encoded(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    entries.iter().for_each(|(serial, at, reason)| encode_entry(serial, *at, *reason, &mut out));
    out
}

fn plan(entries: &[u8]) -> CrlPlan<'_> {
    CrlPlan { number: 7, this_update: NOW, next_update: NOW.plus(7 * DAY), entries }
}

fn list(entries: &[u8]) -> Result<Vec<u8>, IssueError> {
    sign(&authority().issuer, &authority().issuer_signer, plan(entries))
}

fn read(bytes: &[u8]) -> CrlView {
    CrlView::verified(bytes, &authority().issuer).unwrap()
}

#[test]
fn an_empty_list_has_no_list_inside() {
    let bytes = list(&[]).unwrap();
    let view = read(&bytes);
    assert!(view.is_empty() && view.entries().unwrap().is_empty());
    assert_eq!((view.number, view.this_update, view.next_update), (7, NOW, NOW.plus(7 * DAY)));
    assert_eq!(view.issuer, authority().issuer.subject());
    // RFC 5280 5.1.2.6: absent, not empty.
    assert!(!bytes.windows(4).any(|w| w == [0x5a, 0x30, 0x00, 0xa0]));
}

#[test]
fn entries_come_back_as_they_went_in() {
    let mut entries: Vec<Entry> =
        Reason::ALL.into_iter().enumerate().map(|(n, r)| (serial(n as u32), NOW.minus(n as i64), r)).collect();
    entries.push((Serial::parse("01").unwrap(), UnixTime(0), Reason::Superseded));
    entries.push((Serial::parse("80").unwrap(), NOW, Reason::Unspecified));
    entries.push((Serial::parse(&"7f".repeat(20)).unwrap(), UnixTime::MAX, Reason::KeyCompromise));
    let view = read(&list(&encoded(&entries)).unwrap());
    assert!(!view.is_empty());
    assert_eq!(view.entries().unwrap(), entries);
}

#[test]
fn an_unspecified_reason_is_left_out() {
    let with = encoded(&[(serial(1), NOW, Reason::Superseded)]);
    let without = encoded(&[(serial(1), NOW, Reason::Unspecified)]);
    assert_eq!(with.len() - without.len(), 14);
    assert!(!without.windows(3).any(|w| w == OID_REASON));
}

#[test]
fn dates_change_their_spelling_in_2050() {
    let cutover = UnixTime(2_524_608_000);
    let entries = [(serial(1), cutover.minus(1), Reason::Unspecified), (serial(2), cutover, Reason::Unspecified)];
    let bytes = encoded(&entries);
    assert!(bytes.windows(15).any(|w| w == b"\x17\x0d491231235959Z"));
    assert!(bytes.windows(17).any(|w| w == b"\x18\x0f20500101000000Z"));
    let far = CrlPlan { this_update: cutover.minus(1), next_update: cutover, ..plan(&bytes) };
    let view = read(&sign(&authority().issuer, &authority().issuer_signer, far).unwrap());
    assert_eq!((view.this_update, view.next_update), (cutover.minus(1), cutover));
    assert_eq!(view.entries().unwrap(), entries);
}

#[test]
fn t32_every_number_survives() {
    for number in [0, 1, 0x7f, 0x80, 0xff, 0x100, 1_800_000_000_000, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        let bytes = sign(&authority().issuer, &authority().issuer_signer, CrlPlan { number, ..plan(&[]) }).unwrap();
        assert_eq!(read(&bytes).number, number);
    }
}

#[test]
fn a_list_that_says_nonsense_is_not_signed() {
    let refused = |plan: CrlPlan<'_>| {
        let refused = sign(&authority().issuer, &authority().issuer_signer, plan).unwrap_err();
        assert!(matches!(refused, IssueError::Lint(_)), "{refused}");
    };
    refused(CrlPlan { next_update: NOW, ..plan(&[]) });
    refused(CrlPlan { next_update: NOW.minus(1), ..plan(&[]) });
    refused(CrlPlan { this_update: UnixTime(-1), ..plan(&[]) });
    refused(CrlPlan { next_update: UnixTime(UnixTime::MAX.0 + 1), ..plan(&[]) });
    let good = encoded(&[(serial(1), NOW, Reason::KeyCompromise)]);
    for cut in 1..good.len() {
        refused(plan(&good[..cut]));
    }
    let entry = |serial: &[u8], date: &[u8]| der::sequence(&[serial, date]);
    let date = der::time(NOW);
    for bad in [
        entry(&der::tlv(0x02, &[0x80]), &date),
        entry(&der::integer(&[]), &date),
        entry(&der::integer(&[1]), &der::null()),
        entry(&der::octet_string(&[1]), &date),
        der::integer(&[1]),
        [good, vec![0]].concat(),
    ] {
        refused(plan(&bad));
    }
}

#[test]
fn only_the_issuer_s_key_signs_its_list() {
    let refused = sign(&authority().issuer, &authority().root_signer, plan(&[])).unwrap_err();
    assert_eq!(refused, IssueError::WrongKey);
}

#[test]
fn reasons_have_one_code_and_are_parsed_in_both_spellings() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_code(reason.code()), Some(reason));
        assert_eq!(Reason::parse(reason.as_str()), Some(reason));
        assert_eq!(Reason::parse(&reason.as_str().to_uppercase()), Some(reason));
    }
    assert_eq!(Reason::parse("keyCompromise"), Some(Reason::KeyCompromise));
    // certificateHold, removeFromCRL, the unused 7 and beyond.
    for code in [6, 7, 8, 10, 255] {
        assert_eq!(Reason::from_code(code), None);
    }
    assert_eq!(Reason::parse(""), None);
}

fn leaf(authority: &Authority, random: [u8; 20]) -> Signed {
    let signer = TestSigner::p256();
    let csr: CheckedCsr = Request::new(&signer).check(&signer).unwrap();
    let profile = profile();
    let plan = LeafPlan::new(&profile, subject(), csr, &authority.issuer, NOW, None, random).unwrap();
    let linted = LintedTbs::prepare(&authority.issuer, &locations(), plan).unwrap();
    linted.sign(&authority.issuer, &authority.issuer_signer).unwrap()
}

fn write(directory: &Path, file: &str, label: Label, ders: &[&[u8]]) {
    let text: String = ders.iter().map(|der| pem::encode(label, der)).collect();
    std::fs::write(directory.join(file), text).unwrap();
}

fn verify(directory: &Path, lists: &str, leaf: &str) -> (bool, String) {
    let time = NOW.plus(60).0.to_string();
    let mut arguments = vec!["verify", "-x509_strict", "-attime", &time, "-crl_check_all", "-CAfile", "root"];
    arguments.extend(["-untrusted", "issuer", "-CRLfile", lists, leaf]);
    openssl(directory, &arguments)
}

#[test]
fn openssl_tells_good_from_revoked_by_our_lists() {
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Ed25519] {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let made = Authority::new(algorithm);
        let (good, bad) = (leaf(&made, [1; 20]), leaf(&made, [2; 20]));
        let mut entries: Vec<Entry> = (0..500).map(|n| (serial(n), NOW, Reason::CessationOfOperation)).collect();
        entries.push((bad.facts().serial.clone(), NOW, Reason::KeyCompromise));
        let list = sign(&made.issuer, &made.issuer_signer, plan(&encoded(&entries))).unwrap();
        let root_list = sign(&made.root, &made.root_signer, plan(&[])).unwrap();
        for (file, der) in [("root", made.root.der()), ("issuer", made.issuer.der()), ("good", good.der())] {
            write(directory, file, Label::Certificate, &[der]);
        }
        write(directory, "bad", Label::Certificate, &[bad.der()]);
        write(directory, "all", Label::Crl, &[&list, &root_list]);
        write(directory, "issuer-only", Label::Crl, &[&list]);
        let (fine, text) = verify(directory, "all", "good");
        assert!(fine && text.contains("good: OK"), "{text}");
        let (fine, text) = verify(directory, "all", "bad");
        assert!(!fine && text.contains("certificate revoked"), "{text}");
        // Pitfall 4: without the root's list nobody passes.
        let (fine, text) = verify(directory, "issuer-only", "good");
        assert!(!fine && text.contains("unable to get certificate CRL"), "{text}");
    }
}

#[test]
fn openssl_reads_what_the_list_says() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    write(directory, "issuer", Label::Certificate, &[authority().issuer.der()]);
    let entries = encoded(&[(serial(1), NOW, Reason::KeyCompromise), (serial(2), NOW, Reason::Unspecified)]);
    write(directory, "list", Label::Crl, &[&list(&entries).unwrap()]);
    let (_, text) = openssl(directory, &["crl", "-in", "list", "-noout", "-text", "-CAfile", "issuer"]);
    for line in [
        "verify OK",
        "Version 2 (0x1)",
        "Issuer: O = Example, CN = Test Issuer 1",
        "Last Update: Jan 15 08:00:00 2027 GMT",
        "Next Update: Jan 22 08:00:00 2027 GMT",
        "Key Compromise",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert_eq!(text.matches("Serial Number:").count(), 2);
    assert!(!text.contains("Unspecified") && !text.contains("critical"), "{text}");
    write(directory, "list", Label::Crl, &[&list(&[]).unwrap()]);
    let (_, text) = openssl(directory, &["crl", "-in", "list", "-noout", "-text", "-CAfile", "issuer"]);
    assert!(text.contains("verify OK") && text.contains("No Revoked Certificates"), "{text}");
    write(directory, "issuer", Label::Certificate, &[authority().root.der()]);
    let (_, text) = openssl(directory, &["crl", "-in", "list", "-noout", "-CAfile", "issuer"]);
    assert!(!text.contains("verify OK"), "{text}");
}

#[test]
fn a_long_list_is_read_back_whole() {
    let entries: Vec<Entry> = (0..20_000).map(|n| (serial(n), NOW, Reason::Superseded)).collect();
    let bytes = list(&encoded(&entries)).unwrap();
    assert_eq!(read(&bytes).entries().unwrap(), entries);
    // With a reason an entry costs 53 octets.
    assert!(bytes.len() < 20_000 * 54);
}
