use serde_json::json;
use signet_pki::UnixTime;

use super::*;
use crate::audit::{self, AuditDraft};

fn row(kind: &'static str, subject: &str, detail: Value) -> AuditRow {
    let draft = AuditDraft {
        kind,
        actor: "admin:alice".into(),
        subject: subject.into(),
        request_id: "req-1".into(),
        detail,
        at: UnixTime(1_800_000_000),
    };
    let leaf = audit::Entry::from(&draft).append(&audit::GENESIS, 7);
    AuditRow {
        sequence: 7,
        at: draft.at,
        kind: kind.into(),
        actor: draft.actor.name().into(),
        subject: draft.subject,
        canonical: leaf.canonical,
        leaf_hash: leaf.hash,
    }
}

fn text(event: &Event, scope: Scope) -> String {
    String::from_utf8(event.frames(scope).to_vec()).unwrap()
}

#[test]
fn a_revocation_tells_devices_serials_reason_and_nothing_else() {
    let detail = json!({
        "devices": ["sensor-1"], "certificates": ["0a01"], "tokens": ["t0ken"], "reason": "key-compromise",
        "remote": "192.0.2.7", "note": "secret",
    });
    let event = Event::of(&row("revocation", "batch:lot-1", detail), |_| false).unwrap();
    let data = r#"{"devices":["sensor-1"],"reason":"key-compromise","serials":["0a01"],"time":"2027-01-15T08:00:00Z"}"#;
    assert_eq!(text(&event, Scope::Service), format!("id: 7\nevent: revocation\ndata: {data}\n\n"));
    let told = text(&event, Scope::Administrator);
    assert!(told.contains(r#""actor":"admin:alice""#), "{told}");
    for hidden in ["192.0.2.7", "req-1", "lot-1", "t0ken", "secret"] {
        assert!(!told.contains(hidden), "{told}");
    }
    assert_eq!((event.request.as_str(), event.serials.len()), ("req-1", 1));
}

#[test]
fn a_step_tells_the_device_and_not_what_else_changed() {
    let detail = json!({ "certificates": ["0a01", "0a02"], "groups": ["vault"], "profile": "secret" });
    for kind in ["device.suspended", "device.resumed", "device.retired"] {
        let event = Event::of(&row(kind, "sensor-1", detail.clone()), |_| false).unwrap();
        let told = text(&event, Scope::Administrator);
        assert!(told.contains(r#""devices":["sensor-1"]"#) && told.contains(r#""serials":["0a01","0a02"]"#), "{told}");
        assert!(!told.contains("vault") && !told.contains("secret"), "{told}");
        assert_eq!((event.kind.as_str(), event.kind.ending().is_some()), (kind, kind != "device.resumed"));
    }
}

#[test]
fn a_quarantine_names_the_certificate_and_spares_the_device() {
    let detail = json!({ "serial": "0a01", "remote": "192.0.2.7" });
    let event = Event::of(&row("alarm.superseded_certificate_used", "sensor-1", detail), |_| false).unwrap();
    let told = text(&event, Scope::Administrator);
    assert!(told.contains("event: certificate.quarantined\n") && told.contains(r#""serials":["0a01"]"#), "{told}");
    assert!(told.contains(r#""devices":[]"#) && !told.contains("192.0.2.7"), "{told}");
}

#[test]
fn what_concerns_no_verifier_is_no_event() {
    let issued = json!({ "serial": "0a01", "devices": ["a"], "certificates": ["0a01"] });
    for kind in ["certificate.enrolled", "token.created", "crl.numbered", "alarm.closed", "device.changed"] {
        assert!(Event::of(&row(kind, "a", issued.clone()), |_| false).is_none(), "{kind}");
    }
    let tokens_alone = json!({ "devices": [], "certificates": [], "tokens": ["t"], "reason": "unspecified" });
    assert!(Event::of(&row("revocation", "batch:lot-1", tokens_alone), |_| false).is_none());
}

#[test]
fn an_alarm_is_told_to_administrators_and_to_no_service() {
    let event = Event::of(&row("alarm.renewal_escalation", "a", json!({ "remote": "192.0.2.7" })), |_| false).unwrap();
    assert_eq!(text(&event, Scope::Service), "");
    let told = text(&event, Scope::Administrator);
    assert!(told.starts_with("id: 7\nevent: alarm\ndata: ") && told.contains("192.0.2.7"), "{told}");
    assert!(event.kind.ending().is_none());
}

#[test]
fn a_large_batch_comes_in_parts_and_the_last_has_the_id() {
    let devices: Vec<String> = (0..1001).map(|n| format!("{n:063}")).collect();
    let serials: Vec<String> = (0..1201).map(|n| format!("{n:040x}")).collect();
    let detail = json!({ "devices": devices, "certificates": serials, "reason": "unspecified" });
    let event = Event::of(&row("revocation", "batch:lot-1", detail), |_| false).unwrap();
    let told = text(&event, Scope::Administrator);
    let frames: Vec<&str> = told.split_terminator("\n\n").collect();
    assert_eq!(frames.len(), 4);
    assert!(frames.iter().all(|f| f.lines().all(|l| l.len() < 50_000)));
    let with_id: Vec<bool> = frames.iter().map(|f| f.contains("id: 7\n")).collect();
    assert_eq!(with_id, [false, false, false, true]);
    let mut found = (Vec::new(), Vec::new());
    for frame in frames {
        let data: Value = serde_json::from_str(frame.lines().last().unwrap().strip_prefix("data: ").unwrap()).unwrap();
        let all = |key: &str| data[key].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned());
        found.0.extend(all("devices").collect::<Vec<_>>());
        found.1.extend(all("serials").collect::<Vec<_>>());
        assert_eq!(data["parts"], 4);
    }
    assert_eq!(found, (devices, serials));
}

#[test]
fn an_issuer_is_told_by_its_id_and_found_by_its_name() {
    let detail = json!({ "name": "3000", "reason": "a thief", "stage": "distrusted" });
    let event = Event::of(&row("issuer.distrusted", "issuer:0a0b", detail), |_| false).unwrap();
    assert_eq!(event.issuer, Some(vec![0x30, 0]));
    for scope in [Scope::Service, Scope::Administrator] {
        let told = text(&event, scope);
        assert!(told.contains("event: issuer.distrusted\n") && told.contains(r#""issuer":"0a0b""#), "{told}");
        assert!(!told.contains("thief") && !told.contains("3000"), "{told}");
    }
}

#[test]
fn what_is_on_request_is_an_event_for_those_who_want_it() {
    let detail = json!({ "serial": "0a01", "remote": "192.0.2.7", "groups": ["vault"] });
    let enrolled = row("certificate.enrolled", "sensor-1", detail);
    assert!(Event::of(&enrolled, |kind| kind == Kind::Renewed).is_none());
    let event = Event::of(&enrolled, |kind| kind == Kind::Enrolled).unwrap();
    let told = text(&event, Scope::Administrator);
    assert!(told.contains(r#""devices":["sensor-1"]"#) && told.contains(r#""serials":["0a01"]"#), "{told}");
    assert!(!told.contains("192.0.2.7") && !told.contains("vault"), "{told}");
    assert!(event.kind.ending().is_none());
    for kind in Kind::ON_REQUEST {
        assert!(kind.is_on_request() && !kind.as_str().is_empty());
    }
}
