//! T71, T72 and T73: what a client without any proof may cost: its texts, its unread answers, its guesses.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use signet::config::Patience;
use signet_api::ErrorCode;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::tokens::with_other_secret;
use crate::support::{Protocol, TestKey, TestService, Wire, issued, wire};

#[tokio::test(flavor = "multi_thread")]
async fn t71_what_a_refusal_quotes_is_bounded_where_it_is_told_and_where_it_is_kept() {
    let service = TestService::start().await;
    let json = [("content-type", "application/json")];
    let body = format!("{{\"{}\":1}}", "sgk_!".repeat(12_000));
    let refused = service.send("POST", "/v1/recover", &json, body.as_bytes()).await;
    let problem = refused.problem();
    assert_eq!(problem.code, ErrorCode::MalformedRequest);
    assert!(refused.body.len() < 4_096, "{}", refused.body.len());
    let why: signet_api::admin::WhyReport =
        service.admin.get_json(&format!("/v1/admin/why/{}", problem.request_id)).await.unwrap();
    let kept = why.refusal.unwrap();
    assert!(kept.cause.len() < 2_048 && kept.told.len() < 2_048 && kept.path.len() < 512);
    let long = "M".repeat(5_000);
    let refused = service.send(&long, "/v1/recover", &[], b"").await;
    let why: signet_api::admin::WhyReport =
        service.admin.get_json(&format!("/v1/admin/why/{}", refused.problem().request_id)).await.unwrap();
    assert!(why.refusal.unwrap().method.len() < 64);
}

/// Asks without ever reading, until the service has enough of it.
async fn asks_without_reading(mut stream: impl AsyncWrite + Unpin, path: &str) -> bool {
    let asked = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").repeat(100);
    let refused = async { while stream.write_all(asked.as_bytes()).await.is_ok() && stream.flush().await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(20), refused).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn t72_a_client_that_does_not_read_loses_its_place_on_every_listener() {
    let patience = Patience { write: Duration::from_millis(200), ..Patience::default() };
    let service = TestService::builder().patience(patience).start().await;
    let small = |address| async move {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        socket.connect(address).await.unwrap()
    };
    let plain = small(service.running.plain).await;
    assert!(asks_without_reading(plain, "/crl/all.pem").await, "the plain listener");
    let local = small(service.running.local).await;
    assert!(asks_without_reading(local, "/metrics").await, "the local listener");
    let config = Arc::new(wire::client_config(&service, None, rustls::ALL_VERSIONS));
    let tls = wire::connect(service.tls_address(), config).await.unwrap();
    assert!(asks_without_reading(tls, "/v1/openapi.json").await, "the listener with TLS");
    // A client that reads is served as before.
    assert_eq!(service.plain("/crl/all.pem").await.status, 200);
    service.device("sensor-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t73_others_guesses_keep_no_good_credential_out() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let csr = TestKey::p256().csr_der();
    // From a hundred addresses, more than all of them together may.
    for last in 1..=100 {
        let own = IpAddr::V4(Ipv4Addr::new(127, 0, 1, last));
        let mut wire = Wire::open_from(&service, own, None, Protocol::Http1).await.unwrap();
        for _ in 0..11 {
            wire.send("POST", "/v1/enroll", &[("authorization", "Bearer sge_wrong")], &csr).await.unwrap();
        }
    }
    let guess = service.post_csr(&with_other_secret(&token), &csr).await;
    assert_eq!(guess.problem().code, ErrorCode::TooManyRequests, "a guess is told nothing any more");
    issued(service.enroll(&token, &TestKey::p256()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t73_requests_that_are_half_sent_count_from_their_beginning() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let wrong = with_other_secret(&token);
    let csr = TestKey::p256().csr_der();
    let head = format!(
        "POST /v1/enroll HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {wrong}\r\nContent-Length: {}\r\n\r\n",
        csr.len()
    );
    let config = Arc::new(wire::client_config(&service, None, rustls::ALL_VERSIONS));
    let mut halves = Vec::new();
    for _ in 0..30 {
        let mut stream = wire::connect(service.tls_address(), config.clone()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&csr[..10]).await.unwrap();
        halves.push(stream);
    }
    // Until the service has seen all of them; meanwhile a good token passes.
    while service.post_csr(&wrong, &csr).await.problem().code != ErrorCode::TooManyRequests {}
    issued(service.enroll(&token, &TestKey::p256()).await);
    let mut verdicts = 0;
    for mut stream in halves {
        stream.write_all(&csr[10..]).await.unwrap();
        let mut answer = [0; 12];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut answer).await.unwrap();
        verdicts += usize::from(answer.ends_with(b"401"));
    }
    assert!(verdicts <= 10, "{verdicts} guesses got a verdict");
}
