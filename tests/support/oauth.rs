//! Forms, accounts and keys for the tests of OAuth.

use signet::clock::Clock;
use signet::config::LONGEST_TOKEN;
use signet::jwt::TokenKeys;
use signet::store::{AuditDraft, CredentialStatus, Mode, Owner, RevokeOrder, RevokeTarget};
use signet_api::CredentialId;
use signet_api::client::Identity;
use signet_api::jwt::{self, Claims};
use signet_api::oauth::{Introspection, TokenResponse};
use signet_api::scope::AccountId;
use signet_keys::{Passphrase, PrivateKey};
use signet_pki::crl::Reason;

use super::{Device, Reply, TestService, device_id};

/// Who asks, and how it proves that.
pub(crate) enum As<'a> {
    Nobody,
    Device(&'a Device),
    Identity(Identity),
    Key(&'a str),
}

impl TestService {
    /// A form, percent-encoded where our values need it.
    pub(crate) async fn form(&self, who: As<'_>, path: &str, pairs: &[(&str, &str)]) -> Reply {
        let encode = |text: &str| text.replace('%', "%25").replace('&', "%26").replace('+', "%2B").replace(' ', "+");
        let body: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let body = body.join("&");
        let kind = ("content-type", "application/x-www-form-urlencoded");
        match who {
            As::Nobody => self.send("POST", path, &[kind], body.as_bytes()).await,
            As::Device(device) => self.send_as(device.identity(), "POST", path, &[kind], body.as_bytes()).await,
            As::Identity(identity) => self.send_as(identity, "POST", path, &[kind], body.as_bytes()).await,
            As::Key(key) => self.send("POST", path, &[kind, ("x-api-key", key)], body.as_bytes()).await,
        }
    }

    pub(crate) async fn token_reply(&self, who: As<'_>, pairs: &[(&str, &str)]) -> Reply {
        self.form(who, "/v1/oauth/token", pairs).await
    }

    /// By client credentials, which must succeed.
    pub(crate) async fn access_token(&self, who: As<'_>, scope: &str) -> TokenResponse {
        let reply = self.token_reply(who, &[("grant_type", "client_credentials"), ("scope", scope)]).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    pub(crate) async fn refresh(&self, who: As<'_>, token: &str) -> Reply {
        self.token_reply(who, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// As somebody who may ask about every token.
    pub(crate) async fn introspect(&self, token: &str) -> Introspection {
        let admin = As::Identity(self.installation.administrator());
        let reply = self.form(admin, "/v1/oauth/introspect", &[("token", token)]).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// `GET` with a token, from a connection of a device or of nobody.
    pub(crate) async fn bearer(&self, device: Option<&Device>, token: &str, path: &str) -> Reply {
        let header = format!("Bearer {token}");
        let headers = [("authorization", header.as_str())];
        match device {
            Some(device) => self.send_as(device.identity(), "GET", path, &headers, b"").await,
            None => self.send("GET", path, &headers, b"").await,
        }
    }

    /// The text of a new API key of an account or a principal, with its id.
    pub(crate) async fn api_key(&self, owner: Owner, scopes: &str, cidr: Option<&str>) -> (String, CredentialId) {
        let key = self.stored_key_with(owner, scopes, cidr, 365 * 86_400).await;
        (key.text, key.id)
    }

    pub(crate) async fn set_key_status(&self, id: &CredentialId, status: CredentialStatus) {
        self.change_stored_key(id, Some(status), None).await;
    }

    pub(crate) async fn revoke_account(&self, id: &AccountId) {
        let order = RevokeOrder {
            target: RevokeTarget::Account(id.clone()),
            reason: Reason::CessationOfOperation,
            now: self.clock().now(),
            mode: Mode::Apply,
            draft: self.draft("account.revoked"),
        };
        self.running.service.store.revoke(order).await.unwrap();
    }

    pub(crate) fn draft(&self, kind: &'static str) -> AuditDraft {
        let (actor, subject, request_id) = ("test".into(), "test".into(), "req-test".into());
        AuditDraft { kind, actor, subject, request_id, detail: serde_json::json!({}), at: self.clock().now() }
    }

    /// The key that signs tokens, as a thief of it would have it.
    pub(crate) fn token_key(&self) -> PrivateKey {
        let mut files: Vec<_> = std::fs::read_dir(self.installation.path("server/oauth")).unwrap().collect();
        let text = std::fs::read_to_string(files.remove(0).unwrap().path()).unwrap();
        let kek = Passphrase::from_file(&self.installation.path("server/secrets/kek")).unwrap();
        PrivateKey::open(&text, Some(&kek)).unwrap()
    }

    /// Claims of a token that is good for an hour, for tests that change one thing.
    pub(crate) fn claims(&self, subject: &str) -> Claims {
        let now = self.clock().now();
        let url = self.running.service.config.raw.public_url.clone();
        Claims {
            iss: url.clone(),
            sub: subject.into(),
            aud: url,
            client_id: "test".into(),
            iat: now.0,
            exp: now.plus(LONGEST_TOKEN).0,
            jti: "test-1".into(),
            scope: signet_api::scope::Scopes::all(),
            groups: Vec::new(),
            cnf: None,
            cert: None,
            sid: None,
            key: None,
        }
    }
}

pub(crate) fn signed(claims: &Claims, key: &PrivateKey) -> String {
    jwt::sign(claims, &TokenKeys::kid_of(key).unwrap(), key).unwrap()
}

/// The claims of a token, unverified.
pub(crate) fn said(token: &str) -> serde_json::Value {
    part(token, 1)
}

pub(crate) fn part(token: &str, at: usize) -> serde_json::Value {
    let text = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).unwrap()).unwrap()
}

/// What is the same for a device of an account.
pub(crate) fn owned(device: &str) -> Owner {
    Owner::Principal(device_id(device))
}

/// The code of RFC 6749 5.2 in a refusal; our own members stand beside it.
pub(crate) fn oauth_error(reply: &Reply) -> String {
    assert_eq!(reply.header("content-type"), Some("application/json"), "{reply:?}");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let problem: signet_api::Problem = reply.json();
    assert_eq!(problem.code.status(), reply.status);
    assert!(!problem.hint.is_empty() && !problem.error_description.unwrap().is_empty());
    assert_eq!(reply.header("www-authenticate").is_some(), reply.status == 401);
    problem.error.unwrap()
}
