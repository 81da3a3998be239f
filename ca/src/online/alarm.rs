//! `ca alarm`: what an administrator has to look at.

use clap::{Args, Subcommand};
use signet_api::alarms::{ALARMS_PATH, AlarmInfo, AlarmQuery, CloseAlarm};

use crate::failure::Failure;
use crate::online::context::At;
use crate::online::doctor::{Check, Level};
use crate::online::print;
use crate::online::service::{self, CallError, Paging, Service};

#[derive(Debug, Subcommand)]
pub(crate) enum AlarmCommand {
    List(List),
    Show(Show),
    Close(Close),
}

impl AlarmCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        let context = at.open()?;
        match self {
            AlarmCommand::List(command) => command.run(&context),
            AlarmCommand::Show(command) => command.run(&context),
            AlarmCommand::Close(command) => command.run(&context),
        }
    }
}

/// List the alarms that are open, oldest first
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca alarm list --subject sensor-17")]
pub(crate) struct List {
    /// Closed ones as well
    #[arg(long)]
    all: bool,
    /// Only alarms about this device, issuer or family of tokens
    #[arg(long, value_name = "S")]
    subject: Option<String>,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let alarms = all(service, self.all, self.subject.as_deref())?;
        if self.json {
            return print::json(&alarms);
        }
        let row = |a: &AlarmInfo| {
            let status = if a.closed_at.is_some() { "closed" } else { "open" };
            let (id, times) = (a.id.to_string(), a.times.to_string());
            vec![id, status.into(), a.last_at.clone(), times, a.subject.clone(), a.kind.clone()]
        };
        let rows: Vec<_> = alarms.iter().map(row).collect();
        print::data(&print::table(&["id", "status", "last", "times", "subject", "kind"], &rows))?;
        if !alarms.is_empty() {
            print::note("'ca alarm show ID' says what it means and what to do");
        }
        Ok(())
    }
}

/// Show an alarm: what happened, what it means, what to do
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca alarm show 1742")]
pub(crate) struct Show {
    id: u64,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let alarm: AlarmInfo = service::get(service, &path(self.id))?;
        if self.json { print::json(&alarm) } else { print::data(&described(&alarm)) }
    }
}

/// Close an alarm that was looked at; the REVIEW marks on the device's certificates go with its last one
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca alarm close 1742 --reason same-machine")]
pub(crate) struct Close {
    id: u64,
    /// What was found and done; stands in the audit log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Close {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let closed: AlarmInfo = service::post(service, &path(self.id), &CloseAlarm { reason: self.reason })?;
        if self.json {
            return print::json(&closed);
        }
        print::note(format!("alarm {} about {} is closed", closed.id, closed.subject));
        Ok(())
    }
}

/// What `ca doctor` says.
pub(super) fn examine(service: &dyn Service) -> Check {
    let what = "alarms";
    match all(service, false, None) {
        Err(error) => Check::failed(what, &error.into()),
        Ok(open) if open.is_empty() => Check::new(Level::Ok, what, "none is open", ""),
        Ok(open) => {
            let named = open.iter().take(NAMED).map(|a| format!("{} about {} ({})", a.id, a.subject, a.kind));
            let more = if open.len() > NAMED { ", and others" } else { "" };
            let named = named.collect::<Vec<_>>().join(", ");
            let hint = "read each with 'ca alarm show ID', act, then 'ca alarm close ID --reason TEXT'";
            Check::new(Level::Fail, what, format!("{} open: {named}{more}", open.len()), hint)
        }
    }
}

fn all(service: &dyn Service, all: bool, subject: Option<&str>) -> Result<Vec<AlarmInfo>, CallError> {
    let page = service::pages::<AlarmInfo>(Paging::ALL, |after, limit| {
        let subject = subject.map(str::to_owned);
        let query = AlarmQuery { all, subject, after: after.and_then(|id| id.parse().ok()), limit };
        service::ask(service, ALARMS_PATH, &query)
    })?;
    Ok(page.items)
}

fn path(id: u64) -> String {
    format!("{ALARMS_PATH}/{id}")
}

fn described(alarm: &AlarmInfo) -> String {
    let mut fields = vec![
        ("alarm", alarm.id.to_string()),
        ("kind", alarm.kind.clone()),
        ("subject", alarm.subject.clone()),
        ("first", alarm.first_at.clone()),
        ("last", alarm.last_at.clone()),
        ("times", alarm.times.to_string()),
        ("detail", alarm.detail.to_string()),
        ("meaning", alarm.meaning.clone()),
        ("to do", alarm.advice.clone()),
    ];
    if let (Some(at), Some(by), Some(reason)) = (&alarm.closed_at, &alarm.closed_by, &alarm.reason) {
        fields.push(("closed", format!("by {by} on {at}: {reason}")));
    }
    print::fields(&fields)
}

/// Alarms that the doctor names.
const NAMED: usize = 5;

#[cfg(test)]
mod tests {
    use signet_api::admin::Page;

    use super::*;
    use crate::online::service::tests::Fake;

    const OPEN: &str = "/v1/admin/alarms?all=false&limit=1000";

    fn alarms(count: u64) -> Page<AlarmInfo> {
        let alarm = |id: u64| {
            serde_json::from_value(serde_json::json!({
                "id": id, "kind": "alarm.renewal_escalation", "subject": "sensor-1\n", "first_at": "a", "last_at": "b", "times": 3,
                "sequence": id, "detail": {}, "meaning": "m", "advice": "do it", "closed_at": null, "closed_by": null,
                "reason": null
            }))
            .unwrap()
        };
        Page { items: (1..=count).map(alarm).collect(), next: None, damaged: Vec::new() }
    }

    #[test]
    fn the_doctor_fails_while_an_alarm_is_open_and_names_it() {
        let judged = |count: u64| examine(&Fake::default().with(OPEN, &alarms(count)));
        assert_eq!(judged(0).level, Level::Ok);
        let many = judged(7);
        assert_eq!(many.level, Level::Fail);
        assert!(
            many.detail.starts_with("7 open: 1 about sensor-1") && many.detail.ends_with(", and others"),
            "{many:?}"
        );
        assert!(many.line().contains("ca alarm close ID --reason"));
        assert_eq!(examine(&Fake::default()).level, Level::Fail, "no answer is no good news");
    }

    #[test]
    fn an_alarm_is_described_line_by_line() {
        let text = described(&alarms(1).items[0]);
        assert_eq!(text.lines().count(), 9, "{text}");
        assert!(text.contains("to do    do it"), "{text}");
    }
}
