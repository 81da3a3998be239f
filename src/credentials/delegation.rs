//! What a caller hands on to another credential or principal.

use signet_api::scope::Scopes;

/// Scopes that are handed on, bounded by what is held. Everything that mints takes one, so a way that forgets the bound does not
/// compile. Callers get theirs from `Caller::delegate` and `PresentedApiKey::succession`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delegated(Scopes);

/// Scopes that were wanted and are not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beyond(pub Scopes);

impl Delegated {
    /// All that is wanted, or what of it is not held.
    pub(crate) fn within(wanted: Scopes, held: Scopes) -> Result<Delegated, Beyond> {
        let beyond = wanted.beyond(held);
        if beyond.is_empty() { Ok(Delegated(wanted)) } else { Err(Beyond(beyond)) }
    }

    /// What is held of that which is wanted.
    pub(crate) fn bounded(wanted: Scopes, held: Scopes) -> Delegated {
        Delegated(wanted & held)
    }

    pub fn scopes(self) -> Scopes {
        self.0
    }
}
