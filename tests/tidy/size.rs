//! Files and functions have a size that fits a head.

use std::collections::BTreeSet;

use crate::only_exceptions;
use crate::sources::{self, Source};

const FILE: usize = 500;
const FUNCTION: usize = 70;

/// Longer functions that nobody has cut yet.
const LONG_FUNCTIONS: &[&str] = &[];

#[test]
fn no_file_is_longer_than_500_lines() {
    let too_long = |s: &Source| s.text.lines().count() > FILE;
    let found: Vec<_> = sources::all(".rs").into_iter().filter(too_long).map(|s| s.path).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_function_is_longer_than_70_lines() {
    let mut found = BTreeSet::new();
    let mut counted = 0;
    for source in sources::all(".rs") {
        for (name, lines) in functions(&source.text) {
            counted += 1;
            if lines > FUNCTION {
                found.insert(format!("{}: {name}", source.path));
            }
        }
    }
    assert!(counted > 1000, "only {counted} functions were found");
    only_exceptions(&found, &LONG_FUNCTIONS.iter().map(ToString::to_string).collect());
}

/// Names and lengths. rustfmt closes a function with a brace in the column where its first line began, and ends it on that
/// line when it is a short one or a signature alone; `scripts/check` makes sure that rustfmt has been here.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some(name) = function_name(line.trim_start()) else { continue };
        let close = format!("{}}}", " ".repeat(indent));
        let ends = |l: &&str| **l == close || l.ends_with(';') && l.len() - l.trim_start().len() <= indent;
        let length = match line.ends_with(['}', ';']) {
            true => 1,
            false => lines[start..].iter().position(ends).map_or(lines.len() - start, |after| after + 1),
        };
        found.push((name.to_owned(), length));
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    let mut rest = line;
    for word in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async ", "extern \"C\" "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let rest = rest.strip_prefix("pub(in ").map_or(rest, |r| r.split_once(") ").map_or(r, |(_, r)| r));
    let name = rest.strip_prefix("async ").unwrap_or(rest).strip_prefix("fn ")?;
    name.split(['(', '<']).next()
}

#[test]
fn functions_are_counted_as_a_reader_would() {
    let text = "fn one() {}\n\nimpl X {\n    pub(crate) async fn two(\n        a: u8,\n    ) -> u8 {\n        if a {\n        }\n        \
                a\n    }\n\n    fn three(&self);\n}\n";
    let counted: Vec<_> = functions(text);
    assert_eq!(counted, [("one".to_owned(), 1), ("two".to_owned(), 7), ("three".to_owned(), 1)]);
}
