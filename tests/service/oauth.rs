//! Tokens for machines: who gets them, what they say, and what they open.

use signet::store::Owner;
use signet_api::ErrorCode;
use signet_api::enroll::WhoAmI;
use signet_api::jwt::{self, Jwks};
use signet_api::oauth::{Metadata, TokenResponse};
use signet_pki::{Fingerprint, PublicKey};

use crate::support::oauth::{As, oauth_error, owned, part, said};
use crate::support::services::with_names;
use crate::support::{Device, TestKey, TestService, order};

const CLIENT: (&str, &str) = ("grant_type", "client_credentials");

/// As a verifier reads the set of keys.
fn public(jwks: &Jwks, kid: &str) -> PublicKey {
    let jwk = jwks.keys.iter().find(|jwk| jwk.kid == kid).unwrap();
    let decode = |text: &str| data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
    PublicKey::from_uncompressed_point(&[vec![4], decode(&jwk.x), decode(&jwk.y)].concat()).unwrap()
}

fn thumbprint(device: &Device) -> String {
    data_encoding::BASE64URL_NOPAD.encode(&Fingerprint::of(&device.der()).0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_gets_a_token_for_its_certificate_that_others_verify_and_that_is_bound_to_it() {
    let service = TestService::start().await;
    let token =
        service.create_token(signet_api::admin::CreateTokens { groups: vec!["lab".into()], ..order("sensor-1") });
    let device = service.device_with(&token.await, TestKey::p256()).await;
    let told = service.access_token(As::Device(&device), "").await;
    assert_eq!((told.token_type.as_str(), told.expires_in), ("Bearer", 3600));
    assert!(told.scope.is_empty() && told.refresh_token.is_none());
    let header = part(&told.access_token, 0);
    assert_eq!((header["alg"].as_str(), header["typ"].as_str()), (Some("ES256"), Some("at+jwt")));
    let reply = service.send("GET", "/.well-known/jwks.json", &[], b"").await;
    assert_eq!(reply.header("cache-control"), Some("public, max-age=300"));
    let jwks: Jwks = reply.json();
    let key = public(&jwks, header["kid"].as_str().unwrap());
    assert_eq!(jwt::thumbprint_of(&key).as_deref(), header["kid"].as_str());
    let claims = jwt::verify(&told.access_token, |_| Some(&key)).unwrap();
    assert_eq!((claims.sub.as_str(), claims.client_id.as_str()), ("device:sensor-1", "sensor-1"));
    assert_eq!(claims.aud, claims.iss);
    assert_eq!(claims.iss, service.running.service.config.raw.public_url);
    assert_eq!(claims.exp - claims.iat, 3600);
    assert_eq!(said(&told.access_token)["cnf"]["x5t#S256"].as_str(), Some(thumbprint(&device).as_str()));
    assert_eq!(claims.groups, ["lab"]);
    // It opens what the certificate opens, with the certificate.
    let me: WhoAmI = service.bearer(Some(&device), &told.access_token, "/v1/whoami").await.json();
    assert_eq!((me.kind.as_str(), me.id.as_str()), ("device", "sensor-1"));
    let copied = service.bearer(None, &told.access_token, "/v1/whoami").await;
    assert_eq!(copied.problem().code, ErrorCode::CredentialInvalid);
    let thief = service.device("thief").await;
    let copied = service.bearer(Some(&thief), &told.access_token, "/v1/whoami").await;
    assert_eq!(copied.problem().code, ErrorCode::CredentialInvalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_gets_a_short_token_with_at_most_its_own_scopes() {
    let service = TestService::start().await;
    let account = service.account("acme", "role:auditor").await.id;
    let (key, id) = service.api_key(Owner::Account(account), "devices:read audit:read devices:write", None).await;
    let all = service.access_token(As::Key(&key), "").await;
    assert_eq!(all.scope.to_string(), "devices:read audit:read");
    assert_eq!(all.expires_in, 600);
    let claims = said(&all.access_token);
    assert_eq!((claims["sub"].as_str(), claims["client_id"].as_str()), (Some("account:acme"), Some(id.as_str())));
    assert!(claims.get("cnf").is_none());
    let narrow = service.access_token(As::Key(&key), "audit:read").await;
    assert_eq!(service.bearer(None, &narrow.access_token, "/v1/admin/audit").await.status, 200);
    let beyond = service.bearer(None, &narrow.access_token, "/v1/admin/devices").await;
    assert_eq!(beyond.problem().code, ErrorCode::Forbidden);
    for scope in ["devices:write", "root", "audit:read nothing"] {
        let reply = service.token_reply(As::Key(&key), &[CLIENT, ("scope", scope)]).await;
        assert_eq!((reply.status, oauth_error(&reply).as_str()), (400, "invalid_scope"), "{scope}");
    }
    // HTTP Basic is the same key in another header; the name beside it is its id.
    let basic = |name: &str| format!("Basic {}", data_encoding::BASE64.encode(format!("{name}:{key}").as_bytes()));
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let body = b"grant_type=client_credentials";
    let good = basic(id.as_str());
    let reply = service.send("POST", "/v1/oauth/token", &[kind, ("authorization", &good)], body).await;
    assert_eq!(reply.json::<TokenResponse>().scope, all.scope);
    let wrong = basic("acme");
    let reply = service.send("POST", "/v1/oauth/token", &[kind, ("authorization", &wrong)], body).await;
    assert_eq!((reply.status, oauth_error(&reply).as_str()), (401, "invalid_client"));
    let both = [kind, ("authorization", good.as_str()), ("x-api-key", key.as_str())];
    let reply = service.send("POST", "/v1/oauth/token", &both, body).await;
    assert_eq!((reply.status, oauth_error(&reply).as_str()), (400, "invalid_request"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_narrowed_after_its_token_narrows_the_token_and_its_network_holds_for_it() {
    let service = TestService::start().await;
    let account = service.account("acme", "role:auditor").await.id;
    let (key, id) = service.api_key(Owner::Account(account), "devices:read audit:read", Some("127.0.0.0/8")).await;
    let token = service.access_token(As::Key(&key), "").await.access_token;
    assert_eq!(service.bearer(None, &token, "/v1/admin/devices").await.status, 200);
    let change = |scopes: &str, cidr: &str| signet::store::ChangeCredential {
        id: id.clone(),
        status: None,
        name: None,
        scopes: Some(scopes.parse().unwrap()),
        cidr: Some(Some(cidr.into())),
        draft: service.draft("apikey.changed"),
    };
    let store = &service.running.service.store;
    store.change_credential(change("audit:read", "127.0.0.0/8")).await.unwrap().unwrap().unwrap();
    let refused = service.bearer(None, &token, "/v1/admin/devices").await;
    assert_eq!(refused.problem().code, ErrorCode::Forbidden);
    store.change_credential(change("audit:read", "10.0.0.0/8")).await.unwrap().unwrap().unwrap();
    let refused = service.bearer(None, &token, "/v1/admin/audit").await;
    assert_eq!(refused.problem().code, ErrorCode::CredentialConstraint);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_endpoint_is_strict_about_its_form() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let refused = async |who: As<'_>, pairs: &[(&str, &str)]| {
        let reply = service.token_reply(who, pairs).await;
        (reply.status, oauth_error(&reply))
    };
    let told = |status, error: &str| (status, error.to_owned());
    assert_eq!(refused(As::Nobody, &[CLIENT]).await, told(401, "invalid_client"));
    assert_eq!(refused(As::Device(&device), &[]).await, told(400, "invalid_request"));
    assert_eq!(refused(As::Device(&device), &[CLIENT, CLIENT]).await, told(400, "invalid_request"));
    assert_eq!(refused(As::Device(&device), &[("grant_type", "password")]).await, told(400, "unsupported_grant_type"));
    let secret = [CLIENT, ("client_secret", "x")];
    assert_eq!(refused(As::Device(&device), &secret).await, told(400, "invalid_request"));
    let other = [CLIENT, ("client_id", "sensor-2")];
    assert_eq!(refused(As::Device(&device), &other).await, told(401, "invalid_client"));
    let both = [CLIENT, ("resource", "https://a"), ("audience", "https://a")];
    assert_eq!(refused(As::Device(&device), &both).await, told(400, "invalid_request"));
    let unknown = [CLIENT, ("resource", "https://files.example")];
    assert_eq!(refused(As::Device(&device), &unknown).await, told(400, "invalid_target"));
    let long = "x".repeat(17 * 1024);
    assert_eq!(refused(As::Device(&device), &[CLIENT, ("x", &long)]).await, told(413, "invalid_request"));
    let json = [("content-type", "application/json")];
    let reply = service.send_as(device.identity(), "POST", "/v1/oauth/token", &json, b"{}").await;
    assert_eq!((reply.status, oauth_error(&reply).as_str()), (415, "invalid_request"));
    // What is not known is ignored, and the client may say who it is.
    let fine = [CLIENT, ("client_id", "sensor-1"), ("x", "1")];
    assert_eq!(service.token_reply(As::Device(&device), &fine).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_another_service_does_not_open_this_one() {
    let audiences = "[oauth]\naudiences = [\"https://files.example\"]";
    let service = with_names(audiences).start().await;
    let device = service.device("sensor-1").await;
    let pairs = [CLIENT, ("resource", "https://files.example")];
    let told: TokenResponse = service.token_reply(As::Device(&device), &pairs).await.json();
    assert_eq!(said(&told.access_token)["aud"], "https://files.example");
    let refused = service.bearer(Some(&device), &told.access_token, "/v1/whoami").await.problem();
    assert_eq!(refused.code, ErrorCode::CredentialInvalid);
    assert!(refused.detail.unwrap().contains("files.example"));
    // Nor is the name of one that is not registered enough.
    let api = service.service("api", &["api.acme.example"]).await;
    let pairs = [CLIENT, ("audience", "api")];
    assert_eq!(oauth_error(&service.token_reply(As::Device(&device), &pairs).await), "invalid_target");
    service.register(&api, &api.registration(&["api.acme.example"])).await.unwrap();
    let for_api: TokenResponse = service.token_reply(As::Device(&device), &pairs).await.json();
    assert_eq!(said(&for_api.access_token)["aud"], "api");
    // It is a good token all the same.
    let known = service.introspect(&told.access_token).await;
    assert_eq!((known.active, known.aud.as_deref()), (true, Some("https://files.example")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_makes_no_tokens_and_a_device_has_none_without_its_certificate() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let token = service.access_token(As::Device(&device), "").await.access_token;
    let bearer = format!("Bearer {token}");
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", bearer.as_str())];
    let body = b"grant_type=client_credentials";
    let reply = service.send_as(device.identity(), "POST", "/v1/oauth/token", &headers, body).await;
    assert_eq!((reply.status, oauth_error(&reply).as_str()), (401, "invalid_client"));
    let (key, _) = service.api_key(owned("sensor-1"), "", None).await;
    let reply = service.token_reply(As::Key(&key), &[CLIENT]).await;
    assert_eq!((reply.status, oauth_error(&reply).as_str()), (401, "invalid_client"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_and_those_who_may_look_at_a_token() {
    let service = TestService::start().await;
    let (device, other) = (service.device("sensor-1").await, service.device("sensor-2").await);
    let token = service.access_token(As::Device(&device), "offline_access").await;
    let refresh = token.refresh_token.unwrap();
    for one in [&token.access_token, &refresh] {
        let own = service.form(As::Device(&device), "/v1/oauth/introspect", &[("token", one)]).await;
        assert_eq!(own.json::<serde_json::Value>()["sub"], "device:sensor-1");
        let refused = service.form(As::Device(&other), "/v1/oauth/introspect", &[("token", one)]).await;
        assert_eq!(refused.status, 403);
        assert!(!refused.text().contains("sensor-1"));
        assert!(service.introspect(one).await.active);
    }
    let nobody = service.form(As::Nobody, "/v1/oauth/introspect", &[("token", &refresh)]).await;
    assert_eq!((nobody.status, oauth_error(&nobody).as_str()), (401, "invalid_client"));
    for garbage in ["x", "a.b.c", "sgr_0000000000_0"] {
        let reply = service.introspect(garbage).await;
        assert_eq!(reply, signet_api::oauth::Introspection::default());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_no_tokens_are_given_out_and_everything_else_works() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let installation = service.stop().await;
    std::fs::remove_dir_all(installation.path("server/oauth")).unwrap();
    let service = TestService::builder().start_in(installation).await;
    service.as_device(&device).whoami().await.unwrap();
    let entries = service.audit().await.len();
    for scope in ["", "offline_access"] {
        let reply = service.token_reply(As::Device(&device), &[CLIENT, ("scope", scope)]).await;
        assert_eq!((reply.status, oauth_error(&reply).as_str()), (503, "temporarily_unavailable"));
        assert!(reply.text().contains("signetd oauth-key"));
    }
    let jwks = service.send("GET", "/.well-known/jwks.json", &[], b"").await;
    assert_eq!(jwks.problem().code, ErrorCode::NoTokenKeys);
    service.as_device(&device).whoami().await.unwrap();
    assert_eq!(service.audit().await.len(), entries);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_further_key_is_published_before_it_signs_and_the_old_one_until_its_last_token_is_over() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let kid = |told: &TokenResponse| part(&told.access_token, 0)["kid"].as_str().unwrap().to_owned();
    let old = kid(&service.access_token(As::Device(&device), "").await);
    let installation = service.stop().await;
    installation.clock.advance(100);
    installation.config().make_token_key(signet::clock::Clock::now(installation.clock.as_ref())).unwrap();
    let service = TestService::builder().start_in(installation).await;
    let published = async || -> Vec<String> {
        let jwks: Jwks = service.send("GET", "/.well-known/jwks.json", &[], b"").await.json();
        jwks.keys.into_iter().map(|key| key.kid).collect()
    };
    assert_eq!(published().await.len(), 2);
    assert_eq!(kid(&service.access_token(As::Device(&device), "").await), old);
    service.clock().advance(3590);
    let last = service.access_token(As::Device(&device), "").await;
    assert_eq!(kid(&last), old);
    service.clock().advance(10);
    let next = service.access_token(As::Device(&device), "").await;
    assert_ne!(kid(&next), old);
    assert_eq!(published().await.len(), 2);
    assert_eq!(service.bearer(Some(&device), &last.access_token, "/v1/whoami").await.status, 200);
    service.clock().advance(3600);
    assert_eq!(published().await, [kid(&next)]);
    let over = service.bearer(Some(&device), &last.access_token, "/v1/whoami").await;
    assert_eq!(over.problem().code, ErrorCode::CredentialInvalid);
    assert_eq!(service.audit_of("token_key.published").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_of_the_service_names_its_endpoints_and_they_are_there() {
    let service = TestService::start().await;
    let told: Metadata = service.send("GET", "/.well-known/oauth-authorization-server", &[], b"").await.json();
    let url = &service.running.service.config.raw.public_url;
    assert_eq!(&told.issuer, url);
    for endpoint in [&told.token_endpoint, &told.introspection_endpoint, &told.revocation_endpoint] {
        let path = endpoint.strip_prefix(url.as_str()).unwrap();
        assert_ne!(service.form(As::Nobody, path, &[]).await.status, 404, "{endpoint}");
    }
    let path = told.jwks_uri.strip_prefix(url.as_str()).unwrap();
    assert_eq!(service.send("GET", path, &[], b"").await.status, 200);
    assert!(told.tls_client_certificate_bound_access_tokens && told.response_types_supported.is_empty());
}
