//! The client certificate of a connection, looked up on every request: a revocation counts at once, also on a
//! connection that was open before.

use serde_json::json;
use signet_pki::{Fingerprint, Serial, UnixTime};

use super::{Authorizer, Context};
use crate::enrollment::EnrollError;
use crate::store::{Actor, AuditDraft, CertificateRecord, CertificateStatus, PrincipalStatus};

/// What TLS proved: a certificate under our CA and possession of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    pub serial: Serial,
    pub spki: Fingerprint,
    pub not_after: UnixTime,
    /// The issuer's name, DER: TLS found the CA by it.
    pub issuer: Vec<u8>,
}

/// A certificate that is good now, with its principal. Made by [`Authorizer::identify`] only.
#[derive(Debug, Clone)]
pub struct Identity {
    record: Box<CertificateRecord>,
}

impl Identity {
    pub fn record(&self) -> &CertificateRecord {
        &self.record
    }

    /// `admin:alice`, `device:sensor-1`.
    pub fn name(&self) -> String {
        self.record.principal.name()
    }

    pub fn actor(&self) -> Actor {
        self.record.actor()
    }
}

impl Authorizer {
    /// Checks certificate and principal as they are now, and notes the first use.
    pub async fn identify(&self, peer: &PeerCertificate, context: &Context) -> Result<Identity, EnrollError> {
        let record = self.store.certificate(&peer.serial).await?.ok_or(EnrollError::CertificateUnknown)?;
        // The serial is ours; if the key is not, somebody else signed it with our key.
        if record.spki != peer.spki {
            return Err(EnrollError::CertificateUnknown);
        }
        self.check_issuer(peer, &record)?;
        let now = self.clock.now();
        // A connection may outlive the certificate that opened it.
        if now > peer.not_after {
            return Err(EnrollError::CertificateExpired);
        }
        match record.principal.status {
            PrincipalStatus::Revoked | PrincipalStatus::Retired => return Err(EnrollError::DeviceRevoked),
            PrincipalStatus::Suspended => return Err(EnrollError::DeviceSuspended),
            PrincipalStatus::Active => {}
            PrincipalStatus::Preregistered | PrincipalStatus::Pending => return Err(EnrollError::CertificateUnknown),
        }
        self.account_is_good(&record.principal).await?;
        match record.status {
            CertificateStatus::Revoked => return Err(EnrollError::CertificateRevoked),
            CertificateStatus::Superseded => {
                self.superseded(&record, now, context).await?;
                return Err(EnrollError::CertificateSuperseded);
            }
            CertificateStatus::Active | CertificateStatus::Pending => {}
        }
        if record.first_used_at.is_none() {
            self.store.mark_used(&record.serial, first_use(&record, now, context)).await?;
        }
        Ok(Identity { record: Box::new(record) })
    }

    /// Whoever has the key of a distrusted issuer can write our serials and any dates; the name of that issuer gives it away.
    fn check_issuer(&self, peer: &PeerCertificate, record: &CertificateRecord) -> Result<(), EnrollError> {
        if self.issuers.is_distrusted(&record.issuer) {
            return Err(EnrollError::IssuerDistrusted);
        }
        match self.issuers.known(&record.issuer) {
            Some(issuer) if issuer.certificate.subject() != peer.issuer => Err(EnrollError::CertificateUnknown),
            Some(_) | None => Ok(()),
        }
    }

    /// An older generation after a newer one was used: a copy of the device, or a backup brought back. That certificate is
    /// revoked, so that nobody else trusts it either; the newer one and all other devices stay as they are.
    async fn superseded(
        &self,
        record: &CertificateRecord,
        now: UnixTime,
        context: &Context,
    ) -> Result<(), EnrollError> {
        let draft = AuditDraft {
            kind: "alarm.superseded_certificate_used",
            actor: record.actor(),
            subject: record.principal.id.to_string(),
            request_id: context.request_id.clone(),
            detail: json!({ "serial": record.serial.to_string(), "remote": context.remote.to_string() }),
            at: now,
        };
        let written = self.store.quarantine(&record.serial, draft).await;
        // Also after an error, which says nothing about whether it happened.
        self.list_wanted();
        Ok(written?)
    }
}

fn first_use(record: &CertificateRecord, now: UnixTime, context: &Context) -> AuditDraft {
    AuditDraft {
        kind: "certificate.first_used",
        actor: record.actor(),
        subject: record.principal.id.to_string(),
        request_id: context.request_id.clone(),
        detail: json!({ "serial": record.serial.to_string(), "generation": record.generation }),
        at: now,
    }
}
