//! What OAuth keeps: keys by their first day, families of refresh tokens, and tokens that ended early.

use signet_api::CredentialId;
use signet_pki::UnixTime;

use super::access::{AccessConflict, CredentialRecord, CredentialStatus};
use super::{Answer, AuditDraft};

/// A key that signs access tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenKeyRecord {
    /// RFC 7638 thumbprint.
    pub kid: String,
    pub published_at: UnixTime,
}

/// A refresh token against its successor, which its caller has proved to hold.
#[derive(Debug, Clone)]
pub struct RotateRefresh {
    pub old: CredentialId,
    /// Of the same family.
    pub new: CredentialRecord,
    pub now: UnixTime,
    /// Seconds after its use in which the old one gets the same successor again, unless that was used.
    pub retry: i64,
    pub draft: AuditDraft,
    /// Written when the family ends here.
    pub alarm: AuditDraft,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// The successor as it stands in the store.
    New(CredentialRecord),
    /// The same answer as before.
    Again(CredentialRecord),
    /// It was used before: what lived of its family is over.
    Reused(Vec<CredentialId>),
    Over(CredentialStatus),
    Refused(AccessConflict),
}

/// What an access token hangs on.
#[derive(Debug, Clone)]
pub struct TokenOrigin {
    pub jti: String,
    pub family: Option<CredentialId>,
    pub key: Option<CredentialId>,
}

/// What has become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenStanding {
    /// With the key that it was got with, as that is now.
    Live(Option<Box<CredentialRecord>>),
    /// Itself, its family, or the key is gone.
    Ended,
}

pub trait OAuthStore: Send + Sync {
    /// Notes which keys are published, new ones from now on; answers all of these.
    fn note_token_keys(&self, kids: Vec<String>, draft: AuditDraft) -> Answer<'_, Vec<TokenKeyRecord>>;
    /// `None` when there is no such token.
    fn rotate_refresh(&self, order: RotateRefresh) -> Answer<'_, Option<Rotated>>;
    /// Ends what lives of a family, and answers what that was; no entry when it was nothing.
    fn end_family(&self, family: &CredentialId, draft: AuditDraft) -> Answer<'_, Vec<CredentialId>>;
    /// An access token is good no longer; the row goes after its end.
    fn deny_token(&self, jti: &str, expires_at: UnixTime, draft: AuditDraft) -> Answer<'_, ()>;
    /// Removes what has ended before, at most `limit` rows of each kind.
    fn prune_oauth(&self, now: UnixTime, refresh_before: UnixTime, limit: u32) -> Answer<'_, u64>;

    /// Whether what a token hangs on still holds.
    fn token_standing(&self, origin: TokenOrigin, now: UnixTime) -> Answer<'_, TokenStanding>;
}
