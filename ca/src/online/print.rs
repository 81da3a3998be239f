//! What reaches the terminal: data on stdout, messages on stderr, and nothing that a device wrote unescaped.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::failure::Failure;

/// Data, to stdout as it is. A reader that went away (`| head`) is no error.
pub(super) fn data(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Failure::internal(format!("stdout: {e}"))),
        _ => Ok(()),
    }
}

/// The wire type, as the service sent it.
pub(super) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::internal)?;
    data(&(text + "\n"))
}

/// A message for the person, to stderr.
pub(super) fn note(text: impl AsRef<str>) {
    // A stderr that is closed has no reader who could miss it.
    let _ = writeln!(std::io::stderr(), "ca: {}", visible(text.as_ref()));
}

/// A table without frame; an empty one is only its head, so that scripts see the same shape.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(head.iter().map(|h| h.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| visible(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

/// One `name  value` line each, for a single thing.
pub(super) fn fields(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    pairs.iter().fold(String::new(), |mut out, (name, value)| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name:width$}  {}", visible(value));
        out
    })
}

/// RFC 4180 with a head line. Cells that a spreadsheet would run as a formula are defused.
pub(super) fn csv(head: &[&str], rows: &[Vec<String>]) -> Result<String, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(head).map_err(Failure::internal)?;
    for row in rows {
        writer.write_record(row.iter().map(|cell| defused(cell))).map_err(Failure::internal)?;
    }
    let bytes = writer.into_inner().map_err(Failure::internal)?;
    String::from_utf8(bytes).map_err(Failure::internal)
}

/// `-` for what is not there, so that columns stay aligned and parseable.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| v.to_string())
}

pub(super) fn list(values: &[impl ToString]) -> String {
    if values.is_empty() {
        return "-".into();
    }
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Control characters move the cursor, and direction marks reorder what is read: both are shown, not obeyed.
pub(super) fn visible(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// A quote in front is what spreadsheets understand as "this is text".
fn defused(cell: &str) -> String {
    let text = visible(cell);
    if text.starts_with(['=', '+', '-', '@']) || cell.starts_with(['\t', '\r']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_fact_cannot_leave_its_table_cell() {
        let text = table(&["id", "serial"], &[vec!["a".into(), "x\n\u{1b}[2Jfake\u{202e}row".into()]]);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains(r"x\n\u{1b}[2Jfake\u{202e}row"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
        assert!(text.starts_with("ID  SERIAL\n"), "{text:?}");
    }

    #[test]
    fn csv_cells_are_quoted_and_formulas_are_defused() {
        let cells = ["a,b", "say \"hi\"", "two\nlines", "=cmd|' /C calc'!A0", "+1", "-1", "@x", "\t=1", "plain"];
        let rows: Vec<Vec<String>> = cells.iter().map(|c| vec![(*c).to_owned(), "2".into()]).collect();
        let text = csv(&["fact", "n"], &rows).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let back: Vec<String> = reader.records().map(|r| r.unwrap()[0].to_owned()).collect();
        let formula = |cell: &String| cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
        assert!(!back.iter().any(formula), "{back:?}");
        assert_eq!(back[0], "a,b");
        assert_eq!(back[1], "say \"hi\"");
        assert_eq!(back[2], r"two\nlines");
        assert_eq!(back[3], "'=cmd|' /C calc'!A0");
        assert_eq!(back[8], "plain");
        assert_eq!(text.lines().count(), cells.len() + 1);
    }

    #[test]
    fn fields_align_and_an_empty_list_is_a_dash() {
        assert_eq!(fields(&[("id", "a".into()), ("status", "b\rc".into())]), "id      a\nstatus  b\\rc\n");
        assert_eq!(list(&[""; 0]), "-");
        assert_eq!(list(&["a", "b"]), "a,b");
    }
}
