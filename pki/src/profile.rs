//! What a kind of principal gets: usages, lifetime, key types, and which names its record may carry.

use crate::key_policy::KeyPolicy;
use crate::name::{DnsName, PrincipalKind};
use crate::time::UnixTime;

/// Extended key usages that a leaf may have (RFC 5280 4.2.1.12). There is no `any`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Usage {
    ServerAuth,
    ClientAuth,
    /// Answers for its issuer about revocation (RFC 6960 4.2.2.2). Stands alone; such a certificate carries
    /// id-pkix-ocsp-nocheck instead of places where its own revocation would be found.
    OcspSigning,
}

/// How verifiers learn that a certificate was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Revocation {
    /// From lists and, where there is one, from a responder.
    Published,
    /// Not at all: the certificate says so (RFC 9608) and names no place.
    Unavailable,
}

/// A profile as the operator configured it, checked once at load.
#[derive(Debug, Clone)]
pub struct Profile {
    pub name: String,
    pub kind: PrincipalKind,
    pub usages: Vec<Usage>,
    /// Seconds that a certificate lives when nothing else is asked.
    pub lifetime: i64,
    /// Seconds that it may live at most.
    pub max_lifetime: i64,
    pub keys: KeyPolicy,
    /// DNS names of a principal must equal one of these or end in `.` + one of these. Empty: no DNS names at all.
    pub dns_suffixes: Vec<DnsName>,
    /// Whether a renewal may keep its public key.
    pub reuse_key: bool,
    pub revocation: Revocation,
}

/// Seconds by which `notBefore` lies in the past, for clients whose clock is behind.
pub const BACKDATE: i64 = 300;

/// The longest life of a certificate whose revocation nobody can learn of: by then a list would hardly have arrived.
pub const UNREVOCABLE_LIFETIME: i64 = 86_400;

impl Profile {
    /// `(notBefore, notAfter)` for a certificate issued at `now`: never beyond the profile's maximum nor the issuer's end.
    /// `None` when the issuer has less than a minute left.
    pub fn validity(&self, now: UnixTime, wanted: Option<i64>, issuer_end: UnixTime) -> Option<(UnixTime, UnixTime)> {
        // Not `clamp`, which panics on a maximum below a minute.
        let seconds = wanted.unwrap_or(self.lifetime).max(60).min(self.max_lifetime);
        let end = now.plus(seconds).min(issuer_end);
        (end.since(now) >= 60).then(|| (now.minus(BACKDATE), end))
    }

    /// A responder's certificate: one usage and no other.
    pub fn is_ocsp_responder(&self) -> bool {
        self.usages == [Usage::OcspSigning]
    }

    /// Whether certificates say where their revocation is found.
    pub fn names_revocation(&self) -> bool {
        self.revocation == Revocation::Published && !self.is_ocsp_responder()
    }

    pub fn allows_dns(&self, name: &DnsName) -> bool {
        self.dns_suffixes.iter().any(|suffix| {
            let (name, suffix) = (name.as_str(), suffix.as_str());
            name == suffix || name.strip_suffix(suffix).is_some_and(|head| head.ends_with('.'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile {
            name: "device".into(),
            kind: PrincipalKind::Device,
            usages: vec![Usage::ClientAuth],
            lifetime: 86_400,
            max_lifetime: 90_000,
            keys: KeyPolicy::standard(),
            dns_suffixes: vec![DnsName::parse("dev.example").unwrap()],
            reuse_key: false,
            revocation: Revocation::Published,
        }
    }

    #[test]
    fn validity_never_outlives_profile_or_issuer() {
        let now = UnixTime(1_000_000);
        let far = now.plus(1_000_000);
        assert_eq!(profile().validity(now, None, far), Some((now.minus(300), now.plus(86_400))));
        assert_eq!(profile().validity(now, Some(i64::MAX), far), Some((now.minus(300), now.plus(90_000))));
        assert_eq!(profile().validity(now, None, now.plus(100)), Some((now.minus(300), now.plus(100))));
        assert_eq!(profile().validity(now, None, now.plus(59)), None);
    }

    #[test]
    fn absurd_profiles_and_clocks_do_not_panic() {
        let now = UnixTime(1_000_000);
        let short = Profile { max_lifetime: 10, ..profile() };
        assert_eq!(short.validity(now, None, now.plus(1_000_000)), None);
        let endless = Profile { max_lifetime: i64::MAX, ..profile() };
        assert_eq!(endless.validity(now, Some(i64::MAX), UnixTime::MAX), Some((now.minus(300), UnixTime::MAX)));
        assert_eq!(profile().validity(UnixTime(i64::MAX), Some(i64::MIN), UnixTime::MAX), None);
        assert_eq!(profile().validity(UnixTime(0), Some(-5), UnixTime::MAX), Some((UnixTime(0), UnixTime(60))));
    }

    #[test]
    fn dns_names_match_whole_labels_only() {
        let allows = |n: &str| profile().allows_dns(&DnsName::parse(n).unwrap());
        assert!(allows("dev.example") && allows("a.dev.example"));
        assert!(!allows("evildev.example") && !allows("example"));
    }
}
