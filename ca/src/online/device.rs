//! `ca device`: what is known about devices, and changing their standing.

use clap::{Args, Subcommand};
use signet_api::admin::{CertificateInfo, DeviceAction, DeviceChange, DeviceDetail, DeviceInfo, DeviceQuery};
use signet_pki::{DeviceId, UnixTime};

use crate::failure::Failure;
use crate::online::consent::Consent;
use crate::online::context::{self, At};
use crate::online::device_approve::Approve;
use crate::online::device_permit::Permit;
use crate::online::duration::{self, Seconds};
use crate::online::service::{self, Paging};
use crate::online::{print, token};

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    List(List),
    Show(Show),
    /// Refuse a device until it is resumed
    #[command(after_help = "Example:\n  ca device suspend sensor-17")]
    Suspend(One),
    /// Accept a suspended device again
    #[command(after_help = "Example:\n  ca device resume sensor-17")]
    Resume(One),
    /// Take a device out of service for good
    #[command(after_help = "Example:\n  ca device retire sensor-17")]
    Retire(Ending),
    Approve(Approve),
    /// Refuse a waiting device
    #[command(after_help = "Example:\n  ca device deny sensor-17")]
    Deny(Ending),
    Set(Set),
    AllowRecovery(AllowRecovery),
    Permit(Permit),
}

impl DeviceCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            DeviceCommand::List(command) => command.run(at),
            DeviceCommand::Show(command) => command.run(at),
            DeviceCommand::Suspend(one) => one.act(at, DeviceAction::Suspend),
            DeviceCommand::Resume(one) => one.act(at, DeviceAction::Resume),
            DeviceCommand::Retire(ending) => ending.act(
                at,
                DeviceAction::Retire,
                "its certificates, tokens and renewals end, and its name is not used again",
            ),
            DeviceCommand::Approve(command) => command.run(at),
            DeviceCommand::Deny(ending) => {
                ending.act(at, DeviceAction::Deny, "the tokens of its claims enroll nothing any more")
            }
            DeviceCommand::Set(command) => command.run(at),
            DeviceCommand::AllowRecovery(command) => command.run(at),
            DeviceCommand::Permit(command) => command.run(at),
        }
    }
}

/// List devices
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca device list --group plant-2 --expiring 48h --all")]
pub(crate) struct List {
    /// Part of the id or of the hardware serial number
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    #[arg(long, value_name = "G")]
    group: Option<String>,
    /// preregistered, pending, active, suspended, revoked or retired
    #[arg(long)]
    status: Option<String>,
    /// Only devices whose certificate ends within this time
    #[arg(long, value_name = "48h")]
    expiring: Option<Seconds>,
    #[command(flatten)]
    paging: Paging,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    fn run(self, at: &At) -> Result<(), Failure> {
        let context = at.open()?;
        let page = service::pages::<DeviceInfo>(self.paging, |after, limit| {
            let query = DeviceQuery {
                search: self.search.clone(),
                group: self.group.clone(),
                status: self.status.clone(),
                kind: None,
                expiring: self.expiring.map(|s| s.0),
                after,
                limit,
            };
            service::ask(&context, "/v1/admin/devices", &query)
        })?;
        service::show_page(&page, self.json, |devices| table(devices, context::now()))
    }
}

/// Show one device with its certificates and tokens
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca device show sensor-17")]
pub(crate) struct Show {
    id: DeviceId,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(self, at: &At) -> Result<(), Failure> {
        let detail: DeviceDetail = service::get(&at.open()?, &path(&self.id))?;
        service::note_damaged(&detail.damaged);
        if self.json {
            return print::json(&detail);
        }
        let mut text = fields(&detail.device);
        if !detail.certificates.is_empty() {
            text += &format!("\n{}", certificates(&detail.certificates));
        }
        if !detail.tokens.is_empty() {
            text += &format!("\n{}", token::table(&detail.tokens));
        }
        print::data(&text)
    }
}

#[derive(Debug, Args)]
pub(crate) struct One {
    id: DeviceId,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl One {
    fn act(self, at: &At, action: DeviceAction) -> Result<(), Failure> {
        let change = DeviceChange { action: Some(action), ..DeviceChange::default() };
        apply(at, &self.id, &change, self.json)
    }
}

#[derive(Debug, Args)]
pub(crate) struct Ending {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    consent: Consent,
}

impl Ending {
    fn act(self, at: &At, action: DeviceAction, effect: &str) -> Result<(), Failure> {
        self.consent.confirm(&format!("{}: {effect}", self.one.id), "Go on?")?;
        self.one.act(at, action)
    }
}

/// Change what the next certificate of a device will say
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca device set sensor-17 --group plant-2 --group temperature --profile device")]
pub(crate) struct Set {
    id: DeviceId,
    /// All its groups from now on; may be repeated
    #[arg(long = "group", value_name = "G", required_unless_present_any = ["no_groups", "profile"])]
    groups: Vec<String>,
    /// Take it out of all groups
    #[arg(long, conflicts_with = "groups")]
    no_groups: bool,
    #[arg(long)]
    profile: Option<String>,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Set {
    fn run(self, at: &At) -> Result<(), Failure> {
        let groups = (self.no_groups || !self.groups.is_empty()).then_some(self.groups);
        apply(at, &self.id, &DeviceChange { groups, profile: self.profile, ..DeviceChange::default() }, self.json)
    }
}

/// Let a device whose certificate has ended come back with its old key
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca device allow-recovery sensor-17 --count 1")]
pub(crate) struct AllowRecovery {
    id: DeviceId,
    /// How often from now on; 0 forbids it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(..=1000))]
    count: u32,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl AllowRecovery {
    fn run(self, at: &At) -> Result<(), Failure> {
        apply(at, &self.id, &DeviceChange { recoveries: Some(self.count), ..DeviceChange::default() }, self.json)
    }
}

pub(super) fn apply(at: &At, id: &DeviceId, change: &DeviceChange, json: bool) -> Result<(), Failure> {
    let device: DeviceInfo = service::post(&at.open()?, &path(id), change)?;
    if json { print::json(&device) } else { print::data(&fields(&device)) }
}

pub(super) fn path(id: &DeviceId) -> String {
    format!("/v1/admin/devices/{id}")
}

fn table(devices: &[DeviceInfo], now: UnixTime) -> String {
    let row = |d: &DeviceInfo| {
        let end = d.certificate.as_ref().and_then(|c| UnixTime::parse_rfc3339(&c.not_after));
        vec![
            d.id.to_string(),
            d.status.clone(),
            d.profile.clone(),
            print::list(&d.groups),
            print::or_dash(d.serial_number.as_ref()),
            print::or_dash(end.map(|end| duration::in_words(end.since(now)))),
        ]
    };
    let rows: Vec<_> = devices.iter().map(row).collect();
    print::table(&["id", "status", "profile", "groups", "serial number", "certificate ends"], &rows)
}

fn fields(d: &DeviceInfo) -> String {
    print::fields(&[
        ("id", d.id.to_string()),
        ("kind", d.kind.as_str().into()),
        ("status", d.status.clone()),
        ("profile", d.profile.clone()),
        ("groups", print::list(&d.groups)),
        ("dns names", print::list(&d.dns_names)),
        ("serial number", print::or_dash(d.serial_number.as_ref())),
        ("account", print::or_dash(d.account.as_ref())),
        ("permissions", d.permissions.as_ref().map_or_else(|| "those of its kind".to_owned(), ToString::to_string)),
        ("created", d.created_at.clone()),
        ("recoveries left", d.recoveries.map_or_else(|| "as configured".to_owned(), |n| n.to_string())),
        ("certificate", print::or_dash(d.certificate.as_ref().map(|c| &c.serial))),
        ("ends", print::or_dash(d.certificate.as_ref().map(|c| &c.not_after))),
    ])
}

fn certificates(certificates: &[CertificateInfo]) -> String {
    let row = |c: &CertificateInfo| {
        let reason = c.reason.map(|r| format!(" ({})", r.as_str())).unwrap_or_default();
        let review = if c.review { " REVIEW" } else { "" };
        vec![
            c.serial.clone(),
            format!("{}{reason}{review}", c.status),
            c.generation.to_string(),
            c.not_before.clone(),
            c.not_after.clone(),
        ]
    };
    if certificates.iter().any(|c| c.review) {
        print::note("REVIEW: an alarm is open that concerns the certificate, see 'ca alarm list --subject DEVICE'");
    }
    let rows: Vec<_> = certificates.iter().map(row).collect();
    print::table(&["certificate", "status", "generation", "from", "to"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(serial_number: &str) -> DeviceInfo {
        serde_json::from_value(serde_json::json!({
            "id": "sensor-1", "kind": "device", "status": "active", "profile": "device", "groups": ["a", "b"],
            "dns_names": [], "serial_number": serial_number, "created_at": "2026-01-01T00:00:00Z", "certificate": null
        }))
        .unwrap()
    }

    #[test]
    fn a_hostile_fact_stays_in_its_row() {
        let hostile = "=cmd,\"x\"\nsensor-2  active";
        let text = table(&[device(hostile)], UnixTime(0));
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains(r#"=cmd,"x"\nsensor-2  active"#), "{text}");
        assert_eq!(fields(&device(hostile)).lines().count(), 13);
    }
}
