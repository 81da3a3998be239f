//! What the documents say is so.

use std::collections::BTreeSet;

use crate::only_exceptions;
use crate::sources::{self, Source};

#[test]
fn no_link_in_a_document_is_dead() {
    let mut dead = Vec::new();
    let documents = sources::all(".md");
    for document in &documents {
        for target in links(&document.text) {
            if !leads_somewhere(document, target) {
                dead.push(format!("{}: {target}", document.path));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
    assert!(documents.iter().any(|d| links(&d.text).len() > 3), "no links were found at all");
}

/// The targets of `[text](target)` outside fenced blocks.
fn links(text: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced {
            found.extend(line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target));
        }
    }
    found
}

fn leads_somewhere(document: &Source, target: &str) -> bool {
    if target.contains("://") {
        return true;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = sources::root().join(&document.path).parent().map(|p| p.to_owned()).unwrap_or_default();
    let full = if path.is_empty() { sources::root().join(&document.path) } else { folder.join(path) };
    if !full.exists() || anchor.is_empty() {
        return full.exists();
    }
    std::fs::read_to_string(full).is_ok_and(|text| anchors(&text).contains(anchor))
}

/// Headings as the usual renderers name them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|l| l.starts_with('#')).map(|l| l.trim_start_matches('#').trim().to_lowercase());
    let keep = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    headings.map(|h| h.chars().filter(keep).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn the_readme_lists_every_key_of_the_configuration_and_no_other() {
    let raw = sources::read("src/config/raw.rs");
    // `public_url` of RawConfig, `listen.tls` of RawListen, `profiles.NAME.kind` of RawProfile.
    let mut keys = BTreeSet::new();
    let mut table = "";
    for line in raw.lines() {
        if let Some(name) = line.strip_prefix("pub struct Raw") {
            table = name.trim_end_matches(" {");
        }
        let field = line.trim().strip_prefix("pub ").and_then(|l| l.split_once(": "));
        let Some((name, kind)) = field.filter(|_| line.starts_with("    ")) else { continue };
        if kind.contains("Raw") && table == "Config" {
            continue;
        }
        keys.insert(match table {
            "Config" => name.to_owned(),
            "Profile" => format!("profiles.NAME.{name}"),
            table => format!("{}.{name}", table.to_lowercase()),
        });
    }
    assert!(keys.len() > 20 && keys.contains("listen.tls"), "{keys:?}");
    assert_eq!(first_cells("## Configuration"), keys);
}

#[test]
fn the_readme_lists_every_path_that_is_served_and_no_other() {
    let mut served = BTreeSet::new();
    for source in sources::all(".rs").iter().filter(|s| s.path.starts_with("src/http/")) {
        let code: String = source.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let routes = code.split(".route(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
        served.extend(routes.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    assert!(served.len() > 20, "{served:?}");
    let listed: BTreeSet<String> = first_cells("## HTTP").iter().flat_map(|cell| spread(cell)).collect();
    only_exceptions(&served, &listed);
}

/// `/v1/a`, `/v1/b` in one cell are two paths.
fn spread(cell: &str) -> Vec<String> {
    cell.split("`, `").map(str::to_owned).collect()
}

/// What stands in backticks in the first column of the tables below a heading of the README.
fn first_cells(heading: &str) -> BTreeSet<String> {
    let readme = sources::read("README.md");
    let section = readme.split(&format!("\n{heading}")).nth(1).unwrap_or_else(|| panic!("no {heading}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|l| l.strip_prefix("| `"));
    rows.filter_map(|l| l.split("` |").next()).map(str::to_owned).collect()
}

/// The transcript in the README has the steps that the demo has.
#[test]
fn the_transcript_in_the_readme_is_of_this_demo() {
    let demo = sources::read("scripts/demo");
    let steps: Vec<&str> =
        demo.lines().filter_map(|l| l.strip_prefix("step '")).map(|l| l.trim_end_matches('\'')).collect();
    assert!(steps.len() > 8, "{steps:?}");
    let readme = sources::read("README.md");
    let mut rest = readme.as_str();
    for (number, step) in (1..).zip(steps) {
        let line = format!("\n{number:2}  {step}\n");
        rest = rest.split_once(&line).unwrap_or_else(|| panic!("not in the README, or out of order: {line}")).1;
    }
}
