//! A whole service in one process, over real sockets and real TLS, for tests that see it from outside.
//!
//! Every test has its own directory, database and ports. Keys, certificates and the first administrator are made once
//! for the process and copied, because opening a sealed key is made to be slow.
// Two test binaries share this; each uses its own part of it.
#![allow(dead_code)]

pub(crate) mod access;
mod builder;
pub(crate) mod der;
mod document;
pub(crate) mod installation;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod oauth;
pub(crate) mod ocsp;
pub(crate) mod permission;
pub(crate) mod receiver;
pub(crate) mod services;
pub(crate) mod socket;
pub(crate) mod stored;
pub(crate) mod stream;
pub(crate) mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use signet::app::Running;
use signet::audit::{GENESIS, follows};
use signet::clock::{Clock, ManualClock};
use signet_api::admin::{
    AuditEntry, CreateTokens, CreatedToken, CreatedTokens, DeviceChange, DeviceDetail, DeviceInfo, Page, RevokeReport,
    RevokeRequest, RevokedTokens, TokenKind, TokenTarget,
};
use signet_api::client::{Client, ClientConfig, ClientError, Enrolled, Identity, Trust};
use signet_api::enroll::{EnrollRequest, HardwareFacts, IssuedCertificate, RenewRequest};
use signet_api::{Credential, CredentialKind, ErrorCode};
use signet_pki::ca::IssuerCert;
use signet_pki::crl::CrlView;
use signet_pki::view::CertificateView;
use signet_pki::{DeviceId, pem};

pub(crate) use builder::Builder;
pub(crate) use installation::Installation;
pub(crate) use keys::TestKey;
pub(crate) use wire::{Protocol, Reply, Wire};

/// A running service with its files. `stop` gives the files back, to be started again.
pub(crate) struct TestService {
    pub(crate) installation: Installation,
    pub(crate) running: Running,
    pub(crate) root: IssuerCert,
    pub(crate) issuer: IssuerCert,
    /// The first administrator.
    pub(crate) admin: Client,
    pub(crate) anonymous: Client,
}

impl TestService {
    pub(crate) async fn start() -> TestService {
        Builder::default().start().await
    }

    pub(crate) fn builder() -> Builder {
        Builder::default()
    }

    /// Stops in order and keeps the files.
    pub(crate) async fn stop(self) -> Installation {
        self.running.stop().await;
        self.installation
    }

    pub(crate) fn clock(&self) -> &Arc<ManualClock> {
        &self.installation.clock
    }

    pub(crate) fn clock_ms(&self) -> u64 {
        self.installation.clock.now_ms() as u64
    }

    pub(crate) fn tls_address(&self) -> SocketAddr {
        self.running.tls
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.running.tls)
    }

    pub(crate) fn client(&self, identity: Option<Identity>) -> Client {
        client(self.running.tls, &self.root, identity)
    }

    pub(crate) fn as_device(&self, device: &Device) -> Client {
        self.client(Some(device.identity()))
    }

    /// One token for `device`, good for fifteen minutes and bound to nothing.
    pub(crate) async fn token(&self, device: &str) -> CreatedToken {
        self.create_token(order(device)).await
    }

    /// The first token of an order that must succeed.
    pub(crate) async fn create_token(&self, order: CreateTokens) -> CreatedToken {
        self.create_tokens(&order).await.unwrap().tokens.remove(0)
    }

    pub(crate) async fn create_tokens(&self, order: &CreateTokens) -> Result<CreatedTokens, ClientError> {
        self.admin.post_json("/v1/admin/tokens", order).await
    }

    pub(crate) async fn enroll(&self, token: &str, key: &TestKey) -> Result<Enrolled, ClientError> {
        self.enroll_with(token, key.csr(), HardwareFacts::default()).await
    }

    pub(crate) async fn enroll_with(
        &self,
        token: &str,
        csr: String,
        facts: HardwareFacts,
    ) -> Result<Enrolled, ClientError> {
        self.anonymous.enroll(&credential(token), &EnrollRequest { csr, facts }).await
    }

    /// A device with a first certificate.
    pub(crate) async fn device(&self, id: &str) -> Device {
        let token = self.token(id).await;
        self.device_with(&token, TestKey::p256()).await
    }

    pub(crate) async fn device_with(&self, token: &CreatedToken, key: TestKey) -> Device {
        Device { certificate: issued(self.enroll(&token.token, &key).await), key }
    }

    /// The next generation with a new key.
    pub(crate) async fn renew(&self, device: &Device) -> Result<Device, ClientError> {
        let key = TestKey::p256();
        let request = RenewRequest { csr: key.csr(), device: None, profile: None, groups: None };
        let certificate = self.as_device(device).renew(&request).await?;
        Ok(Device { certificate, key })
    }

    pub(crate) async fn revoke(&self, order: &RevokeRequest) -> Result<RevokeReport, ClientError> {
        self.admin.post_json("/v1/admin/revocations", order).await
    }

    pub(crate) async fn revoke_device(&self, id: &str) -> RevokeReport {
        self.revoke(&RevokeRequest { device: Some(device_id(id)), ..RevokeRequest::default() }).await.unwrap()
    }

    pub(crate) async fn revoke_token(&self, token: &CreatedToken) -> RevokedTokens {
        self.admin.post_json(&format!("/v1/admin/tokens/{}/revoke", token.id), &()).await.unwrap()
    }

    pub(crate) async fn change(&self, id: &str, change: &DeviceChange) -> Result<DeviceInfo, ClientError> {
        self.admin.post_json(&format!("/v1/admin/devices/{id}"), change).await
    }

    pub(crate) async fn show(&self, id: &str) -> DeviceDetail {
        self.admin.get_json(&format!("/v1/admin/devices/{id}")).await.unwrap()
    }

    /// The published list, as a verifier fetches it: over the plain listener, its signature checked.
    pub(crate) async fn crl(&self) -> CrlView {
        let reply = self.plain(&format!("/crl/{}.crl", self.issuer.short_id())).await;
        assert_eq!(reply.status, 200);
        CrlView::verified(&reply.body, &self.issuer).unwrap()
    }

    pub(crate) async fn is_on_crl(&self, serial: &str) -> bool {
        self.crl().await.entries().unwrap().iter().any(|(s, _, _)| s.to_string() == serial)
    }

    /// `GET` on the listener for lists.
    pub(crate) async fn plain(&self, path: &str) -> Reply {
        wire::get_plain(self.running.plain, path).await
    }

    /// `GET` on the loopback listener.
    pub(crate) async fn local(&self, path: &str) -> Reply {
        wire::get_plain(self.running.local, path).await
    }

    /// Octets as they are over a TLS connection without client certificate; what came back until the end.
    pub(crate) async fn raw_tls(&self, request: &[u8]) -> Vec<u8> {
        wire::raw_tls(self, request).await
    }

    /// Octets as they are over TCP to the listener for lists.
    pub(crate) async fn raw_plain(&self, request: &[u8]) -> Vec<u8> {
        wire::raw_tcp(self.running.plain, request).await
    }

    pub(crate) async fn wire(&self, identity: Option<Identity>, protocol: Protocol) -> Wire {
        Wire::open(self, identity, protocol).await.unwrap()
    }

    /// One anonymous request on a connection of its own; any status is an answer.
    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.wire(None, Protocol::Http1).await.send(method, path, headers, body).await.unwrap()
    }

    /// The same as `identity`.
    pub(crate) async fn send_as(
        &self,
        identity: Identity,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        self.wire(Some(identity), Protocol::Http1).await.send(method, path, headers, body).await.unwrap()
    }

    /// `POST /v1/enroll` with a token and a bare body.
    pub(crate) async fn post_csr(&self, token: &str, csr: &[u8]) -> Reply {
        let bearer = format!("Bearer {token}");
        self.send("POST", "/v1/enroll", &[("authorization", &bearer)], csr).await
    }

    /// Every entry, oldest first, after its place in the chain was checked.
    pub(crate) async fn audit(&self) -> Vec<AuditEntry> {
        let (mut all, mut previous) = (Vec::<AuditEntry>::new(), GENESIS);
        loop {
            let path = format!("/v1/admin/audit?after={}&limit=1000", all.len());
            let page: Page<AuditEntry> = self.admin.get_json(&path).await.unwrap();
            if page.items.is_empty() {
                return all;
            }
            for entry in page.items {
                let hash = data_encoding::HEXLOWER.decode(entry.leaf_hash.as_bytes()).unwrap().try_into().unwrap();
                assert!(follows(&previous, all.len() as u64 + 1, &entry.canonical, &hash), "{entry:?}");
                previous = hash;
                all.push(entry);
            }
        }
    }

    pub(crate) async fn audit_of(&self, kind: &str) -> Vec<AuditEntry> {
        self.audit().await.into_iter().filter(|entry| entry.kind == kind).collect()
    }
}

/// A key with the certificate that was issued for it.
pub(crate) struct Device {
    pub(crate) key: TestKey,
    pub(crate) certificate: IssuedCertificate,
}

impl Device {
    pub(crate) fn identity(&self) -> Identity {
        let text = format!("{}{}", self.certificate.certificate, self.certificate.chain);
        Identity { chain: pem::certificates(text.as_bytes()).unwrap(), key: self.key.pkcs8().into() }
    }

    pub(crate) fn serial(&self) -> &str {
        &self.certificate.serial
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        leaf(&self.certificate)
    }

    pub(crate) fn view(&self) -> CertificateView {
        CertificateView::parse(&self.der()).unwrap()
    }
}

pub(crate) fn client(address: SocketAddr, root: &IssuerCert, identity: Option<Identity>) -> Client {
    let trust = Trust::Roots(vec![root.der().to_vec()]);
    let config = ClientConfig { identity, ..ClientConfig::new(format!("https://{address}"), trust) };
    // With roots that are there already, opening sends nothing and never waits.
    futures_ready(Client::open(config)).unwrap()
}

/// The order behind [`TestService::token`], to be changed before it is sent.
pub(crate) fn order(device: &str) -> CreateTokens {
    CreateTokens {
        kind: TokenKind::Interactive,
        profile: "device".into(),
        groups: Vec::new(),
        lifetime: None,
        batch: None,
        cidr: None,
        approval: false,
        replace: false,
        permissions: None,
        targets: vec![target(device)],
    }
}

pub(crate) fn target(device: &str) -> TokenTarget {
    TokenTarget { device: Some(device_id(device)), ..TokenTarget::default() }
}

pub(crate) fn device_id(text: &str) -> DeviceId {
    DeviceId::parse(text).unwrap()
}

pub(crate) fn credential(token: &str) -> Credential {
    Credential::parse(CredentialKind::Enrollment, token).unwrap()
}

/// The certificate of an enrollment that must have succeeded.
pub(crate) fn issued(outcome: Result<Enrolled, ClientError>) -> IssuedCertificate {
    match outcome.unwrap() {
        Enrolled::Issued { certificate, .. } => *certificate,
        Enrolled::Pending(pending) => panic!("pending: {pending:?}"),
    }
}

pub(crate) fn leaf(certificate: &IssuedCertificate) -> Vec<u8> {
    pem::certificates(certificate.certificate.as_bytes()).unwrap().remove(0)
}

/// The code of a refusal that must have happened.
pub(crate) fn code<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> ErrorCode {
    let error = outcome.unwrap_err();
    error.problem().unwrap_or_else(|| panic!("not a refusal: {error}")).code
}

fn futures_ready<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("opening a client waited for something"),
    }
}
