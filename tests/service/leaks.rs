//! T26: no secret leaves by a way that is not its own: logs, audit, metrics, database, error bodies. T28: and whoever has the
//! database has no secret.

use std::net::SocketAddr;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use p256::pkcs8::DecodePrivateKey;
use serde_json::json;
use signet_api::admin::{AuditEntry, CreateTokens, CreatedToken, CreatedTokens, Page, RevokeRequest, TokenKind};
use signet_api::client::{Client, Identity};
use signet_api::enroll::{EnrollRequest, HardwareFacts, RenewRequest};
use signet_api::{Credential, CredentialKind};
use signet_keys::PrivateKey;
use signet_pki::ca::IssuerCert;

use super::program::Daemon;
use super::tokens::with_other_secret;
use crate::support::access::{key_order, with_wrong_secret};
use crate::support::log::Log;
use crate::support::{Device, Installation, TestKey, TestService, client, credential, device_id, issued, order, wire};

#[path = "leaks_issued.rs"]
mod more;

/// A secret in every spelling in which it could turn up, and the file that may hold it.
struct Secret {
    what: String,
    spellings: Vec<Vec<u8>>,
    home: &'static str,
}

impl Secret {
    fn token(token: &str) -> Secret {
        let raw = *credential(token).expose_secret();
        let mut secret = Secret::bytes("a token", &raw, "");
        // Behind prefix and id stands what must not be seen; four characters of it would be chance.
        let tail = &token[15..];
        secret.spellings.extend([tail, &tail.to_uppercase(), &tail[..16], &tail[10..]].map(|t| t.as_bytes().to_vec()));
        secret
    }

    /// Any credential of ours: an API key, and whatever else begins with a prefix.
    fn credential(kind: CredentialKind, text: &str) -> Secret {
        let raw = *Credential::parse(kind, text).unwrap().expose_secret();
        let mut secret = Secret::bytes(kind.prefix(), &raw, "");
        let tail = &text[15..];
        secret.spellings.extend([tail, &tail.to_uppercase(), &tail[..16], &tail[10..]].map(|t| t.as_bytes().to_vec()));
        secret
    }

    /// A key of another system. Its first eight digits may be seen.
    fn uuid(text: &str) -> Secret {
        let plain = text.replace('-', "");
        let raw = HEXLOWER.decode(plain.as_bytes()).unwrap();
        let mut secret = Secret::bytes("a UUID", &raw, "");
        let tails = [&text[9..], &text[9..23], &plain[8..], &plain[8..20]];
        secret.spellings.extend(tails.iter().flat_map(|t| [t.to_string(), t.to_uppercase()]).map(String::into_bytes));
        secret
    }

    fn bytes(what: &str, raw: &[u8], home: &'static str) -> Secret {
        let texts = [HEXLOWER.encode(raw), HEXLOWER.encode(raw).to_uppercase()];
        let texts = texts.into_iter().chain([BASE64.encode(raw), BASE64URL_NOPAD.encode(raw)]);
        let spellings = std::iter::once(raw.to_vec()).chain(texts.map(String::into_bytes)).collect();
        Secret { what: what.into(), spellings, home }
    }

    fn key(what: &str, pkcs8: &[u8], home: &'static str) -> Secret {
        let scalar = match p256::SecretKey::from_pkcs8_der(pkcs8) {
            Ok(key) => key.to_bytes().to_vec(),
            Err(_) => p384::SecretKey::from_pkcs8_der(pkcs8).unwrap().to_bytes().to_vec(),
        };
        let mut secret = Secret::bytes(what, &scalar, home);
        secret.spellings.extend(Secret::bytes(what, pkcs8, home).spellings);
        // The lines of a PEM block.
        secret.spellings.extend(BASE64.encode(pkcs8).as_bytes().chunks_exact(64).skip(1).map(<[u8]>::to_vec));
        secret
    }

    fn is_in(&self, haystack: &[u8]) -> bool {
        self.spellings.iter().any(|needle| haystack.windows(needle.len()).any(|window| window == needle))
    }
}

/// The keys of an installation, each with the only file that it may stand in.
async fn keys_of(installation: &Installation) -> Vec<Secret> {
    let text = |path: &str| std::fs::read_to_string(installation.path(path)).unwrap();
    let open = |path: &str| PrivateKey::from_pem(&text(path)).unwrap();
    let kek = text("server/secrets/kek");
    let kek = HEXLOWER.decode(kek.trim().as_bytes()).unwrap();
    vec![
        Secret::bytes("the key encryption key", &kek, "server/secrets/kek"),
        Secret::key("the issuing key", installation.issuer_key().pkcs8_der(), "nowhere: it is sealed"),
        Secret::key("the root key", Installation::root_key().await.pkcs8_der(), "nowhere: it is offline"),
        Secret::key("the TLS key", open("server/tls/server.key").pkcs8_der(), "server/tls/server.key"),
        Secret::key("the administrator's key", open("admin/admin.key").pkcs8_der(), "admin/admin.key"),
    ]
}

struct Site<'a> {
    tls: SocketAddr,
    local: SocketAddr,
    root: IssuerCert,
    installation: &'a Installation,
}

/// What was said to whom, and what must not be in it.
#[derive(Default)]
struct Findings {
    secrets: Vec<Secret>,
    said: Vec<(String, Vec<u8>)>,
}

impl Site<'_> {
    fn client(&self, identity: Option<Identity>) -> Client {
        client(self.tls, &self.root, identity)
    }

    /// One request; the answer with all of its headers is kept.
    async fn send(&self, found: &mut Findings, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> u16 {
        let mut connection = wire::Wire::to(self.tls, &self.root, None).await.unwrap();
        let reply = connection.send(method, path, headers, body).await.unwrap();
        found.said.push((format!("{method} {} {}", path.len(), reply.status), format!("{reply:?}").into_bytes()));
        found.said.push(("its body".into(), reply.body.to_vec()));
        reply.status
    }

    /// A life with everything that goes right and wrong in it.
    async fn live(&self) -> Findings {
        let mut found = Findings { secrets: keys_of(self.installation).await, ..Findings::default() };
        let admin = self.client(Some(self.installation.administrator()));
        let create = async |order: CreateTokens| -> CreatedToken {
            admin.post_json::<_, CreatedTokens>("/v1/admin/tokens", &order).await.unwrap().tokens.remove(0)
        };
        let used = create(order("sensor-1")).await;
        let pending = create(CreateTokens { kind: TokenKind::Batch, ..order("sensor-2") }).await;
        let unused = create(order("sensor-3")).await;
        for token in [&used, &pending, &unused] {
            found.secrets.push(Secret::token(&token.token));
            assert!(found.secrets.last().unwrap().is_in(token.token.as_bytes()), "the search finds nothing");
        }
        let key = TestKey::p256();
        found.secrets.push(Secret::key("a device's key", &key.pkcs8(), "nowhere: it stays on the device"));
        let request = EnrollRequest { csr: key.csr(), facts: HardwareFacts::default() };
        let certificate = issued(self.client(None).enroll(&credential(&used.token), &request).await);
        let device = Device { certificate, key };
        self.misuse(&mut found, &used.token, &device.key).await;
        self.misuse(&mut found, &pending.token, &device.key).await;
        self.misuse(&mut found, &unused.token, &device.key).await;

        self.keys(&mut found, &admin).await;
        let own = self.client(Some(device.identity()));
        own.whoami().await.unwrap();
        self.sessions(&mut found, &admin, &device).await;
        let next = TestKey::p256();
        found.secrets.push(Secret::key("the next key", &next.pkcs8(), "nowhere: it stays on the device"));
        own.renew(&RenewRequest { csr: next.csr(), device: None, profile: None, groups: None }).await.unwrap();
        let revoke = RevokeRequest { device: Some(device_id("sensor-1")), ..RevokeRequest::default() };
        admin.post_json::<_, serde_json::Value>("/v1/admin/revocations", &revoke).await.unwrap();
        own.whoami().await.unwrap_err();
        self.look_around(&mut found, &admin).await;
        found
    }

    /// Every way in which a token comes where it should not.
    async fn misuse(&self, found: &mut Findings, token: &str, key: &TestKey) {
        let (bearer, csr, link) = (format!("Bearer {token}"), key.csr_der(), format!("/e?t={token}"));
        let authorized = [("authorization", bearer.as_str())];
        self.send(found, "POST", "/v1/enroll", &authorized, &csr).await;
        self.send(found, "POST", "/v1/enroll", &authorized, &TestKey::p256().csr_der()).await;
        self.send(found, "POST", "/v1/enroll", &authorized, b"not a request").await;
        let wrong = with_other_secret(token);
        found.secrets.push(Secret::token(&wrong));
        self.send(found, "POST", "/v1/enroll", &[("authorization", &format!("Bearer {wrong}"))], &csr).await;
        let mistyped = format!("{bearer}x");
        self.send(found, "POST", "/v1/enroll", &[("authorization", &mistyped)], &csr).await;
        self.send(found, "POST", "/v1/enroll", &[("authorization", token)], &csr).await;
        self.send(found, "POST", "/v1/enroll", &[("x-api-key", token)], &csr).await;
        self.send(found, "POST", "/v1/enroll", &[authorized[0], ("x-api-key", token)], &csr).await;
        self.send(found, "POST", &format!("/v1/enroll?token={token}"), &[], &csr).await;
        self.send(found, "GET", &link, &[], b"").await;
        self.send(found, "GET", &format!("/e/{token}"), &[], b"").await;
        self.send(found, "POST", "/v1/enroll", &[authorized[0], ("content-type", token)], &csr).await;
        let json = [authorized[0], ("content-type", "application/json")];
        for body in [
            format!("\"{token}\""),
            format!("{{\"csr\":\"{token}\"}}"),
            format!("{{\"{token}\":1}}"),
            format!("{{\"csr\":\"\",\"facts\":\"{token}\"}}"),
            format!("{{\"csr\":\"\",\"facts\":{{\"{token}\":\"\"}}}}"),
        ] {
            assert_ne!(self.send(found, "POST", "/v1/enroll", &json, body.as_bytes()).await, 200);
        }
    }

    /// Keys of accounts: made, replaced, imported, and shown where they do not belong.
    async fn keys(&self, found: &mut Findings, admin: &Client) {
        let uuid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
        let make = async |path: &str, body: serde_json::Value| -> serde_json::Value {
            admin.post_json(path, &body).await.unwrap()
        };
        make("/v1/admin/accounts", json!({ "id": "acme", "kind": "program", "permissions": "role:auditor" })).await;
        let made = make("/v1/admin/apikeys", json!({ "account": "acme" })).await;
        let rotate = format!("/v1/admin/apikeys/{}", made["id"].as_str().unwrap());
        let next = make(&rotate, json!({ "action": "rotate" })).await;
        make("/v1/admin/apikeys/import", json!({ "account": "acme", "keys": [{ "key": uuid }] })).await;
        let texts = [&made, &next].map(|answer| answer["key"].as_str().unwrap().to_owned());
        found.secrets.extend(texts.iter().map(|text| Secret::credential(CredentialKind::ApiKey, text)));
        found.secrets.push(Secret::uuid(uuid));
        for shown in texts.iter().map(String::as_str).chain([uuid, &uuid.replace('-', "")]) {
            assert!(found.secrets.iter().any(|secret| secret.is_in(shown.as_bytes())), "the search finds nothing");
            self.misuse_key(found, shown).await;
        }
        // A guess is as much of a secret as what it misses.
        let wrong = with_wrong_secret(&texts[0]);
        found.secrets.push(Secret::credential(CredentialKind::ApiKey, &wrong));
        assert_eq!(self.send(found, "GET", "/v1/whoami", &[("x-api-key", &wrong)], b"").await, 401);
        let again =
            json!({ "account": "acme", "keys": [{ "key": uuid }, { "key": uuid }, { "key": format!("{uuid}x") }] });
        let error = admin.post_json::<_, serde_json::Value>("/v1/admin/apikeys/import", &again).await.unwrap_err();
        found.said.push(("the import".into(), format!("{error:?}").into_bytes()));
        for path in ["/v1/admin/apikeys", "/v1/admin/accounts", "/v1/admin/accounts/acme"] {
            let answer: serde_json::Value = admin.get_json(path).await.unwrap();
            found.said.push((path.into(), answer.to_string().into_bytes()));
        }
    }

    async fn misuse_key(&self, found: &mut Findings, key: &str) {
        let shown = [("x-api-key", key)];
        let (bearer, list) = (format!("Bearer {key}"), format!("{key}, {key}"));
        assert_eq!(self.send(found, "GET", "/v1/whoami", &shown, b"").await, 200);
        for path in ["/v1/admin/devices", "/v1/apikeys", "/v1/admin/apikeys", "/v1/admin/audit"] {
            assert_eq!(self.send(found, "GET", path, &shown, b"").await, 200);
        }
        self.send(found, "POST", "/v1/admin/tokens", &shown, b"{}").await;
        self.send(found, "POST", "/v1/enroll", &shown, b"").await;
        for headers in [
            vec![("authorization", bearer.as_str())],
            vec![("authorization", key)],
            vec![("x-api-key", &list)],
            vec![shown[0], ("authorization", &bearer)],
        ] {
            assert_ne!(self.send(found, "GET", "/v1/whoami", &headers, b"").await, 200);
        }
        for path in [
            format!("/v1/whoami?key={key}"),
            format!("/v1/admin/apikeys/{key}"),
            format!("/v1/admin/apikeys?account={key}"),
            format!("/v1/admin/apikeys?{key}=1"),
            format!("/v1/admin/accounts/{key}"),
            format!("/{key}"),
        ] {
            assert_ne!(self.send(found, "GET", &path, &[], b"").await, 200);
            // Sent by somebody who may ask.
            self.send(found, "GET", &path, &shown, b"").await;
        }
        for body in [format!("\"{key}\""), format!("{{\"{key}\":1}}"), format!("{{\"overlap\":\"{key}\"}}")] {
            assert_ne!(self.send(found, "POST", "/v1/apikeys/rotate", &shown, body.as_bytes()).await, 200);
        }
    }

    /// Everything that an administrator or a monitor can see.
    async fn look_around(&self, found: &mut Findings, admin: &Client) {
        let audit: Page<AuditEntry> = admin.get_json("/v1/admin/audit?after=0&limit=1000").await.unwrap();
        assert!(audit.items.len() > 8);
        found.said.push(("the audit".into(), serde_json::to_vec(&audit).unwrap()));
        let replies = String::from_utf8(found.said.iter().flat_map(|(_, s)| s.clone()).collect()).unwrap();
        let ids = replies.split("\"request-id\": \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        for id in ids.collect::<Vec<_>>() {
            if let Ok(answer) = admin.get_json::<serde_json::Value>(&format!("/v1/admin/why/{id}")).await {
                found.said.push((format!("why {id}"), answer.to_string().into_bytes()));
            }
        }
        for path in ["/v1/admin/tokens", "/v1/admin/devices", "/v1/admin/devices/sensor-1", "/v1/admin/crl"] {
            let answer: serde_json::Value = admin.get_json(path).await.unwrap();
            found.said.push((path.into(), answer.to_string().into_bytes()));
        }
        found.said.push(("the metrics".into(), wire::get_plain(self.local, "/metrics").await.body.to_vec()));
    }
}

/// Nothing that was said and no file holds a secret that is not at home there.
fn assert_clean(found: &Findings, installation: &Installation) {
    assert!(found.said.iter().any(|(what, _)| what.starts_with("why ")), "the refusals were looked up");
    for secret in &found.secrets {
        for (what, said) in &found.said {
            assert!(!secret.is_in(said), "{} in {what}: {}", secret.what, String::from_utf8_lossy(said));
        }
        for (path, content) in installation.all_files() {
            let at_home = !secret.home.is_empty() && path.ends_with(secret.home);
            assert!(at_home || !secret.is_in(&content), "{} in {}", secret.what, path.display());
        }
    }
    let at_home = |secret: &&Secret| {
        let path = installation.path(secret.home);
        std::fs::read(path).is_ok_and(|content| secret.is_in(&content))
    };
    assert_eq!(
        found.secrets.iter().filter(|s| s.home.contains('/')).filter(at_home).count(),
        3,
        "the search finds nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn t26_the_program_keeps_every_secret() {
    let installation = Installation::new().await;
    installation.append_toml("[log]\nlevel = \"debug\"");
    let daemon = Daemon::start(&installation);
    let site = Site { tls: daemon.tls, local: daemon.local, root: installation.root(), installation: &installation };
    let mut found = site.live().await;
    let live_files = installation.all_files();
    for secret in &found.secrets {
        let database = live_files.iter().filter(|(path, _)| path.to_string_lossy().contains("signet.db"));
        for (path, content) in database {
            assert!(!secret.is_in(content), "{} in {}", secret.what, path.display());
        }
    }
    let (_, log) = daemon.stop();
    assert!(log.contains("refused") && log.contains("token_invalid"), "{log}");
    found.said.push(("the log".into(), log.into_bytes()));
    assert_clean(&found, &installation);
}

/// On one thread, so that everything which is logged for these requests is logged here, as JSON this time.
#[tokio::test(flavor = "current_thread")]
async fn t26_the_library_keeps_every_secret() {
    let log = Log::default();
    let logging = || {
        let builder = tracing_subscriber::fmt().json().with_max_level(tracing::Level::DEBUG);
        tracing::Dispatch::new(builder.with_writer(log.clone()).finish())
    };
    // With a single one, what another test's thread logs first is asked of that thread's subscriber, which there is none
    // of, and stays off for everybody.
    let (own, _second) = (logging(), logging());
    let _guard = tracing::dispatcher::set_default(&own);
    let service = TestService::start().await;
    let site = Site {
        tls: service.tls_address(),
        local: service.running.local,
        root: service.root.clone(),
        installation: &service.installation,
    };
    let mut found = site.live().await;
    let installation = service.stop().await;
    let text = log.bytes();
    assert!(String::from_utf8_lossy(&text).contains("refused"), "nothing was logged");
    found.said.push(("the log".into(), text));
    assert_clean(&found, &installation);
}

#[tokio::test(flavor = "multi_thread")]
async fn t28_a_stolen_database_holds_no_key_that_can_be_shown() {
    let service = TestService::start().await;
    let key = service.key_with("acme", "role:owner").await.key;
    let uuid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    let import = json!({ "account": "acme", "keys": [{ "key": uuid }] });
    service.admin.post_json::<_, serde_json::Value>("/v1/admin/apikeys/import", &import).await.unwrap();
    let installation = service.stop().await;
    let database = rusqlite::Connection::open(installation.database()).unwrap();
    let mut query = database.prepare("SELECT hash FROM credential ORDER BY legacy").unwrap();
    let hashes: Vec<Vec<u8>> = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let secret = *Credential::parse(CredentialKind::ApiKey, &key).unwrap().expose_secret();
    let raw = HEXLOWER.decode(uuid.replace('-', "").as_bytes()).unwrap();
    for guess in [&secret[..], key.as_bytes(), &key.as_bytes()[15..], &raw, uuid.as_bytes()] {
        assert!(
            hashes.iter().all(|hash| hash[..] != signet_pki::Fingerprint::of(guess).0[..]),
            "anybody can compute it"
        );
    }
    // What he reads there he cannot show: neither the hash nor the id.
    let service = TestService::builder().start_in(installation).await;
    for shown in hashes.iter().flat_map(|hash| [HEXLOWER.encode(hash), HEXLOWER.encode(&hash[..16])]) {
        assert_eq!(service.with_key(&shown, "/v1/whoami").await.status, 401);
    }
    assert_eq!(service.with_key(&key, "/v1/whoami").await.status, 200);
    let installation = service.stop().await;
    // And with a key file of his own the database is as good as empty.
    let issuing = installation.issuer_key();
    let own = "c5".repeat(32);
    let sealed = issuing.to_encrypted_pem(&signet_keys::Passphrase::new(own.clone()).unwrap()).unwrap();
    std::fs::write(installation.path("server/secrets/kek"), &own).unwrap();
    std::fs::write(installation.path("server/issuer/issuer.key"), sealed.as_bytes()).unwrap();
    // The keys of access tokens are sealed as well; he goes without.
    std::fs::remove_dir_all(installation.path("server/oauth")).unwrap();
    let service = TestService::builder().start_in(installation).await;
    for shown in [key.as_str(), uuid] {
        let refused = service.with_key(shown, "/v1/whoami").await;
        assert_eq!(refused.problem().code, signet_api::ErrorCode::CredentialInvalid);
    }
    service.create_key(&key_order("acme")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn t28_a_stolen_database_without_its_key_lets_nobody_in() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let installation = service.stop().await;
    let database = rusqlite::Connection::open(installation.database()).unwrap();
    let stored: Vec<u8> = database.query_row("SELECT hash FROM token", [], |row| row.get(0)).unwrap();
    let secret = *credential(&token).expose_secret();
    for guess in [&secret[..], token.as_bytes(), &token.as_bytes()[15..], &token.as_bytes()[15..41]] {
        assert_ne!(signet_pki::Fingerprint::of(guess).0[..], stored, "a hash that anybody can compute");
    }
    drop(database);

    // The thief has no key file, so he writes his own.
    let issuing = installation.issuer_key();
    let own = "c5".repeat(32);
    std::fs::write(installation.path("server/secrets/kek"), &own).unwrap();
    let Err((installation, error)) = TestService::builder().try_start_in(installation).await else {
        panic!("the issuing key was opened")
    };
    assert!(error.to_string().contains("issuer.key") && error.hint().contains("same installation"), "{error}");
    // Even with an issuing key of his, every token in the database is as good as unknown.
    let sealed = issuing.to_encrypted_pem(&signet_keys::Passphrase::new(own).unwrap()).unwrap();
    std::fs::write(installation.path("server/issuer/issuer.key"), sealed.as_bytes()).unwrap();
    // The keys of access tokens are sealed as well; he goes without.
    std::fs::remove_dir_all(installation.path("server/oauth")).unwrap();
    let service = TestService::builder().start_in(installation).await;
    let refused = service.enroll(&token, &TestKey::p256()).await;
    assert_eq!(crate::support::code(refused), signet_api::ErrorCode::TokenInvalid);
}
