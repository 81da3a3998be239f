use std::path::Path;

use x509_parser::prelude::FromDer;

use super::*;
use crate::csr::CheckedCsr;
use crate::issue::{IssueError, LeafPlan, LintedTbs, Signed};
use crate::key::KeyAlgorithm;
use crate::signer::{Signer, SignerError};
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

fn encoded(entries: &[Entry]) -> Entries {
    let mut out = Entries::new();
    entries.iter().for_each(|(serial, at, reason)| out.push(serial, *at, *reason));
    out
}

fn plan(entries: &Entries) -> CrlPlan<'static> {
    CrlPlan::full(7, NOW, NOW.plus(7 * DAY), entries.clone())
}

fn signed(plan: CrlPlan<'_>) -> Result<SignedList, IssueError> {
    sign(&authority().issuer, &authority().issuer_signer, plan)
}

fn list(entries: &Entries) -> Vec<u8> {
    signed(plan(entries)).unwrap().der().to_vec()
}

fn read(bytes: &[u8]) -> CrlView {
    CrlView::verified(bytes, &authority().issuer).unwrap()
}

#[test]
fn an_empty_list_has_no_list_inside() {
    let bytes = list(&Entries::new());
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
    let view = read(&list(&encoded(&entries)));
    assert!(!view.is_empty());
    assert_eq!(view.entries().unwrap(), entries);
}

#[test]
fn an_unspecified_reason_is_left_out() {
    let with = encoded(&[(serial(1), NOW, Reason::Superseded)]);
    let without = encoded(&[(serial(1), NOW, Reason::Unspecified)]);
    assert_eq!(with.as_bytes().len() - without.as_bytes().len(), 14);
    assert!(!without.as_bytes().windows(3).any(|w| w == OID_REASON));
}

#[test]
fn dates_change_their_spelling_in_2050() {
    let cutover = UnixTime(2_524_608_000);
    let entries = [(serial(1), cutover.minus(1), Reason::Unspecified), (serial(2), cutover, Reason::Unspecified)];
    let bytes = encoded(&entries);
    assert!(bytes.as_bytes().windows(15).any(|w| w == b"\x17\x0d491231235959Z"));
    assert!(bytes.as_bytes().windows(17).any(|w| w == b"\x18\x0f20500101000000Z"));
    let far = CrlPlan { this_update: cutover.minus(1), next_update: cutover, ..plan(&bytes) };
    let view = read(signed(far).unwrap().der());
    assert_eq!((view.this_update, view.next_update), (cutover.minus(1), cutover));
    assert_eq!(view.entries().unwrap(), entries);
}

#[test]
fn t32_every_number_survives() {
    for number in [0, 1, 0x7f, 0x80, 0xff, 0x100, 1_800_000_000_000, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        let list = signed(CrlPlan { number, ..plan(&Entries::new()) }).unwrap();
        assert_eq!(read(list.der()).number, number);
    }
}

#[test]
fn a_list_that_says_nonsense_is_not_signed() {
    let none = Entries::new();
    for nonsense in [
        CrlPlan { next_update: NOW, ..plan(&none) },
        CrlPlan { next_update: NOW.minus(1), ..plan(&none) },
        CrlPlan { this_update: UnixTime(-1), ..plan(&none) },
        CrlPlan { next_update: UnixTime(UnixTime::MAX.0 + 1), ..plan(&none) },
        CrlPlan { scope: Scope::Shard { url: "" }, ..plan(&none) },
        CrlPlan { scope: Scope::Shard { url: "http://ca.example/crl/ü.crl" }, ..plan(&none) },
    ] {
        let refused = signed(nonsense).unwrap_err();
        assert!(matches!(refused, IssueError::Lint(_)), "{refused}");
    }
}

#[test]
fn entries_that_cannot_be_read_never_come_in() {
    let good = encoded(&[(serial(1), NOW, Reason::KeyCompromise)]);
    let entry = |serial: &[u8], date: &[u8]| der::sequence(&[serial, date]);
    let date = der::time(NOW);
    let mut bad: Vec<Vec<u8>> = (1..good.as_bytes().len()).map(|cut| good.as_bytes()[..cut].to_vec()).collect();
    bad.extend([
        entry(&der::tlv(0x02, &[0x80]), &date),
        entry(&der::integer(&[]), &date),
        entry(&der::integer(&[1]), &der::null()),
        entry(&der::octet_string(&[1]), &date),
        der::integer(&[1]),
        [good.as_bytes(), &[0]].concat(),
    ]);
    let mut held = good.clone();
    for bytes in bad {
        assert!(Entries::read(&bytes).is_err(), "{bytes:02x?}");
        assert!(held.append(&bytes).is_err());
    }
    assert_eq!((&held, held.count()), (&good, 1), "a refused piece changes nothing");
    assert_eq!(held.append(good.as_bytes()), Ok(1));
    assert_eq!((held.count(), held.as_bytes()), (2, good.as_bytes().repeat(2).as_slice()));
    assert_eq!(Entries::read(held.as_bytes()), Ok(held));
    assert_eq!(Entries::read(&[]).map(|none| none.is_empty()), Ok(true));
}

#[test]
fn a_list_goes_on_from_the_one_before_byte_for_byte() {
    let entries: Vec<Entry> = (0..300).map(|n| (serial(n), NOW, Reason::Superseded)).collect();
    // Around the places where lengths grow by an octet, and with nothing on either side.
    for (first, second) in [(0, 0), (0, 1), (1, 0), (2, 1), (4, 1), (5, 250), (300, 0), (150, 150)] {
        let before = signed(plan(&encoded(&entries[..first]))).unwrap();
        let more = encoded(&entries[first..first + second]);
        let after = signed(CrlPlan { number: 8, continues: Some(&before), ..plan(&more) }).unwrap();
        let whole = signed(CrlPlan { number: 8, ..plan(&encoded(&entries[..first + second])) }).unwrap();
        assert_eq!(tbs(after.der()), tbs(whole.der()), "{first} and {second}");
        assert_eq!((after.count(), after.entries()), (whole.count(), whole.entries()));
        assert_eq!(read(after.der()).entries().unwrap(), entries[..first + second]);
    }
}

fn tbs(list: &[u8]) -> &[u8] {
    crate::encode::SignedParts::split(list).unwrap().tbs
}

#[test]
fn a_signer_that_answers_for_another_digest_is_found_out() {
    struct Other<'a>(&'a TestSigner);
    impl Signer for Other<'_> {
        fn public_key(&self) -> &crate::key::PublicKey {
            self.0.public_key()
        }
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
            self.0.sign(&[message, b"x"].concat())
        }
    }
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Ed25519] {
        let made = Authority::new(algorithm);
        let plan = || plan(&encoded(&[(serial(1), NOW, Reason::Superseded)]));
        assert_eq!(sign(&made.issuer, &Other(&made.issuer_signer), plan()).unwrap_err(), IssueError::BadSignature);
        let list = sign(&made.issuer, &made.issuer_signer, plan()).unwrap();
        assert_eq!(CrlView::verified(list.der(), &made.issuer).unwrap().entries().unwrap().len(), 1);
    }
}

#[test]
fn a_shard_s_list_names_its_url_and_nothing_else() {
    const URL: &str = "http://ca.example/crl/issuer/7.crl";
    let entries = encoded(&[(serial(1), NOW, Reason::KeyCompromise)]);
    let list = signed(CrlPlan { scope: Scope::Shard { url: URL }, ..plan(&entries) }).unwrap();
    // Whoever wants the full list does not take this one for it.
    assert_eq!(CrlView::verified(list.der(), &authority().issuer).unwrap_err(), CrlError::Partial);
    let (rest, parsed) = x509_parser::revocation_list::CertificateRevocationList::from_der(list.der()).unwrap();
    assert!(rest.is_empty());
    let points: Vec<_> = parsed.extensions().iter().filter(|e| e.critical).collect();
    let [point] = points[..] else { panic!("{points:?}") };
    assert_eq!(point.oid.to_id_string(), "2.5.29.28");
    let x509_parser::extensions::ParsedExtension::IssuingDistributionPoint(point) = point.parsed_extension() else {
        panic!("{point:?}")
    };
    let Some(x509_parser::extensions::DistributionPointName::FullName(names)) = &point.distribution_point else {
        panic!("{point:?}")
    };
    assert!(matches!(names[..], [x509_parser::extensions::GeneralName::URI(URL)]), "{names:?}");
    let only = (point.only_contains_user_certs, point.only_contains_ca_certs, point.only_contains_attribute_certs);
    assert_eq!((only, point.indirect_crl), ((false, false, false), false));
    assert!(point.only_some_reasons.is_none());
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "issuer", Label::Certificate, &[authority().issuer.der()]);
    write(directory.path(), "list", Label::Crl, &[list.der()]);
    let (_, text) = openssl(directory.path(), &["crl", "-in", "list", "-noout", "-text", "-CAfile", "issuer"]);
    for line in ["verify OK", "X509v3 Issuing Distribution Point: critical", &format!("URI:{URL}"), "Key Compromise"] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
}

#[test]
fn only_the_issuer_s_key_signs_its_list() {
    let refused = sign(&authority().issuer, &authority().root_signer, plan(&Entries::new())).unwrap_err();
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
        let root_list = sign(&made.root, &made.root_signer, plan(&Entries::new())).unwrap();
        for (file, der) in [("root", made.root.der()), ("issuer", made.issuer.der()), ("good", good.der())] {
            write(directory, file, Label::Certificate, &[der]);
        }
        write(directory, "bad", Label::Certificate, &[bad.der()]);
        write(directory, "all", Label::Crl, &[list.der(), root_list.der()]);
        write(directory, "issuer-only", Label::Crl, &[list.der()]);
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
    write(directory, "list", Label::Crl, &[&list(&entries)]);
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
    write(directory, "list", Label::Crl, &[&list(&Entries::new())]);
    let (_, text) = openssl(directory, &["crl", "-in", "list", "-noout", "-text", "-CAfile", "issuer"]);
    assert!(text.contains("verify OK") && text.contains("No Revoked Certificates"), "{text}");
    write(directory, "issuer", Label::Certificate, &[authority().root.der()]);
    let (_, text) = openssl(directory, &["crl", "-in", "list", "-noout", "-CAfile", "issuer"]);
    assert!(!text.contains("verify OK"), "{text}");
}

#[test]
fn a_long_list_is_read_back_whole() {
    let entries: Vec<Entry> = (0..20_000).map(|n| (serial(n), NOW, Reason::Superseded)).collect();
    let bytes = list(&encoded(&entries));
    assert_eq!(read(&bytes).entries().unwrap(), entries);
    // With a reason an entry costs 53 octets.
    assert!(bytes.len() < 20_000 * 54);
}
