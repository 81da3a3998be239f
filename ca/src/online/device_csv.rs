//! The list of devices that a batch is made for: `device,serial_number,spki,dns_names`.

use std::collections::BTreeMap;

use csv::StringRecord;
use signet_api::admin::TokenTarget;
use signet_pki::{DeviceId, DnsName, Fingerprint};

use crate::failure::Failure;

/// Reads the whole list or none of it: every bad row is named with its line.
pub(super) fn parse(name: &str, text: &str) -> Result<Vec<TokenTarget>, Failure> {
    // Spreadsheets put a byte order mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let head = reader.headers().map_err(|e| refused(name, &[e.to_string()]))?.clone();
    let columns = columns(&head).map_err(|problem| refused(name, &[format!("line 1: {problem}")]))?;
    let (mut targets, mut problems) = (Vec::new(), Vec::new());
    let mut seen = BTreeMap::new();
    for record in reader.records() {
        let (line, row) = match record {
            Ok(record) => (line_of(text, record.position()), row(&columns, &record)),
            Err(error) => (line_of(text, error.position()), Err(describe(&error))),
        };
        match row.and_then(|target| unique(&mut seen, line, target)) {
            Ok(target) => targets.push(target),
            Err(problem) => problems.push(format!("line {line}: {problem}")),
        }
    }
    if problems.is_empty() && targets.is_empty() {
        problems.push("there is no row after the head".into());
    }
    if problems.is_empty() && targets.len() > MAX_TARGETS {
        problems.push(format!("{} rows, at most {MAX_TARGETS} fit in one batch", targets.len()));
    }
    if problems.is_empty() { Ok(targets) } else { Err(refused(name, &problems)) }
}

/// Which column each field stands in; each name at most once, none unknown.
fn columns(head: &StringRecord) -> Result<Vec<Column>, String> {
    let mut columns = Vec::new();
    for name in head {
        let column = match name {
            "device" => Column::Device,
            "serial_number" => Column::SerialNumber,
            "spki" => Column::Spki,
            "dns_names" => Column::DnsNames,
            other => return Err(format!("unknown column {other:?}")),
        };
        if columns.contains(&column) {
            return Err(format!("column {name:?} stands there twice"));
        }
        columns.push(column);
    }
    if columns.is_empty() { Err("there is no head".into()) } else { Ok(columns) }
}

fn row(columns: &[Column], record: &StringRecord) -> Result<TokenTarget, String> {
    let mut target = TokenTarget::default();
    for (column, text) in columns.iter().zip(record).filter(|(_, text)| !text.is_empty()) {
        match column {
            Column::Device => target.device = Some(DeviceId::parse(text).map_err(|e| e.to_string())?),
            Column::SerialNumber => target.serial_number = Some(plain(text)?),
            Column::Spki => target.spki = Some(spki(text)?),
            Column::DnsNames => {
                let names = text.split([' ', ';']).filter(|n| !n.is_empty()).map(DnsName::parse);
                target.dns_names = names.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
            }
        }
    }
    if target == TokenTarget::default() { Err("the row is empty".into()) } else { Ok(target) }
}

/// Lower-case hex of a SHA-256, from the spellings that people paste.
pub(super) fn spki(text: &str) -> Result<String, String> {
    let parsed = Fingerprint::parse(text).map(|f| f.to_string());
    parsed.ok_or_else(|| "an SPKI fingerprint has 64 hexadecimal digits (SHA-256)".into())
}

fn plain(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        Err("control characters in a serial number".into())
    } else {
        Ok(text.into())
    }
}

fn unique(seen: &mut BTreeMap<String, u64>, line: u64, target: TokenTarget) -> Result<TokenTarget, String> {
    let Some(device) = &target.device else { return Ok(target) };
    match seen.insert(device.to_string(), line) {
        Some(before) => Err(format!("{device} stands on line {before} too")),
        None => Ok(target),
    }
}

/// The reader's position is that of the empty lines in front of a record; people count to the record.
fn line_of(text: &str, position: Option<&csv::Position>) -> u64 {
    let Some(position) = position else { return 0 };
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = text.as_bytes().get(start..).unwrap_or_default();
    let skipped = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).filter(|b| **b == b'\n').count();
    position.line() + skipped as u64
}

fn describe(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields where the head has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".into(),
        other => format!("{other:?}"),
    }
}

fn refused(name: &str, problems: &[String]) -> Failure {
    let shown = problems.iter().take(SHOWN).map(|p| format!("\n  {p}")).collect::<String>();
    let more = problems.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    Failure::refused(format!("{name} cannot be used, no token was made:{shown}{more}")).hint(
        "the columns are device,serial_number,spki,dns_names, in any order; several names are separated by spaces",
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Device,
    SerialNumber,
    Spki,
    DnsNames,
}

/// Enough bad rows to see the pattern.
const SHOWN: usize = 20;
/// One batch is one request and one transaction.
pub(super) const MAX_TARGETS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        format!("{:?}", parse("devices.csv", text).unwrap_err())
    }

    #[test]
    fn columns_may_come_in_any_order_and_be_left_out() {
        let spki = "AB:".repeat(31) + "AB";
        let text = format!("\u{feff}spki,device,dns_names\n{spki}, sensor-1 ,a.x b.x;c.x\n,sensor-2,\n");
        let targets = parse("f", &text).unwrap();
        assert_eq!(targets.len(), 2);
        assert_eq!(targets[0].spki.as_deref(), Some("ab".repeat(32).as_str()));
        assert_eq!(targets[0].device.as_ref().unwrap().as_str(), "sensor-1");
        assert_eq!(targets[0].dns_names.len(), 3);
        assert_eq!(
            targets[1],
            TokenTarget { device: Some(DeviceId::parse("sensor-2").unwrap()), ..Default::default() }
        );
    }

    #[test]
    fn every_bad_row_is_named_with_its_line() {
        let text = "device,serial_number,spki\nok-1,A,\nBad Name,B,\nok-2,C\nok-3,D,zz\n,,\nok-1,E,\n";
        let said = problems(text);
        for part in ["line 3: ", "line 4: 2 fields where the head has 3", "line 5: an SPKI", "line 6: the row is empty"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(said.contains("line 7: ok-1 stands on line 2 too"), "{said}");
        assert!(!said.contains("line 2:"), "{said}");
        assert!(said.contains("no token was made"), "{said}");
    }

    #[test]
    fn lines_are_counted_in_the_file_and_not_in_records() {
        for end in ["\n", "\r\n"] {
            let text = ["device,serial_number", "ok-1,\"two", "lines\"", "", "", "BAD,x", "ok-2,y", "BAD,z", ""];
            let said = problems(&text.join(end));
            for line in ["line 2: control characters", "line 6: ", "line 8: "] {
                assert!(said.contains(line), "{line}: {said}");
            }
            assert_eq!(said.matches("line ").count(), 3, "{said}");
        }
    }

    #[test]
    fn heads_that_are_unknown_double_or_missing_are_refused() {
        assert!(problems("device,token\na,b\n").contains("unknown column"));
        assert!(problems("device,device\na,b\n").contains("twice"));
        assert!(problems("device\n").contains("no row"));
        parse("f", "").unwrap_err();
    }

    #[test]
    fn a_long_list_of_faults_is_cut() {
        let text = "device\n".to_owned() + &"BAD\n".repeat(SHOWN + 5);
        assert!(problems(&text).contains("and 5 more"));
    }
}
