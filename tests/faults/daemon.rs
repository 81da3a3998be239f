//! The real `signetd`, as a process that can be killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::Installation;

/// Set-up that a fault test wants of its service: no rates in the way of a herd from one address.
pub(crate) const NO_RATES: &str = "[admission]\nenrollments_per_second = 100000\nenrollment_burst = 100000\n";

pub(crate) struct Daemon {
    child: Child,
    pub(crate) tls: SocketAddr,
    pub(crate) plain: SocketAddr,
    pub(crate) local: SocketAddr,
    log: Arc<Log>,
}

/// What the process says, line by line, as it says it.
#[derive(Default)]
struct Log {
    said: Mutex<Said>,
    news: Condvar,
}

#[derive(Default)]
struct Said {
    lines: Vec<String>,
    ended: bool,
}

impl Daemon {
    /// Returns when the process says that it is ready.
    pub(crate) fn start(installation: &Installation) -> Daemon {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signetd"));
        command.args(["run", "--config"]).arg(installation.config_path());
        Daemon::run(command).unwrap_or_else(|log| panic!("signetd did not start:\n{log}"))
    }

    /// The same below a shell that changes something about the process first.
    pub(crate) fn start_below(before: &str, installation: &Installation) -> Daemon {
        Daemon::try_start_below(before, installation).unwrap_or_else(|log| panic!("signetd did not start:\n{log}"))
    }

    /// Or what it said when it did not start.
    pub(crate) fn try_start_below(before: &str, installation: &Installation) -> Result<Daemon, String> {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{before}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_signetd"), "run", "--config"]);
        command.arg(installation.config_path());
        Daemon::run(command)
    }

    /// What a process says that must not start.
    pub(crate) fn refused(installation: &Installation) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signetd"));
        command.args(["run", "--config"]).arg(installation.config_path());
        Daemon::run(command).err().expect("it started")
    }

    fn run(mut command: Command) -> Result<Daemon, String> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Log::default());
        let (writer, stderr) = (log.clone(), child.stderr.take().unwrap());
        std::thread::spawn(move || writer.follow(BufReader::new(stderr)));
        let Some(ready) = log.wait_for("ready tls=") else {
            let _ = child.wait();
            return Err(log.text());
        };
        let address = |key: &str| {
            let tail = ready.split(&format!(" {key}=")).nth(1).unwrap_or_else(|| panic!("{ready}"));
            tail.split_whitespace().next().unwrap().parse().unwrap()
        };
        Ok(Daemon { child, tls: address("tls"), plain: address("plain"), local: address("local"), log })
    }

    /// SIGKILL: nothing is flushed, closed or said.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Waits for the end; exit status and everything that was said.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        self.log.wait_for("\0");
        (status, self.log.text())
    }

    /// SIGTERM, and an end in order.
    pub(crate) fn stop(self) {
        self.terminate();
        let (status, log) = self.ended();
        assert!(status.success(), "{status}:\n{log}");
    }

    pub(crate) fn wait_for(&self, text: &str) {
        assert!(self.log.wait_for(text).is_some(), "it never said {text:?}:\n{}", self.log.text());
    }
}

/// A test that fails leaves no process behind.
impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Log {
    fn follow(&self, stream: impl BufRead) {
        for line in stream.lines().map_while(Result::ok) {
            self.said.lock().unwrap().lines.push(line);
            self.news.notify_all();
        }
        self.said.lock().unwrap().ended = true;
        self.news.notify_all();
    }

    /// The first line with `text`, or `None` when the process ended without one.
    fn wait_for(&self, text: &str) -> Option<String> {
        let mut said = self.said.lock().unwrap();
        loop {
            if let Some(line) = said.lines.iter().find(|line| line.contains(text)) {
                return Some(line.clone());
            }
            if said.ended {
                return None;
            }
            said = self.news.wait(said).unwrap();
        }
    }

    fn text(&self) -> String {
        self.said.lock().unwrap().lines.join("\n")
    }
}
