//! `--help` of every command of every program.

use std::process::Command;

use crate::binaries;
use crate::site::finish;

/// What fits on a tall terminal.
const LINES: usize = 60;

#[test]
fn every_help_fits_a_screen_and_ends_in_an_example_that_parses() {
    let mut seen = 0;
    for program in ["ca", "signetd", "signet-agent"] {
        check(program, &[], &mut seen);
    }
    assert!(seen > 35, "only {seen} helps were read");
}

fn check(program: &str, path: &[&str], seen: &mut usize) {
    *seen += 1;
    let mut command = Command::new(binaries::path(program));
    command.args(path).arg("--help");
    let help = finish(command).succeeded().stdout;
    let name = format!("{program} {}", path.join(" "));
    assert!(help.lines().count() <= LINES, "{name}: {} lines", help.lines().count());
    assert!(help.lines().all(|l| l.len() <= 100), "{name}: a line is too wide:\n{help}");
    let after = help.rsplit_once("\nExample").unwrap_or_else(|| panic!("{name} has no example:\n{help}")).1;
    let (_, examples) = after.split_once(":\n").unwrap();
    for example in examples.replace("\\\n", " ").lines() {
        let words = words(example.split([';', '>', '|', '&']).next().unwrap());
        let line: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(line[0], program, "{name}: {example}");
        assert_eq!(line[1..].get(..path.len()), Some(path), "{name}: the example is of another command: {example}");
        // Everything before it is parsed, and nothing is done.
        let mut parse = Command::new(binaries::path(program));
        parse.args(&line[1..]).arg("--help");
        let run = finish(parse);
        assert_eq!(run.code, 0, "{name}: the example does not parse: {example}\n{}", run.stderr);
    }
    for sub in commands(&help) {
        check(program, &[path, &[sub]].concat(), seen);
    }
}

/// The names under `Commands:`.
fn commands(help: &str) -> Vec<&str> {
    let section = help.split("\nCommands:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
    let names = section.lines().filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    names.filter_map(|l| l.split_whitespace().next()).filter(|name| *name != "help").collect()
}

/// As a shell splits them; nothing more than single quotes is used.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (n, part) in line.split('\'').enumerate() {
        match n % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}
