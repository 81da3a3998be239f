//! Accounts and API keys, written into the store as the service would.

use signet::audit::AuditDraft;
use signet::clock::Clock;
use signet::credentials::Pepper;
use signet::random::{self, SystemRandom};
use signet::store::*;
use signet_api::access::AccountKind;
use signet_api::scope::{AccountId, Permissions};
use signet_api::{Credential, CredentialId, CredentialKind};

use super::TestService;

pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) id: CredentialId,
}

impl TestService {
    /// An account that may do what the text says.
    pub(crate) async fn stored_account(&self, id: &str, permissions: &str) -> AccountId {
        let account = AccountId::parse(id).unwrap();
        let record = AccountRecord {
            id: account.clone(),
            kind: AccountKind::Program,
            name: id.into(),
            status: AccountStatus::Active,
            permissions: permissions.parse().unwrap(),
            created_at: self.clock().now(),
            created_by: "admin:test".into(),
            version: 1,
        };
        let draft = self.stored_entry("account.created", format!("account:{id}"));
        self.running.service.store.create_account(CreateAccount { account: record, draft }).await.unwrap().unwrap();
        account
    }

    pub(crate) async fn change_stored_account(
        &self,
        id: &AccountId,
        status: Option<AccountStatus>,
        permissions: Option<&str>,
    ) {
        let permissions = permissions.map(|text| text.parse::<Permissions>().unwrap());
        let draft = self.stored_entry("account.changed", format!("account:{id}"));
        let order = ChangeAccount { id: id.clone(), name: None, status, permissions, draft };
        self.running.service.store.change_account(order).await.unwrap().unwrap().unwrap();
    }

    /// A key of `owner` for a day.
    pub(crate) async fn stored_key(&self, owner: Owner, scopes: &str) -> Key {
        self.stored_key_with(owner, scopes, None, 86_400).await
    }

    /// A key that may be shown from one network, for so many seconds.
    pub(crate) async fn stored_key_with(&self, owner: Owner, scopes: &str, cidr: Option<&str>, life: i64) -> Key {
        let credential = Credential::from_random(CredentialKind::ApiKey, &random::bytes(&SystemRandom).unwrap());
        let pepper = Pepper::derive(&self.running.service.config.kek().unwrap());
        let now = self.clock().now();
        let record = CredentialRecord {
            id: credential.id().clone(),
            kind: CredentialKind::ApiKey,
            hash: pepper.hash(&credential),
            owner,
            name: String::new(),
            scopes: scopes.parse().unwrap(),
            status: CredentialStatus::Active,
            family: credential.id().clone(),
            parent: None,
            spki: None,
            cidr: cidr.map(str::to_owned),
            created_at: now,
            created_by: "admin:test".into(),
            expires_at: now.plus(life),
            line_ends_at: None,
            used_at: None,
            successor: None,
            last_used_at: None,
            legacy: false,
        };
        let draft = self.stored_entry("apikey.created", format!("apikey:{}", record.id));
        let order = CreateCredentials { credentials: vec![record], origin: Origin::default(), draft };
        self.running.service.store.create_credentials(order).await.unwrap().unwrap();
        Key { text: credential.expose().to_string(), id: credential.id().clone() }
    }

    pub(crate) async fn change_stored_key(
        &self,
        id: &CredentialId,
        status: Option<CredentialStatus>,
        scopes: Option<&str>,
    ) {
        let scopes = scopes.map(|text| text.parse().unwrap());
        let draft = self.stored_entry("apikey.changed", format!("apikey:{id}"));
        let order = ChangeCredential { id: id.clone(), status, name: None, scopes, cidr: None, draft };
        self.running.service.store.change_credential(order).await.unwrap().unwrap().unwrap();
    }

    fn stored_entry(&self, kind: &'static str, subject: String) -> AuditDraft {
        AuditDraft {
            kind,
            actor: "admin:test".into(),
            subject,
            request_id: format!("{kind}-test"),
            detail: serde_json::json!({}),
            at: self.clock().now(),
        }
    }
}
