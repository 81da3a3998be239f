//! Telling services that their files have changed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signet_keys::files;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::report::{Outcome, Problem};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reload {
    Hook {
        /// For `/bin/sh -c`.
        command: String,
        /// Seconds.
        timeout: u64,
    },
    Signal(SignalTarget),
    /// The admin socket.
    Haproxy(PathBuf),
}

/// `PIDFILE:SIGNAL`, where SIGNAL is one that services read their files again on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalTarget {
    pid_file: PathBuf,
    name: &'static str,
}

impl FromStr for SignalTarget {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<SignalTarget, Self::Err> {
        let wrong = "write a file and HUP, USR1 or USR2, for example /run/nginx.pid:HUP";
        let (file, name) = text.rsplit_once(':').ok_or(wrong)?;
        let name = ["HUP", "USR1", "USR2"].into_iter().find(|known| *known == name.trim_start_matches("SIG"));
        match (file.is_empty(), name) {
            (false, Some(name)) => Ok(SignalTarget { pid_file: file.into(), name }),
            _ => Err(wrong),
        }
    }
}

impl Reload {
    /// `lists` is the file under the name that the service has in its configuration, and what it holds now.
    pub(crate) async fn run(&self, file: &Path, lists: &[u8]) -> Result<(), Problem> {
        match self {
            Reload::Hook { command, timeout } => run_hook(command, Duration::from_secs(*timeout), file).await,
            Reload::Signal(target) => target.send(),
            Reload::Haproxy(socket) => update_haproxy(socket, file, lists).await,
        }
    }
}

async fn run_hook(command: &str, limit: Duration, file: &Path) -> Result<(), Problem> {
    let failed = |why: String| {
        let hint = "it runs again in the next round; try it by hand as the same user";
        Problem::new(Outcome::Unreachable, "hook_failed", format!("the hook {why}"), hint)
    };
    // stdout is for data of ours.
    let output = || -> io::Result<OwnedFd> { io::stderr().as_fd().try_clone_to_owned() };
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).env("SIGNET_CRL", file).stdin(Stdio::null()).process_group(0);
    let started = output().and_then(|stderr| shell.stdout(Stdio::from(stderr)).spawn());
    let mut child = started.map_err(|e| failed(format!("could not be started: {e}")))?;
    match wait(&mut child, limit).await {
        Ok(Some(status)) if status.success() => Ok(()),
        Ok(Some(status)) => Err(failed(format!("failed ({status})"))),
        Ok(None) => Err(failed(format!("took longer than {} s and was ended", limit.as_secs()))),
        Err(e) => Err(failed(format!("could not be waited for: {e}"))),
    }
}

/// `None` when it had to be ended, with everything that it had started.
async fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let polled = async {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(POLL).await;
        }
    };
    if let Ok(status) = timeout(limit, polled).await {
        return status.map(Some);
    }
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended by itself just now.
        let _ = kill_process_group(group, Signal::KILL);
    }
    child.wait().map(|_| None)
}

impl SignalTarget {
    fn send(&self) -> Result<(), Problem> {
        let failed = |why: String| {
            let hint = "is the service running, and is this its file? it is signalled again in the next round";
            Problem::new(Outcome::Unreachable, "signal_failed", why, hint)
        };
        let file = self.pid_file.display();
        let bytes = files::read_limited(&self.pid_file, 64).map_err(|e| failed(e.to_string()))?;
        let number = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse::<i32>().ok());
        // 0 and negative numbers are groups, and 1 is never the service that reads this file.
        let pid = number.filter(|number| *number > 1).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| failed(format!("{file} does not hold the number of a process")))?;
        let signal = match self.name {
            "HUP" => Signal::HUP,
            "USR1" => Signal::USR1,
            _ => Signal::USR2,
        };
        kill_process(pid, signal).map_err(|e| failed(format!("the process of {file} cannot be signalled: {e}")))
    }
}

/// HAProxy 2.5 and later: a transaction, so that the running process has the old lists or the new ones.
async fn update_haproxy(socket: &Path, file: &Path, lists: &[u8]) -> Result<(), Problem> {
    let failed = |why: String| {
        let hint = "is the file under this very name a crl-file of HAProxy? large lists need a larger tune.bufsize; \
                    or reload it: --hook 'systemctl reload haproxy'";
        Problem::new(Outcome::Unreachable, "haproxy_failed", format!("HAProxy at {}: {why}", socket.display()), hint)
    };
    let name = file.display().to_string();
    if name.contains(char::is_whitespace) {
        return Err(failed("the file's name has a space, which its commands cannot carry".into()));
    }
    // An empty line ends the payload; PEM has none.
    let set = [format!("set ssl crl-file {name} <<\n").as_bytes(), lists, b"\n"].concat();
    let answer = ask(socket, &set).await.map_err(|e| failed(e.to_string()))?;
    if !answer.to_ascii_lowercase().contains("transaction") {
        return Err(failed(first_line(&answer)));
    }
    let answer = ask(socket, format!("commit ssl crl-file {name}\n").as_bytes()).await;
    let answer = answer.map_err(|e| failed(e.to_string()))?;
    if answer.contains("Success") {
        return Ok(());
    }
    // The transaction would stand in the way of the next one.
    let _ = ask(socket, format!("abort ssl crl-file {name}\n").as_bytes()).await;
    Err(failed(first_line(&answer)))
}

/// One command over one connection, as HAProxy wants it, and what it says.
async fn ask(socket: &Path, command: &[u8]) -> io::Result<String> {
    let exchange = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(command).await?;
        let mut answer = Vec::new();
        (&mut stream).take(MAX_SAID).read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it says nothing");
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

const POLL: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);
/// Octets of an answer; it is a line or two.
const MAX_SAID: u64 = 64 * 1024;

#[cfg(test)]
#[path = "reload_tests.rs"]
mod tests;
