//! A request that is read can be written, and is the same then. Nobody but a responder that the authority made for this signs
//! an answer, and what is read of the fields of one can be asked for again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signet_fuzz::{AUTHORITY, NOW, tlv};
use signet_pki::ocsp::{IssuerIds, MAX_CERTIFICATES, OcspRequest, OcspView, ResponderCert};

fuzz_target!(|data: &[u8]| {
    assert!(OcspView::verified(data, &AUTHORITY, NOW).is_err());
    assert!(ResponderCert::below(data, &AUTHORITY).is_err());
    for bytes in [data.to_vec(), tlv(0x30, &tlv(0x30, data))] {
        let Ok(request) = OcspRequest::parse(&bytes) else { continue };
        assert!((1..=MAX_CERTIFICATES).contains(&request.ids().len()));
        assert!(request.nonce().is_none_or(|nonce| (1..=128).contains(&nonce.len())));
        let again = OcspRequest::parse(&request.to_der()).expect("what was read can be written");
        assert_eq!(again, request);
        // Twenty octets of SHA-1 by chance.
        let ids = IssuerIds::of(&AUTHORITY);
        assert!(!request.ids().iter().any(|id| ids.named_by(id)));
    }
});
