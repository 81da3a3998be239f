//! A table whose keys are taken one by one; what is left over at the end is a mistake.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::{Reader, kind};
use crate::limits::LIST;

pub(super) type Value<'t> = Spanned<DeValue<'t>>;

pub(super) struct Table<'a, 't> {
    table: &'a DeTable<'t>,
    /// Where it begins in the text.
    pub(super) at: usize,
    taken: BTreeSet<&'static str>,
}

impl<'a, 't> Table<'a, 't> {
    pub(super) fn new(table: &'a DeTable<'t>, at: usize) -> Table<'a, 't> {
        Table { table, at, taken: BTreeSet::new() }
    }

    pub(super) fn take(&mut self, key: &'static str) -> Option<&'a Value<'t>> {
        self.taken.insert(key);
        self.table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    /// Says which keys nobody has asked for.
    pub(super) fn finish(&self, reader: &mut Reader) {
        for (name, _) in self.table.iter().filter(|(name, _)| !self.taken.contains(name.get_ref().as_ref())) {
            let known: Vec<&str> = self.taken.iter().copied().collect();
            let shown = signet_pki::name::printable(name.get_ref(), 40);
            reader.wrong(name.span().start, format!("{shown:?} is not known here, but {}", known.join(", ")));
        }
    }

    pub(super) fn missing(&self, reader: &mut Reader, key: &str) {
        reader.wrong(self.at, format!("{key} is missing"));
    }

    pub(super) fn text(&mut self, reader: &mut Reader, key: &'static str) -> Option<(&'a str, usize)> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some((text, value.span().start)),
            other => expected(reader, value, "a text", other),
        }
    }

    pub(super) fn boolean(&mut self, reader: &mut Reader, key: &'static str) -> Option<bool> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Boolean(truth) => Some(*truth),
            other => expected(reader, value, "true or false", other),
        }
    }

    pub(super) fn integer(
        &mut self,
        reader: &mut Reader,
        key: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        let value = self.take(key)?;
        let DeValue::Integer(digits) = value.get_ref() else {
            return expected(reader, value, "a whole number", value.get_ref());
        };
        let number = i64::from_str_radix(digits.as_str(), digits.radix()).ok().filter(|n| range.contains(n));
        if number.is_none() {
            reader.wrong(value.span().start, format!("{key} is from {} to {}", range.start(), range.end()));
        }
        number
    }

    /// A table below this one.
    pub(super) fn table(&mut self, reader: &mut Reader, key: &'static str) -> Option<Table<'a, 't>> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Table::new(table, value.span().start)),
            other => expected(reader, value, "a table", other),
        }
    }

    /// `[[key]]`, at most `most` of them.
    pub(super) fn tables(&mut self, reader: &mut Reader, key: &'static str, most: usize) -> Vec<Table<'a, 't>> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let DeValue::Array(array) = value.get_ref() else {
            expected::<()>(reader, value, &format!("written as [[{key}]]"), value.get_ref());
            return Vec::new();
        };
        if array.len() > most {
            let at = array.get(most).map_or(self.at, |value| value.span().start);
            reader.wrong(at, format!("more than {most} of {key}"));
            return Vec::new();
        }
        let mut tables = Vec::with_capacity(array.len());
        for value in array.iter() {
            match value.get_ref() {
                DeValue::Table(table) => tables.push(Table::new(table, value.span().start)),
                other => {
                    expected::<()>(reader, value, &format!("written as [[{key}]]"), other);
                }
            }
        }
        tables
    }

    /// Texts of a list that is not empty; each with its place.
    pub(super) fn texts(&mut self, reader: &mut Reader, key: &'static str) -> Option<Vec<(&'a str, usize)>> {
        let value = self.take(key)?;
        match value.get_ref() {
            DeValue::Array(array) => texts(reader, array, key, value.span().start),
            other => expected(reader, value, "a list of texts", other),
        }
    }
}

pub(super) fn texts<'a>(
    reader: &mut Reader,
    array: &'a DeArray<'_>,
    key: &str,
    at: usize,
) -> Option<Vec<(&'a str, usize)>> {
    // An empty list could mean nobody or everybody.
    if array.is_empty() || array.len() > LIST {
        reader.wrong(at, format!("{key} has {} entries: 1 to {LIST}; leave it out if it does not matter", array.len()));
        return None;
    }
    let mut found = Vec::with_capacity(array.len());
    for value in array.iter() {
        match value.get_ref() {
            DeValue::String(text) => found.push((text.as_ref(), value.span().start)),
            other => return expected(reader, value, "a text", other),
        }
    }
    let mut seen = BTreeSet::new();
    for (text, at) in &found {
        if !seen.insert(text) {
            reader.wrong(*at, format!("{key} names {:?} twice", signet_pki::name::printable(text, 64)));
        }
    }
    Some(found)
}

pub(super) fn expected<T>(reader: &mut Reader, value: &Value<'_>, wanted: &str, found: &DeValue<'_>) -> Option<T> {
    reader.wrong(value.span().start, format!("{wanted} is expected here, not {}", kind(found)));
    None
}
