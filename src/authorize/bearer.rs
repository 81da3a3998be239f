//! Access tokens of ours, as they are presented: what the signature says holds only while what it hangs on does.

use std::net::IpAddr;

use signet_api::jwt::Claims;
use signet_api::scope::{AccountId, Scopes};
use signet_pki::{DeviceId, Fingerprint, Serial, UnixTime};

use super::caller::{Holder, usable};
use super::presented::{Presented, PresentedToken};
use super::{AccessError, Authorizer, Context, Identity, Who};
use crate::jwt::Audience;
use crate::store::{CertificateStatus, Owner, TokenOrigin, TokenStanding};

impl Authorizer {
    /// `identity`: of the connection's certificate, which was looked up before.
    pub(super) async fn by_access_token(
        &self,
        token: &str,
        identity: Option<&Identity>,
        context: &Context,
    ) -> Result<Holder, AccessError> {
        let claims = self.tokens.verify(token, Audience::Own, self.clock.now())?;
        if let Some(bound) = &claims.cnf {
            let shown = identity.map(|identity| Fingerprint::of(&identity.record().der));
            if shown != Some(bound.certificate) {
                return Err(AccessError::Unbound);
            }
        }
        let (who, scopes) = self.stands(&claims, Some(context.remote)).await?;
        let presented = PresentedToken::verified(claims.jti, claims.key.or(claims.sid), UnixTime(claims.exp));
        Ok(Holder { who, scopes, presented: Presented::AccessToken(presented) })
    }

    /// Whom a verified token stands for and what it allows, as the records are now. `remote`: where it was presented, when it
    /// was presented here. Writes nothing.
    pub async fn stands(&self, claims: &Claims, remote: Option<IpAddr>) -> Result<(Who, Scopes), AccessError> {
        let now = self.clock.now();
        let (jti, family, key) = (claims.jti.clone(), claims.sid.clone(), claims.key.clone());
        let standing = self.store.token_standing(TokenOrigin { jti, family, key }, now).await?;
        let TokenStanding::Live(key) = standing else { return Err(AccessError::TokenEnded) };
        let mut allowed = claims.scope;
        if let Some(key) = key {
            usable(&key, now, remote)?;
            allowed = allowed & key.scopes;
        }
        let owner = owner_of(&claims.sub).ok_or(AccessError::Malformed)?;
        if let Some(serial) = &claims.cert {
            self.certificate_stands(serial, &owner, now).await?;
        }
        let (who, own) = self.owner(&owner).await?;
        Ok((who, own & allowed))
    }

    async fn certificate_stands(&self, serial: &str, owner: &Owner, now: UnixTime) -> Result<(), AccessError> {
        let serial = Serial::parse(serial).map_err(|_| AccessError::Malformed)?;
        let Some(record) = self.store.certificate(&serial).await? else { return Err(AccessError::TokenEnded) };
        let own = matches!(owner, Owner::Principal(id) if *id == record.principal.id);
        let live = matches!(record.status, CertificateStatus::Active | CertificateStatus::Pending)
            && now <= record.not_after
            && !self.issuers.is_distrusted(&record.issuer);
        if own && live { Ok(()) } else { Err(AccessError::TokenEnded) }
    }
}

/// Of `device:sensor-1`, `account:acme`.
fn owner_of(subject: &str) -> Option<Owner> {
    let (kind, id) = subject.split_once(':')?;
    match kind {
        "account" => AccountId::parse(id).ok().map(Owner::Account),
        _ => DeviceId::parse(id).ok().map(Owner::Principal),
    }
}
