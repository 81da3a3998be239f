//! Endpoints of webhooks, what waits for them, and what was given up.

use signet_api::CredentialId;
use signet_api::admin::Page;
use signet_api::webhooks::{DeadAction, DeadQuery, WebhookEvent};
use signet_pki::{DeviceId, UnixTime};

use super::{Answer, AuditDraft, Listed};

/// At most so many endpoints: every one of them costs a look at each event.
pub const MAX_WEBHOOKS: u64 = 64;
/// Deliveries of an endpoint that were given up: with as many it is disabled instead of losing any. At 48 KiB for the longest
/// this is 48 MiB.
pub const MAX_DEAD: u64 = 1000;

pub trait WebhookStore: Send + Sync {
    /// Its position is the newest entry of the log.
    fn create_webhook(&self, new: NewWebhook) -> Answer<'_, WebhookCreation>;
    /// The endpoint as it is now, or was before it was deleted; `None` when there is none.
    fn change_webhook(&self, order: ChangeWebhook) -> Answer<'_, Option<WebhookRecord>>;
    /// Oldest first.
    fn webhooks(&self) -> Answer<'_, Listed<WebhookRecord>>;
    /// Puts deliveries into the queue and moves the position, together.
    fn feed_webhook(&self, feed: Feed) -> Answer<'_, Feeding>;
    /// Of each enabled endpoint that is not paused the oldest delivery that is due.
    fn due_deliveries(&self, now: UnixTime) -> Answer<'_, Vec<Delivery>>;
    /// What became of an attempt.
    fn settle_delivery(&self, settled: Settled) -> Answer<'_, ()>;
    /// Oldest first; `after` is an id.
    fn dead_deliveries(&self, query: DeadQuery) -> Answer<'_, Page<DeadDelivery>>;
    /// How many were put back into the queue or removed.
    fn change_dead(&self, order: ChangeDead) -> Answer<'_, u64>;
    /// Devices and others that named this hardware serial number, at most three.
    fn with_hardware_serial(&self, serial: &str) -> Answer<'_, Vec<DeviceId>>;
    /// Notes something that changes no row.
    fn note_webhook(&self, draft: AuditDraft) -> Answer<'_, ()>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookCreation {
    Created,
    /// There are [`MAX_WEBHOOKS`] already.
    TooMany,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feeding {
    Taken,
    /// The endpoint has another position by now, or is not enabled; nothing happened.
    Elsewhere,
}

/// Where an endpoint may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At public addresses alone.
    Public,
    /// Also in networks that the configuration lists.
    Listed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookStatus {
    Enabled,
    /// By somebody.
    Disabled,
    /// It answered 410.
    Gone,
    /// Too much was given up.
    Failing,
}

impl WebhookStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            WebhookStatus::Enabled => "enabled",
            WebhookStatus::Disabled => "disabled",
            WebhookStatus::Gone => "gone",
            WebhookStatus::Failing => "failing",
        }
    }

    pub fn parse(text: &str) -> Option<WebhookStatus> {
        let all = [WebhookStatus::Enabled, WebhookStatus::Disabled, WebhookStatus::Gone, WebhookStatus::Failing];
        all.into_iter().find(|status| status.as_str() == text)
    }
}

#[derive(Debug, Clone)]
pub struct NewWebhook {
    pub id: CredentialId,
    pub url: String,
    /// Empty: all that services may know.
    pub events: Vec<WebhookEvent>,
    pub reach: Reach,
    /// Sealed.
    pub secret: Vec<u8>,
    pub draft: AuditDraft,
}

#[derive(Debug, Clone)]
pub struct WebhookRecord {
    pub id: CredentialId,
    pub url: String,
    pub events: Vec<WebhookEvent>,
    pub reach: Reach,
    pub status: WebhookStatus,
    pub created_by: String,
    pub created_at: UnixTime,
    /// Sealed.
    pub secret: Vec<u8>,
    /// Sealed, and until when it signs as well.
    pub previous: Option<(Vec<u8>, UnixTime)>,
    pub position: u64,
    pub waiting: u64,
    pub dead: u64,
    pub failures: u64,
    pub paused_until: UnixTime,
    pub last_error: Option<String>,
    pub last_success_at: Option<UnixTime>,
}

#[derive(Debug, Clone)]
pub struct ChangeWebhook {
    pub id: CredentialId,
    pub step: WebhookStep,
    pub draft: AuditDraft,
}

#[derive(Debug, Clone)]
pub enum WebhookStep {
    /// What waits is due at once.
    Enable,
    Disable,
    /// The present secret becomes the previous one until then; a previous one ends.
    Rotate {
        secret: Vec<u8>,
        previous_until: Option<UnixTime>,
    },
    /// With its deliveries.
    Delete,
}

/// What follows from a stretch of the log.
#[derive(Debug, Clone)]
pub struct Feed {
    pub webhook: CredentialId,
    pub from: u64,
    pub to: u64,
    pub deliveries: Vec<NewDelivery>,
    pub now: UnixTime,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Names the message over all attempts; unique for its endpoint.
    pub message: String,
    pub event: String,
    /// JSON.
    pub body: String,
}

#[derive(Debug, Clone)]
pub struct Delivery {
    pub id: u64,
    pub webhook: CredentialId,
    pub message: String,
    pub body: String,
    pub attempts: u64,
    /// When it was tried for the first time.
    pub first_at: Option<UnixTime>,
}

#[derive(Debug, Clone)]
pub struct Settled {
    pub delivery: u64,
    pub webhook: CredentialId,
    pub fate: Fate,
    /// The entry of the log for what ends; its kind and detail are the store's.
    pub draft: AuditDraft,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    Delivered,
    Later {
        next_at: UnixTime,
        error: String,
        pause: Pause,
    },
    /// It was tried long enough.
    Dead {
        error: String,
    },
    /// The endpoint wants no more: it is disabled, and what waits goes on waiting.
    Gone {
        error: String,
    },
}

/// What else waits for a delivery that is tried later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Nothing: the endpoint refused this message.
    Message,
    /// Everything: the endpoint is not there, and order is kept.
    Endpoint,
}

#[derive(Debug, Clone)]
pub struct DeadDelivery {
    pub delivery: Delivery,
    pub event: String,
    pub created_at: UnixTime,
    pub died_at: UnixTime,
    pub error: String,
}

#[derive(Debug, Clone)]
pub struct ChangeDead {
    pub which: DeadSelection,
    pub action: DeadAction,
    pub draft: AuditDraft,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadSelection {
    Delivery(u64),
    Webhook(CredentialId),
}
