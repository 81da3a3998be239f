use signet_api::ErrorCode;
use signet_api::client::Clock;
use signet_pki::UnixTime;
use tempfile::TempDir;

use super::*;
use crate::enroll::enroll;
use crate::fake_server::{Behaviour, Fake, Recorded, world};

async fn enrolled() -> (Fake, TempDir) {
    let (server, temp) = (Fake::start().await, tempfile::tempdir().unwrap());
    enroll(&temp.path().join("signet"), &server.plan(1), world(Clock::System)).await.unwrap();
    (server, temp)
}

fn keeper(temp: &TempDir, clock: Clock) -> Keeper<Recorded> {
    let options = Options { hook: Some(format!("echo >>{}/told", temp.path().display())), ..Options::default() };
    let lists = Lists { crl_out: Some(temp.path().join("crl.pem")), crl_every: 300, options };
    lists.keeper(&temp.path().join("signet"), world(clock)).unwrap().unwrap()
}

fn waited(keeper: &Keeper<Recorded>) -> Vec<u64> {
    keeper.world.pause.waits.iter().map(Duration::as_secs).collect()
}

#[tokio::test]
async fn the_lists_of_the_pinned_roots_chain_arrive_and_the_hook_runs_once() {
    let (server, temp) = enrolled().await;
    let mut keeper = keeper(&temp, Clock::System);
    for _ in 0..3 {
        keeper.step().await;
    }
    let read = |name: &str| std::fs::read_to_string(temp.path().join(name)).unwrap();
    assert_eq!(read("crl.pem"), server.ca().crls);
    assert_eq!(read("told").lines().count(), 1);
    assert_eq!(waited(&keeper), [330, 330, 330]);
    assert_eq!(server.calls("/v1/trust/crl.pem"), 3);
}

#[tokio::test]
async fn t48_a_busy_server_is_given_its_time_and_the_file_stays() {
    let (server, temp) = enrolled().await;
    let mut keeper = keeper(&temp, Clock::System);
    keeper.step().await;
    let busy = |after| Behaviour::Refuse(ErrorCode::Busy, after);
    server.script([busy(None), busy(None), busy(Some(100))]);
    for _ in 0..4 {
        keeper.step().await;
    }
    assert_eq!(waited(&keeper), [330, 5, 10, 125, 330]);
    assert_eq!(std::fs::read_to_string(temp.path().join("crl.pem")).unwrap(), server.ca().crls);
}

#[tokio::test]
async fn t17_nothing_is_judged_by_a_clock_that_cannot_be_right() {
    let (server, temp) = enrolled().await;
    let mut keeper = keeper(&temp, Clock::Fixed(UnixTime(0)));
    let at_enrollment = server.calls("/v1/trust");
    keeper.step().await;
    assert_eq!(server.calls("/v1/trust"), at_enrollment, "nothing was asked for since");
    assert!(!temp.path().join("crl.pem").exists());
    assert_eq!(waited(&keeper), [5]);
}

#[test]
fn options_without_the_file_are_wrong_usage_and_none_at_all_are_fine() {
    let lists = |options| Lists { crl_out: None, crl_every: 300, options };
    let dir = Path::new("signet");
    assert!(lists(Options::default()).keeper(dir, world(Clock::System)).unwrap().is_none());
    let lonely = Options { max_age: Some(60), ..Options::default() };
    let failure = lists(lonely).keeper(dir, world(Clock::System)).err().unwrap();
    assert!(failure.message.contains("--crl-out"), "{failure:?}");
}
