//! T32: the published lists, their numbers and their dates.

use signet_api::admin::{CrlInfo, RevokeRequest};
use signet_pki::crl::{CrlView, Reason};
use signet_pki::pem::{self, Label};

use crate::support::{TestService, wire};

/// A list after the one before it.
fn assert_follows(before: &CrlView, after: &CrlView) {
    assert!(after.number > before.number, "{} after {}", after.number, before.number);
    assert!(after.this_update >= before.this_update, "{} after {}", after.this_update, before.this_update);
    assert!(after.next_update > after.this_update);
}

#[tokio::test(flavor = "multi_thread")]
async fn t32_number_and_date_of_the_list_only_grow() {
    let service = TestService::start().await;
    for id in ["a", "b", "c", "d"] {
        service.device(id).await;
    }
    let first = service.crl().await;
    assert!(first.number >= service.clock_ms());
    service.revoke_device("a").await;
    let second = service.crl().await;
    assert_follows(&first, &second);
    service.clock().advance(60);
    service.revoke_device("b").await;
    let third = service.crl().await;
    assert_follows(&second, &third);
    assert!(third.number >= service.clock_ms());
    // Corrected by some minutes, which is within what is tolerated.
    service.clock().advance(-200);
    service.revoke_device("c").await;
    let fourth = service.crl().await;
    assert_follows(&third, &fourth);

    let installation = service.stop().await;
    let service = TestService::builder().start_in(installation).await;
    let fifth = service.crl().await;
    assert_follows(&fourth, &fifth);
    assert_eq!(fifth.entries().unwrap().len(), 3, "a restart forgets nobody");
    service.revoke_device("d").await;
    let sixth = service.crl().await;
    assert_follows(&fifth, &sixth);
    assert_eq!(sixth.entries().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn t32_a_restored_database_does_not_publish_an_older_number() {
    let service = TestService::start().await;
    for i in 0..4 {
        service.device(&format!("sensor-{i}")).await;
    }
    let installation = service.stop().await;
    let saved: Vec<_> = installation.all_files().into_iter().filter(|(p, _)| is_database(p)).collect();
    let service = TestService::builder().start_in(installation).await;
    for i in 0..4 {
        service.revoke_device(&format!("sensor-{i}")).await;
    }
    let newest = service.crl().await;
    let installation = service.stop().await;
    for (path, _) in installation.all_files().into_iter().filter(|(p, _)| is_database(p)) {
        std::fs::remove_file(path).unwrap();
    }
    for (path, bytes) in saved {
        std::fs::write(path, bytes).unwrap();
    }
    // A new host, where no guard shows how far the database was once.
    let config = installation.config();
    std::fs::remove_file(config.path(&config.raw.store.anchor)).unwrap();
    installation.clock.advance(1);
    installation.accept_restore(None).await;
    let service = TestService::builder().start_in(installation).await;
    let restored = service.crl().await;
    assert!(restored.is_empty(), "this is the older database");
    assert_follows(&newest, &restored);
}

fn is_database(path: &std::path::Path) -> bool {
    path.file_name().unwrap().to_string_lossy().starts_with("signet.db")
}

#[tokio::test(flavor = "multi_thread")]
async fn t32_many_revocations_at_once_are_all_on_the_list_that_they_were_told() {
    let service = std::sync::Arc::new(TestService::start().await);
    let mut serials = Vec::new();
    for i in 0..20 {
        serials.push(service.device(&format!("sensor-{i}")).await.serial().to_owned());
    }
    let mut tasks = Vec::new();
    for i in 0..20 {
        let service = service.clone();
        tasks.push(tokio::spawn(async move {
            let admin = service.client(Some(service.installation.administrator()));
            let id = Some(crate::support::device_id(&format!("sensor-{i}")));
            let order = RevokeRequest { device: id, reason: Some(Reason::Superseded), ..RevokeRequest::default() };
            let report: signet_api::admin::RevokeReport =
                admin.post_json("/v1/admin/revocations", &order).await.unwrap();
            let list = service.crl().await;
            assert!(list.number >= report.crl_number.unwrap());
            let on_list = list.entries().unwrap().iter().any(|(s, _, _)| s.to_string() == report.certificates[0]);
            assert!(on_list, "the revocation was confirmed before it was published");
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let mut listed: Vec<String> =
        service.crl().await.entries().unwrap().into_iter().map(|(s, _, _)| s.to_string()).collect();
    listed.sort();
    serials.sort();
    assert_eq!(listed, serials, "each exactly once");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_the_list_says_the_same() {
    let service = TestService::start().await;
    service.device("sensor-1").await;
    service.revoke_device("sensor-1").await;
    let id = service.issuer.short_id();
    let der = service.plain(&format!("/crl/{id}.crl")).await;
    let text = service.plain(&format!("/crl/{id}.pem")).await;
    let all = service.plain("/crl/all.pem").await;
    assert_eq!(der.header("content-type"), Some("application/pkix-crl"));
    assert_eq!(pem::decode_all(Label::Crl, &text.body).unwrap(), [der.body.to_vec()]);
    let root = service.plain("/crl/root.crl").await;
    assert_eq!(pem::decode_all(Label::Crl, &all.body).unwrap(), [der.body.to_vec(), root.body.to_vec()]);
    CrlView::verified(&root.body, &service.root).unwrap();
    assert_eq!(service.send("GET", "/v1/trust/crl.pem", &[], b"").await.body, all.body);
    let info: Vec<CrlInfo> = service.admin.get_json("/v1/admin/crl").await.unwrap();
    assert_eq!((info[0].entries, info[0].bytes), (1, der.body.len() as u64));
    assert_eq!(info[0].sha256, signet_pki::Fingerprint::of(&der.body).to_string());
    assert_eq!(der.header("crl-number").unwrap(), info[0].number.to_string());
    // Where the certificates themselves send a verifier.
    let issuer = service.plain(&format!("/ca/{id}.cer")).await;
    assert_eq!((issuer.status, &issuer.body[..]), (200, service.issuer.der()));
    assert_eq!(service.plain("/ca/root.cer").await.body, service.root.der());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_list_is_not_sent_again() {
    let service = TestService::start().await;
    service.device("sensor-1").await;
    let path = format!("/crl/{}.crl", service.issuer.short_id());
    let first = service.plain(&path).await;
    let etag = first.header("etag").unwrap().to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'));
    assert_eq!(first.header("cache-control"), Some("public, max-age=60"));
    let conditional =
        async |tag: &str| wire::send_plain(service.running.plain, "GET", &path, &[("if-none-match", tag)]).await;
    let unchanged = conditional(&etag).await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(unchanged.header("etag"), Some(etag.as_str()));
    assert_eq!(conditional("\"something-else\"").await.status, 200);
    service.revoke_device("sensor-1").await;
    let changed = conditional(&etag).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(etag.as_str()));
}
