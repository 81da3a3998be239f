//! The trust bundle that is held, and what other programs read of it.
//!
//! It has a directory and a switch of its own, because roots change less often than certificates: `trust` points to
//! `trust-0003`, and `roots.pem` and `bundle.pem` point through it. A stop between writing and switching leaves the bundle
//! before in force, and the next run takes the unfinished directory away.

use std::fs;
use std::path::Path;

use signet_keys::files::{Mode, read_limited};
use signet_pki::bundle::{Bundle, Held, MAX_BYTES};
use signet_pki::ca::IssuerCert;
use signet_pki::pem::{self, Label};
use zeroize::Zeroizing;

use super::StoreError;
use super::layout::CURRENT;
use super::steps::Step;

/// The bundle behind the switch. Its signatures were checked before it was written.
pub(super) fn held(dir: &Path) -> Result<Option<Held>, StoreError> {
    let Some(sequence) = switched_to(dir) else { return Ok(None) };
    let path = dir.join(dir_name(sequence)).join(BUNDLE);
    let damaged = |why: String| StoreError::Damaged { path: path.clone(), why };
    let bytes = read_limited(&path, MAX_BYTES).map_err(|e| damaged(e.to_string()))?;
    let bundle = Bundle::parse(&bytes).map_err(|e| damaged(e.to_string()))?;
    if bundle.sequence() != sequence {
        return Err(damaged("it is another bundle than its directory says".into()));
    }
    Ok(Some(Held::verified_before(bundle)))
}

/// Written whole, then switched to, then the one before goes.
pub(super) fn adoption(dir: &Path, held: &Held) -> Result<Vec<Step>, StoreError> {
    for name in [SWITCH, BUNDLE_PEM] {
        // Somebody's own file of that name is not renamed over.
        let path = dir.join(name);
        if path.symlink_metadata().is_ok_and(|found| !found.is_symlink()) {
            return Err(StoreError::Obstacle(path));
        }
    }
    let bundle = held.bundle();
    let own = dir_name(bundle.sequence());
    let write = |name: &str, bytes: &[u8]| Step::Write {
        name: format!("{own}/{name}"),
        bytes: Zeroizing::new(bytes.to_vec()),
        mode: Mode::Public,
    };
    let text =
        |all: &[IssuerCert]| -> String { all.iter().map(|c| pem::encode(Label::Certificate, c.der())).collect() };
    let roots = text(bundle.roots());
    let mut steps = vec![
        Step::MakeDir(own.clone()),
        write(ROOTS_PEM, roots.as_bytes()),
        write(BUNDLE_PEM, (roots.clone() + &text(bundle.issuers())).as_bytes()),
        write(BUNDLE, bundle.der()),
        Step::Point { link: SWITCH.into(), target: own.clone() },
    ];
    steps.extend(links());
    steps.extend(dirs(dir).into_iter().filter(|name| *name != own).map(Step::RemoveDir));
    Ok(steps)
}

/// Back to the root of the generation alone. Each step leaves a directory that can be used.
pub(super) fn removal(dir: &Path) -> Vec<Step> {
    if switched_to(dir).is_none() {
        return Vec::new();
    }
    let mut steps = vec![
        Step::RemoveFile(SWITCH.into()),
        Step::Point { link: ROOTS_PEM.into(), target: format!("{CURRENT}/{ROOTS_PEM}") },
        Step::RemoveFile(BUNDLE_PEM.into()),
    ];
    steps.extend(dirs(dir).into_iter().map(Step::RemoveDir));
    steps
}

/// What a stop has left to do.
pub(super) fn recovery(dir: &Path) -> Vec<Step> {
    let switched = switched_to(dir);
    let leads = |name: &str| fs::read_link(dir.join(name)).ok().and_then(|t| t.into_os_string().into_string().ok());
    let through = |name: &str| format!("{SWITCH}/{name}");
    let mut steps: Vec<Step> = match switched {
        Some(_) => links()
            .filter(|step| !matches!(step, Step::Point { link, target } if leads(link) == Some(target.clone())))
            .collect(),
        None => Vec::new(),
    };
    if switched.is_none() && leads(ROOTS_PEM) == Some(through(ROOTS_PEM)) {
        steps.push(Step::Point { link: ROOTS_PEM.into(), target: format!("{CURRENT}/{ROOTS_PEM}") });
    }
    if switched.is_none() && leads(BUNDLE_PEM) == Some(through(BUNDLE_PEM)) {
        steps.push(Step::RemoveFile(BUNDLE_PEM.into()));
    }
    let in_use = switched.map(dir_name);
    steps.extend(dirs(dir).into_iter().filter(|name| Some(name) != in_use.as_ref()).map(Step::RemoveDir));
    steps
}

/// Whether `roots.pem` is a link of ours that leads through the switch.
pub(super) fn is_link(name: &str, target: &str) -> bool {
    name == ROOTS_PEM && target == format!("{SWITCH}/{ROOTS_PEM}")
}

fn links() -> impl Iterator<Item = Step> {
    [ROOTS_PEM, BUNDLE_PEM]
        .into_iter()
        .map(|name| Step::Point { link: name.into(), target: format!("{SWITCH}/{name}") })
}

fn switched_to(dir: &Path) -> Option<u64> {
    let target = fs::read_link(dir.join(SWITCH)).ok()?;
    sequence_of(target.to_str()?)
}

/// Directories that have names of ours.
fn dirs(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).into_iter().flatten().flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
    let mut names: Vec<String> = names.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.retain(|name| sequence_of(name).is_some());
    names.sort();
    names
}

fn dir_name(sequence: u64) -> String {
    format!("{SWITCH}-{sequence:04}")
}

fn sequence_of(name: &str) -> Option<u64> {
    let sequence = name.strip_prefix(SWITCH)?.strip_prefix('-')?.parse().ok()?;
    (dir_name(sequence) == name).then_some(sequence)
}

const SWITCH: &str = "trust";
const BUNDLE: &str = "bundle.der";
const ROOTS_PEM: &str = "roots.pem";
const BUNDLE_PEM: &str = "bundle.pem";

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
