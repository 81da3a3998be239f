//! `ca code`: devices and people that show a code and wait for somebody to let them in (RFC 8628).

use clap::{Args, Subcommand};
use signet_api::device_codes::{DeviceCodeAction, DeviceCodeDecision, DeviceCodeInfo, SettledDeviceCode};
use signet_pki::DeviceId;

use crate::failure::Failure;
use crate::online::admin::Given;
use crate::online::context::At;
use crate::online::print;
use crate::online::service::{self, Service, escape};

#[derive(Debug, Subcommand)]
pub(crate) enum CodeCommand {
    List(List),
    Approve(Approve),
    Deny(Deny),
}

impl CodeCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            CodeCommand::List(command) => command.run(&at.open()?),
            CodeCommand::Approve(command) => {
                let decision = command.decision()?;
                command.send(&at.open()?, &decision)
            }
            CodeCommand::Deny(command) => command.run(&at.open()?),
        }
    }
}

/// List the codes that wait
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca code list")]
pub(crate) struct List {
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let waiting: Vec<DeviceCodeInfo> = service::get(service, "/v1/admin/device-codes")?;
        if self.json {
            return print::json(&waiting);
        }
        let row = |code: &DeviceCodeInfo| {
            vec![
                code.user_code.clone(),
                code.client.clone(),
                code.address.clone(),
                code.expires_at.clone(),
                print::or_dash(code.spki.as_ref()),
            ]
        };
        let rows: Vec<_> = waiting.iter().map(row).collect();
        print::data(&print::table(&["code", "calls itself", "from", "until", "key"], &rows))
    }
}

/// Let in whoever shows this code: a device, or with --role an administrator
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca code approve BCDF-GHJK --device sensor-17 --group plant-2
  ca code approve BCDF-GHJK --device alice --role clerk")]
pub(crate) struct Approve {
    /// As it is shown, in either case
    code: String,
    /// The id that it will have; made up by the service when absent
    #[arg(long, value_name = "ID")]
    device: Option<DeviceId>,
    /// What it gets; `device` when nothing is said
    #[arg(long, conflicts_with_all = ["roles", "scopes"])]
    profile: Option<String>,
    /// Group of the device; may be repeated
    #[arg(long = "group", value_name = "G", conflicts_with_all = ["roles", "scopes"])]
    groups: Vec<String>,
    #[command(flatten)]
    given: Given,
    /// Allow a device that is already enrolled
    #[arg(long)]
    replace: bool,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Approve {
    fn decision(&self) -> Result<DeviceCodeDecision, Failure> {
        let permissions = if self.given.is_empty() { None } else { Some(self.given.permissions()?) };
        if permissions.is_some() && self.device.is_none() {
            return Err(Failure::usage("an administrator has a name").hint("say it with --device NAME"));
        }
        let profile = permissions.as_ref().map(|_| "admin".to_owned()).or_else(|| self.profile.clone());
        Ok(DeviceCodeDecision {
            action: DeviceCodeAction::Approve,
            device: self.device.clone(),
            profile,
            groups: self.groups.clone(),
            permissions,
            replace: self.replace,
        })
    }

    fn send(&self, service: &dyn Service, decision: &DeviceCodeDecision) -> Result<(), Failure> {
        let settled: SettledDeviceCode = service::post(service, &path(&self.code), decision)?;
        if self.json {
            return print::json(&settled);
        }
        let device = settled.device.map(|id| id.to_string()).unwrap_or_default();
        print::note(format!("approved: it enrolls as {device} with token {}", print::or_dash(settled.token)));
        Ok(())
    }
}

/// Turn away whoever shows this code
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca code deny BCDF-GHJK")]
pub(crate) struct Deny {
    /// As it is shown, in either case
    code: String,
}

impl Deny {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let decision = DeviceCodeDecision {
            action: DeviceCodeAction::Deny,
            device: None,
            profile: None,
            groups: Vec::new(),
            permissions: None,
            replace: false,
        };
        let _: SettledDeviceCode = service::post(service, &path(&self.code), &decision)?;
        print::note("denied");
        Ok(())
    }
}

fn path(code: &str) -> String {
    format!("/v1/admin/device-codes/{}", escape(code.trim()))
}
