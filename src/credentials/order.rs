//! An administrator's order for enrollment tokens, checked and minted.

use std::collections::HashSet;

use ipnet::IpNet;
use signet_api::admin::{self, TokenKind, TokenTarget};
use signet_api::link::EnrollmentLink;
use signet_api::{Credential, CredentialKind};
use signet_keys::random::RandomError;
use signet_pki::profile::Profile;
use signet_pki::{DeviceId, Fingerprint, UnixTime};

use super::Pepper;
use crate::random::{self, Random};
use crate::store::{TokenRecord, TokenStatus};

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
/// Tokens to one order: one transaction, one answer of a few megabytes.
const MAX_TARGETS: usize = 10_000;
/// Groups of one device, and their length: they are copied into every decision.
const MAX_GROUPS: usize = 32;

/// Who orders, and under what circumstances.
pub struct Ordering<'a> {
    pub profile: &'a Profile,
    pub actor: &'a str,
    pub now: UnixTime,
    pub public_url: &'a str,
    pub root: Fingerprint,
}

/// What the store gets, and what the administrator sees once.
#[derive(Debug)]
pub struct Minted {
    pub records: Vec<TokenRecord>,
    pub shown: Vec<admin::CreatedToken>,
}

#[derive(Debug)]
pub enum OrderError {
    /// A sentence for the administrator.
    Invalid(String),
    Random(RandomError),
}

impl From<RandomError> for OrderError {
    fn from(error: RandomError) -> OrderError {
        OrderError::Random(error)
    }
}

pub fn mint(
    order: &admin::CreateTokens,
    circumstances: &Ordering<'_>,
    pepper: &Pepper,
    source: &dyn Random,
) -> Result<Minted, OrderError> {
    let lifetime = lifetime(order)?;
    check_common(order)?;
    let expires_at = circumstances.now.plus(lifetime);
    let mut minted = Minted { records: Vec::new(), shown: Vec::new() };
    let mut taken = HashSet::new();
    for target in &order.targets {
        let spki = check_target(target, circumstances.profile)?;
        let credential = Credential::from_random(CredentialKind::Enrollment, &random::bytes(source)?);
        let device = match &target.device {
            Some(device) => device.clone(),
            None => made_up_id(source)?,
        };
        if !taken.insert(device.clone()) {
            return invalid(format!("the device {device} is in the order twice"));
        }
        let unbound = target.serial_number.is_none() && spki.is_none() && order.cidr.is_none();
        minted.records.push(TokenRecord {
            id: credential.id().clone(),
            kind: order.kind,
            hash: pepper.hash(&credential),
            status: TokenStatus::Active,
            batch: order.batch.clone(),
            device: device.clone(),
            profile: order.profile.clone(),
            groups: order.groups.clone(),
            dns_names: target.dns_names.clone(),
            hardware_serial: target.serial_number.clone(),
            spki,
            cidr: order.cidr.clone(),
            // A long-lived token that anybody could use anywhere needs a second look at the moment of use.
            approval: order.approval || (order.kind == TokenKind::Batch && unbound),
            replace: order.replace,
            created_at: circumstances.now,
            created_by: circumstances.actor.to_owned(),
            expires_at,
            claimed_spki: None,
            redeemed_at: None,
            redeemed_serial: None,
        });
        minted.shown.push(shown(credential, device, expires_at, circumstances));
    }
    Ok(minted)
}

fn shown(
    token: Credential,
    device: DeviceId,
    expires_at: UnixTime,
    circumstances: &Ordering<'_>,
) -> admin::CreatedToken {
    let text = token.expose().to_string();
    let id = token.id().clone();
    let server = circumstances.public_url.trim_end_matches('/').to_owned();
    let link = EnrollmentLink { server, token, root: circumstances.root };
    admin::CreatedToken { id, device, token: text, link: link.expose().to_string(), expires_at: expires_at.to_string() }
}

fn lifetime(order: &admin::CreateTokens) -> Result<i64, OrderError> {
    let (default, range, words) = match order.kind {
        TokenKind::Interactive => (15 * MINUTE, 5 * MINUTE..=15 * MINUTE, "5 to 15 minutes"),
        TokenKind::Batch => (30 * DAY, 5 * MINUTE..=90 * DAY, "5 minutes to 90 days"),
    };
    let seconds = order.lifetime.unwrap_or(default);
    if range.contains(&seconds) { Ok(seconds) } else { invalid(format!("this kind of token lives {words}")) }
}

fn check_common(order: &admin::CreateTokens) -> Result<(), OrderError> {
    if order.targets.is_empty() || order.targets.len() > MAX_TARGETS {
        return invalid(format!("an order has 1 to {MAX_TARGETS} targets"));
    }
    if order.targets.len() > 1 && order.batch.is_none() {
        return invalid("several tokens need a batch name, so that they can be revoked together".into());
    }
    if order.targets.len() > 1 && order.kind == TokenKind::Interactive {
        return invalid("an interactive token is for one device; use kind batch for several".into());
    }
    if order.batch.as_deref().is_some_and(|b| DeviceId::parse(b).is_err()) {
        return invalid("a batch name is 1 to 63 of a-z, 0-9 and '-'".into());
    }
    check_groups(&order.groups)?;
    match &order.cidr {
        Some(cidr) if cidr.parse::<IpNet>().is_err() => {
            invalid(format!("{cidr:?} is not a network such as 10.20.0.0/16 or 2001:db8::/32"))
        }
        _ => Ok(()),
    }
}

pub fn check_groups(groups: &[String]) -> Result<(), OrderError> {
    if groups.len() > MAX_GROUPS || groups.iter().any(|g| DeviceId::parse(g).is_err()) {
        return invalid(format!("a device has at most {MAX_GROUPS} groups of 1 to 63 of a-z, 0-9 and '-'"));
    }
    Ok(())
}

fn check_target(target: &TokenTarget, profile: &Profile) -> Result<Option<Fingerprint>, OrderError> {
    if let Some(name) = target.dns_names.iter().find(|name| !profile.allows_dns(name)) {
        return invalid(format!(
            "profile {0} does not allow the DNS name {name}: dns_suffixes in [profiles.{0}] does not cover it",
            profile.name
        ));
    }
    if target.dns_names.len() > 16 {
        return invalid("a device has at most 16 DNS names".into());
    }
    if target.serial_number.as_deref().is_some_and(|s| !is_hardware_serial(s)) {
        return invalid("a hardware serial number has 1 to 128 printable ASCII characters".into());
    }
    match &target.spki {
        None => Ok(None),
        Some(text) => match Fingerprint::parse(text) {
            Some(fingerprint) => Ok(Some(fingerprint)),
            None => invalid("spki is the SHA-256 of a public key in hex: 64 digits".into()),
        },
    }
}

pub fn is_hardware_serial(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// `d-` and 12 characters: 60 random bits, a valid label.
fn made_up_id(source: &dyn Random) -> Result<DeviceId, OrderError> {
    let random: [u8; 8] = random::bytes(source)?;
    let text = data_encoding::BASE32_DNSCURVE.encode(&random);
    DeviceId::parse(&format!("d-{}", &text[..12])).or_else(|e| invalid(e.to_string()))
}

fn invalid<T>(sentence: String) -> Result<T, OrderError> {
    Err(OrderError::Invalid(sentence))
}
