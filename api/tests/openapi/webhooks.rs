//! `/v1/admin/webhooks`, `/v1/admin/dead-letters` and `/v1/hooks`: what other systems are told, and what they may ask for.

use serde_json::{Value, json};
use signet_api::ErrorCode::*;
use signet_api::admin::Page;
use signet_api::scope::Scope::*;
use signet_api::webhooks::*;

use crate::document::{Document, Operation};
use crate::samples::*;
use crate::texts;

pub(crate) fn describe(document: &mut Document) {
    endpoints(document);
    dead_letters(document);
    hooks(document);
}

fn endpoints(document: &mut Document) {
    let path = "/v1/admin/webhooks";
    let operation = document.get(path, "listWebhooks", "Endpoints that are told what happens, and how they do");
    operation.with(WebhooksRead).answers::<Vec<WebhookInfo>>(json!([webhook()])).done();
    let operation = document.post(path, "createWebhook", "A further endpoint");
    operation
        .about(
            "The event `security` needs `events:security` besides. The secret is shown in the answer and nowhere else.",
        )
        .with(WebhooksWrite)
        .takes::<CreateWebhook>(
            json!({ "url": "https://hooks.acme.example/signet", "events": ["revocation"], "private": false }),
        )
        .answers::<WebhookSecret>(json!({ "webhook": webhook(), "secret": SECRET }))
        .refuses(&[InvalidArgument, Conflict])
        .done();
    let path = "/v1/admin/webhooks/{id}";
    let operation = document.get(path, "showWebhook", "One endpoint");
    named(operation).with(WebhooksRead).answers::<WebhookInfo>(webhook()).done();
    let operation = document.post(path, "changeWebhook", "Enables, disables or deletes an endpoint");
    named(operation)
        .with(WebhooksWrite)
        .takes::<WebhookChange>(json!({ "action": "disable" }))
        .answers::<WebhookInfo>(webhook())
        .done();
    let path = "/v1/admin/webhooks/{id}/secret";
    let operation = document.post(path, "rotateWebhookSecret", "The next secret of an endpoint");
    named(operation)
        .with(WebhooksWrite)
        .takes::<RotateSecret>(json!({ "overlap": 86_400 }))
        .answers::<WebhookSecret>(json!({ "webhook": webhook(), "secret": SECRET }))
        .refuses(&[InvalidArgument])
        .done();
    let path = "/v1/admin/webhooks/{id}/test";
    let operation = document.post(path, "testWebhook", "Sends a message now, and says what became of it");
    named(operation)
        .with(WebhooksWrite)
        .answers::<WebhookTest>(
            json!({ "message": "msg_7q2m8kx41d", "delivered": false, "status": 500, "error": "no connection" }),
        )
        .done();
}

fn dead_letters(document: &mut Document) {
    let path = "/v1/admin/dead-letters";
    let letter = json!({
        "id": 7, "webhook": TOKEN_ID, "message": "msg_7q2m8kx41d", "event": "revocation", "created_at": EARLIER,
        "died_at": LATER, "attempts": 12, "error": "status 500", "body": { "type": "revocation" },
    });
    let operation = document.get(path, "listDeadLetters", "What could not be delivered, the oldest first");
    operation
        .about("Bodies of endpoints that are told about security are for who may `events:security`.")
        .with(WebhooksRead)
        .query::<DeadQuery>(json!({ "webhook": TOKEN_ID, "after": "7", "limit": 100 }))
        .answers::<Page<DeadLetter>>(json!({ "items": [letter], "damaged": [damaged()], "next": "7" }))
        .done();
    let operation = document.post(path, "changeDeadLetters", "Delivers them anew, or drops them");
    operation
        .about("Exactly one of `id` and `webhook`.")
        .with(WebhooksWrite)
        .takes_like::<DeadOrder>(
            json!({ "action": "redeliver", "id": 7, "webhook": TOKEN_ID }),
            json!({ "action": "redeliver", "webhook": TOKEN_ID }),
        )
        .answers::<DeadChanged>(json!({ "changed": 1 }))
        .refuses(&[InvalidArgument, NotFound])
        .done();
}

fn hooks(document: &mut Document) {
    let text = |length: u32| json!({ "type": "string", "maxLength": length });
    let operation =
        document.post("/v1/hooks/{name}", "callHook", "Another system asks for what it may, about a device");
    operation
        .about(
            "By the hook's bearer or, better, signed as Standard Webhooks has it; a signed message counts once. Exactly one of \
             `device` and `hardware_serial`.",
        )
        .by_hook()
        .in_path("name", text(64), "mdm")
        .header("webhook-id", text(256), "Of a signed message.")
        .header("webhook-timestamp", text(20), "Of a signed message: seconds since 1970.")
        .takes_like::<HookRequest>(
            json!({ "device": "sensor-1", "hardware_serial": "SN-0001", "reason": "lost" }),
            json!({ "hardware_serial": "SN-0001", "reason": "lost" }),
        )
        .answers::<HookAnswer>(json!({ "result": "suspended" }))
        .refuses(&[InvalidArgument, NotFound, Conflict, StoreUnavailable])
        .done();
}

fn named(operation: Operation<'_>) -> Operation<'_> {
    operation.in_path("id", texts::credential_id(), TOKEN_ID)
}

fn webhook() -> Value {
    json!({
        "id": TOKEN_ID, "url": "https://hooks.acme.example/signet", "events": ["revocation"], "private": false,
        "status": "enabled", "created_by": "admin:alice", "created_at": EARLIER, "previous_secret_until": LATER,
        "position": 18, "waiting": 0, "dead": 1, "failures": 0, "last_error": "status 500", "last_success_at": EARLIER,
        "paused_until": LATER,
    })
}

const SECRET: &str = "whsec_…";
