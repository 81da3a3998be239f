//! One row of the database that cannot be read: every list names it, shows the rest, and none is a 500.

use rusqlite::Connection;
use serde_json::Value;
use signet::store::Owner;
use signet_api::admin::{AuditVerdict, Damaged, HEADER_DAMAGED};

use crate::support::TestService;

/// Behind the service's back.
fn spoil(service: &TestService, sql: &str) {
    Connection::open(service.installation.database()).unwrap().execute_batch(sql).unwrap();
}

async fn reply(service: &TestService, path: &str) -> crate::support::Reply {
    let reply = service.send_as(service.installation.administrator(), "GET", path, &[], b"").await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_is_named_on_its_page_and_the_rest_is_shown() {
    let service = TestService::start().await;
    for n in 1..=3 {
        service.device(&format!("sensor-{n}")).await;
        let account = service.stored_account(&format!("acme-{n}"), "role:auditor").await;
        service.stored_key(Owner::Account(account), "devices:read").await;
    }
    let cases = [
        ("/v1/admin/tokens", "id", "token", "groups = 'not json'", "device = 'sensor-2'", 2),
        ("/v1/admin/devices", "id", "principal", "status = 'asleep'", "id = 'sensor-2'", 2),
        ("/v1/admin/accounts", "id", "account", "permissions = 'role:king'", "id = 'acme-2'", 2),
        ("/v1/admin/apikeys", "id", "credential", "scopes = 'all of them'", "account = 'acme-2'", 2),
        ("/v1/admin/audit?after=0&limit=3", "sequence", "audit", "leaf_hash = x'00'", "sequence = 2", 2),
    ];
    for (path, key, table, damage, which, rest) in cases {
        let what = damage.split(' ').next().unwrap();
        let database = Connection::open(service.installation.database()).unwrap();
        let id: String = database
            .query_row(&format!("SELECT CAST({key} AS TEXT) FROM {table} WHERE {which}"), [], |row| row.get(0))
            .unwrap();
        spoil(&service, &format!("UPDATE {table} SET {damage} WHERE {which}"));
        let page: Value = serde_json::from_str(reply(&service, path).await.text()).unwrap();
        assert_eq!(page["damaged"], serde_json::json!([{ "id": id, "what": what }]), "{path}: {page}");
        assert_eq!(page["items"].as_array().unwrap().len(), rest, "{path}: {page}");
    }
    let verdict: AuditVerdict = service.admin.get_json("/v1/admin/audit/verify").await.unwrap();
    assert_eq!((verdict.intact, verdict.broken_at), (false, Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_certificate_or_token_is_named_beside_its_device() {
    let service = TestService::start().await;
    let first = service.device("sensor-1").await;
    let second = service.renew(&first).await.unwrap();
    spoil(&service, &format!("UPDATE certificate SET reason = 77 WHERE serial = x'{}'", second.serial()));
    let detail = service.show("sensor-1").await;
    assert_eq!(detail.certificates.iter().map(|c| c.serial.as_str()).collect::<Vec<_>>(), [first.serial()]);
    assert_eq!(detail.damaged, [Damaged { id: second.serial().into(), what: "reason".into() }]);
    spoil(&service, "UPDATE token SET kind = 'gift'");
    let detail = service.show("sensor-1").await;
    assert_eq!(detail.damaged.iter().map(|row| row.what.as_str()).collect::<Vec<_>>(), ["reason", "kind"]);
    assert!(detail.tokens.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_of_a_list_that_is_an_array_is_named_in_a_header() {
    let service = TestService::start().await;
    let (one, two) = ("0000000001", "0000000002");
    let webhook = |id: &str, status: &str| {
        format!(
            "INSERT INTO webhook (id, url, events, reach, status, created_by, created_at, secret, position)
                 VALUES ('{id}', 'https://x.example/', 'security', 'public', '{status}', 'admin:a', 1, x'00', 0);"
        )
    };
    let approval = |id: &str, guarded: &str| {
        format!("INSERT INTO approval (id, guarded, summary, path, body, digest, status, requested_by, requested_at, expires_at)
                 VALUES ('{id}', '{guarded}', 's', '/v1', '{{}}', zeroblob(32), 'pending', 'a', 1, 99999999999);")
    };
    let policy = |number: u32, origin: &str| {
        format!(
            "INSERT INTO policy (number, revision, origin, applied_by, applied_at)
                 VALUES ({number}, 'r{number}', '{origin}', 'admin:a', 1);"
        )
    };
    spoil(&service, &(webhook(one, "disabled") + &webhook(two, "d\u{e9}sactiv\u{e9}")));
    spoil(&service, &(approval("ap-1", "policy") + &approval("ap-2", "everything")));
    spoil(&service, &(policy(1, "api") + &policy(2, "rumour")));
    // A dead letter of the endpoint that cannot be read: what it is for is not known.
    spoil(
        &service,
        &format!(
            "INSERT INTO webhook_delivery (webhook, message, event, body, created_at, died_at) VALUES
             ('{one}', 'm1', 'security', '{{}}', 1, 2), ('{two}', 'm2', 'security', '{{}}', 1, 2),
             ('{one}', 'm3', 'security', '{{}}', -1, 2);
         UPDATE webhook_delivery SET attempts = -1 WHERE message = 'm3'"
        ),
    );
    for (path, id, what) in [
        ("/v1/admin/webhooks", two, "status"),
        ("/v1/admin/approvals", "ap-2", "guarded"),
        ("/v1/admin/policy/history", "2", "origin"),
    ] {
        let reply = reply(&service, path).await;
        let items: Vec<Value> = serde_json::from_str(reply.text()).unwrap();
        let named: Vec<Damaged> = serde_json::from_str(reply.header(HEADER_DAMAGED).unwrap()).unwrap();
        assert_eq!((items.len(), named), (1, vec![Damaged { id: id.into(), what: what.into() }]), "{path}");
    }
    let page: Value = serde_json::from_str(reply(&service, "/v1/admin/dead-letters").await.text()).unwrap();
    assert_eq!(page["items"].as_array().unwrap().len(), 2, "{page}");
    assert_eq!(page["damaged"][0]["what"], "attempts");
    assert!(reply(&service, "/v1/services").await.header(HEADER_DAMAGED).is_none());
}
