use super::*;
use crate::testing::{Authority, DAY, NOW, crl_pem};

/// What is decided when `file` is held and `text` comes.
fn decided(authority: &Authority, file: Option<&str>, text: &[u8], marks: &Marks) -> Decision {
    let held = Held { file: file.map(str::as_bytes), marks };
    decide(held, Offered::Lists(text), &authority.bundle(), NOW)
}

fn refused(authority: &Authority, file: Option<&str>, text: &[u8]) -> &'static str {
    match decided(authority, file, text, &Marks::new()) {
        Decision::Refuse(refusal) => refusal.code(),
        other => panic!("{other:?}"),
    }
}

fn written(decision: Decision) -> String {
    match decision {
        Decision::Replace(lists) => lists::to_pem(&lists),
        other => panic!("{other:?}"),
    }
}

fn kept(decision: Decision) -> Kept {
    match decision {
        Decision::Keep(kept, _) => kept,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_and_older_lists_are_replaced_and_the_same_ones_are_kept() {
    let ours = Authority::new("Ours");
    let (old, new) = (crl_pem(&ours.lists(5)), crl_pem(&ours.lists(6)));
    for held in [None, Some(""), Some(old.as_str())] {
        assert_eq!(written(decided(&ours, held, new.as_bytes(), &Marks::new())), new);
    }
    assert_eq!(kept(decided(&ours, Some(&new), new.as_bytes(), &Marks::new())), Kept::Same);
}

#[test]
fn t32_a_number_or_a_date_that_goes_back_is_refused() {
    let ours = Authority::new("Ours");
    let held = crl_pem(&ours.lists(6));
    assert_eq!(refused(&ours, Some(&held), crl_pem(&ours.lists(5)).as_bytes()), "number_went_back");
    let earlier = [ours.issuer_crl_of(7, NOW.minus(DAY)), ours.root_crl(6, &[])];
    assert_eq!(refused(&ours, Some(&held), crl_pem(&earlier).as_bytes()), "date_went_back");
    let twice = [ours.issuer_crl_of(6, NOW.minus(30)), ours.root_crl(6, &[])];
    assert_eq!(refused(&ours, Some(&held), crl_pem(&twice).as_bytes()), "number_used_twice");
}

#[test]
fn t32_the_newest_number_is_remembered_when_the_file_is_gone_or_damaged() {
    let ours = Authority::new("Ours");
    let mut marks = Marks::new();
    let held = crl_pem(&ours.lists(6));
    let new = lists::check(held.as_bytes(), &ours.bundle(), NOW).unwrap();
    remember(&mut marks, &new);
    for file in [None, Some(&held[..200])] {
        let replayed = decided(&ours, file, crl_pem(&ours.lists(5)).as_bytes(), &marks);
        assert!(matches!(replayed, Decision::Refuse(Refusal::Lower { held: 6, .. })), "{replayed:?}");
        assert_eq!(written(decided(&ours, file, held.as_bytes(), &marks)), held);
    }
}

#[test]
fn t34_lists_that_are_over_or_missing_are_refused() {
    let ours = Authority::new("Ours");
    let ended = [ours.issuer_crl(5, -1, &[]), ours.root_crl(5, &[])];
    assert_eq!(refused(&ours, None, crl_pem(&ended).as_bytes()), "ended");
    for missing in [ours.issuer_crl(5, 7, &[]), ours.root_crl(5, &[])] {
        assert_eq!(refused(&ours, None, crl_pem(&[missing]).as_bytes()), "list_missing");
    }
}

#[test]
fn foreign_forged_and_double_lists_are_refused() {
    let (ours, theirs) = (Authority::new("Ours"), Authority::new("Theirs"));
    let with = |extra: Vec<u8>| crl_pem(&[ours.lists(5), vec![extra]].concat());
    assert_eq!(refused(&ours, None, with(theirs.issuer_crl(5, 7, &[])).as_bytes()), "foreign_list");
    assert_eq!(refused(&ours, None, with(Authority::new("Ours").issuer_crl(5, 7, &[])).as_bytes()), "wrong_signature");
    assert_eq!(refused(&ours, None, with(ours.issuer_crl(6, 7, &[])).as_bytes()), "two_lists");
}

#[test]
fn a_list_of_an_issuer_that_was_removed_is_foreign_and_leaves_the_file_with_the_next_answer() {
    let ours = Authority::new("Ours");
    let removed = ours.next_issuer("Removed", 100).issuer_crl(5, 7, &[]);
    let without = crl_pem(&ours.lists(5));
    let with = without.clone() + &crl_pem(&[removed]);
    assert_eq!(refused(&ours, None, with.as_bytes()), "foreign_list");
    assert_eq!(written(decided(&ours, Some(&with), without.as_bytes(), &Marks::new())), without);
}

#[test]
fn an_issuer_that_is_over_needs_no_list_and_its_old_one_goes() {
    let ours = Authority::new("Ours");
    let over = ours.next_issuer("Over", -1);
    let bundle = [ours.bundle(), vec![over.issuer.clone()]].concat();
    let marks = Marks::new();
    let held = Held { file: None, marks: &marks };
    let good = crl_pem(&ours.lists(5));
    for text in [good.clone(), crl_pem(&[vec![over.issuer_crl(3, -1, &[])], ours.lists(5)].concat())] {
        let decision = decide(held, Offered::Lists(text.as_bytes()), &bundle, NOW);
        let Decision::Replace(lists) = decision else { panic!("{decision:?}") };
        assert_eq!(lists.iter().filter(|l| !l.is_of(&over.issuer)).count(), 2);
        assert_eq!(lists.len(), 2);
    }
}

#[test]
fn t20_html_cut_and_oversized_answers_are_refused() {
    let ours = Authority::new("Ours");
    let good = crl_pem(&ours.lists(5));
    assert_eq!(refused(&ours, None, b"<!doctype html><p>Sign in to the network"), "no_list");
    assert_eq!(refused(&ours, None, b""), "no_list");
    // However it is cut, it is never taken for the whole.
    for end in (1..good.len() - 2).step_by(7) {
        let code = refused(&ours, Some(&good), &good.as_bytes()[..end]);
        assert!(["damaged", "no_list", "list_missing"].contains(&code), "{end}: {code}");
    }
    assert_eq!(refused(&ours, None, &vec![b'\n'; MAX_ANSWER + 1]), "too_large");
}

#[test]
fn t36_another_signature_over_the_same_list_is_no_news() {
    let ours = Authority::new("Ours");
    let held = crl_pem(&ours.lists(5));
    let again = crl_pem(&ours.lists(5));
    assert_ne!(held, again, "signatures are drawn");
    assert_eq!(kept(decided(&ours, Some(&held), again.as_bytes(), &Marks::new())), Kept::Same);
}

#[test]
fn what_is_not_modified_has_to_stand_every_check_again() {
    let ours = Authority::new("Ours");
    let (marks, file) = (Marks::new(), crl_pem(&ours.lists(5)));
    let held = Held { file: Some(file.as_bytes()), marks: &marks };
    let at = |now| decide(held, Offered::NotModified, &ours.bundle(), now);
    assert_eq!(kept(at(NOW)), Kept::NotModified);
    assert!(matches!(at(NOW.plus(7 * DAY)), Decision::Refuse(Refusal::Ended { .. })));
    let grown = [ours.bundle(), vec![ours.next_issuer("New", 100).issuer]].concat();
    assert!(matches!(decide(held, Offered::NotModified, &grown, NOW), Decision::Refuse(Refusal::Missing { .. })));
}

#[test]
fn a_file_that_is_something_else_is_not_overwritten() {
    let ours = Authority::new("Ours");
    let good = crl_pem(&ours.lists(5));
    let key = format!("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n{good}");
    for held in ["notes", "-----BEGIN PRIVATE KEY-----\n", &key, &crate::bundle::to_pem(&ours.bundle())] {
        assert_eq!(refused(&ours, Some(held), good.as_bytes()), "file_not_ours");
    }
}
