//! The service seen from outside: over real TLS, by good clients and by hostile ones.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod tokens;
