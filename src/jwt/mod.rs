//! Access tokens of the service: which key signs and which are published at what time, and what a good token is.

mod keys;

use std::sync::Arc;

use signet_api::jwt::{self, Claims, JwsError};
use signet_pki::UnixTime;
use signet_pki::signer::SignerError;
use thiserror::Error;

pub use keys::{KeyStage, StagedKey, TokenKeys};

/// How far a verifier's clock may be from ours, seconds.
const SKEW: i64 = 60;

#[derive(Debug, Error)]
pub enum TokenError {
    #[error("the access token is not valid: {0}")]
    Invalid(#[from] JwsError),
    #[error("the access token is from another issuer")]
    Issuer,
    #[error("the access token is meant for another service: {0:?}")]
    Audience(String),
    #[error("the access token has expired")]
    Expired,
    #[error("the access token is from the future")]
    Future,
}

#[derive(Debug, Error)]
pub enum MintError {
    #[error("there is no key that signs access tokens")]
    NoKey,
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// Signs and verifies this service's tokens.
pub struct Tokens {
    keys: Arc<TokenKeys>,
    /// The service's public URL without a slash at its end.
    issuer: String,
}

/// Of whom a token has to be for.
#[derive(Debug, Clone, Copy)]
pub enum Audience {
    /// This service.
    Own,
    /// Whoever: the question is only whether the token is good.
    Any,
}

impl Tokens {
    pub fn new(keys: Arc<TokenKeys>, public_url: &str) -> Tokens {
        Tokens { keys, issuer: public_url.trim_end_matches('/').to_owned() }
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn keys(&self) -> &TokenKeys {
        &self.keys
    }

    pub fn can_sign(&self, now: UnixTime) -> Result<(), MintError> {
        self.keys.signing(now).map(drop).ok_or(MintError::NoKey)
    }

    pub fn sign(&self, claims: &Claims, now: UnixTime) -> Result<String, MintError> {
        let key = self.keys.signing(now).ok_or(MintError::NoKey)?;
        Ok(jwt::sign(claims, key.kid(), key.signer())?)
    }

    /// By signature, issuer, times and audience. Whether it was revoked, and who may present it, is not seen here.
    pub fn verify(&self, token: &str, audience: Audience, now: UnixTime) -> Result<Claims, TokenError> {
        let claims = jwt::verify(token, |kid| self.keys.verifying(kid, now))?;
        if claims.iss != self.issuer {
            return Err(TokenError::Issuer);
        }
        if matches!(audience, Audience::Own) && claims.aud != self.issuer {
            return Err(TokenError::Audience(claims.aud));
        }
        // Both were written by our own clock; a backup's clock may be a little off.
        if now.0 >= claims.exp {
            return Err(TokenError::Expired);
        }
        if claims.iat > now.0.saturating_add(SKEW) {
            return Err(TokenError::Future);
        }
        Ok(claims)
    }
}
