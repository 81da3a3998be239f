//! Orders for API keys, checked and minted.

use ipnet::IpNet;
use signet_api::scope::Scopes;
use signet_api::{Credential, CredentialKind};
use signet_pki::UnixTime;
use zeroize::Zeroizing;

use super::Pepper;
use super::delegation::Delegated;
use super::keys::LegacyKey;
use super::order::OrderError;
use crate::random::{self, Random};
use crate::store::{CredentialRecord, CredentialStatus, Owner};

/// A key as it shall be. Made by [`Plan::new`] and [`Plan::successor`] only, which check it.
#[derive(Debug, Clone)]
pub struct Plan {
    owner: Owner,
    name: String,
    scopes: Scopes,
    cidr: Option<String>,
    /// Seconds.
    lifetime: i64,
}

impl Plan {
    /// `lifetime` in seconds; `usual` when nothing is said.
    pub fn new(
        owner: Owner,
        name: &str,
        scopes: Delegated,
        cidr: Option<String>,
        lifetime: Option<i64>,
        usual: i64,
    ) -> Result<Plan, OrderError> {
        Plan::check(name, cidr.as_deref(), lifetime)?;
        let lifetime = lifetime.unwrap_or(usual);
        Ok(Plan { owner, name: name.to_owned(), scopes: scopes.scopes(), cidr, lifetime })
    }

    /// Whether a key may be as it is ordered.
    pub fn check(name: &str, cidr: Option<&str>, lifetime: Option<i64>) -> Result<(), OrderError> {
        check_name(name)?;
        check_network(cidr)?;
        if lifetime.is_some_and(|seconds| !(HOUR..=YEAR).contains(&seconds)) {
            return invalid("an API key lives an hour to 365 days".into());
        }
        Ok(())
    }

    /// The same again, for as long as this one lives. Not one that was replaced: its end is nearer than was meant.
    pub fn successor(old: &CredentialRecord, scopes: Delegated) -> Plan {
        Plan {
            owner: old.owner.clone(),
            name: old.name.clone(),
            scopes: scopes.scopes(),
            cidr: old.cidr.clone(),
            lifetime: old.expires_at.since(old.created_at).clamp(HOUR, YEAR),
        }
    }

    /// The record, and the key to be shown once.
    pub fn mint(
        self,
        actor: &str,
        now: UnixTime,
        pepper: &Pepper,
        source: &dyn Random,
    ) -> Result<(CredentialRecord, Zeroizing<String>), OrderError> {
        let key = Credential::from_random(CredentialKind::ApiKey, &random::bytes(source)?);
        let record = self.record(&key, pepper.hash(&key), actor, now);
        Ok((record, key.expose()))
    }

    /// A key of another system, under an id of ours.
    pub fn adopt(
        self,
        key: &LegacyKey,
        actor: &str,
        now: UnixTime,
        pepper: &Pepper,
        source: &dyn Random,
    ) -> Result<CredentialRecord, OrderError> {
        let id = Credential::from_random(CredentialKind::ApiKey, &random::bytes(source)?);
        Ok(CredentialRecord { legacy: true, ..self.record(&id, pepper.hash_legacy(key), actor, now) })
    }

    fn record(self, key: &Credential, hash: [u8; 32], actor: &str, now: UnixTime) -> CredentialRecord {
        CredentialRecord {
            id: key.id().clone(),
            kind: CredentialKind::ApiKey,
            hash,
            owner: self.owner,
            name: self.name,
            scopes: self.scopes,
            status: CredentialStatus::Active,
            family: key.id().clone(),
            parent: None,
            spki: None,
            cidr: self.cidr,
            created_at: now,
            created_by: actor.to_owned(),
            expires_at: now.plus(self.lifetime),
            line_ends_at: None,
            used_at: None,
            successor: None,
            last_used_at: None,
            legacy: false,
        }
    }
}

/// Seconds for which a replaced key goes on.
pub fn overlap(asked: Option<i64>) -> Result<i64, OrderError> {
    let seconds = asked.unwrap_or(DAY);
    if (0..=30 * DAY).contains(&seconds) {
        Ok(seconds)
    } else {
        invalid("a replaced key goes on for at most 30 days".into())
    }
}

/// Of an account or a key, for people to read.
pub fn check_name(name: &str) -> Result<(), OrderError> {
    if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return invalid(format!("a name has at most {MAX_NAME} characters on one line"));
    }
    Ok(())
}

pub fn check_network(cidr: Option<&str>) -> Result<(), OrderError> {
    match cidr {
        Some(cidr) if cidr.parse::<IpNet>().is_err() => {
            invalid(format!("{cidr:?} is not a network such as 10.20.0.0/16 or 2001:db8::/32"))
        }
        _ => Ok(()),
    }
}

fn invalid<T>(sentence: String) -> Result<T, OrderError> {
    Err(OrderError::Invalid(sentence))
}

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// The longest and usual life of a key.
pub const YEAR: i64 = 365 * DAY;
/// The usual life of an imported key: it is there to be replaced.
pub const IMPORTED: i64 = 90 * DAY;
const MAX_NAME: usize = 128;
