//! What needs a second administrator. Times are RFC 3339.

use serde::{Deserialize, Serialize};

/// What needs a second administrator when the configuration says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Guarded {
    /// Steps of issuers.
    Issuers,
    Policy,
    /// Tokens for many devices, and revocations of many.
    Batches,
    /// Who administers, and what administrators may do.
    Administrators,
}

impl Guarded {
    const ALL: [Guarded; 4] = [Guarded::Issuers, Guarded::Policy, Guarded::Batches, Guarded::Administrators];

    pub fn as_str(self) -> &'static str {
        match self {
            Guarded::Issuers => "issuers",
            Guarded::Policy => "policy",
            Guarded::Batches => "batches",
            Guarded::Administrators => "administrators",
        }
    }

    pub fn parse(text: &str) -> Option<Guarded> {
        Guarded::ALL.into_iter().find(|guarded| guarded.as_str() == text)
    }
}

/// Query of `GET /v1/admin/approvals`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalQuery {
    /// Decided ones as well.
    #[serde(default)]
    pub all: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalInfo {
    pub id: String,
    pub guarded: Guarded,
    pub summary: String,
    /// Where the request goes.
    pub path: String,
    /// The request.
    pub body: serde_json::Value,
    /// SHA-256 over path and body, hex: what is approved.
    pub digest: String,
    /// `pending`, `approved`, `denied`, `used` or `expired`.
    pub status: String,
    pub requested_by: String,
    pub requested_at: String,
    pub expires_at: String,
    pub decided_by: Option<String>,
    pub decided_at: Option<String>,
    pub reason: Option<String>,
}

/// `POST /v1/admin/approvals/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalDecision {
    pub action: ApprovalAction,
    /// Of what was seen.
    pub digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalAction {
    Approve,
    /// Also by who asked: takes it back.
    Deny,
}
