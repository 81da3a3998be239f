//! `ca audit verify`: whether the log is whole, in the database, in the archive, and where the two meet.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use signet_api::admin::{AuditArchive, AuditArchiveQuery, AuditEntry, AuditQuery, AuditVerdict, Page};
use signet_pki::ca::IssuerCert;

use crate::failure::Failure;
use crate::online::audit::{AUDIT, PAGE};
use crate::online::audit_archive::{Archive, Checked};
use crate::online::audit_chain::ChainCheck;
use crate::online::audit_note::{MAX_NOTE, Note};
use crate::online::context::At;
use crate::online::service::{self, Service};
use crate::online::{admin_dir, files, print};

/// Check the whole log: the service's own check, and every hash again here
#[derive(Debug, Default, Args)]
#[command(
    after_help = "Examples:\n  ca audit verify\n  ca audit verify --archive /srv/audit\n  ca audit verify --archive copy --offline --root roots.pem"
)]
pub(crate) struct Verify {
    /// Also the files of the archive, and that the database goes on where they end
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// Only the files; the service is not asked
    #[arg(long, requires = "archive")]
    offline: bool,
    /// The roots to trust, PEM; those of the administrator's directory when nothing is said
    #[arg(long, value_name = "FILE", requires = "archive")]
    root: Option<PathBuf>,
    /// A checkpoint that was kept elsewhere: the archive must still hold what it tells of
    #[arg(long, value_name = "FILE", requires = "archive")]
    kept: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

/// What `ca audit verify --json` prints.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// What the service says about itself.
    service: Option<AuditVerdict>,
    intact: bool,
    problem: Option<String>,
    /// Entries that were found in the archive.
    archived: Option<u64>,
    segments: Option<usize>,
    /// The newest entry that was checked here, and the hash of its leaf.
    checked: u64,
    head: String,
}

impl Verify {
    pub(super) fn run(&self, at: &At) -> Result<(), Failure> {
        let archive = match &self.archive {
            None => None,
            Some(directory) => match self.archive(directory, at)? {
                Ok(checked) => Some(checked),
                Err(problem) => return self.tell(Report { problem: Some(problem), ..Report::default() }),
            },
        };
        if let Some(file) = archive.as_ref().and_then(|checked| checked.unfinished.as_ref()) {
            print::note(format!("{file} has no checkpoint: it is not finished, and was left out"));
        }
        match archive {
            Some(checked) if self.offline => self.tell(Report::of(&checked)),
            archive => self.online(&at.open()?, archive.as_ref()),
        }
    }

    fn archive(&self, directory: &Path, at: &At) -> Result<Result<Checked, String>, Failure> {
        let roots: Vec<IssuerCert> = match &self.root {
            Some(file) => admin_dir::roots(file)?,
            None => at.read()?.roots,
        };
        let kept = match &self.kept {
            None => None,
            Some(path) => {
                let note = Note::parse(&files::read_text(path, MAX_NOTE)?);
                let refused = |what: String| Failure::refused(format!("{}: {what}", path.display()));
                Some(note.map_err(|what| refused(what).hint("name a file that ends in .checkpoint"))?)
            }
        };
        let archive = Archive::open(directory)?;
        let issuers = archive.issuers(&roots)?;
        Ok(archive.check(&issuers, kept.as_ref()).map_err(|finding| finding.to_string()))
    }

    fn online(&self, service: &dyn Service, archive: Option<&Checked>) -> Result<(), Failure> {
        for _ in 1..ATTEMPTS {
            let report = attempt(service, archive)?;
            let before = report.service.as_ref().map_or(0, |verdict| verdict.archived);
            // What goes into the archive while it is walked leaves a gap that is none.
            if report.intact || recorded(service, before)?.is_empty() {
                return self.tell(report);
            }
        }
        self.tell(attempt(service, archive)?)
    }

    fn tell(&self, report: Report) -> Result<(), Failure> {
        if self.json {
            print::json(&report)?;
        } else if report.intact {
            let files = report.segments.zip(report.archived);
            let files = files.map(|(files, entries)| format!("  {entries} of them in {files} files"));
            let (entries, head) = (report.checked, &report.head);
            print::data(&format!("intact  {entries} entries{}  head {head}\n", files.unwrap_or_default()))?;
            let unseen = report.service.as_ref().map_or(0, |verdict| verdict.archived);
            if unseen > 0 && report.archived.is_none() {
                print::note(format!("the first {unseen} are archived and were not looked at: use --archive DIR"));
            }
            print::note(
                "keep the head elsewhere: a log that was rewritten as a whole can only be told by an older head",
            );
        }
        match report.problem {
            None => Ok(()),
            Some(problem) => Err(Failure::refused(format!("the audit log is not intact: {problem}"))
                .hint("keep a copy of the database and the archive as they are now, and compare them with a backup")),
        }
    }
}

impl Report {
    fn of(archive: &Checked) -> Report {
        let head = archive.ends.last().map(|(_, hash)| hash.clone()).unwrap_or_default();
        let (archived, segments) = (Some(archive.entries), Some(archive.ends.len()));
        Report { intact: true, archived, segments, checked: archive.entries, head, ..Report::default() }
    }
}

/// One walk from the archive's end to the newest entry.
fn attempt(service: &dyn Service, archive: Option<&Checked>) -> Result<Report, Failure> {
    // Asked first, so that the walk must reach what the service claims now.
    let verdict: AuditVerdict = service::get(service, "/v1/admin/audit/verify")?;
    let mut report = archive.map(Report::of).unwrap_or_default();
    let mut check = ChainCheck::after(verdict.archived, &verdict.anchor);
    let mut problem = None;
    if let Some(archive) = archive {
        problem = meets(archive, &recorded(service, 0)?, &verdict);
        // A segment that was written and not recorded yet ends with an entry that the database still has.
        check = check.must_meet(report.checked, &report.head, "the archive holds");
    }
    check = check.must_meet(verdict.entries, &verdict.head, "the service named");
    if problem.is_none() {
        problem = walk(service, &mut check)?;
    }
    if problem.is_none() && !verdict.intact {
        let at = print::or_dash(verdict.broken_at);
        problem = Some(format!("the service itself says that entry {at} does not fit"));
    }
    (report.checked, report.head) = (check.entries(), check.head().to_owned());
    (report.intact, report.problem, report.service) = (problem.is_none(), problem, Some(verdict));
    Ok(report)
}

/// Every segment that the database remembers is in the archive with the same end.
fn meets(archive: &Checked, recorded: &[(String, u64, String)], verdict: &AuditVerdict) -> Option<String> {
    let held =
        |last: &u64, hash: &String| archive.ends.iter().any(|(end, is)| end == last && is.eq_ignore_ascii_case(hash));
    for (file, last, hash) in recorded {
        if !held(last, hash) {
            return Some(match archive.ends.iter().any(|(end, _)| end == last) {
                true => format!("{file} ends with another entry than the database recorded"),
                false => format!("{file}, which the database recorded, is not in the archive"),
            });
        }
    }
    let anchored = verdict.archived == 0 || held(&verdict.archived, &verdict.anchor);
    (!anchored).then(|| format!("the database goes on from entry {}, which ends no segment", verdict.archived))
}

/// File, last entry and its hash of every segment that ends after a sequence number.
fn recorded(service: &dyn Service, after: u64) -> Result<Vec<(String, u64, String)>, Failure> {
    let (mut all, mut after) = (Vec::new(), after);
    loop {
        let query = AuditArchiveQuery { after: Some(after), limit: Some(PAGE) };
        let page: AuditArchive = service::ask(service, "/v1/admin/audit/archive", &query)?;
        let end = page.segments.last().map(|segment| segment.last).filter(|last| *last > after);
        all.extend(page.segments.into_iter().map(|segment| (segment.file, segment.last, segment.last_hash)));
        match end.filter(|_| page.next.is_some()) {
            Some(last) => after = last,
            None => return Ok(all),
        }
    }
}

/// Pages through the log in the database. The first thing that is wrong ends the walk.
fn walk(service: &dyn Service, check: &mut ChainCheck) -> Result<Option<String>, Failure> {
    loop {
        let query = AuditQuery { after: Some(check.entries()), limit: Some(PAGE), ..AuditQuery::default() };
        let page: Page<AuditEntry> = service::ask(service, AUDIT, &query)?;
        if let Some(problem) = page.items.iter().find_map(|entry| check.push(entry).err()) {
            return Ok(Some(problem));
        }
        // Every entry that was taken moved the sequence on, so this ends.
        if page.items.is_empty() || page.next.is_none() {
            return Ok(check.finish().err());
        }
    }
}

/// A segment is recorded every half hour where there are a million devices.
const ATTEMPTS: usize = 3;

#[cfg(test)]
#[path = "audit_verify_tests.rs"]
mod tests;
