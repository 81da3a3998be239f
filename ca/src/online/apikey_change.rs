//! `ca apikey enable`, `disable`, `revoke`, `rotate` and `change`.

use clap::Args;
use signet_api::CredentialId;
use signet_api::access::{ApiKeyAction, ApiKeyInfo, ChangeApiKey, RotateApiKey};
use signet_pki::crl::Reason;

use crate::failure::Failure;
use crate::online::apikey::{PATH, show};
use crate::online::apikey_create::{Shown, scopes};
use crate::online::consent::Consent;
use crate::online::context::At;
use crate::online::duration::Seconds;
use crate::online::service;
use crate::online::{print, revoke};

#[derive(Debug, Args)]
pub(crate) struct One {
    /// The id: the ten characters in the middle of the key
    #[arg(value_parser = CredentialId::parse)]
    id: CredentialId,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl One {
    pub(super) fn act(self, at: &At, action: ApiKeyAction) -> Result<(), Failure> {
        change(at, &self.id, &ChangeApiKey { action: Some(action), ..ChangeApiKey::default() }, self.json)
    }
}

/// End a key for good, with its sessions and tickets
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca apikey revoke 4f7k2m9qpz
  ca apikey revoke 4f7k2m9qpz --reason key-compromise")]
pub(crate) struct RevokeKey {
    /// The id: the ten characters in the middle of the key
    #[arg(value_parser = CredentialId::parse)]
    id: CredentialId,
    /// key-compromise: the keys that took its place and everything that was made with it end as well; superseded: they are meant
    /// to live
    #[arg(long, value_parser = revoke::reason)]
    reason: Option<Reason>,
    /// Show what would be revoked and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl RevokeKey {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        let action = Some(ApiKeyAction::Revoke);
        let order = ChangeApiKey { action, reason: self.reason, dry_run: self.dry_run, ..ChangeApiKey::default() };
        let (context, path) = (at.open()?, format!("{PATH}/{}", self.id));
        if !self.dry_run {
            let mut effect = String::new();
            if !self.consent.is_given() {
                let dry = ChangeApiKey { dry_run: true, ..order.clone() };
                let plan: ApiKeyInfo = service::post(&context, &path, &dry)?;
                effect = plan.revocation.as_deref().map(revoke::effect).unwrap_or_default();
            }
            self.consent.confirm(&effect, "Revoke?")?;
        }
        let key: ApiKeyInfo = service::post(&context, &path, &order)?;
        show(&key, self.json)?;
        let Some(done) = &key.revocation else { return Ok(()) };
        if !self.json {
            print::data(&revoke::lines(done))?;
        }
        print::note(revoke::summary(done));
        if !done.living.is_empty() {
            print::note(revoke::offer(done, &format!("ca apikey revoke {}", self.id)));
        }
        Ok(())
    }
}

/// Change the name, the scopes or the network of a key
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca apikey change 4f7k2m9qpz --scope devices:read --cidr 10.20.0.0/16")]
pub(crate) struct Change {
    /// The id: the ten characters in the middle of the key
    #[arg(value_parser = CredentialId::parse)]
    id: CredentialId,
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["scopes", "cidr", "any_network"])]
    name: Option<String>,
    /// All that it may do from now on of what its owner may; may be repeated
    #[arg(long = "scope", value_name = "S")]
    scopes: Vec<String>,
    /// Network that requests with it must come from
    #[arg(long, value_name = "10.20.0.0/16")]
    cidr: Option<String>,
    /// Requests with it may come from anywhere
    #[arg(long, conflicts_with = "cidr")]
    any_network: bool,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Change {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        let cidr = if self.any_network { Some(String::new()) } else { self.cidr };
        let order = ChangeApiKey { name: self.name, scopes: scopes(&self.scopes)?, cidr, ..ChangeApiKey::default() };
        change(at, &self.id, &order, self.json)
    }
}

/// Make a new key in place of an old one, which goes on for a while
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca apikey rotate 4f7k2m9qpz --overlap 7d --out acme-2.key
  ca apikey rotate --own --api-key-file acme.key --out acme-2.key")]
pub(crate) struct Rotate {
    /// The id: the ten characters in the middle of the key
    #[arg(value_parser = CredentialId::parse, required_unless_present = "own", conflicts_with = "own")]
    id: Option<CredentialId>,
    /// The key of --api-key-file itself; no permission is needed for that
    #[arg(long)]
    own: bool,
    /// How long the old key goes on: at most 30d, one day when nothing is said
    #[arg(long, value_name = "1d", conflicts_with = "now")]
    overlap: Option<Seconds>,
    /// End the old key at once
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    shown: Shown,
}

impl Rotate {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        let overlap = if self.now { Some(0) } else { self.overlap.map(|overlap| overlap.0) };
        self.shown.is_possible()?;
        let context = at.open()?;
        match &self.id {
            Some(id) => {
                let order = ChangeApiKey { action: Some(ApiKeyAction::Rotate), overlap, ..ChangeApiKey::default() };
                self.shown.ask(&context, &format!("{PATH}/{id}"), &order)
            }
            None => self.shown.ask(&context, "/v1/apikeys/rotate", &RotateApiKey { overlap }),
        }
    }
}

fn change(at: &At, id: &CredentialId, change: &ChangeApiKey, json: bool) -> Result<(), Failure> {
    let key: ApiKeyInfo = service::post(&at.open()?, &format!("{PATH}/{id}"), change)?;
    show(&key, json)
}
