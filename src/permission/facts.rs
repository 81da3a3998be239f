//! What is known about a subject, and what of it denies before any policy is asked.

use signet_api::authz::SubjectInfo;
use signet_api::scope::AccountId;
use signet_pki::{Fingerprint, Serial, UnixTime};
use signet_policy::{Certificate, Entity};

use super::subject::{By, Named};
use super::{Permission, Reason};
use crate::policy;
use crate::store::{
    AccountStatus, CertificateRecord, CertificateStatus, DeviceRow, PrincipalRecord, PrincipalStatus, StoreError,
};

/// A principal with the certificate that counts for the question.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    principal: PrincipalRecord,
    certificate: Option<Held>,
}

#[derive(Debug, Clone)]
struct Held {
    serial: Serial,
    profile: String,
    status: CertificateStatus,
    issued_at: UnixTime,
    not_after: UnixTime,
}

/// Why there is nothing to ask a policy about, and what is known all the same.
type Denial = (Reason, Option<Facts>);

impl Permission {
    /// Facts about somebody who is good, as the store has them now.
    pub(super) async fn facts_of(&self, named: &Named, now: UnixTime) -> Result<Result<Facts, Denial>, StoreError> {
        let record = match self.record_of(named, now).await? {
            Ok(record) => record,
            Err(denial) => return Ok(Err(denial)),
        };
        let issuer = self.parts.issuers.known(&record.issuer);
        let fits = named.fits(&record, issuer.as_ref().map(|issuer| issuer.certificate.subject()));
        let is_distrusted = self.parts.issuers.is_distrusted(&record.issuer);
        let facts = Facts::from(record);
        if !fits {
            // Of whom the record is, is none of the asker's business.
            return Ok(Err((Reason::SubjectMismatch, None)));
        }
        Ok(match self.wrong_with(&facts, is_distrusted, now).await? {
            None => Ok(facts),
            Some(reason) => Err((reason, Some(facts))),
        })
    }

    async fn record_of(&self, named: &Named, now: UnixTime) -> Result<Result<CertificateRecord, Denial>, StoreError> {
        let found = match &named.by {
            By::Serial(serial) => self.parts.store.certificate(serial).await?,
            By::Fingerprint(wanted) => match named.id() {
                Some(id) => {
                    let all = self.parts.store.certificates_of(id).await?.items;
                    all.into_iter().find(|record| Fingerprint::of(&record.der) == *wanted)
                }
                None => self.fingerprints.find(self.parts.store.as_ref(), wanted, now).await?,
            },
            By::Id(id) => match self.parts.store.present(id).await? {
                None => return Ok(Err((Reason::SubjectUnknown, None))),
                Some(DeviceRow { certificate: Some(record), .. }) => Some(record),
                Some(DeviceRow { principal, certificate: None }) => {
                    let reason = status(principal.status).unwrap_or(Reason::CertificateNone);
                    return Ok(Err((reason, Some(Facts { principal, certificate: None }))));
                }
            },
        };
        // Signed by a stolen issuing key, perhaps, and never by this service: it keeps every one that it signed.
        Ok(found.ok_or((Reason::CertificateUnknown, None)))
    }

    async fn wrong_with(
        &self,
        facts: &Facts,
        is_distrusted: bool,
        now: UnixTime,
    ) -> Result<Option<Reason>, StoreError> {
        let Some(held) = &facts.certificate else { return Ok(Some(Reason::CertificateNone)) };
        // For the others there may be a rule: a net for those that are suspended, for example.
        if matches!(facts.principal.status, PrincipalStatus::Revoked | PrincipalStatus::Retired) {
            return Ok(facts.status_reason());
        }
        if let Some(account) = &facts.principal.account {
            let account = self.parts.store.account(account).await?;
            match account.map_or(AccountStatus::Revoked, |account| account.status) {
                AccountStatus::Active => {}
                AccountStatus::Suspended => return Ok(Some(Reason::AccountSuspended)),
                AccountStatus::Revoked => return Ok(Some(Reason::AccountRevoked)),
            }
        }
        Ok(match held.status {
            CertificateStatus::Revoked => Some(Reason::CertificateRevoked),
            _ if is_distrusted => Some(Reason::IssuerDistrusted),
            _ if now > held.not_after => Some(Reason::CertificateExpired),
            CertificateStatus::Superseded if !self.may_linger(facts, now).await? => Some(Reason::CertificateSuperseded),
            CertificateStatus::Superseded | CertificateStatus::Active | CertificateStatus::Pending => None,
        })
    }

    /// Whether the generation that replaced it was used for the first time a moment ago only: connections that were open
    /// before still show the older one, and ending them would punish every renewal.
    async fn may_linger(&self, facts: &Facts, now: UnixTime) -> Result<bool, StoreError> {
        let row = self.parts.store.present(&facts.principal.id).await?;
        let used = row.and_then(|row| row.certificate).and_then(|newest| newest.first_used_at);
        Ok(used.is_some_and(|at| now.since(at) <= self.parts.rules.superseded_seconds))
    }
}

impl From<CertificateRecord> for Facts {
    fn from(record: CertificateRecord) -> Facts {
        let CertificateRecord { principal, serial, profile, status, issued_at, not_after, .. } = record;
        Facts { principal, certificate: Some(Held { serial, profile, status, issued_at, not_after }) }
    }
}

impl From<PrincipalRecord> for Facts {
    fn from(principal: PrincipalRecord) -> Facts {
        Facts { principal, certificate: None }
    }
}

impl Facts {
    /// `None` for a kind that does nothing to anybody.
    pub(super) fn entity(&self) -> Option<Entity<'_>> {
        let certificate = self.certificate.as_ref().map(|held| Certificate {
            newest: held.status != CertificateStatus::Superseded,
            issued_at: held.issued_at,
            not_after: held.not_after,
            profile: Some(&held.profile),
            hardware_bound: None,
        });
        Some(Entity { certificate, ..entity(&self.principal)? })
    }

    /// Why a rule has to name the status; `None` for an active one.
    pub(super) fn status_reason(&self) -> Option<Reason> {
        status(self.principal.status)
    }

    /// Of the certificate's life.
    pub(super) fn seconds_left(&self, now: UnixTime) -> u64 {
        let end = self.certificate.as_ref().map_or(now, |held| held.not_after);
        u64::try_from(end.since(now)).unwrap_or(0)
    }

    pub(super) fn info(&self) -> SubjectInfo {
        let PrincipalRecord { id, kind, groups, profile, status, .. } = &self.principal;
        SubjectInfo {
            id: Some(id.to_string()),
            kind: Some(kind.as_str().to_owned()),
            groups: groups.clone(),
            profile: Some(profile.clone()),
            status: Some(status.as_str().to_owned()),
            serial: self.certificate.as_ref().map(|held| held.serial.to_string()),
            not_after: self.certificate.as_ref().map(|held| held.not_after.to_string()),
        }
    }
}

/// A principal as the policy sees it.
pub(super) fn entity(principal: &PrincipalRecord) -> Option<Entity<'_>> {
    let (kind, status) = (policy::kind(principal.kind)?, policy::status(principal.status));
    let (groups, profile) = (&principal.groups, Some(principal.profile.as_str()));
    Some(Entity {
        kind,
        id: principal.id.as_str(),
        status,
        groups,
        account: principal.account.as_ref().map(AccountId::as_str),
        profile,
        certificate: None,
    })
}

fn status(status: PrincipalStatus) -> Option<Reason> {
    match status {
        PrincipalStatus::Active => None,
        PrincipalStatus::Preregistered => Some(Reason::StatusPreregistered),
        PrincipalStatus::Pending => Some(Reason::StatusPending),
        PrincipalStatus::Suspended => Some(Reason::StatusSuspended),
        PrincipalStatus::Revoked => Some(Reason::StatusRevoked),
        PrincipalStatus::Retired => Some(Reason::StatusRetired),
    }
}
