use signet_api::authz::SubjectInfo;
use signet_api::services::FailMode;

use super::*;
use crate::online::service::tests::Fake;

fn answer(decision: Verdict, reasons: &[&str]) -> CheckAnswer {
    CheckAnswer {
        decision,
        reasons: reasons.iter().map(ToString::to_string).collect(),
        ttl: 5,
        policy: "0123456789abcdef".into(),
        subject: SubjectInfo {
            id: Some("sensor-17".into()),
            groups: vec!["sensors".into(), "lab".into()],
            ..SubjectInfo::default()
        },
        fail_mode: FailMode::Closed,
        degraded: false,
    }
}

fn ask(answer: &CheckAnswer) -> Result<(), Failure> {
    let check = Check {
        subject: Some("sensor-17".into()),
        certificate: None,
        action: "read".into(),
        resource: "service:web".into(),
        source: None,
        json: false,
    };
    check.run(&Fake::default().with("/v1/authz/check", answer))
}

#[test]
fn a_denial_is_exit_code_1_and_names_the_command_that_mends_it() {
    assert!(ask(&answer(Verdict::Allow, &["rule:sensors"])).is_ok());
    for (reason, command) in [
        ("status.suspended", "ca device resume sensor-17"),
        ("status.pending", "ca device approve sensor-17"),
        ("certificate.revoked", "ca device show sensor-17"),
        ("subject.unknown", "ca device list"),
        ("rule:no-lab", "no-lab"),
        ("resource.unknown", "ca service list"),
        ("not_permitted", "ca policy show"),
    ] {
        let failure = ask(&answer(Verdict::Deny, &[reason])).unwrap_err();
        assert_eq!(failure.message(), "denied");
        assert!(failure.hint_text().unwrap().contains(command), "{reason}: {:?}", failure.hint_text());
    }
}

#[test]
fn an_answer_reads_as_fields_without_moving_the_cursor() {
    let text = text(&answer(Verdict::Deny, &["rule:a", "unknown:\u{1b}b"]));
    assert!(text.contains("deny") && text.contains("sensors,lab") && text.contains("5 s"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn names_are_known_by_their_form() {
    let id = "a".repeat(38);
    assert_eq!(named("sensor-17").device.as_deref(), Some("sensor-17"));
    assert_eq!(named(&id).device.as_deref(), Some(id.as_str()));
    assert!(named(&"4f".repeat(20)).serial.is_some() && named(&"4F:".repeat(20)).serial.is_some());
    assert!(named(&"ab".repeat(32)).fingerprint.is_some());
    assert!(named("spiffe://acme.example/device/a").spiffe.is_some());
}
