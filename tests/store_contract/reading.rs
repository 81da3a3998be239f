//! Pages and filters.

use signet::store::{Step, TokenRecord, TokenSelection};
use signet_api::admin::{AuditQuery, DeviceQuery, TokenQuery};

use crate::bench::Bench;
use crate::factory::{DAY, NOW, batch_token, draft, id, key, revoke_tokens, step, target_device, token};

pub(crate) async fn pages_of_tokens_have_no_gap_and_no_repetition(bench: Bench) {
    let mut expected: Vec<TokenRecord> = (0..25).map(|n| token(&format!("d-{n}"))).collect();
    bench.create(&expected).await;
    expected.sort_by_key(|t| t.id.to_string());
    for limit in [1, 7, 25, 26] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let query = TokenQuery { after, limit: Some(limit), ..TokenQuery::default() };
            let page = bench.store.tokens(query, NOW).await.unwrap();
            assert!(page.items.len() <= limit as usize);
            found.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, expected, "pages of {limit}");
    }
}

pub(crate) async fn pages_of_devices_stay_right_while_devices_arrive(bench: Bench) {
    let name = |n: usize| format!("d-{n:02}");
    let tokens: Vec<_> = (0..20).map(|n| token(&name(n * 2))).collect();
    bench.create(&tokens).await;
    let mut query = DeviceQuery { limit: Some(6), ..DeviceQuery::default() };
    let (mut found, mut round) = (Vec::new(), 0);
    loop {
        let page = bench.store.devices(query.clone(), NOW).await.unwrap();
        found.extend(page.items.into_iter().map(|row| row.principal.id.to_string()));
        let Some(next) = page.next else { break };
        query.after = Some(next);
        // One before the place where the reader stands, and one behind it.
        bench.create(&[token(&format!("a-{round}")), token(&format!("z-{round}"))]).await;
        round += 1;
    }
    let mut sorted = found.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(found, sorted);
    assert!(tokens.iter().all(|t| found.contains(&t.device.to_string())));
    assert!(found.iter().any(|name| name.starts_with("z-")) && !found.iter().any(|name| name.starts_with("a-")));
}

pub(crate) async fn pages_of_the_audit_log_are_in_order(bench: Bench) {
    for n in 0..12 {
        bench.store.alarm(None, draft("alarm.test", if n % 2 == 0 { "even" } else { "odd" })).await.unwrap();
    }
    let sequences = |after, limit, subject: Option<&str>| {
        let query = AuditQuery { after, limit, subject: subject.map(str::to_owned), ..AuditQuery::default() };
        let answer = bench.store.audit(query);
        async { answer.await.unwrap().into_iter().map(|row| row.sequence).collect::<Vec<_>>() }
    };
    assert_eq!(sequences(None, Some(3), None).await, [10, 11, 12]);
    assert_eq!(sequences(Some(0), Some(3), None).await, [1, 2, 3]);
    assert_eq!(sequences(Some(3), Some(3), None).await, [4, 5, 6]);
    assert_eq!(sequences(Some(4), Some(2), Some("even")).await, [5, 7]);
    assert_eq!(sequences(None, Some(2), Some("odd")).await, [10, 12]);
    assert!(sequences(Some(12), None, None).await.is_empty());
    assert!(sequences(Some(u64::MAX), None, None).await.is_empty());
}

pub(crate) async fn tokens_are_found_by_status_batch_and_device(bench: Bench) {
    let (open, used, dead) = (batch_token("a", "spring"), batch_token("b", "spring"), token("c"));
    let late = TokenRecord { expires_at: NOW.minus(1), ..batch_token("d", "spring") };
    bench.create(&[open.clone(), used.clone(), dead.clone(), late.clone()]).await;
    bench.enroll(&used, &key()).await;
    bench.store.revoke_tokens(revoke_tokens(TokenSelection::Id(dead.id.clone()))).await.unwrap();
    let find = |status: Option<&str>, batch: Option<&str>, device: Option<&str>| {
        let query = TokenQuery {
            status: status.map(str::to_owned),
            batch: batch.map(str::to_owned),
            device: device.map(id),
            ..TokenQuery::default()
        };
        let answer = bench.store.tokens(query, NOW);
        async move {
            let mut devices: Vec<_> = answer.await.unwrap().items.into_iter().map(|t| t.device.to_string()).collect();
            devices.sort();
            devices.join(" ")
        }
    };
    assert_eq!(find(None, None, None).await, "a b c d");
    assert_eq!(find(Some("active"), None, None).await, "a");
    assert_eq!(find(Some("expired"), None, None).await, "d");
    assert_eq!(find(Some("redeemed"), None, None).await, "b");
    assert_eq!(find(Some("revoked"), None, None).await, "c");
    assert_eq!(find(None, Some("spring"), None).await, "a b d");
    assert_eq!(find(Some("active"), Some("spring"), Some("b")).await, "");
    assert_eq!(find(None, None, Some("c")).await, "c");
    assert_eq!(find(Some("nonsense"), None, None).await, "");
}

pub(crate) async fn devices_are_found_by_text_group_status_and_expiry(bench: Bench) {
    for name in ["pump-1", "pump-2", "lamp-1"] {
        bench.enrolled(name).await;
    }
    let groups = Some(vec!["lighting".into()]);
    let regroup = signet::store::ChangeDevice { step: None, groups, ..step("lamp-1", Step::Suspend) };
    bench.store.change_device(regroup).await.unwrap().unwrap().unwrap();
    bench.store.change_device(step("pump-2", Step::Suspend)).await.unwrap().unwrap().unwrap();
    bench.revoke(target_device("pump-1")).await;
    let find = |query: DeviceQuery| {
        let answer = bench.store.devices(query, NOW);
        async move {
            let rows = answer.await.unwrap().items;
            rows.into_iter().map(|row| row.principal.id.to_string()).collect::<Vec<_>>().join(" ")
        }
    };
    let all = DeviceQuery::default;
    assert_eq!(find(all()).await, "lamp-1 pump-1 pump-2");
    assert_eq!(find(DeviceQuery { search: Some("pump".into()), ..all() }).await, "pump-1 pump-2");
    assert_eq!(find(DeviceQuery { group: Some("lighting".into()), ..all() }).await, "lamp-1");
    assert_eq!(find(DeviceQuery { group: Some("light".into()), ..all() }).await, "");
    assert_eq!(find(DeviceQuery { status: Some("suspended".into()), ..all() }).await, "pump-2");
    assert_eq!(find(DeviceQuery { expiring: Some(DAY), ..all() }).await, "lamp-1 pump-2");
    assert_eq!(find(DeviceQuery { expiring: Some(60), ..all() }).await, "");
    let both = DeviceQuery { search: Some("pump".into()), status: Some("revoked".into()), ..all() };
    assert_eq!(find(both).await, "pump-1");
}

pub(crate) async fn wildcards_in_a_search_are_ordinary_characters(bench: Bench) {
    bench.create(&[token("abc")]).await;
    for text in ["%", "_", "a%c", "\\", "'", "a_c"] {
        let query = DeviceQuery { search: Some(text.into()), ..DeviceQuery::default() };
        assert!(bench.store.devices(query, NOW).await.unwrap().items.is_empty(), "{text}");
    }
}

pub(crate) async fn an_empty_store_answers_with_nothing(bench: Bench) {
    assert_eq!(bench.store.principal(&id("a")).await.unwrap(), None);
    assert_eq!(bench.store.token(&token("a").id).await.unwrap(), None);
    assert_eq!(bench.store.certificate(&signet_pki::Serial::from_random([1; 20])).await.unwrap(), None);
    assert_eq!(bench.last_issued_at().await, None);
    assert!(bench.certificates("a").await.is_empty());
    assert!(bench.store.devices(DeviceQuery::default(), NOW).await.unwrap().items.is_empty());
    assert!(bench.audit().await.is_empty());
    bench.store.health().await.unwrap();
}
