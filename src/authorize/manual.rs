//! Certificates on somebody's word: an administrator's for a device, an operator's for the service itself.

use signet_api::scope::Scope;
use signet_pki::csr::CheckedCsr;
use signet_pki::name::PrincipalKind;

use super::grant::Granted;
use super::{Authorizer, Caller, Context, Decision, Grant, ManualOrder};
use crate::enrollment::EnrollError;
use crate::store::{Origin, PrincipalRecord, PrincipalStatus, Redemption};

impl Authorizer {
    pub(super) async fn by_administrator(
        &self,
        admin: &Caller,
        order: ManualOrder,
        csr: CheckedCsr,
        context: &Context,
    ) -> Result<Decision, EnrollError> {
        if !admin.may(Scope::CertificatesIssue) {
            return Err(EnrollError::Forbidden);
        }
        let unknown = || EnrollError::Profile(format!("there is no profile {:?} for devices", order.profile));
        let profile = self.profiles.for_devices(&order.profile).ok_or_else(unknown)?;
        let now = self.clock.now();
        let found = self.store.principal(&order.device).await?;
        let mut principal = match found {
            None => PrincipalRecord::new(order.device.clone(), profile.kind, "", now),
            Some(found) => found,
        };
        match principal.status {
            PrincipalStatus::Revoked | PrincipalStatus::Retired => return Err(EnrollError::DeviceRevoked),
            PrincipalStatus::Suspended => return Err(EnrollError::DeviceSuspended),
            PrincipalStatus::Active if !order.replace => {
                return Err(EnrollError::Conflict(format!("the device {} is enrolled already", order.device)));
            }
            PrincipalStatus::Active | PrincipalStatus::Pending | PrincipalStatus::Preregistered => {}
        }
        principal.status = PrincipalStatus::Active;
        principal.profile = order.profile;
        principal.groups = order.groups;
        principal.dns_names = order.dns_names;
        let profile = self.profile_for(&principal)?;
        let granted = Granted {
            profile,
            csr,
            wanted: order.lifetime,
            redemption: Redemption::Manual,
            origin: admin.origin(),
            principal,
            kind: "certificate.issued_manually",
            actor: admin.actor(),
        };
        Ok(Decision::Issue(Box::new(Grant::new(granted, context))))
    }

    /// For the service's own certificate and the first administrator: whoever may run `signetd` on the issuing host.
    pub(super) fn by_operator(
        &self,
        principal: PrincipalRecord,
        csr: CheckedCsr,
        context: &Context,
    ) -> Result<Decision, EnrollError> {
        if !matches!(principal.kind, PrincipalKind::Server | PrincipalKind::Admin) {
            return Err(EnrollError::Forbidden);
        }
        let unknown = || EnrollError::Profile(format!("there is no profile {:?}", principal.profile));
        let profile = self.profiles.named(&principal.profile).ok_or_else(unknown)?;
        let granted = Granted {
            profile,
            csr,
            wanted: None,
            redemption: Redemption::Manual,
            origin: Origin::default(),
            principal,
            kind: "certificate.issued_by_operator",
            actor: "signetd".into(),
        };
        Ok(Decision::Issue(Box::new(Grant::new(granted, context))))
    }
}
