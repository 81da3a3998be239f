//! `ca crl-sync`: keeps the files of a verifier fresh, once or for as long as it runs. Needs no administrator.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use signet_api::client::ClientError;
use signet_keys::random;
use signet_pki::ca::IssuerCert;
use signet_sync::{Options, Outcome, Plan, Problem, Remote, Report, Verdict, pause, round};
use tokio::runtime::Builder;

use crate::failure::Failure;
use crate::online::{admin_dir, context, print};

/// Keep a verifier's CRLs and CA certificates fresh: fetch, verify, replace, tell the services
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct CrlSync {
    /// The service: its https address, or the http one of its lists or of a mirror
    #[arg(long, value_name = "URL", required_unless_present = "admin_dir")]
    server: Option<String>,
    /// An administrator's directory, for its ca.toml and roots.pem; its key is not read
    #[arg(long, value_name = "DIR")]
    admin_dir: Option<PathBuf>,
    /// The root certificates to believe [default: roots.pem in --admin-dir]
    #[arg(long, value_name = "FILE", required_unless_present = "admin_dir")]
    roots: Option<PathBuf>,
    /// File for the CRLs of all CAs, PEM; FILE.state beside it remembers what was seen
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    options: Options,
    /// Do it again and again, about so many seconds apart
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=86_400))]
    watch: Option<u64>,
    /// Seconds that the server may take for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Print a report as JSON; with --watch one line each time
    #[arg(long)]
    json: bool,
}

/// Whom to ask, and for what.
struct Job {
    server: String,
    plan: Plan,
    timeout: Duration,
}

impl CrlSync {
    pub(super) fn run(self) -> Result<(), Failure> {
        let job = self.job()?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::internal)?;
        // An address that is none would never be reached.
        if let Err(error) = runtime.block_on(job.source()) {
            return Err(Failure::usage(&error).hint(error.hint()));
        }
        match self.watch {
            None => {
                let report = runtime.block_on(job.round());
                if self.json {
                    print::json(&report)?;
                }
                told(&report);
                outcome(&report)
            }
            Some(seconds) => runtime.block_on(job.watch(Duration::from_secs(seconds), self.json)),
        }
    }

    fn job(&self) -> Result<Job, Failure> {
        let inside = |name: &str| self.admin_dir.as_ref().map(|dir| dir.join(name));
        let roots = self.roots.clone().or_else(|| inside("roots.pem"));
        let roots = admin_dir::roots(&roots.ok_or_else(|| Failure::usage("--roots names the roots to believe"))?)?;
        let server = match (&self.server, inside("ca.toml")) {
            (Some(server), _) => server.clone(),
            (None, Some(settings)) => admin_dir::server(&settings)?,
            (None, None) => return Err(Failure::usage("--server names the service")),
        };
        let plan = Plan { out: self.out.clone(), options: self.options.clone(), roots: below_no_other(roots)? };
        Ok(Job { server, plan, timeout: Duration::from_secs(self.timeout) })
    }
}

impl Job {
    async fn round(&self) -> Report {
        round(&self.plan, self.source().await.map_err(Problem::from), context::now()).await
    }

    /// Nothing is sent yet.
    async fn source(&self) -> Result<Remote, ClientError> {
        Remote::open(&self.server, &self.plan.roots, self.timeout).await
    }

    /// Ends only when its output cannot be written.
    async fn watch(&self, interval: Duration, json: bool) -> Result<(), Failure> {
        let mut failures = 0u32;
        loop {
            let report = self.round().await;
            if json {
                print::data(&(serde_json::to_string(&report).map_err(Failure::internal)? + "\n"))?;
            }
            told(&report);
            if let Err(failure) = outcome(&report) {
                failure.print();
            }
            failures = if report.is_transient() { failures.saturating_add(1) } else { 0 };
            let drawn = random::bytes::<4>().map_or(u32::MAX / 2, u32::from_be_bytes);
            let jitter = f64::from(drawn) / f64::from(u32::MAX);
            tokio::time::sleep(pause(interval, failures, report.retry_after(), jitter)).await;
        }
    }
}

/// Without its key nobody is a root: a certificate that another one vouches for is pinned by mistake.
fn below_no_other(roots: Vec<IssuerCert>) -> Result<Vec<IssuerCert>, Failure> {
    match roots.iter().find(|root| !root.view().is_self_issued()) {
        None => Ok(roots),
        Some(one) => {
            let name = &one.view().subject_text;
            Err(Failure::refused(format!("{name} is not a root, and nothing can be pinned to it"))
                .hint("--roots takes the root certificates alone, as in roots.pem of an administrator's directory"))
        }
    }
}

/// What has changed, on stderr. Nothing when nothing has: cron sends mail about every word.
fn told(report: &Report) {
    for warning in &report.warnings {
        print::note(format!("warning: {warning}"));
    }
    if report.outcome == Outcome::Replaced {
        for list in &report.lists {
            print::note(format!("{}: number {}, good until {}", list.name, list.number, list.next_update));
        }
    }
}

fn outcome(report: &Report) -> Result<(), Failure> {
    let Some((message, hint)) = report.complaint() else { return Ok(()) };
    let failure = match report.verdict() {
        Verdict::Stale => Failure::stale,
        Verdict::Refused => Failure::refused,
        Verdict::Good | Verdict::Unreachable => Failure::internal,
    };
    Err(failure(print::visible(&message)).hint(print::visible(&hint)))
}

const HELP: &str = "\
An answer that is not complete, signed below the pinned roots, in force and newer leaves every file
as it is. Exit codes: 0 fresh or unchanged, 1 refused, 3 unreachable or a service could not be told,
4 what is held is stale (past its end, or older than --max-age), whatever else went wrong.

Example:
  ca crl-sync --server https://ca.example:8443 --roots roots.pem --out crl.pem --watch 60";
