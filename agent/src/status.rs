//! `signet-agent status`: what there is, without lock, repair or network.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use signet_api::client::Clock;
use signet_pki::{DeviceId, UnixTime};

use crate::failure::Failure;
use crate::store::{Generation, Store, StoreError, WRITE_ANEW};

/// Show this device's identity. Exit code 1 when it is missing, damaged or expired.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  signet-agent status --dir /var/lib/signet --json")]
pub(crate) struct Status {
    /// Where the identity is kept
    #[arg(long)]
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Condition {
    Valid,
    /// Valid, and the server wants it renewed.
    RenewalDue,
    Expired,
    NotYetValid,
    /// The clock cannot be right, so nobody can say whether it is valid.
    ClockImplausible,
    Missing,
    Damaged,
    /// The identity is whole, and a file that other programs read of it is not.
    NotUsable,
}

#[derive(Debug, Serialize)]
struct Report {
    condition: Condition,
    /// What is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    identity: Option<Identity>,
}

#[derive(Debug, Serialize)]
struct Identity {
    device: DeviceId,
    spiffe_id: Option<String>,
    server: String,
    profile: String,
    serial: String,
    not_before: String,
    not_after: String,
    renew_after: String,
    /// The private key belongs to the certificate.
    key_matches: bool,
    generation: u32,
    root: String,
}

impl Status {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let report = examine(&self.dir, Clock::System.read())?;
        let text = match self.json {
            true => serde_json::to_string_pretty(&report).map_err(Failure::internal)? + "\n",
            false => report.text(),
        };
        std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes())
            .map_err(|e| Failure::internal(format!("the output cannot be written: {e}")))?;
        report.verdict()
    }
}

fn examine(dir: &Path, now: UnixTime) -> Result<Report, Failure> {
    let nothing = |condition, detail| Report { condition, detail, identity: None };
    match Store::inspect(dir) {
        Ok(Some(found)) => Ok(Report { condition: condition(&found, now), detail: None, identity: Some(found.into()) }),
        Ok(None) | Err(StoreError::Missing(_)) => Ok(nothing(Condition::Missing, None)),
        Err(error @ StoreError::Published { .. }) => Ok(nothing(Condition::NotUsable, Some(error.to_string()))),
        Err(error @ StoreError::Damaged { .. }) => Ok(nothing(Condition::Damaged, Some(error.to_string()))),
        Err(other) => Err(other.into()),
    }
}

fn condition(found: &Generation, now: UnixTime) -> Condition {
    let leaf = found.leaf();
    match now {
        now if !Clock::is_plausible(now) => Condition::ClockImplausible,
        now if now < leaf.not_before => Condition::NotYetValid,
        now if now > leaf.not_after => Condition::Expired,
        now if now >= found.renew_after() => Condition::RenewalDue,
        _ => Condition::Valid,
    }
}

impl From<Generation> for Identity {
    fn from(found: Generation) -> Identity {
        let leaf = found.leaf();
        Identity {
            device: found.state.device.clone(),
            spiffe_id: leaf.uris.first().cloned(),
            server: found.state.server.clone(),
            profile: found.state.profile.clone(),
            serial: leaf.serial.to_string(),
            not_before: leaf.not_before.to_string(),
            not_after: leaf.not_after.to_string(),
            renew_after: found.renew_after().to_string(),
            // Loading refuses a pair that does not match.
            key_matches: true,
            generation: found.number,
            root: found.pin().to_string(),
        }
    }
}

impl Report {
    fn text(&self) -> String {
        let mut out = String::new();
        let Some(one) = &self.identity else { return out };
        let condition = match self.condition {
            Condition::Valid => "valid",
            Condition::RenewalDue => "valid, renewal is due",
            Condition::Expired => "expired",
            Condition::NotYetValid => "not valid yet",
            Condition::ClockImplausible => "unknown: this machine's clock cannot be right",
            Condition::Missing => "missing",
            Condition::Damaged => "damaged",
            Condition::NotUsable => "not valid",
        };
        for (name, value) in [
            ("device", one.device.as_str()),
            ("state", condition),
            ("SPIFFE id", one.spiffe_id.as_deref().unwrap_or("none")),
            ("server", &one.server),
            ("profile", &one.profile),
            ("serial", &one.serial),
            ("valid from", &one.not_before),
            ("valid until", &one.not_after),
            ("renews after", &one.renew_after),
            ("key", "belongs to the certificate"),
            ("root", &one.root),
        ] {
            // Writing to a String does not fail.
            let _ = writeln!(out, "{name}: {value}");
        }
        out
    }

    fn verdict(&self) -> Result<(), Failure> {
        let renew = "Enroll again with a new token: signet-agent enroll --help";
        match self.condition {
            Condition::Valid | Condition::RenewalDue | Condition::ClockImplausible => Ok(()),
            Condition::Expired => Err(Failure::refused("the certificate has expired").hint(renew)),
            Condition::NotYetValid => {
                Err(Failure::refused("the certificate is not valid yet").hint("Check this machine's clock"))
            }
            Condition::Missing => Err(Failure::refused("this device is not enrolled").hint(renew)),
            Condition::NotUsable => {
                let what = self.detail.as_deref().unwrap_or("a file of the identity is not valid");
                Err(Failure::refused(what).hint(WRITE_ANEW))
            }
            Condition::Damaged => {
                let what = self.detail.as_deref().unwrap_or("the identity is damaged");
                Err(Failure::refused(what).hint("Get a new identity with a new token: signet-agent enroll --force"))
            }
        }
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
