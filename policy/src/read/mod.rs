//! From text to rules, with every mistake at its line.

mod fixtures;
mod rules;
mod table;
mod value;

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::error::{PolicyError, PolicyErrors};
use crate::fixtures::Fixtures;
use crate::limits::{ERRORS, RULES, TEXT_BYTES, TTL_SECONDS};
use crate::rule::Rule;
use table::Table;

/// What stands in a text.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) rules: Vec<Rule>,
    pub(crate) ttl_seconds: Option<u32>,
    pub(crate) fixtures: Fixtures,
}

/// A policy: rules, and cases when it brings its own.
pub(crate) fn policy(text: &str) -> Result<Document, PolicyErrors> {
    read(text, |reader, top| {
        let ttl_seconds = top.integer(reader, "ttl_seconds", 0..=i64::from(TTL_SECONDS)).map(|n| n as u32);
        let tables = top.tables(reader, "rule", RULES);
        let rules: Vec<Rule> = tables.into_iter().filter_map(|table| rules::rule(reader, table)).collect();
        unique(reader, "rule", rules.iter().map(|rule| (rule.line, &*rule.id)));
        let fixtures = fixtures::fixtures(reader, top, Some(&rules));
        Document { rules, ttl_seconds, fixtures }
    })
}

/// A file with cases alone.
pub(crate) fn fixtures(text: &str) -> Result<Fixtures, PolicyErrors> {
    read(text, |reader, top| fixtures::fixtures(reader, top, None))
}

fn read<T>(text: &str, make: impl FnOnce(&mut Reader, &mut Table<'_, '_>) -> T) -> Result<T, PolicyErrors> {
    if text.len() > TEXT_BYTES {
        let message = format!("the text has {} octets, {TEXT_BYTES} are the most", text.len());
        return Err(PolicyErrors(vec![PolicyError { line: 1, name: None, message }]));
    }
    let mut reader = Reader::new(text);
    let (document, wrong) = DeTable::parse_recoverable(text);
    for error in wrong {
        let at = error.span().map_or(0, |span| span.start);
        reader.wrong(at, error.message().lines().next().unwrap_or("not TOML"));
    }
    // What a text with a broken line seems to say is not what it says.
    reader.finish_if_wrong()?;
    let mut top = Table::new(document.get_ref(), 0);
    let made = make(&mut reader, &mut top);
    top.finish(&mut reader);
    reader.finish_if_wrong()?;
    Ok(made)
}

/// Ids that stand twice.
fn unique<'a>(reader: &mut Reader, what: &str, names: impl Iterator<Item = (usize, &'a str)>) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (line, name) in names {
        if let Some(first) = seen.get(name) {
            let message = format!("another {what} has this name, in line {first}");
            reader.errors.push(PolicyError { line, name: Some(name.to_owned()), message });
        } else {
            seen.insert(name, line);
        }
    }
}

/// Collects what is wrong.
pub(super) struct Reader {
    /// Where each line begins.
    lines: Vec<usize>,
    errors: Vec<PolicyError>,
    /// Of the table that is being read.
    name: Option<String>,
}

impl Reader {
    fn new(text: &str) -> Reader {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Reader { lines, errors: Vec::new(), name: None }
    }

    /// Counted from 1.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= at)
    }

    fn wrong(&mut self, at: usize, message: impl Into<String>) {
        // One more than is told, so that there is something to leave out.
        if self.errors.len() <= ERRORS {
            let error = PolicyError { line: self.line(at), name: self.name.clone(), message: message.into() };
            self.errors.push(error);
        }
    }

    fn finish_if_wrong(&mut self) -> Result<(), PolicyErrors> {
        if self.errors.is_empty() {
            return Ok(());
        }
        let mut errors = std::mem::take(&mut self.errors);
        errors.sort();
        errors.dedup();
        errors.truncate(ERRORS);
        Err(PolicyErrors(errors))
    }
}

/// What a value is, in the words of the message that expected another.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
