//! `[[rule]]`.

use toml::de::DeValue;

use super::table::{Table, expected};
use super::value::{duration, label, moment, network, one_of, path, time_of_day, word};
use super::{Reader, table};
use crate::condition::{CertificateConditions, Conditions};
use crate::facts::{Kind, Status};
use crate::limits::{DESCRIPTION, TTL_SECONDS, WINDOWS};
use crate::rule::{Effect, Rule, Side};
use crate::schedule::{WEEKDAYS, Window};

/// `None` when something is wrong with it, which the reader knows then.
pub(super) fn rule(reader: &mut Reader, mut table: Table<'_, '_>) -> Option<Rule> {
    let before = reader.errors.len();
    reader.name = None;
    let id = table.text(reader, "id").and_then(|text| label(reader, text));
    reader.name = id.clone();
    let line = reader.line(table.at);
    let effects = [("permit", Effect::Permit), ("forbid", Effect::Forbid)];
    let effect = table.text(reader, "effect").and_then(|text| one_of(reader, text, &effects));
    let description = description(reader, &mut table);
    let principal = side(reader, &mut table, "principal");
    let actions = actions(reader, &mut table);
    let resource = side(reader, &mut table, "resource");
    let when = table.table(reader, "when").map(|table| conditions(reader, table));
    let unless = table.table(reader, "unless").map(|table| conditions(reader, table));
    let ttl_seconds = table.integer(reader, "ttl_seconds", 0..=i64::from(TTL_SECONDS)).map(|n| n as u32);
    let allow_all = table.boolean(reader, "allow_all");
    for key in ["id", "effect", "description", "principal", "actions", "resource"] {
        if table.take(key).is_none() {
            table.missing(reader, key);
        }
    }
    table.finish(reader);
    let rule = (reader.errors.len() == before).then_some(()).and_then(|()| {
        let (effect, principal, resource) = (effect?, principal?, resource?);
        let (id, description, actions) = (id?.into(), description?, actions?);
        Some(Rule { id, effect, description, line, principal, actions, resource, when, unless, ttl_seconds })
    });
    if let Some(rule) = &rule {
        check(reader, rule, allow_all, table.at);
    }
    reader.name = None;
    rule
}

fn check(reader: &mut Reader, rule: &Rule, allow_all: Option<bool>, at: usize) {
    let lets_everybody = rule.effect == Effect::Permit && rule.is_wide();
    if lets_everybody && allow_all != Some(true) {
        reader.wrong(at, "it permits everything to everybody everywhere; if that is meant, write allow_all = true");
    }
    if !lets_everybody && allow_all.is_some() {
        reader.wrong(at, "allow_all is for a permit of everything to everybody everywhere alone");
    }
    let over = [Status::Revoked, Status::Retired];
    let named = rule.principal.statuses.iter().chain(&rule.resource.statuses).find(|s| over.contains(s));
    if let Some(status) = named.filter(|_| rule.effect == Effect::Permit) {
        reader.wrong(
            at,
            format!("a permit cannot name the status {:?}: nothing brings such a one back", status.as_str()),
        );
    }
}

fn description(reader: &mut Reader, table: &mut Table<'_, '_>) -> Option<String> {
    let (text, at) = table.text(reader, "description")?;
    let length = text.chars().count();
    if length == 0 || length > DESCRIPTION || signet_pki::name::printable(text, DESCRIPTION) != text {
        reader.wrong(at, format!("description is a line of 1 to {DESCRIPTION} printable characters"));
        return None;
    }
    Some(text.to_owned())
}

/// `"*"` or a list of names; `Some(None)` for every action.
fn actions(reader: &mut Reader, table: &mut Table<'_, '_>) -> Option<Option<Vec<String>>> {
    let value = table.take("actions")?;
    match value.get_ref() {
        DeValue::String(text) if text == "*" => Some(None),
        DeValue::Array(array) => {
            let texts = table::texts(reader, array, "actions", value.span().start)?;
            Some(Some(texts.into_iter().filter_map(|text| word(reader, text)).collect()))
        }
        other => expected(reader, value, "\"*\" or a list of actions", other),
    }
}

/// `"*"` or a table of what has to fit.
fn side(reader: &mut Reader, table: &mut Table<'_, '_>, key: &'static str) -> Option<Side> {
    let value = table.take(key)?;
    match value.get_ref() {
        DeValue::String(text) if text == "*" => Some(Side::default()),
        DeValue::Table(fields) => Some(fields_of(reader, Table::new(fields, value.span().start), key)),
        other => expected(reader, value, "\"*\" or a table such as { groups_any = [\"sensors\"] }", other),
    }
}

fn fields_of(reader: &mut Reader, mut table: Table<'_, '_>, key: &str) -> Side {
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| (kind.as_str(), *kind)).collect();
    let statuses: Vec<_> = Status::ALL.iter().map(|status| (status.as_str(), *status)).collect();
    let kind = table.text(reader, "kind").and_then(|text| one_of(reader, text, &kinds));
    let account = kind == Some(Kind::Account);
    let ids = list(reader, &mut table, "ids", if account { word } else { label });
    let side = Side {
        kinds: kind.into_iter().collect(),
        ids,
        groups_any: list(reader, &mut table, "groups_any", label),
        groups_all: list(reader, &mut table, "groups_all", label),
        accounts: list(reader, &mut table, "accounts", word),
        profiles: list(reader, &mut table, "profiles", word),
        statuses: list(reader, &mut table, "status", |reader, text| one_of(reader, text, &statuses)),
    };
    if !side.ids.is_empty() && kind.is_none() {
        // A device and an account may have the same name.
        reader.wrong(table.at, format!("{key} names ids: say of what, with kind"));
    }
    if side.is_wide() && side.kinds.is_empty() && side.statuses.is_empty() {
        reader.wrong(table.at, format!("an empty {key} says nothing: write \"*\" for everyone"));
    }
    table.finish(reader);
    side
}

fn conditions(reader: &mut Reader, mut table: Table<'_, '_>) -> Conditions {
    let before = reader.errors.len();
    let source = list(reader, &mut table, "source", network);
    let paths = list(reader, &mut table, "paths", path);
    let windows = table.tables(reader, "time", WINDOWS);
    let windows: Vec<Window> = windows.into_iter().filter_map(|table| window(reader, table)).collect();
    let not_before = moment(reader, &mut table, "not_before").map(|t| t.0);
    let end = moment(reader, &mut table, "before").map(|t| t.0);
    let certificate = table.table(reader, "certificate").map(|table| certificate(reader, table));
    let conditions =
        Conditions { source, paths, windows, not_before, before: end, certificate: certificate.unwrap_or_default() };
    if not_before.zip(end).is_some_and(|(begin, end)| begin >= end) {
        reader.wrong(table.at, "not_before is not earlier than before");
    }
    let is_empty = conditions.source.is_empty()
        && conditions.paths.is_empty()
        && conditions.certificate.are_none()
        && !conditions.are_timed();
    table.finish(reader);
    if is_empty && reader.errors.len() == before {
        reader.wrong(table.at, "no condition stands here: leave the table out");
    }
    conditions
}

fn window(reader: &mut Reader, mut table: Table<'_, '_>) -> Option<Window> {
    let names: Vec<(&str, u8)> = WEEKDAYS.iter().copied().zip(0..).collect();
    let days = list(reader, &mut table, "days", |reader, text| one_of(reader, text, &names));
    let from = table.text(reader, "from").and_then(|text| time_of_day(reader, text));
    let to = table.text(reader, "to").and_then(|text| time_of_day(reader, text));
    for key in ["from", "to"] {
        if table.take(key).is_none() {
            table.missing(reader, key);
        }
    }
    table.finish(reader);
    let (from, to) = (from?, to?);
    if from == to || from == 1440 || to == 0 {
        reader.wrong(table.at, "a window has a length: the whole day is from \"00:00\" to \"24:00\"");
        return None;
    }
    let days = if days.is_empty() { 0x7f } else { days.iter().fold(0, |bits, day| bits | 1 << day) };
    Some(Window { days, from, to })
}

fn certificate(reader: &mut Reader, mut table: Table<'_, '_>) -> CertificateConditions {
    let before = reader.errors.len();
    let conditions = CertificateConditions {
        valid: table.boolean(reader, "valid"),
        newest: table.boolean(reader, "newest"),
        hardware_bound: table.boolean(reader, "hardware_bound"),
        issued_within: table.text(reader, "issued_within").and_then(|text| duration(reader, text)),
        profiles: list(reader, &mut table, "profiles", word),
    };
    table.finish(reader);
    if conditions.are_none() && reader.errors.len() == before {
        reader.wrong(table.at, "no condition stands here: leave the table out");
    }
    conditions
}

fn list<T>(
    reader: &mut Reader,
    table: &mut Table<'_, '_>,
    key: &'static str,
    read: impl Fn(&mut Reader, (&str, usize)) -> Option<T>,
) -> Vec<T> {
    let texts = table.texts(reader, key).unwrap_or_default();
    texts.into_iter().filter_map(|text| read(reader, text)).collect()
}
