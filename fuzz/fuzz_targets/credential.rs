//! A credential or link that is read can be written and read again, and shows its secret only when asked to.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signet_api::credential::CredentialId;
use signet_api::link::EnrollmentLink;
use signet_api::{Credential, CredentialKind};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut kinds = 0;
    for kind in CredentialKind::ALL {
        let Ok(credential) = Credential::parse(kind, text) else { continue };
        kinds += 1;
        assert_eq!(credential.kind(), kind);
        assert_eq!(CredentialId::parse(credential.id().as_str()).as_ref(), Ok(credential.id()));
        assert_eq!(format!("{credential:?}"), shown(&credential));
        assert_eq!(Credential::parse(kind, &credential.expose()).as_ref(), Ok(&credential));
    }
    assert!(kinds <= 1, "one text, two kinds");
    if let Ok(link) = EnrollmentLink::parse(text) {
        assert!(link.server.starts_with("https://"));
        assert_eq!(EnrollmentLink::parse(&link.expose()).as_ref(), Ok(&link));
        assert_eq!(link.to_string(), format!("{}/e#t={}&fp={}", link.server, shown(&link.token), link.root));
        assert!(format!("{link:?}").contains(&shown(&link.token)));
    }
});

/// All that anybody sees of a credential: its kind and its public id.
fn shown(credential: &Credential) -> String {
    format!("Credential({}_{}_…)", credential.kind().prefix(), credential.id())
}
