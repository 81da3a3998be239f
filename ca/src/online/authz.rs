//! `ca authz check`: what a service would be told, and why.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use signet_api::authz::{CheckAnswer, CheckRequest, SubjectName, Verdict};

use crate::failure::Failure;
use crate::online::context::At;
use crate::online::service::{self, Service};
use crate::online::{files, print};

#[derive(Debug, Subcommand)]
pub(crate) enum AuthzCommand {
    Check(Check),
}

impl AuthzCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            AuthzCommand::Check(command) => command.run(&at.open()?),
        }
    }
}

/// Ask whether somebody may do something, with all reasons; exit code 1 when not
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca authz check --subject sensor-17 --action http:GET --resource service:web/data/1
  ca authz check --certificate device.pem --action read --resource service:web")]
pub(crate) struct Check {
    /// Id, serial number, SHA-256 of the certificate, or SPIFFE name
    #[arg(long, value_name = "NAME", required_unless_present = "certificate", conflicts_with = "certificate")]
    subject: Option<String>,
    /// The certificate, PEM
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// As rules name it; http:GET, http:POST and so on for requests behind nginx and Envoy
    #[arg(long)]
    action: String,
    /// service:ID, service:ID/path, device:ID, or a name that a service has registered
    #[arg(long)]
    resource: String,
    /// Where the subject comes from, for rules about networks
    #[arg(long, value_name = "IP")]
    source: Option<IpAddr>,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let subject = match (&self.subject, &self.certificate) {
            (Some(name), _) => named(name),
            (None, Some(path)) => {
                let certificate = Some(files::read_text(path, files::MAX_PEM)?.to_string());
                SubjectName { certificate, ..SubjectName::default() }
            }
            (None, None) => return Err(Failure::usage("name somebody: --subject or --certificate")),
        };
        let question = CheckRequest {
            subject: Some(subject),
            action: Some(self.action),
            resource: Some(self.resource),
            source: self.source,
            checks: Vec::new(),
        };
        let answer: CheckAnswer = service::post(service, "/v1/authz/check", &question)?;
        if self.json { print::json(&answer) } else { print::data(&text(&answer)) }?;
        match answer.decision {
            Verdict::Allow => Ok(()),
            Verdict::Deny => Err(Failure::refused("denied").hint(hint(&answer))),
        }
    }
}

/// What a name is can be told from its form: ids have at most 63 characters, and no serial number of ours has fewer than 39.
fn named(name: &str) -> SubjectName {
    let digits = name.chars().filter(|c| *c != ':');
    let is_hex = digits.clone().all(|c| c.is_ascii_hexdigit());
    let value = || Some(name.to_owned());
    match (is_hex, digits.count()) {
        _ if name.starts_with("spiffe://") => SubjectName { spiffe: value(), ..SubjectName::default() },
        (true, 64) => SubjectName { fingerprint: value(), ..SubjectName::default() },
        (true, 39 | 40) => SubjectName { serial: value(), ..SubjectName::default() },
        _ => SubjectName { device: value(), ..SubjectName::default() },
    }
}

fn text(answer: &CheckAnswer) -> String {
    let shown = |text: &Option<String>| print::or_dash(text.as_deref().map(print::visible));
    let subject = &answer.subject;
    print::fields(&[
        ("decision", answer.decision.as_str().to_owned()),
        ("reasons", print::visible(&print::list(&answer.reasons))),
        ("subject", shown(&subject.id)),
        ("kind", shown(&subject.kind)),
        ("status", shown(&subject.status)),
        ("groups", print::visible(&print::list(&subject.groups))),
        ("profile", shown(&subject.profile)),
        ("serial", shown(&subject.serial)),
        ("certificate until", shown(&subject.not_after)),
        ("keep for", format!("{} s", answer.ttl)),
        ("policy", print::visible(&answer.policy)),
    ])
}

/// The command that changes what stood in the way.
fn hint(answer: &CheckAnswer) -> String {
    let id = print::visible(answer.subject.id.as_deref().unwrap_or("ID"));
    let Some(reason) = answer.reasons.first() else { return "see: ca policy show".into() };
    match reason.split_once(['.', ':']) {
        Some(("rule", rule)) => format!("the rule {} forbids it: ca policy show", print::visible(rule)),
        Some(("status", "suspended")) => format!("resume it: ca device resume {id}"),
        Some(("status", "pending")) => format!("approve it: ca device approve {id}"),
        Some(("subject", "unknown")) => "see the devices: ca device list".into(),
        Some(("status" | "certificate" | "subject" | "issuer" | "account", _)) => format!("see: ca device show {id}"),
        Some(("resource", _)) => "see the registered services: ca service list".into(),
        _ => "no rule permits it: ca policy show".into(),
    }
}

#[cfg(test)]
#[path = "authz_tests.rs"]
mod tests;
