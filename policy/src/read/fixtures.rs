//! `[[entity]]` and `[[test]]`.

use std::collections::BTreeMap;

use signet_pki::name::printable;

use super::table::Table;
use super::value::{duration, label, moment, one_of, word};
use super::{Reader, unique};
use crate::facts::{Kind, Status};
use crate::fixtures::{Case, CertificateFacts, Expected, Facts, Fixtures};
use crate::limits::{DESCRIPTION, FIXTURES};
use crate::rule::Rule;

/// `rules` are those of the same text, when it has any.
pub(super) fn fixtures(reader: &mut Reader, top: &mut Table<'_, '_>, rules: Option<&[Rule]>) -> Fixtures {
    let mut entities = BTreeMap::new();
    let mut names = Vec::new();
    for table in top.tables(reader, "entity", FIXTURES) {
        let line = reader.line(table.at);
        if let Some((id, facts)) = entity(reader, table) {
            names.push((line, id.clone()));
            entities.insert(id, facts);
        }
    }
    unique(reader, "entity", names.iter().map(|(line, id)| (*line, id.as_str())));
    let mut cases: Vec<Case> = Vec::new();
    for table in top.tables(reader, "test", FIXTURES) {
        cases.extend(case(reader, table, &entities, rules));
    }
    unique(reader, "test", cases.iter().map(|case| (case.line, case.name.as_str())));
    reader.name = None;
    Fixtures { entities, cases }
}

fn entity(reader: &mut Reader, mut table: Table<'_, '_>) -> Option<(String, Facts)> {
    reader.name = None;
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| (kind.as_str(), *kind)).collect();
    let statuses: Vec<_> = Status::ALL.iter().map(|status| (status.as_str(), *status)).collect();
    let kind = table.text(reader, "kind").and_then(|text| one_of(reader, text, &kinds));
    let name = table.text(reader, "id");
    let id = match kind {
        Some(Kind::Account) => name.and_then(|text| word(reader, text)),
        _ => name.and_then(|text| label(reader, text)),
    };
    reader.name = id.clone();
    let status = table.text(reader, "status").map(|text| one_of(reader, text, &statuses));
    let groups = table.texts(reader, "groups").unwrap_or_default();
    let facts = Facts {
        kind: kind.unwrap_or(Kind::Device),
        status: status.flatten().unwrap_or(Status::Active),
        groups: groups.into_iter().filter_map(|text| label(reader, text)).collect(),
        account: table.text(reader, "account").and_then(|text| word(reader, text)),
        profile: table.text(reader, "profile").and_then(|text| word(reader, text)),
        certificate: table.table(reader, "certificate").map(|table| certificate(reader, table)),
    };
    required(reader, &mut table, &["id", "kind"]);
    table.finish(reader);
    Some((id?, facts))
}

fn certificate(reader: &mut Reader, mut table: Table<'_, '_>) -> CertificateFacts {
    let facts = CertificateFacts {
        age: table.text(reader, "age").and_then(|text| duration(reader, text)).unwrap_or(0),
        lasts: table.text(reader, "lasts").and_then(|text| duration(reader, text)),
        is_over: table.boolean(reader, "expired").unwrap_or(false),
        newest: table.boolean(reader, "newest").unwrap_or(true),
        hardware_bound: table.boolean(reader, "hardware_bound"),
        profile: table.text(reader, "profile").and_then(|text| word(reader, text)),
    };
    table.finish(reader);
    facts
}

fn case(
    reader: &mut Reader,
    mut table: Table<'_, '_>,
    entities: &BTreeMap<String, Facts>,
    rules: Option<&[Rule]>,
) -> Option<Case> {
    reader.name = None;
    let (name, at) = table.text(reader, "name").unwrap_or(("", table.at));
    if name.chars().count() > DESCRIPTION || printable(name, DESCRIPTION) != name {
        reader.wrong(at, format!("a name is a line of 1 to {DESCRIPTION} printable characters"));
    }
    reader.name = Some(printable(name, DESCRIPTION)).filter(|name| !name.is_empty());
    let principal = known(reader, &mut table, "principal", entities);
    let resource = known(reader, &mut table, "resource", entities);
    let action = table.text(reader, "action").and_then(|text| word(reader, text));
    let answers = [("allow", Expected::Allow), ("deny", Expected::Deny)];
    let expected = table.text(reader, "expect").and_then(|text| one_of(reader, text, &answers));
    let source = table.text(reader, "source").and_then(|(text, at)| {
        let address = text.parse().ok();
        if address.is_none() {
            reader.wrong(at, format!("{:?} is not an address", printable(text, 60)));
        }
        address
    });
    let path = table.text(reader, "path").map(|(text, _)| text.to_owned());
    let moment = moment(reader, &mut table, "at");
    let rule = table.text(reader, "rule").and_then(|(text, at)| {
        if rules.is_some_and(|rules| !rules.iter().any(|rule| rule.id() == text)) {
            reader.wrong(at, format!("there is no rule {:?} in this text", printable(text, 64)));
        }
        label(reader, (text, at))
    });
    required(reader, &mut table, &["name", "principal", "action", "resource", "expect"]);
    table.finish(reader);
    let line = reader.line(table.at);
    let name = reader.name.take()?;
    let (principal, action, resource) = (principal?, action?, resource?);
    Some(Case { name, line, principal, action, resource, at: moment, source, path, expected: expected?, rule })
}

fn known(
    reader: &mut Reader,
    table: &mut Table<'_, '_>,
    key: &'static str,
    entities: &BTreeMap<String, Facts>,
) -> Option<String> {
    let (text, at) = table.text(reader, key)?;
    if !entities.contains_key(text) {
        reader.wrong(at, format!("no [[entity]] has the id {:?}", printable(text, 64)));
        return None;
    }
    Some(text.to_owned())
}

fn required(reader: &mut Reader, table: &mut Table<'_, '_>, keys: &[&'static str]) {
    for key in keys {
        if table.take(key).is_none() {
            table.missing(reader, key);
        }
    }
}
