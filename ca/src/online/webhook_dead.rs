//! `ca webhook dead`: deliveries that were given up.

use clap::{Args, Subcommand};
use signet_api::CredentialId;
use signet_api::webhooks::{DeadAction, DeadChanged, DeadLetter, DeadOrder, DeadQuery};

use crate::failure::Failure;
use crate::online::consent::Consent;
use crate::online::context::At;
use crate::online::print;
use crate::online::service::{self, Paging};

#[derive(Debug, Subcommand)]
pub(crate) enum DeadCommand {
    List(List),
    /// Put them back into the queue
    #[command(
        after_help = "Examples:\n  ca webhook dead redeliver 412\n  ca webhook dead redeliver --webhook 4f7k2m9qpz"
    )]
    Redeliver(Which),
    /// Remove them for good
    #[command(after_help = "Examples:\n  ca webhook dead drop 412\n  ca webhook dead drop --webhook 4f7k2m9qpz")]
    Drop(Drop),
}

impl DeadCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            DeadCommand::List(command) => command.run(at),
            DeadCommand::Redeliver(which) => which.act(at, DeadAction::Redeliver),
            DeadCommand::Drop(drop) => drop.run(at),
        }
    }
}

/// List what was given up, the oldest first; --json has the bodies
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca webhook dead list --webhook 4f7k2m9qpz --json")]
pub(crate) struct List {
    /// Of this endpoint alone
    #[arg(long, value_name = "ID", value_parser = CredentialId::parse)]
    webhook: Option<CredentialId>,
    #[command(flatten)]
    paging: Paging,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    fn run(self, at: &At) -> Result<(), Failure> {
        let context = at.open()?;
        let page = service::pages::<DeadLetter>(self.paging, |after, limit| {
            let query = DeadQuery { webhook: self.webhook.clone(), after, limit };
            service::ask(&context, PATH, &query)
        })?;
        service::show_page(&page, self.json, table)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// From 'ca webhook dead list'
    #[arg(required_unless_present = "webhook", conflicts_with = "webhook")]
    id: Option<u64>,
    /// All of this endpoint
    #[arg(long, value_name = "ID", value_parser = CredentialId::parse)]
    webhook: Option<CredentialId>,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Drop {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    consent: Consent,
}

impl Drop {
    fn run(self, at: &At) -> Result<(), Failure> {
        self.consent.confirm("these deliveries are removed, and their receivers are never told", "Remove them?")?;
        self.which.act(at, DeadAction::Drop)
    }
}

impl Which {
    fn act(self, at: &At, action: DeadAction) -> Result<(), Failure> {
        let order = DeadOrder { action, id: self.id, webhook: self.webhook };
        let changed: DeadChanged = service::post(&at.open()?, PATH, &order)?;
        if self.json {
            return print::json(&changed);
        }
        let what = match action {
            DeadAction::Redeliver => "are delivered again",
            DeadAction::Drop => "are removed",
        };
        print::note(format!("{} {what}", changed.changed));
        Ok(())
    }
}

fn table(letters: &[DeadLetter]) -> String {
    let row = |d: &DeadLetter| {
        vec![
            d.id.to_string(),
            d.webhook.to_string(),
            d.message.clone(),
            d.event.clone(),
            d.died_at.clone(),
            d.attempts.to_string(),
            d.error.clone(),
        ]
    };
    let rows: Vec<_> = letters.iter().map(row).collect();
    print::table(&["id", "webhook", "message", "event", "given up", "attempts", "error"], &rows)
}

const PATH: &str = "/v1/admin/dead-letters";
