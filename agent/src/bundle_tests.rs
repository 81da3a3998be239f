use std::path::PathBuf;
use std::time::Duration;

use signet_api::ErrorCode;
use signet_api::client::Clock;
use signet_keys::KeyKind;
use signet_pki::bundle::Draft;
use signet_pki::ca::IssuerCert;
use signet_pki::name::PrincipalKind;
use signet_pki::pem;
use tempfile::TempDir;

use super::*;
use crate::accept::{Expectation, accept};
use crate::enroll::enroll;
use crate::fake_server::{Behaviour, Ca, Fake, request, snapshot, token, world};
use crate::renew::{Outcome, When, renew};
use crate::store::{Absent, Request};

/// The bundles 1, 2, … of a story: each step names its roots and who signs.
pub(crate) fn chain_of(steps: &[(&[&Ca], &[&Ca])]) -> Vec<Vec<u8>> {
    let mut all: Vec<Bundle> = Vec::new();
    for (roots, signers) in steps {
        let draft = Draft {
            trust_domain: TrustDomain::parse("example.org").unwrap(),
            sequence: all.len() as u64 + 1,
            previous: all.last().map(Bundle::digest),
            created: UnixTime(1_800_000_000),
            roots: roots.iter().map(|ca| ca.root.clone()).collect(),
            issuers: Vec::new(),
        };
        let first = draft.sign(&signers[0].root_key).unwrap();
        all.push(signers[1..].iter().fold(first, |bundle, ca| bundle.cosign(&ca.root_key).unwrap()));
    }
    all.iter().map(|bundle| bundle.der().to_vec()).collect()
}

/// The old root alone, then both, then the new one alone.
fn three(old: &Ca, new: &Ca) -> Vec<Vec<u8>> {
    chain_of(&[(&[old], &[old]), (&[old, new], &[old, new]), (&[new], &[new])])
}

struct Device {
    server: Fake,
    _temp: TempDir,
    dir: PathBuf,
}

impl Device {
    async fn enrolled() -> Device {
        let device = Device::unknown(Ca::between("Old", -10, 10)).await;
        enroll(&device.dir, &device.server.plan(1), world(Clock::System)).await.unwrap();
        device
    }

    async fn unknown(ca: Ca) -> Device {
        let (server, temp) = (Fake::of(ca).await, tempfile::tempdir().unwrap());
        let dir = temp.path().join("signet");
        Device { server, _temp: temp, dir }
    }

    async fn renew(&self) -> Result<Outcome, Failure> {
        renew(&self.dir, When::Now, Duration::ZERO, &mut world(Clock::System)).await
    }

    fn current(&self) -> Generation {
        Store::peek(&self.dir).unwrap().unwrap()
    }

    fn sequence(&self) -> Option<u64> {
        self.current().held().map(|held| held.bundle().sequence())
    }

    fn roots_pem(&self) -> Vec<Vec<u8>> {
        pem::certificates(&std::fs::read(self.dir.join("roots.pem")).unwrap()).unwrap()
    }
}

fn ders(cas: &[&Ca]) -> Vec<Vec<u8>> {
    cas.iter().map(|ca| ca.root.der().to_vec()).collect()
}

#[tokio::test]
async fn a_device_follows_to_the_new_root_and_renews_under_it() {
    let device = Device::enrolled().await;
    let (old, new) = (device.server.ca(), Ca::between("New", -1, 20));
    assert_eq!(device.sequence(), None);
    device.server.publish(chain_of(&[(&[&old], &[&old]), (&[&old, &new], &[&old, &new])]));
    device.renew().await.unwrap();
    assert_eq!(device.sequence(), Some(2));
    assert_eq!(device.roots_pem(), ders(&[&old, &new]));
    assert!(device.server.log().iter().any(|l| l.starts_with("POST /v1/renew") && l.ends_with("holding 2")));

    // The server goes over to the new root, whose chain the device accepts now.
    let last = three(&old, &new);
    device.server.hand_over(new);
    assert!(matches!(device.renew().await, Ok(Outcome::Renewed(_))));
    assert_eq!(device.current().pin(), device.server.ca().pin(), "the new certificate stands under the new root");
    // Signatures differ each time, the content does not: the third of this chain follows the second that is held.
    device.server.publish(last);
    device.renew().await.unwrap();
    assert_eq!((device.sequence(), device.roots_pem()), (Some(3), ders(&[&device.server.ca()])));
    assert!(device.dir.join("trust-0003").exists() && !device.dir.join("trust-0002").exists());
}

#[tokio::test]
async fn a_device_that_missed_the_whole_rollover_follows_over_plain_http() {
    let device = Device::enrolled().await;
    let (old, new) = (device.server.ca(), Ca::between("New", -1, 20));
    device.server.publish(three(&old, &new));
    device.server.hand_over(new);
    assert!(matches!(device.renew().await, Ok(Outcome::Renewed(_))));
    assert_eq!(device.sequence(), Some(3));
    let log = device.server.log();
    let plain = log.iter().filter(|l| l.starts_with("GET plain /ca/bundles/")).count();
    assert_eq!(plain, 4, "three, and that there is no fourth: {log:?}");
    let renewal = log.iter().find(|l| l.starts_with("POST /v1/renew")).unwrap();
    assert!(renewal.ends_with("holding 3"), "{renewal}");
}

#[tokio::test]
async fn a_device_that_was_off_for_twelve_years_follows_three_bundles_and_can_enroll_again() {
    let (first, second) = (Ca::between("First", -30, -11), Ca::between("Second", -15, -2));
    let device = Device::unknown(Ca::between("Third", -5, 20)).await;
    let third = device.server.ca();
    // Enrolled under the first root, twelve years ago.
    let now = Clock::System.read();
    let plan = device.server.plan(1);
    {
        let store = Store::open(&device.dir, Absent::Create).unwrap();
        let spent = token(9);
        let slot = Request::Enroll(spent.id());
        let (key, _) = store.request_key(&slot, KeyKind::P256).unwrap();
        let mut first = first;
        first.lists = third.lists.clone();
        let issued = first.issue(request(&key), "sensor-1", PrincipalKind::Device, now.minus(12 * 365 * 86_400));
        let roots = ders(&[&first]);
        let expected = Expectation { server: &plan.server, key: &key, roots, now: None, device: None };
        store.install(&accept(&issued, &expected).unwrap(), &slot).unwrap();
        device.server.publish(chain_of(&[
            (&[&first], &[&first]),
            (&[&first, &second], &[&first, &second]),
            (&[&second, &third], &[&second, &third]),
            (&[&third], &[&third]),
        ]));
    }
    // Its certificate is over, and too long ago to recover; the roots are those of today all the same.
    device.server.script([Behaviour::Refuse(ErrorCode::RecoveryTooLate, None)]);
    let failure = device.renew().await.unwrap_err();
    assert!(failure.hint.is_some(), "{failure:?}");
    assert_eq!((device.sequence(), device.roots_pem()), (Some(4), ders(&[&third])));
    let outcome = enroll(&device.dir, &plan, world(Clock::System)).await.unwrap();
    assert!(matches!(outcome, crate::enroll::Outcome::Enrolled(_)), "no --force: it is the same CA");
    assert_eq!(device.current().pin(), third.pin());
}

#[tokio::test]
async fn t17_with_a_clock_of_1970_a_device_follows_as_well() {
    let device = Device::enrolled().await;
    let (old, new) = (device.server.ca(), Ca::between("New", -1, 20));
    device.server.publish(three(&old, &new));
    device.server.hand_over(new);
    let wrong = Clock::Fixed(UnixTime(0));
    let outcome = renew(&device.dir, When::Now, Duration::ZERO, &mut world(wrong)).await;
    assert!(matches!(outcome, Ok(Outcome::Renewed(_))), "{outcome:?}");
    assert_eq!(device.sequence(), Some(3));
}

#[tokio::test]
async fn a_device_that_enrolls_while_there_are_bundles_holds_the_newest_at_once() {
    let device = Device::unknown(Ca::between("Old", -10, 10)).await;
    let (old, new) = (device.server.ca(), Ca::between("New", -1, 20));
    device.server.publish(chain_of(&[(&[&old], &[&old]), (&[&old, &new], &[&old, &new])]));
    let mut source = Script::of(chain_of(&[(&[&old], &[&old]), (&[&old, &new], &[&old, &new])]));
    let start = Start::Root(TrustDomain::parse("example.org").unwrap(), old.pin());
    let held = walk(start, &mut source, Some(Clock::System.read())).await.held.unwrap();
    let roots: Vec<_> = held.bundle().roots().iter().map(IssuerCert::der).collect();
    assert_eq!(roots, [old.root.der(), new.root.der()]);
    enroll(&device.dir, &device.server.plan(1), world(Clock::System)).await.unwrap();
    assert_eq!(device.sequence(), Some(2));
    assert_eq!(pem::certificates(&std::fs::read(device.dir.join("bundle.pem")).unwrap()).unwrap().len(), 2);
}

#[tokio::test]
async fn forged_forked_and_rolled_back_bundles_change_nothing_and_the_renewal_goes_on() {
    let device = Device::enrolled().await;
    let (old, new, thief) = (device.server.ca(), Ca::between("New", -1, 20), Ca::between("Thief", -1, 20));
    let good = chain_of(&[(&[&old], &[&old]), (&[&old, &new], &[&old, &new])]);
    device.server.publish(good.clone());
    device.renew().await.unwrap();
    let forged = chain_of(&[(&[&old], &[&old]), (&[&old, &new], &[&old, &new]), (&[&thief], &[&thief])]);
    let fork = chain_of(&[(&[&old], &[&old]), (&[&old, &thief], &[&old, &thief]), (&[&thief], &[&thief])]);
    let damaged = vec![good[0].clone(), good[1].clone(), good[1][..100].to_vec()];
    let back = vec![good[0].clone(), good[1].clone(), good[0].clone()];
    for (bundles, words) in [
        (forged, "signed by no root"),
        (fork, "somebody has made two"),
        (damaged, "malformed"),
        (back, "where 3 comes next"),
    ] {
        let mut source = Script::of(bundles.clone());
        let held = device.current().held().unwrap().clone();
        let walked = walk(Start::Bundle(Box::new(held)), &mut source, None).await;
        let failure = Failure::from(walked.trouble.unwrap());
        assert!(failure.message.contains(words), "{failure:?}");
        assert!(failure.hint.is_some() && walked.held.is_none());
        let files = |name: &String| name.starts_with("trust");
        let before: Vec<_> = snapshot(&device.dir).into_iter().filter(|(name, _)| files(name)).collect();
        device.server.publish(bundles);
        assert!(matches!(device.renew().await, Ok(Outcome::Renewed(_))), "the server is still the right one");
        let after: Vec<_> = snapshot(&device.dir).into_iter().filter(|(name, _)| files(name)).collect();
        assert_eq!(after, before);
    }
}

#[tokio::test]
async fn bundles_of_a_stranger_are_told_to_a_device_that_holds_a_root_alone() {
    let device = Device::enrolled().await;
    let thief = Ca::between("Thief", -1, 20);
    let mut source = Script::of(chain_of(&[(&[&thief], &[&thief])]));
    let walked = walk(start_of(&device.current()).unwrap(), &mut source, None).await;
    assert!(matches!(walked.trouble, Some(Trouble::NotOurs(1))) && walked.held.is_none());
}

#[tokio::test]
async fn what_was_followed_before_the_network_went_is_kept() {
    let device = Device::enrolled().await;
    let (old, new) = (device.server.ca(), Ca::between("New", -1, 20));
    let mut source = Script { bundles: three(&old, &new), fails_at: Some(3) };
    let walked = walk(start_of(&device.current()).unwrap(), &mut source, Some(Clock::System.read())).await;
    assert_eq!(walked.held.unwrap().bundle().sequence(), 2);
    assert!(matches!(walked.trouble, Some(Trouble::Fetch(_))));
}

#[tokio::test]
async fn roots_that_have_all_ended_are_not_taken() {
    let device = Device::enrolled().await;
    let (old, ended) = (device.server.ca(), Ca::between("Ended", -20, -10));
    let mut source = Script::of(three(&old, &ended));
    let walked = walk(start_of(&device.current()).unwrap(), &mut source, Some(Clock::System.read())).await;
    assert!(walked.held.is_none());
    assert!(matches!(walked.trouble, Some(Trouble::Step(StepError::NoUsableRoot { sequence: 3, .. }))));
}

#[tokio::test]
async fn a_daemon_looks_for_bundles_once_a_day_and_runs_its_program_after_a_change() {
    let device = Device::enrolled().await;
    let (old, new) = (device.server.ca(), Ca::between("New", -1, 20));
    // A clock that stands before the renewal, so that nothing but the look happens.
    let clock = Clock::Fixed(device.current().renew_after().minus(80_000));
    let mut daemon = crate::run::Daemon::start(device.dir.clone(), Some("/bin/true".into()), world(clock)).unwrap();
    device.server.publish(three(&old, &new)[..2].to_vec());
    for _ in 0..96 {
        assert_eq!(device.sequence(), None);
        daemon.step().await;
    }
    daemon.step().await;
    assert_eq!(device.sequence(), Some(2));
    assert_eq!(device.server.calls("/v1/renew"), 0);
    assert_eq!(std::fs::read_to_string(device.dir.join("announced")).unwrap(), "0001 0002\n");
}

#[tokio::test]
async fn another_ca_by_force_takes_the_roots_of_the_first_with_it() {
    let device = Device::enrolled().await;
    let (old, new) = (device.server.ca(), Ca::between("New", -1, 20));
    device.server.publish(three(&old, &new)[..2].to_vec());
    device.renew().await.unwrap();
    assert_eq!(device.sequence(), Some(2));
    let other = Fake::of(Ca::between("Other", -1, 20)).await;
    let plan = crate::enroll::Plan { existing: crate::enroll::Existing::Replace, ..other.plan(2) };
    enroll(&device.dir, &plan, world(Clock::System)).await.unwrap();
    assert_eq!((device.sequence(), device.roots_pem()), (None, ders(&[&other.ca()])));
    assert!(!device.dir.join("bundle.pem").exists() && !device.dir.join("trust-0002").exists());
}

/// Bundles from a list.
struct Script {
    bundles: Vec<Vec<u8>>,
    fails_at: Option<u64>,
}

impl Script {
    fn of(bundles: Vec<Vec<u8>>) -> Script {
        Script { bundles, fails_at: None }
    }
}

impl Bundles for Script {
    async fn bundle(&mut self, sequence: u64) -> Result<Option<Vec<u8>>, ClientError> {
        if self.fails_at == Some(sequence) {
            return Err(ClientError::Timeout("the answer"));
        }
        Ok(self.bundles.get(sequence as usize - 1).cloned())
    }
}
