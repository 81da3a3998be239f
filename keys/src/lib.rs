//! Making, storing and opening private keys, and the file habits that keep them safe.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod files;
pub mod passphrase;
pub mod private;
pub mod random;

#[cfg(test)]
mod contract;

pub use passphrase::Passphrase;
pub use private::{KeyKind, PrivateKey};
