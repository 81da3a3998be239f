use std::cell::Cell;

use signet_api::ErrorCode;

use super::*;
use crate::online::service::Call;
use crate::online::service::tests::{Fake, refused};

const HEX: &str = "0123456789abcdef0123";

fn detail(id: &str) -> serde_json::Value {
    serde_json::json!({
        "device": {
            "id": id, "kind": "device", "status": "active", "profile": "device", "groups": [], "dns_names": [],
            "serial_number": null, "created_at": "2026-01-01T00:00:00Z", "certificate": null
        },
        "certificates": [], "tokens": []
    })
}

fn certificate(serial: &str) -> serde_json::Value {
    serde_json::json!({
        "serial": serial, "device": "sensor-1", "profile": "device", "status": "active", "generation": 1,
        "spki": "00", "not_before": "2026-01-01T00:00:00Z", "not_after": "2026-01-02T00:00:00Z",
        "issued_at": "2026-01-01T00:00:00Z", "revoked_at": null, "reason": null, "review": false
    })
}

fn report_of(dry_run: bool) -> RevokeReport {
    RevokeReport {
        dry_run,
        devices: vec![],
        certificates: vec![HEX.into()],
        tokens: vec![],
        accounts: vec![],
        credentials: vec![],
        raised: vec![],
        affected: vec![],
        blocked_keys: 0,
        living: vec![],
        living_more: 0,
        crl_number: Some(7),
    }
}

fn command(target: &str, consent: Consent) -> Revoke {
    let at = At::default();
    let how = How { reason: None, dry_run: false, consent, json: false };
    Revoke { at, target: Some(target.into()), batch: None, how }
}

fn revoke(target: &str, service: &dyn Service, consent: Consent) -> Result<(), Failure> {
    let command = command(target, consent);
    command.how.carry_out(service, command.request(service)?)
}

#[test]
fn a_device_of_that_name_comes_before_a_certificate() {
    let both = Fake::default()
        .with(&format!("/v1/admin/devices/{HEX}"), &detail(HEX))
        .with(&format!("/v1/admin/certificates/{HEX}"), &certificate(HEX));
    assert_eq!(resolve(&both, HEX).unwrap(), Target::Device(DeviceId::parse(HEX).unwrap()));
}

#[test]
fn a_serial_is_found_in_every_spelling() {
    let service = Fake::default().with(&format!("/v1/admin/certificates/{HEX}"), &certificate(HEX));
    let colons = "01:23:45:67:89:AB:CD:EF:01:23";
    for text in [HEX, colons, "0x0123456789ABCDEF0123"] {
        assert_eq!(resolve(&service, text).unwrap(), Target::Serial(Serial::parse(HEX).unwrap()), "{text}");
    }
}

#[test]
fn short_hexadecimal_words_are_never_serials() {
    let service = Fake::default().with("/v1/admin/certificates/beef", &certificate("beef"));
    let failure = format!("{:?}", resolve(&service, "beef").unwrap_err());
    assert!(failure.contains("Refused") && failure.contains("ca device list"), "{failure}");
    assert_eq!(*service.asked.borrow(), ["/v1/admin/devices/beef"]);
}

#[test]
fn what_is_unknown_is_refused_and_nothing_is_revoked() {
    for text in [HEX, "sensor-9", "Not A Name", ""] {
        let service = Fake::default().with("/v1/admin/revocations", &report_of(false));
        revoke(text, &service, Consent::YES).unwrap_err();
        assert!(!service.asked.borrow().iter().any(|p| p.contains("revocations")), "{text}");
    }
}

/// Only "not found" lets the search go on: a service that is down must not turn a device into a serial.
#[test]
fn an_outage_is_not_taken_for_not_found() {
    struct Down(Cell<u32>);
    impl Service for Down {
        fn call(&self, _: Call<'_>) -> Result<Vec<u8>, CallError> {
            self.0.set(self.0.get() + 1);
            Err(refused(ErrorCode::StoreUnavailable))
        }
    }
    let down = Down(Cell::new(0));
    assert!(format!("{:?}", resolve(&down, HEX).unwrap_err()).contains("store is not available"));
    assert_eq!(down.0.get(), 1);
}

#[test]
fn without_consent_nothing_is_revoked_and_the_plan_is_a_dry_run() {
    struct Watch(Fake, Cell<u32>);
    impl Service for Watch {
        fn call(&self, call: Call<'_>) -> Result<Vec<u8>, CallError> {
            if let Call::Post { body, .. } = call {
                let request: RevokeRequest = serde_json::from_slice(body).unwrap();
                assert!(request.dry_run);
                self.1.set(self.1.get() + 1);
            }
            self.0.call(call)
        }
    }
    let fake = Fake::default()
        .with(&format!("/v1/admin/certificates/{HEX}"), &certificate(HEX))
        .with("/v1/admin/revocations", &report_of(true));
    let watch = Watch(fake, Cell::new(0));
    // The tests have no terminal.
    revoke(HEX, &watch, Consent::ASK).unwrap_err();
    assert_eq!(watch.1.get(), 1);
}

#[test]
fn the_summary_tells_a_plan_from_a_deed() {
    assert!(summary(&report_of(true)).starts_with("would be revoked"));
    assert!(summary(&report_of(false)).ends_with("in force with CRL number 7"));
    let unpublished = RevokeReport { crl_number: None, ..report_of(false) };
    assert!(summary(&unpublished).contains("not published yet"));
    let nothing = RevokeReport { devices: vec![], certificates: vec![], tokens: vec![], ..unpublished };
    assert!(summary(&nothing).contains("was revoked before"));
    let account = RevokeReport { accounts: vec![AccountId::parse("acme").unwrap()], ..nothing };
    assert!(summary(&account).contains("1 accounts, 0 keys") && lines(&account).starts_with("account      acme\n"));
}

#[test]
fn what_lives_on_comes_with_the_command_that_ends_it() {
    let one = |kind, id: &str, device: Option<&str>| Descendant {
        kind,
        id: id.into(),
        device: device.map(|id| DeviceId::parse(id).unwrap()),
    };
    let living = vec![
        one(DescendantKind::Certificate, HEX, Some("sensor-1")),
        one(DescendantKind::Token, "0123456789", Some("sensor-2")),
        one(DescendantKind::ApiKey, "1123456789", None),
        one(DescendantKind::Session, "2123456789", None),
    ];
    let report = RevokeReport { living, living_more: 3, ..report_of(true) };
    let text = lines(&report);
    for command in [
        "certificate 0123456789abcdef0123 of sensor-1: ca revoke 0123456789abcdef0123\n",
        "token 0123456789 of sensor-2: ca token revoke 0123456789\n",
        "API key 1123456789: ca apikey revoke 1123456789\n",
        "session 2123456789: ca oauth revoke-session 2123456789\n",
    ] {
        assert!(text.contains(command), "{command} is not in {text}");
    }
    let request = RevokeRequest { serial: Some(HEX.into()), ..RevokeRequest::default() };
    let offered = offer(&report, &super::command(&request));
    assert_eq!(
        offered,
        format!(
            "7 that descend from it live on; when its key is in other hands: ca revoke {HEX} --reason key-compromise"
        )
    );
    let batch = RevokeRequest { batch: Some("spring".into()), ..RevokeRequest::default() };
    assert_eq!(super::command(&batch), "ca revoke --batch spring");
}

#[test]
fn a_graver_reason_and_blocked_keys_are_told() {
    let raised = RevokeReport { certificates: vec![], raised: vec![HEX.into()], blocked_keys: 2, ..report_of(false) };
    assert!(summary(&raised).contains("1 certificates with a graver reason; 2 keys are never certified again"));
    assert!(lines(&raised).contains(&format!("raised       {HEX}\n")));
    let blocked = RevokeReport { raised: vec![], crl_number: None, ..raised };
    assert!(!summary(&blocked).contains("was revoked before"));
}

#[test]
fn reasons_have_both_spellings_and_a_list() {
    assert_eq!(reason("keyCompromise"), Ok(Reason::KeyCompromise));
    assert_eq!(reason("key-compromise"), Ok(Reason::KeyCompromise));
    assert!(reason("whim").unwrap_err().contains("cessation-of-operation"));
}
