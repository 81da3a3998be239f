//! T42: streams that outlive a right, that nobody reads, that are too many, that hold up a stop.

use std::sync::Arc;
use std::time::Duration;

use signet::config::Patience;
use signet::events::{Ending, Full, Line};
use signet::store::{AuditDraft, ChangeDevice, Step};
use signet_api::ErrorCode;
use signet_api::admin::{DeviceAction, RevokeRequest};

use crate::events::{peer_service, step};
use crate::support::stream::Stream;
use crate::support::{Protocol, TestService, code, device_id};

/// Suspends and resumes a device so many times, as fast as the store can.
async fn toggles(service: &TestService, id: &str, count: usize) {
    let store = &service.running.service.store;
    let now = service.running.service.clock.now();
    for n in 0..count {
        let (step, kind) =
            if n % 2 == 0 { (Step::Suspend, "device.suspended") } else { (Step::Resume, "device.resumed") };
        let draft = AuditDraft {
            kind,
            actor: "admin:test".into(),
            subject: id.into(),
            request_id: format!("toggle-{n}"),
            detail: serde_json::json!({}),
            at: now,
        };
        let device = device_id(id);
        let order = ChangeDevice::step(device, step, now, draft);
        store.change_device(order).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_the_stream_of_a_revoked_subscriber_ends_with_the_reason() {
    let service = TestService::start().await;
    for (n, protocol) in [Protocol::Http1, Protocol::Http2].into_iter().enumerate() {
        for (action, reason) in [(None, "revoked"), (Some(DeviceAction::Suspend), "suspended")] {
            let id = format!("api-{n}-{reason}");
            let subscriber = peer_service(&service, &id).await;
            let mut stream = Stream::open(&service, subscriber.identity(), protocol, None).await;
            match action {
                None => drop(service.revoke_device(&id).await),
                Some(action) => step(&service, &id, action).await,
            }
            let mut last = stream.event().await;
            if last.name != "end" {
                // Its own end may have been told before the stream was.
                assert_eq!(last.list("devices"), [id.as_str()]);
                last = stream.event().await;
            }
            assert_eq!((last.name.as_str(), &last.data["reason"]), ("end", &reason.into()));
            assert!(stream.ended().await, "the connection ends with the stream");
            let refused = service.send_as(subscriber.identity(), "GET", "/v1/events", &[], b"").await;
            assert_eq!(refused.status, 403);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_an_administrator_who_is_revoked_stops_listening() {
    let service = TestService::start().await;
    let mut stream = Stream::open(&service, service.installation.administrator(), Protocol::Http2, None).await;
    let me = service.admin.whoami().await.unwrap();
    service.revoke(&RevokeRequest { serial: me.serial, ..RevokeRequest::default() }).await.unwrap();
    while stream.event().await.name != "end" {}
    assert!(stream.ended().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_the_right_is_looked_at_again_and_again() {
    let patience = Patience { recheck: Duration::from_millis(20), ..Patience::default() };
    let service = TestService::builder().patience(patience).start().await;
    let subscriber = peer_service(&service, "api").await;
    let mut stream = Stream::open(&service, subscriber.identity(), Protocol::Http1, None).await;
    // Nobody does anything: the certificate ends.
    service.clock().advance(8 * 86_400);
    let last = stream.event().await;
    assert_eq!((last.name.as_str(), &last.data["reason"]), ("end", &"not_authenticated".into()));
    assert!(stream.frame().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_outlives_the_answer_timeout_and_moves_its_reader_on() {
    let short = Duration::from_millis(60);
    let beat = Duration::from_millis(25);
    let patience = Patience { answer: short, headers: short, heartbeat: beat, ..Patience::default() };
    let service = TestService::builder().patience(patience).start().await;
    let admin = service.installation.administrator();
    let mut stream = Stream::open(&service, admin, Protocol::Http1, None).await;
    let (start, mut beats) = (stream.last_id.unwrap(), 0);
    while beats < 10 {
        beats += usize::from(stream.frame().await.unwrap().text.starts_with(": alive"));
    }
    service.token("sensor-1").await;
    while stream.last_id == Some(start) {
        let frame = stream.frame().await.unwrap();
        assert!(frame.name.is_empty() || frame.name == "crl.published", "{frame:?}");
    }
    assert_eq!(stream.last_id, Some(start + 1), "past an entry that is no event");
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_who_does_not_read_is_dropped_and_comes_back_to_everything() {
    let service = TestService::start().await;
    service.device("busy").await;
    let hub = &service.running.service.hub;
    let line = Arc::new(Line::default());
    let mut slow = hub.subscribe("service:slow".into(), line.clone()).ok().unwrap();
    let mut quick = Stream::open(&service, service.installation.administrator(), Protocol::Http1, None).await;
    for n in 0..10 {
        toggles(&service, "busy", 8).await;
        for _ in 0..8 {
            assert_eq!(quick.event().await.list("devices"), ["busy"], "{n}: others are not held up");
        }
    }
    assert_eq!(line.ended().await, Ending::Slow);
    let mut got = Vec::new();
    while let Some(event) = slow.queue.recv().await {
        got.push(event.sequence);
    }
    assert_eq!(got.len(), 64, "the queue, and no more");
    assert_eq!(hub.watchers().len(), 1, "it has left");
    let rest = hub.page(*got.last().unwrap(), hub.position(), &[]).await.unwrap();
    assert_eq!((rest.events.len(), rest.gap), (16, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_connection_whose_stream_is_not_read_is_closed() {
    let service = TestService::start().await;
    let subscriber = peer_service(&service, "api").await;
    // Its window takes some dozen of these; then nothing more can be sent.
    let large: Vec<String> = (0..400).map(|n| format!("{n:063}")).collect();
    let draft = AuditDraft {
        kind: "revocation",
        actor: "admin:test".into(),
        subject: "batch:large".into(),
        request_id: "large".into(),
        detail: serde_json::json!({ "devices": large, "certificates": [], "reason": "unspecified" }),
        at: service.running.service.clock.now(),
    };
    let stream = Stream::open(&service, subscriber.identity(), Protocol::Http2, None).await;
    let hub = &service.running.service.hub;
    let mut sent = 0;
    while hub.watchers().iter().any(|w| w.identity == "service:api") {
        service.running.service.store.alarm(None, draft.clone()).await.unwrap();
        sent += 1;
        assert!(sent < 10_000, "the reader was never dropped");
    }
    assert!(stream.wire.closed().await, "the connection stays open");
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_one_identity_cannot_take_every_place() {
    let service = TestService::start().await;
    let (greedy, modest) = (peer_service(&service, "greedy").await, peer_service(&service, "modest").await);
    let mut held = Vec::new();
    for n in 0..8 {
        let protocol = if n % 2 == 0 { Protocol::Http1 } else { Protocol::Http2 };
        held.push(Stream::open(&service, greedy.identity(), protocol, None).await);
    }
    let refused = service.send_as(greedy.identity(), "GET", "/v1/events", &[], b"").await;
    assert_eq!(refused.problem().code, ErrorCode::TooManyRequests);
    let _let_in = Stream::open(&service, modest.identity(), Protocol::Http1, None).await;
    drop(held);
    // The places come back when the service has noticed that nobody reads.
    let hub = &service.running.service.hub;
    while hub.watchers().iter().any(|w| w.identity == "service:greedy") {
        tokio::task::yield_now().await;
    }
    let _let_in_again = Stream::open(&service, greedy.identity(), Protocol::Http1, None).await;

    let mut crowd = Vec::new();
    let full = loop {
        match hub.subscribe(format!("service:{}", crowd.len()), Arc::new(Line::default())) {
            Ok(place) => crowd.push(place),
            Err(full) => break full,
        }
    };
    assert_eq!(full, Full::All);
    let refused = service.send_as(modest.identity(), "GET", "/v1/events", &[], b"").await;
    assert_eq!(refused.problem().code, ErrorCode::Busy);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_service_stops_and_do_not_hold_it_up() {
    let patience = Patience { drain: Duration::from_secs(86_400), ..Patience::default() };
    let service = TestService::builder().patience(patience).start().await;
    let admin = service.installation.administrator();
    let mut streams = Vec::new();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        streams.push(Stream::open(&service, admin.clone(), protocol, None).await);
    }
    // Only a service that waits for its streams runs into this.
    let stopped = tokio::time::timeout(Duration::from_secs(60), service.stop()).await;
    assert!(stopped.is_ok(), "the stop waits for streams");
    for mut stream in streams {
        let last = stream.event().await;
        assert_eq!((last.name.as_str(), &last.data["reason"]), ("end", &"stopping".into()));
        assert!(stream.ended().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_connection_s_time() {
    let patience = Patience { connection: Duration::from_millis(300), ..Patience::default() };
    let service = TestService::builder().patience(patience).start().await;
    let admin = service.installation.administrator();
    let mut stream = Stream::open(&service, admin, Protocol::Http1, None).await;
    let last = stream.event().await;
    assert_eq!((last.name.as_str(), &last.data["reason"]), ("end", &"old_connection".into()));
    assert!(stream.ended().await);
    assert_eq!(code(service.admin.get_json::<()>("/v1/admin/nothing").await), ErrorCode::NotFound);
}
