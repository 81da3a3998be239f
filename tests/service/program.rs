//! The program itself: started, stopped and misused as an operator would.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Device, Installation, TestKey, client, issued, leaf, order, wire};

/// A running `signetd`, ended with the test.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
    log: String,
    pub(crate) tls: SocketAddr,
    pub(crate) plain: SocketAddr,
    pub(crate) local: SocketAddr,
}

impl Daemon {
    pub(crate) fn start(installation: &Installation) -> Daemon {
        let mut child = signetd(&installation.config_path(), &["run"]).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut log = String::new();
        let ready = loop {
            let line = lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it does not get ready:\n{log}"));
            log += &format!("{line}\n");
            if line.contains(" ready ") {
                break line;
            }
        };
        let address = |name: &str| {
            let rest = ready.split(&format!("{name}=")).nth(1).unwrap();
            rest.split_whitespace().next().unwrap().parse().unwrap()
        };
        Daemon { child, lines, tls: address("tls"), plain: address("plain"), local: address("local"), log }
    }

    /// SIGTERM, as an init system sends it. Returns the exit status and the whole log.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        let rest: Vec<String> = self.lines.iter().collect();
        (status, std::mem::take(&mut self.log) + &rest.join("\n"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `signetd <arguments> --config <file>`.
fn signetd(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signetd"));
    command.args(arguments).arg("--config").arg(config).stdin(Stdio::null());
    command
}

fn run(installation: &Installation, arguments: &[&str]) -> Output {
    signetd(&installation.config_path(), arguments).output().unwrap()
}

/// Exit code 1, nothing on stdout, one sentence and a hint.
fn assert_refused(output: &Output, sentence: &str, hint: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(output.stdout.is_empty());
    assert!(text.contains("signetd: error: ") && text.contains("signetd: hint: "), "{text}");
    assert!(text.contains(sentence) && text.contains(hint), "{text}");
}

/// Longer than a start takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn the_program_serves_until_it_is_told_to_stop() {
    let installation = Installation::new().await;
    let daemon = Daemon::start(&installation);
    let root = installation.root();
    let admin = client(daemon.tls, &root, Some(installation.administrator()));
    let made: signet_api::admin::CreatedTokens = admin.post_json("/v1/admin/tokens", &order("sensor-1")).await.unwrap();
    let key = TestKey::p256();
    let request = signet_api::enroll::EnrollRequest { csr: key.csr(), facts: Default::default() };
    let token = crate::support::credential(&made.tokens[0].token);
    let certificate = issued(client(daemon.tls, &root, None).enroll(&token, &request).await);
    assert!(!leaf(&certificate).is_empty());
    let device = Device { certificate, key };
    assert_eq!(wire::get_plain(daemon.local, "/readyz").await.status, 200);
    assert_eq!(wire::get_plain(daemon.plain, "/crl/root.crl").await.status, 200);
    let (status, log) = daemon.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("stopping") && log.contains("stopped"), "{log}");
    // Everything that was answered is there.
    let daemon = Daemon::start(&installation);
    client(daemon.tls, &root, Some(device.identity())).whoami().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t33_a_second_program_on_the_same_database_ends_at_once() {
    let installation = Installation::new().await;
    let daemon = Daemon::start(&installation);
    for command in ["run", "migrate", "setup"] {
        assert_refused(&run(&installation, &[command]), "in use by another process", "stop the other signetd first");
    }
    assert_eq!(wire::get_plain(daemon.local, "/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_together_is_said_before_anything_is_touched() {
    let installation = Installation::new().await;
    std::fs::remove_file(installation.database()).unwrap();
    assert_refused(&run(&installation, &["run"]), "there is no database", "signetd migrate --config");
    assert!(!installation.database().exists(), "a start makes no database");
    assert!(run(&installation, &["check"]).status.success(), "check reads keys and certificates, not the database");

    installation.replace_toml("[store]", "[store]\ncolour = \"blue\"");
    for command in ["run", "check", "migrate", "setup"] {
        assert_refused(&run(&installation, &[command]), "colour", "correct the line");
    }
    let output = signetd(&installation.path("server/missing.toml"), &["run"]).output().unwrap();
    assert_refused(&output, "missing.toml", "ca init");
}

#[tokio::test(flavor = "multi_thread")]
async fn set_up_may_be_repeated_and_overwrites_no_key() {
    let installation = Installation::new().await;
    let read = |path: &str| std::fs::read(installation.path(path)).unwrap();
    let before = (read("server/tls/server.key"), read("admin/admin.key"), read("admin/admin.pem"));
    let output = run(&installation, &["setup"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let directory = installation.path("admin").display().to_string();
    let again = run(&installation, &["setup", "--admin", "admin", "--admin-dir", &directory]);
    let text = String::from_utf8_lossy(&again.stderr);
    assert!(again.status.code() == Some(1) && text.contains("exists already"), "{text}");
    let device = run(&installation, &["setup", "--admin", "signetd", "--admin-dir", "/nonexistent/x"]);
    assert_eq!(device.status.code(), Some(1));
    assert_eq!(before, (read("server/tls/server.key"), read("admin/admin.key"), read("admin/admin.pem")));
    let daemon = Daemon::start(&installation);
    client(daemon.tls, &installation.root(), Some(installation.administrator())).whoami().await.unwrap();
}
