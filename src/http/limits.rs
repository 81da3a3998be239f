//! Every limit of the listeners in number and size, with its reason; how long they wait is `config::Patience`.

use std::time::Duration;

use crate::events::Seats;

/// Connections at one time over all listeners: 2 KiB of TLS state and a task each stay far under 100 MiB.
pub(super) const CONNECTIONS: usize = 10_000;
/// Of these, what clients without a certificate may hold, so that renewals find a place in a flood of strangers.
pub(super) const ANONYMOUS: usize = 8_000;
/// Connections from one address (an IPv6 /64): a site behind one NAT.
pub(super) const PER_ADDRESS: u32 = 2_000;
/// Handshakes under way: at 250 us each and core this is a tenth of a second of work.
pub(super) const HANDSHAKES: usize = 1_000;
/// Enrollments at one time. Fewer than the signing queue and the write queue hold, so that a renewal waits behind at most so
/// many: about 50 ms.
pub(super) const ENROLLMENTS: usize = 384;
/// Renewals at one time; with the enrollments they still fit into both queues.
pub(super) const RENEWALS: usize = 512;
/// Whoever finds a door full comes back within so many seconds, at a random one.
pub(super) const SPREAD_SECONDS: u64 = 8;
/// The whole header block; a client certificate never travels there.
pub(super) const HEADER_BYTES: usize = 32 * 1024;
/// The largest body: a CSR with facts is under 8 KiB.
pub(super) const BODY_BYTES: usize = 64 * 1024;
/// A form of OAuth: an access token and a few short parameters.
pub(super) const FORM_BYTES: usize = 16 * 1024;
/// An OCSP request; see `Limits::OCSP_REQUEST` of pki.
pub(super) const OCSP_BYTES: usize = signet_pki::der::Limits::OCSP_REQUEST.bytes;
/// An administrator's order for ten thousand tokens with bindings and names.
pub(super) const ADMIN_BODY_BYTES: usize = 8 * 1024 * 1024;
/// A batch of questions about permission, each with a whole certificate.
pub(super) const CHECKS_BYTES: usize = 512 * 1024;
/// What another system says about one device: a few hundred octets, with room for a sender that pads.
pub(super) const HOOK_BODY_BYTES: usize = 16 * 1024;
/// Streams of one HTTP/2 connection.
pub(super) const STREAMS: u32 = 64;
/// Streams of events at one time, and those of one identity: a service that runs several times, or a person with two windows. A
/// stream costs a task, a queue of pointers and a connection.
pub const SEATS: Seats = Seats { all: 256, each: 8 };
/// Seconds that a connection whose identity has ended, or whose stream nobody reads, is given for what is under way.
pub(super) const FAREWELL: Duration = Duration::from_secs(3);
/// What a WebSocket's client sends: an acknowledgement has some thirty octets.
pub(super) const SOCKET_MESSAGE: usize = 1024;
/// Messages of a WebSocket's client between two signs of life: it acknowledges what it gets, and a queue holds 64.
pub(super) const CLIENT_MESSAGES: u32 = 256;
/// Signs of life that may stay unanswered before the other side counts as gone.
pub(super) const PINGS: u32 = 2;
