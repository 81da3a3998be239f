//! A request that is accepted leads to exactly the planned certificate, and is accepted only whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signet_fuzz::{AUTHORITY, KEY, NOW, PROFILE, subject};
use signet_pki::PublicKey;
use signet_pki::csr::CheckedCsr;
use signet_pki::issue::{IssueError, LeafPlan, LintedTbs, Locations};
use signet_pki::key_policy::KeyPolicy;
use signet_pki::pem::{self, Label};
use signet_pki::view::CertificateView;

fuzz_target!(|data: &[u8]| {
    let policy = KeyPolicy::any();
    let Ok(csr) = CheckedCsr::from_der(data, &policy) else { return };
    let key = csr.public_key().clone();
    assert_eq!(PublicKey::from_spki(key.spki()).as_ref(), Ok(&key));
    assert!(data.windows(key.spki().len()).any(|w| w == key.spki()));
    assert!(CheckedCsr::from_der(&data[..data.len() - 1], &policy).is_err());
    assert!(CheckedCsr::from_der(&[data, &[0]].concat(), &policy).is_err());
    let text = pem::encode(Label::Request, data);
    let again = CheckedCsr::parse(text.as_bytes(), &policy).expect("PEM changes nothing");
    assert_eq!(again.public_key(), &key);

    let plan = LeafPlan::new(&PROFILE, subject(), csr, &AUTHORITY, NOW, None, [7; 20]).expect("the plan is sound");
    let linted = match LintedTbs::prepare(&AUTHORITY, &Locations::default(), plan) {
        Ok(linted) => linted,
        Err(IssueError::Lint(_)) if &key == AUTHORITY.public_key() => return,
        Err(error) => panic!("accepted, but not issued: {error}"),
    };
    let signed = linted.sign(&AUTHORITY, &*KEY).expect("the key signs");
    let view = CertificateView::parse(signed.der()).expect("what we make we can read");
    assert_eq!(view.public_key, key);
    assert!(!view.is_ca && !view.key_cert_sign && !view.crl_sign && !view.server_auth && view.client_auth);
    assert_eq!(view.subject_text, "CN=sensor-17");
    assert_eq!(view.uris, ["spiffe://example.org/device/sensor-17"]);
    assert!(view.dns_names.is_empty() && view.addresses.is_empty() && view.crl_urls.is_empty());
});
