//! `/v1/events`: what services subscribe to.

use serde::{Deserialize, Serialize};

use crate::approvals::Guarded;
use crate::scope::Scopes;

/// Query of `GET /v1/events` and `GET /v1/events/ws`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventQuery {
    /// Begin after this audit sequence; the header `Last-Event-ID` says the same and goes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// For those who cannot send headers: pages in browsers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// An API key, where `events.query_secrets` is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// An access token, where `events.query_secrets` is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Names of events beside the ordinary ones, with commas between them: `device.enrolled,device.renewed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<String>,
}

impl std::fmt::Debug for EventQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventQuery({:?}, …)", self.after)
    }
}

/// `POST /v1/events/tickets`; the body may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTicket {
    /// Of the caller's scopes about events; absent: all of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
}

/// The answer: opens one stream, once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    pub ticket: String,
    pub expires_at: String,
    pub scopes: Scopes,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ticket(…, {}, {})", self.expires_at, self.scopes)
    }
}

/// What a WebSocket's client may say: everything up to `ack` has been acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SocketMessage {
    pub ack: u64,
}

/// `POST /v1/events/ack`: everything up to `id` has been acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledge {
    pub id: u64,
}

/// The answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    pub id: u64,
}

/// `GET /v1/admin/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsInfo {
    /// The audit sequence up to which events were handed out.
    pub position: u64,
    pub subscribers: Vec<SubscriberInfo>,
    /// Milliseconds that a revocation may take to each stage.
    pub budget_ms: u64,
    pub stages: Vec<StageInfo>,
    /// What was late last since the service was started.
    pub last_over_budget: Option<OverBudget>,
    /// Whether streams take secrets from the address.
    #[serde(default)]
    pub query_secrets: bool,
    /// What needs a second administrator.
    #[serde(default)]
    pub guards: Vec<Guarded>,
    /// Administrators whose certificate is good and who may approve.
    #[serde(default)]
    pub approvers: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriberInfo {
    /// `service:api`, `admin:alice`.
    pub identity: String,
    pub streams: u64,
    pub acknowledged: Option<u64>,
    /// Events that it got and has not acknowledged; absent when it never acknowledges.
    pub lag: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageInfo {
    /// `committed`, `crl`, `handed`, `acknowledged` or `ocsp`.
    pub stage: String,
    /// Revocations that reached it too late since the service was started.
    pub over_budget: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverBudget {
    pub stage: String,
    pub took_ms: u64,
    pub seconds_ago: u64,
}
