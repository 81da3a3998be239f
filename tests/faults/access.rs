//! Keys when the store is away or answers are lost: never a 401, nobody without a key, nothing half done.

use signet_api::access::{ApiKeyInfo, ChangeApiKey, CreatedApiKey, ImportApiKeys, ImportedApiKeys, ImportedKey};
use signet_api::admin::{Page, RevokeRequest};
use signet_api::client::ClientError;
use signet_api::scope::AccountId;
use signet_api::{Credential, CredentialKind, ErrorCode};

use crate::auditor::assert_clean;
use crate::calls::start;
use crate::equal_work::watched;
use crate::faulty::Fault;
use crate::retry::until_done;
use crate::support::access::{key_order, unknown_key, with_wrong_secret};
use crate::support::{Reply, TestService};

const WHOAMI: &str = "/v1/whoami";

/// A reply as the client library would judge it.
fn judged(reply: &Reply) -> Result<(), ClientError> {
    match reply.status {
        200 => Ok(()),
        _ => {
            let wait = reply.header("retry-after").map(|seconds| seconds.parse().unwrap());
            Err(ClientError::Refused(Box::new(reply.problem()), wait))
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_never_wrong_because_the_store_is_away() {
    let (service, faulty) = start().await;
    let key = service.key_with("acme", "devices:read").await;
    let uuid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    let device = service.device("sensor-1").await;
    service.as_device(&device).whoami().await.unwrap();
    let unknown = unknown_key();
    faulty.outage();
    for shown in [key.key.as_str(), &unknown, &with_wrong_secret(&key.key), uuid] {
        for path in [WHOAMI, "/v1/admin/devices", "/v1/apikeys", "/v1/events"] {
            let reply = service.with_key(shown, path).await;
            assert_eq!(reply.problem().code, ErrorCode::StoreUnavailable, "{path}");
            assert!(reply.header("retry-after").is_some());
        }
        let reply = service.with_both(device.identity(), shown, WHOAMI).await;
        assert_eq!(reply.problem().code, ErrorCode::StoreUnavailable);
    }
    // What cannot be a key is none, whoever is away; and an outage is no guess.
    assert_eq!(service.with_key("nonsense", WHOAMI).await.status, 401);
    faulty.recover();
    assert_eq!(service.with_key(&key.key, WHOAMI).await.status, 200);
    // Its account alone cannot be read.
    faulty.fail_next("account", Fault::Lost);
    assert_eq!(service.with_key(&key.key, WHOAMI).await.status, 503);
    assert_clean(&service.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_in_the_life_of_a_key_may_be_lost() {
    every_call_fails_once(Fault::Lost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_in_the_life_of_a_key_may_be_done_and_reported_as_failed() {
    every_call_fails_once(Fault::DoneButReported).await;
}

async fn every_call_fails_once(fault: Fault) {
    let (service, faulty) = start().await;
    let mut verbs = Vec::new();
    for nth in 1.. {
        faulty.fail_at(nth, fault);
        live(&service, nth).await;
        let failed = faulty.recover();
        if failed.is_empty() {
            break;
        }
        verbs.extend(failed);
    }
    for verb in
        ["create_account", "create_credentials", "rotate_credential", "change_credential", "credential", "account"]
    {
        assert!(verbs.contains(&verb), "{verb} never failed: {verbs:?}");
    }
    assert_clean(&service.stop().await);
}

/// Account, key, use, rotation by itself, import, revocation; each step again until it is done.
async fn live(service: &TestService, nth: u64) {
    let account = format!("account-{nth}");
    let body = format!(r#"{{"id":"{account}","kind":"program","permissions":"devices:read"}}"#);
    // Asked for again after it was done: it is there.
    until_done("account", async || {
        match service.admin.post_json::<_, serde_json::Value>("/v1/admin/accounts", &json(&body)).await {
            Err(error) if error.problem().is_some_and(|p| p.code == ErrorCode::Conflict) => Ok(()),
            outcome => outcome.map(drop),
        }
    })
    .await;
    let key = until_done("key", async || service.create_key(&key_order(&account)).await).await;
    until_done("use", async || judged(&service.with_key(&key.key, WHOAMI).await)).await;
    let new: CreatedApiKey = until_done("rotation", async || {
        let reply = service.post_with_key(&key.key, "/v1/apikeys/rotate", "").await;
        judged(&reply).map(|()| reply.json())
    })
    .await;
    until_done("use of the new", async || judged(&service.with_key(&new.key, WHOAMI).await)).await;
    until_done("use of the old", async || judged(&service.with_key(&key.key, WHOAMI).await)).await;
    let import = ImportApiKeys {
        account: AccountId::parse(&account).unwrap(),
        scopes: None,
        lifetime: None,
        skip_known: true,
        keys: (0..3).map(|n| ImportedKey { key: uuid(nth, n), name: String::new() }).collect(),
    };
    let import = async || service.admin.post_json::<_, ImportedApiKeys>("/v1/admin/apikeys/import", &import).await;
    let imported = until_done("import", import).await;
    assert_eq!(imported.keys.len() + imported.known.len(), 3);

    let rename = ChangeApiKey { name: Some("daily".into()), ..ChangeApiKey::default() };
    assert_eq!(until_done("rename", async || service.change_key(&new, &rename).await).await.name, "daily");

    // Of the old one hangs exactly one that lives, and nothing is there twice.
    let path = format!("/v1/admin/apikeys?account={account}&status=active&limit=1000");
    let keys: Page<ApiKeyInfo> = until_done("list", async || service.admin.get_json(&path).await).await;
    assert_eq!(keys.items.iter().filter(|info| info.legacy).count(), 3);
    let old = keys.items.iter().find(|info| info.id == key.info.id).unwrap();
    assert_eq!(old.successor.as_ref(), Some(&new.info.id), "{old:?}");

    let kill = RevokeRequest { account: AccountId::parse(&account).ok(), ..RevokeRequest::default() };
    until_done("revoke", async || service.revoke(&kill).await).await;
    for shown in [&key.key, &new.key, &uuid(nth, 0)] {
        let code = until_done("use of the revoked", async || {
            let reply = service.with_key(shown, WHOAMI).await;
            if reply.status == 503 { judged(&reply).map(|()| ErrorCode::Busy) } else { Ok(reply.problem().code) }
        });
        assert_eq!(code.await, ErrorCode::CredentialRevoked);
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn uuid(nth: u64, n: u64) -> String {
    format!("3f2504e0-4f89-41d3-9a0c-{nth:06x}{n:06x}")
}

#[tokio::test(flavor = "multi_thread")]
async fn t25_an_unknown_key_and_a_wrong_secret_make_the_same_calls() {
    let (service, store) = watched().await;
    service.account("acme", "devices:read").await;
    let [active, off, ended] = [service.key("acme").await, service.key("acme").await, service.key("acme").await];
    for (key, action) in [(&off, "disable"), (&ended, "revoke")] {
        let path = format!("/v1/admin/apikeys/{}", key.info.id);
        service.admin.post_json::<_, ApiKeyInfo>(&path, &json(&format!(r#"{{"action":"{action}"}}"#))).await.unwrap();
    }
    let unknown = Credential::from_random(CredentialKind::ApiKey, &[9; 24]).expose().to_string();
    let mut seen = Vec::new();
    for guess in [unknown, with_wrong_secret(&active.key), with_wrong_secret(&off.key), with_wrong_secret(&ended.key)] {
        // What the schedule does of itself is none of the caller's.
        store.called();
        assert_eq!(service.with_key(&guess, WHOAMI).await.problem().code, ErrorCode::CredentialInvalid);
        let mut calls = store.called();
        calls.retain(|verb| !matches!(*verb, "audit" | "revocations_after" | "issuers"));
        seen.push(calls);
    }
    assert_eq!(seen[0], ["credential"]);
    assert!(seen.iter().all(|calls| *calls == seen[0]), "{seen:?}");
    assert_eq!(service.with_key(&active.key, WHOAMI).await.status, 200);
}
