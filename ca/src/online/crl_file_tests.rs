use signet_pki::Serial;

use super::*;
use crate::online::admin_dir::tests::{Authority, crl_pem};
use crate::online::context::now;

fn lists(authority: &Authority, number: u64) -> Vec<Vec<u8>> {
    vec![authority.issuer_crl(number, 7, &[]), authority.root_crl(number, 400)]
}

fn checked(authority: &Authority, ders: &[Vec<u8>]) -> Result<Vec<Checked>, Failure> {
    check(crl_pem(ders).as_bytes(), &authority.bundle(), now())
}

fn newer(authority: &Authority, new: &[Vec<u8>], old: &[Vec<u8>]) -> Result<(), String> {
    let new = checked(authority, new).unwrap();
    must_be_newer(&new, crl_pem(old).as_bytes(), &authority.bundle()).map_err(|f| format!("{f:?}"))
}

#[test]
fn lists_of_all_cas_are_accepted_and_written_as_they_came() {
    let authority = Authority::new("Ours");
    let ders = lists(&authority, 5);
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
    let (ours, theirs) = (Authority::new("Ours"), Authority::new("Ours"));
    let refused = |ders: &[Vec<u8>]| format!("{:?}", checked(&ours, ders).unwrap_err());
    assert!(refused(&lists(&theirs, 5)).contains("not signed by a CA of the bundle"));
    let mut forged = lists(&ours, 5);
    *forged[0].last_mut().unwrap() ^= 1;
    assert!(refused(&forged).contains("not signed by a CA of the bundle"));
    let serial = Serial::parse("0102030405060708").unwrap();
    let double = [ours.issuer_crl(6, 7, &[]), ours.issuer_crl(7, 7, &[serial])];
    assert!(refused(&double).contains("there are two"));
    assert!(refused(&[ours.issuer_crl(5, -1, &[])]).contains("ended on"));
    assert!(refused(&[]).contains("there is none"));
}

#[test]
fn t32_a_lower_number_never_replaces_a_higher_one() {
    let ours = Authority::new("Ours");
    assert_eq!(newer(&ours, &lists(&ours, 6), &lists(&ours, 5)), Ok(()));
    let same = lists(&ours, 5);
    assert_eq!(newer(&ours, &same, &same), Ok(()));
    let back = newer(&ours, &lists(&ours, 5), &lists(&ours, 6)).unwrap_err();
    assert!(back.contains("has number 5, the file has 6 already"), "{back}");
    // One of them alone is enough.
    let mixed = [ours.issuer_crl(7, 7, &[]), ours.root_crl(4, 400)];
    assert!(newer(&ours, &mixed, &lists(&ours, 5)).unwrap_err().contains("has number 4"));
}

#[test]
fn t32_a_list_cannot_be_left_out() {
    let ours = Authority::new("Ours");
    let without_issuer = [ours.root_crl(9, 400)];
    assert!(newer(&ours, &without_issuer, &lists(&ours, 5)).unwrap_err().contains("missing"));
}

#[test]
fn lists_of_a_ca_that_is_not_in_the_bundle_any_more_do_not_stop_the_new_ones() {
    let (ours, retired) = (Authority::new("Ours"), Authority::new("Retired"));
    let mut old = lists(&ours, 5);
    old.push(retired.issuer_crl(99, 7, &[]));
    assert_eq!(newer(&ours, &lists(&ours, 6), &old), Ok(()));
}

#[test]
fn a_file_that_holds_something_else_is_left_alone() {
    let ours = Authority::new("Ours");
    let new = checked(&ours, &lists(&ours, 5)).unwrap();
    for foreign in [&b""[..], b"notes", ours.bundle_pem().as_bytes()] {
        let said = format!("{:?}", must_be_newer(&new, foreign, &ours.bundle()).unwrap_err());
        assert!(said.contains("holds no CRL"), "{said}");
    }
}

#[test]
fn a_der_file_is_compared_too() {
    let ours = Authority::new("Ours");
    let new = checked(&ours, &lists(&ours, 5)).unwrap();
    must_be_newer(&new, &ours.issuer_crl(4, 7, &[]), &ours.bundle()).unwrap();
    must_be_newer(&new, &ours.issuer_crl(6, 7, &[]), &ours.bundle()).unwrap_err();
}
