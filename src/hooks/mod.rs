//! Webhooks in: what other systems may ask for, how they prove who they are, and what was asked already.

mod secrets;
mod window;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use signet_api::standard_webhooks::{Claim, ProofError};
use signet_pki::UnixTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use window::{Place, Seen, Window};

use crate::config::raw::{RawHookAction, RawHooks, RawOnLost};
use crate::config::{Config, ConfigError};
use secrets::Secrets;

/// What is done with the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Approve,
    Suspend,
    Revoke,
}

pub struct Hook {
    pub name: String,
    pub action: Action,
    secrets: Secrets,
    /// What was proved lately.
    pub window: Window,
    allowance: Mutex<Allowance>,
    per_hour: u32,
}

/// How a caller showed who it is. Made by [`Hooks`] only.
pub struct Proved<'a> {
    pub hook: &'a Arc<Hook>,
    /// The id of the message, when it is signed.
    pub claim: Option<Claim>,
}

pub struct Hooks {
    by_name: BTreeMap<String, Arc<Hook>>,
    /// Stands for a hook that does not exist, so that one costs as much as one that does.
    nobody: Secrets,
    places: Arc<Semaphore>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Allowance {
    since: i64,
    used: u32,
}

impl Hooks {
    /// Reads the secrets of every hook. Messages that were signed before `now` are not taken: whether an earlier process has had
    /// them is not known.
    pub fn load(config: &Config, now: UnixTime) -> Result<Hooks, ConfigError> {
        let mut by_name = BTreeMap::new();
        for raw in &config.raw.hooks {
            check(raw)?;
            let hook = Hook {
                name: raw.name.clone(),
                action: action(raw),
                secrets: Secrets::load(config, raw)?,
                window: Window::since(now),
                allowance: Mutex::default(),
                per_hour: raw.per_hour,
            };
            if by_name.insert(raw.name.clone(), Arc::new(hook)).is_some() {
                let message = format!("hooks: two are named {:?}", raw.name);
                return Err(ConfigError::new(message, "give every hook a name of its own"));
            }
        }
        if by_name.len() > MAX_HOOKS {
            return Err(ConfigError::new(format!("hooks: more than {MAX_HOOKS}"), "let systems share one"));
        }
        Ok(Hooks { by_name, nobody: Secrets::of_nobody(), places: Arc::new(Semaphore::new(PLACES)) })
    }

    /// A place for a request whose body has to be read before it can prove anything.
    pub fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().try_acquire_owned().ok()
    }

    /// Whether the bearer opens the hook. A hook that does not exist, one that wants signatures and a wrong bearer look alike.
    pub fn by_bearer(&self, name: &str, bearer: &str) -> Option<Proved<'_>> {
        let hook = self.by_name.get(name);
        let good = hook.map_or(&self.nobody, |hook| &hook.secrets).matches(bearer);
        hook.filter(|_| good).map(|hook| Proved { hook, claim: None })
    }

    /// Whether the signatures open the hook. The reason of a refusal is for administrators.
    pub fn by_signature(&self, name: &str, claim: Claim, body: &[u8], now: UnixTime) -> Result<Proved<'_>, ProofError> {
        let hook = self.by_name.get(name);
        let verified = claim.verify(hook.map_or(&self.nobody, |hook| &hook.secrets).signing(), body, now);
        match hook {
            Some(hook) => verified.map(|()| Proved { hook, claim: Some(claim) }),
            None => Err(ProofError::Wrong),
        }
    }
}

impl Hook {
    /// `hook:inventory`.
    pub fn actor(&self) -> String {
        format!("hook:{}", self.name)
    }

    /// Seconds to wait when the hour is used up.
    pub fn take(&self, now: UnixTime) -> Option<u64> {
        let mut allowance = self.allowance.lock().unwrap_or_else(PoisonError::into_inner);
        if now.0 >= allowance.since + HOUR || now.0 < allowance.since {
            *allowance = Allowance { since: now.0, used: 0 };
        }
        if allowance.used >= self.per_hour {
            return u64::try_from(allowance.since + HOUR - now.0).ok();
        }
        allowance.used += 1;
        None
    }
}

fn action(raw: &RawHooks) -> Action {
    match (raw.action, raw.on_lost) {
        (RawHookAction::Approve, _) => Action::Approve,
        (RawHookAction::ReportLost, RawOnLost::Suspend) => Action::Suspend,
        (RawHookAction::ReportLost, RawOnLost::Revoke) => Action::Revoke,
    }
}

fn check(raw: &RawHooks) -> Result<(), ConfigError> {
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if raw.name.is_empty() || raw.name.len() > 40 || !raw.name.bytes().all(letters) {
        let message = format!("hooks.name = {:?} is not 1 to 40 of a-z, 0-9 and '-'", raw.name);
        return Err(ConfigError::new(message, "it stands in the path /v1/hooks/NAME"));
    }
    if raw.per_hour == 0 {
        return Err(ConfigError::new("hooks.per_hour is at least 1", "leave it out for 600"));
    }
    Ok(())
}

const HOUR: i64 = 3600;
/// A system that approves, one that reports losses, and their successors: more is a mistake.
const MAX_HOOKS: usize = 32;
/// Requests at one time: at 16 KiB each they hold 1 MiB.
const PLACES: usize = 64;

#[cfg(test)]
#[path = "hooks_tests.rs"]
mod tests;
