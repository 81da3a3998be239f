use signet_pki::Serial;

use super::*;
use crate::testing::{Authority, NOW, crl_pem};

fn checked(authority: &Authority, ders: &[Vec<u8>]) -> Result<Vec<List>, Refusal> {
    check(crl_pem(ders).as_bytes(), &authority.bundle(), NOW)
}

fn newer(authority: &Authority, new: &[Vec<u8>], old: &[Vec<u8>]) -> Result<(), Refusal> {
    must_be_newer(&checked(authority, new).unwrap(), crl_pem(old).as_bytes(), &authority.bundle())
}

#[test]
fn lists_of_all_cas_are_accepted_and_written_as_they_came() {
    let authority = Authority::new("Ours");
    let ders = authority.lists(5);
    let found = checked(&authority, &ders).unwrap();
    assert_eq!(to_pem(&found), crl_pem(&ders));
    assert!(uncovered(&found, &authority.bundle()).is_empty());
}

#[test]
fn a_list_that_is_missing_is_noticed() {
    let authority = Authority::new("Ours");
    let found = checked(&authority, &[authority.issuer_crl(5, 7, &[])]).unwrap();
    let bundle = authority.bundle();
    let missing = uncovered(&found, &bundle);
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].der(), authority.root.der());
}

#[test]
fn foreign_forged_double_and_ended_lists_are_refused() {
    let (ours, theirs) = (Authority::new("Ours"), Authority::new("Theirs"));
    let refused = |ders: &[Vec<u8>]| checked(&ours, ders).unwrap_err();
    assert_eq!(refused(&theirs.lists(5)), Refusal::Foreign);
    // Of the same name, and signed by another key.
    assert_eq!(refused(&Authority::new("Ours").lists(5)).code(), "wrong_signature");
    let mut forged = ours.lists(5);
    *forged[0].last_mut().unwrap() ^= 1;
    assert_eq!(refused(&forged).code(), "wrong_signature");
    let serial = Serial::parse("0102030405060708").unwrap();
    let double = [ours.issuer_crl(6, 7, &[]), ours.issuer_crl(7, 7, &[serial])];
    assert_eq!(refused(&double).code(), "two_lists");
    assert_eq!(refused(&[ours.issuer_crl(5, -1, &[])]).code(), "ended");
    assert_eq!(refused(&[]), Refusal::NoList);
    assert_eq!(refused(&[b"0".to_vec()]).code(), "unreadable");
}

#[test]
fn a_list_from_the_future_is_refused_and_clocks_may_differ_by_some_minutes() {
    let ours = Authority::new("Ours");
    let of = |seconds| checked(&ours, &[ours.issuer_crl_of(5, NOW.plus(seconds))]).map(|lists| lists.len());
    assert_eq!(of(15 * 60), Ok(1));
    assert_eq!(of(15 * 60 + 1).unwrap_err().code(), "from_future");
}

#[test]
fn t32_a_lower_number_never_replaces_a_higher_one() {
    let ours = Authority::new("Ours");
    assert_eq!(newer(&ours, &ours.lists(6), &ours.lists(5)), Ok(()));
    let same = ours.lists(5);
    assert_eq!(newer(&ours, &same, &same), Ok(()));
    let back = newer(&ours, &ours.lists(5), &ours.lists(6)).unwrap_err();
    assert!(back.to_string().contains("has number 5, the file has 6 already"), "{back}");
    // One of them alone is enough.
    let mixed = [ours.issuer_crl(7, 7, &[]), ours.root_crl(4, &[])];
    assert!(newer(&ours, &mixed, &ours.lists(5)).unwrap_err().to_string().contains("has number 4"));
}

#[test]
fn t32_a_list_cannot_be_left_out() {
    let ours = Authority::new("Ours");
    let without_issuer = [ours.root_crl(9, &[])];
    assert_eq!(newer(&ours, &without_issuer, &ours.lists(5)).unwrap_err().code(), "list_missing");
}

#[test]
fn lists_of_a_ca_that_is_not_in_the_bundle_any_more_do_not_stop_the_new_ones() {
    let (ours, retired) = (Authority::new("Ours"), Authority::new("Retired"));
    let mut old = ours.lists(5);
    old.push(retired.issuer_crl(99, 7, &[]));
    assert_eq!(newer(&ours, &ours.lists(6), &old), Ok(()));
}

#[test]
fn a_file_that_holds_something_else_is_left_alone() {
    let ours = Authority::new("Ours");
    let new = checked(&ours, &ours.lists(5)).unwrap();
    let certificates = crate::bundle::to_pem(&ours.bundle());
    for foreign in [&b""[..], b"notes", certificates.as_bytes()] {
        assert_eq!(must_be_newer(&new, foreign, &ours.bundle()), Err(Refusal::NotLists));
    }
}

#[test]
fn a_der_file_is_compared_too() {
    let ours = Authority::new("Ours");
    let new = checked(&ours, &ours.lists(5)).unwrap();
    must_be_newer(&new, &ours.issuer_crl(4, 7, &[]), &ours.bundle()).unwrap();
    must_be_newer(&new, &ours.issuer_crl(6, 7, &[]), &ours.bundle()).unwrap_err();
}
