//! Grants of scopes, to whatever kind of holder: bounded by what the caller holds and, where they reach what is guarded, agreed to
//! by a second person.

use serde::Serialize;
use signet_api::scope::{Scope, Scopes};

use super::approvals::{Guard, require_approval};
use crate::authorize::{Caller, Context, Delegated};
use crate::http::App;
use crate::http::refusal::Refusal;
use crate::http::request::require_can_grant;
use crate::store::Guarded;

/// A grant as it is asked for.
pub(super) struct Grant<'a, T> {
    /// What the holder may do afterwards.
    pub(super) scopes: Scopes,
    /// What it may do already.
    pub(super) held: Scopes,
    pub(super) path: String,
    pub(super) body: &'a T,
    /// A sentence for the person who approves.
    pub(super) summary: String,
}

/// Rejects scopes that the caller does not hold; waits for a second person when what is new is guarded.
pub(super) async fn authorize_grant<T: Serialize>(
    service: &App,
    by: (&Caller, &Context),
    grant: Grant<'_, T>,
) -> Result<Delegated, Refusal> {
    let delegated = require_can_grant(by.0, grant.scopes)?;
    let required_for = &service.config.raw.approval.required_for;
    if let Some(guarded) = guard_of(required_for, grant.scopes.beyond(grant.held)) {
        let Grant { path, body, summary, .. } = grant;
        require_approval(service, by, Guard { guarded, path, body, summary }).await?;
    }
    Ok(delegated)
}

/// The first guard that a grant of these scopes would reach: to do what is guarded, or to agree to it.
fn guard_of(required_for: &[Guarded], scopes: Scopes) -> Option<Guarded> {
    let reaches = |guarded: &Guarded| {
        let own: &[Scope] = match guarded {
            Guarded::Issuers => &[Scope::IssuersWrite],
            Guarded::Policy => &[Scope::PolicyWrite],
            Guarded::Administrators => &[Scope::AccountsWrite],
            // Many tokens need two from every caller; single ones are everyday work.
            Guarded::Batches => &[],
        };
        scopes.contains(Scope::RequestsApprove) || own.iter().any(|scope| scopes.contains(*scope))
    };
    required_for.iter().copied().find(reaches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_reaches_the_guard_of_its_scopes_and_whatever_is_approved() {
        let of = |guards: &[Guarded], text: &str| guard_of(guards, text.parse::<Scopes>().unwrap());
        let all = [Guarded::Issuers, Guarded::Policy, Guarded::Batches, Guarded::Administrators];
        assert_eq!(of(&all, "issuers:write"), Some(Guarded::Issuers));
        assert_eq!(of(&all, "policy:write devices:read"), Some(Guarded::Policy));
        assert_eq!(of(&all, "accounts:write"), Some(Guarded::Administrators));
        assert_eq!(of(&all, "tokens:write revocations:write audit:read"), None);
        assert_eq!(of(&[Guarded::Batches], "requests:approve"), Some(Guarded::Batches));
        assert_eq!(of(&[Guarded::Policy], "issuers:write accounts:write"), None);
        assert_eq!(of(&[], "requests:approve accounts:write"), None);
    }
}
