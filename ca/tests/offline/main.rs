//! The offline commands as their users meet them: the program, its files, its words and its exit codes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ceremony;
mod first_set_up;
mod hostile;
mod rollover;
mod safety;
mod support;
