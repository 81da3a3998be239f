use super::*;

fn parse(change: impl FnOnce(&mut SubjectName)) -> Result<Named, Reason> {
    let mut name = SubjectName::default();
    change(&mut name);
    Named::parse(&name, &TrustDomain::parse("acme.example").unwrap())
}

#[test]
fn what_shows_a_certificate_goes_before_what_names_an_id() {
    let both = |name: &mut SubjectName| {
        name.device = Some("a".into());
        name.serial = Some("0x4F:00".into());
    };
    let named = parse(both).unwrap();
    assert_eq!((named.by, named.principal.unwrap().1.as_str()), (By::Serial(Serial::parse("4f00").unwrap()), "a"));
    let with_fingerprint = |name: &mut SubjectName| {
        name.device = Some("a".into());
        name.fingerprint = Some("AB:".repeat(31) + "ab");
    };
    let named = parse(with_fingerprint).unwrap();
    assert!(named.shows_certificate() && named.by == By::Fingerprint(Fingerprint([0xab; 32])));
    assert!(!parse(|name| name.device = Some("a".into())).unwrap().shows_certificate());
    assert_eq!(parse(|name| name.issuer = Some("ab".repeat(8))), Err(Reason::SubjectMissing), "an issuer is nobody");
}

#[test]
fn a_spiffe_name_is_one_of_our_domain_in_its_only_spelling() {
    let uri = |text: &str| parse(|name| name.spiffe = Some(text.into()));
    let named = uri("spiffe://acme.example/device/a").unwrap();
    assert_eq!(named.principal, Some((Some(PrincipalKind::Device), DeviceId::parse("a").unwrap())));
    for (text, reason) in [
        ("spiffe://other.example/device/a", Reason::SubjectUnknown),
        ("spiffe://acme.example:443/device/a", Reason::SubjectUnknown),
        ("SPIFFE://acme.example/device/a", Reason::SubjectUnknown),
        ("spiffe://acme.example//device/a", Reason::SubjectUnknown),
        ("https://acme.example/device/a", Reason::SubjectUnknown),
        ("spiffe://acme.example/device/a/", Reason::SubjectMalformed),
        ("spiffe://acme.example/thing/a", Reason::SubjectMalformed),
        ("spiffe://acme.example/device/A", Reason::SubjectMalformed),
        ("", Reason::SubjectMalformed),
    ] {
        assert_eq!(uri(text), Err(reason), "{text}");
    }
}

#[test]
fn t20_what_is_no_name_is_malformed_whatever_its_length() {
    let long = "a".repeat(100_000);
    for text in ["", "g", " ", long.as_str(), "%41", "4f\n"] {
        assert_eq!(parse(|name| name.fingerprint = Some(text.into())), Err(Reason::SubjectMalformed), "{text}");
        assert_eq!(parse(|name| name.certificate = Some(text.into())), Err(Reason::CertificateMalformed), "{text}");
    }
    for text in ["", "g", long.as_str(), "0", "-1"] {
        assert_eq!(parse(|name| name.serial = Some(text.into())), Err(Reason::SubjectMalformed), "{text}");
    }
}
