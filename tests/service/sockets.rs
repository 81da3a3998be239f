//! Streams over WebSocket: the same as the other ones, and what only they have.

use std::time::Duration;

use futures_util::SinkExt;
use signet::config::Patience;
use signet::store::{AccountStatus, AuditDraft, CredentialStatus, Owner};
use signet_api::ErrorCode;
use signet_api::admin::{DeviceAction, DeviceChange, IssuerAction, IssuerChange, IssuerInfo, RevokeRequest};
use signet_api::events::EventsInfo;
use signet_api::scope::AccountId;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::events::{peer_service, step};
use crate::support::socket::{HANDSHAKE, Socket, list};
use crate::support::stream::Stream;
use crate::support::{Installation, Protocol, TestService, device_id};

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_tells_what_a_stream_tells() {
    let service = TestService::start().await;
    let subscriber = peer_service(&service, "api").await;
    let device = service.device("one").await;
    let mut stream = Stream::open(&service, subscriber.identity(), Protocol::Http1, None).await;
    let mut socket = Socket::open(&service, Some(subscriber.identity()), "").await;
    service.revoke_device("one").await;
    let (frame, message) = (stream.event().await, socket.event().await);
    assert_eq!((message["id"].as_u64(), message["event"].as_str()), (frame.id, Some("revocation")));
    assert_eq!(message["data"], frame.data);
    assert_eq!(list(&message, "serials"), [device.serial()]);
    // From any place on, without loss and without repetition.
    let first = frame.id.unwrap();
    let mut again = Socket::open(&service, Some(subscriber.identity()), &format!("?after={}", first - 1)).await;
    assert_eq!(again.event().await, message);
    let mut ahead = Socket::open(&service, Some(subscriber.identity()), "?after=1000000").await;
    assert_eq!(ahead.event().await["data"]["reason"], "ahead");
    // What it says it has acted on is counted.
    socket.say(&format!("{{\"ack\":{first}}}")).await;
    let seen = async || -> EventsInfo { service.admin.get_json("/v1/admin/events").await.unwrap() };
    while seen().await.subscribers[0].acknowledged != Some(first) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_protocol_is_named_when_it_is_offered() {
    let service = TestService::start().await;
    let admin = service.installation.administrator();
    let mut wire = service.wire(Some(admin.clone()), Protocol::Http1).await;
    let headers = [&HANDSHAKE[..], &[("sec-websocket-protocol", "other, signet.events.v1")]].concat();
    let response = wire.begin("GET", "/v1/events/ws", &headers, b"").await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["sec-websocket-protocol"]),
        (101, &"signet.events.v1".parse().unwrap())
    );
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let reply = service.wire(Some(admin.clone()), protocol).await.get("/v1/events/ws").await.unwrap();
        assert_eq!(reply.problem().code, ErrorCode::MalformedRequest);
        assert_eq!(reply.header("sec-websocket-version"), Some("13"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_whoever_may_not_listen_is_refused_before_the_upgrade() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let acme = service.stored_account("acme", "devices:read").await;
    let key = service.stored_key(Owner::Account(acme), "events:read").await;
    let refused = async |identity, query: &str, headers: &[(&str, &str)]| {
        let reply = Socket::try_open(&service, identity, query, headers).await.err().unwrap();
        reply.problem().code
    };
    assert_eq!(refused(None, "", &[]).await, ErrorCode::NotAuthenticated);
    assert_eq!(refused(Some(device.identity()), "", &[]).await, ErrorCode::Forbidden);
    assert_eq!(refused(None, "", &[("x-api-key", &key.text)]).await, ErrorCode::Forbidden);
    assert_eq!(refused(None, "", &[("x-api-key", "sgk_0123456789_x")]).await, ErrorCode::CredentialInvalid);
    assert_eq!(refused(None, "?ticket=sgt_0123456789_x", &[]).await, ErrorCode::CredentialInvalid);
    let both = refused(None, "?ticket=sgt_0123456789_x", &[("x-api-key", &key.text)]).await;
    assert_eq!(both, ErrorCode::TwoSecrets);
    assert_eq!(refused(Some(device.identity()), "?kinds=everything", &[]).await, ErrorCode::Forbidden);
    let admin = service.installation.administrator();
    assert_eq!(refused(Some(admin.clone()), "?kinds=everything", &[]).await, ErrorCode::InvalidArgument);
    assert_eq!(refused(Some(admin), "?before=1", &[]).await, ErrorCode::MalformedRequest);
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_socket_whose_certificate_ends_is_closed_with_1008() {
    let service = TestService::start().await;
    for (id, action, reason) in [("a", None, "revoked"), ("b", Some(DeviceAction::Suspend), "suspended")] {
        let subscriber = peer_service(&service, id).await;
        let socket = Socket::open(&service, Some(subscriber.identity()), "").await;
        match action {
            None => drop(service.revoke_device(id).await),
            Some(action) => step(&service, id, action).await,
        }
        assert_eq!(socket.closed().await, (1008, reason.to_owned()));
    }
}

async fn listener(service: &TestService, account: &str) -> (AccountId, crate::support::stored::Key) {
    let acme = service.stored_account(account, "events:read events:security").await;
    let key = service.stored_key(Owner::Account(acme.clone()), "events:read").await;
    (acme, key)
}

/// Each end of a key or its account, at once and without the look of every minute.
#[tokio::test(flavor = "multi_thread")]
async fn t42_a_socket_whose_key_or_account_ends_is_closed_at_once() {
    let service = TestService::start().await;
    for n in 0..6 {
        let (acme, key) = listener(&service, &format!("acme-{n}")).await;
        let open = async || Socket::try_open(&service, None, "", &[("x-api-key", &key.text)]).await.ok().unwrap();
        let (socket, mut stream) = (open().await, KeyStream::open(&service, &key.text).await);
        let expected = match n {
            0 => {
                service.change_stored_key(&key.id, Some(CredentialStatus::Disabled), None).await;
                "credential_disabled"
            }
            1 => {
                service.change_stored_key(&key.id, Some(CredentialStatus::Revoked), None).await;
                "credential_revoked"
            }
            2 => {
                service.change_stored_account(&acme, Some(AccountStatus::Suspended), None).await;
                "account_suspended"
            }
            3 => {
                let order = RevokeRequest { account: Some(acme), ..RevokeRequest::default() };
                service.revoke(&order).await.unwrap();
                "credential_revoked"
            }
            4 => {
                service.change_stored_account(&acme, None, Some("devices:read")).await;
                "forbidden"
            }
            _ => {
                service.change_stored_key(&key.id, None, Some("events:read events:security")).await;
                "changed"
            }
        };
        assert_eq!(socket.closed().await, (1008, expected.to_owned()), "{n}");
        assert_eq!(stream.end().await, expected, "{n}");
    }
}

/// A stream of Server-Sent Events by an API key.
struct KeyStream {
    body: hyper::body::Incoming,
    text: String,
    _wire: crate::support::Wire,
}

impl KeyStream {
    async fn open(service: &TestService, key: &str) -> KeyStream {
        let mut wire = service.wire(None, Protocol::Http1).await;
        let response = wire.begin("GET", "/v1/events", &[("x-api-key", key)], b"").await.unwrap();
        assert_eq!(response.status(), 200);
        KeyStream { body: response.into_body(), text: String::new(), _wire: wire }
    }

    /// The reason in the last event.
    async fn end(&mut self) -> String {
        use http_body_util::BodyExt;
        while let Some(frame) = self.body.frame().await {
            self.text += std::str::from_utf8(frame.unwrap().data_ref().unwrap()).unwrap();
        }
        let data = self.text.split("event: end\ndata: ").nth(1).unwrap_or_else(|| panic!("{}", self.text));
        serde_json::from_str::<serde_json::Value>(data.trim()).unwrap()["reason"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_socket_is_closed_when_the_key_behind_it_runs_out() {
    let patience = Patience { recheck: Duration::from_millis(20), ..Patience::default() };
    let service = TestService::builder().patience(patience).start().await;
    let (_, key) = listener(&service, "acme").await;
    let socket = Socket::try_open(&service, None, "", &[("x-api-key", &key.text)]).await.ok().unwrap();
    // Nobody does anything, and nothing is in the log.
    service.clock().advance(86_400);
    assert_eq!(socket.closed().await, (1008, "credential_expired".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_the_certificates_of_a_distrusted_issuer_hear_no_more_and_the_others_are_told() {
    let installation = Installation::new().await;
    let next = installation.add_issuer("next", "Next CA").await;
    installation.replace_toml("[publication]\n", "activation_delay_hours = 0\n[publication]\n");
    let text = std::fs::read_to_string(installation.config_path()).unwrap();
    // The delay belongs to the first issuer's table.
    let text = text.replacen("activation_delay_hours = 0\n", "", 1).replacen(
        "[issuer]\n",
        "[issuer]\nactivation_delay_hours = 0\n",
        1,
    );
    std::fs::write(installation.config_path(), text).unwrap();
    let service = TestService::builder().start_in(installation).await;
    let old = peer_service(&service, "old").await;
    let socket = Socket::open(&service, Some(old.identity()), "").await;
    let issuers: Vec<IssuerInfo> = service.admin.get_json("/v1/admin/issuers").await.unwrap();
    let step = async |admin: &signet_api::client::Client, id: &str, action, reason: &str| {
        let change = IssuerChange { action, reason: Some(reason.into()), force: true };
        let outcome: Result<Vec<IssuerInfo>, _> = admin.post_json(&format!("/v1/admin/issuers/{id}"), &change).await;
        outcome
    };
    step(&service.admin, &next.short_id(), IssuerAction::Activate, "a drill").await.unwrap();
    let new = peer_service(&service, "new").await;
    let mut witness = Socket::open(&service, Some(new.identity()), "").await;
    let first = issuers.iter().find(|issuer| issuer.active).unwrap().id.clone();
    let _ = step(&service.admin, &first, IssuerAction::Distrust, "a thief").await;
    assert_eq!(socket.closed().await, (1008, "issuer_distrusted".to_owned()));
    let told = loop {
        let event = witness.event().await;
        if event["event"] == "issuer.distrusted" {
            break event;
        }
    };
    assert_eq!(told["data"]["issuer"], first.as_str());
    assert!(!told.to_string().contains("a thief"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_devices_do_is_told_to_whoever_asked_for_it() {
    let service = TestService::start().await;
    let admin = service.installation.administrator();
    let mut plain = Socket::open(&service, Some(admin.clone()), "").await;
    let query = "?kinds=device.enrolled,device.renewed";
    let mut curious = Socket::open(&service, Some(admin.clone()), query).await;
    let before = curious.last_id.unwrap();
    let device = service.device("sensor-1").await;
    let renewed = service.renew(&device).await.unwrap();
    service.revoke_device("sensor-1").await;
    let expected = [("device.enrolled", device.serial()), ("device.renewed", renewed.serial())];
    for (name, serial) in expected {
        let event = curious.event().await;
        assert_eq!((event["event"].as_str(), list(&event, "devices")), (Some(name), vec!["sensor-1".to_owned()]));
        assert_eq!(list(&event, "serials"), [serial]);
    }
    let (ordinary, last) = (plain.event().await, curious.event().await);
    assert_eq!(ordinary, last);
    assert_eq!(ordinary["event"], "revocation");
    // The same from the log as from the queue.
    let mut later = Socket::open(&service, Some(admin), &format!("{query}&after={before}")).await;
    for name in ["device.enrolled", "device.renewed", "revocation"] {
        assert_eq!(later.event().await["event"], name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_client_that_breaks_the_rules_is_told_which() {
    let service = TestService::start().await;
    let admin = service.installation.administrator();
    let text = |text: &str| Message::text(text);
    let cases = [
        (Message::text("x".repeat(2000)), 1009),
        (Message::binary(vec![1, 2, 3]), 1003),
        (text("hello"), 1008),
        (text("{\"ack\":1,\"more\":2}"), 1008),
        (text("{\"ack\":99999999}"), 1008),
        (Message::Frame(Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true)), 1007),
        (Message::Frame(Frame::message(vec![], OpCode::Data(Data::Reserved(3)), true)), 1002),
    ];
    for (message, expected) in cases {
        let mut socket = Socket::open(&service, Some(admin.clone()), "").await;
        socket.socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.closed().await.0, expected, "{message:?}");
    }
    // Acknowledgements without end.
    let mut socket = Socket::open(&service, Some(admin.clone()), "").await;
    for _ in 0..1000 {
        if socket.socket.send(text("{\"ack\":1}")).await.is_err() {
            break;
        }
    }
    assert_eq!(socket.closed().await, (1008, "too_many_requests".to_owned()));
    // And whoever says goodbye is answered.
    let mut socket = Socket::open(&service, Some(admin), "").await;
    socket.socket.close(None).await.unwrap();
    while socket.message().await.is_some() {}
    let hub = &service.running.service.hub;
    while !hub.watchers().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_socket_that_is_not_read_is_dropped() {
    let service = TestService::start().await;
    let subscriber = peer_service(&service, "api").await;
    let large: Vec<String> = (0..400).map(|n| format!("{n:063}")).collect();
    let draft = AuditDraft {
        kind: "revocation",
        actor: "admin:test".into(),
        subject: "batch:large".into(),
        request_id: "large".into(),
        detail: serde_json::json!({ "devices": large, "certificates": [], "reason": "unspecified" }),
        at: service.running.service.clock.now(),
    };
    let slow = Socket::open(&service, Some(subscriber.identity()), "").await;
    let mut quick = Socket::open(&service, Some(service.installation.administrator()), "").await;
    let hub = &service.running.service.hub;
    let mut sent = 0;
    while hub.watchers().iter().any(|w| w.identity == "service:api") {
        service.running.service.store.alarm(None, draft.clone()).await.unwrap();
        sent += 1;
        assert!(sent < 10_000, "the reader was never dropped");
        assert_eq!(quick.event().await["event"], "revocation", "others are not held up");
    }
    // Its connection does not outlive it by long, whatever it reads.
    drop(slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_client_that_does_not_answer_is_gone() {
    let patience = Patience { heartbeat: Duration::from_millis(20), ..Patience::default() };
    let service = TestService::builder().patience(patience).start().await;
    // It reads nothing, and so it answers nothing.
    let _silent = Socket::open(&service, Some(service.installation.administrator()), "").await;
    let hub = &service.running.service.hub;
    while !hub.watchers().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_socket_takes_a_place_like_any_stream() {
    let service = TestService::start().await;
    let greedy = peer_service(&service, "greedy").await;
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(Socket::open(&service, Some(greedy.identity()), "").await);
    }
    let refused = Socket::try_open(&service, Some(greedy.identity()), "", &[]).await.err().unwrap();
    assert_eq!(refused.problem().code, ErrorCode::TooManyRequests);
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_end_when_the_service_stops_and_with_their_connection_s_time() {
    let patience = Patience { drain: Duration::from_secs(86_400), ..Patience::default() };
    let service = TestService::builder().patience(patience).start().await;
    let admin = service.installation.administrator();
    let socket = Socket::open(&service, Some(admin), "").await;
    let closing = tokio::spawn(socket.closed());
    let stopped = tokio::time::timeout(Duration::from_secs(60), service.stop()).await;
    assert!(stopped.is_ok(), "the stop waits for sockets");
    assert_eq!(closing.await.unwrap(), (1001, "stopping".to_owned()));

    let patience = Patience { connection: Duration::from_millis(300), ..Patience::default() };
    let service = TestService::builder().patience(patience).start().await;
    let socket = Socket::open(&service, Some(service.installation.administrator()), "").await;
    assert_eq!(socket.closed().await, (1001, "old_connection".to_owned()));
}

/// A renewal while a stream is open is no theft.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_certificate_was_replaced_ends_without_an_alarm() {
    let patience = Patience { recheck: Duration::from_millis(20), ..Patience::default() };
    let service = TestService::builder().patience(patience).start().await;
    let subscriber = peer_service(&service, "api").await;
    let socket = Socket::open(&service, Some(subscriber.identity()), "").await;
    let renewed = service.renew(&subscriber).await.unwrap();
    service.as_device(&renewed).whoami().await.unwrap();
    assert_eq!(socket.closed().await, (1008, "superseded".to_owned()));
    assert!(service.audit_of("alarm.superseded_certificate_used").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_secrets_in_addresses_count_only_where_it_is_said() {
    let service = TestService::start().await;
    let (_, key) = listener(&service, "acme").await;
    let refused = async |service: &TestService, query: &str, headers: &[(&str, &str)]| {
        let reply = Socket::try_open(service, None, query, headers).await.err().unwrap();
        assert!(!reply.text().contains(&key.text[15..]));
        reply.problem().code
    };
    let by_key = format!("?key={}", key.text);
    assert_eq!(refused(&service, &by_key, &[]).await, ErrorCode::MalformedRequest);
    assert_eq!(refused(&service, "?token=eyJhbGciOiJub25lIn0.e30.", &[]).await, ErrorCode::MalformedRequest);

    let service = TestService::builder().toml("[events]\nquery_secrets = true").start_in(service.stop().await).await;
    Socket::open(&service, None, &by_key).await;
    let everywhere = service.send("GET", &format!("/v1/whoami{by_key}"), &[], b"").await;
    assert_eq!(everywhere.problem().code, ErrorCode::NotAuthenticated, "for streams alone");
    let two = [format!("{by_key}&token=x"), format!("{by_key}&ticket=sgt_0_0")];
    for query in two {
        assert_eq!(refused(&service, &query, &[]).await, ErrorCode::TwoSecrets, "{query}");
    }
    assert_eq!(refused(&service, &by_key, &[("x-api-key", &key.text)]).await, ErrorCode::TwoSecrets);
    assert_eq!(refused(&service, "?token=x", &[]).await, ErrorCode::CredentialInvalid);
    let info: EventsInfo = service.admin.get_json("/v1/admin/events").await.unwrap();
    assert!(info.query_secrets);
    // A change of somebody else is no doubt about this one.
    let change = DeviceChange { groups: Some(vec!["lab".into()]), ..DeviceChange::default() };
    service.device("sensor-1").await;
    let mut socket = Socket::open(&service, None, &by_key).await;
    service.change(device_id("sensor-1").as_str(), &change).await.unwrap();
    service.revoke_device("sensor-1").await;
    assert_eq!(list(&socket.event().await, "devices"), ["sensor-1"]);
    drop(socket);
}
