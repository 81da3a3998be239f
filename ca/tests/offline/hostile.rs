//! What a stranger may have put on the stick.

use std::os::unix::fs::symlink;

use signet_pki::pem::{self, Label};
use signet_pki::view::CertificateView;

use crate::support::{Desk, INSTALL, SIGN};

#[test]
fn files_that_are_no_requests_are_refused() {
    let desk = Desk::new().with_root();
    let before = desk.snapshot("root");
    std::fs::create_dir(desk.path("issuer")).unwrap();
    let certificate = desk.read("root/root.pem");
    let cases: [(&[u8], &str); 5] = [
        (b"", "no CERTIFICATE REQUEST"),
        (b"hello", "no CERTIFICATE REQUEST"),
        (&certificate, "no CERTIFICATE REQUEST"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\n!!!!\n-----END CERTIFICATE REQUEST-----\n", "line 1: "),
        (&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], "the CSR is not valid"),
    ];
    for (content, sentence) in cases {
        desk.write("issuer/issuer.csr", content);
        desk.ca(SIGN).refused(1, sentence);
    }
    assert_eq!(desk.snapshot("root"), before);
    assert!(!desk.exists("issuer.pem"));
}

#[test]
fn huge_files_links_and_devices_are_refused_unread() {
    let desk = Desk::new().with_root();
    std::fs::create_dir(desk.path("issuer")).unwrap();
    let path = desk.path("issuer/issuer.csr");
    // Sparse: eight gigabytes that nobody should try to read.
    std::fs::File::create(&path).unwrap().set_len(8 << 30).unwrap();
    desk.ca(SIGN).refused(1, "is larger than 65536 bytes");
    for target in ["/dev/zero", "/etc/passwd", "nowhere"] {
        std::fs::remove_file(&path).unwrap();
        symlink(target, &path).unwrap();
        desk.ca(SIGN).refused(1, "is a link");
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    desk.ca(SIGN).refused(1, "is a link, a directory or a device");
}

#[test]
fn a_request_whose_signature_is_wrong_is_refused() {
    let desk = Desk::new().with_root().with_request();
    let mut der = pem::decode_one(Label::Request, &desk.read("issuer/issuer.csr")).unwrap();
    let at = der.windows(7).position(|w| w == b"Issuing").unwrap();
    der[at] = b'X';
    desk.write("issuer/issuer.csr", der);
    desk.ca(SIGN).refused(1, "signature does not match");
}

#[test]
fn a_request_for_the_key_of_the_root_is_refused() {
    let desk = Desk::new().with_root();
    std::fs::create_dir(desk.path("issuer")).unwrap();
    let make = "req -new -key root/root.key -passin file:root.pass -subj /CN=Sub -out issuer/issuer.csr";
    let Some(made) = desk.openssl(make) else { return };
    made.succeeded();
    desk.ca(SIGN).refused(1, "the root's own key");
}

/// The request asks for a long path, another key usage, a name, and everything else that a root could be talked into.
#[test]
fn t46_wishes_in_a_request_are_shown_and_ignored() {
    let desk = Desk::new().with_root();
    std::fs::create_dir(desk.path("issuer")).unwrap();
    desk.write(
        "wishes.cnf",
        "[req]\nprompt=no\ndistinguished_name=dn\nreq_extensions=v3\n[dn]\nCN=Wishful\nO=system:masters\n\
         [v3]\nbasicConstraints=critical,CA:TRUE,pathlen:7\nkeyUsage=digitalSignature,keyCertSign\n\
         subjectAltName=DNS:*.bank.example,URI:spiffe://foreign/x\nextendedKeyUsage=anyExtendedKeyUsage\n",
    );
    let make = "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -config wishes.cnf -out issuer/issuer.csr";
    let Some(made) = desk.openssl(make) else { return };
    made.succeeded();
    let run = desk.ca(SIGN).succeeded();
    for shown in ["Wishful", "system:masters", "2.5.29.19", "2.5.29.17", "ignored"] {
        assert!(run.stderr.contains(shown), "{shown}: {run:?}");
    }
    let issued = pem::decode_one(Label::Certificate, &desk.read("issuer.pem")).unwrap();
    let view = CertificateView::parse(&issued).unwrap();
    assert_eq!((view.path_len, view.dns_names.len(), view.uris.len()), (Some(0), 0, 0));
    assert_eq!((view.server_auth, view.client_auth), (false, false));
    assert!(!issued.windows(4).any(|w| w == b"bank"));
}

#[test]
fn names_that_fool_the_eye_are_neither_shown_nor_taken() {
    let desk = Desk::new().with_root();
    std::fs::create_dir(desk.path("issuer")).unwrap();
    // A right-to-left override turns the text that follows it.
    let make = "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -utf8 -subj /CN=Is\u{202e}gnius -out issuer/issuer.csr";
    let Some(made) = desk.openssl(make) else { return };
    made.succeeded();
    desk.ca(SIGN).refused(1, "no name that an issuer could have");
    let run = desk.ca(&format!("{SIGN} --name Plain")).succeeded();
    assert!(!run.stderr.contains('\u{202e}') && !run.stdout.contains('\u{202e}'), "{run:?}");
}

#[test]
fn an_issuer_with_the_name_of_its_root_is_refused() {
    let desk = Desk::new().with_root().with_request();
    desk.ca(&format!("{SIGN} --name Acme")).refused(1, "same name as the root");
}

#[test]
fn keys_that_issuers_do_not_have_are_refused() {
    let desk = Desk::new().with_root();
    std::fs::create_dir(desk.path("issuer")).unwrap();
    let make = "req -new -newkey rsa:2048 -nodes -keyout key.pem -subj /CN=Rsa -out issuer/issuer.csr";
    let Some(made) = desk.openssl(make) else { return };
    made.succeeded();
    desk.ca(SIGN).refused(1, "RSA 2048");
}

#[test]
fn t46_certificates_that_were_swapped_are_not_installed() {
    let desk = Desk::new().with_issuer();
    let before = desk.snapshot("issuer");
    // For another key, by the same root.
    desk.ca("issuer request --dir second --name Second --passphrase-file issuer.pass").succeeded();
    desk.ca("root sign --dir root --request second/issuer.csr --out second.pem --yes --passphrase-file root.pass")
        .succeeded();
    let swapped = INSTALL.replace("--certificate issuer.pem", "--certificate second.pem");
    desk.ca(&swapped).refused(1, "for another key");
    desk.ca(&format!("{swapped} --passphrase-file issuer.pass")).refused(1, "for another key");
    // For the right key, by another root of the same name.
    desk.ca("root init --dir other --name Acme --passphrase-file root.pass").succeeded();
    desk.ca(&INSTALL.replace("--root root/root.pem", "--root other/root.pem")).refused(1, "not signed by the key");
    // The root itself, and garbage.
    desk.ca(&INSTALL.replace("--certificate issuer.pem", "--certificate root/root.pem")).refused(1, "root.pem");
    desk.ca(&INSTALL.replace("--certificate issuer.pem", "--certificate root.pass")).refused(1, "no CERTIFICATE");
    assert_eq!(desk.snapshot("issuer"), before);
}

#[test]
fn lists_of_another_root_are_not_installed() {
    let desk = Desk::new().with_issuer();
    let before = desk.snapshot("issuer");
    for name in ["Acme", "Other"] {
        let dir = format!("other-{name}");
        desk.ca(&format!("root init --dir {dir} --name {name} --passphrase-file root.pass")).succeeded();
        let sentence = if name == "Acme" { "signature does not verify" } else { "was not issued by" };
        desk.ca(&INSTALL.replace("--root-crl root/root.crl", &format!("--root-crl {dir}/root.crl")))
            .refused(1, sentence);
    }
    assert_eq!(desk.snapshot("issuer"), before);
}
