//! Renewal: the certificate says who, the record as it is now says what.

use std::sync::Arc;

use serde_json::json;
use signet_pki::csr::CheckedCsr;
use signet_pki::name::PrincipalKind;
use signet_pki::profile::Profile;

use super::grant::Granted;
use super::{Authorizer, Claims, Context, Decision, Grant, PeerCertificate};
use crate::enrollment::EnrollError;
use crate::store::{AuditDraft, CertificateRecord, Origin, PrincipalRecord, Redemption};

impl Authorizer {
    pub(super) async fn by_certificate(
        &self,
        peer: &PeerCertificate,
        claims: &Claims,
        csr: CheckedCsr,
        context: &Context,
    ) -> Result<Decision, EnrollError> {
        let identity = self.identify(peer, context).await?;
        let record = identity.record();
        if record.principal.kind == PrincipalKind::Server {
            return Err(EnrollError::Mismatch("the service renews its own certificate by itself".into()));
        }
        if let Some(what) = escalation(record, claims) {
            self.note_escalation(record, what, context).await?;
            return Err(EnrollError::Mismatch(format!("the {what} is not the one on record")));
        }
        let spki = csr.public_key().fingerprint();
        if let Some(before) = self.store.renewed(&record.serial, &spki).await? {
            return Ok(Decision::Replay(before));
        }
        let profile = self.profile_for(&record.principal)?;
        if spki == record.spki && !profile.reuse_key {
            return Err(EnrollError::Key("a renewal needs a new key under this profile".into()));
        }
        let granted = Granted {
            profile,
            csr,
            wanted: None,
            redemption: Redemption::Renewal(record.serial.clone()),
            origin: Origin::default(),
            principal: PrincipalRecord {
                bundle_seen: claims.bundle.or(record.principal.bundle_seen),
                ..record.principal.clone()
            },
            kind: "certificate.renewed",
            actor: identity.actor(),
        };
        Ok(Decision::Issue(Box::new(Grant::new(granted, context))))
    }

    /// The profile of a record as the configuration has it now, when it still fits the record's names.
    pub(super) fn profile_for(&self, principal: &PrincipalRecord) -> Result<Arc<Profile>, EnrollError> {
        let missing = || EnrollError::Profile(format!("there is no profile {:?} any more", principal.profile));
        let profile = self.profiles.named(&principal.profile).ok_or_else(missing)?;
        if profile.kind != principal.kind {
            let message = format!("profile {} is for another kind of principal", profile.name);
            return Err(EnrollError::Profile(message));
        }
        match principal.dns_names.iter().find(|name| !profile.allows_dns(name)) {
            Some(name) => Err(EnrollError::Profile(format!("profile {} does not allow {name}", profile.name))),
            None => Ok(profile),
        }
    }

    async fn note_escalation(
        &self,
        record: &CertificateRecord,
        what: &str,
        context: &Context,
    ) -> Result<(), EnrollError> {
        let draft = AuditDraft {
            kind: "alarm.renewal_escalation",
            actor: record.actor(),
            subject: record.principal.id.to_string(),
            request_id: context.request_id.clone(),
            detail: json!({ "what": what, "remote": context.remote.to_string() }),
            at: self.clock.now(),
        };
        Ok(self.store.alarm(None, draft).await?)
    }
}

fn escalation(record: &CertificateRecord, claims: &Claims) -> Option<&'static str> {
    let principal = &record.principal;
    if claims.device.as_ref().is_some_and(|id| *id != principal.id) {
        return Some("device id");
    }
    if claims.profile.as_ref().is_some_and(|p| *p != principal.profile) {
        return Some("profile");
    }
    let mut wanted = claims.groups.clone()?;
    let mut have = principal.groups.clone();
    wanted.sort();
    have.sort();
    (wanted != have).then_some("set of groups")
}
