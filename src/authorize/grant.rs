//! Permission to get one certificate. Made by the files of this folder only, used up by the room after it.

use std::sync::Arc;

use serde::Serialize;
use signet_pki::TrustDomain;
use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::csr::CheckedCsr;
use signet_pki::issue::{IssueError, LeafPlan, Signed, Subject};
use signet_pki::profile::Profile;

use super::Context;
use crate::store::{Actor, AuditEntry, IssueCommit, Origin, PrincipalRecord, Redemption};

/// Names, profile and key that were granted, and what has to be redeemed for them.
pub struct Grant {
    profile: Arc<Profile>,
    csr: CheckedCsr,
    wanted: Option<i64>,
    promise: Promise,
}

/// The part of a grant that the store gets together with the certificate.
pub(crate) struct Promise {
    redemption: Redemption,
    origin: Origin,
    principal: PrincipalRecord,
    kind: &'static str,
    actor: Actor,
    request_id: String,
    remote: String,
    wishes: String,
}

/// In the order of the names, as the audit log wants them.
#[derive(Serialize)]
struct IssueDetail<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    acted_with: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    csr_subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'a [String]>,
    not_after: i64,
    profile: &'a str,
    remote: &'a str,
    serial: &'a str,
    spki: &'a str,
}

pub(super) struct Granted {
    pub(super) profile: Arc<Profile>,
    pub(super) csr: CheckedCsr,
    pub(super) wanted: Option<i64>,
    pub(super) redemption: Redemption,
    pub(super) origin: Origin,
    /// The record as it shall be; its version is the one that was looked at.
    pub(super) principal: PrincipalRecord,
    pub(super) kind: &'static str,
    pub(super) actor: Actor,
}

impl Grant {
    pub(super) fn new(granted: Granted, context: &Context) -> Grant {
        let Granted { profile, csr, wanted, redemption, origin, principal, kind, actor } = granted;
        let wishes = csr.wishes().subject.clone();
        let (request_id, remote) = (context.request_id.clone(), context.remote.to_string());
        Grant {
            profile,
            csr,
            wanted,
            promise: Promise { redemption, origin, principal, kind, actor, request_id, remote, wishes },
        }
    }

    /// Splits into the certificate's plan, made by `plan`, and the promise to redeem.
    pub(crate) fn plan<T>(
        self,
        domain: &TrustDomain,
        issuer: &IssuerCert,
        now: UnixTime,
        random: [u8; 20],
        prepare: impl FnOnce(LeafPlan<'_>) -> Result<T, IssueError>,
    ) -> Result<(T, Promise), IssueError> {
        let p = &self.promise.principal;
        let subject = Subject {
            domain: domain.clone(),
            kind: p.kind,
            id: p.id.clone(),
            dns_names: p.dns_names.clone(),
            addresses: p.addresses.clone(),
        };
        let plan = LeafPlan::new(&self.profile, subject, self.csr, issuer, now, self.wanted, random)?;
        Ok((prepare(plan)?, self.promise))
    }
}

impl Promise {
    /// Joins the signed certificate with what has to become durable with it.
    pub(crate) fn commit(self, signed: Signed, now: UnixTime) -> IssueCommit {
        let facts = signed.facts();
        // What the CSR asked for beside its key had no effect. Of renewals there are a thousand for every enrollment, so they
        // leave out what says nothing.
        let renewal = matches!(self.redemption, Redemption::Renewal(_));
        let wishes_nothing = self.wishes.is_empty() || self.wishes == format!("CN={}", self.principal.id);
        let groups = self.principal.groups.as_slice();
        let detail = IssueDetail {
            acted_with: self.actor.acted_with(),
            csr_subject: (!(renewal && wishes_nothing)).then_some(self.wishes.as_str()),
            groups: (!(renewal && groups.is_empty())).then_some(groups),
            not_after: facts.not_after.0,
            profile: &facts.profile,
            remote: &self.remote,
            serial: &facts.serial.to_string(),
            spki: &facts.spki.to_string(),
        };
        let names = (self.actor.name().to_owned(), self.principal.id.to_string(), self.request_id);
        let entry = AuditEntry::new(self.kind, names, now, &detail);
        let (redemption, origin) = (self.redemption, self.origin);
        IssueCommit { signed, redemption, origin, principal: self.principal, now, entry }
    }
}
