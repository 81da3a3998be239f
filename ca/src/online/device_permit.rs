//! `ca device permit`: whose a device is, and what it may do at the service itself.

use clap::Args;
use signet_api::admin::{DeviceChange, DeviceDetail};
use signet_pki::DeviceId;

use crate::failure::Failure;
use crate::online::account;
use crate::online::context::At;
use crate::online::{device, service};

/// Give a device to an account, or permissions to a device
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca device permit gateway-1 --account acme
  ca device permit gateway-1 --permission devices:read --permission authz:check")]
pub(crate) struct Permit {
    id: DeviceId,
    /// Whose it is from now on: suspended and revoked with it
    #[arg(long, value_name = "ID", required_unless_present_any = ["no_account", "permissions", "no_permissions"])]
    account: Option<String>,
    /// Nobody's from now on
    #[arg(long, conflicts_with = "account")]
    no_account: bool,
    /// All that it may do from now on, roles or scopes; may be repeated
    #[arg(long = "permission", value_name = "P")]
    permissions: Vec<String>,
    /// It may do nothing from now on
    #[arg(long, conflicts_with = "permissions")]
    no_permissions: bool,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Permit {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        let account = if self.no_account { Some(String::new()) } else { self.account };
        let given = self.no_permissions || !self.permissions.is_empty();
        let permissions = given.then(|| account::permissions(&self.permissions)).transpose()?;
        let mut change = DeviceChange { account, permissions, ..DeviceChange::default() };
        if change.permissions.is_some() {
            // They go to the device as it is seen now: another certificate that comes meanwhile is looked at first.
            let seen: DeviceDetail = service::get(&at.open()?, &device::path(&self.id))?;
            change.generation = Some(seen.certificates.iter().map(|c| c.generation).max().unwrap_or(0));
        }
        device::apply(at, &self.id, &change, self.json)
    }
}
