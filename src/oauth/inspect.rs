//! What others may know about a token (RFC 7662), and how it ends before its time (RFC 7009).

use serde_json::json;
use signet_api::jwt;
use signet_api::oauth::Introspection;
use signet_api::scope::Scope;
use signet_api::{Credential, CredentialId, CredentialKind};
use signet_pki::UnixTime;

use super::{OAuth, OAuthError, draft};
use crate::authorize::{AccessError, Caller, Context};
use crate::jwt::Audience;
use crate::store::{Actor, CredentialRecord, CredentialStatus, Owner, StoreError};

impl OAuth {
    /// For those who may ask about every token, and for the owner about its own.
    pub async fn introspect(&self, asker: &Caller, token: &str) -> Result<Introspection, OAuthError> {
        let told = if jwt::looks_like_one(token) {
            self.access_token(token).await?
        } else {
            self.refresh_token(token).await?
        };
        let own = told.as_ref().is_some_and(|(owner, _)| *owner == asker.name());
        if !own && !asker.may(Scope::TokensIntrospect) {
            return Err(OAuthError::Foreign(asker.name()));
        }
        Ok(told.map_or_else(Introspection::default, |(_, told)| told))
    }

    /// With its owner; `None` for one that is not good.
    async fn access_token(&self, token: &str) -> Result<Option<(String, Introspection)>, OAuthError> {
        let Ok(claims) = self.authorizer.tokens.verify(token, Audience::Any, self.clock.now()) else { return Ok(None) };
        let scope = match self.authorizer.stands(&claims, None).await {
            Ok((_, scope)) => scope,
            Err(error) => return unless_broken(error),
        };
        let owner = claims.sub.clone();
        let told = Introspection {
            active: true,
            token_type: Some("Bearer".into()),
            scope: Some(scope),
            client_id: Some(claims.client_id),
            sub: Some(claims.sub),
            aud: Some(claims.aud),
            iss: Some(claims.iss),
            jti: Some(claims.jti),
            iat: Some(claims.iat),
            exp: Some(claims.exp),
            groups: claims.groups,
            cnf: claims.cnf,
            sid: claims.sid,
        };
        Ok(Some((owner, told)))
    }

    async fn refresh_token(&self, token: &str) -> Result<Option<(String, Introspection)>, OAuthError> {
        let Some(found) = self.known(token).await? else { return Ok(None) };
        if found.status != CredentialStatus::Active || self.clock.now() >= found.expires_at {
            return Ok(None);
        }
        let (who, own) = match self.session_stands(&found, None).await {
            Ok(owner) => owner,
            Err(error) => return unless_broken(error),
        };
        let owner = who.name();
        let client_id = match (&found.parent, &found.owner) {
            (Some(parent), _) => parent.to_string(),
            (None, Owner::Account(id)) => id.to_string(),
            (None, Owner::Principal(id)) => id.to_string(),
        };
        let told = Introspection {
            active: true,
            token_type: Some("refresh_token".into()),
            scope: Some(own & found.scopes),
            client_id: Some(client_id),
            sub: Some(owner.clone()),
            iss: Some(self.authorizer.tokens.issuer().to_owned()),
            iat: Some(found.created_at.0),
            exp: Some(found.expires_at.0),
            sid: Some(found.family),
            ..Introspection::default()
        };
        Ok(Some((owner, told)))
    }

    /// A refresh token ends with its session, an access token alone. Whoever has one may end it; of one that is not good nothing
    /// is said.
    pub async fn revoke(&self, token: &str, context: &Context) -> Result<(), OAuthError> {
        let now = self.clock.now();
        if jwt::looks_like_one(token) {
            let Ok(claims) = self.authorizer.tokens.verify(token, Audience::Any, now) else { return Ok(()) };
            let detail = json!({ "client": claims.client_id, "remote": context.remote.to_string() });
            let draft = draft("access_token.revoked", claims.sub.into(), claims.jti.clone(), detail, (context, now));
            return Ok(self.store.deny_token(&claims.jti, UnixTime(claims.exp), draft).await?);
        }
        if let Some(found) = self.known(token).await? {
            self.end_session(&found.family, found.created_by.as_str().into(), context).await?;
        }
        Ok(())
    }

    /// Ends what lives of a session; its access tokens go with it.
    pub async fn end_session(
        &self,
        family: &CredentialId,
        actor: Actor,
        context: &Context,
    ) -> Result<Vec<CredentialId>, StoreError> {
        let detail = json!({ "remote": context.remote.to_string() });
        let now = self.clock.now();
        let draft = draft("session.revoked", actor, family.to_string(), detail, (context, now));
        self.store.end_family(family, draft).await
    }

    /// A refresh token whose secret is right.
    async fn known(&self, token: &str) -> Result<Option<CredentialRecord>, OAuthError> {
        let Ok(presented) = Credential::parse(CredentialKind::Refresh, token) else { return Ok(None) };
        let found = self.store.credential(presented.id()).await?.filter(|found| found.kind == CredentialKind::Refresh);
        let good = self.authorizer.pepper.matches(&presented, found.as_ref().map(|found| &found.hash));
        Ok(found.filter(|_| good))
    }
}

/// A refusal means that the token is not good; a store that does not answer means nothing.
fn unless_broken<T>(error: AccessError) -> Result<Option<T>, OAuthError> {
    if error.code().status() >= 500 { Err(error.into()) } else { Ok(None) }
}
