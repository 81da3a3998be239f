//! A one-time enrollment token.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::json;
use signet_api::enroll::HardwareFacts;
use signet_api::{Credential, CredentialId};
use signet_pki::csr::CheckedCsr;
use signet_pki::{Fingerprint, UnixTime};

use super::grant::Granted;
use super::{Authorizer, Context, Decision, Grant, Pending};
use crate::credentials::order::is_hardware_serial;
use crate::enrollment::EnrollError;
use crate::store::{
    AuditDraft, CertificateStatus, Claim, Conflict, Origin, PrincipalStatus, Redemption, TokenRecord, TokenStatus,
};

/// How long the same key may fetch the same certificate again with its used token.
const REPLAY_WINDOW: i64 = 86_400;

impl Authorizer {
    pub(super) async fn by_token(
        &self,
        presented: &Credential,
        facts: &HardwareFacts,
        csr: CheckedCsr,
        context: &Context,
    ) -> Result<Decision, EnrollError> {
        let found = self.store.token(presented.id()).await?;
        let proved = self.pepper.matches(presented, found.as_ref().map(|t| &t.hash));
        // From here on the caller has proved the secret and may be told more.
        let Some(token) = found.filter(|_| proved) else { return Err(EnrollError::TokenInvalid) };
        let spki = csr.public_key().fingerprint();
        check_binding(&token, facts, &spki, context.remote)?;
        let now = self.clock.now();
        match token.status {
            TokenStatus::Revoked => return Err(EnrollError::TokenRevoked),
            TokenStatus::Denied => return Err(EnrollError::Denied),
            TokenStatus::Redeemed => return self.replay(&token, &spki, now, context).await,
            TokenStatus::Active | TokenStatus::Pending | TokenStatus::Approved => {}
        }
        if now >= token.expires_at {
            return Err(EnrollError::TokenExpired);
        }
        if token.claimed_spki.is_some_and(|claimed| claimed != spki) {
            return self.other_key(&token, None, &spki, now, context).await;
        }
        let principal = self.store.principal(&token.device).await?.ok_or(EnrollError::Gone)?;
        match principal.status {
            PrincipalStatus::Revoked | PrincipalStatus::Retired => return Err(EnrollError::DeviceRevoked),
            PrincipalStatus::Suspended => return Err(EnrollError::DeviceSuspended),
            PrincipalStatus::Active if !token.replace => {
                return self.enrolled_meanwhile(&token, &spki, now, context).await;
            }
            PrincipalStatus::Active | PrincipalStatus::Pending | PrincipalStatus::Preregistered => {}
        }
        self.account_is_good(&principal).await?;
        if token.approval && token.status != TokenStatus::Approved {
            return self.pend(&token, &spki, facts, now, context).await;
        }
        let mut principal = principal;
        if token.replace {
            principal.profile = token.profile.clone();
            principal.groups = token.groups.clone();
            principal.dns_names = token.dns_names.clone();
        }
        principal.status = PrincipalStatus::Active;
        if let Some(serial) = facts.serial_number.as_ref().filter(|s| is_hardware_serial(s)) {
            principal.hardware_serial = Some(serial.clone());
        }
        let profile = self.profile_for(&principal)?;
        let granted = Granted {
            profile,
            csr,
            wanted: None,
            redemption: Redemption::Token(token.id.clone()),
            origin: Origin::default(),
            principal,
            kind: "certificate.enrolled",
            actor: format!("token:{}", token.id).into(),
        };
        Ok(Decision::Issue(Box::new(Grant::new(granted, context))))
    }

    /// The device is enrolled although its token was open a moment ago: the token was redeemed between the two reads, by an
    /// earlier attempt of this very caller perhaps, or another token was.
    async fn enrolled_meanwhile(
        &self,
        token: &TokenRecord,
        spki: &Fingerprint,
        now: UnixTime,
        context: &Context,
    ) -> Result<Decision, EnrollError> {
        match self.store.token(&token.id).await? {
            Some(now_used) if now_used.status == TokenStatus::Redeemed => {
                self.replay(&now_used, spki, now, context).await
            }
            _ => Err(EnrollError::TokenRevoked),
        }
    }

    /// A used token: the same key gets the same certificate while nobody has used it, anyone else sets off an alarm.
    async fn replay(
        &self,
        token: &TokenRecord,
        spki: &Fingerprint,
        now: UnixTime,
        context: &Context,
    ) -> Result<Decision, EnrollError> {
        let serial = token.redeemed_serial.as_ref().ok_or(EnrollError::Gone)?;
        let first = self.store.certificate(serial).await?.ok_or(EnrollError::Gone)?;
        if first.spki != *spki {
            return self.other_key(token, Some(&first.serial), spki, now, context).await;
        }
        if matches!(first.status, CertificateStatus::Revoked) {
            return Err(EnrollError::CertificateRevoked);
        }
        let window_open = token.redeemed_at.is_some_and(|at| now.since(at) < REPLAY_WINDOW);
        if !window_open || first.first_used_at.is_some() || !first.status_is_live() {
            return Err(EnrollError::TokenSpent);
        }
        Ok(Decision::Replay(crate::store::Issued::from(first)))
    }

    /// Somebody has the secret and another key: one of the two is not who they should be.
    pub(super) async fn other_key(
        &self,
        token: &TokenRecord,
        first: Option<&signet_pki::Serial>,
        spki: &Fingerprint,
        now: UnixTime,
        context: &Context,
    ) -> Result<Decision, EnrollError> {
        let draft = AuditDraft {
            kind: "alarm.token_reuse_other_key",
            actor: format!("token:{}", token.id).into(),
            subject: token.device.to_string(),
            request_id: context.request_id.clone(),
            detail: json!({ "spki": spki.to_string(), "remote": context.remote.to_string() }),
            at: now,
        };
        self.store.alarm(first, draft).await?;
        Err(EnrollError::TokenBoundToOtherKey)
    }

    /// The commit found the token redeemed with another key although the decision had not: two came at once.
    pub(crate) async fn lost_race(&self, id: &CredentialId, spki: &Fingerprint, context: &Context) -> EnrollError {
        let reported = async {
            let token = self.store.token(id).await?.ok_or(EnrollError::Gone)?;
            self.other_key(&token, token.redeemed_serial.as_ref(), spki, self.clock.now(), context).await
        };
        reported.await.err().unwrap_or(EnrollError::TokenBoundToOtherKey)
    }

    /// The commit found the token no longer redeemable although the decision had: why is read from the token as it is now.
    pub(crate) async fn gone_meanwhile(&self, id: &CredentialId) -> EnrollError {
        match self.store.token(id).await {
            Err(error) => error.into(),
            Ok(Some(token)) if token.status == TokenStatus::Denied => EnrollError::Denied,
            Ok(Some(token)) if token.status == TokenStatus::Redeemed => EnrollError::TokenSpent,
            // Not ended by anybody: its time was up when it was to be redeemed.
            Ok(Some(token)) if token.status != TokenStatus::Revoked => EnrollError::TokenExpired,
            Ok(_) => EnrollError::TokenRevoked,
        }
    }

    async fn pend(
        &self,
        token: &TokenRecord,
        spki: &Fingerprint,
        facts: &HardwareFacts,
        now: UnixTime,
        context: &Context,
    ) -> Result<Decision, EnrollError> {
        let detail = json!({
            "spki": spki.to_string(),
            "remote": context.remote.to_string(),
            "hardware_serial": facts.serial_number,
            "model": facts.model,
        });
        let draft = AuditDraft {
            kind: "enrollment.pending",
            actor: format!("token:{}", token.id).into(),
            subject: token.device.to_string(),
            request_id: context.request_id.clone(),
            detail,
            at: now,
        };
        let claim = Claim {
            token: token.id.clone(),
            spki: *spki,
            hardware_serial: facts.serial_number.clone().filter(|s| is_hardware_serial(s)),
            now,
            draft,
        };
        match self.store.claim(claim).await? {
            Ok(()) => Ok(Decision::Pend(Pending { device: token.device.clone() })),
            Err(Conflict::OtherKey) => self.other_key(token, None, spki, now, context).await,
            // Approved, denied or revoked between our read and the claim: the next try sees it.
            Err(_) => Ok(Decision::Pend(Pending { device: token.device.clone() })),
        }
    }
}

fn check_binding(
    token: &TokenRecord,
    facts: &HardwareFacts,
    spki: &Fingerprint,
    remote: IpAddr,
) -> Result<(), EnrollError> {
    let constraint = |what: &str| Err(EnrollError::TokenConstraint(format!("the {what} does not match")));
    if token.hardware_serial.is_some() && token.hardware_serial != facts.serial_number {
        return constraint("hardware serial number");
    }
    if token.spki.is_some_and(|bound| bound != *spki) {
        return constraint("public key");
    }
    let inside = |cidr: &String| cidr.parse::<IpNet>().is_ok_and(|net| net.contains(&remote));
    if token.cidr.as_ref().is_some_and(|cidr| !inside(cidr)) {
        return constraint("network address");
    }
    Ok(())
}
