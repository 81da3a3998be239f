use std::fs;

use signet_keys::{KeyKind, random};
use signet_pki::ca::{self, CaName, IssuerPlan};
use signet_pki::crl::{self, CrlPlan, Entries, Reason};
use signet_pki::csr::{self, CheckedCsr};
use signet_pki::issue::{LeafPlan, LintedTbs, Locations, Subject};
use signet_pki::key_policy::KeyPolicy;
use signet_pki::name::PrincipalKind;
use signet_pki::pem::Label;
use signet_pki::profile::{Profile, Revocation, Usage};
use signet_pki::{DeviceId, DnsName, Serial, TrustDomain};

use super::*;
use crate::online::context;
use crate::online::duration::DAY;

/// A root and an issuer with their keys: what stands on the offline machine and on the issuing host.
pub(in crate::online) struct Authority {
    pub(in crate::online) root: IssuerCert,
    pub(in crate::online) issuer: IssuerCert,
    root_key: PrivateKey,
    pub(in crate::online) issuer_key: PrivateKey,
}

impl Authority {
    pub(in crate::online) fn new(name: &str) -> Authority {
        let (root_key, issuer_key) = (new_key(), new_key());
        let from = context::now().minus(DAY);
        let ca_name = |what: &str| CaName::new(&format!("{name} {what}"), None).unwrap();
        let root = ca::self_signed(&root_key, &ca_name("root"), (from, from.plus(1000 * DAY)), draw()).unwrap();
        let plan = IssuerPlan {
            request: request(&issuer_key, "issuer"),
            name: ca_name("issuer"),
            validity: (from, from.plus(500 * DAY)),
            locations: Locations::default(),
            permitted_dns: Vec::new(),
        };
        let issuer = ca::certify_issuer(&root, &root_key, plan, draw()).unwrap();
        Authority { root, issuer, root_key, issuer_key }
    }

    pub(in crate::online) fn leaf(&self, csr: CheckedCsr, kind: PrincipalKind, id: &str) -> Vec<u8> {
        let profile = Profile {
            name: "any".into(),
            kind,
            usages: vec![Usage::ClientAuth, Usage::ServerAuth],
            lifetime: DAY,
            max_lifetime: DAY,
            keys: KeyPolicy::standard(),
            dns_suffixes: vec![DnsName::parse("localhost").unwrap()],
            reuse_key: false,
            revocation: Revocation::Published,
        };
        let subject = Subject {
            domain: TrustDomain::parse("test").unwrap(),
            kind,
            id: DeviceId::parse(id).unwrap(),
            dns_names: vec![DnsName::parse("localhost").unwrap()],
            addresses: Vec::new(),
        };
        let plan = LeafPlan::new(&profile, subject, csr, &self.issuer, context::now(), None, draw()).unwrap();
        let tbs = LintedTbs::prepare(&self.issuer, &Locations::default(), plan).unwrap();
        tbs.sign(&self.issuer, &self.issuer_key).unwrap().into_parts().0
    }

    /// A list of the issuer that ends so many days from now.
    pub(in crate::online) fn issuer_crl(&self, number: u64, days: i64, revoked: &[Serial]) -> Vec<u8> {
        sign_crl(&self.issuer, &self.issuer_key, number, days, revoked)
    }

    pub(in crate::online) fn root_crl(&self, number: u64, days: i64) -> Vec<u8> {
        sign_crl(&self.root, &self.root_key, number, days, &[])
    }

    pub(in crate::online) fn bundle(&self) -> Vec<IssuerCert> {
        vec![self.root.clone(), self.issuer.clone()]
    }

    pub(in crate::online) fn bundle_pem(&self) -> String {
        crate::online::bundle::to_pem(&self.bundle())
    }
}

fn sign_crl(ca: &IssuerCert, key: &PrivateKey, number: u64, days: i64, revoked: &[Serial]) -> Vec<u8> {
    let now = context::now();
    let mut entries = Entries::new();
    revoked.iter().for_each(|serial| entries.push(serial, now, Reason::KeyCompromise));
    // Lists that have ended already were made before that.
    let this_update = now.minus(60).min(now.plus(days * DAY).minus(DAY));
    let next_update = now.plus(days * DAY);
    crl::sign(ca, key, CrlPlan::full(number, this_update, next_update, entries)).unwrap().der().to_vec()
}

pub(in crate::online) fn new_key() -> PrivateKey {
    PrivateKey::generate(KeyKind::P256).unwrap()
}

pub(in crate::online) fn request(key: &PrivateKey, name: &str) -> CheckedCsr {
    CheckedCsr::from_der(&csr::make(key, name).unwrap(), &KeyPolicy::standard()).unwrap()
}

pub(in crate::online) fn crl_pem(lists: &[Vec<u8>]) -> String {
    lists.iter().map(|der| pem::encode(Label::Crl, der)).collect()
}

fn draw() -> [u8; 20] {
    random::bytes().unwrap()
}

/// A good administrator's directory inside `parent`.
pub(in crate::online) fn write(parent: &Path, server: &str) -> PathBuf {
    write_for(&Authority::new("Test"), parent, server)
}

pub(in crate::online) fn write_for(authority: &Authority, parent: &Path, server: &str) -> PathBuf {
    let key = new_key();
    let leaf = authority.leaf(request(&key, "alice"), PrincipalKind::Admin, "alice");
    let dir = parent.join("admin");
    fs::create_dir(&dir).unwrap();
    let certificate = |der: &[u8]| pem::encode(Label::Certificate, der);
    fs::write(dir.join("ca.toml"), format!("server = \"{server}\"\n")).unwrap();
    fs::write(dir.join("roots.pem"), certificate(authority.root.der())).unwrap();
    fs::write(dir.join("admin.pem"), certificate(&leaf) + &certificate(authority.issuer.der())).unwrap();
    fs::write(dir.join("admin.key"), key.to_pem().unwrap().as_bytes()).unwrap();
    set_mode(&dir.join("admin.key"), 0o600);
    dir
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn said(dir: &Path) -> String {
    AdminDir::read(dir).map(|_| ()).map_err(|f| format!("{f:?}")).unwrap_err()
}

#[test]
fn a_good_directory_is_read() {
    let temp = tempfile::tempdir().unwrap();
    let dir = AdminDir::read(&write(temp.path(), "https://localhost:8443/")).unwrap();
    assert_eq!(dir.server, "https://localhost:8443");
    assert_eq!(dir.leaf().common_name.as_deref(), Some("alice"));
    assert_eq!((dir.roots.len(), dir.chain.len()), (1, 2));
}

#[test]
fn a_directory_that_is_missing_or_incomplete_names_the_way_out() {
    let temp = tempfile::tempdir().unwrap();
    assert!(said(&temp.path().join("nothing")).contains("signetd setup --admin"));
    for name in ["ca.toml", "roots.pem", "admin.pem", "admin.key"] {
        let temp = tempfile::tempdir().unwrap();
        let dir = write(temp.path(), "https://localhost:8443");
        fs::remove_file(dir.join(name)).unwrap();
        let text = said(&dir);
        assert!(text.contains(name) && text.contains("Refused"), "{text}");
    }
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_command_that_mends_it() {
    let temp = tempfile::tempdir().unwrap();
    let dir = write(temp.path(), "https://localhost:8443");
    for mode in [0o640, 0o604, 0o620, 0o644, 0o610] {
        set_mode(&dir.join("admin.key"), mode);
        let text = said(&dir);
        assert!(text.contains("can be read by others") && text.contains("chmod 600"), "{mode:o}: {text}");
    }
    set_mode(&dir.join("admin.key"), 0o400);
    AdminDir::read(&dir).unwrap();
}

#[test]
fn a_key_behind_a_link_is_read_and_its_own_mode_counts() {
    let temp = tempfile::tempdir().unwrap();
    let dir = write(temp.path(), "https://localhost:8443");
    fs::rename(dir.join("admin.key"), temp.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(temp.path().join("elsewhere"), dir.join("admin.key")).unwrap();
    AdminDir::read(&dir).unwrap();
    set_mode(&temp.path().join("elsewhere"), 0o644);
    assert!(said(&dir).contains("can be read by others"));
}

#[test]
fn a_key_of_somebody_else_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = write(temp.path(), "https://localhost:8443");
    fs::write(dir.join("admin.key"), new_key().to_pem().unwrap().as_bytes()).unwrap();
    assert!(said(&dir).contains("do not belong together"));
}

#[test]
fn settings_are_strict() {
    for (text, part) in [
        ("server = \"http://localhost\"", "not an https address"),
        ("server = \"https://a/b\"", "not an https address"),
        ("server = \"https://\"", "not an https address"),
        ("servr = \"https://a\"", "servr"),
        ("server = 1", "ca.toml"),
        ("server = \"https://a\"\nextra = 1", "extra"),
    ] {
        let temp = tempfile::tempdir().unwrap();
        let dir = write(temp.path(), "https://localhost");
        fs::write(dir.join("ca.toml"), text).unwrap();
        let said = said(&dir);
        assert!(said.contains(part), "{text}: {said}");
    }
}

#[test]
fn an_option_comes_before_the_home_directory() {
    let (given, home) = (Path::new("/given"), Path::new("/home/alice"));
    assert_eq!(find(Some(given), Some(home)).unwrap(), given);
    assert_eq!(find(None, Some(home)).unwrap(), Path::new("/home/alice/.config/signet"));
    assert!(format!("{:?}", find(None, None).unwrap_err()).contains("--admin DIR"));
}
