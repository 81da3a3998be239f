//! Registered services: who they are, what belongs to them, and how they are connected to.

mod registry;

pub use registry::{Registered, Registry};
