//! Texts that mean something: names, durations, times, networks.

use ipnet::IpNet;
use signet_pki::name::printable;
use signet_pki::{DeviceId, UnixTime};
use toml::de::DeValue;

use super::Reader;
use super::table::{Table, expected};
use crate::limits::{DURATION_SECONDS, NAME, PATH};

/// An id of the inventory or a group: the same alphabet.
pub(super) fn label(reader: &mut Reader, (text, at): (&str, usize)) -> Option<String> {
    match DeviceId::parse(text) {
        Ok(id) => Some(id.into()),
        Err(error) => {
            reader.wrong(at, error.to_string());
            None
        }
    }
}

/// An action, an account or a profile.
pub(super) fn word(reader: &mut Reader, (text, at): (&str, usize)) -> Option<String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b":._-/@".contains(&b);
    if text.is_empty() || text.len() > NAME || !text.bytes().all(fits) {
        let shown = printable(text, 40);
        reader.wrong(at, format!("{shown:?} is not a name: 1 to {NAME} letters, digits and : . _ - / @"));
        return None;
    }
    Some(text.to_owned())
}

/// `/a/b`, or a name such as `mqtt:a/b`; a prefix of many ends in `/*` or `:*`.
pub(super) fn path(reader: &mut Reader, (text, at): (&str, usize)) -> Option<String> {
    let exact = text.strip_suffix('*').unwrap_or(text);
    let at_a_border = exact.len() == text.len() || exact.ends_with(['/', ':']);
    // What the asker folds away before it asks would never fit.
    let is_odd = |c: char| c.is_control() || matches!(c, '*' | '\\' | ';' | '?' | '#');
    let is_folded = exact.contains("//") || exact.split('/').any(|part| part == "." || part == "..");
    let is_good =
        exact.contains(['/', ':']) && text.len() <= PATH && at_a_border && !is_folded && !exact.contains(is_odd);
    if !is_good {
        let shown = printable(text, 40);
        reader.wrong(
            at,
            format!("{shown:?} is no path such as \"/a/b\" or \"mqtt:a/b\"; a prefix ends in \"/*\" or \":*\""),
        );
        return None;
    }
    Some(text.to_owned())
}

/// One of a set of words, all of which the message tells.
pub(super) fn one_of<T: Copy>(reader: &mut Reader, (text, at): (&str, usize), all: &[(&str, T)]) -> Option<T> {
    let found = all.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        reader.wrong(at, format!("{:?} is none of {}", printable(text, 40), names.join(", ")));
    }
    found
}

/// `90s`, `15m`, `24h`, `30d`.
pub(super) fn duration(reader: &mut Reader, (text, at): (&str, usize)) -> Option<i64> {
    let seconds = match text.char_indices().last() {
        Some((end, 's')) => Some((end, 1)),
        Some((end, 'm')) => Some((end, 60)),
        Some((end, 'h')) => Some((end, 3600)),
        Some((end, 'd')) => Some((end, 86_400)),
        _ => None,
    };
    let digits = |(end, unit): (usize, i64)| {
        let digits = Some(&text[..end]).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
        digits.and_then(|d| d.parse::<i64>().ok()).and_then(|n| n.checked_mul(unit))
    };
    let found = seconds.and_then(digits).filter(|s| (1..=DURATION_SECONDS).contains(s));
    if found.is_none() {
        let shown = printable(text, 40);
        reader.wrong(at, format!("{shown:?} is not a duration such as \"90s\", \"15m\", \"24h\" or \"30d\""));
    }
    found
}

/// `08:30`, and `24:00` for the end of the day, in minutes.
pub(super) fn time_of_day(reader: &mut Reader, (text, at): (&str, usize)) -> Option<u16> {
    let two = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    let number = |part: &str| if two(part) { part.parse::<u16>().ok() } else { None };
    let parts = text.split_once(':').and_then(|(h, m)| Some((number(h)?, number(m)?)));
    let minutes = parts.filter(|(h, m)| *m < 60 && (*h < 24 || (*h, *m) == (24, 0))).map(|(h, m)| h * 60 + m);
    if minutes.is_none() {
        reader.wrong(at, format!("{:?} is not a time of day in UTC such as \"08:30\"", printable(text, 40)));
    }
    minutes
}

pub(super) fn network(reader: &mut Reader, (text, at): (&str, usize)) -> Option<IpNet> {
    let net = text.parse::<IpNet>().ok().filter(|net| net.trunc() == *net);
    if net.is_none() {
        let hint = "such as \"10.1.0.0/16\", with zeros behind the prefix";
        reader.wrong(at, format!("{:?} is not a network {hint}", printable(text, 60)));
    }
    net
}

/// A date and time in UTC, or a date for its first second.
pub(super) fn moment(reader: &mut Reader, table: &mut Table<'_, '_>, key: &'static str) -> Option<UnixTime> {
    let value = table.take(key)?;
    let DeValue::Datetime(date) = value.get_ref() else {
        return expected(reader, value, "a date such as 2027-01-31 or 2027-01-31T08:00:00Z", value.get_ref());
    };
    let text = match (date.date.is_some(), date.time.is_some(), date.offset.is_some()) {
        (true, true, true) => Some(date.to_string()),
        (true, false, false) => Some(format!("{date}T00:00:00Z")),
        _ => None,
    };
    let moment = text.and_then(|text| UnixTime::parse_rfc3339(&text)).filter(|t| (0..=UnixTime::MAX.0).contains(&t.0));
    if moment.is_none() {
        reader.wrong(value.span().start, "a date such as 2027-01-31, or a time with its offset: 2027-01-31T08:00:00Z");
    }
    moment
}
