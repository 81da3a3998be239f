//! `ca policy show|history|diff|apply`: the policy that the service has, and the next one.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use signet_api::policy::{POLICY_PATH, PolicyCandidate, PolicyChange, PolicyDiff, PolicyInfo, PolicyOrder, PolicyStep};
use signet_policy::Policy;

use crate::failure::Failure;
use crate::online::consent::Consent;
use crate::online::service::{self, Service, escape};
use crate::online::{policy, print};

/// Show the policy in force: its text, or with --json all that is known of it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca policy show > policy.toml
  ca policy show --revision 0123456789abcdef > before.toml")]
pub(crate) struct Show {
    /// An older one, from 'ca policy history'
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    #[arg(long)]
    json: bool,
}

impl Show {
    pub(super) fn run(self, service: &dyn Service) -> Result<(), Failure> {
        if let Some(revision) = self.revision {
            let path = format!("{POLICY_PATH}/history/{}", escape(&revision));
            let found: PolicyStep = service::get(service, &path)?;
            if self.json {
                return print::json(&found);
            }
            let text = found.text.ok_or_else(|| {
                Failure::refused(format!("the text of {} is not kept any more", print::visible(&revision)))
            })?;
            return print::data(&text);
        }
        let info: PolicyInfo = service::get(service, POLICY_PATH)?;
        if self.json {
            return print::json(&info);
        }
        print::note(headline(&info));
        if let Some(problem) = &info.problem {
            print::note(format!("problem: {problem}"));
        }
        print::data(&info.text)
    }
}

/// List the policies that were in force, the newest first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca policy history")]
pub(crate) struct History {
    #[arg(long)]
    json: bool,
}

impl History {
    pub(super) fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let steps: Vec<PolicyStep> = service::get(service, &format!("{POLICY_PATH}/history"))?;
        if self.json {
            return print::json(&steps);
        }
        let row =
            |s: &PolicyStep| vec![s.revision.clone(), s.applied_at.clone(), s.applied_by.clone(), s.origin.clone()];
        let rows: Vec<_> = steps.iter().map(row).collect();
        print::data(&print::table(&["revision", "applied at", "by", "origin"], &rows))
    }
}

/// Say what a policy would change for the devices that there are; changes nothing
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca policy diff policy.toml
  ca policy diff policy.toml --at 2027-01-31T23:00:00Z --source 10.1.2.3")]
pub(crate) struct Diff {
    file: PathBuf,
    /// Answers as they are then; now, when nothing is said
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Answers to those who come from this address; an unknown one, when nothing is said
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(super) fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let policy = policy::read(&self.file)?;
        let text = policy.text().to_owned();
        let diff = compare(service, &PolicyCandidate { text, at: self.at, source: self.source })?;
        if self.json {
            return print::json(&diff);
        }
        remarks(&diff);
        print::data(&view(&diff))
    }
}

/// Put a policy in force, after its tests and a look at what it changes
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca policy apply policy.toml")]
pub(crate) struct Apply {
    pub(super) file: PathBuf,
    #[command(flatten)]
    pub(super) consent: Consent,
}

impl Apply {
    pub(super) fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let policy = policy::read(&self.file)?;
        policy::must_pass(&self.file, &policy)?;
        let info: PolicyInfo = service::get(service, POLICY_PATH)?;
        if let Some(file) = &info.file {
            return Err(Failure::refused(format!("the policy comes from the file {}", print::visible(file)))
                .hint("change that file on the issuing host; it is taken over within seconds"));
        }
        if info.revision == policy.revision() {
            print::note("it is in force already");
            return Ok(());
        }
        let text = policy.text().to_owned();
        let diff = compare(service, &PolicyCandidate { text, ..PolicyCandidate::default() })?;
        remarks(&diff);
        print::data(&view(&diff))?;
        let effect = format!("the answers for {} principals change", diff.affected);
        self.consent.confirm(&effect, "Apply it?")?;
        let applied = put(service, &policy, diff.from)?;
        print::note(headline(&applied));
        Ok(())
    }
}

fn compare(service: &dyn Service, candidate: &PolicyCandidate) -> Result<PolicyDiff, Failure> {
    Ok(service::post(service, &format!("{POLICY_PATH}/diff"), candidate)?)
}

/// What was compared is what is replaced: when somebody else was faster, nothing happens.
fn put(service: &dyn Service, policy: &Policy, instead_of: String) -> Result<PolicyInfo, Failure> {
    Ok(service::put(service, POLICY_PATH, &PolicyOrder { text: policy.text().to_owned(), instead_of })?)
}

fn headline(info: &PolicyInfo) -> String {
    let (rules, revision) = (info.rules, &info.revision);
    match (&info.applied_by, &info.applied_at) {
        (Some(by), Some(at)) => format!("revision {revision}, {rules} rules, applied by {by} at {at}"),
        _ => "no policy was ever applied: nothing is permitted".to_owned(),
    }
}

/// On standard error, so that the table stays data.
fn remarks(diff: &PolicyDiff) {
    for warning in &diff.warnings {
        print::note(format!("warning: {warning}"));
    }
    for test in &diff.failed_tests {
        print::note(format!("test fails: {test}"));
    }
    if !diff.is_complete {
        print::note("there was more to compare than one comparison may: the numbers are the least that there are");
    }
}

pub(super) fn view(diff: &PolicyDiff) -> String {
    let mut text = print::fields(&[
        ("from", diff.from.clone()),
        ("to", diff.to.clone()),
        ("rules added", print::list(&diff.rules_added)),
        ("rules removed", print::list(&diff.rules_removed)),
        ("rules changed", print::list(&diff.rules_changed)),
        ("affects", format!("{} of {} principals", diff.affected, diff.entities)),
    ]);
    if !diff.changes.is_empty() {
        let head = ["becomes", "action", "principals", "resources", "before", "after", "for example"];
        text += "\n";
        text += &print::table(&head, &diff.changes.iter().map(row).collect::<Vec<_>>());
    }
    text
}

fn row(change: &PolicyChange) -> Vec<String> {
    let rules = |rules: &[String]| if rules.is_empty() { "no rule".to_owned() } else { rules.join(",") };
    let examples = change.examples.iter().take(SHOWN).map(|e| format!("{}->{}", e.principal, e.resource));
    vec![
        change.becomes.clone(),
        change.action.clone(),
        change.principals.to_string(),
        change.resources.to_string(),
        rules(&change.before),
        rules(&change.after),
        examples.collect::<Vec<_>>().join(" "),
    ]
}

/// Examples in a line of the table; --json has up to twenty.
const SHOWN: usize = 3;
