//! A temporary desk on which the program is run.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) struct Desk(TempDir);

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Desk {
    /// With passphrases for root (`root.pass`) and issuer (`issuer.pass`).
    pub(crate) fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        desk.write("root.pass", "correct horse\n");
        desk.write("issuer.pass", "battery staple\n");
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// Names in a directory, sorted.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(name)).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Every file of a directory with its content: what must not change when a command refuses.
    pub(crate) fn snapshot(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        self.list(name).into_iter().map(|n| (n.clone(), self.read(&format!("{name}/{n}")))).collect()
    }

    /// Runs `ca` with these arguments, split at blanks, and with nothing to read from.
    pub(crate) fn ca(&self, arguments: &str) -> Run {
        self.ca_answering("", arguments)
    }

    pub(crate) fn ca_answering(&self, answer: &str, arguments: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ca"));
        command.args(arguments.split(' '));
        self.run(command, answer)
    }

    pub(crate) fn run(&self, mut command: Command, answer: &str) -> Run {
        let piped =
            command.current_dir(self.0.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        // The program may refuse without reading its input.
        let _ = child.stdin.take().unwrap().write_all(answer.as_bytes());
        Run::from(child.wait_with_output().unwrap())
    }

    /// None where no openssl is installed: it is an outside opinion, not a part of the project.
    pub(crate) fn openssl(&self, arguments: &str) -> Option<Run> {
        Command::new("openssl").arg("version").output().ok()?;
        let mut command = Command::new("openssl");
        command.args(arguments.split(' '));
        Some(self.run(command, ""))
    }

    pub(crate) fn with_root(self) -> Desk {
        self.ca("root init --dir root --name Acme --crl-url http://ca.acme.example/crl/root.crl --passphrase-file root.pass")
            .succeeded();
        self
    }

    pub(crate) fn with_request(self) -> Desk {
        self.ca("issuer request --dir issuer --name Issuing --passphrase-file issuer.pass").succeeded();
        self
    }

    pub(crate) fn with_issuer(self) -> Desk {
        let desk = self.with_root().with_request();
        desk.ca(SIGN).succeeded();
        desk
    }

    /// The serial of the only issuer of the root.
    pub(crate) fn issuer_serial(&self) -> String {
        self.ca("root show --certificate issuer.pem").succeeded().field("serial")
    }
}

impl Run {
    fn from(output: Output) -> Run {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Run {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// The exit code, a part of the sentence, and that there is a hint. Nothing may stand on stdout.
    #[track_caller]
    pub(crate) fn refused(self, code: i32, sentence: &str) -> Run {
        assert_eq!(self.code, code, "{self:?}");
        let error = self.stderr.lines().find_map(|l| l.strip_prefix("ca: error: ")).unwrap_or_default();
        assert!(error.contains(sentence), "{sentence:?} is not in {self:?}");
        assert!(self.stderr.lines().any(|l| l.starts_with("ca: hint: ")), "no hint in {self:?}");
        assert_eq!(self.stdout, "");
        self
    }

    /// Refused by the argument parser, which has a form of its own.
    #[track_caller]
    pub(crate) fn usage(self, sentence: &str) -> Run {
        assert_eq!(self.code, 2, "{self:?}");
        assert!(self.stderr.contains(sentence), "{sentence:?} is not in {self:?}");
        self
    }

    /// The value of a row such as `serial   4f00…` on stdout.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> String {
        let row = self.stdout.lines().find_map(|l| l.strip_prefix(name));
        row.unwrap_or_else(|| panic!("no {name} in {self:?}")).trim().to_owned()
    }
}

pub(crate) fn mode(path: impl AsRef<Path>) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// `ca`, under a shell that sets limits first.
pub(crate) fn limited(limits: &str, arguments: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{limits}; exec \"$0\" \"$@\"")).arg(OsStr::new(env!("CARGO_BIN_EXE_ca")));
    command.args(arguments.split(' '));
    command
}

pub(crate) const SIGN: &str =
    "root sign --dir root --request issuer/issuer.csr --out issuer.pem --yes --passphrase-file root.pass";
pub(crate) const INSTALL: &str =
    "issuer install --dir issuer --certificate issuer.pem --root root/root.pem --root-crl root/root.crl --yes";
