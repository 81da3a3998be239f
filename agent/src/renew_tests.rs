use signet_api::client::Clock;
use signet_pki::signer::Signer;
use tempfile::TempDir;

use super::*;
use crate::enroll::enroll;
use crate::fake_server::{Behaviour, Fake, Forgery, snapshot, world};

struct Device {
    server: Fake,
    _temp: TempDir,
    dir: PathBuf,
}

impl Device {
    async fn enrolled() -> Device {
        let (server, temp) = (Fake::start().await, tempfile::tempdir().unwrap());
        let dir = temp.path().join("signet");
        enroll(&dir, &server.plan(1), world(Clock::System)).await.unwrap();
        Device { server, _temp: temp, dir }
    }

    async fn renew(&self, when: When, clock: Clock) -> Result<Outcome, Failure> {
        renew(&self.dir, when, Duration::ZERO, &mut world(clock)).await
    }

    fn current(&self) -> Generation {
        Store::peek(&self.dir).unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_renewal_brings_a_new_key_and_is_seen_by_the_server_before_the_old_one_goes() {
    let device = Device::enrolled().await;
    let old = device.current();
    let Ok(Outcome::Renewed(new)) = device.renew(When::Now, Clock::System).await else { panic!() };
    assert_ne!(new.key().public_key(), old.key().public_key());
    assert_eq!(new.state.device, old.state.device);
    let log = device.server.log();
    assert_eq!(log[log.len() - 2], format!("POST /v1/renew as sensor-1/{}", old.state.serial));
    assert_eq!(log[log.len() - 1], format!("GET /v1/whoami as sensor-1/{}", new.state.serial));
    assert!(!device.dir.join("gen-0001").exists() && device.dir.join("gen-0002").exists());
}

#[tokio::test]
async fn a_renewal_that_is_not_due_does_nothing() {
    let device = Device::enrolled().await;
    let (before, calls) = (snapshot(&device.dir), device.server.log().len());
    assert!(matches!(device.renew(When::Due, Clock::System).await, Ok(Outcome::NotDue(_))));
    assert_eq!((snapshot(&device.dir), device.server.log().len()), (before, calls));
    let later = Clock::Fixed(device.current().renew_after());
    assert!(matches!(device.renew(When::Due, later).await, Ok(Outcome::Renewed(_))));
}

#[tokio::test]
async fn t17_with_a_clock_of_1970_the_servers_time_decides_whether_it_is_due() {
    let device = Device::enrolled().await;
    let wrong = Clock::Fixed(UnixTime(0));
    assert!(matches!(device.renew(When::Due, wrong).await, Ok(Outcome::NotDue(_))));
    assert!(matches!(device.renew(When::Now, wrong).await, Ok(Outcome::Renewed(_))));
    // Make the stored time pass: what is due by the server's clock is renewed.
    let path = device.dir.join("gen-0002/state.json");
    let state = std::fs::read_to_string(&path).unwrap();
    let now = Clock::System.read().minus(60).to_string();
    std::fs::write(&path, state.replace(&device.current().state.renew_after, &now)).unwrap();
    assert!(matches!(device.renew(When::Due, wrong).await, Ok(Outcome::Renewed(_))));
}

#[tokio::test]
async fn a_lost_answer_does_not_lock_the_device_out() {
    let device = Device::enrolled().await;
    let old = device.current();
    device.server.script([Behaviour::LoseAnswer]);
    assert!(device.renew(When::Now, Clock::System).await.is_err());
    assert_eq!(device.current().state.serial, old.state.serial, "the old identity stays in use");
    // This server certifies no key twice, and the lost answer had certified it.
    let Ok(Outcome::Renewed(new)) = device.renew(When::Now, Clock::System).await else { panic!() };
    assert_ne!(new.state.serial, old.state.serial);
    assert_eq!(device.server.calls("/v1/renew"), 3, "lost, refused for its key, granted");
}

#[tokio::test]
async fn the_old_generation_stays_until_the_server_has_seen_the_new_one() {
    let device = Device::enrolled().await;
    device.server.script([Behaviour::Serve, Behaviour::Refuse(signet_api::ErrorCode::StoreUnavailable, None)]);
    let Ok(Outcome::Renewed(new)) = device.renew(When::Now, Clock::System).await else { panic!() };
    assert!(device.dir.join("gen-0001").exists(), "not confirmed yet");
    assert_eq!(device.current().state.serial, new.state.serial);
    assert!(matches!(device.renew(When::Due, Clock::System).await, Ok(Outcome::NotDue(_))));
    assert!(!device.dir.join("gen-0001").exists(), "the next run confirms, although nothing is due");
}

#[tokio::test]
async fn a_renewal_for_another_device_or_key_is_not_installed() {
    for forgery in [Forgery::OtherDevice, Forgery::OtherKey, Forgery::OtherAuthority, Forgery::Expired] {
        let device = Device::enrolled().await;
        let old = device.current();
        device.server.script([Behaviour::Forge(forgery)]);
        let failure = device.renew(When::Now, Clock::System).await.unwrap_err();
        assert!(failure.message.contains("not usable"), "{failure:?}");
        assert_eq!(device.current().state.serial, old.state.serial);
    }
}

#[tokio::test]
async fn a_suspended_device_keeps_its_identity_and_hears_why() {
    let device = Device::enrolled().await;
    let before = device.current();
    device.server.script([Behaviour::Refuse(signet_api::ErrorCode::DeviceSuspended, None)]);
    let failure = device.renew(When::Now, Clock::System).await.unwrap_err();
    assert!(failure.message.contains("suspended") && failure.hint.unwrap().contains("ca device resume"));
    assert_eq!(device.current().state.serial, before.state.serial);
}

#[tokio::test]
async fn without_an_identity_there_is_nothing_to_renew() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("signet");
    let outcome = renew(&dir, When::Due, Duration::ZERO, &mut world(Clock::System)).await;
    assert!(outcome.unwrap_err().hint.unwrap().contains("enroll"));
    assert!(!dir.exists(), "nothing is made on the way");
}

#[tokio::test]
async fn the_announcement_names_the_stable_paths_and_the_next_renewal() {
    let device = Device::enrolled().await;
    let mut out = Vec::new();
    announce(&mut out, "renewed", &device.dir, &device.current()).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("renewed: sensor-1\n"));
    assert!(text.contains(&format!("renews after: {}", device.current().state.renew_after)));
    assert!(text.contains(&format!("key: {}/device.key", device.dir.display())));
}

#[tokio::test]
async fn a_device_that_was_off_too_long_recovers_with_its_old_key_and_shows_no_old_certificate() {
    let device = Device::enrolled().await;
    let old = device.current();
    let now = Clock::Fixed(device.server.pass(40 * 86_400));
    let Ok(Outcome::Renewed(new)) = device.renew(When::Due, now).await else { panic!() };
    assert_ne!(new.key().public_key(), old.key().public_key());
    assert_eq!(new.state.device, old.state.device);
    assert_eq!((device.server.calls("/v1/recover"), device.server.calls("/v1/renew")), (1, 0));
    assert!(device.server.log().contains(&"POST /v1/recover".to_owned()), "without a client certificate");
}

#[tokio::test]
async fn a_device_whose_issuer_was_stolen_recovers_before_its_certificate_ends() {
    let device = Device::enrolled().await;
    let old = device.current();
    device.server.script([Behaviour::Refuse(signet_api::ErrorCode::IssuerDistrusted, None)]);
    let Ok(Outcome::Renewed(new)) = device.renew(When::Now, Clock::System).await else { panic!() };
    assert_ne!(new.key().public_key(), old.key().public_key());
    assert_eq!((device.server.calls("/v1/renew"), device.server.calls("/v1/recover")), (1, 1));
    assert!(device.server.log().contains(&"POST /v1/recover".to_owned()), "without a client certificate");
}

#[tokio::test]
async fn a_refused_recovery_leaves_everything_as_it_was_and_says_whom_to_ask() {
    let device = Device::enrolled().await;
    let now = Clock::Fixed(device.server.pass(40 * 86_400));
    let before = device.current();
    device.server.script([Behaviour::Refuse(signet_api::ErrorCode::RecoveryExhausted, None)]);
    let failure = device.renew(When::Due, now).await.unwrap_err();
    assert!(failure.hint.unwrap().contains("ca device allow-recovery"));
    assert_eq!(device.current().state.serial, before.state.serial);
    device.server.script([Behaviour::LoseAnswer]);
    assert!(device.renew(When::Due, now).await.is_err(), "lost");
    assert!(matches!(device.renew(When::Due, now).await, Ok(Outcome::Renewed(_))));
}
