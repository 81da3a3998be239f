//! How sessions and tokens go on, and everything that ends them.

use signet::store::{CredentialStatus, Owner};
use signet_api::admin::{CreateTokens, DeviceAction, DeviceChange, RevokeRequest};
use signet_api::oauth::TokenResponse;
use signet_api::{CredentialId, ErrorCode};

use crate::support::oauth::{As, oauth_error, owned, said};
use crate::support::{Device, TestKey, TestService, order};

/// A device with a session and an access token that is not of it.
struct Holder {
    device: Device,
    alone: String,
    session: TokenResponse,
}

impl Holder {
    async fn new(service: &TestService, id: &str) -> Holder {
        let device = service.device(id).await;
        let alone = service.access_token(As::Device(&device), "").await.access_token;
        let session = service.access_token(As::Device(&device), "offline_access").await;
        assert_eq!(service.bearer(Some(&device), &alone, "/v1/whoami").await.status, 200);
        assert!(service.introspect(session.refresh_token.as_ref().unwrap()).await.active);
        Holder { device, alone, session }
    }

    fn refresh_token(&self) -> &str {
        self.session.refresh_token.as_deref().unwrap()
    }

    /// By introspection, by our own resource server, and by the token endpoint.
    async fn is_over(&self, service: &TestService, what: &str) {
        for token in [&self.alone, &self.session.access_token] {
            assert!(!service.introspect(token).await.active, "{what}");
            let reply = service.bearer(Some(&self.device), token, "/v1/whoami").await;
            assert!(matches!(reply.status, 401 | 403), "{what}: {}", reply.status);
        }
        assert!(!service.introspect(self.refresh_token()).await.active, "{what}");
        let reply = service.refresh(As::Device(&self.device), self.refresh_token()).await;
        assert!(matches!(reply.status, 400..=403), "{what}: {}", reply.text());
        oauth_error(&reply);
    }

    async fn goes_on(&self, service: &TestService) {
        for token in [&self.alone, &self.session.access_token] {
            assert_eq!(service.bearer(Some(&self.device), token, "/v1/whoami").await.status, 200);
            assert!(service.introspect(token).await.active);
        }
        assert!(service.introspect(self.refresh_token()).await.active);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_exchanged_for_the_next_and_a_lost_answer_is_got_again() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let first = service.access_token(As::Device(&device), "offline_access").await;
    let token = first.refresh_token.unwrap();
    service.clock().advance(3600);
    let answer: TokenResponse = service.refresh(As::Device(&device), &token).await.json();
    let entries = service.audit().await.len();
    service.clock().advance(59);
    let again: TokenResponse = service.refresh(As::Device(&device), &token).await.json();
    assert_eq!(again.refresh_token, answer.refresh_token);
    assert_ne!(again.access_token, answer.access_token);
    assert_eq!(service.audit().await.len(), entries);
    assert_eq!(said(&again.access_token)["sid"], said(&first.access_token)["sid"]);
    let next: TokenResponse = service.refresh(As::Device(&device), &again.refresh_token.unwrap()).await.json();
    assert_eq!(service.bearer(Some(&device), &next.access_token, "/v1/whoami").await.status, 200);
    assert_eq!(service.audit_of("session.refreshed").await.len(), 2);
    assert!(service.audit_of("alarm.refresh_token_reused").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_who_refresh_at_once_get_the_same_successor() {
    let service = std::sync::Arc::new(TestService::start().await);
    let device = std::sync::Arc::new(service.device("sensor-1").await);
    let token = service.access_token(As::Device(&device), "offline_access").await.refresh_token.unwrap();
    let racers = (0..20).map(|_| {
        let (service, device, token) = (service.clone(), device.clone(), token.clone());
        tokio::spawn(async move { service.refresh(As::Device(&device), &token).await.json::<TokenResponse>() })
    });
    let mut answers = Vec::new();
    for racer in racers.collect::<Vec<_>>() {
        answers.push(racer.await.unwrap().refresh_token.unwrap());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(service.audit_of("session.refreshed").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_with_the_device_s_next_key_and_not_with_its_last() {
    let service = TestService::start().await;
    let old = service.device("sensor-1").await;
    let token = service.access_token(As::Device(&old), "offline_access").await.refresh_token.unwrap();
    let new = service.renew(&old).await.unwrap();
    let answer: TokenResponse = service.refresh(As::Device(&new), &token).await.json();
    assert_eq!(service.bearer(Some(&new), &answer.access_token, "/v1/whoami").await.status, 200);
    let reply = service.refresh(As::Device(&old), &answer.refresh_token.unwrap()).await;
    assert_eq!(reply.status, 403, "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_nobody_uses_it_and_in_any_case_at_its_end() {
    let service = TestService::builder().toml("[oauth]\nrefresh_idle_days = 7\nrefresh_days = 10").start().await;
    let account = service.stored_account("acme", "role:auditor").await;
    let (key, _) = service.api_key(Owner::Account(account), "", None).await;
    // Only a key can be bound to: without a certificate there is no session.
    let pairs = [("grant_type", "client_credentials"), ("scope", "offline_access")];
    assert_eq!(oauth_error(&service.token_reply(As::Key(&key), &pairs).await), "invalid_scope");
    // Its certificate lives for 30 days.
    let order = CreateTokens { profile: "intermittent".into(), ..order("sensor-1") };
    let device = service.device_with(&service.create_token(order).await, TestKey::p256()).await;
    let open = async || service.access_token(As::Device(&device), "offline_access").await.refresh_token.unwrap();
    let (idle, used) = (open().await, open().await);
    let refresh = async |token: &str| service.refresh(As::Device(&device), token).await;
    service.clock().advance(6 * 86_400);
    let used = refresh(&used).await.json::<TokenResponse>().refresh_token.unwrap();
    service.clock().advance(86_400);
    assert_eq!(oauth_error(&refresh(&idle).await), "invalid_grant");
    service.clock().advance(3 * 86_400 - 100);
    let last: TokenResponse = refresh(&used).await.json();
    // The access token does not outlive it.
    assert_eq!(last.expires_in, 100);
    service.clock().advance(100);
    assert_eq!(oauth_error(&refresh(&last.refresh_token.unwrap()).await), "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_narrows_and_never_widens() {
    let service = TestService::start().await;
    let admin = || As::Identity(service.installation.administrator());
    let first = service.access_token(admin(), "offline_access devices:read audit:read").await;
    assert_eq!(first.scope.to_string(), "devices:read audit:read");
    let grant = |token: &str, scope: &str| {
        vec![
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", token.to_owned()),
            ("scope", scope.to_owned()),
        ]
    };
    let ask = async |token: &str, scope: &str| {
        let pairs = grant(token, scope);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        service.token_reply(admin(), &pairs).await
    };
    let token = first.refresh_token.unwrap();
    assert_eq!(oauth_error(&ask(&token, "devices:write").await), "invalid_scope");
    let narrow: TokenResponse = ask(&token, "audit:read").await.json();
    assert_eq!(narrow.scope.to_string(), "audit:read");
    let wide: TokenResponse = ask(&narrow.refresh_token.unwrap(), "").await.json();
    assert_eq!(wide.scope, first.scope);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_takes_its_tokens_along_and_nobody_else_s() {
    let service = TestService::start().await;
    let (gone, sibling) = (Holder::new(&service, "gone").await, Holder::new(&service, "sibling").await);
    service.revoke_device("gone").await;
    gone.is_over(&service, "revoked").await;
    sibling.goes_on(&service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_device_s_tokens_wait_with_it() {
    let service = TestService::start().await;
    let holder = Holder::new(&service, "sensor-1").await;
    let change = |action| DeviceChange { action: Some(action), ..DeviceChange::default() };
    service.change("sensor-1", &change(DeviceAction::Suspend)).await.unwrap();
    holder.is_over(&service, "suspended").await;
    service.change("sensor-1", &change(DeviceAction::Resume)).await.unwrap();
    holder.goes_on(&service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_revoked_by_its_number_ends_the_tokens_of_its_key() {
    let service = TestService::start().await;
    let holder = Holder::new(&service, "sensor-1").await;
    let order = RevokeRequest { serial: Some(holder.device.serial().to_owned()), ..RevokeRequest::default() };
    service.revoke(&order).await.unwrap();
    holder.is_over(&service, "certificate revoked").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_takes_the_tokens_of_its_keys_along() {
    let service = TestService::start().await;
    let account = service.stored_account("acme", "role:auditor").await;
    let (key, _) = service.api_key(Owner::Account(account.clone()), "devices:read", None).await;
    let token = service.access_token(As::Key(&key), "").await.access_token;
    let change = |status| signet::store::ChangeAccount {
        id: account.clone(),
        name: None,
        status: Some(status),
        permissions: None,
        draft: service.draft("account.changed"),
    };
    let code = async || service.bearer(None, &token, "/v1/admin/devices").await.problem().code;
    let store = &service.running.service.store;
    store.change_account(change(signet::store::AccountStatus::Suspended)).await.unwrap().unwrap().unwrap();
    assert_eq!(code().await, ErrorCode::AccountSuspended);
    assert!(!service.introspect(&token).await.active);
    store.change_account(change(signet::store::AccountStatus::Active)).await.unwrap().unwrap().unwrap();
    assert_eq!(service.bearer(None, &token, "/v1/admin/devices").await.status, 200);
    service.revoke_account(&account).await;
    assert_eq!(code().await, ErrorCode::CredentialRevoked);
    assert!(!service.introspect(&token).await.active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_switched_off_switches_its_tokens_off_and_a_revoked_one_ends_them() {
    let service = TestService::start().await;
    let account = service.stored_account("acme", "role:auditor").await;
    let (key, id) = service.api_key(Owner::Account(account), "devices:read", None).await;
    let token = service.access_token(As::Key(&key), "").await.access_token;
    let status = async || service.bearer(None, &token, "/v1/admin/devices").await.status;
    service.set_key_status(&id, CredentialStatus::Disabled).await;
    assert_eq!(status().await, 403);
    assert!(!service.introspect(&token).await.active);
    service.set_key_status(&id, CredentialStatus::Active).await;
    assert_eq!(status().await, 200);
    service.set_key_status(&id, CredentialStatus::Revoked).await;
    assert_eq!(status().await, 401);
    assert!(!service.introspect(&token).await.active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_opened_with_certificate_and_key_ends_with_either() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let (key, id) = service.api_key(owned("sensor-1"), "", None).await;
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("x-api-key", key.as_str())];
    let body = b"grant_type=client_credentials&scope=offline_access";
    let open = async || -> TokenResponse {
        service.send_as(device.identity(), "POST", "/v1/oauth/token", &headers, body).await.json()
    };
    let told = open().await;
    assert_eq!(said(&told.access_token)["key"], id.as_str());
    let token = told.refresh_token.unwrap();
    let next: TokenResponse = service.refresh(As::Device(&device), &token).await.json();
    assert_eq!(said(&next.access_token)["key"], id.as_str());
    let token = next.refresh_token.unwrap();
    service.set_key_status(&id, CredentialStatus::Disabled).await;
    assert_eq!(oauth_error(&service.refresh(As::Device(&device), &token).await), "unauthorized_client");
    assert!(!service.introspect(&token).await.active);
    service.set_key_status(&id, CredentialStatus::Active).await;
    assert!(service.introspect(&token).await.active);
    service.set_key_status(&id, CredentialStatus::Revoked).await;
    assert!(!service.introspect(&token).await.active);
    let family = CredentialId::parse(said(&next.access_token)["sid"].as_str().unwrap()).unwrap();
    assert_ne!(
        service.running.service.store.credential(&family).await.unwrap().unwrap().status,
        CredentialStatus::Active
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_a_token_is_always_answered_alike_and_ends_what_hangs_on_it() {
    let service = TestService::start().await;
    let holder = Holder::new(&service, "sensor-1").await;
    let entries = service.audit().await.len();
    let revoke = async |token: &str| service.form(As::Nobody, "/v1/oauth/revoke", &[("token", token)]).await;
    for garbage in ["x", "a.b.c", "sgr_0000000000_0"] {
        let reply = revoke(garbage).await;
        assert_eq!((reply.status, reply.text()), (200, ""));
    }
    assert_eq!(service.audit().await.len(), entries);
    assert_eq!(revoke(&holder.alone).await.status, 200);
    assert!(!service.introspect(&holder.alone).await.active);
    assert!(service.introspect(&holder.session.access_token).await.active);
    assert_eq!(revoke(holder.refresh_token()).await.status, 200);
    holder.is_over(&service, "revoked by its holder").await;
    // Once more changes nothing.
    let entries = service.audit().await.len();
    for token in [&holder.alone, holder.refresh_token()] {
        assert_eq!(revoke(token).await.status, 200);
    }
    assert_eq!(service.audit().await.len(), entries);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_taken_away_after_a_while() {
    let service = TestService::start().await;
    let admin = || As::Identity(service.installation.administrator());
    let told = service.access_token(admin(), "offline_access").await;
    let alone = service.access_token(admin(), "").await.access_token;
    service.form(As::Nobody, "/v1/oauth/revoke", &[("token", &alone)]).await;
    let family = CredentialId::parse(said(&told.access_token)["sid"].as_str().unwrap()).unwrap();
    let rows = || {
        let database = rusqlite::Connection::open(service.installation.database()).unwrap();
        let sql = "SELECT count(*) FROM revoked_token";
        database.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap()
    };
    let prune = async || {
        let now = signet::clock::Clock::now(service.clock().as_ref());
        signet::housekeeping::apply_retention(&service.running.service, now).await.unwrap();
    };
    prune().await;
    assert_eq!(rows(), 1);
    service.clock().advance(3601);
    prune().await;
    assert_eq!(rows(), 0);
    let known = async || service.running.service.store.credential(&family).await.unwrap().is_some();
    service.clock().advance(59 * 86_400);
    prune().await;
    assert!(known().await);
    service.clock().advance(2 * 86_400);
    prune().await;
    assert!(!known().await);
}
