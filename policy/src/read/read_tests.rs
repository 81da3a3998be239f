use proptest::prelude::*;

use crate::{Policy, PolicyErrors, limits};

const GOOD: &str = r#"
ttl_seconds = 120

[[rule]]
id = "sensors-deliver"
effect = "permit"
description = "Sensors deliver what they measured"
principal = { kind = "device", groups_any = ["sensors", "meters"] }
actions = ["telemetry:write"]
resource = { kind = "service", ids = ["ingest"] }
when = { source = ["10.0.0.0/8", "fd00::/8"], certificate = { issued_within = "24h", newest = true } }
ttl_seconds = 30

[[rule]]
id = "no-night-work"
effect = "forbid"
description = "Nobody opens doors at night"
principal = "*"
actions = ["door:open"]
resource = { groups_all = ["doors"] }
when = { time = [{ days = ["mon", "fri"], from = "22:00", to = "06:00" }], before = 2030-01-01 }
unless = { source = ["10.1.0.0/16"] }
"#;

fn wrong(text: &str) -> Vec<String> {
    Policy::parse(text).unwrap_err().0.iter().map(ToString::to_string).collect()
}

/// A rule with one line exchanged or added.
fn with(line: &str) -> String {
    let key = line.split(' ').next().unwrap();
    let mut lines = vec![
        "[[rule]]",
        "id = \"a\"",
        "effect = \"permit\"",
        "description = \"d\"",
        "principal = { groups_any = [\"g\"] }",
        "actions = \"*\"",
        "resource = \"*\"",
    ];
    lines.retain(|l| !l.starts_with(&format!("{key} ")));
    lines.push(line);
    lines.join("\n")
}

#[test]
fn a_policy_is_read_with_its_rules_in_the_order_of_their_ids() {
    let policy = Policy::parse(GOOD).unwrap();
    let ids: Vec<_> = policy.rules().iter().map(|rule| (rule.id(), rule.line())).collect();
    assert_eq!(ids, [("no-night-work", 14), ("sensors-deliver", 4)]);
    assert!(policy.is_timed());
    let known: Vec<_> = policy.unknown_groups(|group| group == "sensors").iter().map(ToString::to_string).collect();
    assert_eq!(
        known,
        [
            "line 4, sensors-deliver: nobody is in the group \"meters\"",
            "line 14, no-night-work: nobody is in the group \"doors\""
        ]
    );
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_line() {
    let text = GOOD
        .replace("\"permit\"", "\"allow\"")
        .replace("groups_any", "group")
        .replace("10.0.0.0/8", "10.0.0.1/8")
        .replace("\"24h\"", "\"1 day\"")
        .replace("from = \"22:00\"", "from = \"25:00\"")
        .replace("ttl_seconds = 30\n", "ttl_seconds = 36000\nnote = 1\n");
    assert_eq!(
        wrong(&text),
        [
            "line 6, sensors-deliver: \"allow\" is none of permit, forbid",
            "line 8, sensors-deliver: \"group\" is not known here, but accounts, groups_all, groups_any, ids, kind, \
             profiles, status",
            "line 11, sensors-deliver: \"1 day\" is not a duration such as \"90s\", \"15m\", \"24h\" or \"30d\"",
            "line 11, sensors-deliver: \"10.0.0.1/8\" is not a network such as \"10.1.0.0/16\", with zeros behind the prefix",
            "line 12, sensors-deliver: ttl_seconds is from 0 to 3600",
            "line 13, sensors-deliver: \"note\" is not known here, but actions, allow_all, description, effect, id, \
             principal, resource, ttl_seconds, unless, when",
            "line 22, no-night-work: \"25:00\" is not a time of day in UTC such as \"08:30\"",
        ]
    );
}

#[test]
fn what_is_missing_or_says_nothing_is_refused() {
    let cases = [
        ("[[rule]]\nid = \"a\"", "line 1, a: effect is missing"),
        ("id = \"A b\"", "is not an id"),
        ("description = \"\"", "1 to 200 printable"),
        ("description = \"a\\u202eb\"", "1 to 200 printable"),
        ("principal = {}", "an empty principal says nothing"),
        ("principal = { ids = [\"a\"] }", "say of what, with kind"),
        ("principal = { groups_any = [] }", "has 0 entries"),
        ("principal = { groups_any = [\"g\", \"g\"] }", "names \"g\" twice"),
        ("principal = \"sensors\"", "\"*\" or a table"),
        ("actions = \"read\"", "\"*\" or a list of actions"),
        ("actions = [\"a b\"]", "is not a name"),
        ("actions = [1]", "a text is expected here, not a whole number"),
        ("when = {}", "no condition stands here"),
        ("when = { certificate = {} }", "no condition stands here"),
        ("when = { time = [{ from = \"08:00\" }] }", "to is missing"),
        ("when = { time = [{ from = \"08:00\", to = \"08:00\" }] }", "a window has a length"),
        ("when = { not_before = 2027-01-02, before = 2027-01-01 }", "not earlier"),
        ("when = { before = \"2027-01-01\" }", "a date such as"),
        ("when = { before = 2027-01-01T00:00:00 }", "a time with its offset"),
        ("principal = { groups_any = [\"g\"], status = [\"revoked\"] }", "a permit cannot name the status"),
        ("rules = 1", "\"rules\" is not known here"),
        ("effect = permit", "line 7"),
    ];
    for (line, expected) in cases {
        let text = if line.starts_with('[') { line.to_owned() } else { with(line) };
        let told = wrong(&text);
        assert!(told.iter().any(|told| told.contains(expected)), "{line}: {told:?}");
    }
    assert!(Policy::parse(&with("ttl_seconds = 0")).is_ok());
}

#[test]
fn a_name_that_stands_twice_is_refused_at_the_second() {
    let text = format!("{}\n{}", with("id = \"same\""), with("id = \"same\""));
    assert_eq!(wrong(&text), ["line 8, same: another rule has this name, in line 1"]);
}

#[test]
fn t45_a_rule_that_lets_everybody_do_everything_needs_to_say_so() {
    for principal in ["\"*\"", "{ kind = \"device\" }", "{ status = [\"active\", \"suspended\"] }"] {
        let everybody = with(&format!("principal = {principal}"));
        assert!(wrong(&everybody)[0].contains("allow_all = true"), "{principal}");
        assert!(wrong(&format!("{everybody}\nwhen = {{ source = [\"0.0.0.0/0\"] }}"))[0].contains("allow_all = true"));
        assert!(wrong(&format!("{everybody}\nallow_all = false"))[0].contains("allow_all = true"));
        assert!(Policy::parse(&format!("{everybody}\nallow_all = true")).is_ok());
    }
    assert!(wrong(&with("allow_all = true"))[0].contains("alone"));
    // To forbid everything needs no such word: it harms until it is taken back, and lets nobody in.
    assert!(Policy::parse(&with("principal = \"*\"").replace("permit", "forbid")).is_ok());
}

#[test]
fn sizes_have_limits() {
    let long = "#".repeat(limits::TEXT_BYTES + 1);
    assert!(wrong(&long)[0].contains("1048576 are the most"));
    let many = "[[rule]]\n".repeat(limits::RULES + 1);
    assert_eq!(wrong(&many), [format!("line {}: more than 10000 of rule", limits::RULES + 1)]);
    let PolicyErrors(errors) = Policy::parse(&"[[rule]]\n".repeat(limits::RULES)).unwrap_err();
    assert_eq!(errors.len(), limits::ERRORS);
    let deep = format!("when = {}", "[".repeat(50_000));
    assert!(Policy::parse(&with(&deep)).is_err());
}

#[test]
fn the_example_in_the_readme_holds_what_it_says() {
    let section = include_str!("../../../README.md").split("\n## The policy\n").nth(1).unwrap();
    let text = section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let policy = Policy::parse(text).unwrap();
    let outcome = policy.fixtures().run(&policy);
    assert!(outcome.cases > 1 && outcome.failures.is_empty(), "{outcome:?}");
}

#[test]
fn the_revision_is_of_the_words_and_not_of_line_ends() {
    let policy = Policy::parse(GOOD).unwrap();
    assert_eq!(policy.revision().len(), 16);
    assert_eq!(Policy::parse(&GOOD.replace('\n', "\r\n")).unwrap().revision(), policy.revision());
    assert_ne!(Policy::parse(&GOOD.replace("120", "121")).unwrap().revision(), policy.revision());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = Policy::parse(&text);
        let _ = crate::Fixtures::parse(&text);
    }

    #[test]
    fn no_damage_makes_the_reader_panic(at in 0..GOOD.len(), cut in 0usize..20, put in "[\\PC\n]{0,6}") {
        let end = (at + cut).min(GOOD.len());
        let damaged = format!("{}{put}{}", &GOOD[..at], &GOOD[end..]);
        if let Err(PolicyErrors(errors)) = Policy::parse(&damaged) {
            prop_assert!(!errors.is_empty());
            let lines = damaged.split('\n').count();
            prop_assert!(errors.iter().all(|error| (1..=lines).contains(&error.line)));
        }
    }
}
