//! A directory with a CA in it and the service running, as the quick start leaves it.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use crate::binaries;

pub(crate) struct Site {
    dir: TempDir,
    tls: u16,
    plain: u16,
    service: Option<Child>,
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Site {
    /// `ca init` and `signetd run`.
    pub(crate) fn running() -> Site {
        let mut site = Site::prepared();
        site.start();
        site
    }

    /// `ca init` alone.
    pub(crate) fn prepared() -> Site {
        let [tls, plain, local] = [free_port(), free_port(), free_port()];
        let site = Site { dir: tempfile::tempdir().unwrap(), tls, plain, service: None };
        site.write("passphrase", "a horse that is right\n");
        let ports = format!("--tls-port {tls} --plain-port {plain} --local-port {local}");
        site.ca(&format!("init acme --name Acme --trust-domain acme.example --passphrase-file passphrase {ports}"))
            .succeeded();
        site
    }

    pub(crate) fn start(&mut self) {
        let mut command = self.command(binaries::path("signetd").to_str().unwrap());
        command.args(["run", "--config", "acme/server/signet.toml"]).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        loop {
            let line = lines.next().unwrap_or_else(|| panic!("the service ended: {said:#?}")).unwrap();
            if line.contains(" ready ") {
                break;
            }
            said.push(line);
        }
        // Whatever it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        self.service = Some(child);
    }

    /// As a service manager ends it; the exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut child = self.service.take().unwrap();
        let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        child.wait().unwrap().code()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.tls)
    }

    /// Of the lists.
    pub(crate) fn plain_url(&self) -> String {
        format!("http://localhost:{}", self.plain)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn ca(&self, line: &str) -> Run {
        self.run("ca", line)
    }

    pub(crate) fn agent(&self, line: &str) -> Run {
        self.run("signet-agent", line)
    }

    pub(crate) fn signetd(&self, line: &str) -> Run {
        self.run("signetd", line)
    }

    /// `ca` beside everything else; what it says to standard output can be read as it comes.
    pub(crate) fn ca_in_background(&self, line: &str) -> Child {
        let mut command = self.command(binaries::path("ca").to_str().unwrap());
        command.args(line.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn run(&self, program: &str, line: &str) -> Run {
        let mut command = self.command(binaries::path(program).to_str().unwrap());
        command.args(line.split_whitespace());
        finish(command)
    }

    /// A script of bash in a directory below this one.
    pub(crate) fn bash(&self, folder: &str, script: &str) -> Run {
        let mut command = self.command("bash");
        command.current_dir(self.path(folder)).args(["-c", script]);
        finish(command)
    }

    /// What `ca token create` gives for a device.
    pub(crate) fn link(&self, device: &str) -> String {
        self.ca(&format!("token create --device {device} --format link")).succeeded().stdout
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:{}", binaries::dir().display(), std::env::var("PATH").unwrap_or_default());
        command.current_dir(self.dir.path()).stdin(Stdio::null()).env("PATH", path);
        command.env("HOME", self.dir.path()).env("SIGNET_ADMIN", self.path("acme/admin"));
        command
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(mut child) = self.service.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Run {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Run {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// An answer to look at, and an error with these words.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, words: &str) {
        assert!(self.code == code && !self.stdout.is_empty() && self.stderr.contains(words), "{self:?}");
    }

    /// One sentence of error with these words, and a hint.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, words: &str) {
        assert_eq!(self.code, code, "{self:?}");
        let line = |kind: &str| self.stderr.lines().any(|l| l.contains(&format!(": {kind}: ")));
        assert!(line("error") && line("hint"), "{self:?}");
        assert!(self.stderr.contains(words), "{words:?} is not in {self:?}");
        assert!(self.stdout.is_empty(), "a refusal is no data: {self:?}");
    }
}

pub(crate) fn finish(mut command: Command) -> Run {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Configurations need the number in advance. It lies below the range of outgoing connections, and no two tests of this
/// process get the same.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 12_000 + (std::process::id() % 80) as u16 * 100;
    loop {
        let port = start + NEXT.fetch_add(1, Ordering::SeqCst);
        assert!(port < 32_000, "no port is free");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The fenced block under a marker of the README.
pub(crate) fn readme_block(marker: &str) -> String {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let after =
        readme.split(&format!("<!-- test:{marker} -->\n```")).nth(1).unwrap_or_else(|| panic!("no block {marker}"));
    let (_language, block) = after.split_once('\n').unwrap();
    block.split("\n```\n").next().unwrap().to_owned() + "\n"
}
