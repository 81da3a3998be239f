use std::fs;
use std::path::Path;

use signet_pki::pem::{self, Label};

use super::*;
use crate::online::admin_dir::tests::{Authority, crl_pem};
use crate::online::service::tests::Fake;

fn service(authority: &Authority, lists: &[Vec<u8>]) -> Fake {
    Fake::default()
        .with_bytes("/v1/trust/bundle.pem", authority.bundle_pem().into_bytes())
        .with_bytes("/v1/trust/crl.pem", crl_pem(lists).into_bytes())
}

fn command(out: &Path) -> Fetch {
    Fetch { out: out.to_owned(), pem: false, der: false, issuer: None }
}

fn fetch(command: &Fetch, authority: &Authority, lists: &[Vec<u8>]) -> Result<(), Failure> {
    command.fetch(&service(authority, lists), std::slice::from_ref(&authority.root), context::now())
}

#[test]
fn a_newer_list_replaces_the_file_and_is_not_appended() {
    let temp = tempfile::tempdir().unwrap();
    let (out, authority) = (temp.path().join("crl.pem"), Authority::new("Ours"));
    for number in [5, 6] {
        let lists = [authority.issuer_crl(number, 7, &[]), authority.root_crl(1, 400)];
        fetch(&command(&out), &authority, &lists).unwrap();
        assert_eq!(fs::read_to_string(&out).unwrap(), crl_pem(&lists));
    }
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1, "no temporary file stays");
}

#[test]
fn t32_a_replayed_list_leaves_the_file_untouched() {
    let temp = tempfile::tempdir().unwrap();
    let (out, authority) = (temp.path().join("crl.pem"), Authority::new("Ours"));
    let kept = [authority.issuer_crl(6, 7, &[]), authority.root_crl(1, 400)];
    fetch(&command(&out), &authority, &kept).unwrap();
    let replayed = [authority.issuer_crl(5, 7, &[]), authority.root_crl(1, 400)];
    fetch(&command(&out), &authority, &replayed).unwrap_err();
    fetch(&command(&out), &authority, &[authority.root_crl(2, 400)]).unwrap_err();
    assert_eq!(fs::read_to_string(&out).unwrap(), crl_pem(&kept));
}

#[test]
fn a_service_below_another_root_writes_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (out, ours, theirs) = (temp.path().join("crl.pem"), Authority::new("Ours"), Authority::new("Theirs"));
    let service = service(&theirs, &[theirs.issuer_crl(5, 7, &[])]);
    command(&out).fetch(&service, &[ours.root], context::now()).unwrap_err();
    assert!(!out.exists());
}

#[test]
fn der_holds_the_one_list_that_was_named() {
    let temp = tempfile::tempdir().unwrap();
    let (out, authority) = (temp.path().join("issuer.crl"), Authority::new("Ours"));
    let lists = [authority.issuer_crl(5, 7, &[]), authority.root_crl(1, 400)];
    let unnamed = Fetch { der: true, ..command(&out) };
    let said = format!("{:?}", fetch(&unnamed, &authority, &lists).unwrap_err());
    assert!(said.contains(&authority.issuer.short_id()), "{said}");
    let named = Fetch { issuer: Some(authority.issuer.short_id()), ..unnamed };
    fetch(&named, &authority, &lists).unwrap();
    assert_eq!(fs::read(&out).unwrap(), lists[0]);
    let older = [authority.issuer_crl(4, 7, &[]), authority.root_crl(1, 400)];
    fetch(&named, &authority, &older).unwrap_err();
    assert_eq!(pem::pem_or_der(Label::Crl, &fs::read(&out).unwrap()).unwrap(), lists[0]);
}

#[test]
fn a_key_under_that_name_is_not_overwritten() {
    let temp = tempfile::tempdir().unwrap();
    let (out, authority) = (temp.path().join("server.key"), Authority::new("Ours"));
    fs::write(&out, "-----BEGIN PRIVATE KEY-----\n").unwrap();
    fetch(&command(&out), &authority, &[authority.issuer_crl(5, 7, &[])]).unwrap_err();
    assert_eq!(fs::read_to_string(&out).unwrap(), "-----BEGIN PRIVATE KEY-----\n");
}
