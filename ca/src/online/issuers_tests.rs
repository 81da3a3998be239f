use super::*;

fn issuer(id: &str, stage: &str) -> IssuerInfo {
    IssuerInfo {
        id: id.into(),
        subject: format!("CN=Issuer {id}"),
        serial: "0a0b".into(),
        stage: stage.into(),
        active: stage == "active",
        live: 3,
        ..IssuerInfo::default()
    }
}

#[test]
fn the_guide_names_the_step_that_is_due_and_its_command() {
    let active = issuer("a1", "active");
    assert!(next_step(std::slice::from_ref(&active)).starts_with("prepare: "));
    let waiting = IssuerInfo { waits_for: Some("Published for 3 of 24 hours.".into()), ..issuer("b2", "published") };
    let text = next_step(&[active.clone(), waiting]);
    assert!(text.starts_with("publish: ") && text.contains("3 of 24 hours"), "{text}");
    let text = next_step(&[active.clone(), issuer("b2", "published")]);
    assert!(text.contains("ca issuer activate b2"), "{text}");
    let old = IssuerInfo { last_not_after: Some("2027-01-01".into()), ..issuer("a0", "retiring") };
    let text = next_step(&[old.clone(), active.clone()]);
    assert!(text.starts_with("retire: 3 certificates of a0") && text.contains("2027-01-01"), "{text}");
    let text = next_step(&[IssuerInfo { removable: true, ..old }, active]);
    assert!(text.starts_with("remove: ") && text.contains("a0"), "{text}");
}

#[test]
fn in_an_emergency_the_root_is_told_the_serial_and_a_missing_issuer_is_named_first() {
    let stolen = issuer("a1", "distrusted");
    let text = emergency(&stolen, &[stolen.clone(), issuer("b2", "active")]);
    assert!(text.contains("--revoke 0a0b --reason ca-compromise") && !text.contains("0. "), "{text}");
    assert!(emergency(&stolen, std::slice::from_ref(&stolen)).contains("0. no issuer signs"));
}
