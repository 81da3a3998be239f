//! No stranger's text is a token of ours, and what is one survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signet_api::jwt::{self, Claims};
use signet_fuzz::KEY;
use signet_pki::signer::Signer;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Whatever kid it names leads to a key: only the signature can stop it.
    assert!(jwt::verify(text, |_| Some(KEY.public_key())).is_err(), "a forged token");
    let Ok(claims) = serde_json::from_str::<Claims>(text) else { return };
    // Too long for a token is the only reason not to be one.
    let Ok(token) = jwt::sign(&claims, "kid", &*KEY) else { return };
    assert_eq!(jwt::verify(&token, |kid| (kid == "kid").then(|| KEY.public_key())), Ok(claims));
});
