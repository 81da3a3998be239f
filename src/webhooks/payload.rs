//! What a message says: the data of the events that streams get, in the envelope of Standard Webhooks.

use serde_json::{Value, json};
use signet_api::webhooks::WebhookEvent;

use crate::events::{self, Event, Kind, Scope};
use crate::store::{AuditRow, NewDelivery};

/// The messages of an entry of the log for an endpoint that wants `events`; none when it is not concerned.
pub(super) fn messages(row: &AuditRow, events: &[WebhookEvent]) -> Vec<NewDelivery> {
    let security = events.contains(&WebhookEvent::Security);
    let mut all = Vec::new();
    if let Some(event) = Event::of(row, |kind| wants(events, kind)).filter(|event| wants(events, event.kind)) {
        let scope = if security || event.kind == Kind::Alarm { Scope::Administrator } else { Scope::Service };
        let frames = event.frames(scope);
        let parts = data_of(&String::from_utf8_lossy(&frames));
        let several = parts.len() > 1;
        for (part, data) in (1..).zip(parts) {
            let message =
                if several { format!("msg_{}_{part}", row.sequence) } else { format!("msg_{}", row.sequence) };
            all.push(delivery(row, message, event.kind.as_str(), data));
        }
    }
    if security && SECURITY.iter().any(|prefix| row.kind.starts_with(prefix)) {
        // The canonical text is JSON of our own making.
        let whole: Value = serde_json::from_str(&row.canonical).unwrap_or_default();
        let data = json!({
            "time": row.at.to_string(), "kind": row.kind, "actor": row.actor, "subject": row.subject,
            "request": whole["request"], "detail": whole["detail"],
        });
        all.push(delivery(row, format!("msg_{}_security", row.sequence), WebhookEvent::Security.as_str(), data));
    }
    all
}

/// That entries were archived before they could be told: the receiver has to look at the list, which has everything.
pub(super) fn gap(after: u64, next: u64, now: &str) -> NewDelivery {
    let data = data_of(&events::gap(after, next, "archived")).into_iter().next().unwrap_or_default();
    let body = json!({ "type": Kind::Restored.as_str(), "timestamp": now, "sequence": next - 1, "data": data });
    let event = Kind::Restored.as_str().to_owned();
    NewDelivery { message: format!("msg_{after}_gap"), event, body: body.to_string() }
}

/// The body of a test.
pub(super) fn ping(now: &str) -> String {
    json!({ "type": "ping", "timestamp": now, "data": {} }).to_string()
}

fn delivery(row: &AuditRow, message: String, event: &str, data: Value) -> NewDelivery {
    let body = json!({ "type": event, "timestamp": row.at.to_string(), "sequence": row.sequence, "data": data });
    NewDelivery { message, event: event.to_owned(), body: body.to_string() }
}

/// A gap concerns everybody.
fn wants(events: &[WebhookEvent], kind: Kind) -> bool {
    let named = match kind {
        Kind::Revocation => WebhookEvent::Revocation,
        Kind::Suspended => WebhookEvent::Suspended,
        Kind::Resumed => WebhookEvent::Resumed,
        Kind::Retired => WebhookEvent::Retired,
        Kind::Quarantined => WebhookEvent::Quarantined,
        Kind::Distrusted => WebhookEvent::Distrusted,
        Kind::Alarm => WebhookEvent::Alarm,
        Kind::Enrolled => WebhookEvent::Enrolled,
        Kind::Renewed => WebhookEvent::Renewed,
        Kind::Pending => WebhookEvent::Pending,
        Kind::Approved => WebhookEvent::Approved,
        Kind::Denied => WebhookEvent::Denied,
        Kind::Restored => return true,
    };
    // There is one of those on request for every certificate: nobody gets them unasked.
    (events.is_empty() && !kind.is_on_request()) || events.contains(&named)
}

/// What a stream's reader gets, without the framing: both tell the same.
fn data_of(frames: &str) -> Vec<Value> {
    let lines = frames.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.map(|text| serde_json::from_str(text).unwrap_or_default()).collect()
}

/// Kinds of entries that administrators' systems are told beside the events. Those of webhooks are not among them: what a failing
/// endpoint causes must not be more work for it.
const SECURITY: [&str; 5] = ["alarm.", "issuer.", "account.", "credential.", "clock."];

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
