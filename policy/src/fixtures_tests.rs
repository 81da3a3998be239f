use crate::{Fixtures, Policy};

const RULES: &str = r#"
[[rule]]
id = "sensors-deliver"
effect = "permit"
description = "Sensors deliver what they measured"
principal = { groups_any = ["sensors"] }
actions = ["telemetry:write"]
resource = { kind = "service", ids = ["ingest"] }

[[rule]]
id = "old-certificates"
effect = "forbid"
description = "Nobody with a certificate older than a day"
principal = "*"
actions = "*"
resource = "*"
unless = { certificate = { issued_within = "24h" } }
"#;

const CASES: &str = r#"
[[entity]]
id = "sensor-1"
kind = "device"
groups = ["sensors"]
certificate = { age = "3h" }

[[entity]]
id = "old-sensor"
kind = "device"
groups = ["sensors"]
certificate = { age = "3d" }

[[entity]]
id = "ingest"
kind = "service"

[[test]]
name = "a sensor delivers"
principal = "sensor-1"
action = "telemetry:write"
resource = "ingest"
at = 2026-11-22T10:00:00Z
expect = "allow"
rule = "sensors-deliver"

[[test]]
name = "an old one does not"
principal = "old-sensor"
action = "telemetry:write"
resource = "ingest"
at = 2026-11-22T10:00:00Z
expect = "deny"
"#;

#[test]
fn cases_that_are_answered_as_meant_pass() {
    let policy = Policy::parse(&format!("{RULES}{CASES}")).unwrap();
    let outcome = policy.fixtures().run(&policy);
    assert_eq!((outcome.cases, outcome.failures.len()), (2, 0), "{outcome:?}");
    let apart = Fixtures::parse(CASES).unwrap().run(&Policy::parse(RULES).unwrap());
    assert_eq!(apart, outcome);
}

#[test]
fn t45_cases_find_a_lock_out_and_a_policy_that_lets_in() {
    let fixtures = Fixtures::parse(CASES).unwrap();
    let locked = Policy::parse(&RULES.replace("\"24h\"", "\"24m\"")).unwrap();
    let found = fixtures.run(&locked).failures;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].name.as_str(), found[0].line, found[0].expected.as_str(), found[0].found.as_str()),
        ("a sensor delivers", 18, "allow by sensors-deliver", "deny by old-certificates")
    );
    assert_eq!(found[0].why, "line 10: Nobody with a certificate older than a day");
    let open = Policy::parse(&RULES.replace("\"24h\"", "\"24d\"")).unwrap();
    let found = fixtures.run(&open).failures;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].name.as_str(), found[0].found.as_str()), ("an old one does not", "allow by sensors-deliver"));
    let other = Policy::parse(&RULES.replace("telemetry:write", "telemetry:writes")).unwrap();
    assert_eq!(fixtures.run(&other).failures[0].why, "sensors-deliver: the action does not fit");
}

#[test]
fn a_case_that_the_time_decides_needs_one() {
    let fixtures = Fixtures::parse(&CASES.replace("at = 2026-11-22T10:00:00Z\n", "")).unwrap();
    let found = fixtures.run(&Policy::parse(RULES).unwrap()).failures;
    assert_eq!(found.len(), 2);
    assert!(found[0].why.contains("give the test an 'at'"));
}

#[test]
fn a_case_names_entities_and_rules_that_exist() {
    let told = |text: String| Policy::parse(&text).unwrap_err().to_string();
    let case = format!("{RULES}{CASES}");
    assert!(told(case.replace("principal = \"old-sensor\"", "principal = \"nobody\"")).contains("no [[entity]]"));
    assert!(told(case.replace("rule = \"sensors-deliver\"", "rule = \"sensors\"")).contains("there is no rule"));
    assert!(told(case.replace("an old one does not", "a sensor delivers")).contains("another test has this name"));
    assert!(told(case.replace("expect = \"deny\"", "expect = \"maybe\"")).contains("none of allow, deny"));
    assert!(told(case.replace("expect = \"deny\"\n", "")).contains("expect is missing"));
    // Alone, a file of cases cannot know the rules; running it says so.
    let apart = Fixtures::parse(&CASES.replace("rule = \"sensors-deliver\"", "rule = \"sensors\"")).unwrap();
    assert!(apart.run(&Policy::parse(RULES).unwrap()).failures[0].why.contains("no rule sensors"));
    assert!(Fixtures::parse(RULES).is_err());
}
