use std::path::PathBuf;

use signet_api::client::Clock;
use signet_keys::KeyKind;
use signet_pki::Fingerprint;
use signet_pki::name::PrincipalKind;
use tempfile::TempDir;

use super::*;
use crate::accept::{Expectation, accept};
use crate::bundle::tests::chain_of;
use crate::fake_server::{Ca, request, snapshot, token};
use crate::store::steps::apply;
use crate::store::{Absent, Request, Store};

struct Held3 {
    _temp: TempDir,
    dir: PathBuf,
    old: Ca,
    /// One after the other.
    bundles: Vec<Held>,
}

/// An identity, and the bundles that will be adopted.
fn device() -> Held3 {
    let (old, new) = (Ca::between("Old", -10, 10), Ca::between("New", -1, 20));
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("signet");
    let store = Store::open(&dir, Absent::Create).unwrap();
    let first = token(1);
    let slot = Request::Enroll(first.id());
    let (key, _) = store.request_key(&slot, KeyKind::P256).unwrap();
    let now = Clock::System.read();
    let issued = old.issue(request(&key), "sensor-1", PrincipalKind::Device, now);
    let roots = vec![old.root.der().to_vec()];
    let expected = Expectation { server: "https://ca", key: &key, roots, now: Some(now), device: None };
    store.install(&accept(&issued, &expected).unwrap(), &slot).unwrap();
    let all = chain_of(&[(&[&old], &[&old]), (&[&old, &new], &[&old, &new]), (&[&new], &[&new])]);
    let bundles = all.iter().map(|der| Held::verified_before(Bundle::parse(der).unwrap())).collect();
    Held3 { _temp: temp, dir, old, bundles }
}

/// What another program reads: a list of whole certificates, at every moment.
fn roots_pem(dir: &Path) -> Vec<Fingerprint> {
    let text = fs::read(dir.join("roots.pem")).unwrap();
    pem::certificates(&text).unwrap().iter().map(|der| Fingerprint::of(der)).collect()
}

fn sequence(dir: &Path) -> Option<u64> {
    Store::open(dir, Absent::Refuse).unwrap().current().unwrap().unwrap().held().map(|held| held.bundle().sequence())
}

#[test]
fn a_stop_after_any_step_leaves_the_bundle_before_or_the_new_one() {
    for (before, after) in [(None, 0), (Some(0), 1), (Some(1), 2)] {
        let mut stops = 0;
        loop {
            let device = device();
            if let Some(number) = before {
                let store = Store::open(&device.dir, Absent::Refuse).unwrap();
                store.adopt(&device.bundles[number]).unwrap();
            }
            let old = sequence(&device.dir);
            let held = &device.bundles[after];
            let steps = adoption(&device.dir, held).unwrap();
            for step in &steps[..stops] {
                apply(&device.dir, step).unwrap();
                assert!(!roots_pem(&device.dir).is_empty(), "after {step:?}, before any repair");
            }
            let found = sequence(&device.dir);
            assert!(found == old || found == Some(held.bundle().sequence()), "{found:?} after {stops} steps");
            let wanted: Vec<Fingerprint> = match found {
                None => vec![Fingerprint::of(device.old.root.der())],
                Some(n) => {
                    let bundle = device.bundles[n as usize - 1].bundle();
                    bundle.roots().iter().map(|root| Fingerprint::of(root.der())).collect()
                }
            };
            assert_eq!(roots_pem(&device.dir), wanted, "the repaired links fit the switch after {stops} steps");
            assert_eq!(device.dir.join("bundle.pem").exists(), found.is_some());
            assert_eq!(dirs(&device.dir).len(), usize::from(found.is_some()), "nothing half-written stays");
            // The same step again goes through.
            let store = Store::open(&device.dir, Absent::Refuse).unwrap();
            if found == old {
                store.adopt(held).unwrap();
            }
            drop(store);
            assert_eq!(sequence(&device.dir), Some(held.bundle().sequence()));
            if stops == steps.len() {
                break;
            }
            stops += 1;
        }
        assert!(stops >= 7, "{stops}");
    }
}

#[test]
fn a_stop_after_any_step_of_forgetting_leaves_roots_that_can_be_read() {
    let mut stops = 0;
    loop {
        let device = device();
        Store::open(&device.dir, Absent::Refuse).unwrap().adopt(&device.bundles[1]).unwrap();
        let steps = removal(&device.dir);
        steps[..stops].iter().for_each(|step| apply(&device.dir, step).unwrap());
        let found = sequence(&device.dir);
        assert_eq!(roots_pem(&device.dir).len(), if found.is_some() { 2 } else { 1 });
        assert_eq!(device.dir.join("bundle.pem").symlink_metadata().is_ok(), found.is_some());
        if stops == steps.len() {
            assert_eq!((found, dirs(&device.dir)), (None, Vec::new()));
            break;
        }
        stops += 1;
    }
}

#[test]
fn a_damaged_bundle_is_told_and_left_for_a_person_to_see() {
    let device = device();
    Store::open(&device.dir, Absent::Refuse).unwrap().adopt(&device.bundles[1]).unwrap();
    fs::write(device.dir.join("trust-0002/bundle.der"), "0").unwrap();
    let before = snapshot(&device.dir);
    let store = Store::open(&device.dir, Absent::Refuse).unwrap();
    assert!(matches!(store.current(), Err(StoreError::Damaged { .. })));
    assert_eq!(snapshot(&device.dir), before);
}

#[test]
fn t27_a_file_of_somebody_else_is_not_replaced() {
    for name in ["bundle.pem", "trust"] {
        let device = device();
        fs::write(device.dir.join(name), "mine").unwrap();
        let store = Store::open(&device.dir, Absent::Refuse).unwrap();
        assert!(matches!(store.adopt(&device.bundles[0]), Err(StoreError::Obstacle(_))));
        assert_eq!(fs::read_to_string(device.dir.join(name)).unwrap(), "mine");
        assert_eq!(roots_pem(&device.dir).len(), 1);
    }
}
