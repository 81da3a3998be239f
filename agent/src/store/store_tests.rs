use std::os::unix::fs::symlink;

use signet_api::client::Clock;
use signet_pki::name::PrincipalKind;
use signet_pki::signer::Signer;
use tempfile::TempDir;

use super::*;
use crate::accept::{Expectation, accept};
use crate::fake_server::{Ca, request, snapshot, token};

fn fresh() -> (TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("signet");
    (temp, dir)
}

fn material<'a>(ca: &'a Ca, key: &'a PrivateKey) -> Material<'a> {
    let now = Clock::System.read();
    let issued = ca.issue(request(key), "sensor-1", PrincipalKind::Device, now);
    let roots = vec![ca.root.der().to_vec()];
    accept(&issued, &Expectation { server: "https://ca", key, roots, now: Some(now), device: None }).unwrap()
}

/// A directory with one settled generation.
fn enrolled(ca: &Ca) -> (TempDir, PathBuf) {
    let (temp, dir) = fresh();
    let store = Store::open(&dir, Absent::Create).unwrap();
    let first = token(1);
    let request = Request::Enroll(first.id());
    let (key, _) = store.request_key(&request, KeyKind::P256).unwrap();
    store.install(&material(ca, &key), &request).unwrap();
    (temp, dir)
}

/// What another program sees under the stable paths.
fn pair(dir: &Path) -> Option<(Vec<u8>, Vec<u8>)> {
    let key = std::fs::read_to_string(dir.join("device.key")).ok()?;
    let chain = std::fs::read(dir.join("device.pem")).ok()?;
    let leaf = signet_pki::pem::certificates(&chain).unwrap().swap_remove(0);
    let leaf = signet_pki::view::CertificateView::parse(&leaf).unwrap();
    let key = PrivateKey::from_pem(&key).unwrap();
    assert_eq!(key.public_key(), &leaf.public_key, "device.key and device.pem belong together");
    Some((key.public_key().spki().to_vec(), chain))
}

#[test]
fn a_stop_after_any_step_of_the_first_installation_leaves_nothing_or_a_whole_identity() {
    let ca = Ca::new();
    let mut stops = 0;
    loop {
        let (_temp, dir) = fresh();
        let store = Store::open(&dir, Absent::Create).unwrap();
        let first = token(1);
        let request = Request::Enroll(first.id());
        let (key, _) = store.request_key(&request, KeyKind::P256).unwrap();
        let steps = installation(&Listing::read(&dir).unwrap(), &material(&ca, &key), &request).unwrap();
        store.perform(&steps[..stops]).unwrap();
        drop(store);
        let store = Store::open(&dir, Absent::Create).unwrap();
        match store.current().unwrap() {
            Some(identity) => {
                assert_eq!(identity.key().public_key(), key.public_key());
                assert!(pair(&dir).is_some(), "the stable paths are there after {stops} steps");
            }
            None => {
                let (kept, age) = store.request_key(&request, KeyKind::P256).unwrap();
                assert_eq!((kept.public_key(), age), (key.public_key(), KeyAge::Kept), "the retry has the same key");
            }
        }
        if stops == steps.len() {
            break;
        }
        stops += 1;
    }
    assert!(stops >= 11, "six files, a switch, four links and the request key: {stops}");
}

#[test]
fn a_stop_after_any_step_of_a_renewal_leaves_the_old_pair_or_the_new_one() {
    let ca = Ca::new();
    let mut stops = 0;
    loop {
        let (_temp, dir) = enrolled(&ca);
        let store = Store::open(&dir, Absent::Refuse).unwrap();
        let old = store.current().unwrap().unwrap();
        let request = Request::Renew(old.number);
        let (key, _) = store.request_key(&request, KeyKind::P256).unwrap();
        let steps = installation(&Listing::read(&dir).unwrap(), &material(&ca, &key), &request).unwrap();
        for step in &steps[..stops] {
            apply(&dir, step).unwrap();
            assert!(pair(&dir).is_some(), "other programs see a matching pair after {step:?}, before any repair");
        }
        drop(store);
        let store = Store::open(&dir, Absent::Refuse).unwrap();
        let now = store.current().unwrap().unwrap();
        let is_new = now.key().public_key() == key.public_key();
        assert!(is_new || now.key().public_key() == old.key().public_key());
        if !is_new {
            let (kept, age) = store.request_key(&request, KeyKind::P256).unwrap();
            assert_eq!((kept.public_key(), age), (key.public_key(), KeyAge::Kept));
        }
        assert_eq!(store.is_unsettled().unwrap(), is_new, "the old one is kept until the new one was used");
        if stops == steps.len() {
            assert!(is_new);
            break;
        }
        stops += 1;
    }
    assert!(stops >= 7, "{stops}");
}

#[test]
fn a_stop_inside_the_repair_is_repaired_by_the_next_run() {
    let ca = Ca::new();
    for written in [2, 6] {
        for stops in 0.. {
            let (_temp, dir) = enrolled(&ca);
            let store = Store::open(&dir, Absent::Refuse).unwrap();
            let request = Request::Renew(1);
            let (key, _) = store.request_key(&request, KeyKind::P256).unwrap();
            let steps = installation(&Listing::read(&dir).unwrap(), &material(&ca, &key), &request).unwrap();
            store.perform(&steps[..written]).unwrap();
            std::fs::write(dir.join(".signet-0000000000000000.tmp"), "half a file").unwrap();
            let repair = Listing::read(&dir).unwrap().recovery();
            store.perform(&repair[..stops]).unwrap();
            assert!(pair(&dir).is_some());
            drop(store);
            let store = Store::open(&dir, Absent::Refuse).unwrap();
            assert_eq!(store.current().unwrap().unwrap().number, if written == 6 { 2 } else { 1 });
            assert!(Listing::read(&dir).unwrap().recovery().is_empty(), "nothing is left to do");
            assert!(!dir.join(".signet-0000000000000000.tmp").exists());
            if stops == repair.len() {
                break;
            }
        }
    }
}

#[test]
fn settling_removes_the_older_generation_and_its_key() {
    let ca = Ca::new();
    let (_temp, dir) = enrolled(&ca);
    let store = Store::open(&dir, Absent::Refuse).unwrap();
    let request = Request::Renew(1);
    let (key, _) = store.request_key(&request, KeyKind::P256).unwrap();
    store.install(&material(&ca, &key), &request).unwrap();
    assert!(dir.join("gen-0001/device.key").exists());
    store.settle().unwrap();
    assert!(!dir.join("gen-0001").exists() && !store.is_unsettled().unwrap());
    assert!(pair(&dir).is_some());
}

#[test]
fn keys_and_certificates_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (_temp, dir) = enrolled(&Ca::new());
    let mode = |name: &str| std::fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("gen-0001")), (0o700, 0o700));
    assert_eq!((mode("device.key"), mode("device.pem")), (0o600, 0o600));
    assert_eq!((mode("issuer.pem"), mode("roots.pem")), (0o644, 0o644));
}

#[test]
fn a_pair_that_does_not_match_is_damage_and_is_left_for_a_person_to_see() {
    let ca = Ca::new();
    let (_temp, dir) = enrolled(&ca);
    let other = crate::fake_server::key().to_pem().unwrap();
    std::fs::write(dir.join("gen-0001/device.key"), other.as_bytes()).unwrap();
    let before = snapshot(&dir);
    let store = Store::open(&dir, Absent::Refuse).unwrap();
    assert!(matches!(store.current(), Err(StoreError::Damaged { .. })));
    assert_eq!(snapshot(&dir), before);
}

#[test]
fn two_agents_do_not_work_in_one_directory() {
    let (_temp, dir) = fresh();
    let first = Store::open(&dir, Absent::Create).unwrap();
    assert!(matches!(Store::open(&dir, Absent::Create), Err(StoreError::Busy(_))));
    drop(first);
    Store::open(&dir, Absent::Create).unwrap();
}

#[test]
fn t27_a_linked_foreign_or_open_directory_is_refused() {
    let (temp, dir) = enrolled(&Ca::new());
    let link = temp.path().join("link");
    symlink(&dir, &link).unwrap();
    for path in [link.clone(), link.join("")] {
        assert!(matches!(Store::open(&path, Absent::Create), Err(StoreError::Directory { .. })), "{path:?}");
        assert!(matches!(Store::peek(&path), Err(StoreError::Directory { .. })));
    }
    let open = temp.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    assert!(matches!(Store::open(&open, Absent::Create), Err(StoreError::Directory { .. })));
    let file = temp.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(Store::open(&file, Absent::Create), Err(StoreError::Directory { .. })));
    assert!(matches!(Store::open(&temp.path().join("absent"), Absent::Refuse), Err(StoreError::Missing(_))));
}

#[test]
fn t27_links_that_lead_elsewhere_and_files_in_the_way_are_refused_and_kept() {
    for (name, target) in [("current", "/etc"), ("current", "../elsewhere"), ("device.key", "/etc/shadow")] {
        let (_temp, dir) = enrolled(&Ca::new());
        std::fs::remove_file(dir.join(name)).unwrap();
        symlink(target, dir.join(name)).unwrap();
        assert!(matches!(Store::open(&dir, Absent::Create), Err(StoreError::Obstacle(_))), "{name} -> {target}");
    }
    let (_temp, dir) = fresh();
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("device.key"), "somebody's key").unwrap();
    assert!(matches!(Store::open(&dir, Absent::Create), Err(StoreError::Obstacle(_))));
    assert_eq!(std::fs::read_to_string(dir.join("device.key")).unwrap(), "somebody's key");
}

#[test]
fn t27_a_generation_or_a_key_behind_a_link_is_not_followed() {
    let ca = Ca::new();
    let (temp, dir) = enrolled(&ca);
    let outside = temp.path().join("outside");
    std::fs::rename(dir.join("gen-0001"), &outside).unwrap();
    symlink(&outside, dir.join("gen-0001")).unwrap();
    assert!(matches!(Store::open(&dir, Absent::Refuse), Err(StoreError::Obstacle(_))));

    let (temp, dir) = fresh();
    let store = Store::open(&dir, Absent::Create).unwrap();
    let one = token(1);
    let request = Request::Enroll(one.id());
    std::fs::write(temp.path().join("outside"), "").unwrap();
    symlink(temp.path().join("outside"), dir.join(request.file_name())).unwrap();
    assert!(store.request_key(&request, KeyKind::P256).is_err());
    assert_eq!(std::fs::read(temp.path().join("outside")).unwrap(), b"");
}

#[test]
fn t26_steps_do_not_show_what_they_write() {
    let key = crate::fake_server::key();
    let steps = material(&Ca::new(), &key).steps(1).unwrap();
    assert!(!format!("{steps:?}").contains("PRIVATE"));
}
