//! The revocation lists for services on this machine, kept fresh beside the identity: what `ca crl-sync` does, below the
//! root that this device pinned at its enrollment.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use signet_pki::ca::IssuerCert;
use signet_sync::{Options, Outcome, Plan, Problem, Remote, Report, Verdict, pause, round};

use crate::failure::Failure;
use crate::store::{Store, StoreError};
use crate::world::{Pause, World};

#[derive(Debug, Args)]
#[command(next_help_heading = "CRLs for services on this machine")]
pub(crate) struct Lists {
    /// File for the CRLs of all CAs, PEM, kept fresh as 'ca crl-sync' does
    #[arg(long, value_name = "FILE")]
    crl_out: Option<PathBuf>,
    /// Seconds between two looks, about
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    crl_every: u64,
    #[command(flatten)]
    options: Options,
}

/// The loop, one round at a time. It shares nothing with the renewal: neither waits for the other.
pub(crate) struct Keeper<P> {
    dir: PathBuf,
    out: PathBuf,
    options: Options,
    interval: Duration,
    world: World<P>,
    failures: u32,
}

impl Lists {
    /// `None` when no lists are wanted.
    pub(crate) fn keeper<P: Pause>(self, dir: &Path, world: World<P>) -> Result<Option<Keeper<P>>, Failure> {
        match self.crl_out {
            None if self.options.is_empty() => Ok(None),
            None => Err(Failure::usage("the options for CRLs are of no use without --crl-out FILE")
                .hint("Name the file that the services read: signet-agent run --help")),
            Some(out) => Ok(Some(Keeper {
                dir: dir.to_owned(),
                out,
                options: self.options,
                interval: Duration::from_secs(self.crl_every),
                world,
                failures: 0,
            })),
        }
    }
}

impl<P: Pause> Keeper<P> {
    pub(crate) async fn for_ever(mut self) -> Infallible {
        loop {
            self.step().await;
        }
    }

    /// A round and the pause after it.
    async fn step(&mut self) {
        let asked = match self.round().await {
            Ok(report) => {
                tell(&report);
                self.failures = if report.is_transient() { self.failures.saturating_add(1) } else { 0 };
                report.retry_after()
            }
            Err(failure) => {
                failure.print();
                self.failures = self.failures.saturating_add(1);
                None
            }
        };
        let nap = pause(self.interval, self.failures, asked, self.world.pause.jitter());
        self.world.pause.sleep(nap).await;
    }

    /// Server and roots are read each time: a renewal may have changed them.
    async fn round(&self) -> Result<Report, Failure> {
        let now = self.world.plausible_now().ok_or_else(|| {
            Failure::internal("the CRLs wait: this machine's clock cannot be right").hint("Set the clock, by NTP")
        })?;
        let identity = Store::peek(&self.dir)?.ok_or_else(|| StoreError::Missing(self.dir.join("device.pem")))?;
        let roots: Result<Vec<IssuerCert>, _> =
            identity.trusted_roots().iter().map(|d| IssuerCert::from_der(d)).collect();
        let roots = roots.map_err(|e| {
            Failure::refused(format!("a trusted root cannot vouch for CRLs: {e}"))
                .hint("Enroll again with a new token: signet-agent enroll --force")
        })?;
        let plan = Plan { out: self.out.clone(), options: self.options.clone(), roots };
        let source = Remote::open(&identity.state.server, &plan.roots, PATIENCE).await.map_err(Problem::from);
        Ok(round(&plan, source, now).await)
    }
}

fn tell(report: &Report) {
    for warning in &report.warnings {
        eprintln!("signet-agent: warning: {warning}");
    }
    if report.outcome == Outcome::Replaced {
        for list in &report.lists {
            eprintln!("signet-agent: CRL of {}: number {}, good until {}", list.name, list.number, list.next_update);
        }
    }
    let Some((message, hint)) = report.complaint() else { return };
    let failure = match report.verdict() {
        Verdict::Refused => Failure::refused(message),
        Verdict::Good | Verdict::Stale | Verdict::Unreachable => Failure::internal(message),
    };
    failure.hint(hint).print();
}

/// For a whole answer: a large list over a slow line.
const PATIENCE: Duration = Duration::from_secs(120);

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
