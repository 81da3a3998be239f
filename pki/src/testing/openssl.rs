//! OpenSSL's command line as a second opinion. It must be installed: a missing one fails the test.

use std::path::Path;
use std::process::Command;

/// Runs `openssl` in `directory`; `(success, stdout and stderr together)`.
pub(crate) fn openssl(directory: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").args(arguments).current_dir(directory).output();
    let output = output.expect("the openssl command is needed for this test");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}
