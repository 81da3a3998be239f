//! Where the programs are. Cargo builds `signetd` for these tests; the other two lie beside it, or are built once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The directory that holds all three.
pub(crate) fn dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = Path::new(env!("CARGO_BIN_EXE_signetd")).parent().unwrap().to_owned();
        let newest = newest_source();
        let current = |name: &str| modified(&dir.join(name)).is_some_and(|built| built >= newest);
        if !current("ca") || !current("signet-agent") {
            build(&dir);
        }
        dir
    })
}

pub(crate) fn path(name: &str) -> PathBuf {
    dir().join(name)
}

/// The benchmark, which is built for the one test that asks for it.
pub(crate) fn bench() -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["build", "--quiet", "--locked", "-p", "signet-bench"]);
    if dir().ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "signet-bench could not be built");
    path("signet-bench")
}

fn build(dir: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["build", "--quiet", "--locked", "-p", "signet-ca", "-p", "signet-agent"]);
    if dir.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "ca and signet-agent could not be built");
    assert!(dir.join("ca").exists() && dir.join("signet-agent").exists(), "they were built elsewhere than {dir:?}");
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn newest_source() -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    for folder in ["pki", "keys", "api", "sync", "ca", "agent"] {
        for inner in ["src", "templates"] {
            visit(&root().join(folder).join(inner), &mut newest);
        }
    }
    newest
}

fn visit(dir: &Path, newest: &mut SystemTime) {
    for entry in dir.read_dir().into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            visit(&path, newest);
        } else if !path.to_string_lossy().ends_with("_tests.rs") {
            *newest = modified(&path).unwrap_or(*newest).max(*newest);
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}
