//! The real programs as a newcomer uses them: processes, files, exit codes and what stands on the screen.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod apikeys;
mod archive;
mod binaries;
mod consent;
mod damaged;
mod events;
mod help;
mod lists;
mod oauth;
mod refusals;
mod restore;
mod rollover;
mod scripts;
mod services;
mod site;
mod story;
mod theft;
