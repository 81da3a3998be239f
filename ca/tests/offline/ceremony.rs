//! Root and issuer on two machines that exchange files alone.

use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::crl::{CrlView, Reason};
use signet_pki::pem::{self, Label};
use signet_pki::view::CertificateView;

use crate::support::{Desk, INSTALL, SIGN, mode};

fn view(desk: &Desk, name: &str) -> CertificateView {
    CertificateView::parse(&pem::decode_one(Label::Certificate, &desk.read(name)).unwrap()).unwrap()
}

fn root_crl(desk: &Desk) -> CrlView {
    let root = IssuerCert::from_der(&view(desk, "root/root.pem").der).unwrap();
    let list = CrlView::verified(&pem::decode_one(Label::Crl, &desk.read("root/root.crl")).unwrap(), &root).unwrap();
    let der = CrlView::verified(&desk.read("root/root.crl.der"), &root).unwrap();
    assert_eq!(list.number, der.number, "PEM and DER are the same list");
    list
}

#[test]
fn a_root_is_made_with_key_certificate_record_and_list() {
    let desk = Desk::new();
    let run = desk
        .ca("root init --dir root --name Acme --org Corp --lifetime-years 10 --passphrase-file root.pass")
        .succeeded();
    assert_eq!(desk.list("root"), ["root.crl", "root.crl.der", "root.key", "root.pem", "root.toml"]);
    assert_eq!((mode(desk.path("root")), mode(desk.path("root/root.key"))), (0o700, 0o600));
    assert!(desk.read("root/root.key").starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    let root = view(&desk, "root/root.pem");
    assert_eq!(run.field("SHA-256"), root.fingerprint().colons());
    assert_eq!(run.field("subject"), "O=Corp, CN=Acme");
    assert_eq!((root.is_ca, root.path_len, root.is_self_issued()), (true, None, true));
    assert_eq!(root.not_after.since(root.not_before) / 31_556_952, 10);
    let list = root_crl(&desk);
    assert!(list.is_empty());
    assert_eq!((list.next_update.since(list.this_update) + 43_200) / 86_400, 400);
}

#[test]
fn an_issuer_travels_from_request_to_installation() {
    let desk = Desk::new().with_root();
    let request =
        desk.ca("issuer request --dir issuer --name Issuing --org Corp --passphrase-file issuer.pass").succeeded();
    assert_eq!(desk.list("issuer"), ["issuer.csr", "issuer.key"]);
    let signed = desk.ca(&format!("{SIGN} --permit-dns acme.example")).succeeded();
    assert_eq!(signed.field("request SHA-256"), request.field("request SHA-256"));
    assert_eq!(signed.field("key SHA-256"), request.field("key SHA-256"));
    assert!(desk.read("issuer.pem").starts_with(b"-----BEGIN CERTIFICATE-----"));
    let issuer = view(&desk, "issuer.pem");
    assert_eq!(issuer.subject_text, "O=Corp, CN=Issuing", "taken from the request");
    assert_eq!((issuer.is_ca, issuer.path_len), (true, Some(0)));
    assert_eq!(issuer.crl_urls, ["http://ca.acme.example/crl/root.crl"]);
    assert_eq!(issuer.permitted_dns.as_deref(), Some(&["acme.example".to_owned()][..]));
    desk.ca(&format!("{INSTALL} --passphrase-file issuer.pass")).succeeded();
    assert_eq!(desk.list("issuer"), ["issuer.csr", "issuer.key", "issuer.pem", "root.crl", "root.pem"]);
    assert_eq!(desk.read("issuer/root.pem"), desk.read("root/root.pem"));
    // Again is no harm: the same files, for example with a newer list.
    desk.ca(INSTALL).succeeded();
}

#[test]
fn the_command_line_names_the_issuer_in_place_of_the_request() {
    let desk = Desk::new().with_root().with_request();
    desk.ca(&format!("{SIGN} --name Other --lifetime-years 1")).succeeded();
    let issuer = view(&desk, "issuer.pem");
    assert_eq!(issuer.subject_text, "CN=Other");
    assert_eq!(issuer.not_after.since(issuer.not_before) / 86_400, 365);
}

#[test]
fn t46_everything_is_shown_before_anything_is_signed() {
    let desk = Desk::new().with_root().with_request();
    let before = desk.snapshot("root");
    let ask = "root sign --dir root --request issuer/issuer.csr --out issuer.pem --permit-dns acme.example --passphrase-file root.pass";
    let run = desk.ca_answering("no\n", ask).refused(1, "not confirmed");
    for part in ["request SHA-256", "CN=Issuing", "CN=Acme", "path length 0", "keyCertSign, cRLSign", "acme.example"] {
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
    desk.ca_answering("", ask).refused(1, "not confirmed");
    assert_eq!(desk.snapshot("root"), before);
    assert!(!desk.exists("issuer.pem"));
    desk.ca_answering("yes\n", ask).succeeded();
}

#[test]
fn t46_the_first_digits_of_the_hash_are_an_answer_and_wrong_ones_are_not() {
    let desk = Desk::new().with_root();
    let request = desk.ca("issuer request --dir issuer --passphrase-file issuer.pass").succeeded();
    let hash = request.field("request SHA-256");
    let wrong = if hash.starts_with('0') { "1234\n" } else { "0000\n" };
    let ask = "root sign --dir root --request issuer/issuer.csr --out issuer.pem --passphrase-file root.pass";
    desk.ca_answering(wrong, ask).refused(1, "not confirmed");
    desk.ca_answering(&format!("{}\n", &hash[..4].to_uppercase()), ask).succeeded();
}

#[test]
fn a_revoked_issuer_is_on_the_next_list_and_cannot_be_installed() {
    let desk = Desk::new().with_issuer();
    let first = root_crl(&desk);
    let serial = desk.issuer_serial();
    let revoke = format!("root crl --dir root --revoke {serial} --reason ca-compromise --passphrase-file root.pass");
    desk.ca(&revoke).succeeded();
    let list = root_crl(&desk);
    assert!(list.number > first.number);
    let entries = list.entries().unwrap();
    assert_eq!((entries[0].0.to_string(), entries[0].2), (serial.clone(), Reason::CaCompromise));
    desk.ca(INSTALL).refused(1, "revoked this issuer");
    desk.ca(&revoke).refused(1, "was revoked at");
    // The key is not certified a second time either, and a later list still holds the entry.
    desk.ca(&SIGN.replace("issuer.pem", "again.pem")).refused(1, "key of the revoked issuer");
    desk.ca("root crl --dir root --passphrase-file root.pass").succeeded();
    assert_eq!(root_crl(&desk).entries().unwrap(), entries);
}

#[test]
fn only_what_this_root_issued_can_be_revoked() {
    let desk = Desk::new().with_issuer();
    let before = desk.snapshot("root");
    desk.ca("root crl --dir root --revoke 4f00a1 --passphrase-file root.pass")
        .refused(1, "no certificate with the serial 4f00a1");
    let fingerprint = desk.ca("root show --certificate issuer.pem").succeeded().field("SHA-256");
    desk.ca(&format!("root crl --dir root --revoke {fingerprint} --passphrase-file root.pass")).usage("serial number");
    assert_eq!(desk.snapshot("root"), before);
}

#[test]
fn the_number_of_a_list_follows_the_clock_and_never_falls_behind() {
    let desk = Desk::new().with_root();
    let record = String::from_utf8(desk.read("root/root.toml")).unwrap();
    // As if an earlier list had been signed by a clock that was ahead.
    let ahead = 4_102_444_800_000_u64;
    let number = root_crl(&desk).number.to_string();
    desk.write("root/root.toml", record.replace(&number, &ahead.to_string()));
    desk.ca("root crl --dir root --passphrase-file root.pass").succeeded();
    assert_eq!(root_crl(&desk).number, ahead + 1);
    // As if the record had been lost and restored from the first day.
    desk.write("root/root.toml", record.replace(&number, "1"));
    desk.ca("root crl --dir root --days 30 --passphrase-file root.pass").succeeded();
    let list = root_crl(&desk);
    assert!(list.number >= number.parse().unwrap());
    assert!(UnixTime(i64::try_from(list.number / 1000).unwrap()).since(list.this_update) >= 299);
}

#[test]
fn the_root_shows_what_it_issued_in_text_and_in_json() {
    let desk = Desk::new().with_issuer();
    let serial = desk.issuer_serial();
    assert!(desk.ca("root show --dir root").succeeded().stdout.contains(&serial));
    let json: serde_json::Value =
        serde_json::from_str(&desk.ca("root show --dir root --json").succeeded().stdout).unwrap();
    assert_eq!(json["issuers"][0]["serial"], serial.as_str());
    assert_eq!(json["root"]["subject"], "CN=Acme");
    assert_eq!(json["crl"]["number"], root_crl(&desk).number);
    let json = desk.ca("root show --certificate issuer.pem --json").succeeded().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["path_length"], &json["serial"]), (&0.into(), &serial.into()));
}

#[test]
fn openssl_agrees() {
    let desk = Desk::new().with_issuer();
    let Some(chain) = desk.openssl("verify -CAfile root/root.pem -CRLfile root/root.crl -crl_check_all issuer.pem")
    else {
        return;
    };
    chain.succeeded();
    for list in ["-in root/root.crl", "-in root/root.crl.der -inform DER"] {
        let checked = desk.openssl(&format!("crl {list} -CAfile root/root.pem -noout")).unwrap().succeeded();
        assert!(checked.stderr.contains("verify OK"), "{checked:?}");
    }
    for (key, pass) in [("root/root.key", "root.pass"), ("issuer/issuer.key", "issuer.pass")] {
        desk.openssl(&format!("pkey -in {key} -passin file:{pass} -noout -check")).unwrap().succeeded();
    }
    let serial = desk.issuer_serial();
    desk.ca(&format!("root crl --dir root --revoke {serial} --passphrase-file root.pass")).succeeded();
    let revoked =
        desk.openssl("verify -CAfile root/root.pem -CRLfile root/root.crl -crl_check_all issuer.pem").unwrap();
    assert_ne!(revoked.code, 0);
    assert!(revoked.stderr.contains("certificate revoked"), "{revoked:?}");
}
