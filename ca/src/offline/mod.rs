//! The commands that need no network: the root, the issuer's request and certificate, and the first set-up.

pub(crate) mod init;
pub(crate) mod issuer;
pub(crate) mod root;

mod authority;
mod clock;
mod confirm;
mod describe;
mod documents;
mod fresh;
mod ledger;
mod refusals;
mod secret;
