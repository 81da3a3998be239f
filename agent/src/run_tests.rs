use std::os::unix::fs::PermissionsExt;

use signet_api::ErrorCode;
use signet_api::client::Clock;
use tempfile::TempDir;

use super::*;
use crate::enroll::enroll;
use crate::fake_server::{Behaviour, Fake, Recorded, world};

async fn enrolled() -> (Fake, TempDir, PathBuf) {
    let (server, temp) = (Fake::start().await, tempfile::tempdir().unwrap());
    let dir = temp.path().join("signet");
    enroll(&dir, &server.plan(1), world(Clock::System)).await.unwrap();
    (server, temp, dir)
}

fn daemon(dir: &Path, exec: Option<PathBuf>, clock: Clock) -> Daemon<Recorded> {
    Daemon::start(dir.to_owned(), exec, world(clock)).unwrap()
}

fn program(temp: &TempDir, text: &str) -> PathBuf {
    let path = temp.path().join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
    path
}

#[tokio::test]
async fn it_looks_first_sleeps_in_naps_and_renews_when_due() {
    let (server, _temp, dir) = enrolled().await;
    let mut daemon = daemon(&dir, None, Clock::System);
    assert_eq!(daemon.step().await, Step::Try);
    assert_eq!(server.calls("/v1/renew"), 0);
    assert_eq!(daemon.step().await, Step::Sleep(Duration::from_secs(900)));
    daemon.world.clock = Clock::Fixed(daemon.situation.renew_after);
    assert_eq!(daemon.step().await, Step::Try);
    assert_eq!(server.calls("/v1/renew"), 1);
}

#[tokio::test]
async fn failures_are_spaced_out_until_the_server_is_back() {
    let (server, _temp, dir) = enrolled().await;
    let due = Store::peek(&dir).unwrap().unwrap().renew_after();
    let busy = Behaviour::Refuse(ErrorCode::Busy, None);
    let asked = Behaviour::Refuse(ErrorCode::Busy, Some(100));
    server.script([busy.clone(), busy.clone(), asked, busy]);
    let mut daemon = daemon(&dir, None, Clock::Fixed(due));
    for _ in 0..8 {
        daemon.step().await;
    }
    let naps: Vec<u64> = daemon.world.pause.waits.iter().map(Duration::as_secs).collect();
    assert_eq!(naps, [1, 2, 125, 8]);
    assert_eq!(daemon.step().await, Step::Try);
    assert_eq!(server.calls("/v1/renew"), 5);
    assert_eq!(daemon.situation.last, Last::Good);
}

#[tokio::test]
async fn an_unconfirmed_renewal_is_confirmed_soon_and_not_at_the_next_renewal() {
    let (server, _temp, dir) = enrolled().await;
    let due = Store::peek(&dir).unwrap().unwrap().renew_after();
    server.script([Behaviour::Serve, Behaviour::Refuse(ErrorCode::StoreUnavailable, None)]);
    let mut daemon = daemon(&dir, None, Clock::Fixed(due.minus(1)));
    daemon.world.clock = Clock::Fixed(due);
    daemon.step().await;
    assert!(dir.join("gen-0001").exists());
    daemon.world.clock = Clock::System;
    assert_eq!(daemon.step().await, Step::Sleep(Duration::from_secs(1)));
    daemon.step().await;
    assert!(!dir.join("gen-0001").exists());
    assert_eq!(daemon.situation.last, Last::Good);
}

#[tokio::test]
async fn the_program_runs_once_for_each_generation_with_the_directory_as_its_argument() {
    let (_server, temp, dir) = enrolled().await;
    let due = Store::peek(&dir).unwrap().unwrap().renew_after();
    let exec =
        program(&temp, &format!("cat \"$1/device.pem\" >/dev/null && echo \"$1\" >> {}/runs", temp.path().display()));
    let runs = || std::fs::read_to_string(temp.path().join("runs")).unwrap().lines().count();
    daemon(&dir, Some(exec.clone()), Clock::System).step().await;
    daemon(&dir, Some(exec.clone()), Clock::System).step().await;
    assert_eq!(runs(), 1, "also across restarts");
    daemon(&dir, Some(exec), Clock::Fixed(due)).step().await;
    assert_eq!(runs(), 2);
}

#[tokio::test]
async fn a_program_that_fails_is_run_again_and_the_identity_is_not_renewed_for_it() {
    let (server, temp, dir) = enrolled().await;
    let exec = program(&temp, &format!("test -e {}/ready", temp.path().display()));
    let mut daemon = daemon(&dir, Some(exec), Clock::System);
    daemon.step().await;
    assert!(matches!(daemon.situation.last, Last::Failed { count: 1, .. }));
    assert_eq!(daemon.step().await, Step::Sleep(Duration::from_secs(1)));
    std::fs::write(temp.path().join("ready"), "").unwrap();
    daemon.step().await;
    assert_eq!(daemon.situation.last, Last::Good);
    assert_eq!(server.calls("/v1/renew"), 0);
}

#[tokio::test]
async fn it_does_not_start_without_an_identity() {
    let temp = tempfile::tempdir().unwrap();
    let outcome = Daemon::start(temp.path().join("signet"), None, world(Clock::System));
    assert!(outcome.err().unwrap().hint.unwrap().contains("enroll"));
}
