//! The policy of live permission from outside: applied, compared, kept, and never a way to lock anybody out of mending it.

use signet::housekeeping::PolicyWatch;
use signet_api::ErrorCode;
use signet_api::client::{Client, ClientError, Method};
use signet_api::policy::{POLICY_PATH, PolicyCandidate, PolicyDiff, PolicyInfo, PolicyOrder, PolicyStep};
use signet_policy::{Entity, Kind, Request};

use crate::support::{Builder, Installation, TestService, code, order};

const SENSORS: &str = r#"
[[rule]]
id = "sensors-deliver"
effect = "permit"
description = "Sensors deliver what they measured"
principal = { groups_any = ["sensors"] }
actions = ["telemetry:write"]
resource = "*"
"#;

const NOBODY: &str = r#"
[[rule]]
id = "stop"
effect = "forbid"
description = "Nobody does anything"
principal = "*"
actions = "*"
resource = "*"
"#;

const FILE: &str = "[policy]\nfile = \"policy.toml\"";

async fn info(service: &TestService) -> PolicyInfo {
    service.admin.get_json(POLICY_PATH).await.unwrap()
}

async fn put(client: &Client, text: &str, instead_of: &str) -> Result<PolicyInfo, ClientError> {
    let order = PolicyOrder { text: text.into(), instead_of: instead_of.into() };
    let body = ("application/json", serde_json::to_vec(&order).unwrap());
    client.send(Method::PUT, POLICY_PATH, &[], Some(body)).await?.json()
}

/// In the place of whatever is in force.
async fn apply(service: &TestService, text: &str) -> Result<PolicyInfo, ClientError> {
    put(&service.admin, text, &info(service).await.revision).await
}

async fn diff(service: &TestService, text: &str) -> Result<PolicyDiff, ClientError> {
    let candidate = PolicyCandidate { text: text.into(), ..PolicyCandidate::default() };
    service.admin.post_json(&format!("{POLICY_PATH}/diff"), &candidate).await
}

/// Three sensors of four devices.
async fn fleet(service: &TestService) {
    for id in ["sensor-1", "sensor-2", "sensor-3"] {
        let order = signet_api::admin::CreateTokens { groups: vec!["sensors".into()], ..order(id) };
        let token = service.create_token(order).await;
        service.device_with(&token, crate::support::TestKey::p256()).await;
    }
    service.device("meter-1").await;
}

/// What the policy in memory answers.
fn sensor_may(service: &TestService, action: &str) -> bool {
    let groups = ["sensors".to_owned()];
    let principal = Entity { groups: &groups, ..Entity::new(Kind::Device, "sensor-1") };
    let at = service.running.service.clock.now();
    let resource = Entity::new(Kind::Service, "ingest");
    let request = Request { principal, action, resource, path: None, at, source: None };
    service.running.service.policies.current().decide(&request).is_allowed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_applied_audited_and_in_force_after_a_restart() {
    let service = TestService::start().await;
    let before = info(&service).await;
    assert_eq!((before.text.as_str(), before.rules, before.applied_by), ("", 0, None));
    assert!(!sensor_may(&service, "telemetry:write"));
    let applied = apply(&service, SENSORS).await.unwrap();
    assert_eq!((applied.rules, applied.origin.as_deref(), applied.text.as_str()), (1, Some("api"), SENSORS));
    assert!(sensor_may(&service, "telemetry:write"));
    let entry = service.audit_of("policy.applied").await.remove(0);
    assert!(entry.canonical.contains(&applied.revision) && entry.actor.starts_with("admin:"), "{entry:?}");
    apply(&service, NOBODY).await.unwrap();
    let history: Vec<PolicyStep> = service.admin.get_json(&format!("{POLICY_PATH}/history")).await.unwrap();
    assert_eq!(history.iter().map(|step| step.number).collect::<Vec<_>>(), [2, 1]);
    let old: PolicyStep = service.admin.get_json(&format!("{POLICY_PATH}/history/{}", applied.revision)).await.unwrap();
    assert_eq!(old.text.as_deref(), Some(SENSORS));
    let unknown = service.admin.get_json::<PolicyStep>(&format!("{POLICY_PATH}/history/0000")).await;
    assert_eq!(code(unknown), ErrorCode::NotFound);
    apply(&service, SENSORS).await.unwrap();
    let service = Builder::default().start_in(service.stop().await).await;
    assert_eq!(info(&service).await.revision, applied.revision);
    assert!(sensor_may(&service, "telemetry:write"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_administrators_do_not_overwrite_one_another() {
    let service = TestService::start().await;
    let seen = info(&service).await.revision;
    let first = put(&service.admin, SENSORS, &seen).await.unwrap();
    assert_eq!(code(put(&service.admin, NOBODY, &seen).await), ErrorCode::PolicyChanged);
    assert_eq!(info(&service).await.revision, first.revision);
    // The first one asks again, because the answer was lost.
    assert_eq!(put(&service.admin, SENSORS, &seen).await.unwrap(), first);
    assert_eq!(service.audit_of("policy.applied").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t45_what_cannot_be_understood_or_fails_its_own_tests_changes_nothing() {
    let service = TestService::start().await;
    let good = apply(&service, SENSORS).await.unwrap();
    let fixture = "[[entity]]\nid = \"a\"\nkind = \"device\"\n[[test]]\nname = \"a stranger does nothing\"\nprincipal = \"a\"\n\
                   action = \"telemetry:write\"\nresource = \"a\"\nexpect = \"deny\"\n";
    let everybody = SENSORS.replace("{ groups_any = [\"sensors\"] }", "\"*\"");
    let cases = [
        (SENSORS.replace("permit", "allow"), "line 4, sensors-deliver: \"allow\" is none of permit, forbid"),
        (format!("{everybody}{fixture}"), "1 of 1 tests fail: line 12, test \"a stranger does nothing\""),
        (everybody.replace("[\"telemetry:write\"]", "\"*\""), "write allow_all = true"),
        ("# nothing yet\n".to_owned(), "it has no rule, so it would deny everything"),
    ];
    for (text, told) in cases {
        let error = apply(&service, &text).await.unwrap_err();
        let problem = error.problem().unwrap().clone();
        assert_eq!(problem.code, ErrorCode::PolicyRefused);
        assert!(problem.detail.as_ref().unwrap().contains(told), "{problem:?}");
    }
    assert_eq!(info(&service).await.revision, good.revision);
    assert_eq!(service.audit_of("policy.applied").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn t45_a_comparison_says_in_numbers_who_would_be_let_in_or_locked_out() {
    let service = TestService::start().await;
    fleet(&service).await;
    let wider = SENSORS.replace("groups_any = [\"sensors\"]", "kind = \"device\"") + "# everybody\n";
    let found = diff(&service, SENSORS).await.unwrap();
    assert_eq!((found.affected, found.is_complete, found.changes.len()), (3, true, 1), "{found:?}");
    assert_eq!((found.changes[0].becomes.as_str(), found.changes[0].principals), ("allow", 3));
    assert_eq!(found.changes[0].examples[0].principal, "sensor-1");
    assert_eq!(found.rules_added, ["sensors-deliver"]);
    assert_eq!(info(&service).await.rules, 0, "it changes nothing");
    apply(&service, SENSORS).await.unwrap();
    assert_eq!(diff(&service, SENSORS).await.unwrap().affected, 0);
    let found = diff(&service, &wider).await.unwrap();
    assert_eq!((found.affected, found.changes[0].examples[0].principal.as_str()), (1, "meter-1"));
    assert_eq!((found.rules_changed.len(), found.rules_added.len()), (1, 0));
    let found = diff(&service, &format!("{SENSORS}{NOBODY}")).await.unwrap();
    assert_eq!((found.affected, found.changes[0].becomes.as_str()), (3, "deny"));
    assert_eq!(found.changes[0].after, ["stop"]);
    let misspelt = diff(&service, &SENSORS.replace("\"sensors\"", "\"sensor\"")).await.unwrap();
    assert_eq!(misspelt.warnings, ["line 2, sensors-deliver: nobody is in the group \"sensor\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t45_whatever_a_policy_says_an_administrator_can_mend_it() {
    let service = TestService::start().await;
    fleet(&service).await;
    apply(&service, NOBODY).await.unwrap();
    assert!(!sensor_may(&service, "telemetry:write"));
    // Nothing of an administrator's rights comes from it.
    service.show("sensor-1").await;
    service.revoke_device("sensor-2").await;
    let service = Builder::default().start_in(service.stop().await).await;
    service.show("sensor-1").await;
    apply(&service, SENSORS).await.unwrap();
    assert!(sensor_may(&service, "telemetry:write"));
}

/// Somebody may be in the middle of writing it, so that it is looked at twice.
async fn settle(watch: &mut PolicyWatch, service: &TestService) {
    watch.look(&service.running.service).await;
    watch.look(&service.running.service).await;
}

fn write(installation: &Installation, text: &str) {
    std::fs::write(installation.path("server/policy.toml"), text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t45_a_broken_file_leaves_the_last_good_one_in_force_also_over_a_restart() {
    let installation = Installation::new().await;
    write(&installation, SENSORS);
    let service = TestService::builder().toml(FILE).start_in(installation).await;
    let good = info(&service).await;
    assert_eq!((good.origin.as_deref(), good.applied_by.as_deref()), (Some("file"), Some("signetd")));
    assert!(good.file.as_ref().unwrap().ends_with("policy.toml") && good.problem.is_none());
    assert!(service.local("/metrics").await.text().contains("policy_failing 0\n"));

    write(&service.installation, "[[rule]]\nid = \"half\"\n");
    let mut watch = PolicyWatch::default();
    settle(&mut watch, &service).await;
    let broken = info(&service).await;
    assert_eq!((broken.revision.as_str(), broken.text.as_str()), (good.revision.as_str(), SENSORS));
    assert!(broken.problem.as_ref().unwrap().contains("line 1, half: effect is missing"), "{broken:?}");
    assert!(service.local("/metrics").await.text().contains("policy_failing 1\n"));
    assert!(sensor_may(&service, "telemetry:write"));

    let service = Builder::default().start_in(service.stop().await).await;
    let after = info(&service).await;
    assert_eq!(after.revision, good.revision);
    assert!(after.problem.is_some() && sensor_may(&service, "telemetry:write"));
    std::fs::remove_file(service.installation.path("server/policy.toml")).unwrap();
    settle(&mut watch, &service).await;
    assert!(info(&service).await.problem.is_some() && sensor_may(&service, "telemetry:write"));

    write(&service.installation, NOBODY);
    settle(&mut watch, &service).await;
    let mended = info(&service).await;
    assert!(mended.problem.is_none() && mended.revision != good.revision);
    assert!(!sensor_may(&service, "telemetry:write"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_comes_from_a_file_is_not_applied_over_the_api() {
    let installation = Installation::new().await;
    write(&installation, SENSORS);
    let service = TestService::builder().toml(FILE).start_in(installation).await;
    let error = apply(&service, NOBODY).await.unwrap_err();
    let problem = error.problem().unwrap();
    assert_eq!(problem.code, ErrorCode::PolicyInFile);
    assert!(problem.detail.as_ref().unwrap().contains("policy.toml"));
    assert_eq!(service.audit_of("policy.applied").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_and_applying_are_different_permissions() {
    let service = TestService::start().await;
    let change = signet_api::admin::DeviceChange {
        permissions: Some("role:auditor".parse().unwrap()),
        ..signet_api::admin::DeviceChange::default()
    };
    // Of itself, last of all it does as an owner.
    let seen = info(&service).await.revision;
    let id = service.admin.whoami().await.unwrap().id;
    service.change(&id, &change).await.unwrap();
    assert_eq!(info(&service).await.revision, seen);
    assert_eq!(diff(&service, SENSORS).await.unwrap().rules_added.len(), 1);
    assert_eq!(code(put(&service.admin, SENSORS, &seen).await), ErrorCode::Forbidden);
}
