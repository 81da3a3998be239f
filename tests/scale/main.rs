//! The service under pressure and over time: clones, floods, restores, long lists, herds.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../support/mod.rs"]
mod support;

mod clones;
mod floods;
mod growth;
mod herd;
mod lists;
mod own_certificate;
mod restore;
mod retention;
