//! Nothing is overwritten, nothing is left half done, and every refusal says what to do.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::{Desk, INSTALL, SIGN, limited};

#[test]
fn an_existing_root_is_never_touched() {
    let desk = Desk::new().with_root();
    let before = desk.snapshot("root");
    desk.ca("root init --dir root --name Other --passphrase-file root.pass").refused(1, "root.key exists already");
    assert_eq!(desk.snapshot("root"), before);
}

#[test]
fn a_lone_key_or_record_is_never_touched_either() {
    for name in ["root.key", "root.toml", "root.pem", "root.crl"] {
        let desk = Desk::new();
        std::fs::create_dir(desk.path("root")).unwrap();
        desk.write(&format!("root/{name}"), "precious");
        desk.ca("root init --dir root --name Other --passphrase-file root.pass").refused(1, "exists already");
        assert_eq!(desk.snapshot("root"), [(name.to_owned(), b"precious".to_vec())]);
    }
}

#[test]
fn an_existing_issuer_key_is_never_touched() {
    let desk = Desk::new().with_request();
    let before = desk.snapshot("issuer");
    desk.ca("issuer request --dir issuer --passphrase-file issuer.pass").refused(1, "issuer.key exists already");
    assert_eq!(desk.snapshot("issuer"), before);
}

#[test]
fn an_existing_output_is_never_overwritten() {
    let desk = Desk::new().with_root().with_request();
    desk.write("issuer.pem", "precious");
    desk.ca(SIGN).refused(1, "issuer.pem exists already");
    assert_eq!(desk.read("issuer.pem"), b"precious");
    let key = desk.read("root/root.key");
    desk.ca("root crl --dir root --out root/root.key --passphrase-file root.pass")
        .refused(1, "is not a revocation list");
    assert_eq!(desk.read("root/root.key"), key);
}

#[test]
fn a_wrong_passphrase_changes_nothing() {
    let desk = Desk::new().with_root().with_request();
    let before = desk.snapshot("root");
    let wrong = |arguments: &str| arguments.replace("root.pass", "issuer.pass");
    desk.ca(&wrong(SIGN)).refused(1, "the passphrase is wrong");
    desk.ca(&wrong("root crl --dir root --passphrase-file root.pass")).refused(1, "the passphrase is wrong");
    assert_eq!(desk.snapshot("root"), before);
    assert!(!desk.exists("issuer.pem"));
}

#[test]
fn a_key_of_another_root_does_not_sign() {
    let desk = Desk::new().with_root().with_request();
    desk.ca("root init --dir other --name Other --passphrase-file root.pass").succeeded();
    std::fs::copy(desk.path("other/root.key"), desk.path("root/root.key")).unwrap();
    desk.ca(SIGN).refused(1, "not the key of root.pem");
    assert!(!desk.exists("issuer.pem"));
}

#[test]
fn without_a_terminal_the_passphrase_needs_a_source() {
    let desk = Desk::new();
    // A session of its own has no terminal to ask on.
    let mut command = std::process::Command::new("setsid");
    command.args(["--wait", env!("CARGO_BIN_EXE_ca"), "root", "init", "--dir", "root", "--name", "Acme"]);
    desk.run(command, "").refused(2, "no terminal");
    assert!(!desk.exists("root"));
}

#[test]
fn a_passphrase_comes_through_a_descriptor_too() {
    let desk = Desk::new();
    let arguments = "root init --dir root --name Acme --passphrase-fd 3";
    desk.run(limited("exec 3<root.pass", arguments), "").succeeded();
    desk.ca("root crl --dir root --passphrase-file root.pass").succeeded();
    desk.ca("root crl --dir root --passphrase-fd 77").refused(1, "descriptor 77");
}

#[test]
fn empty_and_missing_passphrases_are_refused() {
    let desk = Desk::new();
    desk.write("empty", "\n");
    desk.ca("root init --dir root --name Acme --passphrase-file empty").refused(1, "passphrase is empty");
    desk.ca("root init --dir root --name Acme --passphrase-file none").refused(1, "none does not exist");
    assert!(!desk.exists("root"));
}

/// A file-size limit of zero stands in for a full disk: the first byte fails, after the file was created.
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("root")).unwrap();
    let init = "root init --dir root --name Acme --passphrase-file root.pass";
    desk.run(limited("trap '' XFSZ; ulimit -f 0", init), "").refused(3, "root.key");
    assert!(desk.list("root").is_empty());
    desk.ca(init).succeeded();
    let desk = desk.with_request();
    let before = desk.snapshot("root");
    desk.run(limited("trap '' XFSZ; ulimit -f 0", SIGN), "").refused(3, "root.toml");
    assert_eq!(desk.snapshot("root"), before);
    assert!(!desk.exists("issuer.pem"));
    let first = "init acme --passphrase-file root.pass";
    let names = desk.list("");
    desk.run(limited("trap '' XFSZ; ulimit -f 0", first), "").refused(3, "root.key");
    assert_eq!(desk.list(""), names);
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let desk = Desk::new();
    let init = |dir: &str| format!("root init --dir {dir} --name Acme --passphrase-file root.pass");
    desk.ca(&init("none/root")).refused(1, "none does not exist");
    desk.ca(&init("root.pass/root")).refused(3, "root.pass");
    std::fs::create_dir(desk.path("locked")).unwrap();
    std::fs::set_permissions(desk.path("locked"), std::fs::Permissions::from_mode(0o555)).unwrap();
    // Permissions do not hold back an administrator.
    if std::fs::write(desk.path("locked/probe"), "").is_err() {
        desk.ca(&init("locked/root")).refused(3, "locked/root");
    }
}

#[test]
fn a_record_that_was_damaged_is_refused_before_anything_is_signed() {
    let desk = Desk::new().with_issuer();
    for damaged in ["", "format = 2\ncrl_urls = []\nca_urls = []\nlast_crl_number = 1\n", "surprise = 1\n", "\u{0}"] {
        desk.write("root/root.toml", damaged);
        desk.ca("root crl --dir root --passphrase-file root.pass").refused(1, "root.toml");
    }
}

#[test]
fn an_issuer_never_outlives_its_root() {
    let desk = Desk::new();
    desk.ca("root init --dir root --name Acme --lifetime-years 2 --passphrase-file root.pass").succeeded();
    let desk = desk.with_request();
    let refused = desk.ca(SIGN).refused(1, "would outlive the root");
    assert!(refused.stderr.contains("--lifetime-years"), "{refused:?}");
    desk.ca(&format!("{SIGN} --lifetime-years 1")).succeeded();
}

#[test]
fn usage_errors_have_their_own_exit_code() {
    let desk = Desk::new();
    for arguments in
        ["root", "root init", "root sign --dir x", "root init --dir r --name n --crl-url ftp://x", "root show"]
    {
        assert_eq!(desk.ca(arguments).code, 2, "{arguments}");
    }
    assert_eq!(desk.ca("root init --dir r --name n --lifetime-years 0 --passphrase-file root.pass").code, 2);
}

#[test]
fn names_that_no_certificate_can_hold_are_refused() {
    let desk = Desk::new();
    let long = "x".repeat(65);
    desk.ca(&format!("root init --dir root --name {long} --passphrase-file root.pass")).refused(1, "1 to 64");
    assert!(!desk.exists("root"));
}

#[test]
fn a_root_is_pinned_by_its_fingerprint() {
    let desk = Desk::new().with_issuer();
    let right = desk.ca("root show --dir root").succeeded().field("SHA-256");
    let wrong = right.replace(|c: char| c.is_ascii_digit(), "9").replace('A', "B");
    assert_ne!(right, wrong);
    let install = INSTALL.replace(" --yes", "");
    let before = desk.snapshot("issuer");
    desk.ca(&format!("{install} --root-fingerprint {wrong}")).refused(1, "this is another root");
    desk.ca(&format!("{install} --root-fingerprint {wrong} --yes")).refused(1, "this is another root");
    desk.ca_answering("0x\n", &install).refused(1, "not confirmed");
    assert_eq!(desk.snapshot("issuer"), before);
    desk.ca(&format!("{install} --root-fingerprint {right}")).succeeded();
    desk.ca_answering(&format!("{}\n", &right[..5]), &install).succeeded();
}

#[test]
fn an_installed_root_is_not_exchanged() {
    let desk = Desk::new().with_issuer();
    desk.ca(INSTALL).succeeded();
    desk.ca("root init --dir other --name Acme --passphrase-file root.pass").succeeded();
    let other = SIGN.replace("--dir root", "--dir other").replace("issuer.pem", "other.pem");
    desk.ca(&other).succeeded();
    let before = desk.snapshot("issuer");
    desk.ca("issuer install --dir issuer --certificate other.pem --root other/root.pem --yes")
        .refused(1, "is another root");
    assert_eq!(desk.snapshot("issuer"), before);
}

#[test]
fn links_are_not_followed_when_files_are_written() {
    let desk = Desk::new().with_issuer();
    desk.write("victim", "precious");
    symlink(desk.path("victim"), desk.path("issuer/root.crl")).unwrap();
    desk.ca(INSTALL).refused(1, "root.crl is a link");
    std::fs::remove_file(desk.path("root/root.crl.der")).unwrap();
    symlink(desk.path("victim"), desk.path("root/root.crl.der")).unwrap();
    desk.ca("root crl --dir root --passphrase-file root.pass").refused(1, "is a link");
    assert_eq!(desk.read("victim"), b"precious");
}

#[test]
fn two_commands_do_not_work_on_one_root_at_once() {
    let desk = Desk::new().with_root();
    let first = std::fs::File::open(desk.path("root")).unwrap();
    rustix::fs::flock(&first, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let refresh = "root crl --dir root --passphrase-file root.pass";
    desk.ca(refresh).refused(1, "another ca command works in root");
    drop(first);
    desk.ca(refresh).succeeded();
}
