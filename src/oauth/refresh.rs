//! The refresh grant (RFC 6749 6): each token once, and the same answer again when it was lost.
//!
//! A session is bound to its owner's key: whoever has the token and shows another owner's certificate ends it; whoever shows
//! none gets nothing. Devices change their keys more often than a session ends, so it goes on with any certificate of its owner
//! that is good now: older generations are not good once a newer one was used, and revoking one ends the sessions of its key.

use std::net::IpAddr;

use serde_json::json;
use signet_api::oauth::TokenResponse;
use signet_api::scope::Scopes;
use signet_api::{Credential, CredentialId, CredentialKind};

use super::{Holder, Line, OAuth, OAuthError, Wanted, draft, narrowed};
use crate::authorize::{AccessError, Caller, Context, Who, usable};
use crate::store::{AuditDraft, CredentialRecord, CredentialStatus, Owner, RotateRefresh, Rotated};

/// Seconds in which a token that was used gets the same answer again: a client that waited for its time-out and asks once more.
const RETRY: i64 = 60;

impl OAuth {
    /// `caller`: what else the request proves, if anything.
    pub async fn refresh(
        &self,
        token: &str,
        caller: Option<&Caller>,
        wanted: &Wanted,
        context: &Context,
    ) -> Result<TokenResponse, OAuthError> {
        let now = self.clock.now();
        // A token that could not have hit is not an attempt.
        let malformed = |_| OAuthError::Grant("this is not a refresh token of this service, or it was cut off");
        let presented = Credential::parse(CredentialKind::Refresh, token).map_err(malformed)?;
        let found = self.store.credential(presented.id()).await?.filter(|found| found.kind == CredentialKind::Refresh);
        let good = self.authorizer.pepper.matches(&presented, found.as_ref().map(|found| &found.hash));
        let found = found.filter(|_| good).ok_or(OAuthError::Unknown)?;
        self.check_key(&found, caller, context).await?;
        if found.status == CredentialStatus::Active && now >= found.expires_at {
            return Err(OAuthError::Grant("the refresh token has expired"));
        }
        let audience = self.audience(wanted).await?;
        let (who, held) = self.session_stands(&found, Some(context.remote)).await?;
        let who = match caller.and_then(Caller::identity) {
            // By the certificate where there is one, so that the access token is bound to it.
            Some(identity) if matches!(who, Who::Principal(_)) => Who::Certificate(identity.clone()),
            _ => who,
        };
        let scopes = narrowed(wanted.scopes, held)?;
        self.authorizer.tokens.can_sign(now)?;
        let client_id = found.parent.as_ref().map_or_else(|| owner_id(&found.owner), CredentialId::to_string);
        let holder = Holder { who, client_id, key: found.parent.clone(), scopes };
        self.check_bound(&holder)?;
        let line = self.rotate(&presented, found, &holder, caller, context).await?;
        self.mint(holder, audience, Some(line)).await
    }

    /// The key that the token is bound to.
    async fn check_key(
        &self,
        found: &CredentialRecord,
        caller: Option<&Caller>,
        context: &Context,
    ) -> Result<(), OAuthError> {
        let Some(caller) = caller else {
            return match found.spki {
                Some(_) => Err(OAuthError::Grant("the refresh token is bound to a key: present its certificate")),
                None => Ok(()),
            };
        };
        let own = match &found.owner {
            Owner::Principal(id) => caller.principal().is_some_and(|principal| principal.id == *id),
            Owner::Account(id) => caller.account() == Some(id),
        };
        if !own {
            let alarm = self.alarm(found, Some(caller), context);
            self.store.end_family(&found.family, alarm).await?;
            return Err(OAuthError::Grant("the refresh token belongs to somebody else; its session is over"));
        }
        if found.spki.is_some() && caller.identity().is_none() {
            return Err(OAuthError::Grant("the refresh token is bound to a key: present its certificate"));
        }
        Ok(())
    }

    /// The owner as it is now, and what it may do with this token: as long as the key that it was got with is good.
    pub(super) async fn session_stands(
        &self,
        found: &CredentialRecord,
        remote: Option<IpAddr>,
    ) -> Result<(Who, Scopes), AccessError> {
        let mut allowed = found.scopes;
        if let Some(parent) = &found.parent {
            let key = self.store.credential(parent).await?.ok_or(AccessError::Invalid)?;
            usable(&key, self.clock.now(), remote)?;
            allowed = allowed & key.scopes;
        }
        let (who, own) = self.authorizer.owner(&found.owner).await?;
        Ok((who, own & allowed))
    }

    async fn rotate(
        &self,
        presented: &Credential,
        found: CredentialRecord,
        holder: &Holder,
        caller: Option<&Caller>,
        context: &Context,
    ) -> Result<Line, OAuthError> {
        let now = self.clock.now();
        let next = self.authorizer.pepper.successor(presented);
        let ends_at = found.line_ends_at.unwrap_or(found.expires_at);
        let alarm = self.alarm(&found, caller, context);
        let (old, family) = (found.id.clone(), found.family.clone());
        let shown = caller.and_then(Caller::identity).map(|identity| identity.record().spki);
        let spki = found.spki.map(|before| shown.unwrap_or(before));
        let new = CredentialRecord {
            id: next.id().clone(),
            hash: self.authorizer.pepper.hash(&next),
            status: CredentialStatus::Active,
            spki,
            created_at: now,
            expires_at: self.idle_end(now, ends_at),
            used_at: None,
            successor: None,
            last_used_at: None,
            ..found
        };
        let detail = json!({ "token": old.as_str(), "successor": next.id().as_str() });
        let draft = draft("session.refreshed", holder.actor(), family.to_string(), detail, (context, now));
        let order = RotateRefresh { old, new, now, retry: RETRY, draft, alarm };
        match self.store.rotate_refresh(order).await?.ok_or(OAuthError::Unknown)? {
            Rotated::New(_) => Ok(Line { family, ends_at, next }),
            Rotated::Again(same) if same.id == *next.id() => Ok(Line { family, ends_at, next }),
            Rotated::Again(_) => Err(OAuthError::Grant("the refresh token was made under another key of the service")),
            Rotated::Reused(_) => Err(OAuthError::Grant("the refresh token was used before; its session is over")),
            Rotated::Over(_) => Err(OAuthError::Grant("the session of the refresh token was ended")),
            Rotated::Refused(conflict) => Err(OAuthError::Refused(conflict)),
        }
    }

    fn alarm(&self, found: &CredentialRecord, caller: Option<&Caller>, context: &Context) -> AuditDraft {
        let detail = json!({
            "token": found.id.as_str(),
            "presented_by": caller.map(Caller::name),
            "remote": context.remote.to_string(),
        });
        let actor = caller.map_or_else(|| "anonymous".into(), Caller::actor);
        draft("alarm.refresh_token_reused", actor, found.family.to_string(), detail, (context, self.clock.now()))
    }
}

fn owner_id(owner: &Owner) -> String {
    match owner {
        Owner::Account(id) => id.to_string(),
        Owner::Principal(id) => id.to_string(),
    }
}
