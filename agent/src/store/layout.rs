//! What lies in the directory, and what a crash has left to do.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use signet_keys::files::{FileError, read_limited};

use super::generation::{Generation, KEY, MAX_FILE, STATE};
use super::steps::Step;
use super::{SecretBytes, StoreError, trust};

/// One look at the directory.
#[derive(Debug)]
pub(super) struct Listing {
    current: Option<u32>,
    generations: BTreeMap<u32, Condition>,
    requests: Vec<String>,
    /// Request keys that became the key in use.
    served: Vec<String>,
    leftovers: Vec<String>,
    missing_links: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Whole,
    /// `state.json` was never written.
    Unfinished,
    /// Finished once and not readable now. Left alone, for a person to look at.
    Damaged,
}

impl Listing {
    pub(super) fn read(dir: &Path) -> Result<Listing, StoreError> {
        let mut listing = Listing {
            current: link(dir, CURRENT)?
                .map(|t| generation_number(&t).ok_or(StoreError::Obstacle(dir.join(CURRENT))))
                .transpose()?,
            generations: BTreeMap::new(),
            requests: Vec::new(),
            served: Vec::new(),
            leftovers: Vec::new(),
            missing_links: Vec::new(),
        };
        for name in LINKS {
            match link(dir, name)? {
                None => listing.missing_links.push(name),
                Some(target) if target == format!("{CURRENT}/{name}") || trust::is_link(name, &target) => {}
                Some(_) => return Err(StoreError::Obstacle(dir.join(name))),
            }
        }
        for entry in fs::read_dir(dir).map_err(|e| failed(dir, e))? {
            let entry = entry.map_err(|e| failed(dir, e))?;
            // Names of ours are ASCII; others are none of our business.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let kind = entry.file_type().map_err(|e| failed(&entry.path(), e))?;
            if let Some(number) = generation_number(&name) {
                if !kind.is_dir() {
                    return Err(StoreError::Obstacle(entry.path()));
                }
                listing.generations.insert(number, condition(dir, number));
            } else if name.starts_with(REQUEST_PREFIX) && kind.is_file() {
                listing.requests.push(name);
            } else if name.starts_with(FILE_PREFIX) && name.ends_with(".tmp") && kind.is_file()
                || name.starts_with(LINK_PREFIX) && kind.is_symlink()
            {
                listing.leftovers.push(name);
            }
        }
        listing.served = listing.served_requests(dir);
        Ok(listing)
    }

    pub(super) fn current(&self) -> Option<u32> {
        self.current
    }

    pub(super) fn older(&self) -> Vec<u32> {
        let Some(current) = self.current else { return Vec::new() };
        self.generations.keys().copied().filter(|n| *n < current).collect()
    }

    pub(super) fn next_number(&self) -> u32 {
        let highest = self.generations.keys().next_back().copied().unwrap_or(0);
        highest.max(self.current.unwrap_or(0)) + 1
    }

    pub(super) fn missing_links(&self) -> impl Iterator<Item = Step> {
        self.missing_links.iter().map(|name| Step::Point { link: (*name).into(), target: format!("{CURRENT}/{name}") })
    }

    /// What an interrupted run has left to do; nothing, usually.
    pub(super) fn recovery(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = self.leftovers.iter().cloned().map(Step::RemoveFile).collect();
        let newest = self.generations.iter().rev().find(|(_, c)| **c == Condition::Whole).map(|(n, _)| *n);
        let target = newest.max(self.current);
        if let Some(number) = target.filter(|_| target != self.current) {
            steps.push(Step::Point { link: CURRENT.into(), target: generation_name(number) });
        }
        let unfinished =
            |(n, c): (&u32, &Condition)| (*c == Condition::Unfinished && Some(*n) != self.current).then_some(*n);
        steps.extend(self.generations.iter().filter_map(unfinished).map(|n| Step::RemoveDir(generation_name(n))));
        if target.is_some() {
            steps.extend(self.missing_links());
        }
        steps.extend(self.served.iter().cloned().map(Step::RemoveFile));
        // A renewal of a generation that is not in use any more leads nowhere.
        let stale = |name: &&String| is_renewal(name) && target.map(renewal_name).as_ref() != Some(name);
        steps.extend(self.requests.iter().filter(stale).cloned().map(Step::RemoveFile));
        steps
    }

    /// The request key's file holds the same text as the key of the generation that came of it.
    fn served_requests(&self, dir: &Path) -> Vec<String> {
        let content = |path: PathBuf| read_limited(&path, MAX_FILE).ok().map(SecretBytes::new);
        let keys: Vec<SecretBytes> = self
            .generations
            .iter()
            .filter(|(_, c)| **c == Condition::Whole)
            .filter_map(|(n, _)| content(dir.join(generation_name(*n)).join(KEY)))
            .collect();
        let is_served = |name: &&String| content(dir.join(name)).is_some_and(|key| keys.contains(&key));
        self.requests.iter().filter(is_served).cloned().collect()
    }
}

pub(super) fn generation_name(number: u32) -> String {
    format!("{GENERATION_PREFIX}{number:04}")
}

pub(super) fn renewal_name(generation: u32) -> String {
    format!("{REQUEST_PREFIX}renew-{generation:04}.key")
}

fn is_renewal(name: &str) -> bool {
    name.strip_prefix(REQUEST_PREFIX).is_some_and(|rest| rest.starts_with("renew-"))
}

/// Only the exact names that we write.
fn generation_number(name: &str) -> Option<u32> {
    let number = name.strip_prefix(GENERATION_PREFIX)?.parse().ok()?;
    (generation_name(number) == name).then_some(number)
}

fn condition(dir: &Path, number: u32) -> Condition {
    match Generation::load(dir, number) {
        Ok(_) => Condition::Whole,
        Err(_) if dir.join(generation_name(number)).join(STATE).exists() => Condition::Damaged,
        Err(_) => Condition::Unfinished,
    }
}

/// The target of a link of ours; anything that is no link stands in the way.
fn link(dir: &Path, name: &str) -> Result<Option<String>, StoreError> {
    let path = dir.join(name);
    match fs::read_link(&path) {
        Ok(target) => target.into_os_string().into_string().map(Some).map_err(|_| StoreError::Obstacle(path)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Err(StoreError::Obstacle(path)),
        Err(e) => Err(failed(&path, e)),
    }
}

fn failed(path: &Path, source: io::Error) -> StoreError {
    StoreError::File(FileError::Io { path: path.to_owned(), source })
}

pub(super) const CURRENT: &str = "current";
pub(super) const REQUEST_PREFIX: &str = "request-";
/// Of links that were not renamed into place.
pub(super) const LINK_PREFIX: &str = ".new-";
const GENERATION_PREFIX: &str = "gen-";
/// Of files that `signet_keys::files` did not rename into place.
const FILE_PREFIX: &str = ".signet-";
const LINKS: [&str; 4] = ["device.key", "device.pem", "issuer.pem", "roots.pem"];
