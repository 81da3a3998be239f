//! `signet-agent run`: renews for as long as it lives. Killing it is harmless at any moment (see [`crate::store`]).

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use clap::Args;
use signet_keys::files::{self, Mode};
use signet_pki::UnixTime;

use crate::failure::Failure;
use crate::lists::Lists;
use crate::register::keep_registered;
use crate::renew::{self, When, renew};
use crate::schedule::{Last, Situation, Step, next_step};
use crate::store::{Absent, Generation, Store, StoreError};
use crate::world::{Pause, RealPause, World};

/// Keep this device's certificate fresh: renew when the server wants it, again and again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  signet-agent run --dir /var/lib/signet --exec /usr/local/bin/reload-nginx")]
pub(crate) struct Run {
    /// Where the identity is kept
    #[arg(long)]
    dir: PathBuf,
    /// Program to run, with the directory as its argument, after each change of the files; at most a minute
    #[arg(long, value_name = "PROGRAM")]
    exec: Option<PathBuf>,
    #[command(flatten)]
    lists: Lists,
}

/// The loop, one step at a time.
pub(crate) struct Daemon<P> {
    dir: PathBuf,
    exec: Option<PathBuf>,
    world: World<P>,
    situation: Situation,
    /// Slept since somebody asked for newer trust bundles.
    since_look: Duration,
}

impl Run {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let world = || World { clock: Default::default(), pause: RealPause };
        let keeper = self.lists.keeper(&self.dir, world())?;
        let daemon = Daemon::start(self.dir, self.exec, world())?.for_ever();
        let never = match keeper {
            None => daemon.await,
            Some(keeper) => tokio::join!(daemon, keeper.for_ever()).0,
        };
        match never {}
    }
}

impl<P: Pause> Daemon<P> {
    /// Refuses to start without an identity: nothing would ever happen.
    pub(crate) fn start(dir: PathBuf, exec: Option<PathBuf>, world: World<P>) -> Result<Daemon<P>, Failure> {
        let identity = open_current(&dir)?;
        let situation = Situation { renew_after: identity.renew_after(), last: Last::None, waited: Duration::ZERO };
        Ok(Daemon { dir, exec, world, situation, since_look: Duration::ZERO })
    }

    async fn for_ever(mut self) -> Infallible {
        loop {
            self.step().await;
        }
    }

    pub(crate) async fn step(&mut self) -> Step {
        let step = next_step(&self.situation, self.world.plausible_now());
        match step {
            Step::Sleep(nap) => {
                self.world.pause.sleep(nap).await;
                self.situation.waited += nap;
                self.since_look += nap;
                if self.since_look >= LOOK {
                    self.since_look = Duration::ZERO;
                    self.look().await;
                }
            }
            Step::Try => {
                let outcome = self.attempt().await;
                self.situation = self.after(outcome);
            }
        }
        step
    }

    /// A renewal if due, then the program for whatever generation it has not run for yet.
    async fn attempt(&mut self) -> Result<UnixTime, Failure> {
        let identity = match renew(&self.dir, When::Due, Duration::ZERO, &mut self.world).await? {
            renew::Outcome::Renewed(identity) => {
                renew::announce(&mut std::io::stdout().lock(), "renewed", &self.dir, &identity)?;
                identity
            }
            renew::Outcome::NotDue(identity) => identity,
        };
        if let Some(program) = &self.exec {
            run_for(program, &self.dir, &identity).await?;
        }
        keep_registered(&self.dir, &identity, &mut self.world).await?;
        // The server has to see the new certificate before the old one goes, so that is due as well.
        let unsettled = Store::open(&self.dir, Absent::Refuse)?.is_unsettled()?;
        match unsettled {
            true => Err(Failure::internal("the server has not seen the new certificate yet")),
            false => Ok(identity.renew_after()),
        }
    }

    /// Between renewals that are weeks apart. A failure is told by the next renewal, if it is one then.
    async fn look(&mut self) {
        let looked = renew::look(&self.dir, &self.world).await;
        let changed = looked.and_then(|()| open_current(&self.dir));
        if let (Ok(identity), Some(program)) = (changed, &self.exec)
            && let Err(failure) = run_for(program, &self.dir, &identity).await
        {
            failure.print();
        }
    }

    fn after(&mut self, outcome: Result<UnixTime, Failure>) -> Situation {
        match outcome {
            Ok(renew_after) => Situation { renew_after, last: Last::Good, waited: Duration::ZERO },
            Err(failure) => {
                failure.print();
                let count = match self.situation.last {
                    Last::Failed { count, .. } => count.saturating_add(1),
                    Last::None | Last::Good => 1,
                };
                let last = Last::Failed { count, asked: failure.retry_after, jitter: self.world.pause.jitter() };
                // Due at once after the pause: what failed may be the program or the confirmation, not a renewal.
                Situation { renew_after: UnixTime(0), last, waited: Duration::ZERO }
            }
        }
    }
}

fn open_current(dir: &Path) -> Result<Generation, Failure> {
    let store = Store::open(dir, Absent::Refuse)?;
    Ok(store.current()?.ok_or_else(|| StoreError::Missing(dir.join("device.pem")))?)
}

/// Runs the program once for each generation; which one it ran for last is on the disk, so that a crash in between does
/// not lose a run.
async fn run_for(program: &Path, dir: &Path, identity: &Generation) -> Result<(), Failure> {
    let record = dir.join("announced");
    // The roots change files as well.
    let wanted = match identity.held() {
        Some(held) => format!("{:04} {:04}\n", identity.number, held.bundle().sequence()),
        None => format!("{:04}\n", identity.number),
    };
    if files::read_limited(&record, 64).is_ok_and(|done| done == wanted.as_bytes()) {
        return Ok(());
    }
    let failed =
        |why: String| Failure::internal(format!("{} {why}", program.display())).hint("It runs again after a pause");
    let child = Command::new(program).arg(dir).stdin(Stdio::null()).spawn();
    let mut child = child.map_err(|e| failed(format!("could not be started: {e}")))?;
    match wait(&mut child).await {
        Ok(Some(status)) if status.success() => {
            files::replace(&record, wanted.as_bytes(), Mode::Private).map_err(|e| StoreError::from(e).into())
        }
        Ok(Some(status)) => Err(failed(format!("failed ({status})"))),
        Ok(None) => Err(failed("took longer than a minute and was ended".into())),
        Err(e) => Err(failed(format!("could not be waited for: {e}"))),
    }
}

/// `None` when it had to be ended.
async fn wait(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    for _ in 0..MAX_POLLS {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        tokio::time::sleep(POLL).await;
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// A day: longer than most certificates wait for their renewal.
const LOOK: Duration = Duration::from_secs(24 * 3600);
const POLL: Duration = Duration::from_millis(50);
/// A minute.
const MAX_POLLS: u32 = 1200;

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
