//! `ca apikey create`, and how a key is shown its one time.

use std::path::{Path, PathBuf};

use clap::Args;
use signet_api::access::{CreateApiKey, CreatedApiKey};
use signet_api::scope::{AccountId, ScopeError, Scopes};
use signet_keys::files::Mode;
use signet_pki::DeviceId;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::online::apikey::PATH;
use crate::online::context::At;
use crate::online::duration::Seconds;
use crate::online::service::{self, Service};
use crate::online::{files, print};

/// Make an API key; it is shown once
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca apikey create --account acme --out acme.key
  ca apikey create --account acme --scope devices:read --ttl 30d --cidr 10.20.0.0/16")]
pub(crate) struct Create {
    /// Whose key it is
    #[arg(long, value_name = "ID", value_parser = AccountId::parse, required_unless_present = "device")]
    account: Option<AccountId>,
    /// A device or service whose key it is, instead of an account
    #[arg(long, value_name = "ID", conflicts_with = "account")]
    device: Option<DeviceId>,
    /// For people to read
    #[arg(long, value_name = "TEXT", default_value = "")]
    name: String,
    /// What it may do of what its owner may; everything when absent; may be repeated
    #[arg(long = "scope", value_name = "S")]
    scopes: Vec<String>,
    /// How long it lives: an hour to 365d, which is the default
    #[arg(long, value_name = "90d")]
    ttl: Option<Seconds>,
    /// Network that requests with it must come from
    #[arg(long, value_name = "10.20.0.0/16")]
    cidr: Option<String>,
    #[command(flatten)]
    shown: Shown,
}

/// Where the key goes.
#[derive(Debug, Args)]
pub(super) struct Shown {
    /// Write the key to a new file with mode 0600 instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the service's answer as JSON; with --out without the key
    #[arg(long)]
    json: bool,
}

impl Create {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        let order = CreateApiKey {
            account: self.account,
            device: self.device,
            name: self.name,
            scopes: scopes(&self.scopes)?,
            lifetime: self.ttl.map(|ttl| ttl.0),
            cidr: self.cidr,
        };
        self.shown.is_possible()?;
        self.shown.ask(&at.open()?, PATH, &order)
    }
}

impl Shown {
    /// Before the service is asked for something that could not be kept.
    pub(super) fn is_possible(&self) -> Result<(), Failure> {
        self.out.as_deref().map_or(Ok(()), files::must_be_new)
    }

    pub(super) fn ask<B: serde::Serialize>(&self, service: &dyn Service, path: &str, order: &B) -> Result<(), Failure> {
        let made: CreatedApiKey = service::post(service, path, order)?;
        let key = Zeroizing::new(made.key.clone());
        if let Some(out) = &self.out {
            keep(out, &key, &made)?;
        }
        let shown = CreatedApiKey { key: if self.out.is_some() { String::new() } else { made.key.clone() }, ..made };
        match (self.json, &self.out) {
            (true, _) => print::json(&shown)?,
            (false, None) => print::data(&Zeroizing::new(format!("{}\n", *key)))?,
            (false, Some(_)) => {}
        }
        self.explain(&shown);
        Ok(())
    }

    fn explain(&self, made: &CreatedApiKey) {
        let info = &made.info;
        print::note(format!("key {} until {}; it may: {}", info.id, info.expires_at, info.scopes));
        if let Some(old) = &made.replaces {
            print::note(format!("it replaces {}, which goes on until {}", old.id, old.expires_at));
        }
        match &self.out {
            Some(path) => print::note(format!("written to {} (mode 0600); it cannot be shown again", path.display())),
            None => print::note("the key is shown this once; keep it in a file that only its program can read"),
        }
    }
}

fn keep(out: &Path, key: &str, made: &CreatedApiKey) -> Result<(), Failure> {
    let text = Zeroizing::new(format!("{key}\n"));
    files::write_new(out, text.as_bytes(), Mode::Private).map_err(|failure| {
        failure.hint(format!("the key is lost; revoke it and start again: ca apikey revoke {}", made.info.id))
    })
}

/// `None` when nothing was given.
pub(super) fn scopes(texts: &[String]) -> Result<Option<Scopes>, Failure> {
    if texts.is_empty() {
        return Ok(None);
    }
    let parsed = texts.join(" ").parse();
    parsed.map(Some).map_err(|e: ScopeError| Failure::usage(format!("--scope: {e}")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::online::service::tests::Fake;

    fn service() -> Fake {
        Fake::default().with(
            PATH,
            &serde_json::json!({
                "key": "sgk_0123456789_secret", "id": "0123456789", "account": "acme", "name": "", "scopes": "devices:read",
                "status": "active", "cidr": null, "created_at": "2026-01-01T00:00:00Z", "created_by": "admin:x",
                "expires_at": "2027-01-01T00:00:00Z", "last_used_at": null, "successor": null, "legacy": false
            }),
        )
    }

    #[test]
    fn a_key_goes_into_a_new_file_that_nobody_else_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("acme.key");
        let shown = Shown { out: Some(out.clone()), json: true };
        shown.is_possible().unwrap();
        shown.ask(&service(), PATH, &()).unwrap();
        assert_eq!(std::fs::read_to_string(&out).unwrap(), "sgk_0123456789_secret\n");
        assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
        // Never over another one, and nothing is asked for then.
        let failure = shown.is_possible().unwrap_err();
        assert!(failure.message().contains("acme.key"), "{failure:?}");
        let lost = shown.ask(&service(), PATH, &()).unwrap_err();
        assert!(lost.hint_text().unwrap().contains("ca apikey revoke 0123456789"), "{lost:?}");
    }

    #[test]
    fn scopes_are_all_of_the_owners_or_those_that_are_named() {
        assert_eq!(scopes(&[]).unwrap(), None);
        assert_eq!(
            scopes(&["devices:read audit:read".into()]).unwrap().unwrap().to_string(),
            "devices:read audit:read"
        );
        assert!(scopes(&["role:owner".into()]).is_err());
    }
}
