//! The one rule for commands that end something for good: the effect is shown, then a person is asked at the terminal, or said
//! `--yes`, or the command refuses.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use clap::Args;

use crate::failure::Failure;
use crate::online::print;

/// What a command that ends something takes on its line.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Consent {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// A person has agreed to the effect. Functions that end something take it by value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Confirmed(());

impl Consent {
    #[cfg(test)]
    pub(super) const ASK: Consent = Consent { yes: false };
    #[cfg(test)]
    pub(super) const YES: Consent = Consent { yes: true };

    /// Whether `--yes` was said, so that the effect need not be found out.
    pub(super) fn is_given(self) -> bool {
        self.yes
    }

    /// `effect`: what would end, in whole lines. `question`: `Revoke?`.
    pub(super) fn confirm(self, effect: &str, question: &str) -> Result<Confirmed, Failure> {
        // A pipe is no person, and without the terminal no person sees what is asked.
        let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        self.decide(terminal, || ask(effect, question))
    }

    fn decide(self, terminal: bool, ask: impl FnOnce() -> io::Result<String>) -> Result<Confirmed, Failure> {
        if self.yes {
            return Ok(Confirmed(()));
        }
        if !terminal {
            return Err(Failure::usage(
                "this ends something for good, and there is no terminal to ask at; nothing was done",
            )
            .hint("repeat it with --yes when that is meant"));
        }
        let answer = ask().map_err(|e| Failure::internal(format!("the terminal: {e}")))?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(Confirmed(())),
            _ => Err(Failure::refused("not confirmed, so nothing was done").hint("answer y, or use --yes")),
        }
    }
}

fn ask(effect: &str, question: &str) -> io::Result<String> {
    let mut stderr = io::stderr().lock();
    let effect: String = effect.lines().map(|line| print::visible(line) + "\n").collect();
    write!(stderr, "{effect}{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().take(MAX_ANSWER).read_line(&mut answer)?;
    Ok(answer)
}

/// Octets of an answer that are read.
const MAX_ANSWER: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_of_a_person_or_of_the_command_line_confirms() {
        let answers = |text: &'static str| Consent::ASK.decide(true, move || Ok(text.to_owned())).is_ok();
        assert!(answers("y\n") && answers(" YES \n"));
        assert!(!answers("n\n") && !answers("\n") && !answers("") && !answers("yes please\n"));
        assert!(Consent::YES.decide(false, || unreachable!("--yes was said")).is_ok());
        let refused = Consent::ASK.decide(false, || unreachable!("there is no terminal")).unwrap_err();
        assert!(format!("{refused:?}").contains("Usage"), "{refused:?}");
    }
}
