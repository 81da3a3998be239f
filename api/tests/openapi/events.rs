//! `/v1/events`.

use serde_json::json;
use signet_api::ErrorCode::*;
use signet_api::events::{Acknowledge, Acknowledged, CreateTicket, EventQuery, Ticket};
use signet_api::scope::Scope;

use crate::document::Document;

pub(crate) fn describe(document: &mut Document) {
    let stream = json!({ "type": "string", "contentMediaType": "text/event-stream" });
    let number = json!({ "type": "string", "pattern": "^[0-9]{1,20}$", "maxLength": 20 });
    let query = json!({
        "after": 17, "ticket": "sgt_example", "key": "sgk_example", "token": "eyJhbGciOiJFUzI1NiJ9.e30.c2ln", "kinds": "device.enrolled,device.renewed",
    });
    let operation = document.get("/v1/events", "subscribe", "Revocations as they happen, as server-sent events");
    operation
        .about("For services and administrators. Pages of browsers need a ticket and an origin on the list. The answer has no end.")
        .with(Scope::EventsRead)
        .query::<EventQuery>(query.clone())
        .header("Last-Event-ID", number, "Where a stream that ended goes on; counts more than `after`.")
        .answers_as(200, "The stream.", "text/event-stream", stream)
        .refuses(&[TooManyRequests, InvalidArgument])
        .done();

    let operation = document.get("/v1/events/ws", "socket", "The same over a WebSocket (RFC 6455)");
    operation
        .about("With the headers of the handshake; the subprotocol is signet.events.v1. Messages are JSON objects with id, event and data.")
        .with(Scope::EventsRead)
        .query::<EventQuery>(query)
        .answers_as(101, "The socket.", "application/json", json!({ "type": "object" }))
        .refuses(&[TooManyRequests, InvalidArgument])
        .done();

    let operation = document.post("/v1/events/tickets", "ticket", "A ticket that opens one stream within 30 seconds");
    operation
        .about("For those who open streams without headers. It gives no more than what it was got with.")
        .with(Scope::EventsRead)
        .takes::<CreateTicket>(json!({ "scopes": "events:read" }))
        .or_nothing()
        .answers::<Ticket>(
            json!({ "ticket": "sgt_example", "expires_at": "2026-11-22T06:00:42Z", "scopes": "events:read" }),
        )
        .refuses(&[TooManyRequests, InvalidArgument])
        .done();

    let operation = document.post("/v1/events/ack", "acknowledge", "Everything up to this event has been acted on");
    operation
        .with(Scope::EventsRead)
        .takes::<Acknowledge>(json!({ "id": 17 }))
        .answers::<Acknowledged>(json!({ "id": 17 }))
        .refuses(&[Conflict, InvalidArgument])
        .done();
}
