use std::fs;
use std::os::unix::fs::PermissionsExt;

use signet_api::ErrorCode;
use signet_pki::name::PrincipalKind;

use super::*;
use crate::online::admin_dir::tests::{Authority, new_key, request};
use crate::online::service::tests::refused;
use crate::online::service::{Call, CallError};

/// Certifies whatever is asked for, or the key that it prefers.
struct Ca<'a> {
    authority: &'a Authority,
    prefers: Option<PrivateKey>,
}

impl Service for Ca<'_> {
    fn call(&self, call: Call<'_>) -> Result<Vec<u8>, CallError> {
        let Call::Post { path: "/v1/admin/issue", body } = call else { panic!("{call:?}") };
        let asked: IssueRequest = serde_json::from_slice(body).unwrap();
        let csr = match &self.prefers {
            Some(key) => request(key, "other"),
            None => CheckedCsr::parse(asked.csr.as_bytes(), &KeyPolicy::standard()).unwrap(),
        };
        let leaf = self.authority.leaf(csr, PrincipalKind::Device, asked.device.as_str());
        Ok(serde_json::to_vec(&IssuedCertificate {
            spiffe_id: format!("spiffe://test/device/{}", asked.device),
            device: asked.device,
            profile: asked.profile,
            serial: CertificateView::parse(&leaf).unwrap().serial.to_string(),
            certificate: pem::encode(Label::Certificate, &leaf),
            chain: pem::encode(Label::Certificate, self.authority.issuer.der()),
            not_before: "2026-01-01T00:00:00Z".into(),
            not_after: "2026-01-02T00:00:00Z".into(),
            renew_after: "2026-01-01T12:00:00Z".into(),
        })
        .unwrap())
    }
}

struct Refuses;

impl Service for Refuses {
    fn call(&self, _: Call<'_>) -> Result<Vec<u8>, CallError> {
        Err(refused(ErrorCode::Conflict))
    }
}

fn command() -> Issue {
    Issue {
        at: At::default(),
        csr: None,
        device: None,
        out: None,
        name: None,
        dir: None,
        profile: "device".into(),
        groups: Vec::new(),
        dns_names: Vec::new(),
        ttl: None,
        replace: false,
    }
}

fn issue(service: &dyn Service, root: &IssuerCert, dir: &Path) -> Result<(), Failure> {
    let paths = Paths::in_dir(dir)?;
    command().with_new_key(service, std::slice::from_ref(root), &DeviceId::parse("backup-1").unwrap(), &paths)
}

#[test]
fn key_certificate_and_chain_belong_together_and_the_key_is_private() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, authority) = (temp.path().join("backup-1"), Authority::new("Ours"));
    issue(&Ca { authority: &authority, prefers: None }, &authority.root, &dir).unwrap();
    let key = PrivateKey::from_pem(&fs::read_to_string(dir.join("key.pem")).unwrap()).unwrap();
    assert_eq!(fs::metadata(dir.join("key.pem")).unwrap().permissions().mode() & 0o777, 0o600);
    let chain = pem::certificates(&fs::read(dir.join("chain.pem")).unwrap()).unwrap();
    let leaf = CertificateView::parse(&chain[0]).unwrap();
    assert_eq!(leaf.public_key, *key.public_key());
    assert_eq!(chain[1], authority.issuer.der());
    let single = pem::certificates(&fs::read(dir.join("cert.pem")).unwrap()).unwrap();
    assert_eq!(single, [chain[0].clone()]);
}

#[test]
fn a_second_run_overwrites_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, authority) = (temp.path().join("backup-1"), Authority::new("Ours"));
    let service = Ca { authority: &authority, prefers: None };
    issue(&service, &authority.root, &dir).unwrap();
    let key = fs::read(dir.join("key.pem")).unwrap();
    assert!(format!("{:?}", issue(&service, &authority.root, &dir).unwrap_err()).contains("exists already"));
    assert_eq!(fs::read(dir.join("key.pem")).unwrap(), key);
}

#[test]
fn a_refusal_leaves_nothing_that_blocks_the_next_attempt() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, authority) = (temp.path().join("backup-1"), Authority::new("Ours"));
    issue(&Refuses, &authority.root, &dir).unwrap_err();
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    issue(&Ca { authority: &authority, prefers: None }, &authority.root, &dir).unwrap();
}

#[test]
fn a_certificate_for_another_key_or_below_another_root_is_not_kept() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, ours, theirs) = (temp.path().join("x"), Authority::new("Ours"), Authority::new("Theirs"));
    let swapped = Ca { authority: &ours, prefers: Some(new_key()) };
    assert!(format!("{:?}", issue(&swapped, &ours.root, &dir).unwrap_err()).contains("another key"));
    let foreign = Ca { authority: &theirs, prefers: None };
    assert!(format!("{:?}", issue(&foreign, &ours.root, &dir).unwrap_err()).contains("trusted root"));
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn a_bad_request_is_refused_before_anything_else_happens() {
    let temp = tempfile::tempdir().unwrap();
    let (csr, out) = (temp.path().join("x.csr"), temp.path().join("x.pem"));
    fs::write(&csr, "no request").unwrap();
    let failure = command().for_request(&csr, &DeviceId::parse("x").unwrap(), &out).unwrap_err();
    assert!(format!("{failure:?}").contains("openssl req -new"), "{failure:?}");
    assert!(!out.exists());
}
