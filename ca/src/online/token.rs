//! `ca token`: list, show and revoke; making them is in its own file.

use clap::{Args, Subcommand};
use signet_api::CredentialId;
use signet_api::admin::{RevokedTokens, TokenInfo, TokenQuery};
use signet_pki::DeviceId;

use crate::failure::Failure;
use crate::online::consent::Consent;
use crate::online::context::At;
use crate::online::print;
use crate::online::service::{self, Paging};
use crate::online::token_create::Create;

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    Create(Box<Create>),
    List(List),
    Show(Show),
    Revoke(Revoke),
}

impl TokenCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            TokenCommand::Create(command) => command.run(at),
            TokenCommand::List(command) => command.run(at),
            TokenCommand::Show(command) => command.run(at),
            TokenCommand::Revoke(command) => command.run(at),
        }
    }
}

/// List tokens; the secrets are not kept and cannot be shown
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca token list --status active --batch spring")]
pub(crate) struct List {
    /// active, pending, approved, denied, redeemed, revoked or expired
    #[arg(long)]
    status: Option<String>,
    #[arg(long, value_name = "NAME")]
    batch: Option<String>,
    #[arg(long, value_name = "ID")]
    device: Option<DeviceId>,
    #[command(flatten)]
    paging: Paging,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    fn run(self, at: &At) -> Result<(), Failure> {
        let context = at.open()?;
        let page = service::pages::<TokenInfo>(self.paging, |after, limit| {
            let (status, batch, device) = (self.status.clone(), self.batch.clone(), self.device.clone());
            service::ask(&context, "/v1/admin/tokens", &TokenQuery { status, batch, device, after, limit })
        })?;
        service::show_page(&page, self.json, table)
    }
}

/// Show one token
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca token show 4f7k2m9qpz")]
pub(crate) struct Show {
    /// The id: the ten characters in the middle of the token
    #[arg(value_parser = CredentialId::parse)]
    id: CredentialId,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(self, at: &At) -> Result<(), Failure> {
        let token: TokenInfo = service::get(&at.open()?, &format!("/v1/admin/tokens/{}", self.id))?;
        if self.json { print::json(&token) } else { print::data(&details(&token)) }
    }
}

/// Revoke unused tokens; certificates stay (see 'ca revoke')
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca token revoke --batch spring")]
pub(crate) struct Revoke {
    /// The id: the ten characters in the middle of the token
    #[arg(value_parser = CredentialId::parse, required_unless_present = "batch", conflicts_with = "batch")]
    id: Option<CredentialId>,
    /// Every unused token of this batch
    #[arg(long, value_name = "NAME")]
    batch: Option<String>,
    #[command(flatten)]
    consent: Consent,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Revoke {
    fn run(self, at: &At) -> Result<(), Failure> {
        let (path, effect) = match (&self.id, &self.batch) {
            (Some(id), _) => {
                (format!("/v1/admin/tokens/{id}/revoke"), format!("token {id}: it enrolls nothing any more"))
            }
            (None, Some(batch)) => {
                let effect = format!("batch {batch}: none of its unused tokens enrolls anything any more");
                (format!("/v1/admin/batches/{}/revoke", service::escape(batch)), effect)
            }
            (None, None) => return Err(Failure::usage("name a token or a batch")),
        };
        self.consent.confirm(&effect, "Revoke?")?;
        let revoked: RevokedTokens = service::post(&at.open()?, &path, &serde_json::json!({}))?;
        if self.json {
            return print::json(&revoked);
        }
        print::data(&revoked.tokens.iter().map(|id| format!("{id}\n")).collect::<String>())?;
        print::note(format!("{} tokens revoked", revoked.tokens.len()));
        Ok(())
    }
}

pub(super) fn table(tokens: &[TokenInfo]) -> String {
    let row = |t: &TokenInfo| {
        let binding = [("serial", &t.serial_number), ("spki", &t.spki), ("cidr", &t.cidr)];
        let bound = binding.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name);
        vec![
            t.id.to_string(),
            t.status.clone(),
            t.device.to_string(),
            t.profile.clone(),
            print::or_dash(t.batch.as_ref()),
            print::list(&bound.collect::<Vec<_>>()),
            t.expires_at.clone(),
        ]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    print::table(&["id", "status", "device", "profile", "batch", "bound to", "expires"], &rows)
}

fn details(t: &TokenInfo) -> String {
    print::fields(&[
        ("id", t.id.to_string()),
        ("status", t.status.clone()),
        ("device", t.device.to_string()),
        ("profile", t.profile.clone()),
        ("groups", print::list(&t.groups)),
        ("batch", print::or_dash(t.batch.as_ref())),
        ("serial number", print::or_dash(t.serial_number.as_ref())),
        ("spki", print::or_dash(t.spki.as_ref())),
        ("cidr", print::or_dash(t.cidr.as_ref())),
        ("approval", if t.approval { "needed" } else { "not needed" }.into()),
        ("created", format!("{} by {}", t.created_at, t.created_by)),
        ("expires", t.expires_at.clone()),
        ("redeemed", print::or_dash(t.redeemed_at.as_ref())),
        ("certificate", print::or_dash(t.redeemed_serial.as_ref())),
    ])
}
