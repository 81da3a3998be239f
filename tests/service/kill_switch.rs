//! One revocation ends everything of a device or an account, in one transaction, and nothing of anybody else.

use serde_json::{Value, json};
use signet_api::ErrorCode;
use signet_api::admin::{DeviceChange, RevokeRequest};
use signet_api::events::Ticket;
use signet_api::oauth::TokenResponse;
use signet_api::scope::AccountId;

use crate::support::oauth::As;
use crate::support::socket::Socket;
use crate::support::{Device, TestService, code, device_id};

/// What a device or an account holds of everything that there is.
struct Holdings {
    device: Device,
    tokens: TokenResponse,
    key: String,
    by_key: TokenResponse,
    ticket: Ticket,
    open: Option<Socket>,
    token: String,
}

async fn holdings(service: &TestService, account: &str, id: &str) -> Holdings {
    let key = service.key_with(account, "devices:read events:read").await.key;
    let device = service.device(id).await;
    let own = DeviceChange { account: Some(account.into()), ..DeviceChange::default() };
    service.admin.post_json::<_, Value>(&format!("/v1/admin/devices/{id}"), &own).await.unwrap();
    let tokens = service.access_token(As::Device(&device), "offline_access").await;
    let by_key = service.access_token(As::Key(&key), "devices:read").await;
    let ticket = async || -> Ticket { service.post_with_key(&key, "/v1/events/tickets", "{}").await.json() };
    let open = Some(Socket::open(service, None, &format!("?ticket={}", ticket().await.ticket)).await);
    let again = signet_api::admin::CreateTokens { replace: true, ..crate::support::order(id) };
    let token = service.create_token(again).await.token;
    let ticket = ticket().await;
    Holdings { device, tokens, key, by_key, ticket, open, token }
}

impl Holdings {
    /// How much of it is still good, by name.
    async fn good(&mut self, service: &TestService) -> Vec<&'static str> {
        let mut good = Vec::new();
        let mut note = |what: &'static str, is_good: bool| {
            if is_good {
                good.push(what);
            }
        };
        let device = &self.device;
        note("certificate", service.as_device(device).whoami().await.is_ok());
        note("list", !service.is_on_crl(device.serial()).await);
        note("access token", service.introspect(&self.tokens.access_token).await.active);
        note("access token of the key", service.introspect(&self.by_key.access_token).await.active);
        note("bearer", service.bearer(None, &self.by_key.access_token, "/v1/whoami").await.status == 200);
        note("key", service.with_key(&self.key, "/v1/whoami").await.status == 200);
        note("ticket", Socket::try_open(service, None, &format!("?ticket={}", self.ticket.ticket), &[]).await.is_ok());
        note("enrollment token", service.enroll(&self.token, &crate::support::TestKey::p256()).await.is_ok());
        let refresh = self.tokens.refresh_token.as_ref().unwrap();
        note("refresh token", service.refresh(As::Device(device), refresh).await.status == 200);
        good
    }
}

const EVERYTHING: [&str; 9] = [
    "certificate",
    "list",
    "access token",
    "access token of the key",
    "bearer",
    "key",
    "ticket",
    "enrollment token",
    "refresh token",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_account_ends_with_everything_in_one_entry_and_its_neighbour_stays() {
    let service = TestService::start().await;
    let mut acme = holdings(&service, "acme", "sensor-1").await;
    let mut other = holdings(&service, "other", "sensor-2").await;
    let order = RevokeRequest { account: Some(AccountId::parse("acme").unwrap()), ..RevokeRequest::default() };
    let before = service.audit().await.len();
    let report = service.revoke(&order).await.unwrap();
    assert_eq!((report.accounts.len(), report.devices.len(), report.tokens.len()), (1, 1, 1));
    // API key, refresh token, and the ticket that nobody used.
    assert_eq!(report.credentials.len(), 3, "{report:?}");
    let (closed, why) = acme.open.take().unwrap().closed().await;
    assert_eq!((closed, why.as_str()), (1008, ErrorCode::AccountRevoked.as_str()));
    let entries: Vec<_> = service.audit().await.split_off(before);
    let revocations: Vec<_> = entries.iter().filter(|entry| entry.kind == "revocation").collect();
    assert_eq!(revocations.len(), 1);
    assert_eq!(revocations[0].detail["accounts"], json!(["acme"]));
    assert_eq!(revocations[0].detail["devices"], json!(["sensor-1"]));
    assert_eq!(revocations[0].detail["credentials"].as_array().unwrap().len(), 3);
    assert_eq!(acme.good(&service).await, Vec::<&str>::new());
    assert_eq!(other.good(&service).await, EVERYTHING);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_ends_with_what_is_its_own_and_its_account_goes_on() {
    let service = TestService::start().await;
    let mut acme = holdings(&service, "acme", "sensor-1").await;
    let order = RevokeRequest { device: Some(device_id("sensor-1")), ..RevokeRequest::default() };
    service.revoke(&order).await.unwrap();
    assert_eq!(acme.good(&service).await, ["access token of the key", "bearer", "key", "ticket"]);
    assert_eq!(code(service.as_device(&acme.device).whoami().await), ErrorCode::DeviceRevoked);
}
