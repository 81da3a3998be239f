//! What Signet's programs say to each other: wire types, stable error codes, credential formats and, with the
//! feature `client`, the HTTPS client.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod access;
pub mod admin;
pub mod alarms;
pub mod approvals;
pub mod authz;
#[cfg(feature = "client")]
pub mod client;
pub mod credential;
pub mod device_codes;
pub mod enroll;
pub mod events;
pub mod jwt;
pub mod link;
pub mod oauth;
pub mod page;
pub mod policy;
pub mod problem;
pub mod revocations;
pub mod scope;
pub mod services;
pub mod standard_webhooks;
pub mod webhooks;
pub mod xfcc;

pub use credential::{Credential, CredentialError, CredentialId, CredentialKind};
pub use problem::{ErrorCode, Problem};

/// Response header: when the client should renew (RFC 3339).
pub const HEADER_RENEW_AFTER: &str = "signet-renew-after";
/// Response header: `true` when the answer is that of an earlier, identical request.
pub const HEADER_REPLAY: &str = "idempotent-replay";
/// Response header: the id under which the server knows this request.
pub const HEADER_REQUEST_ID: &str = "request-id";
/// Request header of a renewal: the sequence of the trust bundle that the device holds.
pub const HEADER_BUNDLE: &str = "signet-bundle";
/// Request header: the hardware serial number, for clients that post a bare CSR.
pub const HEADER_HARDWARE_SERIAL: &str = "signet-hardware-serial";
