//! `/v1/admin/alarms`: what an administrator has to look at.

use serde_json::{Value, json};
use signet_api::ErrorCode::*;
use signet_api::admin::Page;
use signet_api::alarms::*;
use signet_api::scope::Scope::*;

use crate::document::Document;
use crate::samples::*;

pub(crate) fn describe(document: &mut Document) {
    let path = ALARMS_PATH;
    document
        .get(path, "listAlarms", "Alarms that are open, or all, oldest first")
        .with(EventsSecurity)
        .query::<AlarmQuery>(json!({ "all": false, "subject": "sensor-1", "after": 17, "limit": 100 }))
        .answers::<Page<AlarmInfo>>(json!({ "items": [alarm()], "damaged": [damaged()], "next": "18" }))
        .done();
    let path = "/v1/admin/alarms/{id}";
    let id = json!({ "type": "string", "pattern": "^[0-9]{1,18}$", "maxLength": 18 });
    let operation = document.get(path, "showAlarm", "One alarm");
    operation.with(EventsSecurity).in_path("id", id.clone(), "18").answers::<AlarmInfo>(alarm()).done();
    document
        .post(path, "closeAlarm", "Closes an alarm that was looked at")
        .about("With the last open alarm about a device the flags `review` of its certificates are cleared.")
        .with(RevocationsWrite)
        .in_path("id", id, "18")
        .takes::<CloseAlarm>(json!({ "reason": "the installer ran twice on the same machine" }))
        .answers::<AlarmInfo>(alarm())
        .refuses(&[InvalidArgument, Conflict])
        .done();
}

fn alarm() -> Value {
    json!({
        "id": 18, "kind": "alarm.token_reuse_other_key", "subject": "sensor-1", "first_at": EARLIER, "last_at": LATER,
        "times": 2, "sequence": 21, "detail": { "remote": "192.0.2.7" }, "meaning": "…", "advice": "…",
        "closed_at": LATER, "closed_by": "admin:alice", "reason": "the installer ran twice",
    })
}
