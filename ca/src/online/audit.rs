//! `ca audit` and `ca why`: who did what.

use clap::{Args, Subcommand};
use signet_api::admin::{AuditEntry, AuditQuery, Page, WhyReport};

use crate::failure::Failure;
use crate::online::audit_search::Search;
use crate::online::audit_verify::Verify;
use crate::online::context::At;
use crate::online::print;
use crate::online::service::{self, Service};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    Tail(Tail),
    Verify(Verify),
    Export(Export),
    Search(Search),
}

impl AuditCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            AuditCommand::Tail(command) => command.run(at),
            AuditCommand::Verify(command) => command.run(at),
            AuditCommand::Export(command) => command.run(&at.open()?),
            AuditCommand::Search(command) => command.run(),
        }
    }
}

/// Show the newest entries, or those after a sequence number
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca audit tail -n 50 --kind alarm. --subject sensor-17")]
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
    /// Only entries whose kind begins so: alarm. for alarms, device. for changes of devices
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only what this actor did, admin:alice for example
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Tail {
    fn run(self, at: &At) -> Result<(), Failure> {
        let query = AuditQuery {
            after: self.after,
            limit: Some(self.count),
            subject: self.subject,
            kind: self.kind,
            actor: self.actor,
        };
        let page: Page<AuditEntry> = service::ask(&at.open()?, AUDIT, &query)?;
        service::note_damaged(&page.damaged);
        if self.json { print::json(&page) } else { print::data(&table(&page.items)) }
    }
}

/// Print what is in the database as it was hashed, one entry to a line; older entries stand in the archive
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca audit export --after 120000 > audit.jsonl")]
pub(crate) struct Export {
    /// Only what comes after this sequence number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    after: u64,
}

impl Export {
    fn run(&self, service: &dyn Service) -> Result<(), Failure> {
        let mut after = self.after;
        loop {
            let query = AuditQuery { after: Some(after), limit: Some(PAGE), ..AuditQuery::default() };
            let page: Page<AuditEntry> = service::ask(service, AUDIT, &query)?;
            let lines = page.items.iter().map(|entry| format!("{}\n", entry.canonical));
            print::data(&lines.collect::<String>())?;
            service::note_damaged(&page.damaged);
            match page.items.last().map(|entry| entry.sequence) {
                Some(last) if page.next.is_some() && last > after => after = last,
                Some(last) if page.next.is_some() => {
                    return Err(Failure::internal(format!("the service's paging does not move on from {last}")));
                }
                _ => return Ok(()),
            }
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
                .hint("refusals are remembered for a while only; what became old is found with: ca audit search"));
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

pub(super) const AUDIT: &str = "/v1/admin/audit";
/// The service's own limit for one page.
pub(super) const PAGE: u32 = 1000;

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
