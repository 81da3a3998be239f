//! What is true after a crash: store calls that fail one by one, requests that are dropped half-way, processes that are
//! killed under load, full disks, clocks that jump. Every test ends with the independent checker.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../checker/mod.rs"]
mod checker;
#[path = "../support/faulty.rs"]
mod faulty;
#[path = "../support/mod.rs"]
mod support;

mod access;
mod archive;
mod auditor;
mod calls;
mod cancelled;
mod clocks;
mod daemon;
mod disk;
mod drain;
mod equal_work;
mod events;
mod fleet;
mod flush;
mod issuers;
mod kill;
mod live;
mod ocsp;
mod permission;
mod policy;
mod retry;
mod services;
mod sharded;
