//! Accounts and API keys, as tests need them.

use signet_api::access::{
    AccountInfo, AccountKind, ApiKeyInfo, ChangeAccount, ChangeApiKey, CreateAccount, CreateApiKey, CreatedApiKey,
};
use signet_api::client::{ClientError, Identity};
use signet_api::scope::AccountId;
use signet_api::{Credential, CredentialKind};

use super::{Reply, TestService, wire};

impl TestService {
    pub(crate) async fn account(&self, id: &str, permissions: &str) -> AccountInfo {
        let order = CreateAccount {
            id: AccountId::parse(id).unwrap(),
            kind: AccountKind::Program,
            name: None,
            permissions: permissions.parse().unwrap(),
        };
        self.admin.post_json("/v1/admin/accounts", &order).await.unwrap()
    }

    /// A key with everything that its account may.
    pub(crate) async fn key(&self, account: &str) -> CreatedApiKey {
        self.create_key(&key_order(account)).await.unwrap()
    }

    pub(crate) async fn create_key(&self, order: &CreateApiKey) -> Result<CreatedApiKey, ClientError> {
        self.admin.post_json("/v1/admin/apikeys", order).await
    }

    /// An account of its own with a key.
    pub(crate) async fn key_with(&self, account: &str, permissions: &str) -> CreatedApiKey {
        self.account(account, permissions).await;
        self.key(account).await
    }

    pub(crate) async fn change_key(
        &self,
        key: &CreatedApiKey,
        change: &ChangeApiKey,
    ) -> Result<ApiKeyInfo, ClientError> {
        self.admin.post_json(&format!("/v1/admin/apikeys/{}", key.info.id), change).await
    }

    pub(crate) async fn change_account(&self, id: &str, change: &ChangeAccount) -> Result<AccountInfo, ClientError> {
        self.admin.post_json(&format!("/v1/admin/accounts/{id}"), change).await
    }

    /// `GET` with a key alone.
    pub(crate) async fn with_key(&self, key: &str, path: &str) -> Reply {
        self.send("GET", path, &[("x-api-key", key)], b"").await
    }

    pub(crate) async fn post_with_key(&self, key: &str, path: &str, body: &str) -> Reply {
        self.send("POST", path, &[("x-api-key", key)], body.as_bytes()).await
    }

    /// With a certificate and a key.
    pub(crate) async fn with_both(&self, identity: Identity, key: &str, path: &str) -> Reply {
        self.send_as(identity, "GET", path, &[("x-api-key", key)], b"").await
    }

    /// `GET` with a key from an address of this host's choice.
    pub(crate) async fn with_key_from(&self, last: u8, headers: &[(&str, &str)], path: &str) -> Reply {
        let own = std::net::Ipv4Addr::new(127, 0, 0, last).into();
        let mut wire = wire::Wire::open_from(self, own, None, wire::Protocol::Http1).await.unwrap();
        wire.send("GET", path, headers, b"").await.unwrap()
    }
}

pub(crate) fn key_order(account: &str) -> CreateApiKey {
    CreateApiKey { account: Some(AccountId::parse(account).unwrap()), name: "test".into(), ..CreateApiKey::default() }
}

/// The same public id with another secret.
pub(crate) fn with_wrong_secret(key: &str) -> String {
    let id = Credential::parse(CredentialKind::ApiKey, key).unwrap().id().clone();
    // An id is the first fifty bits of the random input in Crockford's base32.
    let alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
    let number = id.as_str().chars().fold(0u64, |n, c| n << 5 | alphabet.find(c).unwrap() as u64);
    let mut random: [u8; 24] = signet_keys::random::bytes().unwrap();
    random[..8].copy_from_slice(&(number << 14).to_be_bytes());
    let other = Credential::from_random(CredentialKind::ApiKey, &random);
    assert_eq!(*other.id(), id);
    other.expose().to_string()
}

pub(crate) fn unknown_key() -> String {
    Credential::from_random(CredentialKind::ApiKey, &signet_keys::random::bytes().unwrap()).expose().to_string()
}
