//! `ca audit search`: what became of a device or a request, from the files of the archive alone. One line is held at a time.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use serde_json::Value;
use signet_pki::UnixTime;

use crate::failure::Failure;
use crate::online::audit_archive::Archive;
use crate::online::print;

/// Find entries in the archive of the audit log, the oldest first; what is not archived yet: ca audit tail
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).multiple(true),
    after_help = "Example:\n  ca audit search --archive /srv/audit --subject sensor-17"
)]
pub(crate) struct Search {
    /// The archive, or a copy of it
    #[arg(long, value_name = "DIR")]
    archive: PathBuf,
    /// About this device, token or certificate
    #[arg(long, value_name = "S", group = "what")]
    subject: Option<String>,
    /// Caused by the request with this id
    #[arg(long, value_name = "REQUEST_ID", group = "what")]
    request: Option<String>,
    /// Print the lines as they are in the archive
    #[arg(long)]
    json: bool,
}

impl Search {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut found = 0u64;
        self.each(|line, entry| {
            found += 1;
            print::data(&if self.json { format!("{line}\n") } else { row(entry) })
        })?;
        match found {
            0 => Err(Failure::refused("the archive holds no such entry")
                .hint("what is not archived yet is found with: ca audit tail --subject S, or ca why REQUEST_ID")),
            found => {
                print::note(format!("{found} entries; whether they are genuine tells: ca audit verify --archive DIR"));
                Ok(())
            }
        }
    }

    fn each(&self, mut hit: impl FnMut(&str, &Value) -> Result<(), Failure>) -> Result<(), Failure> {
        let wanted = [("subject", &self.subject), ("request", &self.request)];
        let wanted: Vec<(&str, &str)> =
            wanted.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?))).collect();
        // Most lines are passed over by a look at their bytes.
        let marks: Vec<String> =
            wanted.iter().map(|(key, value)| format!("\"{key}\":{}", Value::from(*value))).collect();
        for segment in Archive::open(&self.archive)?.segments {
            let unreadable = |finding| {
                Failure::refused(format!("{finding}"))
                    .hint("find out how much of it is whole: ca audit verify --archive DIR")
            };
            let mut lines = segment.lines().map_err(unreadable)?;
            while let Some(line) = lines.next().map_err(unreadable)? {
                if !marks.iter().all(|mark| line.contains(mark.as_str())) {
                    continue;
                }
                let entry: Value = serde_json::from_str(&line).unwrap_or_default();
                if wanted.iter().all(|(key, value)| entry[*key].as_str() == Some(value)) {
                    hit(&line, &entry)?;
                }
            }
        }
        Ok(())
    }
}

/// Sequence, time, kind, actor, subject, detail. Widths are not aligned: lines leave as they are found.
fn row(entry: &Value) -> String {
    let text = |key: &str| print::visible(entry[key].as_str().unwrap_or("-"));
    let at = entry["at"].as_i64().map_or_else(|| "-".to_owned(), |at| UnixTime(at).to_string());
    let detail = print::visible(&entry["detail"].to_string());
    format!("{}  {at}  {}  {}  {}  {detail}\n", entry["seq"], text("kind"), text("actor"), text("subject"))
}

#[cfg(test)]
#[path = "audit_search_tests.rs"]
mod tests;
