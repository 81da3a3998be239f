//! `ca issuer list|activate|retire|distrust|rotate`: which issuer signs, and from one to the next.

use clap::{Args, Subcommand};
use signet_api::admin::{IssuerAction, IssuerChange, IssuerInfo};

use crate::failure::Failure;
use crate::online::consent::Consent;
use crate::online::context::At;
use crate::online::service::{self, Service};
use crate::online::{print, service::escape};

#[derive(Debug, Subcommand)]
pub(crate) enum IssuersCommand {
    List(List),
    Activate(Activate),
    Retire(Retire),
    Distrust(Distrust),
    Rotate(Rotate),
}

impl IssuersCommand {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            IssuersCommand::List(command) => command.run(),
            IssuersCommand::Activate(command) => command.run(),
            IssuersCommand::Retire(command) => command.run(),
            IssuersCommand::Distrust(command) => command.run(),
            IssuersCommand::Rotate(command) => command.run(),
        }
    }
}

/// List the issuers: stage, end, live certificates, and which key may be removed
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca issuer list")]
pub(crate) struct List {
    #[command(flatten)]
    at: At,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    fn run(self) -> Result<(), Failure> {
        let issuers = all(&self.at.open()?)?;
        if self.json { print::json(&issuers) } else { print::data(&table(&issuers)) }
    }
}

/// Let another issuer sign from now on; the one before retires
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca issuer activate 1b2c3d4e5f607182
  ca issuer activate 1b2c3d4e5f607182 --force --reason 'the old key is lost'")]
pub(crate) struct Activate {
    #[command(flatten)]
    at: At,
    /// Id of the issuer, from 'ca issuer list'
    id: String,
    /// Although verifiers or devices may not know it yet
    #[arg(long, requires = "reason")]
    force: bool,
    /// Stands in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Activate {
    fn run(self) -> Result<(), Failure> {
        let Activate { at, id, force, reason } = self;
        let issuers = step(&at.open()?, &id, &IssuerChange { action: IssuerAction::Activate, force, reason })?;
        print::data(&table(&issuers))?;
        print::note("renew your own certificate under it: ca renew");
        Ok(())
    }
}

/// Let an issuer sign no certificate any more; its lists go on until its last certificate is over
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca issuer retire 1b2c3d4e5f607182")]
pub(crate) struct Retire {
    #[command(flatten)]
    at: At,
    /// Id of the issuer, from 'ca issuer list'
    id: String,
    /// Stands in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    consent: Consent,
}

impl Retire {
    fn run(self) -> Result<(), Failure> {
        let effect = format!("issuer {}: it signs no certificate any more, for good", print::visible(&self.id));
        self.consent.confirm(&effect, "Retire it?")?;
        let change = IssuerChange { action: IssuerAction::Retire, force: false, reason: self.reason };
        print::data(&table(&step(&self.at.open()?, &self.id, &change)?))
    }
}

/// Somebody else has its key: refuse all of its certificates at once, for good
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca issuer distrust 1b2c3d4e5f607182 --reason 'the host was broken into'")]
pub(crate) struct Distrust {
    #[command(flatten)]
    at: At,
    /// Id of the issuer, from 'ca issuer list'
    id: String,
    /// Stands in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Although your own certificate ends with it
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    consent: Consent,
}

impl Distrust {
    fn run(self) -> Result<(), Failure> {
        let context = self.at.open()?;
        let issuer = find(&context, &self.id)?;
        let (id, subject, live) = (&issuer.id, &issuer.subject, issuer.live);
        let effect = format!("issuer {id}: {live} certificates of {subject} are refused from now on, for good");
        self.consent.confirm(&effect, "Distrust it?")?;
        let change = IssuerChange { action: IssuerAction::Distrust, force: self.force, reason: Some(self.reason) };
        let issuers = step(&context, &self.id, &change)?;
        print::data(&table(&issuers))?;
        print::note(emergency(&issuer, &issuers));
        Ok(())
    }
}

/// Say which step from one issuer to the next is due, with its command; changes nothing
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca issuer rotate")]
pub(crate) struct Rotate {
    #[command(flatten)]
    at: At,
}

impl Rotate {
    fn run(self) -> Result<(), Failure> {
        print::data(&next_step(&all(&self.at.open()?)?))
    }
}

fn all(service: &dyn Service) -> Result<Vec<IssuerInfo>, Failure> {
    Ok(service::get(service, PATH)?)
}

fn find(service: &dyn Service, id: &str) -> Result<IssuerInfo, Failure> {
    all(service)?.into_iter().find(|issuer| issuer.id == id).ok_or_else(|| {
        Failure::refused(format!("the service has no issuer {:?}", print::visible(id))).hint("see: ca issuer list")
    })
}

fn step(service: &dyn Service, id: &str, change: &IssuerChange) -> Result<Vec<IssuerInfo>, Failure> {
    find(service, id)?;
    Ok(service::post(service, &format!("{PATH}/{}", escape(id)), change)?)
}

fn table(issuers: &[IssuerInfo]) -> String {
    let row = |issuer: &IssuerInfo| {
        vec![
            print::visible(&issuer.id),
            print::visible(&issuer.subject),
            print::visible(&issuer.stage),
            print::visible(&issuer.not_after),
            issuer.live.to_string(),
            print::or_dash(issuer.last_not_after.as_deref().map(print::visible)),
            print::or_dash(issuer.crl_bytes),
            if issuer.removable { "may be removed" } else { "needed" }.to_owned(),
        ]
    };
    let rows: Vec<_> = issuers.iter().map(row).collect();
    print::table(&["id", "subject", "stage", "until", "live", "last certificate", "crl bytes", "key"], &rows)
}

fn emergency(issuer: &IssuerInfo, all: &[IssuerInfo]) -> String {
    let serial = print::visible(&issuer.serial);
    let mut text = String::from("this service refuses its certificates now; tell everybody else:\n");
    if !all.iter().any(|issuer| issuer.active) {
        text += "  0. no issuer signs: ca issuer activate ID, of one that is published\n";
    }
    text += &format!(
        "  1. on the offline machine: ca root crl --dir root --revoke {serial} --reason ca-compromise\n  \
         2. put the list in the place of issuer.root_crl; the service takes it over by itself\n  \
         3. verifiers get it with their next ca crl-sync; those that do not ask for the root's list need the new bundle.pem\n  \
         4. devices come back by /v1/recover with their old key (signet-agent does it by itself), or by a new token"
    );
    text
}

/// What to do next, in words and as a command.
fn next_step(issuers: &[IssuerInfo]) -> String {
    let in_stage = |stage: &str| issuers.iter().find(|issuer| issuer.stage == stage);
    let gone = issuers.iter().find(|issuer| issuer.removable);
    if let Some(next) = in_stage("published") {
        let id = print::visible(&next.id);
        return match &next.waits_for {
            Some(why) => format!("publish: {} is waiting. {}\n  ca issuer rotate\n", id, print::visible(why)),
            None => format!("activate: {id} may sign now\n  ca issuer activate {id}\n"),
        };
    }
    if let Some(over) = gone {
        let id = print::visible(&over.id);
        return format!(
            "remove: nothing depends on {id} any more; take its table and its key away, and restart\n  signetd check --config signet.toml\n"
        );
    }
    if let Some(old) = in_stage("retiring") {
        let end = print::or_dash(old.last_not_after.as_deref().map(print::visible));
        return format!(
            "retire: {} certificates of {} are still good, the last of all is over {end}; wait\n  ca issuer list\n",
            old.live,
            print::visible(&old.id)
        );
    }
    "prepare: make the next issuer beside this one, have the root sign it, name it in an [[issuers]] table, and restart\n  \
     ca issuer request --dir issuer-2 --name 'NAME 2' --passphrase-file secrets/kek\n"
        .to_owned()
}

const PATH: &str = "/v1/admin/issuers";

#[cfg(test)]
#[path = "issuers_tests.rs"]
mod tests;
