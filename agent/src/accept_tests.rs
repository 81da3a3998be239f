use signet_api::client::Clock;

use super::*;
use crate::fake_server::{Ca, key, request};

struct Case {
    ca: Ca,
    key: PrivateKey,
    issued: IssuedCertificate,
}

fn case(kind: PrincipalKind) -> Case {
    let (ca, key) = (Ca::new(), key());
    let issued = ca.issue(request(&key), "sensor-1", kind, Clock::System.read());
    Case { ca, key, issued }
}

impl Case {
    fn verdict(&self, now: Option<UnixTime>) -> Result<(), String> {
        let roots = vec![self.ca.root.der().to_vec()];
        let expected = Expectation { server: "https://ca", key: &self.key, roots, now, device: None };
        accept(&self.issued, &expected).map(|_| ()).map_err(|e| e.to_string())
    }

    fn refused(&self) -> String {
        self.verdict(Some(Clock::System.read())).unwrap_err()
    }
}

#[test]
fn a_certificate_for_our_key_below_the_pinned_root_is_taken() {
    let good = case(PrincipalKind::Device);
    assert_eq!(good.verdict(Some(Clock::System.read())), Ok(()));
    let material = good.verdict(None);
    assert_eq!(material, Ok(()));
}

#[test]
fn what_does_not_fit_the_key_the_root_or_the_names_is_not() {
    let other_key = Case { key: key(), ..case(PrincipalKind::Device) };
    assert!(other_key.refused().contains("another key"));
    let other_root = Case { ca: Ca::new(), ..case(PrincipalKind::Device) };
    assert!(other_root.refused().contains("not signed"), "{}", other_root.refused());
    assert!(case(PrincipalKind::Server).refused().contains("client's certificate"));
    let change = |f: fn(&mut IssuedCertificate)| {
        let mut case = case(PrincipalKind::Device);
        f(&mut case.issued);
        case.refused()
    };
    assert!(change(|i| i.device = DeviceId::parse("sensor-2").unwrap()).contains("common name"));
    assert!(change(|i| i.spiffe_id = "spiffe://example.org/device/sensor-2".into()).contains("SPIFFE"));
    assert!(change(|i| i.serial = "01".into()).contains("serial"));
    assert!(change(|i| i.chain = String::new()).contains("no CERTIFICATE"));
    assert!(change(|i| i.chain = i.chain.repeat(3)).contains("too long"));
    assert!(change(|i| std::mem::swap(&mut i.chain, &mut i.certificate)).contains("another key"));
}

#[test]
fn an_expired_certificate_is_not_taken_unless_the_clock_is_unknown() {
    let case = case(PrincipalKind::Device);
    assert!(case.verdict(Some(Clock::System.read().plus(2 * 86_400))).is_err());
    assert_eq!(case.verdict(None), Ok(()));
}

#[test]
fn t27_spiffe_ids_with_other_paths_do_not_name_the_device() {
    let id = DeviceId::parse("a").unwrap();
    assert!(is_spiffe_id_of("spiffe://example.org/device/a", &id));
    for bad in [
        "spiffe://example.org/device/b",
        "spiffe://example.org/device/a/",
        "spiffe://example.org/device/x/../a",
        "spiffe://example.org/root/a",
        "spiffe://example.org//device/a",
        "spiffe:///device/a",
        "https://example.org/device/a",
    ] {
        assert!(!is_spiffe_id_of(bad, &id), "{bad}");
    }
}
