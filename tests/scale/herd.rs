//! T48: a fleet that comes back all at once. Everyone is served in the end, nobody is lost, and the doors say when to return.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use signet_api::admin::{CreateTokens, TokenKind};

use crate::support::{Protocol, TestKey, TestService, order, target};

/// How many devices; a hundred thousand in the benchmark, a few hundred here.
fn herd() -> usize {
    std::env::var("SIGNET_HERD").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

/// Clients at one time.
const WAVE: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn t48_a_herd_is_served_to_the_last_device() {
    // A rate that is far too small for the herd, so that most are told to come back.
    let limits = "[admission]\nenrollments_per_second = 50\nenrollment_burst = 20\n";
    let service = Arc::new(TestService::builder().toml(limits).start().await);
    let tokens = tokens(&service, herd()).await;
    let (served, sent_away) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let queue = Arc::new(std::sync::Mutex::new(tokens));
    let clients: Vec<_> = (0..WAVE.min(herd()))
        .map(|_| {
            let (service, queue) = (service.clone(), queue.clone());
            let (served, sent_away) = (served.clone(), sent_away.clone());
            tokio::spawn(async move {
                let next = || queue.lock().unwrap().pop();
                while let Some(token) = next() {
                    one_device(&service, &token, &sent_away).await;
                    served.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(served.load(Ordering::SeqCst), herd());
    assert!(sent_away.load(Ordering::SeqCst) > 0, "the rate was meant to be too small");
    let enrolled = service.audit_of("certificate.enrolled").await;
    assert_eq!(enrolled.len(), herd(), "each device exactly once");
    println!("served {} with {} told to come back; {}", herd(), sent_away.load(Ordering::SeqCst), peak_memory());
}

/// Service and clients together, as this is one process.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("no /proc here").to_owned()
}

/// Asks until it has a certificate, and moves the clock on by what the server asks for instead of waiting.
async fn one_device(service: &TestService, token: &str, sent_away: &AtomicUsize) {
    let key = TestKey::p256();
    let bearer = format!("Bearer {token}");
    let mut wire = service.wire(None, Protocol::Http1).await;
    loop {
        let sent = wire.send("POST", "/v1/enroll", &[("authorization", &bearer)], &key.csr_der()).await;
        let Ok(reply) = sent else {
            wire = service.wire(None, Protocol::Http1).await;
            continue;
        };
        match reply.status {
            200 => return,
            429 | 503 => {
                let seconds: i64 = reply.header("retry-after").unwrap().parse().unwrap();
                assert!((1..=60).contains(&seconds));
                sent_away.fetch_add(1, Ordering::SeqCst);
                service.clock().advance(seconds);
                tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await.unwrap_err();
            }
            other => panic!("{other}: {}", reply.text()),
        }
    }
}

/// In orders of a size that one answer holds.
async fn tokens(service: &TestService, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    for (number, part) in (0..count).collect::<Vec<_>>().chunks(5_000).enumerate() {
        let targets = part.iter().map(|n| target(&format!("herd-{n}"))).collect();
        let order = CreateTokens {
            kind: TokenKind::Batch,
            batch: Some(format!("herd-{number}")),
            cidr: Some("127.0.0.0/8".into()),
            permissions: None,
            targets,
            ..order("herd-0")
        };
        all.extend(service.create_tokens(&order).await.unwrap().tokens.into_iter().map(|t| t.token));
    }
    all
}
