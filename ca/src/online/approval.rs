//! `ca approval`: what waits for a second administrator.

use std::io::{BufRead, IsTerminal, Write};

use clap::{Args, Subcommand};
use signet_api::approvals::{ApprovalAction, ApprovalDecision, ApprovalInfo};

use crate::failure::Failure;
use crate::online::context::At;
use crate::online::print;
use crate::online::service::{self, Service, escape};

#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalCommand {
    List(List),
    Show(Show),
    Approve(Approve),
    Deny(Deny),
}

impl ApprovalCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        let context = at.open()?;
        match self {
            ApprovalCommand::List(command) => command.run(&context),
            ApprovalCommand::Show(command) => command.run(&context),
            ApprovalCommand::Approve(command) => command.run(&context),
            ApprovalCommand::Deny(command) => command.run(&context),
        }
    }
}

/// List what waits for another administrator
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca approval list")]
pub(crate) struct List {
    /// Decided ones as well
    #[arg(long)]
    all: bool,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let path = if self.all { "/v1/admin/approvals?all=true" } else { "/v1/admin/approvals" };
        let approvals: Vec<ApprovalInfo> = service::get(service, path)?;
        if self.json {
            return print::json(&approvals);
        }
        let row = |a: &ApprovalInfo| {
            vec![a.id.clone(), a.status.clone(), a.requested_by.clone(), a.expires_at.clone(), a.summary.clone()]
        };
        let rows: Vec<_> = approvals.iter().map(row).collect();
        print::data(&print::table(&["id", "status", "by", "until", "what"], &rows))
    }
}

/// Show a request as it would be carried out
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca approval show ap-0123456789ab")]
pub(crate) struct Show {
    id: String,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let found = find(service, &self.id)?;
        if self.json { print::json(&found) } else { print::data(&described(&found)?) }
    }
}

/// Agree to a request of another administrator, who then sends it again
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca approval approve ap-0123456789ab")]
pub(crate) struct Approve {
    id: String,
    /// Stands in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Approve {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let found = find(service, &self.id)?;
        if !self.yes {
            if !std::io::stdin().is_terminal() {
                return Err(Failure::usage("nobody is there to be asked")
                    .hint("read it with 'ca approval show', then use --yes"));
            }
            confirm(&described(&found)?)?;
        }
        // The digest of what was shown: another request under this id is refused.
        let decided = decide(service, &found, ApprovalAction::Approve, self.reason)?;
        print::note(format!("approved; {} sends the request again until {}", decided.requested_by, decided.expires_at));
        Ok(())
    }
}

/// Refuse a request, or take your own back
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca approval deny ap-0123456789ab --reason unplanned")]
pub(crate) struct Deny {
    id: String,
    /// Who asked reads it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Deny {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let found = find(service, &self.id)?;
        decide(service, &found, ApprovalAction::Deny, self.reason)?;
        print::note(format!("{} is denied", found.id));
        Ok(())
    }
}

fn find(service: &dyn Service, id: &str) -> Result<ApprovalInfo, Failure> {
    Ok(service::get(service, &format!("/v1/admin/approvals/{}", escape(id)))?)
}

fn decide(
    service: &dyn Service,
    found: &ApprovalInfo,
    action: ApprovalAction,
    reason: Option<String>,
) -> Result<ApprovalInfo, Failure> {
    let decision = ApprovalDecision { action, digest: found.digest.clone(), reason };
    Ok(service::post(service, &format!("/v1/admin/approvals/{}", escape(&found.id)), &decision)?)
}

/// Shows it to the person and waits for a yes.
fn confirm(shown: &str) -> Result<(), Failure> {
    let mut stderr = std::io::stderr();
    let _ = write!(stderr, "{shown}Approve this request? [y/N] ");
    let _ = stderr.flush();
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(Failure::internal)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::refused("not approved")),
    }
}

fn described(found: &ApprovalInfo) -> Result<String, Failure> {
    let body = serde_json::to_string_pretty(&found.body).map_err(Failure::internal)?;
    let mut fields = vec![
        ("what", found.summary.clone()),
        ("id", found.id.clone()),
        ("status", found.status.clone()),
        ("by", format!("{} on {}", found.requested_by, found.requested_at)),
        ("until", found.expires_at.clone()),
        ("request", format!("POST {}", found.path)),
        ("digest", found.digest.clone()),
    ];
    if let (Some(by), Some(at)) = (&found.decided_by, &found.decided_at) {
        fields.push(("decided", format!("by {by} on {at}")));
    }
    if let Some(reason) = &found.reason {
        fields.push(("reason", reason.clone()));
    }
    let body: String = body.lines().map(|line| format!("  {}\n", print::visible(line))).collect();
    Ok(print::fields(&fields) + &body)
}
