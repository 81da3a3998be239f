//! What PEM text yields survives being written as PEM again, and no block is taken for one of another label.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signet_pki::pem::{Label, certificates, decode_all, decode_one, encode, pem_or_der};

const LABELS: [Label; 5] =
    [Label::Certificate, Label::Request, Label::Crl, Label::PrivateKey, Label::EncryptedPrivateKey];

fuzz_target!(|data: &[u8]| {
    for label in LABELS {
        let Ok(all) = decode_all(label, data) else {
            assert!(decode_one(label, data).is_err());
            continue;
        };
        assert_eq!(decode_one(label, data).is_ok(), all.len() == 1);
        let text: String = all.iter().map(|der| encode(label, der)).collect();
        assert_eq!(decode_all(label, text.as_bytes()).as_ref(), Ok(&all));
        for other in LABELS.into_iter().filter(|other| *other != label) {
            assert_eq!(decode_all(other, text.as_bytes()), Ok(Vec::new()));
        }
        assert!(all.iter().map(Vec::len).sum::<usize>() <= data.len());
    }
    assert_eq!(certificates(data).ok().is_none_or(|all| !all.is_empty()), true);
    if data.first() == Some(&0x30) && data.get(1).is_some_and(|length| *length >= 0x80) {
        assert_eq!(pem_or_der(Label::Request, data).as_deref(), Ok(data));
    }
});
