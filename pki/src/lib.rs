//! X.509 core of Signet: names, keys, CSRs, certificates, CRLs and the lint that stands before every signature.
//!
//! Everything here is a pure function. Time, randomness, keys and bytes are arguments; nothing reads a clock,
//! a file or a socket, and nothing logs.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod bundle;
pub mod ca;
pub mod chain;
pub mod crl;
pub mod csr;
pub mod der;
pub mod issue;
pub mod key;
pub mod key_policy;
pub mod lint;
pub mod name;
pub mod ocsp;
pub mod pem;
pub mod profile;
pub mod recovery;
pub mod registration;
pub mod serial;
pub mod signer;
pub mod text;
pub mod time;
pub mod view;

#[cfg(test)]
mod any_csr_tests;
#[cfg(test)]
mod damage_tests;
mod encode;
#[cfg(test)]
mod testing;

pub use key::{Fingerprint, PublicKey};
pub use name::{DeviceId, DnsName, SpiffeId, TrustDomain};
pub use serial::Serial;
pub use time::UnixTime;
