use signet_api::ErrorCode;
use signet_api::admin::Refusal;

use super::*;
use crate::online::audit_chain::tests::log;

#[test]
fn an_explanation_names_the_cause_and_what_was_told() {
    let refusal = Refusal {
        at: "2026-11-22T10:00:00Z".into(),
        method: "POST".into(),
        path: "/v1/enroll".into(),
        remote: "10.0.0.1".into(),
        status: 401,
        code: ErrorCode::TokenInvalid,
        told: "The token is not valid here.".into(),
        cause: "unknown id\u{1b}[2J".into(),
    };
    let report = WhyReport { request_id: "r1".into(), refusal: Some(refusal), entries: log(1) };
    let text = explanation(&report);
    for part in ["unknown id\\u{1b}[2J", "token_invalid (401)", "POST /v1/enroll", "device.enrolled", "admin:alice"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
