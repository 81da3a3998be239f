//! What descends from what. Whatever is made by a caller remembers what the caller presented.

use signet_api::CredentialId;
use signet_pki::{DeviceId, Serial};

/// What a caller presented when something was made. Empty for the service itself and an operator on its host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    pub certificate: Option<Serial>,
    /// An API key, or the session of an access token.
    pub credential: Option<CredentialId>,
}

/// A descendant of what was ended that lives on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Descendant {
    Certificate(Serial, DeviceId),
    /// An enrollment token, and the device that it is for.
    Token(CredentialId, DeviceId),
    ApiKey(CredentialId),
    /// By its family.
    Session(CredentialId),
}

/// Descendants that an answer names; beyond it says how many more there are.
pub const DESCENDANTS_NAMED: usize = 1000;
