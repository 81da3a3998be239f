//! SIGKILL under load, at moments that a seed chooses. `SIGNET_FAULT_ROUNDS` says how many, `SIGNET_FAULT_SEED` repeats.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::block_in_place;

use crate::auditor::{assert_clean, certificates_of, holds};
use crate::daemon::{Daemon, NO_RATES};
use crate::fleet::{Line, Member, Progress, enroll, members};
use crate::support::{Installation, TestKey};

/// SplitMix64: enough to choose moments.
pub(crate) struct Dice(u64);

impl Dice {
    /// Of the environment, or of the moment; said, so that a failure can be repeated.
    #[expect(clippy::disallowed_methods, reason = "the moments of a kill are the only thing here that chance decides")]
    pub(crate) fn thrown(test: &str) -> Dice {
        let moment =
            || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos().into();
        let seed = number("SIGNET_FAULT_SEED").unwrap_or_else(moment);
        println!("{test}: repeat with SIGNET_FAULT_SEED={seed}");
        Dice(seed)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

pub(crate) fn rounds() -> u64 {
    number("SIGNET_FAULT_ROUNDS").unwrap_or(3)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

/// How a process is brought down in the middle of its work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Killed,
    Terminated,
}

const FLEET: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn t04_a_killed_service_strands_nobody_and_doubles_nothing() {
    under_load("kill", End::Killed).await;
}

pub(crate) async fn under_load(test: &str, end: End) {
    let mut dice = Dice::thrown(test);
    let installation = Installation::new().await;
    installation.append_toml(NO_RATES);
    let root = installation.root();
    let mut daemon = block_in_place(|| Daemon::start(&installation));
    for round in 0..rounds() {
        let fleet = members(&daemon, &installation, &format!("{test}-{round}"), FLEET).await;
        let (place, seen) = watch::channel(Some(daemon.tls));
        let progress = Arc::new(Progress::default());
        let moment = dice.below(FLEET);
        let bring_down = async {
            progress.reaches(moment).await;
            place.send_replace(None);
            block_in_place(|| match end {
                End::Killed => daemon.kill(),
                End::Terminated => daemon.stop(),
            });
            let next = block_in_place(|| Daemon::start(&installation));
            place.send_replace(Some(next.tls));
            next
        };
        let (fleet, next) = tokio::join!(enroll(fleet, &root, seen.clone(), progress.clone()), bring_down);
        daemon = next;
        // Each once more, as after an answer that was lost.
        for member in enroll(fleet, &root, seen, progress).await {
            assert_one(&installation, &member, round);
        }
    }
    assert_clean(&installation);
    block_in_place(|| daemon.stop());
    assert_clean(&installation);
}

fn assert_one(installation: &Installation, member: &Member, round: u64) {
    let stored = certificates_of(&installation.database(), &member.name);
    assert_eq!(stored.len(), 1, "round {round}: {} has {} certificates", member.name, stored.len());
    for received in &member.received {
        assert!(*received == stored[0], "round {round}: {} was handed another certificate", member.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t04_a_hundred_racers_with_one_token_while_the_service_is_killed() {
    let mut dice = Dice::thrown("race");
    let installation = Installation::new().await;
    installation.append_toml(NO_RATES);
    let mut daemon = block_in_place(|| Daemon::start(&installation));
    for round in 0..rounds() {
        let name = format!("race-{round}");
        let one = members(&daemon, &installation, &name, 1).await.remove(0);
        let (place, seen) = watch::channel(Some(daemon.tls));
        let progress = Arc::new(Progress::default());
        let racers: Vec<_> = (0..100)
            .map(|_| {
                let mut line = Line::new(installation.root(), seen.clone());
                let member = Member {
                    name: one.name.clone(),
                    token: one.token.clone(),
                    key: TestKey::p256(),
                    received: Vec::new(),
                };
                let progress = progress.clone();
                tokio::spawn(async move { line.enroll(&member, &progress).await })
            })
            .collect();
        progress.reaches(dice.below(40)).await;
        place.send_replace(None);
        block_in_place(|| daemon.kill());
        daemon = block_in_place(|| Daemon::start(&installation));
        place.send_replace(Some(daemon.tls));
        let mut winners = Vec::new();
        for racer in racers {
            match racer.await.unwrap() {
                Ok(der) => winners.push(der),
                Err(code) => assert_eq!(code, signet_api::ErrorCode::TokenBoundToOtherKey, "round {round}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert!(holds(&installation.database(), &winners[0]));
        assert_eq!(certificates_of(&installation.database(), &one.name), winners, "round {round}");
    }
    block_in_place(|| daemon.stop());
    assert_clean(&installation);
}

#[tokio::test(flavor = "multi_thread")]
async fn t33_a_second_process_is_refused_and_the_first_goes_on() {
    let installation = Installation::new().await;
    let daemon = block_in_place(|| Daemon::start(&installation));
    let refusal = block_in_place(|| Daemon::refused(&installation));
    assert!(refusal.contains("in use by another process") && refusal.contains("hint:"), "{refusal}");
    let (_place, seen) = watch::channel(Some(daemon.tls));
    let fleet = members(&daemon, &installation, "second", 4).await;
    enroll(fleet, &installation.root(), seen, Arc::default()).await;
    // A killed process leaves no lock behind.
    block_in_place(|| daemon.kill());
    let next = block_in_place(|| Daemon::start(&installation));
    block_in_place(|| next.stop());
    assert_clean(&installation);
}
