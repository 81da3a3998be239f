//! The files of the project, without what was built.

use std::fs;
use std::path::{Path, PathBuf};

/// A file with its path from the root of the workspace.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every file of this ending, sorted.
pub(crate) fn all(ending: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    walk(root(), &mut paths);
    let wanted = paths.into_iter().filter(|p| p.to_string_lossy().ends_with(ending));
    let mut sources: Vec<Source> = wanted
        .map(|path| Source {
            path: path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(),
            text: fs::read_to_string(&path).unwrap(),
        })
        .collect();
    assert!(!sources.is_empty(), "no file ends in {ending}");
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let built = entry.path().join("CACHEDIR.TAG").exists() || ["target", "corpus", "artifacts"].contains(&&*name);
        match entry.file_type().unwrap() {
            kind if kind.is_dir() && !built && !name.starts_with('.') => walk(&entry.path(), out),
            kind if kind.is_file() => out.push(entry.path()),
            _ => {}
        }
    }
}

impl Source {
    /// Compiled for tests only.
    pub(crate) fn is_test(&self) -> bool {
        let stem = self.path.trim_end_matches(".rs");
        let folder =
            |name: &str| self.path.starts_with(&format!("{name}/")) || self.path.contains(&format!("/{name}/"));
        ["tests", "_tests", "testing"].iter().any(|end| stem.ends_with(end))
            || ["tests", "testing", "examples", "fuzz"].iter().any(|name| folder(name))
            || TEST_HELPERS.contains(&self.path.as_str())
    }

    /// The lines that are code of the product: without inline tests and comments.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let lines = self.text[..tests].lines().enumerate().map(|(number, line)| (number + 1, without_comment(line)));
        lines.filter(|(_, line)| !line.trim().is_empty())
    }
}

/// Also cuts strings that hold `//`, which harms nothing here: what is looked for are names of items.
fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

/// Modules of unit tests whose names do not say so.
const TEST_HELPERS: &[&str] = &[
    "agent/src/fake_server.rs",
    "agent/src/fake_server/wire.rs",
    "api/src/client/test_server.rs",
    "keys/src/contract.rs",
];

#[test]
fn the_helpers_that_are_named_exist() {
    for path in TEST_HELPERS {
        read(path);
    }
}
