//! Every answer that a test gets over the wire has to be one that `api/openapi.json` knows.

use std::sync::OnceLock;

use serde_json::Value;
use signet_api::ErrorCode;

use super::Reply;

/// Of paths and methods that are not described nothing is known; `tests/tidy` sees to it that those are not served.
pub(crate) fn expect(method: &str, target: &str, reply: &Reply) {
    let Some(operation) = operation(method, target) else { return };
    let status = reply.status.to_string();
    let answer = operation["responses"].get(&status);
    let what = format!("{method} {target}: {status}");
    let answer = answer.unwrap_or_else(|| panic!("{what} is not documented (api/tests/openapi): {:?}", reply.body));
    if reply.body.is_empty() {
        return;
    }
    let kind = reply.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    let Some(media) = answer["content"].get(kind) else { panic!("{what} as {kind:?} is not documented") };
    if kind == "application/problem+json" {
        let code = reply.json::<Value>()["code"].clone();
        let codes = media["schema"]["allOf"][1]["properties"]["code"]["enum"].as_array().unwrap();
        assert!(codes.contains(&code), "{what} with {code} is not documented: `refuses` in api/tests/openapi");
    }
}

fn operation(method: &str, target: &str) -> Option<&'static Value> {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| serde_json::from_str(include_str!("../../api/openapi.json")).unwrap());
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let fits = |template: &str| {
        let (mut wanted, mut given) = (template.split('/'), path.split('/'));
        let same = wanted.by_ref().zip(given.by_ref()).all(|(w, g)| w == g || (w.starts_with('{') && !g.is_empty()));
        same && template.split('/').count() == path.split('/').count()
    };
    let item = document["paths"].as_object().unwrap().iter().find(|(template, _)| fits(template))?.1;
    item.get(method.to_ascii_lowercase())
}

#[test]
fn an_answer_that_nobody_documented_is_noticed() {
    let refusal = |code: ErrorCode| {
        let problem = signet_api::Problem::new(code, None, "req-1".into());
        let head = format!("HTTP/1.1 {} x\r\ncontent-type: application/problem+json\r\n\r\n", code.status());
        Reply::parse(&[head.into_bytes(), serde_json::to_vec(&problem).unwrap()].concat())
    };
    let is_known = |path: &'static str, code: ErrorCode| {
        std::panic::catch_unwind(move || expect("GET", path, &refusal(code))).is_ok()
    };
    assert!(is_known("/v1/admin/devices/x?y", ErrorCode::NotFound));
    assert!(!is_known("/v1/admin/devices/x", ErrorCode::TokenSpent));
    assert!(!is_known("/v1/admin/devices/x", ErrorCode::TokenExpired));
    assert!(is_known("/crl/x", ErrorCode::TokenExpired));
}
