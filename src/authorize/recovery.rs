//! A device that was off too long: its certificate has ended, its key says that it is still the same device.

use serde_json::json;
use signet_pki::csr::CheckedCsr;
use signet_pki::name::PrincipalKind;
use signet_pki::{PublicKey, Serial, recovery};

use super::grant::Granted;
use super::{Authorizer, Context, Decision, Grant};
use crate::config::raw::RawRecovery;
use crate::enrollment::EnrollError;
use crate::store::{AuditDraft, CertificateRecord, CertificateStatus, Origin, PrincipalStatus, Redemption};

/// What the request says: a certificate's serial and key, and a signature. Nothing of it is checked.
#[derive(Debug, Clone)]
pub struct RecoveryProof {
    pub serial: Serial,
    pub key: PublicKey,
    /// Over [`recovery::statement`].
    pub signature: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
pub struct RecoveryRules {
    /// Seconds after its end that a certificate is good for this.
    max_age: i64,
    /// How often a device may, unless an administrator said otherwise.
    allowance: u32,
}

impl From<RawRecovery> for RecoveryRules {
    fn from(raw: RawRecovery) -> RecoveryRules {
        RecoveryRules { max_age: i64::from(raw.max_days) * 86_400, allowance: raw.allowance }
    }
}

impl Authorizer {
    pub(super) async fn by_recovery(
        &self,
        proof: &RecoveryProof,
        csr: CheckedCsr,
        context: &Context,
    ) -> Result<Decision, EnrollError> {
        // The signature first: an unknown certificate then costs the same work as a known one.
        let proved = recovery::verify(&proof.key, &proof.serial, csr.public_key(), &proof.signature);
        let found = self.store.certificate(&proof.serial).await?;
        let known = found.filter(|record| proved && record.spki == proof.key.fingerprint());
        // From here on the caller has proved the old key and may be told more.
        let Some(record) = known else { return Err(EnrollError::RecoveryInvalid) };
        self.check_standing(&record, context).await?;
        let spki = csr.public_key().fingerprint();
        if let Some(before) = self.store.renewed(&record.serial, &spki).await? {
            return Ok(Decision::Replay(before));
        }
        let now = self.clock.now();
        // It ended with its issuer, through no fault of the device: that is no recovery to be counted.
        let ended = now > record.not_after;
        if !ended && !self.issuers.is_distrusted(&record.issuer) {
            return Err(EnrollError::RecoveryNotNeeded);
        }
        if now.since(record.not_after) > self.recovery.max_age {
            return Err(EnrollError::RecoveryTooLate);
        }
        let allowance = self.recovery.allowance;
        // The commit decides; this saves a signature.
        if ended && record.principal.recoveries.unwrap_or(allowance) == 0 {
            return Err(EnrollError::RecoveryExhausted);
        }
        let profile = self.profile_for(&record.principal)?;
        if spki == record.spki && !profile.reuse_key {
            return Err(EnrollError::Key("a recovery needs a new key under this profile".into()));
        }
        let granted = Granted {
            profile,
            csr,
            wanted: None,
            redemption: match ended {
                true => Redemption::Recovery { parent: record.serial.clone(), allowance },
                false => Redemption::Renewal(record.serial.clone()),
            },
            origin: Origin::default(),
            actor: record.actor(),
            principal: record.principal,
            kind: "certificate.recovered",
        };
        Ok(Decision::Issue(Box::new(Grant::new(granted, context))))
    }

    /// What ends a certificate for good ends this way back as well.
    async fn check_standing(&self, record: &CertificateRecord, context: &Context) -> Result<(), EnrollError> {
        // People are asked again, and the service looks after itself.
        if !matches!(record.principal.kind, PrincipalKind::Device | PrincipalKind::Service) {
            return Err(EnrollError::Forbidden);
        }
        match record.principal.status {
            PrincipalStatus::Revoked | PrincipalStatus::Retired => return Err(EnrollError::DeviceRevoked),
            PrincipalStatus::Suspended => return Err(EnrollError::DeviceSuspended),
            PrincipalStatus::Active => {}
            PrincipalStatus::Preregistered | PrincipalStatus::Pending => return Err(EnrollError::RecoveryInvalid),
        }
        self.account_is_good(&record.principal).await?;
        match record.status {
            CertificateStatus::Active | CertificateStatus::Pending => Ok(()),
            CertificateStatus::Revoked => Err(EnrollError::CertificateRevoked),
            CertificateStatus::Superseded => {
                self.note_old_generation(record, context).await?;
                Err(EnrollError::CertificateSuperseded)
            }
        }
    }

    /// A newer generation was used, and somebody comes back with an older key: a copy, or a backup brought back (T16).
    async fn note_old_generation(&self, record: &CertificateRecord, context: &Context) -> Result<(), EnrollError> {
        let draft = AuditDraft {
            kind: "alarm.recovery_with_superseded_key",
            actor: record.actor(),
            subject: record.principal.id.to_string(),
            request_id: context.request_id.clone(),
            detail: json!({ "serial": record.serial.to_string(), "remote": context.remote.to_string() }),
            at: self.clock.now(),
        };
        Ok(self.store.alarm(Some(&record.serial), draft).await?)
    }
}
