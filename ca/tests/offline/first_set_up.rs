//! `ca init`: everything in one go. The service's program is played by a script that writes down how it was called.

use std::os::unix::fs::PermissionsExt;

use signet_keys::{Passphrase, PrivateKey};
use signet_pki::pem::{self, Label};
use signet_pki::signer::Signer;
use signet_pki::view::CertificateView;

use crate::support::{Desk, mode};

fn with_service(desk: &Desk, script: &str) -> String {
    desk.write("signetd", format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(desk.path("signetd"), std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("init acme --name Acme --signetd {} --passphrase-file root.pass", desk.path("signetd").display())
}

#[test]
fn everything_is_made_and_the_service_is_told_to_set_itself_up() {
    let desk = Desk::new();
    let init = with_service(&desk, "printf '%s\\n' \"$@\" > called");
    let run =
        desk.ca(&format!("{init} --host ca.acme.example --host 10.0.0.7 --trust-domain acme.example")).succeeded();
    let called = String::from_utf8(desk.read("called")).unwrap();
    assert_eq!(called, "setup\n--config\nacme/server/signet.toml\n--admin\nadmin\n--admin-dir\nacme/admin\n");
    assert_eq!(desk.list("acme"), ["root", "server"]);
    assert_eq!(desk.list("acme/server/issuer"), ["issuer.csr", "issuer.key", "issuer.pem", "root.crl", "root.pem"]);
    let config: toml::Table = String::from_utf8(desk.read("acme/server/signet.toml")).unwrap().parse().unwrap();
    assert_eq!(config["trust_domain"].as_str(), Some("acme.example"));
    assert_eq!(config["publication"]["base_url"].as_str(), Some("http://ca.acme.example:8080"));
    let root = CertificateView::parse(&pem::decode_one(Label::Certificate, &desk.read("acme/root/root.pem")).unwrap())
        .unwrap();
    assert_eq!(run.field("root SHA-256"), root.fingerprint().colons());
    assert_eq!(root.common_name.as_deref(), Some("Acme Root CA"));
    let issuer = pem::decode_one(Label::Certificate, &desk.read("acme/server/issuer/issuer.pem")).unwrap();
    let issuer = CertificateView::parse(&issuer).unwrap();
    assert_eq!(issuer.crl_urls, ["http://ca.acme.example:8080/crl/root.crl"]);
    assert!(run.stdout.contains("Move acme/root"), "{run:?}");
}

#[test]
fn the_kek_opens_the_key_of_the_issuer_and_both_are_private() {
    let desk = Desk::new();
    desk.ca(&with_service(&desk, "true")).succeeded();
    let kek = String::from_utf8(desk.read("acme/server/secrets/kek")).unwrap();
    assert!(kek.len() == 64 && kek.bytes().all(|b| b.is_ascii_hexdigit()));
    let text = String::from_utf8(desk.read("acme/server/issuer/issuer.key")).unwrap();
    let key = PrivateKey::from_encrypted_pem(&text, &Passphrase::new(kek).unwrap()).unwrap();
    let issuer = pem::decode_one(Label::Certificate, &desk.read("acme/server/issuer/issuer.pem")).unwrap();
    assert_eq!(key.public_key(), &CertificateView::parse(&issuer).unwrap().public_key);
    for private in ["acme/server/secrets/kek", "acme/server/issuer/issuer.key", "acme/root/root.key"] {
        assert_eq!(mode(desk.path(private)), 0o600, "{private}");
    }
}

#[test]
fn the_root_that_was_made_is_an_ordinary_root() {
    let desk = Desk::new();
    desk.ca(&with_service(&desk, "true")).succeeded();
    let json = desk.ca("root show --dir acme/root --json").succeeded().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["issuers"][0]["name"], "CN=Acme Issuing CA");
    let serial = json["issuers"][0]["serial"].as_str().unwrap();
    desk.ca(&format!("root crl --dir acme/root --revoke {serial} --passphrase-file root.pass")).succeeded();
}

#[test]
fn a_directory_with_something_in_it_is_not_touched() {
    let desk = Desk::new();
    let init = with_service(&desk, "touch called");
    std::fs::create_dir(desk.path("acme")).unwrap();
    desk.write("acme/file", "precious");
    desk.ca(&init).refused(1, "not an empty directory");
    std::fs::remove_file(desk.path("acme/file")).unwrap();
    desk.ca(&init).succeeded();
    desk.ca(&init).refused(1, "not an empty directory");
    desk.ca(&init.replace("init acme", "init signetd")).refused(1, "not an empty directory");
}

#[test]
fn a_missing_service_leaves_good_work_and_says_how_to_go_on() {
    let desk = Desk::new();
    let init = "init acme --signetd nowhere/signetd --passphrase-file root.pass";
    let run = desk.ca(init);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("nowhere/signetd was not found"), "{run:?}");
    let hint = "signetd setup --config acme/server/signet.toml --admin admin --admin-dir acme/admin";
    assert!(run.stderr.contains(hint), "{run:?}");
    desk.ca("root show --dir acme/root").succeeded();
    assert!(desk.exists("acme/server/signet.toml"));
}

#[test]
fn a_failing_service_is_reported_with_the_way_on() {
    let desk = Desk::new();
    let run = desk.ca(&with_service(&desk, "exit 3"));
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("setup failed") && run.stderr.contains("go on with: signetd setup"), "{run:?}");
}

#[test]
fn nothing_remains_of_an_attempt_that_was_refused() {
    let desk = Desk::new();
    let names = desk.list("");
    desk.ca("init acme --passphrase-file none").refused(1, "none does not exist");
    desk.ca("init none/acme --passphrase-file root.pass").refused(1, "none does not exist");
    desk.ca(&format!("init acme --name {} --passphrase-file root.pass", "x".repeat(60))).refused(1, "1 to 64");
    assert_eq!(desk.ca("init acme --host a_b --passphrase-file root.pass").code, 2);
    assert_eq!(desk.list(""), names);
}
