use signet_api::ErrorCode;
use signet_api::admin::Refusal;

use super::*;
use crate::online::audit_chain::tests::{head, log};
use crate::online::service::tests::Fake;

fn path(after: usize) -> String {
    format!("/v1/admin/audit?after={after}&limit=1000")
}

/// A service that shows `entries` in pages of three, and claims what it claims.
fn service(entries: &[AuditEntry], verdict: &AuditVerdict) -> Fake {
    let pages = entries.chunks(3).enumerate().map(|(at, chunk)| {
        let next = (at * 3 + chunk.len() < entries.len()).then(|| chunk[chunk.len() - 1].sequence.to_string());
        (path(at * 3), Page { items: chunk.to_vec(), next })
    });
    let empty = Fake::default().with(&path(0), &Page::<AuditEntry> { items: vec![], next: None });
    let fake = pages.fold(empty, |fake, (path, page)| fake.with(&path, &page));
    fake.with("/v1/admin/audit/verify", verdict)
}

fn verdict(entries: &[AuditEntry]) -> AuditVerdict {
    AuditVerdict { entries: entries.len() as u64, intact: true, broken_at: None, head: head(entries) }
}

fn verify(service: &Fake) -> Result<(), String> {
    Verify { json: false }.verify(service).map_err(|f| format!("{f:?}"))
}

#[test]
fn every_page_of_the_log_is_walked() {
    for length in [0, 1, 3, 7] {
        let entries = log(length);
        let service = service(&entries, &verdict(&entries));
        assert_eq!(verify(&service), Ok(()), "{length}");
        let pages = service.asked.borrow().iter().filter(|p| p.contains("after=")).count();
        assert_eq!(pages, entries.chunks(3).count().max(1));
    }
}

#[test]
fn a_service_that_calls_a_changed_log_intact_is_not_believed() {
    let entries = log(7);
    let mut changed = entries.clone();
    changed[4].subject = "sensor-9".into();
    let said = verify(&service(&changed, &verdict(&entries))).unwrap_err();
    assert!(said.contains("Refused") && said.contains("entry 5 is shown differently"), "{said}");
    let said = verify(&service(&entries[..6], &verdict(&entries))).unwrap_err();
    assert!(said.contains("was cut"), "{said}");
}

#[test]
fn the_services_own_doubts_count_as_well() {
    let entries = log(4);
    let doubts = AuditVerdict { intact: false, broken_at: Some(2), ..verdict(&entries) };
    let said = verify(&service(&entries, &doubts)).unwrap_err();
    assert!(said.contains("entry 2 does not fit"), "{said}");
}

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
