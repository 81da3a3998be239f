//! Stream tickets: whoever has one is who got it, with no more than what it was got with allows now.

use signet_api::scope::Scopes;
use signet_api::{Credential, CredentialId, CredentialKind};
use signet_pki::Serial;

use super::caller::{Holder, usable};
use super::presented::{Presented, PresentedTicket};
use super::{AccessError, Authorizer, Context};
use crate::enrollment::EnrollError;
use crate::store::{CertificateStatus, PrincipalStatus, TicketRecord, TokenOrigin, TokenStanding};

impl Authorizer {
    /// The ticket is not used up by this: that is for whoever opens the stream, as the last step.
    pub(super) async fn by_ticket(&self, ticket: Option<Credential>, context: &Context) -> Result<Holder, AccessError> {
        let presented = ticket.ok_or(AccessError::Malformed)?;
        let found = self.store.ticket(presented.id()).await?;
        let good = self.pepper.matches(&presented, found.as_ref().map(|found| &found.credential.hash));
        let found = found.filter(|_| good).ok_or(AccessError::Invalid)?;
        let credential = &found.credential;
        usable(credential, self.clock.now(), Some(context.remote))?;
        self.behind(&found).await
    }

    /// Whose a ticket is, when the owner and what the ticket was got with are good now.
    pub(super) async fn behind(&self, ticket: &TicketRecord) -> Result<Holder, AccessError> {
        let credential = &ticket.credential;
        // The access token that it was got with ends by time alone, and so does what was opened with it.
        if credential.line_ends_at.is_some_and(|end| self.clock.now() >= end) {
            return Err(AccessError::Expired(credential.id.clone()));
        }
        let (who, own) = self.owner(&credential.owner).await?;
        let mut scopes = own & credential.scopes;
        if let Some(parent) = &credential.parent {
            scopes = scopes & self.parent(parent).await?;
        }
        if let Some(serial) = &ticket.serial {
            self.parent_certificate(serial).await?;
        }
        Ok(Holder { who, scopes, presented: Presented::Ticket(PresentedTicket::proved(credential)) })
    }

    async fn parent(&self, id: &CredentialId) -> Result<Scopes, AccessError> {
        let parent = self.store.credential(id).await?.ok_or_else(|| AccessError::Revoked(id.clone()))?;
        if parent.kind == CredentialKind::Refresh {
            // An access token's: its first refresh token was exchanged long ago, and the family lives on.
            let origin = TokenOrigin { jti: String::new(), family: Some(id.clone()), key: None };
            return match self.store.token_standing(origin, self.clock.now()).await? {
                TokenStanding::Live(_) => Ok(parent.scopes),
                TokenStanding::Ended => Err(AccessError::Revoked(parent.id)),
            };
        }
        usable(&parent, self.clock.now(), None)?;
        Ok(parent.scopes)
    }

    /// Nobody shows it here, so one that was replaced meanwhile is no sign of a copy.
    async fn parent_certificate(&self, serial: &Serial) -> Result<(), EnrollError> {
        let record = self.store.certificate(serial).await?.ok_or(EnrollError::CertificateUnknown)?;
        if self.issuers.is_distrusted(&record.issuer) {
            return Err(EnrollError::IssuerDistrusted);
        }
        if self.clock.now() > record.not_after {
            return Err(EnrollError::CertificateExpired);
        }
        match record.principal.status {
            PrincipalStatus::Active => {}
            PrincipalStatus::Suspended => return Err(EnrollError::DeviceSuspended),
            PrincipalStatus::Revoked | PrincipalStatus::Retired => return Err(EnrollError::DeviceRevoked),
            PrincipalStatus::Preregistered | PrincipalStatus::Pending => return Err(EnrollError::CertificateUnknown),
        }
        match record.status {
            CertificateStatus::Revoked => Err(EnrollError::CertificateRevoked),
            CertificateStatus::Active | CertificateStatus::Pending | CertificateStatus::Superseded => Ok(()),
        }
    }
}
