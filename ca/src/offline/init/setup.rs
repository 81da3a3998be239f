//! The last step of `ca init` is the service's own: it makes database, TLS identity and the first administrator.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::failure::Failure;

pub(super) fn run(dir: &Path, named: Option<&Path>) -> Result<(), Failure> {
    let (config, admin) = (dir.join("server/signet.toml"), dir.join("admin"));
    let program = program(named);
    let by_hand = format!(
        "everything made so far is good; go on with: signetd setup --config {} --admin admin --admin-dir {}",
        config.display(),
        admin.display()
    );
    match start(&program, &config, &admin) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::internal(format!("{} setup failed ({status})", program.display())).hint(by_hand)),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Err(Failure::refused(format!("the service's program {} was not found", program.display())).hint(by_hand))
        }
        Err(e) => Err(Failure::internal(format!("{}: {e}", program.display())).hint(by_hand)),
    }
}

fn start(program: &Path, config: &Path, admin: &Path) -> io::Result<ExitStatus> {
    let arguments = ["--admin", "admin", "--admin-dir"];
    Command::new(program).arg("setup").arg("--config").arg(config).args(arguments).arg(admin).status()
}

/// The one that was named, the one beside this program, or whichever PATH has.
fn program(named: Option<&Path>) -> PathBuf {
    if let Some(named) = named {
        return named.to_owned();
    }
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(NAME)).filter(|path| path.is_file());
    beside.unwrap_or_else(|| PathBuf::from(NAME))
}

const NAME: &str = "signetd";
