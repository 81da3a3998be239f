//! Webhooks on the wire: endpoints that are told what happens, what could not be delivered, and what other systems may ask for.

use serde::{Deserialize, Serialize};
use signet_pki::DeviceId;

use crate::CredentialId;

/// What an endpoint may be told. A `gap`, that entries are missing, is told to every endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WebhookEvent {
    #[serde(rename = "revocation")]
    Revocation,
    #[serde(rename = "device.suspended")]
    Suspended,
    #[serde(rename = "device.resumed")]
    Resumed,
    #[serde(rename = "device.retired")]
    Retired,
    #[serde(rename = "certificate.quarantined")]
    Quarantined,
    #[serde(rename = "issuer.distrusted")]
    Distrusted,
    /// Something that an administrator has to look at.
    #[serde(rename = "alarm")]
    Alarm,
    /// From here to `Denied`: told only to who names it.
    #[serde(rename = "device.enrolled")]
    Enrolled,
    #[serde(rename = "device.renewed")]
    Renewed,
    #[serde(rename = "enrollment.pending")]
    Pending,
    #[serde(rename = "enrollment.approved")]
    Approved,
    #[serde(rename = "enrollment.denied")]
    Denied,
    /// Who did what, with alarms: for administrators' systems.
    #[serde(rename = "security")]
    Security,
}

impl WebhookEvent {
    pub const ALL: [WebhookEvent; 13] = [
        WebhookEvent::Revocation,
        WebhookEvent::Suspended,
        WebhookEvent::Resumed,
        WebhookEvent::Retired,
        WebhookEvent::Quarantined,
        WebhookEvent::Distrusted,
        WebhookEvent::Alarm,
        WebhookEvent::Enrolled,
        WebhookEvent::Renewed,
        WebhookEvent::Pending,
        WebhookEvent::Approved,
        WebhookEvent::Denied,
        WebhookEvent::Security,
    ];

    /// Stable.
    pub fn as_str(self) -> &'static str {
        match self {
            WebhookEvent::Revocation => "revocation",
            WebhookEvent::Suspended => "device.suspended",
            WebhookEvent::Resumed => "device.resumed",
            WebhookEvent::Retired => "device.retired",
            WebhookEvent::Quarantined => "certificate.quarantined",
            WebhookEvent::Distrusted => "issuer.distrusted",
            WebhookEvent::Alarm => "alarm",
            WebhookEvent::Enrolled => "device.enrolled",
            WebhookEvent::Renewed => "device.renewed",
            WebhookEvent::Pending => "enrollment.pending",
            WebhookEvent::Approved => "enrollment.approved",
            WebhookEvent::Denied => "enrollment.denied",
            WebhookEvent::Security => "security",
        }
    }

    pub fn parse(text: &str) -> Option<WebhookEvent> {
        WebhookEvent::ALL.into_iter().find(|event| event.as_str() == text)
    }
}

/// `POST /v1/admin/webhooks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhook {
    /// `https://…`.
    pub url: String,
    /// Empty: what ends and, when the caller may see them, alarms; not `security`, enrollments and renewals.
    #[serde(default)]
    pub events: Vec<WebhookEvent>,
    /// It may be at an address that `webhooks.allow` of the configuration lists.
    #[serde(default)]
    pub private: bool,
}

/// An endpoint and how it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookInfo {
    pub id: CredentialId,
    pub url: String,
    pub events: Vec<WebhookEvent>,
    pub private: bool,
    /// `enabled`, `disabled` by somebody, `gone` because it said so (410), `failing` because too much was given up.
    pub status: String,
    pub created_by: String,
    pub created_at: String,
    /// Until then deliveries are signed with the secret before this one as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_secret_until: Option<String>,
    /// The audit sequence up to which there are deliveries.
    pub position: u64,
    pub waiting: u64,
    pub dead: u64,
    /// Attempts that failed since the last one that did not.
    pub failures: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_at: Option<String>,
    /// Nothing is tried before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<String>,
}

/// A secret that is shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSecret {
    pub webhook: WebhookInfo,
    /// `whsec_…`.
    pub secret: String,
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WebhookSecret({}, hidden)", self.webhook.id)
    }
}

/// `POST /v1/admin/webhooks/{id}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    pub action: WebhookAction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebhookAction {
    /// Also tries at once what waits.
    Enable,
    Disable,
    /// With everything that waits for it.
    Delete,
}

/// `POST /v1/admin/webhooks/{id}/secret`: the next secret, which is the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateSecret {
    /// Seconds that the secret before goes on signing as well; 0 ends it now.
    pub overlap: i64,
}

/// `POST /v1/admin/webhooks/{id}/test`: what became of a message that was sent just now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookTest {
    pub message: String,
    pub delivered: bool,
    /// Of the answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A delivery that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub id: u64,
    pub webhook: CredentialId,
    /// The header `webhook-id`.
    pub message: String,
    pub event: String,
    pub created_at: String,
    pub died_at: String,
    pub attempts: u64,
    pub error: String,
    /// What was to be delivered.
    pub body: serde_json::Value,
}

/// Query of `GET /v1/admin/dead-letters`: the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<CredentialId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// `POST /v1/admin/dead-letters`. Exactly one of `id` and `webhook` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadOrder {
    pub action: DeadAction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// All of this endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<CredentialId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeadAction {
    Redeliver,
    Drop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadChanged {
    pub changed: u64,
}

/// `POST /v1/hooks/{name}`: about which device. Exactly one of `device` and `hardware_serial` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_serial: Option<String>,
    /// For the audit log; at most 200 printable characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a hook did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookResult {
    Approved,
    Suspended,
    Revoked,
    Denied,
    /// It was so before, or this very message was here before.
    AlreadyDone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookAnswer {
    pub result: HookResult,
}
