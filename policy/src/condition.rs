//! What has to hold beside who, what and whom. Typed: reading checks, deciding cannot err.

use ipnet::IpNet;

use crate::facts::{Certificate, Request};
use crate::schedule::{Window, between, inside};
use crate::truth::Timed;

/// All that are given have to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Conditions {
    /// The address is in one of these.
    pub(crate) source: Vec<IpNet>,
    /// The path, or name, is one of these; behind a prefix stands `*`.
    pub(crate) paths: Vec<String>,
    /// The time is in one of these.
    pub(crate) windows: Vec<Window>,
    pub(crate) not_before: Option<i64>,
    /// Exclusive.
    pub(crate) before: Option<i64>,
    pub(crate) certificate: CertificateConditions,
}

/// Of the principal's certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct CertificateConditions {
    /// Whether its time is not over.
    pub(crate) valid: Option<bool>,
    pub(crate) newest: Option<bool>,
    pub(crate) hardware_bound: Option<bool>,
    /// Seconds ago at most.
    pub(crate) issued_within: Option<i64>,
    pub(crate) profiles: Vec<String>,
}

impl Conditions {
    pub(crate) fn hold(&self, request: &Request<'_>) -> Timed {
        let now = request.at.0;
        let mut result = between(self.not_before, self.before, now);
        if !self.windows.is_empty() {
            result = result.and(inside(&self.windows, now));
        }
        if !self.source.is_empty() {
            result = result.and(match request.source {
                Some(source) => {
                    let source = source.to_canonical();
                    Timed::of(self.source.iter().any(|net| net.contains(&source)), Timed::TRUE.until)
                }
                None => Timed::UNKNOWN,
            });
        }
        if !self.paths.is_empty() {
            result = result.and(match request.path {
                Some(path) => forever(self.paths.iter().any(|pattern| covers(pattern, path))),
                None => Timed::UNKNOWN,
            });
        }
        if self.certificate.are_none() {
            return result;
        }
        result.and(match &request.principal.certificate {
            Some(certificate) => self.certificate.hold(certificate, now),
            None => Timed::UNKNOWN,
        })
    }

    /// Whether a later time may change what holds.
    pub(crate) fn are_timed(&self) -> bool {
        let certificate = &self.certificate;
        !self.windows.is_empty()
            || self.not_before.is_some()
            || self.before.is_some()
            || certificate.valid.is_some()
            || certificate.issued_within.is_some()
    }
}

impl CertificateConditions {
    pub(crate) fn are_none(&self) -> bool {
        let flags = [self.valid, self.newest, self.hardware_bound];
        flags.iter().all(Option::is_none) && self.issued_within.is_none() && self.profiles.is_empty()
    }

    pub(crate) fn hold(&self, certificate: &Certificate<'_>, now: i64) -> Timed {
        let mut result = Timed::TRUE;
        if let Some(wanted) = self.valid {
            // Until its last second, that one included (RFC 5280 4.1.2.5).
            let valid = between(None, Some(certificate.not_after.0.saturating_add(1)), now);
            result = result.and(if wanted { valid } else { valid.not() });
        }
        if let Some(seconds) = self.issued_within {
            let end = certificate.issued_at.0.saturating_add(seconds);
            result = result.and(between(None, Some(end), now));
        }
        if let Some(wanted) = self.newest {
            result = result.and(forever(certificate.newest == wanted));
        }
        if let Some(wanted) = self.hardware_bound {
            result = result.and(match certificate.hardware_bound {
                Some(known) => forever(known == wanted),
                None => Timed::UNKNOWN,
            });
        }
        if !self.profiles.is_empty() {
            result = result.and(match certificate.profile {
                Some(profile) => forever(self.profiles.iter().any(|p| p == profile)),
                None => Timed::UNKNOWN,
            });
        }
        result
    }
}

fn covers(pattern: &str, path: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == path, |prefix| path.starts_with(prefix))
}

fn forever(truth: bool) -> Timed {
    if truth { Timed::TRUE } else { Timed::FALSE }
}
