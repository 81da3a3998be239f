//! Who is let in by what they show: the table of 400, 401, 403 and 429.

use signet_api::access::{AccountAction, ApiKeyAction, ChangeAccount, ChangeApiKey, CreateApiKey};
use signet_api::admin::{DeviceChange, RevokeRequest};
use signet_api::enroll::WhoAmI;
use signet_api::scope::AccountId;
use signet_api::{Credential, CredentialKind, ErrorCode};

use super::guessing::appearance;
use crate::support::access::{key_order, unknown_key, with_wrong_secret};
use crate::support::{Protocol, Reply, TestService, code, device_id};

const WHOAMI: &str = "/v1/whoami";
const DEVICES: &str = "/v1/admin/devices";
const DAY: i64 = 86_400;

fn refused(reply: &Reply, status: u16, code: ErrorCode) {
    assert_eq!((reply.status, reply.problem().code), (status, code), "{}", reply.text());
}

fn act(action: ApiKeyAction) -> ChangeApiKey {
    ChangeApiKey { action: Some(action), ..ChangeApiKey::default() }
}

fn move_account(action: AccountAction) -> ChangeAccount {
    ChangeAccount { action: Some(action), ..ChangeAccount::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_its_account_and_may_what_both_may() {
    let service = TestService::start().await;
    let key = service.key_with("acme", "role:auditor tokens:write").await;
    let who: WhoAmI = service.with_key(&key.key, WHOAMI).await.json();
    assert_eq!((who.kind.as_str(), who.id.as_str()), ("account", "acme"));
    assert_eq!((who.account.unwrap().as_str(), who.credential.unwrap()), ("acme", key.info.id.clone()));
    assert_eq!((who.serial, who.profile, who.scopes), (None, None, key.info.scopes));
    assert_eq!(service.with_key(&key.key, DEVICES).await.status, 200);
    refused(&service.with_key(&key.key, WHOAMI.trim_end_matches('i')).await, 404, ErrorCode::NotFound);

    // A narrower key of the same account, and what the account loses its keys lose.
    let narrow = CreateApiKey { scopes: Some("audit:read devices:read".parse().unwrap()), ..key_order("acme") };
    let narrow = service.create_key(&narrow).await.unwrap();
    refused(&service.with_key(&narrow.key, "/v1/admin/tokens").await, 403, ErrorCode::Forbidden);
    let detail = service.with_key(&narrow.key, "/v1/admin/tokens").await.problem().detail.unwrap();
    assert!(detail.contains("account:acme") && detail.contains("tokens:read"), "{detail}");
    let less = ChangeAccount { permissions: Some("audit:read".parse().unwrap()), ..ChangeAccount::default() };
    service.change_account("acme", &less).await.unwrap();
    refused(&service.with_key(&narrow.key, DEVICES).await, 403, ErrorCode::Forbidden);
    let who: WhoAmI = service.with_key(&narrow.key, WHOAMI).await.json();
    assert_eq!(who.scopes.to_string(), "audit:read");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_proves_nothing_gets_401_and_learns_nothing() {
    let service = TestService::start().await;
    let key = service.key_with("acme", "role:auditor").await;
    refused(&service.send("GET", WHOAMI, &[], b"").await, 401, ErrorCode::NotAuthenticated);
    let wrong = service.with_key(&with_wrong_secret(&key.key), WHOAMI).await;
    refused(&wrong, 401, ErrorCode::CredentialInvalid);
    assert_eq!(wrong.problem().detail, None);
    assert!(wrong.header("www-authenticate").is_some());
    let mut mistyped = key.key.clone();
    let last = mistyped.pop().unwrap();
    mistyped.push(if last == 'x' { 'y' } else { 'x' });
    let refresh = Credential::from_random(CredentialKind::Refresh, &[9; 24]).expose().to_string();
    let uuid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    for attempt in [unknown_key().as_str(), &mistyped, &refresh, uuid, "", "nonsense", "sgk_", &"x".repeat(5000)] {
        let reply = service.with_key(attempt, WHOAMI).await;
        assert_eq!(appearance(&reply), appearance(&wrong), "{attempt:?}");
    }
    // The public id alone is nothing, in whatever form.
    for id in [key.info.id.to_string(), format!("sgk_{}", key.info.id), format!("sgk_{}_", key.info.id)] {
        assert_eq!(appearance(&service.with_key(&id, WHOAMI).await), appearance(&wrong));
    }
    let in_the_wrong_header = format!("Bearer {}", key.key);
    let reply = service.send("GET", WHOAMI, &[("authorization", &in_the_wrong_header)], b"").await;
    refused(&reply, 401, ErrorCode::CredentialInvalid);
    assert!(reply.problem().detail.unwrap().contains("X-API-Key"));
    let reply = service.send("GET", WHOAMI, &[("authorization", "Basic YTpi")], b"").await;
    refused(&reply, 401, ErrorCode::NotAuthenticated);
    assert_eq!(service.with_key(&key.key, WHOAMI).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_401_and_what_is_withheld_is_403() {
    let service = TestService::start().await;
    service.account("acme", "role:auditor").await;
    let hour = CreateApiKey { lifetime: Some(3600), ..key_order("acme") };
    let (short, long) = (service.create_key(&hour).await.unwrap(), service.key("acme").await);
    let (revoked, disabled) = (service.key("acme").await, service.create_key(&hour).await.unwrap());

    service.change_key(&revoked, &act(ApiKeyAction::Revoke)).await.unwrap();
    refused(&service.with_key(&revoked.key, WHOAMI).await, 401, ErrorCode::CredentialRevoked);
    assert_eq!(code(service.change_key(&revoked, &act(ApiKeyAction::Enable)).await), ErrorCode::Conflict);
    refused(&service.with_key(&revoked.key, WHOAMI).await, 401, ErrorCode::CredentialRevoked);

    service.change_key(&disabled, &act(ApiKeyAction::Disable)).await.unwrap();
    refused(&service.with_key(&disabled.key, WHOAMI).await, 403, ErrorCode::CredentialDisabled);
    service.change_key(&disabled, &act(ApiKeyAction::Enable)).await.unwrap();
    assert_eq!(service.with_key(&disabled.key, WHOAMI).await.status, 200);
    service.change_key(&disabled, &act(ApiKeyAction::Disable)).await.unwrap();

    service.clock().advance(3599);
    assert_eq!(service.with_key(&short.key, WHOAMI).await.status, 200);
    service.clock().advance(1);
    refused(&service.with_key(&short.key, WHOAMI).await, 401, ErrorCode::CredentialExpired);
    // Switching it on would not help.
    refused(&service.with_key(&disabled.key, WHOAMI).await, 401, ErrorCode::CredentialExpired);

    service.change_account("acme", &move_account(AccountAction::Suspend)).await.unwrap();
    refused(&service.with_key(&long.key, WHOAMI).await, 403, ErrorCode::AccountSuspended);
    // A stranger is not told that the account exists.
    refused(&service.with_key(&with_wrong_secret(&long.key), WHOAMI).await, 401, ErrorCode::CredentialInvalid);
    service.change_account("acme", &move_account(AccountAction::Resume)).await.unwrap();
    assert_eq!(service.with_key(&long.key, WHOAMI).await.status, 200);

    let kill = RevokeRequest { account: AccountId::parse("acme").ok(), ..RevokeRequest::default() };
    let report = service.revoke(&kill).await.unwrap();
    assert!(report.credentials.contains(&long.info.id), "{report:?}");
    refused(&service.with_key(&long.key, WHOAMI).await, 401, ErrorCode::CredentialRevoked);
    assert_eq!(code(service.change_account("acme", &move_account(AccountAction::Resume)).await), ErrorCode::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_secrets_are_400_in_every_combination() {
    let service = TestService::start().await;
    let key = service.key_with("acme", "role:auditor").await.key;
    let bearer = format!("Bearer {key}");
    let list = format!("{key}, {key}");
    let bearers = format!("{bearer}, {bearer}");
    let (a, k) = ("authorization", "x-api-key");
    for headers in [
        vec![(a, bearer.as_str()), (k, key.as_str())],
        vec![(k, &key), (a, &bearer)],
        vec![(a, &bearer), (a, &bearer)],
        vec![(k, &key), (k, &key)],
        vec![(k, &key), ("X-API-KEY", "")],
        vec![(k, ""), (k, &key)],
        vec![(a, "Basic YTpi"), (k, &key)],
        vec![(k, &list)],
        vec![(k, "a,b")],
        vec![(a, &bearers)],
        vec![(k, &key), (k, &key), (a, &bearer), (a, "x")],
    ] {
        for path in [WHOAMI, DEVICES, "/v1/events", "/v1/apikeys"] {
            let reply = service.send("GET", path, &headers, b"").await;
            refused(&reply, 400, ErrorCode::TwoSecrets);
        }
        let admin = service.installation.administrator();
        refused(&service.send_as(admin, "GET", WHOAMI, &headers, b"").await, 400, ErrorCode::TwoSecrets);
        let reply = service.send("POST", "/v1/enroll", &headers, b"").await;
        refused(&reply, 400, ErrorCode::TwoSecrets);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_with_its_own_key_is_two_factors_and_with_anothers_none() {
    let service = TestService::start().await;
    let (ours, theirs) =
        (service.key_with("acme", "role:auditor").await, service.key_with("evil", "role:auditor").await);
    let device = service.device("sensor-1").await;
    let own = CreateApiKey { device: Some(device_id("sensor-1")), account: None, ..key_order("acme") };
    let permit = DeviceChange {
        permissions: Some("devices:read audit:read".parse().unwrap()),
        account: Some("acme".into()),
        ..DeviceChange::default()
    };
    service.change("sensor-1", &permit).await.unwrap();
    let own = CreateApiKey { scopes: Some("devices:read".parse().unwrap()), ..own };
    let own = service.create_key(&own).await.unwrap();

    let alone: WhoAmI = service.send_as(device.identity(), "GET", WHOAMI, &[], b"").await.json();
    assert_eq!(alone.scopes.to_string(), "devices:read audit:read");
    let both: WhoAmI = service.with_both(device.identity(), &own.key, WHOAMI).await.json();
    assert_eq!((both.id.as_str(), both.scopes.to_string().as_str()), ("sensor-1", "devices:read"));
    assert_eq!((both.serial.as_deref(), both.credential), (Some(device.serial()), Some(own.info.id.clone())));
    let by_account: WhoAmI = service.with_both(device.identity(), &ours.key, WHOAMI).await.json();
    assert_eq!(by_account.scopes.to_string(), "devices:read audit:read");
    let by_key: WhoAmI = service.with_key(&own.key, WHOAMI).await.json();
    assert_eq!((by_key.kind.as_str(), by_key.id.as_str()), ("device", "sensor-1"));
    assert_eq!((by_key.serial, by_key.scopes.to_string().as_str()), (None, "devices:read"));

    refused(&service.with_both(device.identity(), &theirs.key, WHOAMI).await, 403, ErrorCode::CredentialMismatch);
    let admin = service.installation.administrator();
    refused(&service.with_both(admin.clone(), &ours.key, WHOAMI).await, 403, ErrorCode::CredentialMismatch);
    // A good certificate does not help a bad key.
    let wrong = with_wrong_secret(&ours.key);
    refused(&service.with_both(admin, &wrong, WHOAMI).await, 401, ErrorCode::CredentialInvalid);

    // What the account loses, its device loses: also by certificate, also at renewal.
    service.change_account("acme", &move_account(AccountAction::Suspend)).await.unwrap();
    let identity = device.identity();
    refused(&service.send_as(identity.clone(), "GET", WHOAMI, &[], b"").await, 403, ErrorCode::AccountSuspended);
    refused(&service.with_key(&own.key, WHOAMI).await, 403, ErrorCode::AccountSuspended);
    assert_eq!(code(service.renew(&device).await.map(|_| ())), ErrorCode::AccountSuspended);
    service.change_account("acme", &move_account(AccountAction::Resume)).await.unwrap();
    service.revoke_device("sensor-1").await;
    refused(&service.with_key(&own.key, WHOAMI).await, 401, ErrorCode::CredentialRevoked);
    assert_eq!(service.with_key(&ours.key, WHOAMI).await.status, 200, "and nobody else's");
}

#[tokio::test(flavor = "multi_thread")]
async fn t23_a_key_bound_to_a_network_is_refused_elsewhere_whatever_the_headers_say() {
    let service = TestService::start().await;
    service.account("acme", "role:auditor").await;
    let bound = CreateApiKey { cidr: Some("127.0.0.8/30".into()), ..key_order("acme") };
    let key = service.create_key(&bound).await.unwrap().key;
    for last in [8, 9, 11] {
        assert_eq!(service.with_key_from(last, &[("x-api-key", &key)], WHOAMI).await.status, 200, "{last}");
    }
    for last in [1, 7, 12] {
        for forged in ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "x-client-ip", "via"] {
            let headers = [("x-api-key", key.as_str()), (forged, "127.0.0.9")];
            let reply = service.with_key_from(last, &headers, WHOAMI).await;
            refused(&reply, 403, ErrorCode::CredentialConstraint);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t23_guesses_make_their_address_wait_and_lock_nobody_else_out() {
    let service = TestService::start().await;
    let key = service.key_with("acme", "role:auditor").await.key;
    for n in 0..10 {
        let (guess, forged) = (unknown_key(), format!("203.0.113.{n}"));
        let headers = [("x-api-key", guess.as_str()), ("x-forwarded-for", forged.as_str())];
        let reply = service.with_key_from(5, &headers, WHOAMI).await;
        refused(&reply, 401, ErrorCode::CredentialInvalid);
    }
    let reply = service.with_key_from(5, &[("x-api-key", &unknown_key())], WHOAMI).await;
    refused(&reply, 429, ErrorCode::TooManyRequests);
    assert_eq!(reply.header("retry-after"), Some("60"));
    assert_eq!(service.with_key_from(5, &[("x-api-key", &key)], WHOAMI).await.status, 200, "the good key passes");
    // Addresses share 4096 places under a random hash, so one neighbour alone could meet this one by chance.
    let mut others = Vec::new();
    for last in [6, 7] {
        others.push(service.with_key_from(last, &[("x-api-key", &key)], WHOAMI).await.status);
    }
    assert!(others.contains(&200), "{others:?}");
    // Without a secret nothing is guessed.
    assert_eq!(service.admin.whoami().await.unwrap().kind, "admin");
    service.clock().advance(60);
    assert_eq!(service.with_key_from(5, &[("x-api-key", &key)], WHOAMI).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn t22_a_header_that_only_looks_like_ours_is_none() {
    let service = TestService::start().await;
    let key = service.key_with("acme", "role:auditor").await.key;
    for lookalike in ["x_api_key", "x-api-key2", "api-key", "apikey", "x-apikey", "x-auth-token", "cookie", "x.api.key"]
    {
        let reply = service.send("GET", WHOAMI, &[(lookalike, &key)], b"").await;
        refused(&reply, 401, ErrorCode::NotAuthenticated);
    }
    for query in [format!("?key={key}"), format!("?token={key}"), format!("?x-api-key={key}")] {
        let reply = service.send("GET", &format!("{WHOAMI}{query}"), &[], b"").await;
        refused(&reply, 401, ErrorCode::NotAuthenticated);
    }
    // HTTP/2 has the same header, in its one spelling.
    let mut wire = service.wire(None, Protocol::Http2).await;
    assert_eq!(wire.send("GET", WHOAMI, &[("x-api-key", &key)], b"").await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn t22_malformed_header_lines_reach_no_account() {
    let service = TestService::start().await;
    let key = service.key_with("acme", "role:auditor").await.key;
    let end = "Host: localhost\r\nConnection: close\r\n\r\n";
    let get = async |lines: &str| {
        let answer = service.raw_tls(format!("GET {WHOAMI} HTTP/1.1\r\n{lines}{end}").as_bytes()).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    // Spaces around a value are none of it (RFC 9110 5.5).
    for lines in [format!("X-API-Key: {key}\r\n"), format!("x-aPi-kEy:\t {key} \t\r\n")] {
        assert!(get(&lines).await.starts_with("HTTP/1.1 200"), "{lines:?}");
    }
    for lines in [
        // RFC 9112 5.2 (obs-fold), 5.1 (space before the colon), and line ends that are none.
        format!("X-API-Key:\r\n {key}\r\n"),
        format!("X-API-Key: {}\r\n {}\r\n", &key[..10], &key[10..]),
        format!("X-API-Key : {key}\r\n"),
        format!(" X-API-Key: {key}\r\n"),
        format!("X-API-Key: {key}\r"),
        format!("X-API-Key: {key}\0\r\n"),
        format!("X-API-Key: {key}\r\nX-API-Key: {key}\r\n"),
        format!("X-API-Key: {key}\r\nX-API-Key:\r\n"),
        format!("X-API-Key: \u{a0}{key}\r\n"),
        format!("X-API-Key: {key}x\r\n"),
    ] {
        let answer = get(&lines).await;
        let refused = answer.is_empty() || answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 401");
        assert!(refused, "{lines:?}: {answer}");
        assert!(!answer.contains("acme"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_written_in_either_case_and_lives_for_a_year() {
    let service = TestService::start().await;
    let key = service.key_with("acme", "role:auditor").await.key;
    assert_eq!(service.with_key(&key.to_uppercase(), WHOAMI).await.status, 200);
    service.clock().advance(365 * DAY - 1);
    assert_eq!(service.with_key(&key, WHOAMI).await.status, 200);
    service.clock().advance(1);
    refused(&service.with_key(&key, WHOAMI).await, 401, ErrorCode::CredentialExpired);
}
