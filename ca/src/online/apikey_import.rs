//! `ca apikey import`: keys of another system, until they are replaced.

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;
use signet_api::access::{IMPORT_BATCH, ImportApiKeys, ImportedApiKeys, ImportedKey};
use signet_api::scope::{AccountId, Scopes};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::online::apikey_create::scopes;
use crate::online::context::At;
use crate::online::duration::Seconds;
use crate::online::service::{self, Service};
use crate::online::{files, print};

/// Take over keys of another system that have the form of a UUID
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca apikey import --account acme --file keys.csv
  ca apikey import --account acme --file - --scope devices:read --ttl 30d")]
pub(crate) struct Import {
    /// Whose keys they are
    #[arg(long, value_name = "ID", value_parser = AccountId::parse)]
    account: AccountId,
    /// A CSV with the columns key,name, or one key a line; '-' is stdin
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// What they may do of what the account may; everything when absent; may be repeated
    #[arg(long = "scope", value_name = "S")]
    scopes: Vec<String>,
    /// How long they go on: an hour to 365d, 90d when nothing is said
    #[arg(long, value_name = "90d")]
    ttl: Option<Seconds>,
    /// Leave out what is known already: to repeat an import that broke off
    #[arg(long)]
    skip_known: bool,
    /// Print what was imported as JSON
    #[arg(long)]
    json: bool,
}

/// A key with its line in the file. `Debug` does not show it.
struct Line {
    number: u64,
    key: Zeroizing<String>,
    name: String,
}

impl Import {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        let scopes = scopes(&self.scopes)?;
        let lines = parse(&self.text()?)?;
        self.import(&at.open()?, scopes, &lines)
    }

    fn text(&self) -> Result<Zeroizing<String>, Failure> {
        files::read_text(&self.file, MAX_FILE)
    }

    fn import(&self, service: &dyn Service, scopes: Option<Scopes>, lines: &[Line]) -> Result<(), Failure> {
        let mut all = ImportedApiKeys { keys: Vec::new(), known: Vec::new() };
        let (batches, mut done) = (lines.chunks(IMPORT_BATCH), 0);
        for batch in batches {
            let order = ImportApiKeys {
                account: self.account.clone(),
                scopes,
                lifetime: self.ttl.map(|ttl| ttl.0),
                skip_known: self.skip_known,
                keys: batch.iter().map(|l| ImportedKey { key: l.key.to_string(), name: l.name.clone() }).collect(),
            };
            let answer = service::post::<_, ImportedApiKeys>(service, "/v1/admin/apikeys/import", &order);
            let imported = answer.map_err(|error| broken_off(error.into(), done, batch))?;
            // The service counts within the batch, people count lines.
            let known = imported.known.iter().filter_map(|place| batch.get(place - 1)).map(|line| line.number as usize);
            all.known.extend(known);
            all.keys.extend(imported.keys);
            done += batch.len();
            if lines.len() > IMPORT_BATCH {
                print::note(format!("{done} of {}", lines.len()));
            }
        }
        self.report(&all, lines)
    }

    fn report(&self, all: &ImportedApiKeys, lines: &[Line]) -> Result<(), Failure> {
        if self.json {
            print::json(all)?;
        } else {
            print::data(&all.keys.iter().map(|key| format!("{}\n", key.id)).collect::<String>())?;
        }
        print::note(format!("{} keys imported, {} were known before", all.keys.len(), all.known.len()));
        let guessable = lines.iter().filter(|line| !is_random(&line.key)).count();
        if guessable > 0 {
            print::note(format!(
                "{guessable} of them are no random UUIDs (RFC 9562 version 4) and may be guessed: replace these first"
            ));
        }
        print::note(
            "they are to be replaced: each program with 'ca apikey rotate --own', or see 'ca apikey list --legacy'",
        );
        Ok(())
    }
}

fn broken_off(failure: Failure, done: usize, batch: &[Line]) -> Failure {
    let (first, last) = (batch.first().map_or(0, |line| line.number), batch.last().map_or(0, |line| line.number));
    let hint = match done {
        0 => "correct the file and repeat the command; with --skip-known what is there already is left out".to_owned(),
        _ => format!("{done} keys before line {first} are imported; repeat the command with --skip-known"),
    };
    let text = format!("lines {first} to {last}, counted from 1 there: {}", failure.message());
    failure.with_message(text).hint(hint)
}

fn parse(text: &str) -> Result<Vec<Line>, Failure> {
    let (mut lines, mut seen) = (Vec::new(), HashMap::new());
    let mut is_first = true;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let record = record(line)
            .ok_or_else(|| Failure::refused(format!("line {number} is not the CSV that was expected")).hint(FORM))?;
        let key = record.get(0).unwrap_or_default();
        if std::mem::take(&mut is_first) && key.eq_ignore_ascii_case("key") {
            continue;
        }
        let Some(plain) = normalised(key) else {
            return Err(Failure::refused(format!("line {number}: this is no UUID")).hint(FORM));
        };
        if record.len() > 2 {
            return Err(Failure::refused(format!("line {number} has more than two columns")).hint(FORM));
        }
        if let Some(before) = seen.insert(plain, number) {
            return Err(Failure::refused(format!("line {number} has the key of line {before} again"))
                .hint("take one of the two out; nothing was imported"));
        }
        let name = record.get(1).unwrap_or_default().to_owned();
        lines.push(Line { number, key: Zeroizing::new(key.to_owned()), name });
    }
    if lines.is_empty() {
        return Err(Failure::refused("there is no key in the file").hint(FORM));
    }
    Ok(lines)
}

/// The cells of one line. Without the error's own words: they may quote it.
fn record(line: &str) -> Option<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.has_headers(false).trim(csv::Trim::All).from_reader(line.as_bytes());
    let mut records = reader.records();
    records.next()?.ok()
}

/// The 32 digits as a number.
fn normalised(key: &str) -> Option<u128> {
    let hyphens = key.len() == 36 && [8, 13, 18, 23].iter().all(|at| key.as_bytes().get(*at) == Some(&b'-'));
    let digits: Zeroizing<String> = Zeroizing::new(key.chars().filter(|c| *c != '-').collect());
    let good = digits.len() == 32 && (hyphens || key.len() == 32) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    u128::from_str_radix(&digits, 16).ok().filter(|_| good)
}

/// The version is the thirteenth digit (RFC 9562 4.2).
fn is_random(key: &str) -> bool {
    normalised(key).is_some_and(|number| number >> 76 & 0xf == 4)
}

const FORM: &str = "each line is a UUID such as 0f8fad5b-d9cb-469f-a165-70867728950e, and perhaps a comma and a name";
/// A hundred thousand keys with names.
const MAX_FILE: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::online::service::{Call, CallError};

    const UUID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

    fn refused(text: &str) -> String {
        let Err(failure) = parse(text) else { panic!("{text:?} was taken") };
        assert!(!format!("{failure:?}").contains("0305e82c"), "no key is quoted");
        failure.message().to_owned()
    }

    #[test]
    fn a_csv_and_a_bare_list_are_read() {
        let lines =
            parse(&format!("key,name\n{UUID},old one\n\n# a comment\n0f8fad5bd9cb469fa16570867728950e\n")).unwrap();
        let seen: Vec<_> = lines.iter().map(|l| (l.number, l.name.as_str())).collect();
        assert_eq!(seen, [(2, "old one"), (5, "")]);
        assert_eq!(parse(UUID).unwrap().len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line_and_never_quoted() {
        assert!(refused(&format!("{UUID}\n{UUID}x\n")).starts_with("line 2: "));
        assert!(
            refused(&format!("{UUID}\n{}\n", UUID.to_uppercase().replace('-', "")))
                .contains("line 2 has the key of line 1")
        );
        assert!(refused(&format!("{UUID},a,b\n")).contains("two columns"));
        assert!(refused("key,name\n").contains("no key"));
        assert!(refused(&format!("{}\n", &UUID[..35])).contains("no UUID"));
        assert!(is_random(UUID) && !is_random("c232ab00-9414-11ec-b3c8-9f6bdeced846"), "version 1 has the time in it");
    }

    #[test]
    fn many_keys_go_in_batches_and_a_failure_says_what_is_done() {
        struct Fails(RefCell<Vec<usize>>);
        impl Service for Fails {
            fn call(&self, call: Call<'_>) -> Result<Vec<u8>, CallError> {
                let Call::Post { body, .. } = call else { panic!() };
                let order: ImportApiKeys = serde_json::from_slice(body).unwrap();
                self.0.borrow_mut().push(order.keys.len());
                if self.0.borrow().len() == 3 {
                    return Err(CallError::Failed(Failure::internal("the network broke")));
                }
                Ok(br#"{"keys":[],"known":[2]}"#.to_vec())
            }
        }
        let text: String = (0..2500).map(|n| format!("3f2504e0-4f89-41d3-9a0c-{n:012x}\n")).collect();
        let account = AccountId::parse("acme").unwrap();
        let command = Import { account, file: "-".into(), scopes: vec![], ttl: None, skip_known: true, json: false };
        let service = Fails(RefCell::default());
        let failure = command.import(&service, None, &parse(&text).unwrap()).unwrap_err();
        assert_eq!(*service.0.borrow(), [1000, 1000, 500]);
        assert!(failure.message().starts_with("lines 2001 to 2500"), "{failure:?}");
        assert!(failure.hint_text().unwrap().starts_with("2000 keys before line 2001"), "{failure:?}");
    }
}
