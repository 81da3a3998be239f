//! A header of Envoy's: what is read of it is in it, and what comes out of an element can be put into a header again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signet_api::xfcc::{Element, elements, unescape};

fuzz_target!(|text: &str| {
    if let Some(plain) = unescape(text) {
        assert!(plain.len() <= text.len());
    }
    let Some(all) = elements(text) else { return };
    assert!(!all.is_empty() && all.len() <= text.matches(',').count() + 1);
    let parts = |e: &Element| e.hash.iter().chain(&e.certificate).chain(&e.uris).map(String::len).sum::<usize>();
    assert!(all.iter().map(parts).sum::<usize>() <= text.len());
    let quoted = |value: &str| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
    let element = |e: &Element| {
        let hash = e.hash.iter().map(|value| format!("Hash={}", quoted(value)));
        let uris = e.uris.iter().map(|value| format!("URI={}", quoted(value)));
        let mut fields: Vec<String> = hash.chain(uris).collect();
        fields.push("By=x".into());
        fields.join(";")
    };
    let again = elements(&all.iter().map(element).collect::<Vec<_>>().join(",")).unwrap();
    for (before, after) in all.iter().zip(&again) {
        assert_eq!((&before.hash, &before.uris), (&after.hash, &after.uris));
    }
    assert_eq!(all.len(), again.len());
});
