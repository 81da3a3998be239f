//! Stream tickets: used once, within seconds, by nobody whose right has ended.

use std::sync::Arc;
use std::time::Duration;

use signet::config::Patience;
use signet::store::{AccountStatus, CredentialStatus, Owner};
use signet_api::client::Identity;
use signet_api::events::Ticket;
use signet_api::{Credential, CredentialKind, ErrorCode};

use crate::events::peer_service;
use crate::support::log::Log;
use crate::support::socket::Socket;
use crate::support::{Protocol, Reply, TestService};
use crate::tokens::decode_id;

async fn ask(service: &TestService, identity: Option<Identity>, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut wire = service.wire(identity, Protocol::Http1).await;
    wire.send("POST", "/v1/events/tickets", headers, body.as_bytes()).await.unwrap()
}

async fn by_key(service: &TestService, key: &str) -> Ticket {
    ask(service, None, &[("x-api-key", key)], "").await.json()
}

async fn refused(service: &TestService, ticket: &Ticket) -> ErrorCode {
    let query = format!("?ticket={}", ticket.ticket);
    Socket::try_open(service, None, &query, &[]).await.err().unwrap().problem().code
}

/// An account that may follow events, and a key of it.
async fn listener(service: &TestService) -> (signet_api::scope::AccountId, crate::support::stored::Key) {
    let acme = service.stored_account("acme", "events:read devices:read").await;
    let key = service.stored_key(Owner::Account(acme.clone()), "events:read devices:read").await;
    (acme, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_opens_one_stream_of_either_kind_and_nothing_else() {
    let service = TestService::start().await;
    let subscriber = peer_service(&service, "api").await;
    let (_, key) = listener(&service).await;
    let by_certificate: Ticket = ask(&service, Some(subscriber.identity()), &[], "{}").await.json();
    let by_key = by_key(&service, &key.text).await;
    for (ticket, actor) in [(&by_certificate, "service:api"), (&by_key, "account:acme")] {
        assert!(ticket.ticket.starts_with("sgt_") && ticket.scopes.to_string() == "events:read", "{ticket:?}");
        let elsewhere = service.send("GET", &format!("/v1/whoami?ticket={}", ticket.ticket), &[], b"").await;
        assert_eq!(elsewhere.problem().code, ErrorCode::NotAuthenticated);
        let as_key = service.send("GET", "/v1/whoami", &[("x-api-key", &ticket.ticket)], b"").await;
        assert_eq!(as_key.problem().code, ErrorCode::CredentialInvalid);
        let socket = Socket::open(&service, None, &format!("?ticket={}", ticket.ticket)).await;
        assert!(service.running.service.hub.watchers().iter().any(|w| w.identity == actor));
        drop(socket);
        let used = service.audit_of("ticket.used").await.pop().unwrap();
        let created = service.audit_of("ticket.created").await.into_iter().find(|e| e.subject == used.subject).unwrap();
        assert_eq!((used.actor.as_str(), created.actor.as_str()), (actor, actor));
    }
    // Server-Sent Events, and with a certificate of the same owner beside it.
    let ticket: Ticket = ask(&service, Some(subscriber.identity()), &[], "").await.json();
    let mut wire = service.wire(Some(subscriber.identity()), Protocol::Http2).await;
    let path = format!("/v1/events?ticket={}", ticket.ticket);
    let response = wire.begin("GET", &path, &[], b"").await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"text/event-stream".parse().unwrap())
    );
    assert_eq!(wire.get(&path).await.unwrap().problem().code, ErrorCode::CredentialRevoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_ticket_gives_no_more_than_it_was_got_with() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let (_, key) = listener(&service).await;
    let headers: &[(&str, &str)] = &[("x-api-key", &key.text)];
    let code = async |identity, headers: &[(&str, &str)], body: &str| {
        ask(&service, identity, headers, body).await.problem().code
    };
    assert_eq!(code(None, &[], "").await, ErrorCode::NotAuthenticated);
    assert_eq!(code(Some(device.identity()), &[], "").await, ErrorCode::Forbidden);
    assert_eq!(code(None, headers, r#"{"scopes":"events:security"}"#).await, ErrorCode::Forbidden);
    assert_eq!(code(None, headers, r#"{"scopes":"devices:read"}"#).await, ErrorCode::InvalidArgument);
    assert_eq!(code(None, headers, r#"{"scopes":""}"#).await, ErrorCode::InvalidArgument);
    assert_eq!(code(None, headers, r#"{"scope":"events:read"}"#).await, ErrorCode::MalformedRequest);
    let ticket = by_key(&service, &key.text).await;
    let again = ask(&service, None, &[("authorization", &format!("Bearer {}", ticket.ticket))], "").await;
    assert_eq!(again.problem().code, ErrorCode::CredentialInvalid, "a ticket makes no ticket");
    // Another's certificate beside it.
    let other = peer_service(&service, "api").await;
    let query = format!("?ticket={}", ticket.ticket);
    let mixed = Socket::try_open(&service, Some(other.identity()), &query, &[]).await.err().unwrap();
    assert_eq!(mixed.problem().code, ErrorCode::CredentialMismatch);
    // An administrator's, cut down to what a service may know, and not used up by those who were refused.
    let admin = service.installation.administrator();
    let small: Ticket = ask(&service, Some(admin), &[], r#"{"scopes":"events:read"}"#).await.json();
    let mut socket = Socket::open(&service, None, &format!("?ticket={}", small.ticket)).await;
    service.revoke_device("sensor-1").await;
    assert_eq!(socket.event().await["data"].get("actor"), None);
    Socket::open(&service, None, &query).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_of_twenty_who_try_one_ticket_one_gets_in() {
    let service = Arc::new(TestService::start().await);
    let (_, key) = listener(&service).await;
    let ticket = by_key(&service, &key.text).await;
    let query = format!("?ticket={}", ticket.ticket);
    let racers: Vec<_> = (0..20)
        .map(|n| {
            let (service, query) = (service.clone(), query.clone());
            tokio::spawn(async move {
                if n % 2 == 0 {
                    return Socket::try_open(&service, None, &query, &[]).await.map(drop).map_err(|reply| reply.status);
                }
                let mut wire = service.wire(None, Protocol::Http1).await;
                let response = wire.begin("GET", &format!("/v1/events{query}"), &[], b"").await.unwrap();
                match response.status().as_u16() {
                    200 => Ok(()),
                    status => Err(status),
                }
            })
        })
        .collect();
    let mut winners = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Ok(()) => winners += 1,
            Err(status) => assert!(matches!(status, 401 | 429), "{status}"),
        }
    }
    assert_eq!(winners, 1);
    assert_eq!(service.audit_of("ticket.used").await.len(), 1);
    assert_eq!(refused(&service, &ticket).await, ErrorCode::CredentialRevoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_ticket_ends_after_thirty_seconds() {
    let service = TestService::start().await;
    let (_, key) = listener(&service).await;
    let (late, in_time) = (by_key(&service, &key.text).await, by_key(&service, &key.text).await);
    service.clock().advance(29);
    Socket::open(&service, None, &format!("?ticket={}", in_time.ticket)).await;
    service.clock().advance(1);
    assert_eq!(refused(&service, &late).await, ErrorCode::CredentialExpired);
    // Nobody keeps them: later they are as good as unknown.
    let now = signet::clock::Clock::now(service.clock().as_ref());
    assert_eq!(service.running.service.store.prune_tickets(now.plus(1), 10).await.unwrap(), 2);
    assert_eq!(refused(&service, &late).await, ErrorCode::CredentialInvalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_ticket_whose_owner_or_key_has_ended_opens_nothing() {
    let service = TestService::start().await;
    let (acme, key) = listener(&service).await;
    let ticket = by_key(&service, &key.text).await;
    service.change_stored_key(&key.id, Some(CredentialStatus::Disabled), None).await;
    assert_eq!(refused(&service, &ticket).await, ErrorCode::CredentialDisabled);
    service.change_stored_key(&key.id, Some(CredentialStatus::Active), None).await;
    service.change_stored_account(&acme, Some(AccountStatus::Suspended), None).await;
    assert_eq!(refused(&service, &ticket).await, ErrorCode::AccountSuspended);
    service.change_stored_account(&acme, Some(AccountStatus::Active), Some("devices:read")).await;
    assert_eq!(refused(&service, &ticket).await, ErrorCode::Forbidden);
    service.change_stored_account(&acme, None, Some("events:read")).await;
    Socket::open(&service, None, &format!("?ticket={}", ticket.ticket)).await;

    let subscriber = peer_service(&service, "api").await;
    let of_certificate: Ticket = ask(&service, Some(subscriber.identity()), &[], "").await.json();
    let order = signet_api::admin::RevokeRequest { serial: Some(subscriber.serial().into()), ..Default::default() };
    service.revoke(&order).await.unwrap();
    assert_eq!(refused(&service, &of_certificate).await, ErrorCode::CertificateRevoked);
    let last = by_key(&service, &key.text).await;
    let order = signet_api::admin::RevokeRequest { account: Some(acme), ..Default::default() };
    service.revoke(&order).await.unwrap();
    assert_eq!(refused(&service, &last).await, ErrorCode::CredentialRevoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_stream_by_ticket_ends_with_what_the_ticket_was_got_with() {
    let service = TestService::start().await;
    let (_, key) = listener(&service).await;
    let ticket = by_key(&service, &key.text).await;
    let socket = Socket::open(&service, None, &format!("?ticket={}", ticket.ticket)).await;
    service.change_stored_key(&key.id, Some(CredentialStatus::Disabled), None).await;
    assert_eq!(socket.closed().await, (1008, "credential_disabled".to_owned()));

    let subscriber = peer_service(&service, "api").await;
    let ticket: Ticket = ask(&service, Some(subscriber.identity()), &[], "").await.json();
    let socket = Socket::open(&service, None, &format!("?ticket={}", ticket.ticket)).await;
    let order = signet_api::admin::RevokeRequest { serial: Some(subscriber.serial().into()), ..Default::default() };
    service.revoke(&order).await.unwrap();
    assert_eq!(socket.closed().await, (1008, "certificate_revoked".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_stream_by_ticket_is_looked_at_again_and_again() {
    let patience = Patience { recheck: Duration::from_millis(20), ..Patience::default() };
    let service = TestService::builder().patience(patience).start().await;
    let (_, key) = listener(&service).await;
    let ticket = by_key(&service, &key.text).await;
    let socket = Socket::open(&service, None, &format!("?ticket={}", ticket.ticket)).await;
    // The ticket itself ended long ago, and was removed; the stream lives as long as the key.
    service.clock().advance(3600);
    let now = signet::clock::Clock::now(service.clock().as_ref());
    assert_eq!(service.running.service.store.prune_tickets(now, 10).await.unwrap(), 1);
    service.device("sensor-1").await;
    service.revoke_device("sensor-1").await;
    let mut socket = socket;
    assert_eq!(socket.event().await["event"], "revocation");
    service.clock().advance(86_400);
    assert_eq!(socket.closed().await, (1008, "credential_expired".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_tickets_that_nobody_uses_are_few() {
    let service = TestService::start().await;
    let (_, key) = listener(&service).await;
    for _ in 0..20 {
        by_key(&service, &key.text).await;
    }
    let too_many = ask(&service, None, &[("x-api-key", &key.text)], "").await;
    assert_eq!(too_many.problem().code, ErrorCode::TooManyRequests);
    service.clock().advance(30);
    by_key(&service, &key.text).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t05_guessed_tickets_make_their_address_wait() {
    let service = TestService::start().await;
    let (_, key) = listener(&service).await;
    let ticket = by_key(&service, &key.text).await;
    let id = Credential::parse(CredentialKind::Ticket, &ticket.ticket).unwrap().id().clone();
    let mut random = [0x5a; 24];
    random[..8].copy_from_slice(&decode_id(id.as_str()));
    let other = Credential::from_random(CredentialKind::Ticket, &random);
    assert_eq!(*other.id(), id);
    let wrong = Ticket { ticket: other.expose().to_string(), ..ticket };
    while refused(&service, &wrong).await == ErrorCode::CredentialInvalid {}
    assert_eq!(refused(&service, &wrong).await, ErrorCode::TooManyRequests);
}

/// Used, refused, in the wrong place: the secret half of a ticket, a key and a token in an address is in no log, no answer, no
/// entry and no file.
#[tokio::test(flavor = "current_thread")]
async fn t26_what_stands_in_addresses_is_written_nowhere() {
    let log = Log::default();
    let logging = || {
        let builder = tracing_subscriber::fmt().json().with_max_level(tracing::Level::DEBUG);
        tracing::Dispatch::new(builder.with_writer(log.clone()).finish())
    };
    let (own, _second) = (logging(), logging());
    let _guard = tracing::dispatcher::set_default(&own);
    let service = TestService::builder().toml("[events]\nquery_secrets = true").start().await;
    let (_, key) = listener(&service).await;
    let mut said = String::new();
    let (one, two) = (by_key(&service, &key.text).await, by_key(&service, &key.text).await);
    drop(Socket::open(&service, None, &format!("?ticket={}", one.ticket)).await);
    drop(Socket::open(&service, None, &format!("?key={}", key.text)).await);
    let token = "eyJhbGciOiJFUzI1NiJ9.c2VjcmV0LWNsYWltcw.c2lnbmF0dXJl";
    for path in [
        format!("/v1/events?ticket={}", one.ticket),
        format!("/v1/events?ticket={}&ticket={}", one.ticket, two.ticket),
        format!("/v1/events/ws?ticket={}", two.ticket),
        format!("/v1/events?ticket={}x", two.ticket),
        format!("/v1/events?ticket={}&key={}", two.ticket, key.text),
        format!("/v1/events?after={}", two.ticket),
        format!("/v1/events?token={token}"),
        format!("/v1/events/{}", two.ticket),
        format!("/v1/whoami?ticket={}", two.ticket),
    ] {
        let reply = service.send("GET", &path, &[], b"").await;
        assert!(reply.status >= 400, "{path}");
        said += &format!("{reply:?}{}", reply.text());
    }
    for entry in service.audit().await {
        said += &entry.canonical;
    }
    let installation = service.stop().await;
    let logged = String::from_utf8(log.bytes()).unwrap();
    assert!(logged.contains("refused"), "nothing was logged");
    let files = installation.all_files();
    for secret in [&one.ticket[15..], &two.ticket[15..], &key.text[15..], "c2VjcmV0LWNsYWltcw"] {
        assert!(!said.contains(secret) && !logged.contains(secret), "{secret}");
        for (path, content) in &files {
            assert!(!content.windows(secret.len()).any(|w| w == secret.as_bytes()), "{}", path.display());
        }
    }
}
