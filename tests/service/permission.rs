//! Who may do what: asked by services about themselves, decided on the record as it is now.

use signet_api::ErrorCode;
use signet_api::admin::{CreateTokens, DeviceAction, DeviceChange, RevokeRequest};
use signet_api::authz::{Check, CheckAnswer, CheckAnswers, CheckRequest, SubjectName, Verdict};
use signet_api::services::{FailMode, RegisterService};
use signet_pki::Fingerprint;

use crate::support::services::with_names;
use crate::support::{Device, TestKey, TestService, code, order};

pub(crate) const NAME: &str = "web.acme.example";

/// Sensors may read and write below `/data`, admins of the fleet everything, nobody may what is forbidden.
pub(crate) const POLICY: &str = r#"
[[rule]]
id = "sensors-report"
effect = "permit"
description = "sensors report"
principal = { kind = "device", groups_any = ["sensors"] }
actions = ["http:GET", "http:POST", "read"]
resource = { kind = "service", ids = ["web"] }
when = { paths = ["/data/*"] }

[[rule]]
id = "sensors-read"
effect = "permit"
description = "sensors read the whole"
principal = { kind = "device", groups_any = ["sensors"] }
actions = ["read"]
resource = { kind = "service", ids = ["web"] }

[[rule]]
id = "no-lab"
effect = "forbid"
description = "nothing from the laboratory"
principal = { groups_any = ["lab"] }
actions = "*"
resource = "*"
"#;

/// A service with a policy, and a registered service `web`.
pub(crate) async fn start() -> (TestService, Device) {
    let service = with_names("").start().await;
    service.policy(POLICY).await;
    let web = service.service("web", &[NAME]).await;
    service.register(&web, &web.registration(&[NAME])).await.unwrap();
    (service, web)
}

/// A device in groups, whose certificate was used.
pub(crate) async fn member(service: &TestService, id: &str, groups: &[&str]) -> Device {
    let groups = groups.iter().map(ToString::to_string).collect();
    let token = service.create_token(CreateTokens { groups, ..order(id) }).await;
    let device = service.device_with(&token, TestKey::p256()).await;
    service.as_device(&device).whoami().await.unwrap();
    device
}

pub(crate) fn by_serial(device: &Device) -> SubjectName {
    SubjectName { serial: Some(device.serial().into()), ..SubjectName::default() }
}

pub(crate) fn by_id(id: &str) -> SubjectName {
    SubjectName { device: Some(id.into()), ..SubjectName::default() }
}

pub(crate) fn question(subject: SubjectName) -> CheckRequest {
    CheckRequest { subject: Some(subject), action: Some("read".into()), ..CheckRequest::default() }
}

async fn ask(service: &TestService, asker: &Device, subject: SubjectName) -> CheckAnswer {
    service.as_device(asker).check(&question(subject)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_permitted_by_its_groups_and_every_name_of_it_means_it() {
    let (service, web) = start().await;
    let (sensor, other) = (member(&service, "sensor", &["sensors"]).await, member(&service, "other", &[]).await);
    let fingerprint = data_encoding::HEXLOWER.encode(&Fingerprint::of(&sensor.der()).0);
    let pem = sensor.certificate.certificate.clone();
    let escaped = pem.replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B").replace('/', "%2F");
    let spiffe = sensor.view().uris[0].clone();
    let issuer = service.issuer.short_id();
    let name = SubjectName::default;
    let names = [
        by_serial(&sensor),
        by_id("sensor"),
        SubjectName { fingerprint: Some(fingerprint.clone()), ..name() },
        SubjectName { fingerprint: Some(fingerprint.to_uppercase()), device: Some("sensor".into()), ..name() },
        SubjectName { spiffe: Some(spiffe.clone()), ..name() },
        SubjectName { certificate: Some(pem.clone()), ..name() },
        SubjectName { certificate: Some(escaped), ..name() },
        SubjectName { issuer: Some(issuer), ..by_serial(&sensor) },
        SubjectName {
            certificate: Some(pem),
            fingerprint: Some(fingerprint),
            spiffe: Some(spiffe),
            ..by_serial(&sensor)
        },
    ];
    for name in names {
        let answer = ask(&service, &web, name.clone()).await;
        assert_eq!(answer.decision, Verdict::Allow, "{name:?}: {answer:?}");
        assert_eq!(answer.reasons, ["rule:sensors-read"]);
        assert_eq!((answer.subject.id.as_deref(), answer.subject.groups.len()), (Some("sensor"), 1));
        assert_eq!(answer.subject.serial.as_deref(), Some(sensor.serial()));
        assert_eq!((answer.fail_mode, answer.degraded), (FailMode::Closed, false));
        assert!((1..=30).contains(&answer.ttl) && answer.policy.len() == 16, "{answer:?}");
    }
    let answer = ask(&service, &web, by_serial(&other)).await;
    assert_eq!((answer.decision, answer.reasons), (Verdict::Deny, vec!["not_permitted".to_owned()]));
    // One that came after the others were looked for.
    let late = member(&service, "late", &["sensors"]).await;
    let fingerprint = Some(data_encoding::HEXLOWER.encode(&Fingerprint::of(&late.der()).0));
    let answer = ask(&service, &web, SubjectName { fingerprint, ..name() }).await;
    assert_eq!((answer.decision, answer.subject.id.as_deref()), (Verdict::Allow, Some("late")));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_do_not_belong_together_are_nobodys() {
    let (service, web) = start().await;
    let (one, two) = (member(&service, "one", &["sensors"]).await, member(&service, "two", &["sensors"]).await);
    let wrong = [
        SubjectName { device: Some("two".into()), ..by_serial(&one) },
        SubjectName {
            serial: Some(two.serial().into()),
            certificate: Some(one.certificate.certificate.clone()),
            ..by_id("one")
        },
        SubjectName { spiffe: Some(two.view().uris[0].clone()), ..by_serial(&one) },
        SubjectName { spiffe: Some(two.view().uris[0].clone()), ..by_id("one") },
        SubjectName { issuer: Some("00112233445566778899".into()), ..by_serial(&one) },
        SubjectName { fingerprint: Some("ab".repeat(32)), ..by_serial(&one) },
        SubjectName { spiffe: Some(one.view().uris[0].replace("/device/", "/service/")), ..by_serial(&one) },
    ];
    for name in wrong {
        let answer = ask(&service, &web, name.clone()).await;
        assert_eq!((answer.decision, answer.reasons), (Verdict::Deny, vec!["subject.mismatch".to_owned()]), "{name:?}");
    }
    for (name, reason) in [
        (SubjectName { serial: Some("xyz".into()), ..SubjectName::default() }, "subject.malformed"),
        (SubjectName { fingerprint: Some("ab".into()), ..SubjectName::default() }, "subject.malformed"),
        (SubjectName { certificate: Some("-----BEGIN".into()), ..SubjectName::default() }, "certificate.malformed"),
        (SubjectName { certificate: Some("%zz".into()), ..SubjectName::default() }, "certificate.malformed"),
        (
            SubjectName { spiffe: Some("spiffe://elsewhere.example/device/one".into()), ..SubjectName::default() },
            "subject.unknown",
        ),
    ] {
        let answer = ask(&service, &web, name.clone()).await;
        assert_eq!((answer.decision, answer.reasons), (Verdict::Deny, vec![reason.to_owned()]), "{name:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_device_counts_in_the_very_next_answer() {
    let (service, web) = start().await;
    let client = service.as_device(&web);
    let reason = async |device: &Device| {
        let answer = client.check(&question(by_serial(device))).await.unwrap();
        (answer.decision, answer.reasons.first().cloned().unwrap())
    };
    let device = member(&service, "one", &["sensors"]).await;
    assert_eq!(reason(&device).await, (Verdict::Allow, "rule:sensors-read".into()));
    let act = async |action| {
        let change = DeviceChange { action: Some(action), ..DeviceChange::default() };
        service.change("one", &change).await.unwrap();
    };
    act(DeviceAction::Suspend).await;
    assert_eq!(reason(&device).await, (Verdict::Deny, "status.suspended".into()));
    act(DeviceAction::Resume).await;
    assert_eq!(reason(&device).await, (Verdict::Allow, "rule:sensors-read".into()));
    let into_lab = DeviceChange { groups: Some(vec!["sensors".into(), "lab".into()]), ..DeviceChange::default() };
    service.change("one", &into_lab).await.unwrap();
    assert_eq!(reason(&device).await, (Verdict::Deny, "rule:no-lab".into()));
    let out_of_it = DeviceChange { groups: Some(vec!["sensors".into()]), ..DeviceChange::default() };
    service.change("one", &out_of_it).await.unwrap();
    service.revoke(&RevokeRequest { serial: Some(device.serial().into()), ..RevokeRequest::default() }).await.unwrap();
    assert_eq!(reason(&device).await, (Verdict::Deny, "certificate.revoked".into()));
    let other = member(&service, "two", &["sensors"]).await;
    service.revoke_device("two").await;
    assert_eq!(reason(&other).await, (Verdict::Deny, "status.revoked".into()));
    let third = member(&service, "three", &["sensors"]).await;
    service.clock().advance(25 * 3600);
    // The service's own certificate has ended as well.
    let answer = service
        .admin
        .check(&CheckRequest { resource: Some("service:web".into()), ..question(by_serial(&third)) })
        .await;
    assert_eq!(answer.map(|a| a.reasons).ok(), Some(vec!["certificate.expired".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_device_may_finish_what_it_has_open_and_then_shows_its_newer_certificate() {
    let (service, web) = start().await;
    let client = service.as_device(&web);
    let old = member(&service, "one", &["sensors"]).await;
    let new = service.renew(&old).await.unwrap();
    let verdict = async |device: &Device| client.check(&question(by_serial(device))).await.unwrap();
    assert_eq!((verdict(&old).await.decision, verdict(&new).await.decision), (Verdict::Allow, Verdict::Allow));
    service.as_device(&new).whoami().await.unwrap();
    service.clock().advance(299);
    assert_eq!(verdict(&old).await.decision, Verdict::Allow);
    service.clock().advance(2);
    let answer = verdict(&old).await;
    assert_eq!((answer.decision, answer.reasons), (Verdict::Deny, vec!["certificate.superseded".to_owned()]));
    assert_eq!(verdict(&new).await.decision, Verdict::Allow);
    assert!(service.audit_of("alarm.superseded_certificate_used").await.is_empty(), "a question is no proof of a copy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_answered_in_its_order_and_has_a_limit() {
    let (service, web) = start().await;
    let sensor = member(&service, "sensor", &["sensors"]).await;
    let client = service.as_device(&web);
    let check = |subject| Check { subject, action: "read".into(), resource: None, source: None };
    let batch = |checks| CheckRequest { checks, ..CheckRequest::default() };
    let checks = vec![check(by_serial(&sensor)), check(by_id("nobody")), check(by_serial(&sensor))];
    let CheckAnswers { answers } = client.check_all(&batch(checks)).await.unwrap();
    let verdicts: Vec<_> = answers.iter().map(|answer| answer.decision).collect();
    assert_eq!(verdicts, [Verdict::Allow, Verdict::Deny, Verdict::Allow]);
    let hundred = vec![check(by_serial(&sensor)); 100];
    assert_eq!(client.check_all(&batch(hundred.clone())).await.unwrap().answers.len(), 100);
    let more = [hundred, vec![check(by_serial(&sensor))]].concat();
    assert_eq!(code(client.check_all(&batch(more)).await), ErrorCode::InvalidArgument);
    let both = CheckRequest { checks: vec![check(by_serial(&sensor))], ..question(by_serial(&sensor)) };
    for wrong in [both, CheckRequest::default(), question(SubjectName::default()), batch(vec![])] {
        assert_eq!(code(client.check(&wrong).await), ErrorCode::InvalidArgument, "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_hears_the_reasons_and_may_ask_about_everything() {
    let (service, _web) = start().await;
    member(&service, "other", &[]).await;
    let about = |subject, resource: &str| CheckRequest { resource: Some(resource.into()), ..question(subject) };
    let answer = service.admin.check(&about(by_id("other"), "service:web")).await.unwrap();
    assert_eq!((answer.decision, answer.reasons), (Verdict::Deny, vec!["not_permitted".to_owned()]));
    assert_eq!(answer.subject.status.as_deref(), Some("active"));
    let answer = service.admin.check(&about(by_id("nobody"), "service:web")).await.unwrap();
    assert_eq!(answer.reasons, ["subject.unknown"]);
    let answer = service.admin.check(&about(by_id("other"), "service:nowhere")).await.unwrap();
    assert_eq!(answer.reasons, ["resource.unknown"]);
    let answer = service.admin.check(&about(by_id("other"), "mqtt:nobody/has/it")).await.unwrap();
    assert_eq!(answer.reasons, ["resource.unknown"]);
    assert_eq!(code(service.admin.check(&question(by_id("other"))).await), ErrorCode::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_registered_names_are_parts_of_the_service() {
    let (service, web) = start().await;
    let policy = POLICY.replace("paths = [\"/data/*\"]", "paths = [\"/data/*\", \"mqtt:topic/*\"]");
    service.policy(&policy).await;
    let resources = ["service:web", "mqtt:topic/*", "device:door-1"].map(str::to_owned).to_vec();
    let request = RegisterService { resources: Some(resources), ..web.registration(&[NAME]) };
    service.register_for("web", &RegisterService { proof: web.proof("web"), ..request }).await.unwrap();
    let sensor = member(&service, "sensor", &["sensors"]).await;
    member(&service, "door-1", &[]).await;
    let client = service.as_device(&web);
    let ask = async |action: &str, resource: &str| {
        let request = CheckRequest {
            action: Some(action.into()),
            resource: Some(resource.into()),
            ..question(by_serial(&sensor))
        };
        client.check(&request).await.map(|answer| (answer.decision, answer.reasons.join(" ")))
    };
    assert_eq!(ask("http:GET", "service:web/data/1").await.unwrap(), (Verdict::Allow, "rule:sensors-report".into()));
    assert_eq!(ask("http:GET", "mqtt:topic/a").await.unwrap(), (Verdict::Allow, "rule:sensors-report".into()));
    assert_eq!(ask("http:GET", "service:web/admin").await.unwrap().0, Verdict::Deny);
    assert_eq!(
        ask("http:GET", "service:web").await.unwrap(),
        (Verdict::Deny, "not_permitted unknown:sensors-report".into())
    );
    assert_eq!(ask("http:GET", "device:door-1").await.unwrap(), (Verdict::Deny, "not_permitted".into()));
    assert_eq!(
        ask("http:GET", "service:web/data/../admin").await.unwrap(),
        (Verdict::Deny, "resource.ambiguous".into())
    );
    for wrong in ["web", "service:", "service:Web", "mqtt:topic/*", "device:door 1"] {
        assert_eq!(code(ask("http:GET", wrong).await), ErrorCode::InvalidArgument, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_rule_and_the_end_of_the_certificate_bound_what_may_be_kept() {
    let (service, web) = start().await;
    let sensor = member(&service, "sensor", &["sensors"]).await;
    let ttl = async || ask(&service, &web, by_serial(&sensor)).await.ttl;
    assert_eq!(ttl().await, 30);
    let capped = POLICY.replace("id = \"sensors-read\"", "id = \"sensors-read\"\nttl_seconds = 7");
    service.policy(&capped).await;
    assert_eq!(ttl().await, 7);
    let end = service.clock_ms() as i64 / 1000 + 3;
    let closing = signet_pki::UnixTime(end).to_string();
    let timed =
        POLICY.replace("actions = [\"read\"]", &format!("actions = [\"read\"]\nwhen = {{ before = {closing} }}"));
    service.policy(&timed).await;
    assert!((1..=3).contains(&ttl().await));
}
