//! The program from outside: exit codes, what goes where, and what never shows.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use signet_api::Credential;
use signet_api::credential::CredentialKind;
use signet_api::link::EnrollmentLink;
use signet_pki::Fingerprint;

fn agent(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_signet-agent"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A refusal may come before anything is read.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A link to a port where nobody listens.
fn link() -> EnrollmentLink {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    EnrollmentLink {
        server: format!("https://localhost:{port}"),
        token: Credential::from_random(CredentialKind::Enrollment, &std::array::from_fn(|i| i as u8 * 5 + 3)),
        root: Fingerprint([7; 32]),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_missing_identity_is_exit_1_with_a_hint_and_json_on_stdout() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("signet");
    let output = agent(&["status", "--dir", text(&dir), "--json"], "");
    assert_eq!(code(&output), 1);
    assert_eq!(String::from_utf8(output.stdout.clone()).unwrap(), "{\n  \"condition\": \"missing\"\n}\n");
    assert_eq!(
        stderr(&output),
        "signet-agent: error: this device is not enrolled\n\
         signet-agent: hint: Enroll again with a new token: signet-agent enroll --help\n"
    );
    for command in ["renew", "run"] {
        assert_eq!(code(&agent(&[command, "--dir", text(&dir)], "")), 1);
    }
    assert!(!dir.exists());
}

#[test]
fn wrong_usage_is_exit_2() {
    for arguments in [
        &[][..],
        &["enroll"],
        &["enroll", "--dir", "x", "--server", "https://ca"],
        &["enroll", "--dir", "x", "--server", "https://ca", "--token-file", "f"],
        &["enroll", "--dir", "x", "--link", "f", "--server", "https://ca"],
        &["enroll", "--dir", "x"],
        &["status", "--dir", "x", "--nonsense"],
    ] {
        let output = agent(arguments, "");
        assert_eq!(code(&output), 2, "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn an_unreachable_server_is_exit_3_and_the_retry_finds_the_same_key() {
    let temp = tempfile::tempdir().unwrap();
    let (dir, file) = (temp.path().join("signet"), temp.path().join("link"));
    let link = link();
    std::fs::write(&file, link.expose().as_bytes()).unwrap();
    let key = dir.join(format!("request-{}.key", link.token.id()));
    let enroll = ["enroll", "--link", text(&file), "--dir", text(&dir), "--wait", "0"];
    let output = agent(&enroll, "");
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(output.stdout.is_empty());
    let first = std::fs::read(&key).unwrap();
    assert_eq!(code(&agent(&enroll, "")), 3);
    assert_eq!(std::fs::read(&key).unwrap(), first);
}

#[test]
fn t26_a_secret_shows_neither_from_a_pipe_nor_from_a_mistaken_argument() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("signet");
    let link = link();
    let whole = link.expose();
    let secret = &link.token.expose()[15..];
    let piped = agent(&["enroll", "--link", "-", "--dir", text(&dir), "--wait", "0"], &format!("{}\n", *whole));
    assert_eq!(code(&piped), 3);
    let fingerprint = link.root.to_string();
    let token = agent(
        &[
            "enroll",
            "--server",
            &link.server,
            "--token-file",
            "-",
            "--root-fingerprint",
            &fingerprint,
            "--dir",
            text(&dir),
            "--wait",
            "0",
        ],
        &link.token.expose(),
    );
    assert_eq!(code(&token), 3);
    let argument = agent(&["enroll", "--link", &whole, "--dir", text(&dir)], "");
    assert_eq!(code(&argument), 2);
    let damaged = agent(&["enroll", "--link", "-", "--dir", text(&dir)], &whole.replace("&fp", "0&fp"));
    assert_eq!(code(&damaged), 1);
    for output in [piped, token, argument, damaged] {
        let shown = format!("{}{}", stderr(&output), String::from_utf8_lossy(&output.stdout));
        assert!(!shown.contains(secret) && shown.contains("signet-agent: hint: "), "{shown}");
    }
}

#[test]
fn every_help_ends_in_an_example_and_fits_a_screen() {
    for command in
        [&["--help"][..], &["enroll", "--help"], &["renew", "--help"], &["run", "--help"], &["status", "--help"]]
    {
        let output = agent(command, "");
        let help = String::from_utf8(output.stdout.clone()).unwrap();
        let (_, example) = help.rsplit_once("Example:\n").unwrap();
        assert!(example.trim_start().starts_with("signet-agent ") && example.lines().count() == 1, "{help}");
        assert!(help.lines().count() <= 60, "{help}");
    }
}
