//! API keys: made once, shown once, replaced without an interruption, imported.

use signet_api::access::{
    ApiKeyAction, ApiKeyInfo, ChangeAccount, ChangeApiKey, CreateApiKey, CreatedApiKey, ImportApiKeys, ImportedApiKeys,
    ImportedKey,
};
use signet_api::admin::Page;
use signet_api::client::ClientError;
use signet_api::enroll::WhoAmI;
use signet_api::scope::AccountId;
use signet_api::{Credential, CredentialKind, ErrorCode};

use crate::support::access::key_order;
use crate::support::{TestService, code, device_id};

const WHOAMI: &str = "/v1/whoami";
const UUID: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
const DAY: i64 = 86_400;

async fn keys(service: &TestService, query: &str) -> Vec<ApiKeyInfo> {
    let page: Page<ApiKeyInfo> = service.admin.get_json(&format!("/v1/admin/apikeys{query}")).await.unwrap();
    page.items
}

async fn rotate(
    service: &TestService,
    key: &CreatedApiKey,
    overlap: Option<i64>,
) -> Result<CreatedApiKey, ClientError> {
    let change = ChangeApiKey { action: Some(ApiKeyAction::Rotate), overlap, ..ChangeApiKey::default() };
    service.admin.post_json(&format!("/v1/admin/apikeys/{}", key.info.id), &change).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_and_listed_without_its_secret() {
    let service = TestService::start().await;
    service.account("acme", "role:auditor").await;
    let order = CreateApiKey { name: "nightly".into(), cidr: Some("10.0.0.0/8".into()), ..key_order("acme") };
    let made = service.create_key(&order).await.unwrap();
    let parsed = Credential::parse(CredentialKind::ApiKey, &made.key).unwrap();
    assert_eq!(*parsed.id(), made.info.id);
    assert_eq!((made.info.name.as_str(), made.info.status.as_str()), ("nightly", "active"));
    let shown: ApiKeyInfo = service.admin.get_json(&format!("/v1/admin/apikeys/{}", made.info.id)).await.unwrap();
    assert_eq!(shown, made.info);
    assert_eq!(keys(&service, "?account=acme").await, std::slice::from_ref(&made.info));
    assert_eq!(keys(&service, "?status=active&legacy=false").await.len(), 1);
    assert!(keys(&service, "?status=revoked").await.is_empty() && keys(&service, "?account=other").await.is_empty());
    assert!(keys(&service, "?kind=sgr").await.len() == 1, "the path says which kind");

    let change = ChangeApiKey {
        name: Some("daily".into()),
        scopes: Some("audit:read".parse().unwrap()),
        cidr: Some(String::new()),
        ..ChangeApiKey::default()
    };
    let changed = service.change_key(&made, &change).await.unwrap();
    assert_eq!(
        (changed.name.as_str(), changed.scopes.to_string().as_str(), changed.cidr),
        ("daily", "audit:read", None)
    );
    for (action, status) in [
        (ApiKeyAction::Disable, "disabled"),
        (ApiKeyAction::Enable, "active"),
        (ApiKeyAction::Disable, "disabled"),
        (ApiKeyAction::Revoke, "revoked"),
    ] {
        let change = ChangeApiKey { action: Some(action), ..ChangeApiKey::default() };
        assert_eq!(service.change_key(&made, &change).await.unwrap().status, status);
        assert_eq!(code(service.change_key(&made, &change).await), ErrorCode::Conflict, "{action:?} twice");
    }
    for action in [ApiKeyAction::Enable, ApiKeyAction::Disable, ApiKeyAction::Revoke, ApiKeyAction::Rotate] {
        let change = ChangeApiKey { action: Some(action), ..ChangeApiKey::default() };
        assert_eq!(code(service.change_key(&made, &change).await), ErrorCode::Conflict, "revoked stays revoked");
    }
    let subject = format!("apikey:{}", made.info.id);
    for (kind, times) in
        [("created", 1), ("changed", 1), ("disabled", 2), ("enabled", 1), ("revoked", 1), ("rotated", 0)]
    {
        let entries = service.audit_of(&format!("apikey.{kind}")).await;
        assert_eq!(entries.len(), times, "{kind}");
        assert!(entries.iter().all(|e| e.canonical.contains(&subject)), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_not_be_is_refused_with_the_reason() {
    let service = TestService::start().await;
    service.account("acme", "devices:read audit:read").await;
    let before = service.audit().await.len();
    let order = || key_order("acme");
    let wide = CreateApiKey { scopes: Some("devices:read tokens:write".parse().unwrap()), ..order() };
    let refused = service.create_key(&wide).await.unwrap_err();
    let problem = refused.problem().unwrap();
    assert_eq!(problem.code, ErrorCode::InvalidArgument);
    assert!(problem.detail.as_ref().unwrap().ends_with("tokens:write"), "{problem:?}");
    for (what, order, expected) in [
        ("no owner", CreateApiKey { account: None, ..order() }, ErrorCode::InvalidArgument),
        ("two owners", CreateApiKey { device: Some(device_id("x")), ..order() }, ErrorCode::InvalidArgument),
        ("nobody", key_order("nobody"), ErrorCode::Conflict),
        ("too short", CreateApiKey { lifetime: Some(3599), ..order() }, ErrorCode::InvalidArgument),
        ("too long", CreateApiKey { lifetime: Some(365 * DAY + 1), ..order() }, ErrorCode::InvalidArgument),
        ("negative", CreateApiKey { lifetime: Some(i64::MIN), ..order() }, ErrorCode::InvalidArgument),
        ("no network", CreateApiKey { cidr: Some("10.0.0.0/99".into()), ..order() }, ErrorCode::InvalidArgument),
        ("two lines", CreateApiKey { name: "a\nb".into(), ..order() }, ErrorCode::InvalidArgument),
        ("a long name", CreateApiKey { name: "x".repeat(129), ..order() }, ErrorCode::InvalidArgument),
    ] {
        assert_eq!(code(service.create_key(&order).await), expected, "{what}");
    }
    let key = service.key("acme").await;
    for (what, body) in [
        ("nothing", "{}"),
        ("an overlap without rotation", r#"{"overlap":5}"#),
        ("a rotation with a change", r#"{"action":"rotate","name":"x"}"#),
        ("a long overlap", r#"{"action":"rotate","overlap":2592001}"#),
        ("a negative overlap", r#"{"action":"rotate","overlap":-1}"#),
        ("no network", r#"{"cidr":"here"}"#),
        ("more than its account may", r#"{"scopes":"tokens:write"}"#),
    ] {
        let change: ChangeApiKey = serde_json::from_str(body).unwrap();
        assert_eq!(code(service.change_key(&key, &change).await), ErrorCode::InvalidArgument, "{what}");
    }
    assert_eq!(service.audit().await.len(), before + 1, "one key was made and nothing else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_leaves_both_keys_for_the_overlap_and_then_the_new_one() {
    let service = TestService::start().await;
    service.account("acme", "devices:read").await;
    let month = CreateApiKey { lifetime: Some(30 * DAY), cidr: Some("127.0.0.0/8".into()), ..key_order("acme") };
    let old = service.create_key(&month).await.unwrap();
    service.clock().advance(3 * 3600);
    let new = rotate(&service, &old, Some(3600)).await.unwrap();
    let same = |info: &ApiKeyInfo| (info.name.clone(), info.scopes, info.cidr.clone(), info.account.clone());
    assert_eq!(same(&new.info), same(&old.info));
    assert_eq!(new.replaces.as_ref().unwrap().id, old.info.id);
    let now = signet::clock::Clock::now(service.clock().as_ref());
    assert_eq!(new.info.expires_at, now.plus(30 * DAY).to_string(), "a life of the same length from now on");
    assert_eq!(new.replaces.as_ref().unwrap().expires_at, now.plus(3600).to_string());
    for key in [&old.key, &new.key] {
        assert_eq!(service.with_key(key, WHOAMI).await.status, 200);
    }
    assert_eq!(code(rotate(&service, &old, None).await), ErrorCode::Conflict, "its successor is in use");
    service.clock().advance(3600);
    assert_eq!(service.with_key(&old.key, WHOAMI).await.problem().code, ErrorCode::CredentialExpired);
    assert_eq!(service.with_key(&new.key, WHOAMI).await.status, 200);
    // At once, for a key that was seen where it should not be.
    let third = rotate(&service, &new, Some(0)).await.unwrap();
    assert_eq!(service.with_key(&new.key, WHOAMI).await.problem().code, ErrorCode::CredentialExpired);
    assert_eq!(service.with_key(&third.key, WHOAMI).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_rotates_the_key_that_it_shows_and_no_other() {
    let service = TestService::start().await;
    service.account("acme", "devices:read").await;
    let (old, other) = (service.key("acme").await, service.key("acme").await);
    service.key_with("foreign", "devices:read").await;
    let listed: Page<ApiKeyInfo> = service.with_key(&old.key, "/v1/apikeys").await.json();
    let mut ids: Vec<_> = listed.items.iter().map(|info| info.id.clone()).collect();
    ids.retain(|id| *id != old.info.id && *id != other.info.id);
    assert_eq!((listed.items.len(), ids.len()), (2, 0), "its account's keys and nobody else's");
    let foreign: Page<ApiKeyInfo> = service.with_key(&old.key, "/v1/apikeys?account=foreign").await.json();
    assert!(foreign.items.iter().all(|info| info.account == AccountId::parse("acme").ok()));

    let reply = service.post_with_key(&old.key, "/v1/apikeys/rotate", r#"{"overlap":60}"#).await;
    let new: CreatedApiKey = reply.json();
    let who: WhoAmI = service.with_key(&new.key, WHOAMI).await.json();
    assert_eq!(who.credential, Some(new.info.id.clone()));
    assert_eq!(service.audit_of("apikey.rotated").await[0].actor, "account:acme");
    service.clock().advance(60);
    let late = service.post_with_key(&old.key, "/v1/apikeys/rotate", "").await;
    assert_eq!(late.problem().code, ErrorCode::CredentialExpired);
    assert_eq!(service.with_key(&other.key, WHOAMI).await.status, 200);

    let nothing = service.send("POST", "/v1/apikeys/rotate", &[], b"").await;
    assert_eq!(nothing.problem().code, ErrorCode::NotAuthenticated);
    let device = service.device("sensor-1").await;
    let no_key = service.send_as(device.identity(), "POST", "/v1/apikeys/rotate", &[], b"").await;
    assert_eq!(no_key.problem().code, ErrorCode::InvalidArgument);
    let own: Page<ApiKeyInfo> = service.send_as(device.identity(), "GET", "/v1/apikeys", &[], b"").await.json();
    assert!(own.items.is_empty());
}

/// The answer was lost, and with it the only copy of the new key.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_whose_answer_was_lost_is_made_again() {
    let service = TestService::start().await;
    let old = service.key_with("acme", "devices:read").await;
    let post = async |key: &str| service.post_with_key(key, "/v1/apikeys/rotate", "").await;
    let lost: CreatedApiKey = post(&old.key).await.json();
    service.clock().advance(600);
    let again: CreatedApiKey = post(&old.key).await.json();
    assert_ne!(lost.info.id, again.info.id);
    assert_eq!(again.replaces, lost.replaces, "the old one ends when it was to end");
    let now = signet::clock::Clock::now(service.clock().as_ref());
    assert_eq!(again.info.expires_at, now.plus(365 * DAY).to_string());
    assert_eq!(service.with_key(&lost.key, WHOAMI).await.problem().code, ErrorCode::CredentialRevoked);
    assert_eq!(service.with_key(&again.key, WHOAMI).await.status, 200);
    // Used, so it stays, whether or not that is written already.
    assert_eq!(post(&old.key).await.problem().code, ErrorCode::Conflict);
    signet::housekeeping::note_uses(&service.running.service).await;
    assert_eq!(post(&old.key).await.problem().code, ErrorCode::Conflict);
    assert_eq!(service.with_key(&again.key, WHOAMI).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_use_is_written_later_and_says_when() {
    let service = TestService::start().await;
    let (used, unused) = (service.key_with("acme", "devices:read").await, service.key("acme").await);
    let last =
        async || keys(&service, "").await.into_iter().map(|info| (info.id, info.last_used_at)).collect::<Vec<_>>();
    let clock = || signet::clock::Clock::now(service.clock().as_ref());
    assert!(last().await.iter().all(|(_, at)| at.is_none()));
    assert_eq!(service.with_key(&used.key, WHOAMI).await.status, 200);
    let first = clock();
    service.clock().advance(30);
    // Neither a wrong secret nor a refusal is a use.
    service.with_key(&crate::support::access::with_wrong_secret(&unused.key), WHOAMI).await.problem();
    assert!(last().await.iter().all(|(_, at)| at.is_none()), "a request writes nothing");
    let entries = service.audit().await.len();
    signet::housekeeping::note_uses(&service.running.service).await;
    let at = |id: &signet_api::CredentialId, all: &[(signet_api::CredentialId, Option<String>)]| {
        all.iter().find(|(known, _)| known == id).unwrap().1.clone()
    };
    let all = last().await;
    assert_eq!((at(&used.info.id, &all), at(&unused.info.id, &all)), (Some(first.to_string()), None));
    assert_eq!(service.audit().await.len(), entries, "it is no change of anything");
    service.with_key(&used.key, WHOAMI).await;
    let second = clock();
    signet::housekeeping::note_uses(&service.running.service).await;
    signet::housekeeping::note_uses(&service.running.service).await;
    assert_eq!(at(&used.info.id, &last().await), Some(second.to_string()));
}

fn import(account: &str, keys: &[&str]) -> ImportApiKeys {
    ImportApiKeys {
        account: AccountId::parse(account).unwrap(),
        scopes: None,
        lifetime: None,
        skip_known: false,
        keys: keys.iter().map(|key| ImportedKey { key: (*key).into(), name: "old".into() }).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_another_system_go_on_until_they_are_replaced() {
    let service = TestService::start().await;
    service.account("acme", "devices:read").await;
    let post = async |order: ImportApiKeys| {
        service.admin.post_json::<_, ImportedApiKeys>("/v1/admin/apikeys/import", &order).await
    };
    let other = "9b2d7a51-0c3e-4f6a-8f1d-7e6b5a4c3d2e";
    let done = post(import("acme", &[UUID, other])).await.unwrap();
    assert_eq!((done.keys.len(), done.known.len()), (2, 0));
    assert!(done.keys.iter().all(|info| info.legacy && info.name == "old"));
    for spelling in [UUID.to_owned(), UUID.to_uppercase(), UUID.replace('-', "")] {
        let who: WhoAmI = service.with_key(&spelling, WHOAMI).await.json();
        assert_eq!((who.id.as_str(), who.scopes.to_string().as_str()), ("acme", "devices:read"));
    }
    assert_eq!(keys(&service, "?legacy=true").await.len(), 2);

    // All or nothing, and every one of them is named by its place.
    let before = service.audit().await.len();
    let third = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let detail = |error: ClientError| error.problem().unwrap().detail.clone().unwrap();
    let refused = detail(post(import("acme", &[third, UUID, &other.to_uppercase()])).await.unwrap_err());
    assert!(refused.contains("nothing was imported") && refused.ends_with("2, 3"), "{refused}");
    let refused = detail(
        post(import("acme", &[third, "secret", UUID, "00000000-0000-0000-0000-000000000000"])).await.unwrap_err(),
    );
    assert!(refused.ends_with("2, 4") && !refused.contains("secret"), "{refused}");
    let refused = detail(post(import("acme", &[third, &third.to_uppercase()])).await.unwrap_err());
    assert!(refused.ends_with("the keys 2"), "{refused}");
    assert_eq!(code(post(import("acme", &[])).await), ErrorCode::InvalidArgument);
    assert_eq!(code(post(import("nobody", &[third])).await), ErrorCode::Conflict);
    assert_eq!(service.audit().await.len(), before);
    assert_eq!(service.with_key(third, WHOAMI).await.status, 401);

    // The same list again, after a lost answer.
    let again = ImportApiKeys { skip_known: true, ..import("acme", &[UUID, third, other]) };
    let done = post(again.clone()).await.unwrap();
    assert_eq!((done.keys.len(), done.known), (1, vec![1, 3]));
    assert_eq!(post(again).await.unwrap().known, [1, 2, 3]);
    assert_eq!(service.audit_of("apikey.imported").await.len(), 2);

    // Replaced by the program itself, with a key of ours.
    let new: CreatedApiKey = service.post_with_key(UUID, "/v1/apikeys/rotate", r#"{"overlap":0}"#).await.json();
    assert!(!new.info.legacy && new.key.starts_with("sgk_"));
    assert_eq!(service.with_key(UUID, WHOAMI).await.problem().code, ErrorCode::CredentialExpired);
    assert_eq!(service.with_key(&new.key, WHOAMI).await.status, 200);
    service.clock().advance(90 * DAY);
    assert_eq!(service.with_key(other, WHOAMI).await.problem().code, ErrorCode::CredentialExpired);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_bounded_by_a_batch() {
    let service = TestService::start().await;
    service.account("acme", "devices:read").await;
    let uuid = |n: usize| format!("3f2504e0-4f89-41d3-9a0c-{n:012x}");
    let all: Vec<String> = (0..1001).map(uuid).collect();
    let texts: Vec<&str> = all.iter().map(String::as_str).collect();
    let post = async |texts: &[&str]| {
        let order = import("acme", texts);
        service.admin.post_json::<_, ImportedApiKeys>("/v1/admin/apikeys/import", &order).await
    };
    assert_eq!(code(post(&texts).await), ErrorCode::InvalidArgument);
    assert_eq!(post(&texts[..1000]).await.unwrap().keys.len(), 1000);
    assert_eq!(service.with_key(&all[999], WHOAMI).await.status, 200);
    // They do not count as keys of ours.
    service.key("acme").await;
    assert_eq!(post(&texts[1000..]).await.unwrap().keys.len(), 1);
    service
        .change_account("acme", &ChangeAccount { name: Some("x".into()), ..ChangeAccount::default() })
        .await
        .unwrap();
}
