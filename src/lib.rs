//! The issuing service. See ARCHITECTURE.md for the floor plan; `enrollment` is the main road.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod anchor;
pub mod app;
pub mod archive;
pub mod audit;
pub mod authorize;
pub mod clock;
pub mod config;
pub mod credentials;
pub mod enrollment;
pub mod events;
pub mod hooks;
pub mod housekeeping;
pub mod http;
pub mod issuer;
pub mod jwt;
pub mod latency;
pub mod network;
pub mod oauth;
pub mod ocsp;
pub mod permission;
pub mod policy;
pub mod random;
pub mod restored;
pub mod revocation;
pub mod server_identity;
pub mod services;
pub mod store;
pub mod telemetry;
pub mod trust;
pub mod webhooks;
