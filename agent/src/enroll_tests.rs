use signet_api::client::Clock;
use signet_pki::UnixTime;
use signet_pki::name::PrincipalKind;
use signet_pki::signer::Signer;

use super::*;
use crate::failure::Kind;
use crate::fake_server::{Behaviour, Ca, Fake, Forgery, Recorded, request, snapshot, token, world};

fn enrolled(outcome: Result<Outcome, Failure>) -> Generation {
    match outcome {
        Ok(Outcome::Enrolled(identity)) => identity,
        other => panic!("{other:?}"),
    }
}

async fn try_it(dir: &tempfile::TempDir, plan: &Plan) -> Result<Outcome, Failure> {
    enroll(&dir.path().join("signet"), plan, world(Clock::System)).await
}

#[tokio::test]
async fn a_token_becomes_an_identity_that_is_used_once() {
    let (server, dir) = (Fake::start().await, tempfile::tempdir().unwrap());
    let identity = enrolled(try_it(&dir, &server.plan(1)).await);
    assert_eq!(identity.state.device.as_str(), "sensor-1");
    assert_eq!(identity.pin(), server.ca().pin());
    let last = server.log().pop().unwrap();
    assert_eq!(last, format!("GET /v1/whoami as sensor-1/{}", identity.state.serial));
    assert!(server.bodies().contains("\"serial_number\":\"SN-1\""));
    let names: Vec<String> = snapshot(&dir.path().join("signet")).into_iter().map(|(name, _)| name).collect();
    assert!(!names.iter().any(|n| n.starts_with("request-")), "{names:?}");
}

#[tokio::test]
async fn a_valid_identity_of_this_server_is_left_alone_unless_forced() {
    let (server, dir) = (Fake::start().await, tempfile::tempdir().unwrap());
    let first = enrolled(try_it(&dir, &server.plan(1)).await);
    let (before, calls) = (snapshot(&dir.path().join("signet")), server.log().len());
    assert!(matches!(try_it(&dir, &server.plan(2)).await, Ok(Outcome::AlreadyThere(_))));
    assert_eq!((snapshot(&dir.path().join("signet")), server.log().len()), (before, calls));
    let forced = Plan { existing: Existing::Replace, ..server.plan(2) };
    let second = enrolled(try_it(&dir, &forced).await);
    assert_ne!(first.key().public_key(), second.key().public_key());
}

#[tokio::test]
async fn an_identity_of_another_server_is_not_replaced() {
    let (one, two, dir) = (Fake::start().await, Fake::start().await, tempfile::tempdir().unwrap());
    enrolled(try_it(&dir, &one.plan(1)).await);
    let failure = try_it(&dir, &two.plan(1)).await.unwrap_err();
    assert!(failure.kind == Kind::Refused && failure.hint.unwrap().contains("--force"));
    assert!(two.log().is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let (server, dir) = (Fake::start().await, tempfile::tempdir().unwrap());
    server.script([Behaviour::LoseAnswer]);
    let hasty = Plan { wait: Duration::ZERO, ..server.plan(1) };
    let failure = try_it(&dir, &hasty).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Internal);
    // Another process, later: the key on the disk is all that it knows.
    let identity = enrolled(try_it(&dir, &hasty).await);
    assert_eq!(server.calls("/v1/enroll"), 2);
    assert_eq!(identity.state.device.as_str(), "sensor-1");
}

#[tokio::test]
async fn a_lost_answer_is_retried_within_one_run_too() {
    let (server, dir) = (Fake::start().await, tempfile::tempdir().unwrap());
    server.script([Behaviour::LoseAnswer, Behaviour::Refuse(ErrorCode::Busy, Some(2))]);
    enrolled(try_it(&dir, &server.plan(1)).await);
    assert_eq!(server.calls("/v1/enroll"), 3);
}

#[tokio::test]
async fn the_server_decides_how_long_to_wait() {
    let server = Fake::start().await;
    let mut pause = Recorded::default();
    server.script([Behaviour::Refuse(ErrorCode::TooManyRequests, Some(4)), Behaviour::Pend(3)]);
    let dir = tempfile::tempdir().unwrap();
    struct Lent<'a>(&'a mut Recorded);
    impl Pause for Lent<'_> {
        async fn wait(&mut self, how_long: Duration, why: &str) {
            self.0.wait(how_long, why).await;
        }
        async fn sleep(&mut self, how_long: Duration) {
            self.0.sleep(how_long).await;
        }
        fn jitter(&mut self) -> f64 {
            0.0
        }
    }
    let world = World { clock: Clock::System, pause: Lent(&mut pause) };
    enrolled(enroll(&dir.path().join("signet"), &server.plan(1), world).await);
    assert_eq!(pause.waits, [Duration::from_secs(4), Duration::from_secs(3)]);
}

#[tokio::test]
async fn an_enrollment_that_waits_for_approval_says_what_to_do() {
    let (server, dir) = (Fake::start().await, tempfile::tempdir().unwrap());
    server.script([Behaviour::Pend(60), Behaviour::Pend(60)]);
    let failure = try_it(&dir, &server.plan(1)).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Refused);
    assert!(failure.hint.unwrap().contains("ca device approve sensor-1"));
    enrolled(try_it(&dir, &server.plan(1)).await);
}

#[tokio::test]
async fn refusals_are_told_in_the_servers_words_with_the_request_id() {
    for code in [ErrorCode::TokenBoundToOtherKey, ErrorCode::TokenExpired, ErrorCode::TokenConstraint] {
        let (server, dir) = (Fake::start().await, tempfile::tempdir().unwrap());
        server.script([Behaviour::Refuse(code, None)]);
        let failure = try_it(&dir, &server.plan(1)).await.unwrap_err();
        assert_eq!((failure.kind, failure.message.as_str()), (Kind::Refused, code.sentence()));
        let hint = failure.hint.unwrap();
        assert!(hint.contains(code.hint()) && hint.contains("req-7"), "{hint}");
        assert_eq!(server.calls("/v1/enroll"), 1, "a refusal is not tried again");
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_is_not_installed() {
    for forgery in
        [Forgery::OtherKey, Forgery::OtherDevice, Forgery::OtherAuthority, Forgery::WrongSerial, Forgery::Expired]
    {
        let (server, dir) = (Fake::start().await, tempfile::tempdir().unwrap());
        server.script([Behaviour::Forge(forgery)]);
        let failure = try_it(&dir, &server.plan(1)).await.unwrap_err();
        assert!(failure.message.contains("not usable"), "{forgery:?}: {failure:?}");
        assert!(!dir.path().join("signet/device.pem").exists());
        assert_eq!(server.calls("/v1/whoami"), 0);
    }
}

#[tokio::test]
async fn t18_a_server_with_another_root_gets_neither_token_nor_request() {
    let (server, dir) = (Fake::start().await, tempfile::tempdir().unwrap());
    let plan = Plan { pin: Ca::new().pin(), ..server.plan(1) };
    let failure = try_it(&dir, &plan).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Refused);
    assert_eq!(server.log(), ["GET /v1/trust/roots.pem"]);
    assert!(!server.bodies().contains("CERTIFICATE REQUEST"));
}

#[tokio::test]
async fn t17_a_device_whose_clock_says_1970_or_2106_enrolls() {
    for wrong in [UnixTime(0), UnixTime(i64::from(u32::MAX))] {
        let (server, dir) = (Fake::start().await, tempfile::tempdir().unwrap());
        let path = dir.path().join("signet");
        enrolled(enroll(&path, &server.plan(1), world(Clock::Fixed(wrong))).await);
        assert_eq!(server.calls("/v1/whoami"), 1, "the new identity works with the same clock");
        let again = enroll(&path, &server.plan(1), world(Clock::Fixed(wrong))).await;
        assert!(matches!(again, Ok(Outcome::AlreadyThere(_))));
    }
}

#[tokio::test]
async fn t17_with_a_clock_of_1970_an_expired_certificate_is_still_not_installed() {
    let (server, dir) = (Fake::start().await, tempfile::tempdir().unwrap());
    server.script([Behaviour::Forge(Forgery::Expired)]);
    let outcome = enroll(&dir.path().join("signet"), &server.plan(1), world(Clock::Fixed(UnixTime(0)))).await;
    assert!(outcome.unwrap_err().message.contains("is valid from"));
}

#[tokio::test]
async fn an_expired_identity_is_replaced_without_force() {
    let (server, dir) = (Fake::start().await, tempfile::tempdir().unwrap());
    let path = dir.path().join("signet");
    let plan = server.plan(1);
    {
        let store = Store::open(&path, Absent::Create).unwrap();
        let old = token(9);
        let slot = Request::Enroll(old.id());
        let (key, _) = store.request_key(&slot, KeyKind::P256).unwrap();
        let long_ago = Clock::System.read().minus(3 * 86_400);
        let issued = server.ca().issue(request(&key), "sensor-1", PrincipalKind::Device, long_ago);
        let roots = vec![server.ca().root.der().to_vec()];
        let expected = Expectation { server: &plan.server, key: &key, roots, now: None, device: None };
        store.install(&accept(&issued, &expected).unwrap(), &slot).unwrap();
    }
    let new = enrolled(enroll(&path, &plan, world(Clock::System)).await);
    assert_eq!(new.number, 2);
    assert!(!path.join("gen-0001").exists());
}

#[tokio::test]
async fn nobody_listening_is_unreachable_and_keeps_the_key_for_the_retry() {
    let (server, dir) = (Fake::start().await, tempfile::tempdir().unwrap());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let plan = Plan { server: format!("https://localhost:{port}"), ..server.plan(1) };
    let failure = try_it(&dir, &plan).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Internal);
    let name = format!("signet/request-{}.key", token(1).id());
    assert!(dir.path().join(name).exists());
}

#[tokio::test]
async fn t26_no_message_and_no_file_holds_the_token() {
    let (server, dir) = (Fake::start().await, tempfile::tempdir().unwrap());
    let plan = server.plan(1);
    server.script([Behaviour::Refuse(ErrorCode::TokenInvalid, None)]);
    let failure = try_it(&dir, &plan).await.unwrap_err();
    enrolled(try_it(&dir, &plan).await);
    let secret = plan.token.expose()[15..].to_owned();
    assert!(!format!("{failure:?} {plan:?}").contains(&secret));
    for (name, bytes) in snapshot(dir.path()) {
        assert!(!String::from_utf8_lossy(&bytes).contains(&secret), "{name}");
    }
}
