//! T14: no TLS session outlives its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, NamedGroup, SupportedProtocolVersion};
use signet_api::client::Identity;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{TestService, wire};

/// Keeps what a server gives to resume with, and counts it.
#[derive(Debug)]
struct Greedy {
    kept: ClientSessionMemoryCache,
    offered: AtomicUsize,
}

impl ClientSessionStore for Greedy {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.kept.set_kx_hint(name, group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.kept.kx_hint(name)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.offered.fetch_add(1, Ordering::SeqCst);
        self.kept.set_tls12_session(name, value);
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.kept.tls12_session(name)
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.kept.remove_tls12_session(name);
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.offered.fetch_add(1, Ordering::SeqCst);
        self.kept.insert_tls13_ticket(name, value);
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.kept.take_tls13_ticket(name)
    }
}

/// Four connections with one memory, each with a request. Returns the statuses.
async fn visit(service: &TestService, identity: Identity, version: &'static SupportedProtocolVersion) -> Vec<String> {
    let store = Arc::new(Greedy { kept: ClientSessionMemoryCache::new(32), offered: AtomicUsize::new(0) });
    let mut config = wire::client_config(service, Some(identity), &[version]);
    config.resumption = Resumption::store(store.clone());
    config.enable_early_data = true;
    let config = Arc::new(config);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let mut stream = wire::connect(service.tls_address(), config.clone()).await.unwrap();
        assert!(stream.get_mut().1.early_data().is_none(), "early data was offered");
        let request = b"GET /v1/whoami HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let connection = stream.get_ref().1;
        assert_eq!(connection.protocol_version(), Some(version.version));
        assert_ne!(connection.handshake_kind(), Some(HandshakeKind::Resumed));
        assert!(connection.handshake_kind().is_some());
        assert_eq!(connection.tls13_tickets_received(), 0);
        statuses.push(String::from_utf8_lossy(&answer[9..12]).into_owned());
    }
    assert_eq!(store.offered.load(Ordering::SeqCst), 0, "the server gave something to resume with");
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_no_session_is_resumed_and_no_ticket_is_given() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    for version in [&TLS12, &TLS13] {
        assert_eq!(visit(&service, device.identity(), version).await, ["200"; 4]);
    }
    service.revoke_device("sensor-1").await;
    for version in [&TLS12, &TLS13] {
        assert_eq!(visit(&service, device.identity(), version).await, ["403"; 4]);
    }
}
