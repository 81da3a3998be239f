//! T19: slow, idle and too many.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use signet::config::Patience;
use signet_api::ErrorCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Protocol, TestKey, TestService, Wire, wire};

/// Short enough that a test which waits for the end of patience is quick.
fn impatient() -> Patience {
    let short = Duration::from_millis(150);
    Patience { handshake: short, headers: short, body: short, ..Patience::default() }
}

/// Whether the other side ends the connection; an honest end or a reset are both one.
async fn ended(mut stream: impl AsyncReadExt + Unpin) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn t19_a_handshake_that_does_not_come_is_ended() {
    let service = TestService::builder().patience(impatient()).start().await;
    let silent = TcpStream::connect(service.tls_address()).await.unwrap();
    assert!(ended(silent).await);
    let mut half = TcpStream::connect(service.tls_address()).await.unwrap();
    // The beginning of a TLS record, and then nothing.
    half.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.unwrap();
    assert!(ended(half).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t19_headers_and_bodies_that_trickle_are_ended() {
    let service = TestService::builder().patience(impatient()).start().await;
    let config = Arc::new(wire::client_config(&service, None, rustls::ALL_VERSIONS));
    let mut slow = wire::connect(service.tls_address(), config.clone()).await.unwrap();
    slow.write_all(b"GET /v1/trust/roots.pem HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
    assert!(ended(slow).await);
    let mut body = wire::connect(service.tls_address(), config).await.unwrap();
    let token = service.token("sensor-1").await.token;
    let head = format!(
        "POST /v1/enroll HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 500\r\n\r\nhalf"
    );
    body.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), body.read_to_end(&mut answer)).await.unwrap().ok();
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
    // The token is as good as before.
    service.enroll(&token, &TestKey::p256()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t19_a_header_block_without_end_is_refused() {
    let service = TestService::start().await;
    let mut request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n".to_vec();
    request.extend(std::iter::repeat_n(b"X-Long: 0123456789012345678901234567890123456789\r\n", 2000).flatten());
    let answer = service.raw_tls(&request).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 431 "), "{text}");
    service.device("sensor-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t19_a_flood_of_enrollments_leaves_renewals_lists_and_other_addresses_alone() {
    let limits = "[admission]\nenrollments_per_second = 1\nenrollment_burst = 20\n";
    let service = Arc::new(TestService::builder().toml(limits).start().await);
    let device = service.device("sensor-1").await;
    let token = service.token("sensor-2").await.token;
    let key = TestKey::p256();
    let flood: Vec<_> = (0..8)
        .map(|_| {
            let (service, csr) = (service.clone(), key.csr_der());
            tokio::spawn(async move {
                let own = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 66));
                let mut wire = Wire::open_from(&service, own, None, Protocol::Http1).await.unwrap();
                let mut codes = Vec::new();
                for _ in 0..20 {
                    // Well formed, and of nobody.
                    let unknown = "Bearer sge_0000000000_00000000000000000000000000zzzzzzz";
                    let reply = wire.send("POST", "/v1/enroll", &[("authorization", unknown)], &csr).await.unwrap();
                    if reply.status == 429 {
                        assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
                    }
                    codes.push(reply.problem().code);
                }
                codes
            })
        })
        .collect();
    let renewed = service.renew(&device).await.unwrap();
    assert_eq!(service.crl().await.entries().unwrap().len(), 0);
    service.as_device(&renewed).get_json::<serde_json::Value>("/v1/whoami").await.unwrap();
    let mut refused = 0;
    for task in flood {
        let codes = task.await.unwrap();
        refused += codes.iter().filter(|c| **c == ErrorCode::TooManyRequests).count();
    }
    assert!(refused >= 160 - 20, "{refused}");
    // Another address has an allowance of its own.
    service.enroll(&token, &key).await.unwrap();
    // Nobody who proved nothing has caused a write.
    let kinds: Vec<String> = service.audit().await.into_iter().map(|e| e.kind).collect();
    assert!(!kinds.iter().any(|k| k.starts_with("alarm")), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t19_a_thousand_requests_without_proof_write_nothing() {
    let service = TestService::start().await;
    let before = (service.audit().await.len(), service.running.service.store.counters());
    let mut wire = service.wire(None, Protocol::Http2).await;
    for _ in 0..1000 {
        let reply = wire.send("POST", "/v1/renew", &[], b"x").await.unwrap();
        assert_eq!(reply.problem().code, ErrorCode::NotAuthenticated);
    }
    let after = service.running.service.store.counters();
    // Reading the audit wrote nothing either, apart from the administrator's first use before.
    assert_eq!(after.requests, before.1.requests);
    assert_eq!(service.audit().await.len(), before.0);
}
