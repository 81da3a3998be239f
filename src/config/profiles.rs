//! Profiles: the built-in ones, changed and extended by the configuration, compiled once.

use std::collections::BTreeMap;
use std::sync::Arc;

use signet_pki::key_policy::{KeyPolicy, KeyType};
use signet_pki::name::PrincipalKind;
use signet_pki::profile::{Profile, Revocation, UNREVOCABLE_LIFETIME, Usage};

use super::ConfigError;
use super::raw::{RawProfile, RawRevocation, RawUsage};

/// The administrator's certificate; not available to tokens.
pub const ADMIN_PROFILE: &str = "admin";
/// The service's own TLS certificate; not available to tokens.
pub const SERVER_PROFILE: &str = "server";
/// The responder that answers for the issuer about revocation; not available to tokens.
pub const OCSP_PROFILE: &str = "ocsp";

const DAY: i64 = 86_400;
const OCSP_LIFETIME: i64 = 7 * DAY;

#[derive(Debug, Clone)]
pub struct Profiles(BTreeMap<String, Arc<Profile>>);

impl Profiles {
    pub fn compile(raw: &BTreeMap<String, RawProfile>) -> Result<Profiles, ConfigError> {
        let mut all: BTreeMap<String, Profile> = built_in().into_iter().map(|p| (p.name.clone(), p)).collect();
        for (name, changes) in raw {
            let base = match all.remove(name) {
                Some(built_in) => built_in,
                None => new_profile(name, changes)?,
            };
            all.insert(name.clone(), apply(base, changes)?);
        }
        Ok(Profiles(all.into_iter().map(|(name, p)| (name, Arc::new(p))).collect()))
    }

    pub fn named(&self, name: &str) -> Option<Arc<Profile>> {
        self.0.get(name).cloned()
    }

    /// Profiles that tokens and manual issue may name.
    pub fn for_devices(&self, name: &str) -> Option<Arc<Profile>> {
        self.named(name).filter(|p| matches!(p.kind, PrincipalKind::Device | PrincipalKind::Service))
    }

    pub fn device_names(&self) -> Vec<&str> {
        let of_devices = |p: &&Arc<Profile>| matches!(p.kind, PrincipalKind::Device | PrincipalKind::Service);
        self.0.values().filter(of_devices).map(|p| p.name.as_str()).collect()
    }
}

fn built_in() -> Vec<Profile> {
    let profile = |name: &str, kind, usages: &[Usage], lifetime, max_lifetime| Profile {
        name: name.to_owned(),
        kind,
        usages: usages.to_vec(),
        lifetime,
        max_lifetime,
        keys: KeyPolicy::standard(),
        dns_suffixes: Vec::new(),
        reuse_key: false,
        revocation: Revocation::Published,
    };
    let both = [Usage::ServerAuth, Usage::ClientAuth];
    let mut server = profile(SERVER_PROFILE, PrincipalKind::Server, &[Usage::ServerAuth], 30 * DAY, 30 * DAY);
    server.reuse_key = true;
    vec![
        profile("device", PrincipalKind::Device, &both, DAY, DAY),
        profile("service", PrincipalKind::Service, &both, DAY, 7 * DAY),
        profile("intermittent", PrincipalKind::Device, &both, 30 * DAY, 30 * DAY),
        profile(ADMIN_PROFILE, PrincipalKind::Admin, &[Usage::ClientAuth], 7 * DAY, 30 * DAY),
        server,
        profile(OCSP_PROFILE, PrincipalKind::Server, &[Usage::OcspSigning], OCSP_LIFETIME, OCSP_LIFETIME),
    ]
}

fn new_profile(name: &str, raw: &RawProfile) -> Result<Profile, ConfigError> {
    let kind = raw.kind.filter(|k| matches!(k, PrincipalKind::Device | PrincipalKind::Service));
    let kind = kind.ok_or_else(|| error(name, "a new profile needs kind = \"device\" or \"service\""))?;
    if signet_pki::DeviceId::parse(name).is_err() {
        return Err(error(name, "a profile's name is 1 to 63 of a-z, 0-9 and '-'"));
    }
    let lifetime = raw.lifetime_seconds.ok_or_else(|| error(name, "a new profile needs lifetime_seconds"))?;
    Ok(Profile {
        name: name.to_owned(),
        kind,
        usages: vec![Usage::ServerAuth, Usage::ClientAuth],
        lifetime,
        max_lifetime: lifetime,
        keys: KeyPolicy::standard(),
        dns_suffixes: Vec::new(),
        reuse_key: false,
        revocation: Revocation::Published,
    })
}

fn apply(mut profile: Profile, raw: &RawProfile) -> Result<Profile, ConfigError> {
    let name = profile.name.clone();
    if raw.kind.is_some_and(|kind| kind != profile.kind) {
        return Err(error(&name, "the kind of a built-in profile cannot change"));
    }
    if let Some(usages) = &raw.usages {
        profile.usages = usages.iter().map(|u| usage(*u)).collect();
    }
    profile.lifetime = raw.lifetime_seconds.unwrap_or(profile.lifetime);
    profile.max_lifetime = raw.max_lifetime_seconds.unwrap_or(profile.max_lifetime.max(profile.lifetime));
    if let Some(keys) = &raw.keys {
        profile.keys = KeyPolicy::new(keys.iter().copied());
    }
    if let Some(suffixes) = &raw.dns_suffixes {
        profile.dns_suffixes = suffixes.clone();
    }
    profile.reuse_key = raw.reuse_key.unwrap_or(profile.reuse_key);
    profile.revocation = raw.revocation.map_or(profile.revocation, revocation);
    let repeated = profile.usages.iter().enumerate().any(|(i, u)| profile.usages[..i].contains(u));
    if profile.usages.is_empty() || repeated {
        return Err(error(&name, "usages names each of client-auth and server-auth at most once, and one at least"));
    }
    if raw.keys.as_ref().is_some_and(|keys: &Vec<KeyType>| keys.is_empty()) {
        return Err(error(&name, "keys names at least one of p256, p384, ed25519, rsa"));
    }
    // Ten minutes: shorter ones would spend their life renewing. A year: longer ones belong to an issuer.
    if !(600..=366 * DAY).contains(&profile.lifetime) || !(profile.lifetime..=366 * DAY).contains(&profile.max_lifetime)
    {
        return Err(error(&name, "lifetimes are 600 seconds to 366 days, and the maximum is not below the default"));
    }
    check_revocation(&profile, raw)?;
    Ok(profile)
}

/// A certificate that cannot be revoked must end soon, whatever it is for.
fn check_revocation(profile: &Profile, raw: &RawProfile) -> Result<(), ConfigError> {
    let unavailable = profile.revocation == Revocation::Unavailable;
    if unavailable && profile.max_lifetime > UNREVOCABLE_LIFETIME {
        return Err(ConfigError::new(
            format!(
                "[profiles.{}]: revocation = \"none\" needs max_lifetime_seconds of at most {UNREVOCABLE_LIFETIME} \
                 (24 hours), because nobody can learn that such a certificate was revoked",
                profile.name
            ),
            "shorten lifetime_seconds and max_lifetime_seconds, or leave revocation out; nothing was started or changed",
        ));
    }
    if profile.name == OCSP_PROFILE {
        let fixed = raw.usages.is_none() && raw.revocation.is_none() && profile.max_lifetime <= OCSP_LIFETIME;
        let message = "usages and revocation of this profile are fixed, and its lifetime is 7 days at most: \
                       nobody can revoke a responder";
        return if fixed { Ok(()) } else { Err(error(OCSP_PROFILE, message)) };
    }
    Ok(())
}

fn usage(raw: RawUsage) -> Usage {
    match raw {
        RawUsage::ClientAuth => Usage::ClientAuth,
        RawUsage::ServerAuth => Usage::ServerAuth,
    }
}

fn revocation(raw: RawRevocation) -> Revocation {
    match raw {
        RawRevocation::Crl => Revocation::Published,
        RawRevocation::None => Revocation::Unavailable,
    }
}

fn error(name: &str, message: &str) -> ConfigError {
    ConfigError::new(format!("[profiles.{name}]: {message}"), "correct the profile; nothing was started or changed")
}
