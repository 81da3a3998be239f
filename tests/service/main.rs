//! The service seen from outside: over real TLS, by good clients and by hostile ones.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod bombs;
mod clock;
mod contract;
mod directory;
mod event_limits;
mod events;
mod extensions;
mod guessing;
mod inventory;
mod issuers;
mod keys;
mod leaks;
mod lists;
mod malleability;
mod ocsp;
mod ocsp_abuse;
mod operations;
mod pages;
mod paths;
mod permission;
mod permission_abuse;
mod permission_proxies;
mod program;
mod recovery;
mod renewal;
mod replay;
mod revocation;
mod rights;
mod roles;
mod rollover;
mod services;
mod services_probe;
mod sessions;
mod shards;
mod smuggling;
mod sockets;
mod tickets;
mod tokens;
mod trust;
