//! May device A do X to service or device B? Rules as text, decisions as values: no clock, no file, no socket.
//!
//! The semantics are Cedar's: `permit` and `forbid` over principal, action, resource and context; what nothing permits is
//! denied; one `forbid` that applies wins over everything; the order of rules means nothing. One thing is safer. Cedar skips
//! a rule whose condition errs, so a `forbid` that errs lets in. Here everything is typed when the text is read, so that
//! nothing can err later, and a fact that is not known (a source address, a certificate) makes a `permit` not apply and a
//! `forbid` apply.
//!
//! Why not cedar-policy 4.14: measured on 2 cores, it builds for 90 s with 157 crates of its own (this crate brings none),
//! adds 4.4 MB to a binary (0.4 MB), decides among 100 policies in 72 us (1 us), and links regular expressions (see t21).
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod compare;
mod condition;
mod decide;
mod error;
mod facts;
mod fixtures;
mod index;
pub mod limits;
mod matcher;
mod policy;
mod read;
mod rule;
mod schedule;
mod truth;

pub use compare::{Change, Comparison, Difference};
pub use decide::{Decision, Reason};
pub use error::{PolicyError, PolicyErrors, Warning};
pub use facts::{Certificate, Entity, Kind, Request, Status};
pub use fixtures::{Case, Expected, Failure, Fixtures, Outcome};
pub use policy::Policy;
pub use rule::{Effect, Rule};
