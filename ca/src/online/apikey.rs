//! `ca apikey`: list and show; making, changing and importing are in their own files.

use clap::{Args, Subcommand};
use signet_api::CredentialId;
use signet_api::access::{ApiKeyAction, ApiKeyInfo, CredentialQuery};
use signet_api::scope::AccountId;
use signet_pki::DeviceId;

use crate::failure::Failure;
use crate::online::apikey_change::{Change, One, RevokeKey, Rotate};
use crate::online::apikey_create::Create;
use crate::online::apikey_import::Import;
use crate::online::context::At;
use crate::online::print;
use crate::online::service::{self, Paging};

#[derive(Debug, Subcommand)]
pub(crate) enum ApikeyCommand {
    Create(Create),
    List(List),
    Show(Show),
    Change(Change),
    /// Switch a key on again
    #[command(after_help = "Example:\n  ca apikey enable 4f7k2m9qpz")]
    Enable(One),
    /// Switch a key off until it is switched on again
    #[command(after_help = "Example:\n  ca apikey disable 4f7k2m9qpz")]
    Disable(One),
    Rotate(Rotate),
    Revoke(RevokeKey),
    Import(Import),
}

impl ApikeyCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            ApikeyCommand::Create(command) => command.run(at),
            ApikeyCommand::List(command) => command.run(at),
            ApikeyCommand::Show(command) => command.run(at),
            ApikeyCommand::Change(command) => command.run(at),
            ApikeyCommand::Enable(one) => one.act(at, ApiKeyAction::Enable),
            ApikeyCommand::Disable(one) => one.act(at, ApiKeyAction::Disable),
            ApikeyCommand::Rotate(command) => command.run(at),
            ApikeyCommand::Revoke(command) => command.run(at),
            ApikeyCommand::Import(command) => command.run(at),
        }
    }
}

/// List keys; the secrets are not kept and cannot be shown
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca apikey list --account acme --status active")]
pub(crate) struct List {
    #[arg(long, value_name = "ID", value_parser = AccountId::parse)]
    account: Option<AccountId>,
    #[arg(long, value_name = "ID")]
    device: Option<DeviceId>,
    /// active, disabled, revoked or expired
    #[arg(long)]
    status: Option<String>,
    /// Only those that were imported
    #[arg(long)]
    legacy: bool,
    /// Those of the caller, for whom no permission is needed
    #[arg(long, conflicts_with_all = ["account", "device"])]
    own: bool,
    #[command(flatten)]
    paging: Paging,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    fn run(self, at: &At) -> Result<(), Failure> {
        let context = at.open()?;
        let path = if self.own { OWN_PATH } else { PATH };
        let page = service::pages::<ApiKeyInfo>(self.paging, |after, limit| {
            let query = CredentialQuery {
                account: self.account.clone(),
                device: self.device.clone(),
                status: self.status.clone(),
                legacy: self.legacy.then_some(true),
                after,
                limit,
                ..CredentialQuery::default()
            };
            service::ask(&context, path, &query)
        })?;
        service::show_page(&page, self.json, table)
    }
}

/// Show one key without its secret
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca apikey show 4f7k2m9qpz")]
pub(crate) struct Show {
    /// The id: the ten characters in the middle of the key
    #[arg(value_parser = CredentialId::parse)]
    id: CredentialId,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(self, at: &At) -> Result<(), Failure> {
        show(&service::get(&at.open()?, &format!("{PATH}/{}", self.id))?, self.json)
    }
}

pub(super) fn show(key: &ApiKeyInfo, json: bool) -> Result<(), Failure> {
    if json { print::json(key) } else { print::data(&fields(key)) }
}

fn owner(key: &ApiKeyInfo) -> String {
    let device = key.device.as_ref().map(|device| format!("device:{device}"));
    print::or_dash(key.account.as_ref().map(|account| format!("account:{account}")).or(device))
}

fn table(keys: &[ApiKeyInfo]) -> String {
    let row = |k: &ApiKeyInfo| {
        let status = if k.legacy { format!("{} (imported)", k.status) } else { k.status.clone() };
        vec![
            k.id.to_string(),
            status,
            owner(k),
            k.name.clone(),
            print::or_dash(k.cidr.as_ref()),
            print::or_dash(k.last_used_at.as_ref()),
            k.expires_at.clone(),
        ]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    print::table(&["id", "status", "owner", "name", "network", "last used", "ends"], &rows)
}

fn fields(k: &ApiKeyInfo) -> String {
    let scopes = Some(k.scopes.to_string()).filter(|scopes| !scopes.is_empty());
    print::fields(&[
        ("id", k.id.to_string()),
        ("owner", owner(k)),
        ("name", k.name.clone()),
        ("status", k.status.clone()),
        ("scopes", print::or_dash(scopes)),
        ("network", print::or_dash(k.cidr.as_ref())),
        ("created", format!("{} by {}", k.created_at, k.created_by)),
        ("ends", k.expires_at.clone()),
        ("last used", print::or_dash(k.last_used_at.as_ref())),
        ("successor", print::or_dash(k.successor.as_ref())),
        ("imported", if k.legacy { "yes" } else { "no" }.into()),
    ])
}

pub(super) const PATH: &str = "/v1/admin/apikeys";
const OWN_PATH: &str = "/v1/apikeys";
