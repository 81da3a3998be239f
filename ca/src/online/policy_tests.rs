use crate::online::consent::Consent;
use signet_api::policy::{PolicyChange, PolicyDiff, PolicyExample, PolicyInfo};

use super::*;
use crate::online::policy_apply;
use crate::online::service::tests::Fake;

const POLICY: &str = r#"
[[rule]]
id = "sensors-deliver"
effect = "permit"
description = "Sensors deliver what they measured"
principal = { groups_any = ["sensors"] }
actions = ["telemetry:write"]
resource = "*"

[[entity]]
id = "sensor-1"
kind = "device"
groups = ["sensors"]

[[entity]]
id = "ingest"
kind = "service"

[[test]]
name = "a sensor delivers"
principal = "sensor-1"
action = "telemetry:write"
resource = "ingest"
expect = "allow"
"#;

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("policy.toml");
    std::fs::write(&path, text).unwrap();
    (temp, path)
}

fn test(policy: &str, fixtures: Option<&str>) -> Result<(), Failure> {
    let (_kept, policy) = file(policy);
    let fixtures = fixtures.map(file);
    Test { policy, fixtures: fixtures.as_ref().map(|(_, path)| path.clone()), json: false }.run()
}

#[test]
fn t45_the_tests_of_a_policy_fail_when_it_locks_out_or_lets_in() {
    assert!(test(POLICY, None).is_ok());
    let locked = test(&POLICY.replace("[\"telemetry:write\"]", "[\"telemetry:read\"]"), None).unwrap_err();
    assert_eq!(locked.message(), "1 of 1 tests fail");
    let stranger = "[[entity]]\nid = \"stranger\"\nkind = \"device\"\n[[entity]]\nid = \"ingest\"\nkind = \"service\"\n[[test]]\n\
                    name = \"a stranger does nothing\"\nprincipal = \"stranger\"\naction = \"telemetry:write\"\n\
                    resource = \"ingest\"\nexpect = \"deny\"\n";
    assert!(test(POLICY, Some(stranger)).is_ok());
    let open = POLICY.replace("principal = { groups_any = [\"sensors\"] }", "principal = \"*\"");
    assert!(test(&open, None).is_ok(), "its own tests do not see it");
    assert_eq!(test(&open, Some(stranger)).unwrap_err().message(), "1 of 2 tests fail");
}

#[test]
fn a_table_names_the_place_the_expectation_and_the_reason() {
    let policy = Policy::parse(&POLICY.replace("[\"telemetry:write\"]", "[\"telemetry:read\"]")).unwrap();
    let text = table(&[("policy.toml".into(), policy.fixtures().run(&policy))]);
    let line = text.lines().nth(1).unwrap();
    let words: Vec<_> = line.split("  ").map(str::trim).filter(|w| !w.is_empty()).collect();
    let expected = [
        "policy.toml:19",
        "a sensor delivers",
        "allow",
        "deny: no rule permits it",
        "sensors-deliver: the action does not fit",
    ];
    assert_eq!(words, expected);
}

#[test]
fn a_policy_without_tests_or_with_mistakes_is_refused() {
    let rules = POLICY.split("[[entity]]").next().unwrap();
    assert_eq!(test(rules, None).unwrap_err().message(), "there are no tests");
    let (_kept, path) = file(&POLICY.replace("effect = \"permit\"", "effect = \"allow\"\nwho = 1"));
    let failure = Check { file: path.clone() }.run().unwrap_err();
    assert_eq!(failure.message(), format!("{} has 2 mistakes", path.display()));
}

fn diff(from: &str) -> PolicyDiff {
    let example = PolicyExample { principal: "sensor-1".into(), resource: "ingest".into() };
    let change = PolicyChange {
        action: "telemetry:write".into(),
        becomes: "deny".into(),
        before: vec!["sensors-deliver".into()],
        after: vec![],
        principals: 213,
        resources: 4,
        examples: vec![example; 20],
    };
    PolicyDiff {
        from: from.into(),
        affected: 213,
        entities: 1000,
        changes: vec![change],
        is_complete: true,
        ..PolicyDiff::default()
    }
}

#[test]
fn a_comparison_says_how_many_it_affects_and_how() {
    let text = policy_apply::view(&diff("0123456789abcdef"));
    assert!(text.contains("affects        213 of 1000 principals\n"), "{text}");
    let line = text.lines().last().unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[..6], ["deny", "telemetry:write", "213", "4", "sensors-deliver", "no"]);
    assert_eq!(line.matches("sensor-1->ingest").count(), 3);
}

#[test]
fn t45_nothing_is_applied_without_a_yes_or_when_its_tests_fail() {
    let (_kept, path) = file(POLICY);
    let info = PolicyInfo { revision: "0123456789abcdef".into(), ..PolicyInfo::default() };
    let compared = diff("0123456789abcdef");
    let service = || Fake::default().with("/v1/admin/policy", &info).with("/v1/admin/policy/diff", &compared);
    let has_put = |service: &Fake| service.asked.borrow().iter().any(|path| path == "PUT /v1/admin/policy");
    let silent = service();
    // The tests have no terminal.
    let failure = Apply { file: path.clone(), consent: Consent::ASK }.run(&silent).unwrap_err();
    assert!(failure.message().contains("nothing was done"), "{failure:?}");
    assert!(!has_put(&silent));
    let sure = service();
    Apply { file: path, consent: Consent::YES }.run(&sure).unwrap();
    assert!(has_put(&sure));
    let (_kept, failing) = file(&POLICY.replace("expect = \"allow\"", "expect = \"deny\""));
    let untouched = service();
    let failure = Apply { file: failing, consent: Consent::YES }.run(&untouched).unwrap_err();
    assert_eq!(failure.message(), "1 of 1 tests fail, so nothing was applied");
    assert!(!has_put(&untouched));
}
