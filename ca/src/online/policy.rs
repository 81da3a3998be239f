//! `ca policy`: the rules of live permission. Checking and testing need no service.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use signet_policy::limits::TEXT_BYTES;
use signet_policy::{Failure as Failed, Fixtures, Outcome, Policy, PolicyErrors};

use crate::failure::Failure;
use crate::online::context::At;
use crate::online::policy_apply::{Apply, Diff, History, Show};
use crate::online::{files, print};

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    Check(Check),
    Test(Test),
    Show(Show),
    History(History),
    Diff(Diff),
    Apply(Apply),
}

impl PolicyCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            PolicyCommand::Check(command) => command.run(),
            PolicyCommand::Test(command) => command.run(),
            PolicyCommand::Show(command) => command.run(&at.open()?),
            PolicyCommand::History(command) => command.run(&at.open()?),
            PolicyCommand::Diff(command) => command.run(&at.open()?),
            PolicyCommand::Apply(command) => command.run(&at.open()?),
        }
    }
}

/// Read a policy and name every mistake with its line; asks no service
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca policy check policy.toml")]
pub(crate) struct Check {
    file: PathBuf,
}

impl Check {
    fn run(self) -> Result<(), Failure> {
        let policy = read(&self.file)?;
        print::data(&print::fields(&[
            ("revision", policy.revision().to_owned()),
            ("rules", policy.rules().len().to_string()),
            ("tests", policy.fixtures().cases().len().to_string()),
        ]))
    }
}

/// Run the tests of a policy, from its own file and from another; asks no service
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca policy test --policy policy.toml --fixtures cases.toml")]
pub(crate) struct Test {
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// More tests: a file of [[entity]] and [[test]]
    #[arg(long, value_name = "FILE")]
    fixtures: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

impl Test {
    fn run(self) -> Result<(), Failure> {
        let policy = read(&self.policy)?;
        let mut results = vec![(self.policy.clone(), policy.fixtures().run(&policy))];
        if let Some(file) = self.fixtures {
            let fixtures = Fixtures::parse(&text(&file)?).map_err(|errors| wrong(&file, &errors))?;
            results.push((file, fixtures.run(&policy)));
        }
        let (cases, failed) =
            results.iter().fold((0, 0), |sum, (_, outcome)| (sum.0 + outcome.cases, sum.1 + outcome.failures.len()));
        if cases == 0 {
            return Err(Failure::refused("there are no tests")
                .hint("write [[entity]] and [[test]] into the policy, or name a file: --fixtures"));
        }
        if self.json {
            print::json(&Told::of(&results))?
        } else {
            print::data(&table(&results))?
        }
        if failed > 0 {
            return Err(Failure::refused(format!("{failed} of {cases} tests fail"))
                .hint("mend the rules or the tests: each line says what was found instead"));
        }
        print::note(format!("{cases} {} pass", if cases == 1 { "test" } else { "tests" }));
        Ok(())
    }
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Told {
    tests: usize,
    failures: Vec<ToldFailure>,
}

#[derive(Debug, Serialize)]
struct ToldFailure {
    file: String,
    line: usize,
    test: String,
    expected: String,
    found: String,
    why: String,
}

impl Told {
    fn of(results: &[(PathBuf, Outcome)]) -> Told {
        let failures = results.iter().flat_map(|(file, outcome)| {
            outcome.failures.iter().cloned().map(|Failed { line, name, expected, found, why }| ToldFailure {
                file: file.display().to_string(),
                line,
                test: name,
                expected,
                found,
                why,
            })
        });
        Told { tests: results.iter().map(|(_, outcome)| outcome.cases).sum(), failures: failures.collect() }
    }
}

/// Nothing for tests that pass.
fn table(results: &[(PathBuf, Outcome)]) -> String {
    let rows: Vec<Vec<String>> = Told::of(results)
        .failures
        .into_iter()
        .map(|f| vec![format!("{}:{}", f.file, f.line), f.test, f.expected, f.found, f.why])
        .collect();
    if rows.is_empty() { String::new() } else { print::table(&["where", "test", "expected", "found", "why"], &rows) }
}

/// A policy that is understood; every mistake goes to standard error first.
pub(super) fn read(file: &Path) -> Result<Policy, Failure> {
    Policy::parse(&text(file)?).map_err(|errors| wrong(file, &errors))
}

fn text(file: &Path) -> Result<String, Failure> {
    files::read_text(file, TEXT_BYTES).map(|text| text.to_string())
}

fn wrong(file: &Path, errors: &PolicyErrors) -> Failure {
    for error in &errors.0 {
        print::note(format!("{}: {error}", file.display()));
    }
    let number = errors.0.len();
    let mistakes = if number == 1 { "mistake" } else { "mistakes" };
    Failure::refused(format!("{} has {number} {mistakes}", file.display()))
        .hint("each is named above with its line; the README shows every field under 'The policy'")
}

/// Failed tests of a policy's own, for those who are about to apply it.
pub(super) fn must_pass(file: &Path, policy: &Policy) -> Result<(), Failure> {
    let outcome = policy.fixtures().run(policy);
    let (cases, failed) = (outcome.cases, outcome.failures.len());
    if failed == 0 {
        return Ok(());
    }
    print::data(&table(&[(file.to_owned(), outcome)]))?;
    let hint = format!("mend the rules or the tests, then: ca policy test --policy {}", file.display());
    Err(Failure::refused(format!("{failed} of {cases} tests fail, so nothing was applied")).hint(hint))
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
