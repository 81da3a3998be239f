//! A certificate is read whole and in one way; nothing but the authority itself chains to the authority.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signet_fuzz::{AUTHORITY, NOW, signed};
use signet_pki::ca::IssuerCert;
use signet_pki::view::CertificateView;
use signet_pki::{Serial, chain};

fuzz_target!(|data: &[u8]| {
    read(data);
    // With a valid signature around it, so that names, constraints and usages behind it are reached too.
    let Some(view) = read(&signed(data)) else { return };
    assert!(view.verify(AUTHORITY.public_key()));
    let path = [view.clone(), AUTHORITY.view().clone()];
    if chain::verify(&path, Some(NOW)).is_ok() {
        assert_eq!(view.issuer, AUTHORITY.subject());
        assert!(view.is_valid_at(NOW) && view.unknown_critical.is_empty());
    }
    if let Ok(issuer) = IssuerCert::below(&view.der, &AUTHORITY, NOW) {
        assert!(view.is_ca && view.key_cert_sign && view.crl_sign);
        assert_eq!(issuer.subject(), view.subject);
        assert_eq!(Some(issuer.key_identifier()), view.subject_key_id.as_deref());
    }
});

fn read(bytes: &[u8]) -> Option<CertificateView> {
    let view = CertificateView::parse(bytes).ok()?;
    assert_eq!(view.der, bytes);
    assert!(CertificateView::parse(&bytes[..bytes.len() - 1]).is_err());
    assert!(CertificateView::parse(&[bytes, &[0]].concat()).is_err());
    assert_eq!(Serial::parse(&view.serial.to_string()).as_ref(), Ok(&view.serial));
    assert!(view.serial.as_bytes().len() <= 20);
    assert!(!view.subject_text.chars().any(char::is_control) && !view.issuer_text.chars().any(char::is_control));
    Some(view)
}
