//! What subscribers are told, when, and what they are not told.

use signet_api::ErrorCode;
use signet_api::admin::{CreateTokens, DeviceAction, DeviceChange, RevokeRequest};
use signet_pki::crl::Reason;

use crate::support::stream::{Frame, Stream};
use crate::support::{Device, Protocol, TestKey, TestService, device_id, order};

pub(crate) async fn peer_service(service: &TestService, id: &str) -> Device {
    let token = service.create_token(CreateTokens { profile: "service".into(), ..order(id) }).await;
    let device = service.device_with(&token, TestKey::p256()).await;
    service.as_device(&device).whoami().await.unwrap();
    device
}

pub(crate) async fn step(service: &TestService, id: &str, action: DeviceAction) {
    let change = DeviceChange { action: Some(action), ..DeviceChange::default() };
    service.change(id, &change).await.unwrap();
}

fn told(frame: &Frame) -> (&str, Vec<String>, Vec<String>) {
    (&frame.name, frame.list("devices"), frame.list("serials"))
}

fn strings(all: &[&str]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_a_device_is_told_at_once_and_in_order() {
    let service = TestService::start().await;
    let subscriber = peer_service(&service, "api").await;
    let (one, two, three) = (service.device("one").await, service.device("two").await, service.device("three").await);
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut stream = Stream::open(&service, subscriber.identity(), protocol, None).await;
        let before = service.audit().await.len();
        step(&service, "three", DeviceAction::Suspend).await;
        step(&service, "three", DeviceAction::Resume).await;
        for (name, serial) in [("device.suspended", &three), ("device.resumed", &three)] {
            let event = stream.event().await;
            assert_eq!(told(&event), (name, strings(&["three"]), strings(&[serial.serial()])));
        }
        assert_eq!(stream.last_id, Some(before as u64 + 2), "the id is the sequence in the audit log");
    }
    let mut stream = Stream::open(&service, subscriber.identity(), Protocol::Http2, None).await;
    let reason = Some(Reason::KeyCompromise);
    let order = RevokeRequest { device: Some(device_id("one")), reason, ..RevokeRequest::default() };
    service.revoke(&order).await.unwrap();
    let order = RevokeRequest { serial: Some(two.serial().into()), ..RevokeRequest::default() };
    service.revoke(&order).await.unwrap();
    step(&service, "three", DeviceAction::Retire).await;
    let first = stream.event().await;
    assert_eq!(told(&first), ("revocation", strings(&["one"]), strings(&[one.serial()])));
    assert_eq!(first.data["reason"], "key-compromise");
    assert_eq!(first.data["time"], service.audit_of("revocation").await[0].at);
    let second = stream.event().await;
    assert_eq!(told(&second), ("revocation", Vec::new(), strings(&[two.serial()])), "the device two stays good");
    let third = stream.event().await;
    assert_eq!(told(&third), ("device.retired", strings(&["three"]), strings(&[three.serial()])));
    assert!(first.id < second.id && second.id < third.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_told_when_it_can_be_fetched() {
    let service = TestService::start().await;
    service.device("one").await;
    let mut stream = Stream::open(&service, service.installation.administrator(), Protocol::Http1, Some(0)).await;
    let published = async |stream: &mut Stream| loop {
        let frame = stream.frame().await.unwrap();
        if frame.name == "crl.published" {
            break frame.data["number"].as_u64().unwrap();
        }
    };
    assert_eq!(published(&mut stream).await, service.crl().await.number, "the newest, at the beginning");
    let number = service.revoke_device("one").await.crl_number.unwrap();
    assert_eq!(published(&mut stream).await, number);
    assert_eq!(service.crl().await.number, number);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_that_comes_back_is_told_by_its_certificate() {
    let service = TestService::start().await;
    let old = service.device("sensor-1").await;
    let new = service.renew(&old).await.unwrap();
    service.as_device(&new).whoami().await.unwrap();
    let mut stream = Stream::open(&service, service.installation.administrator(), Protocol::Http2, None).await;
    service.as_device(&old).whoami().await.unwrap_err();
    let event = stream.event().await;
    assert_eq!(told(&event), ("certificate.quarantined", Vec::new(), strings(&[old.serial()])));
    assert_eq!((&event.data["reason"], &event.data["actor"]), (&"superseded".into(), &"device:sensor-1".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_service_is_told_no_more_than_it_needs() {
    let service = TestService::start().await;
    let subscriber = peer_service(&service, "api").await;
    let administrator = service.installation.administrator();
    let lot = CreateTokens { batch: Some("lot-1".into()), groups: vec!["vault".into()], ..order("victim") };
    let lot = CreateTokens { kind: signet_api::admin::TokenKind::Batch, cidr: Some("127.0.0.0/8".into()), ..lot };
    let token = service.create_token(lot).await;
    service.device_with(&token, TestKey::p256()).await;
    let mut for_service = Stream::open(&service, subscriber.identity(), Protocol::Http1, Some(0)).await;
    let mut for_admin = Stream::open(&service, administrator, Protocol::Http1, Some(0)).await;
    // Nothing of this concerns a verifier.
    let other = service.device("other").await;
    let other = service.renew(&other).await.unwrap();
    service.as_device(&other).whoami().await.unwrap();
    let unused = service.token("unused").await;
    service.revoke_token(&unused).await;
    service.revoke_device("unused").await;
    let change = DeviceChange { groups: Some(vec!["lab".into()]), ..DeviceChange::default() };
    service.change("other", &change).await.unwrap();
    let batch = RevokeRequest { batch: Some("lot-1".into()), ..RevokeRequest::default() };
    service.revoke(&batch).await.unwrap();

    let (mut shown, mut complete) = (for_service.event().await, for_admin.event().await);
    if shown.list("devices") == ["unused"] {
        // A device that was registered and never enrolled was revoked as a device.
        (shown, complete) = (for_service.event().await, for_admin.event().await);
    }
    assert_eq!(shown.list("devices"), ["victim"]);
    let keys: Vec<&String> = shown.data.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["devices", "reason", "serials", "time"]);
    let entry = service.audit_of("revocation").await.pop().unwrap();
    assert_eq!(complete.data["actor"], entry.actor);
    for secret in [entry.actor.as_str(), "127.0.0.1", "req-", "lot-1", "vault", token.id.as_str()] {
        assert!(!shown.text.contains(secret), "{secret}: {shown:?}");
        assert!(secret == entry.actor || !complete.text.contains(secret), "{secret}: {complete:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_device_and_a_stranger_hear_nothing() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    for (method, path, body) in [("GET", "/v1/events", ""), ("POST", "/v1/events/ack", r#"{"id":1}"#)] {
        let refused = service.send_as(device.identity(), method, path, &[], body.as_bytes()).await;
        assert_eq!(refused.problem().code, ErrorCode::Forbidden);
        assert_eq!(service.send(method, path, &[], body.as_bytes()).await.problem().code, ErrorCode::NotAuthenticated);
        let token = service.token("sensor-2").await.token;
        let bearer = format!("Bearer {token}");
        let with_token = service.send(method, path, &[("authorization", &bearer)], body.as_bytes()).await;
        assert_eq!(with_token.problem().code, ErrorCode::CredentialInvalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_page_in_an_administrator_s_browser_hears_nothing() {
    let service = TestService::start().await;
    for (method, path) in [("GET", "/v1/events"), ("POST", "/v1/events/ack")] {
        for origin in ["https://evil.example", "null"] {
            let admin = service.installation.administrator();
            let refused = service.send_as(admin, method, path, &[("origin", origin)], br#"{"id":1}"#).await;
            assert_eq!(refused.problem().code, ErrorCode::Forbidden);
        }
    }
}

/// Every position of the log, also those of entries that are no events: exactly what comes after it, once, and then what
/// happens next.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_cut_anywhere_goes_on_without_loss_or_repetition() {
    let service = TestService::start().await;
    let subscriber = peer_service(&service, "api").await;
    for id in ["a", "b", "c"] {
        service.device(id).await;
        step(&service, id, DeviceAction::Suspend).await;
        service.token(&format!("{id}-more")).await;
        step(&service, id, DeviceAction::Resume).await;
        service.revoke_device(id).await;
    }
    service.device("d").await;
    let head = service.audit().await.len() as u64;
    let ids = |entries: Vec<signet_api::admin::AuditEntry>| -> Vec<u64> {
        let wanted = |kind: &str| kind == "revocation" || kind.starts_with("device.");
        entries.iter().filter(|e| wanted(&e.kind)).map(|e| e.sequence).collect()
    };
    let all = ids(service.audit().await);
    assert_eq!(all.len(), 9);
    let mut later = Vec::new();
    for cut in 0..=head {
        let protocol = if cut % 2 == 0 { Protocol::Http1 } else { Protocol::Http2 };
        let mut stream = Stream::open(&service, subscriber.identity(), protocol, Some(cut)).await;
        // While it catches up, more happens.
        step(&service, "d", if cut % 2 == 0 { DeviceAction::Suspend } else { DeviceAction::Resume }).await;
        later.push(
            service
                .audit_of(if cut % 2 == 0 { "device.suspended" } else { "device.resumed" })
                .await
                .pop()
                .unwrap()
                .sequence,
        );
        let expected: Vec<u64> = all.iter().chain(&later).copied().filter(|id| *id > cut).collect();
        let mut seen = Vec::new();
        while seen.last() != later.last() {
            seen.push(stream.event().await.id.unwrap());
        }
        assert_eq!(seen, expected, "after {cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_does_not_exist_is_a_gap_and_the_stream_goes_on() {
    let service = TestService::start().await;
    service.device("one").await;
    let administrator = service.installation.administrator();
    let mut stream = Stream::open(&service, administrator, Protocol::Http1, Some(1_000_000)).await;
    let gap = stream.event().await;
    assert_eq!((gap.name.as_str(), &gap.data["reason"]), ("gap", &"ahead".into()));
    while stream.frame().await.unwrap().id.is_none() {}
    service.revoke_device("one").await;
    assert_eq!(stream.event().await.list("devices"), ["one"]);
    let refused = service
        .send_as(service.installation.administrator(), "GET", "/v1/events", &[("last-event-id", "seven")], b"")
        .await;
    assert_eq!(refused.problem().code, ErrorCode::MalformedRequest);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_were_archived_are_a_gap() {
    let service = TestService::start().await;
    service.device("one").await;
    service.revoke_device("one").await;
    let installation = service.stop().await;
    let database = rusqlite::Connection::open(installation.database()).unwrap();
    database.execute("DELETE FROM audit WHERE sequence < 4", []).unwrap();
    drop(database);
    let service = TestService::builder().start_in(installation).await;
    let administrator = service.installation.administrator();
    let mut stream = Stream::open(&service, administrator, Protocol::Http1, Some(1)).await;
    let gap = stream.event().await;
    assert_eq!((gap.name.as_str(), &gap.data["reason"]), ("gap", &"archived".into()));
    assert_eq!((&gap.data["after"], &gap.data["next"]), (&1.into(), &4.into()));
    assert_eq!(stream.event().await.list("devices"), ["one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_is_counted_and_measured() {
    let service = TestService::start().await;
    let subscriber = peer_service(&service, "api").await;
    for id in ["one", "two"] {
        service.device(id).await;
    }
    let ack = async |id: u64| {
        let body = format!("{{\"id\":{id}}}");
        service.send_as(subscriber.identity(), "POST", "/v1/events/ack", &[], body.as_bytes()).await
    };
    assert_eq!(ack(1).await.problem().code, ErrorCode::Conflict, "there is no stream");
    let mut stream = Stream::open(&service, subscriber.identity(), Protocol::Http1, None).await;
    service.revoke_device("one").await;
    service.revoke_device("two").await;
    let (first, second) = (stream.event().await.id.unwrap(), stream.event().await.id.unwrap());
    assert_eq!(ack(second + 1000).await.problem().code, ErrorCode::InvalidArgument);
    assert_eq!(ack(first).await.status, 200);
    let info = async || -> signet_api::events::EventsInfo { service.admin.get_json("/v1/admin/events").await.unwrap() };
    let seen = info().await.subscribers.remove(0);
    assert_eq!((seen.identity.as_str(), seen.acknowledged, seen.lag), ("service:api", Some(first), Some(1)));
    assert_eq!(ack(second).await.status, 200);
    assert_eq!(ack(first).await.status, 200, "an older one changes nothing");
    assert_eq!(info().await.subscribers[0].acknowledged, Some(second));
    let metrics = service.local("/metrics").await;
    for line in [
        "signet_event_streams 1",
        "signet_event_acknowledgement_lag 0",
        "signet_revocation_latency_seconds_count{stage=\"committed\"} 2",
        "signet_revocation_latency_seconds_count{stage=\"crl\"} 2",
        "signet_revocation_latency_seconds_count{stage=\"handed\"} 2",
        "signet_revocation_latency_seconds_count{stage=\"acknowledged\"} 2",
    ] {
        assert!(metrics.text().lines().any(|l| l == line), "{line}:\n{}", metrics.text());
    }
}
