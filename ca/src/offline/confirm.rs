//! Asking a person. Questions go to stderr, the answer is one line of stdin.

use std::io::{self, BufRead, IsTerminal, Read};

use crate::failure::Failure;

/// Whether the person still has to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    Ask,
    /// `--yes`: given on the command line.
    Given,
}

impl Consent {
    pub(crate) fn from_flag(yes: bool) -> Consent {
        if yes { Consent::Given } else { Consent::Ask }
    }
}

/// Goes on when the answer is `yes` or the first four digits of `hash`, whose comparison is the point of the question.
pub(crate) fn compared(consent: Consent, what: &str, hash: &str) -> Result<(), Failure> {
    if consent == Consent::Given {
        return Ok(());
    }
    let digits = &hash[..hash.len().min(DIGITS)];
    eprint!("Compare {what} with the other side. Type its first four digits, or yes, to go on: ");
    let mut line = String::new();
    // Bounded: stdin may be anything.
    io::stdin().lock().take(MAX_ANSWER).read_line(&mut line).map_err(Failure::internal)?;
    // Only a terminal has shown the line end of the answer.
    if !io::stdin().is_terminal() || line.is_empty() {
        eprintln!();
    }
    let answer = line.trim().replace(':', "");
    if answer.eq_ignore_ascii_case("yes") || answer.eq_ignore_ascii_case(digits) {
        return Ok(());
    }
    Err(Failure::refused("not confirmed, so nothing was done")
        .hint("compare again, or use --yes when you have compared already"))
}

const DIGITS: usize = 4;
const MAX_ANSWER: u64 = 1024;
