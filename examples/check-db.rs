//! Reads a database with rules of its own, and says what is wrong with it.
//!
//! `cargo run --example check-db -- signet.db [issuer/issuer.pem …]`; without certificates, the one that `ca init` puts
//! beside the database. A directory among them is the archive of its audit log. Exit 0: nothing found, 1: violations, 2: it could not be read.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use signet_pki::pem;

#[path = "../tests/checker/mod.rs"]
mod checker;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(database) = arguments.next() else {
        eprintln!("check-db: error: no database named");
        eprintln!("check-db: hint: check-db signet.db [issuer/issuer.pem …]");
        return ExitCode::from(2);
    };
    let (mut archives, mut named): (Vec<PathBuf>, Vec<PathBuf>) = arguments.partition(|path| path.is_dir());
    if named.is_empty() {
        named.push(database.parent().unwrap_or(Path::new("")).join("issuer/issuer.pem"));
    }
    match run(&database, archives.pop().as_deref(), &named) {
        Err(error) => {
            eprintln!("check-db: error: {error:#}");
            eprintln!("check-db: hint: name the database and the certificate of every issuer that signed for it");
            ExitCode::from(2)
        }
        Ok(found) if found.is_empty() => {
            println!("{}: nothing wrong", database.display());
            ExitCode::SUCCESS
        }
        Ok(found) => {
            found.iter().for_each(|sentence| println!("{sentence}"));
            ExitCode::FAILURE
        }
    }
}

fn run(database: &Path, archive: Option<&Path>, issuers: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let mut certificates = Vec::new();
    for path in issuers {
        let text = std::fs::read(path).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
        certificates.extend(pem::certificates(&text)?);
    }
    checker::violations(database, archive, &certificates).map_err(|e| anyhow::anyhow!("{}: {e}", database.display()))
}
