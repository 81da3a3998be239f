//! `ca audit` and `ca why`: who did what, and whether the record of it is whole.

use clap::{Args, Subcommand};
use serde::Serialize;
use signet_api::admin::{AuditEntry, AuditQuery, AuditVerdict, Page, WhyReport};

use crate::failure::Failure;
use crate::online::audit_chain::ChainCheck;
use crate::online::context::At;
use crate::online::print;
use crate::online::service::{self, Service};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    Tail(Tail),
    Verify(Verify),
}

impl AuditCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            AuditCommand::Tail(command) => command.run(at),
            AuditCommand::Verify(command) => command.verify(&at.open()?),
        }
    }
}

/// Show the newest entries, or those after a sequence number
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca audit tail -n 50 --subject sensor-17")]
pub(crate) struct Tail {
    /// How many
    #[arg(short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: u32,
    /// The first ones after this sequence number
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// Only entries about this device, token or certificate
    #[arg(long, value_name = "S")]
    subject: Option<String>,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Tail {
    fn run(self, at: &At) -> Result<(), Failure> {
        let query = AuditQuery { after: self.after, limit: Some(self.count), subject: self.subject };
        let page: Page<AuditEntry> = service::ask(&at.open()?, AUDIT, &query)?;
        if self.json { print::json(&page) } else { print::data(&table(&page.items)) }
    }
}

/// Check the whole log: the service's own check, and every hash again here
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca audit verify")]
pub(crate) struct Verify {
    #[arg(long)]
    json: bool,
}

/// What `ca audit verify --json` prints.
#[derive(Debug, Serialize)]
struct Verification<'a> {
    service: &'a AuditVerdict,
    /// Entries that were checked here.
    checked: u64,
    intact: bool,
    problem: Option<String>,
    /// Hash of the newest leaf that was checked here.
    head: &'a str,
}

impl Verify {
    fn verify(&self, service: &dyn Service) -> Result<(), Failure> {
        // Asked first, so that the walk must reach what the service claims now.
        let verdict: AuditVerdict = service::get(service, "/v1/admin/audit/verify")?;
        let mut check = ChainCheck::up_to(verdict.entries, &verdict.head);
        let mut problem = walk(service, &mut check)?;
        if problem.is_none() && !verdict.intact {
            let at = print::or_dash(verdict.broken_at);
            problem = Some(format!("the service itself says that entry {at} does not fit"));
        }
        let intact = problem.is_none();
        if self.json {
            let (checked, head) = (check.entries(), check.head());
            print::json(&Verification { service: &verdict, checked, intact, problem: problem.clone(), head })?;
        } else if intact {
            print::data(&format!("intact  {} entries  head {}\n", check.entries(), check.head()))?;
            print::note(
                "keep the head elsewhere: a log that was rewritten as a whole can only be told by an older head",
            );
        }
        match problem {
            None => Ok(()),
            Some(problem) => Err(Failure::refused(format!("the audit log is not intact: {problem}"))
                .hint("keep a copy of the database as it is now, and compare it with a backup")),
        }
    }
}

/// Pages through the log from its beginning. The first thing that is wrong ends the walk.
fn walk(service: &dyn Service, check: &mut ChainCheck) -> Result<Option<String>, Failure> {
    loop {
        let query = AuditQuery { after: Some(check.entries()), limit: Some(PAGE), subject: None };
        let page: Page<AuditEntry> = service::ask(service, AUDIT, &query)?;
        if let Some(problem) = page.items.iter().find_map(|entry| check.push(entry).err()) {
            return Ok(Some(problem));
        }
        // Every entry that was taken moved the sequence on, so this ends.
        if page.items.is_empty() || page.next.is_none() {
            return Ok(check.finish().err());
        }
    }
}

/// Tell why a request was refused, by the request id that the caller got
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca why req-fm611mlbx5zpf2du")]
pub(crate) struct Why {
    #[command(flatten)]
    at: At,
    #[arg(value_name = "REQUEST_ID")]
    request_id: String,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Why {
    pub(super) fn run(self) -> Result<(), Failure> {
        let path = format!("/v1/admin/why/{}", service::escape(&self.request_id));
        let report: WhyReport = service::get(&self.at.open()?, &path)?;
        if self.json {
            return print::json(&report);
        }
        if report.refusal.is_none() && report.entries.is_empty() {
            return Err(Failure::refused("nothing is known about this request")
                .hint("refusals are remembered for a while only; the service's log has more"));
        }
        print::data(&explanation(&report))
    }
}

fn explanation(report: &WhyReport) -> String {
    let mut text = String::new();
    if let Some(r) = &report.refusal {
        text += &print::fields(&[
            ("cause", r.cause.clone()),
            ("told", r.told.clone()),
            ("code", format!("{} ({})", r.code.as_str(), r.status)),
            ("request", format!("{} {}", r.method, r.path)),
            ("from", r.remote.clone()),
            ("at", r.at.clone()),
        ]);
    }
    if !report.entries.is_empty() {
        text += if text.is_empty() { "" } else { "\n" };
        text += &table(&report.entries);
    }
    text
}

fn table(entries: &[AuditEntry]) -> String {
    let row = |e: &AuditEntry| {
        let detail = if e.detail.is_null() { "-".into() } else { e.detail.to_string() };
        vec![e.sequence.to_string(), e.at.clone(), e.kind.clone(), e.actor.clone(), e.subject.clone(), detail]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    print::table(&["seq", "at", "kind", "actor", "subject", "detail"], &rows)
}

const AUDIT: &str = "/v1/admin/audit";
/// The service's own limit for one page.
const PAGE: u32 = 1000;

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
