//! The service seen from outside: over real TLS, by good clients and by hostile ones.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod bombs;
mod clock;
mod contract;
mod event_limits;
mod events;
mod extensions;
mod guessing;
mod inventory;
mod keys;
mod leaks;
mod lists;
mod malleability;
mod operations;
mod paths;
mod program;
mod renewal;
mod replay;
mod revocation;
mod rights;
mod sessions;
mod smuggling;
mod tokens;
mod trust;
