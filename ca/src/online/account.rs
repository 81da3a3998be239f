//! `ca account`: people and programs that own devices and hold keys.

use clap::{Args, Subcommand};
use signet_api::access::{AccountAction, AccountInfo, AccountKind, AccountQuery, ChangeAccount, CreateAccount};
use signet_api::scope::{AccountId, Permissions, ScopeError};

use crate::failure::Failure;
use crate::online::context::At;
use crate::online::print;
use crate::online::revoke::How;
use crate::online::service::{self, Paging, Service};

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    Create(Create),
    List(List),
    Show(Show),
    Change(Change),
    /// Refuse an account, its keys and its devices until it is resumed
    #[command(after_help = "Example:\n  ca account suspend acme")]
    Suspend(One),
    /// Accept a suspended account again
    #[command(after_help = "Example:\n  ca account resume acme")]
    Resume(One),
    Revoke(Revoke),
}

impl AccountCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            AccountCommand::Create(command) => command.run(at),
            AccountCommand::List(command) => command.run(at),
            AccountCommand::Show(command) => command.run(at),
            AccountCommand::Change(command) => command.run(at),
            AccountCommand::Suspend(one) => one.act(at, AccountAction::Suspend),
            AccountCommand::Resume(one) => one.act(at, AccountAction::Resume),
            AccountCommand::Revoke(command) => command.how.account(at, command.id),
        }
    }
}

/// Make an account of a program, or of a person
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca account create acme --permission role:auditor
  ca account create bob --person --permission devices:read")]
pub(crate) struct Create {
    /// Its id: 1 to 63 of a-z, 0-9 and '-', never used again
    #[arg(value_parser = AccountId::parse)]
    id: AccountId,
    /// Of a person instead of a program
    #[arg(long)]
    person: bool,
    /// For people to read
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// What it may do: role:owner, role:issuer, role:revoker, role:auditor, role:clerk, or a scope; may be repeated
    #[arg(long = "permission", value_name = "P")]
    permissions: Vec<String>,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Create {
    fn run(self, at: &At) -> Result<(), Failure> {
        let order = CreateAccount {
            id: self.id,
            kind: if self.person { AccountKind::Person } else { AccountKind::Program },
            name: self.name,
            permissions: permissions(&self.permissions)?,
        };
        let account: AccountInfo = service::post(&at.open()?, PATH, &order)?;
        show(&account, self.json)?;
        print::note(format!("next: ca apikey create --account {0} --out {0}.key", account.id));
        Ok(())
    }
}

/// List accounts
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca account list --status active")]
pub(crate) struct List {
    /// active, suspended or revoked
    #[arg(long)]
    status: Option<String>,
    #[command(flatten)]
    paging: Paging,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    fn run(self, at: &At) -> Result<(), Failure> {
        let context = at.open()?;
        let page = service::pages::<AccountInfo>(self.paging, |after, limit| {
            service::ask(&context, PATH, &AccountQuery { status: self.status.clone(), after, limit })
        })?;
        service::show_page(&page, self.json, table)
    }
}

/// Show one account with its devices
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca account show acme")]
pub(crate) struct Show {
    #[arg(value_parser = AccountId::parse)]
    id: AccountId,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(self, at: &At) -> Result<(), Failure> {
        show(&get(&at.open()?, &self.id)?, self.json)
    }
}

/// Change the name of an account, or what it may do
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca account change acme --permission role:clerk --permission audit:read")]
pub(crate) struct Change {
    #[arg(value_parser = AccountId::parse)]
    id: AccountId,
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["permissions", "no_permissions"])]
    name: Option<String>,
    /// All that it may do from now on; may be repeated
    #[arg(long = "permission", value_name = "P")]
    permissions: Vec<String>,
    /// It may do nothing from now on
    #[arg(long, conflicts_with = "permissions")]
    no_permissions: bool,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Change {
    fn run(self, at: &At) -> Result<(), Failure> {
        let given = self.no_permissions || !self.permissions.is_empty();
        let permissions = given.then(|| permissions(&self.permissions)).transpose()?;
        change(at, &self.id, &ChangeAccount { name: self.name, permissions, action: None }, self.json)
    }
}

#[derive(Debug, Args)]
pub(crate) struct One {
    #[arg(value_parser = AccountId::parse)]
    id: AccountId,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl One {
    fn act(self, at: &At, action: AccountAction) -> Result<(), Failure> {
        change(at, &self.id, &ChangeAccount { action: Some(action), ..ChangeAccount::default() }, self.json)
    }
}

/// End an account for good, with its keys and its devices
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca account revoke acme --reason cessation-of-operation --dry-run")]
pub(crate) struct Revoke {
    #[arg(value_parser = AccountId::parse)]
    id: AccountId,
    #[command(flatten)]
    how: How,
}

fn change(at: &At, id: &AccountId, change: &ChangeAccount, json: bool) -> Result<(), Failure> {
    show(&service::post(&at.open()?, &format!("{PATH}/{id}"), change)?, json)
}

pub(super) fn get(service: &dyn Service, id: &AccountId) -> Result<AccountInfo, service::CallError> {
    service::get(service, &format!("{PATH}/{id}"))
}

/// Several options, or several words in one.
pub(super) fn permissions(texts: &[String]) -> Result<Permissions, Failure> {
    texts.join(" ").parse().map_err(|e: ScopeError| Failure::usage(format!("--permission: {e}")))
}

fn show(account: &AccountInfo, json: bool) -> Result<(), Failure> {
    if json { print::json(account) } else { print::data(&fields(account)) }
}

fn table(accounts: &[AccountInfo]) -> String {
    let row = |a: &AccountInfo| {
        let permissions = Some(a.permissions.to_string()).filter(|p| !p.is_empty());
        vec![a.id.to_string(), a.kind.as_str().into(), a.status.clone(), a.name.clone(), print::or_dash(permissions)]
    };
    let rows: Vec<_> = accounts.iter().map(row).collect();
    print::table(&["id", "kind", "status", "name", "permissions"], &rows)
}

fn fields(a: &AccountInfo) -> String {
    let text = |text: String| print::or_dash(Some(text).filter(|t| !t.is_empty()));
    let mut fields = vec![
        ("id", a.id.to_string()),
        ("kind", a.kind.as_str().into()),
        ("name", a.name.clone()),
        ("status", a.status.clone()),
        ("permissions", text(a.permissions.to_string())),
        ("may", text(a.scopes.to_string())),
        ("created", format!("{} by {}", a.created_at, a.created_by)),
    ];
    if let Some(devices) = &a.devices {
        fields.push(("devices", print::list(devices)));
    }
    print::fields(&fields)
}

pub(super) const PATH: &str = "/v1/admin/accounts";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_joined_and_what_is_none_is_named() {
        let given = permissions(&["role:auditor tokens:write".into(), "devices:read".into()]).unwrap();
        assert_eq!(given.to_string(), "role:auditor devices:read tokens:write");
        assert_eq!(permissions(&[]).unwrap(), Permissions::default());
        let failure = permissions(&["role:king".into()]).unwrap_err();
        assert!(failure.message().contains("king") && failure.message().contains("auditor"), "{failure:?}");
    }

    #[test]
    fn a_hostile_name_stays_in_its_row() {
        let account: AccountInfo = serde_json::from_value(serde_json::json!({
            "id": "acme", "kind": "program", "name": "a\nb  active", "status": "active", "permissions": "",
            "scopes": "", "created_at": "2026-01-01T00:00:00Z", "created_by": "admin:x"
        }))
        .unwrap();
        assert_eq!(table(std::slice::from_ref(&account)).lines().count(), 2);
        assert_eq!(fields(&account).lines().count(), 7);
    }
}
