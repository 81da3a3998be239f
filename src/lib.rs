//! The issuing service. See ARCHITECTURE.md for the floor plan; `enrollment` is the main road.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod audit;
pub mod authorize;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod enrollment;
pub mod issuer;
pub mod random;
pub mod store;
