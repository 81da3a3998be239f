use super::*;

fn webhook(error: &str) -> WebhookInfo {
    serde_json::from_value(serde_json::json!({
        "id": "0123456789", "url": "https://a.example/", "events": [], "private": false, "status": "enabled",
        "created_by": "admin:alice", "created_at": "2026-01-01T00:00:00Z", "position": 7, "waiting": 1, "dead": 2,
        "failures": 3, "last_error": error,
    }))
    .unwrap()
}

#[test]
fn what_an_endpoint_says_stays_in_its_cell() {
    let hostile = "x\n\u{1b}[2Jfake";
    assert_eq!(table(&[webhook(hostile)]).lines().count(), 2);
    assert_eq!(details(&webhook(hostile)).lines().count(), 14);
    assert!(!table(&[webhook(hostile)]).contains('\u{1b}'));
}

#[test]
fn t26_with_a_file_the_secret_is_there_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    let made = || WebhookSecret { webhook: webhook("x"), secret: "whsec_abc".into() };
    assert!(!format!("{:?}", made()).contains("whsec_"));
    tell(made(), Some(&path), true).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "whsec_abc\n");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // A second one does not take its place.
    let refused = tell(made(), Some(&path), true).unwrap_err();
    assert!(refused.hint_text().unwrap().contains("rotate-secret 0123456789 --now"));
}
