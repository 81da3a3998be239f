//! May somebody do something to a service, or to what belongs to it? Facts from the store, rules from memory.
//!
//! Every decision reads the record anew: a point read costs about as much as a look into a table in memory that would have to be
//! kept true, and what was revoked is denied in the very next answer. Nothing here writes.

mod asker;
mod facts;
mod fingerprints;
mod meter;
pub mod path;
mod quota;
mod reason;
mod seen;
mod subject;
mod target;

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use signet_api::authz::{CheckAnswer, SubjectInfo, SubjectName, Verdict};
use signet_api::services::FailMode;
use signet_pki::{TrustDomain, UnixTime};
use signet_policy::{Policy, Request};

pub use asker::Asker;
pub use meter::{Meter, Outcome};
pub use reason::Reason;
pub use subject::Named;
pub use target::{Foreign, Target};

use crate::authorize::{Identity, PeerCertificate};
use crate::clock::Clock;
use crate::config::raw::RawAuthz;
use crate::issuer::Issuers;
use crate::services::Registry;
use crate::store::{PrincipalRecord, Store, StoreError};
use facts::Facts;
use fingerprints::Fingerprints;
use quota::Quota;
use seen::Seen;

/// Everything that a decision needs.
pub struct Permission {
    parts: Parts,
    fingerprints: Fingerprints,
    quota: Quota,
    seen: Seen,
    pub meter: Meter,
}

/// What it is made of.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub issuers: Arc<Issuers>,
    pub registry: Arc<Registry>,
    pub policies: Arc<ArcSwap<Policy>>,
    pub clock: Arc<dyn Clock>,
    pub domain: TrustDomain,
    pub rules: RawAuthz,
}

/// What is asked. Whose the target is has been settled: [`Permission::target`] made it.
#[derive(Debug, Clone)]
pub struct Question {
    /// A name that could not be read denies, as does an unknown one.
    pub subject: Result<Named, Reason>,
    pub action: String,
    pub target: Result<Target, Reason>,
    /// Where the subject comes from, when the asker said so.
    pub source: Option<IpAddr>,
}

/// What came out, with all that is known. [`view`](Decided::view) says what the asker hears of it.
#[derive(Debug, Clone)]
pub struct Decided {
    pub verdict: Verdict,
    /// Codes, and rules as `rule:<id>`.
    pub reasons: Vec<String>,
    pub ttl: u64,
    pub policy: String,
    facts: Option<Facts>,
    pub degraded: bool,
}

impl Permission {
    pub fn new(parts: Parts) -> Permission {
        let RawAuthz { checks_per_second, check_burst, .. } = parts.rules;
        Permission {
            parts,
            fingerprints: Fingerprints::default(),
            quota: Quota::new(checks_per_second, check_burst),
            seen: Seen::default(),
            meter: Meter::default(),
        }
    }

    /// Reads names; what is wrong with them is a reason to deny, not to refuse the question.
    pub fn named(&self, subject: &SubjectName) -> Result<Named, Reason> {
        Named::parse(subject, &self.parts.domain)
    }

    /// A service that was identified just now, with its certificate if it showed one; `None` when it is not registered.
    pub fn service(&self, principal: &PrincipalRecord, identity: Option<&Identity>) -> Option<Asker> {
        let registered = self.parts.registry.of(&principal.id)?;
        if let Some(identity) = identity.filter(|_| registered.fail_mode() == FailMode::Open) {
            self.seen.note(&identity.record().serial, principal, self.parts.clock.now());
        }
        Some(Asker::Service { registered, record: Arc::new(principal.clone()) })
    }

    /// A service that was identified a while ago, and cannot be now because nothing can be read. Only one that is registered
    /// to go on then.
    pub fn service_seen(&self, peer: &PeerCertificate) -> Option<Asker> {
        let now = self.parts.clock.now();
        let record = self.seen.find(&peer.serial, now).filter(|_| now <= peer.not_after)?;
        let registered = self.parts.registry.of(&record.id).filter(|r| r.fail_mode() == FailMode::Open)?;
        Some(Asker::Service { registered, record: Arc::new(record) })
    }

    /// Its certificate counts no more.
    pub fn forget(&self, peer: &PeerCertificate) {
        self.seen.forget(&peer.serial);
    }

    /// Whether `asker` may ask so many questions now; otherwise the milliseconds to wait.
    pub fn admit(&self, asker: &Asker, questions: usize) -> Result<(), u64> {
        self.quota.take(asker.name(), questions, self.parts.clock.now_ms())
    }

    pub async fn decide(&self, question: &Question) -> Result<Decided, StoreError> {
        let (now, policy) = (self.parts.clock.now(), self.parts.policies.load_full());
        let denied = |reason: Reason, facts: Option<Facts>| Decided {
            verdict: Verdict::Deny,
            reasons: vec![reason.as_str().to_owned()],
            ttl: self.parts.rules.ttl_seconds.min(DENIAL_TTL),
            policy: policy.revision().to_owned(),
            facts,
            degraded: false,
        };
        let facts = match &question.subject {
            Err(reason) => return Ok(denied(*reason, None)),
            Ok(named) => match self.facts_of(named, now).await? {
                Ok(facts) => facts,
                Err((reason, facts)) => return Ok(denied(reason, facts)),
            },
        };
        let target = match &question.target {
            Err(reason) => return Ok(denied(*reason, Some(facts))),
            Ok(target) => target,
        };
        let Some(owner) = self.read_target(target).await? else {
            return Ok(denied(Reason::ResourceUnknown, Some(facts)));
        };
        let Some(resource) = facts::entity(&owner) else { return Ok(denied(Reason::ResourceUnknown, Some(facts))) };
        let Some(principal) = facts.entity() else { return Ok(denied(Reason::SubjectKind, Some(facts))) };
        let decision = policy.decide(&Request {
            principal,
            action: &question.action,
            resource,
            at: now,
            source: question.source,
            path: target.part.as_deref(),
        });
        Ok(self.decided(decision, &policy, facts, now))
    }

    fn decided(&self, decision: signet_policy::Decision, policy: &Policy, facts: Facts, now: UnixTime) -> Decided {
        let verdict = if decision.is_allowed() { Verdict::Allow } else { Verdict::Deny };
        let mut reasons: Vec<String> = decision.rules.iter().map(|id| format!("rule:{id}")).collect();
        if decision.reason == signet_policy::Reason::NoRule {
            reasons.extend(facts.status_reason().map(|reason| reason.as_str().to_owned()));
            reasons.push(Reason::NotPermitted.as_str().to_owned());
            reasons.extend(decision.unknown.iter().map(|id| format!("unknown:{id}")));
        }
        let cap = match verdict {
            // Never longer than the certificate: a verifier that keeps the answer would outlive it.
            Verdict::Allow => self.parts.rules.ttl_seconds.min(facts.seconds_left(now)),
            Verdict::Deny => self.parts.rules.ttl_seconds.min(DENIAL_TTL),
        };
        let ttl = cap.min(decision.ttl_seconds.into());
        let policy = policy.revision().to_owned();
        Decided { verdict, reasons, ttl, policy, facts: Some(facts), degraded: false }
    }

    /// The answer when nothing can be read, if the asker's registration wants one. What can be told without the store still
    /// denies.
    pub fn decide_blindly(&self, asker: &Asker, question: &Question) -> Option<Decided> {
        if asker.fail_mode() != FailMode::Open {
            return None;
        }
        let now = self.parts.clock.now();
        let wrong = match (&question.subject, &question.target) {
            (Err(reason), _) | (_, Err(reason)) => Some(*reason),
            (Ok(named), Ok(_)) => named.ended(now).then_some(Reason::CertificateExpired),
        };
        let (verdict, reason) = wrong.map_or((Verdict::Allow, Reason::Degraded), |reason| (Verdict::Deny, reason));
        let policy = self.parts.policies.load_full().revision().to_owned();
        let reasons = vec![reason.as_str().to_owned()];
        Some(Decided { verdict, reasons, ttl: BLIND_TTL, policy, facts: None, degraded: true })
    }
}

impl Decided {
    /// What the asker hears. Of an id of which it has shown no certificate, a service cannot tell unknown from denied.
    pub fn view(&self, asker: &Asker, question: &Question) -> CheckAnswer {
        let named = question.subject.as_ref().ok();
        let is_administrator = matches!(asker, Asker::Administrator { .. });
        let knows = is_administrator || self.verdict == Verdict::Allow;
        let is_veiled = !knows && named.is_some_and(|named| !named.shows_certificate());
        let facts = self.facts.as_ref().filter(|_| knows);
        let subject = facts.map(Facts::info).unwrap_or_else(|| SubjectInfo {
            id: named.and_then(Named::id).map(ToString::to_string),
            ..SubjectInfo::default()
        });
        CheckAnswer {
            decision: self.verdict,
            reasons: if is_veiled { vec![Reason::Denied.as_str().to_owned()] } else { self.reasons.clone() },
            ttl: if is_veiled { self.ttl.min(VEILED_TTL) } else { self.ttl },
            policy: self.policy.clone(),
            subject,
            fail_mode: asker.fail_mode(),
            degraded: self.degraded,
        }
    }
}

/// Seconds for which a denial may be kept: whoever has just been let in is not kept out for long.
const DENIAL_TTL: u64 = 5;
/// The same for every denial that says nothing, so that it says nothing either.
const VEILED_TTL: u64 = 1;
/// Seconds for which an answer may be kept that nothing was read for.
const BLIND_TTL: u64 = 1;
