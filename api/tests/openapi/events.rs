//! `/v1/events`.

use serde_json::json;
use signet_api::ErrorCode::*;
use signet_api::events::{Acknowledge, Acknowledged, EventQuery};
use signet_api::scope::Scope;

use crate::document::Document;

pub(crate) fn describe(document: &mut Document) {
    let stream = json!({ "type": "string", "contentMediaType": "text/event-stream" });
    let number = json!({ "type": "string", "pattern": "^[0-9]{1,20}$", "maxLength": 20 });
    let operation = document.get("/v1/events", "subscribe", "Revocations as they happen, as server-sent events");
    operation
        .about("For services and administrators; not for the pages of browsers. The answer has no end.")
        .with(Scope::EventsRead)
        .query::<EventQuery>(json!({
            "after": 17, "ticket": "sgt_7q2m8kx41d_…", "key": "sgk_7q2m8kx41d_…", "token": "eyJhbGciOiJFUzI1NiJ9.…", "kinds": "device.enrolled",
        }))
        .header("Last-Event-ID", number, "Where a stream that ended goes on; counts more than `after`.")
        .answers_as(200, "The stream.", "text/event-stream", stream)
        .refuses(&[TooManyRequests])
        .done();

    let operation = document.post("/v1/events/ack", "acknowledge", "Everything up to this event has been acted on");
    operation
        .with(Scope::EventsRead)
        .takes::<Acknowledge>(json!({ "id": 17 }))
        .answers::<Acknowledged>(json!({ "id": 17 }))
        .refuses(&[Conflict, InvalidArgument])
        .done();
}
