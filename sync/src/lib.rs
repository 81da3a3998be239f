//! Keeps the files of a verifier fresh: the revocation lists of every CA of its chain, and the CA certificates.
//!
//! What is fetched is believed only below roots that the caller pinned. [`decision`] says what to do about it and touches
//! nothing; [`round()`] does it once: fetch, decide, replace whole files, tell the services that read them. A failure
//! leaves every file as it was. `ca crl-sync` and `signet-agent run` are the two callers.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod bundle;
pub mod decision;
pub mod lists;
mod metrics;
mod options;
mod output;
mod pause;
mod refusal;
mod reload;
mod report;
mod round;
mod source;
mod state;
#[cfg(test)]
mod testing;

pub use options::Options;
pub use pause::pause;
pub use refusal::Refusal;
pub use report::{Outcome, Problem, Report, Verdict};
pub use round::{Plan, round};
pub use source::{Channel, Fetched, Remote, Source};
