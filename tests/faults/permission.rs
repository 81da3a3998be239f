//! Questions about permission while the store cannot be read.

use std::sync::{Arc, Mutex};

use signet::store::Store;
use signet_api::ErrorCode;
use signet_api::admin::CreateTokens;
use signet_api::authz::{CheckRequest, SubjectName, Verdict};
use signet_api::services::{FailMode, RegisterService};

use crate::faulty::FaultyStore;
use crate::support::services::with_names;
use crate::support::{Device, TestKey, TestService, code, order};

const POLICY: &str = r#"
[[rule]]
id = "sensors"
effect = "permit"
description = "sensors may"
principal = { kind = "device", groups_any = ["sensors"] }
actions = "*"
resource = { kind = "service" }
"#;

struct Bench {
    service: TestService,
    faulty: Arc<FaultyStore>,
    web: Device,
    sensor: Device,
}

async fn start(fail_mode: FailMode) -> Bench {
    let slot: Arc<Mutex<Option<Arc<FaultyStore>>>> = Arc::default();
    let kept = slot.clone();
    let wrap = move |inner: Arc<dyn Store>| {
        let faulty = FaultyStore::around(inner);
        *kept.lock().unwrap() = Some(faulty.clone());
        faulty as Arc<dyn Store>
    };
    let service = with_names("").store(wrap).start().await;
    service.policy(POLICY).await;
    let web = service.service("web", &["web.acme.example"]).await;
    let request = RegisterService { fail_mode, ..web.registration(&["web.acme.example"]) };
    service.register(&web, &request).await.unwrap();
    let token = service.create_token(CreateTokens { groups: vec!["sensors".into()], ..order("sensor") }).await;
    let sensor = service.device_with(&token, TestKey::p256()).await;
    let faulty = slot.lock().unwrap().take().unwrap();
    Bench { service, faulty, web, sensor }
}

impl Bench {
    fn question(&self) -> CheckRequest {
        let certificate = Some(self.sensor.certificate.certificate.clone());
        let subject = Some(SubjectName { certificate, ..SubjectName::default() });
        CheckRequest { subject, action: Some("read".into()), ..CheckRequest::default() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_read_permits_nothing() {
    let bench = start(FailMode::Closed).await;
    let client = bench.service.as_device(&bench.web);
    assert_eq!(client.check(&bench.question()).await.unwrap().decision, Verdict::Allow);
    bench.faulty.outage();
    let serial = bench.sensor.serial();
    let headers = [("x-client-serial", serial), ("x-original-method", "GET"), ("x-original-uri", "/")];
    let reply = bench.service.send_as(bench.web.identity(), "GET", "/v1/authz/nginx", &headers, b"").await;
    assert_eq!((reply.status, reply.problem().code), (503, ErrorCode::StoreUnavailable));
    assert_eq!(code(client.check(&bench.question()).await), ErrorCode::StoreUnavailable);
    bench.faulty.recover();
    assert_eq!(client.check(&bench.question()).await.unwrap().decision, Verdict::Allow);
    // Each of the reads, one by one.
    for nth in 1..=2 {
        bench.faulty.fail_at(nth, crate::faulty::Fault::Lost);
        assert_eq!(code(client.check(&bench.question()).await), ErrorCode::StoreUnavailable, "read {nth}");
        assert_eq!(bench.faulty.recover().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_registered_to_go_on_is_told_that_nobody_looked() {
    let bench = start(FailMode::Open).await;
    let client = bench.service.as_device(&bench.web);
    let answer = client.check(&bench.question()).await.unwrap();
    assert_eq!((answer.decision, answer.fail_mode, answer.degraded), (Verdict::Allow, FailMode::Open, false));
    bench.faulty.outage();
    let answer = client.check(&bench.question()).await.unwrap();
    assert_eq!((answer.decision, answer.degraded, answer.ttl), (Verdict::Allow, true, 1));
    assert_eq!(answer.reasons, ["degraded.fail_open"]);
    assert_eq!(answer.subject.groups, [""; 0], "nothing is claimed that was not read");
    let garbled = SubjectName { certificate: Some("garbled".into()), ..SubjectName::default() };
    let answer = client.check(&CheckRequest { subject: Some(garbled), ..bench.question() }).await.unwrap();
    assert_eq!((answer.decision, answer.degraded), (Verdict::Deny, true));
    let foreign = CheckRequest { resource: Some("service:other".into()), ..bench.question() };
    assert_eq!(code(client.check(&foreign).await), ErrorCode::Forbidden);
    // Whom nobody has seen lately is nobody, whatever somebody else is registered for.
    let sensor = bench.service.as_device(&bench.sensor);
    assert_eq!(code(sensor.check(&bench.question()).await), ErrorCode::StoreUnavailable);
    bench.service.clock().advance(3601);
    assert_eq!(code(client.check(&bench.question()).await), ErrorCode::StoreUnavailable);
    bench.faulty.recover();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_was_revoked_is_not_remembered() {
    let bench = start(FailMode::Open).await;
    let client = bench.service.as_device(&bench.web);
    client.check(&bench.question()).await.unwrap();
    bench.service.revoke_device("web").await;
    assert_eq!(code(bench.service.as_device(&bench.web).check(&bench.question()).await), ErrorCode::DeviceRevoked);
    bench.faulty.outage();
    let refused = bench.service.as_device(&bench.web).check(&bench.question()).await;
    assert_eq!(code(refused), ErrorCode::StoreUnavailable);
    bench.faulty.recover();
}
