use super::*;
use crate::ca::{CaName, certify_cross, certify_issuer, self_signed};
use crate::testing::{DAY, NOW, TestSigner, issuer_plan};

struct Root {
    key: TestSigner,
    cert: IssuerCert,
}

/// A root of its own name, from `start` for so many years.
fn root(name: &str, start: UnixTime, years: i64) -> Root {
    let key = TestSigner::p256();
    let name = CaName::new(name, None).unwrap();
    let cert = self_signed(&key, &name, (start, start.plus(years * YEAR)), [name.common_name().len() as u8; 20]);
    Root { key, cert: cert.unwrap() }
}

fn domain(text: &str) -> TrustDomain {
    TrustDomain::parse(text).unwrap()
}

fn draft(roots: &[&Root]) -> Draft {
    Draft {
        trust_domain: domain("acme.example"),
        sequence: 1,
        previous: None,
        created: NOW,
        roots: roots.iter().map(|r| r.cert.clone()).collect(),
        issuers: Vec::new(),
    }
}

fn after(before: &Bundle, roots: &[&Root]) -> Draft {
    Draft { sequence: before.sequence() + 1, previous: Some(before.digest()), ..draft(roots) }
}

fn signed(draft: Draft, signers: &[&Root]) -> Bundle {
    let first = draft.sign(&signers[0].key).unwrap();
    signers[1..].iter().fold(first, |bundle, root| bundle.cosign(&root.key).unwrap())
}

/// Two roots, and the bundles: the first alone, then both, then the second alone.
fn story() -> (Root, Root, [Bundle; 3]) {
    let (old, new) = (root("Old", NOW.minus(DAY), 10), root("New One", NOW.minus(DAY), 30));
    let one = signed(draft(&[&old]), &[&old]);
    let two = signed(after(&one, &[&old, &new]), &[&old, &new]);
    let three = signed(after(&two, &[&new]), &[&new]);
    (old, new, [one, two, three])
}

#[test]
fn what_was_signed_reads_back_as_it_was_meant() {
    let (old, new, [_, two, _]) = story();
    let read = Bundle::parse(two.der()).unwrap();
    assert_eq!((read.sequence(), read.created(), read.trust_domain().as_str()), (2, NOW, "acme.example"));
    let roots: Vec<_> = read.roots().iter().map(IssuerCert::der).collect();
    assert_eq!(roots, [old.cert.der(), new.cert.der()]);
    assert_eq!(read.digest(), two.digest());
}

#[test]
fn a_walk_ends_at_the_newest_roots_although_the_old_one_ended_long_ago() {
    let (old, new, [one, two, three]) = story();
    let held = Held::pinned(one, &domain("acme.example"), &Fingerprint::of(old.cert.der())).unwrap();
    let held = held.follow(two).unwrap().follow(three).unwrap();
    let later = NOW.plus(12 * YEAR);
    assert!(!old.cert.view().is_valid_at(later));
    let usable = held.usable_roots(Some(later)).unwrap();
    assert_eq!(usable[0].der(), new.cert.der());
    assert_eq!(held.bundle().roots().len(), 1);
}

#[test]
fn t17_the_roots_at_the_end_are_judged_by_the_clock_when_there_is_one() {
    let (_, _, [one, two, three]) = story();
    let held = Held::first(one).unwrap().follow(two).unwrap().follow(three).unwrap();
    let far = NOW.plus(40 * YEAR);
    assert_eq!(held.usable_roots(Some(far)).unwrap_err(), StepError::NoUsableRoot { sequence: 3, at: far });
    assert!(held.usable_roots(Some(UnixTime(0))).is_err());
    assert_eq!(held.usable_roots(None).unwrap().len(), 1, "a clock of 1970 is no clock");
}

#[test]
fn somebody_who_knows_the_new_root_alone_begins_where_it_came_in() {
    let (_, new, [one, two, three]) = story();
    let (here, pin) = (domain("acme.example"), Fingerprint::of(new.cert.der()));
    assert_eq!(Held::pinned(one, &here, &pin).unwrap_err(), StepError::NotOfPin(1));
    Held::pinned(two.clone(), &here, &pin).unwrap().follow(three).unwrap();
    assert!(matches!(Held::pinned(two, &domain("other.example"), &pin), Err(StepError::Domain { .. })));
}

#[test]
fn a_pinned_root_that_is_named_and_has_not_signed_is_no_beginning() {
    let (old, new, [_, two, _]) = story();
    // Another root of the same domain continues, and leaves the first in.
    let four = signed(after(&two, &[&old, &new]), &[&new]);
    let pinned = Held::pinned(four, &domain("acme.example"), &Fingerprint::of(old.cert.der()));
    assert_eq!(pinned.unwrap_err(), StepError::NotOfPin(3));
}

#[test]
fn a_bundle_of_a_stranger_or_of_a_removed_root_is_refused() {
    let (old, new, [one, two, three]) = story();
    let thief = root("Thief", NOW.minus(DAY), 30);
    let held = Held::first(one).unwrap();
    let forged = signed(after(held.bundle(), &[&old, &thief]), &[&thief]);
    assert_eq!(held.follow(forged).unwrap_err(), StepError::Unsigned(2));
    let held = held.follow(two).unwrap().follow(three).unwrap();
    // The key of the removed root was stolen later.
    let forged = signed(after(held.bundle(), &[&new, &thief]), &[&old, &thief]);
    assert_eq!(held.follow(forged).unwrap_err(), StepError::WrongSignature(4));
    let forged = signed(after(held.bundle(), &[&thief]), &[&thief]);
    assert_eq!(held.follow(forged).unwrap_err(), StepError::Unsigned(4));
}

#[test]
fn a_new_root_has_to_show_that_it_has_its_key() {
    let (old, new, [one, ..]) = story();
    let two = signed(after(&one, &[&old, &new]), &[&old]);
    assert_eq!(two.missing_signatures(one.roots()).count(), 1);
    let held = Held::first(one).unwrap();
    assert!(matches!(held.follow(two.clone()), Err(StepError::NoPossession { sequence: 2, .. })));
    held.follow(two.cosign(&new.key).unwrap()).unwrap();
    let first = signed(draft(&[&old, &new]), &[&old]);
    assert!(matches!(Held::first(first), Err(StepError::NoPossession { sequence: 1, .. })));
}

#[test]
fn an_older_bundle_a_skipped_one_and_a_fork_are_told_apart() {
    let (old, new, [one, two, three]) = story();
    let held = Held::first(one.clone()).unwrap();
    assert_eq!(held.follow(three.clone()).unwrap_err(), StepError::Sequence { expected: 2, found: 3 });
    let held = held.follow(two.clone()).unwrap();
    assert_eq!(held.follow(two.clone()).unwrap_err(), StepError::Sequence { expected: 3, found: 2 });
    assert_eq!(held.follow(one.clone()).unwrap_err(), StepError::Sequence { expected: 3, found: 1 });
    // Another second bundle, signed as well as the one that is held, and what follows from it.
    let other = signed(Draft { created: NOW.plus(1), ..after(&one, &[&old, &new]) }, &[&old, &new]);
    let fork = signed(after(&other, &[&new]), &[&new]);
    assert_eq!(held.follow(fork).unwrap_err(), StepError::Fork(3));
    held.follow(three).unwrap();
}

#[test]
fn a_bundle_of_another_domain_is_refused_although_the_same_root_signed_it() {
    let (old, _, [one, ..]) = story();
    let other = Draft { trust_domain: domain("other.example"), ..after(&one, &[&old]) };
    let refused = Held::first(one).unwrap().follow(signed(other, &[&old]));
    assert!(matches!(refused, Err(StepError::Domain { .. })));
}

#[test]
fn t36_other_signatures_on_the_same_content_make_no_other_bundle() {
    let (old, new, [one, two, three]) = story();
    let again = signed(after(&one, &[&old, &new]), &[&old, &new]);
    assert_ne!(again.der(), two.der(), "ECDSA draws a nonce");
    assert_eq!(again.digest(), two.digest());
    Held::first(one).unwrap().follow(again).unwrap().follow(three).unwrap();
}

#[test]
fn every_flipped_octet_is_noticed() {
    let (_, _, [one, two, _]) = story();
    let held = Held::first(one).unwrap();
    for at in 0..two.der().len() {
        let mut bytes = two.der().to_vec();
        bytes[at] ^= 0x41;
        let accepted = Bundle::parse(&bytes).ok().and_then(|bundle| held.follow(bundle).ok());
        assert!(accepted.is_none(), "octet {at}");
    }
}

#[test]
fn t20_truncated_trailing_and_oversized_bytes_are_refused() {
    let (_, _, [_, two, _]) = story();
    for length in 0..two.der().len() {
        assert!(Bundle::parse(&two.der()[..length]).is_err(), "{length}");
    }
    let longer = [two.der(), &[0]].concat();
    assert_eq!(Bundle::parse(&longer).unwrap_err(), BundleError::Encoding(DerError::Trailing(1)));
    let huge = vec![0x30; MAX_BYTES + 1];
    assert_eq!(Bundle::parse(&huge).unwrap_err(), BundleError::Encoding(DerError::TooLong(MAX_BYTES)));
}

#[test]
fn a_format_of_the_future_is_named_and_nothing_else_of_it_is_looked_at() {
    let content = der::sequence(&[&der::integer(&[2]), &der::null()]);
    let bytes = der::sequence(&[&content, &der::sequence(&[])]);
    assert_eq!(Bundle::parse(&bytes).unwrap_err(), BundleError::Format(2));
}

#[test]
fn an_added_field_is_refused() {
    let (_, _, [one, ..]) = story();
    let content = [&one.content.bytes[..]].concat();
    let inner = [read_tlv(&content).unwrap().1, &der::null()].concat();
    let bytes = der::sequence(&[&der::tlv(0x30, &inner), &der::sequence(&[])]);
    assert!(matches!(Bundle::parse(&bytes), Err(BundleError::Structure("something follows the issuers"))));
}

#[test]
fn drafts_that_make_no_sense_are_not_signed() {
    let (old, new) = (root("Old", NOW, 10), root("New One", NOW, 10));
    let issuer_key = TestSigner::p256();
    let issuer = certify_issuer(&old.cert, &old.key, issuer_plan(&issuer_key), [9; 20]).unwrap();
    let hash = Some(Fingerprint([1; 32]));
    let bad = [
        draft(&[]),
        draft(&[&old, &old]),
        Draft { sequence: 0, ..draft(&[&old]) },
        Draft { sequence: 2, ..draft(&[&old]) },
        Draft { previous: hash, ..draft(&[&old]) },
        Draft { sequence: 10_000, previous: hash, ..draft(&[&old]) },
        Draft { created: UnixTime(i64::MAX), ..draft(&[&old]) },
        Draft { roots: vec![issuer.clone()], ..draft(&[]) },
        Draft { issuers: vec![issuer.clone()], ..draft(&[&new]) },
        Draft { issuers: vec![issuer.clone(), issuer.clone()], ..draft(&[&old]) },
        Draft { issuers: vec![new.cert.clone()], ..draft(&[&old]) },
    ];
    for (number, draft) in bad.into_iter().enumerate() {
        assert!(draft.sign(&old.key).is_err(), "{number}");
    }
    Draft { issuers: vec![issuer], ..draft(&[&old]) }.sign(&old.key).unwrap();
}

#[test]
fn too_many_roots_are_refused() {
    let roots: Vec<Root> = (0..9).map(|n| root(&format!("Root {n}"), NOW, 10)).collect();
    let all: Vec<&Root> = roots.iter().collect();
    assert!(draft(&all).sign(&roots[0].key).is_err());
    draft(&all[..8]).sign(&roots[0].key).unwrap();
}

#[test]
fn a_key_signs_once() {
    let (old, _, [one, ..]) = story();
    assert_eq!(one.clone().cosign(&old.key).unwrap_err(), BundleError::SignedAlready);
    let twice = Signature::make(&one.content, &old.key).unwrap().to_der();
    let list = der::sequence(&[&twice, &twice]);
    assert!(Bundle::parse(&der::sequence(&[&one.content.bytes, &list])).is_err());
}

#[test]
fn a_signature_over_the_bare_content_counts_for_nothing() {
    let (old, _, [one, ..]) = story();
    let value = old.key.sign(&one.content.bytes).unwrap();
    let bare = Signature { key: old.key.public_key().fingerprint(), value };
    let bundle = Bundle::assemble(one.content.clone(), vec![bare]).unwrap();
    assert_eq!(Held::first(bundle).unwrap_err(), StepError::WrongSignature(1));
}

#[test]
fn the_other_key_types_of_roots_work_as_well() {
    for key in [TestSigner::p384(), TestSigner::ed25519()] {
        let name = CaName::new("Root", None).unwrap();
        let cert = self_signed(&key, &name, (NOW, NOW.plus(YEAR)), [3; 20]).unwrap();
        let root = Root { key, cert };
        Held::first(signed(draft(&[&root]), &[&root])).unwrap();
    }
}

#[test]
fn a_cross_certificate_stands_among_the_issuers_and_carries_chains_of_the_new_root_to_the_old() {
    let (old, new, _) = story();
    let validity = (NOW, NOW.plus(50 * YEAR));
    let cross = certify_cross(&old.cert, &old.key, &new.cert, validity, &Default::default(), [5; 20]).unwrap();
    let issuer_key = TestSigner::p256();
    let issuer = certify_issuer(&new.cert, &new.key, issuer_plan(&issuer_key), [9; 20]).unwrap();
    let path = [issuer.view(), cross.view(), old.cert.view()].map(Clone::clone);
    crate::chain::verify(&path, Some(NOW)).unwrap();
    assert_eq!((cross.subject(), cross.public_key()), (new.cert.subject(), new.cert.public_key()));
    assert_eq!(cross.view().path_len, Some(1));
    assert_eq!(cross.not_after(), old.cert.not_after(), "it ends with the root that signed it");
    let bundle = Draft { issuers: vec![cross, issuer], ..draft(&[&old, &new]) };
    Held::first(signed(bundle, &[&old, &new])).unwrap();
}

#[test]
fn a_cross_certificate_is_for_a_root_with_another_name_and_key() {
    let (old, new, _) = story();
    let cross = |under: &Root, over: &IssuerCert| {
        certify_cross(&under.cert, &under.key, over, (NOW, NOW.plus(YEAR)), &Default::default(), [5; 20])
    };
    assert!(cross(&old, &old.cert).is_err());
    let namesake = root("Old", NOW, 20);
    assert!(cross(&old, &namesake.cert).is_err());
    let issuer = certify_issuer(&old.cert, &old.key, issuer_plan(&TestSigner::p256()), [9; 20]).unwrap();
    assert!(cross(&new, &issuer).is_err(), "an issuer is no root");
}

const YEAR: i64 = 365 * DAY;
