use std::fs;

use signet_pki::csr::CheckedCsr;
use signet_pki::key_policy::KeyPolicy;
use signet_pki::name::PrincipalKind;
use signet_pki::view::CertificateView;

use super::*;
use crate::online::admin_dir::tests::{Authority, write_for};
use crate::online::service::{Call, CallError};

/// Renews whatever is asked for.
struct Renews<'a>(&'a Authority);

impl Service for Renews<'_> {
    fn call(&self, call: Call<'_>) -> Result<Vec<u8>, CallError> {
        let Call::Post { path: "/v1/renew", body } = call else { panic!("{call:?}") };
        let asked: RenewRequest = serde_json::from_slice(body).unwrap();
        let csr = CheckedCsr::parse(asked.csr.as_bytes(), &KeyPolicy::standard()).unwrap();
        let leaf = self.0.leaf(csr, PrincipalKind::Admin, "alice");
        let serial = CertificateView::parse(&leaf).unwrap().serial.to_string();
        let issued = IssuedCertificate {
            device: "alice".parse().unwrap(),
            spiffe_id: "spiffe://test/admin/alice".into(),
            profile: "admin".into(),
            serial,
            certificate: pem::encode(Label::Certificate, &leaf),
            chain: pem::encode(Label::Certificate, self.0.issuer.der()),
            not_before: String::new(),
            not_after: String::new(),
            renew_after: String::new(),
        };
        Ok(serde_json::to_vec(&issued).unwrap())
    }
}

/// The directory is inside the temporary place, which lives as long as it is held.
fn prepared() -> (tempfile::TempDir, std::path::PathBuf, Authority, AdminDir) {
    let place = tempfile::tempdir().unwrap();
    let authority = Authority::new("Acme");
    let path = write_for(&authority, place.path(), "https://localhost:8443");
    let dir = AdminDir::read(&path).unwrap();
    (place, path, authority, dir)
}

#[test]
fn a_new_pair_replaces_the_old_one_and_leaves_nothing_behind() {
    let (_place, path, authority, before) = prepared();
    let next = Pair::next(&path);
    request(&Renews(&authority), &before, &next).unwrap();
    // The old pair is untouched until the new one is whole.
    assert_eq!(AdminDir::read(&path).unwrap().leaf().serial, before.leaf().serial);
    next.switch(&path).unwrap();
    let after = AdminDir::read(&path).unwrap();
    assert_ne!(after.leaf().serial, before.leaf().serial);
    assert!(!next.is_there());
    assert_eq!(fs::read_dir(&path).unwrap().count(), 4);
}

#[test]
fn a_switch_that_stopped_half_way_is_finished_by_the_next_command() {
    let (_place, path, authority, before) = prepared();
    let next = Pair::next(&path);
    request(&Renews(&authority), &before, &next).unwrap();
    // As far as the key came.
    fs::copy(path.join("admin.key.next"), path.join("admin.key")).unwrap();
    let after = AdminDir::read(&path).unwrap();
    assert_ne!(after.leaf().serial, before.leaf().serial);
    assert!(!next.is_there());
}
