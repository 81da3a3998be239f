//! T32, T34, T35: lists of shards. Each certificate names one, which carries its revocation and no more than its part.

use std::collections::BTreeMap;

use signet::clock::Clock;
use signet_pki::crl::CrlView;
use signet_pki::pem::{self, Label};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::malleability::{openssl, webpki};
use crate::support::{Device, TestService};

const SHARDS: &str = "crl_shards = 4";

/// The path of the list that a certificate names; the full one's or a shard's.
fn named(device: &Device) -> String {
    let urls = device.view().crl_urls;
    let [url] = &urls[..] else { panic!("{urls:?}") };
    url.strip_prefix("http://localhost:8080").unwrap().to_owned()
}

fn shard(device: &Device) -> u16 {
    let path = named(device);
    path.rsplit_once('/').unwrap().1.strip_suffix(".crl").unwrap().parse().unwrap()
}

/// A list as another parser reads it: number, thisUpdate, serials.
#[derive(Debug, PartialEq)]
struct Read {
    number: u64,
    this_update: i64,
    serials: Vec<String>,
}

async fn fetch(service: &TestService, path: &str) -> Vec<u8> {
    let reply = service.plain(path).await;
    assert_eq!(reply.status, 200, "{path}");
    reply.body.to_vec()
}

async fn read(service: &TestService, path: &str) -> Read {
    let der = fetch(service, path).await;
    let (_, list) = CertificateRevocationList::from_der(&der).unwrap();
    let number = list.crl_number().unwrap().to_u64_digits()[0];
    let serial = |raw: &[u8]| raw.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let serials = list.iter_revoked_certificates().map(|entry| serial(entry.raw_serial())).collect();
    Read { number, this_update: list.last_update().timestamp(), serials }
}

async fn all_lists(service: &TestService, shards: u16) -> Vec<Read> {
    let id = service.issuer.short_id();
    let mut all = Vec::new();
    for shard in 0..shards {
        all.push(read(service, &format!("/crl/{id}/{shard}.crl")).await);
    }
    all
}

/// The full list follows by itself.
async fn wait_for_full(service: &TestService, serials: &[&str]) {
    let listed =
        async || service.crl().await.entries().unwrap().iter().map(|(s, ..)| s.to_string()).collect::<Vec<_>>();
    loop {
        let listed = listed().await;
        if serials.iter().all(|serial| listed.contains(&(*serial).to_owned())) {
            assert_eq!(listed.len(), serials.len(), "each once");
            return;
        }
        service.running.service.authorizer.list_wanted();
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t35_a_revoked_leaf_is_refused_by_the_list_of_its_shard_and_by_no_other() {
    let service = TestService::builder().toml(SHARDS).start().await;
    let directory = tempfile::tempdir().unwrap();
    let (device, mut other) = (service.device("sensor-1").await, service.device("sensor-2").await);
    for number in 3.. {
        if shard(&other) != shard(&device) {
            break;
        }
        other = service.device(&format!("sensor-{number}")).await;
    }
    let (der, root) = (device.der(), fetch(&service, "/crl/root.crl").await);
    let id = service.issuer.short_id();
    assert_eq!(named(&device), format!("/crl/{id}/{}.crl", shard(&device)));
    let before = [fetch(&service, &named(&device)).await, root.clone()];
    assert_eq!(webpki(&service, &der, &before), Ok(()));
    let (good, text) = openssl(directory.path(), &service, &der, &before);
    assert!(good, "{text}");

    let report = service.revoke_device("sensor-1").await;
    // The answer has waited for this list.
    let own = read(&service, &named(&device)).await;
    assert_eq!((own.number, own.serials), (report.crl_number.unwrap(), vec![device.serial().to_owned()]));
    assert!(read(&service, &named(&other)).await.serials.is_empty());
    let after = [fetch(&service, &named(&device)).await, root.clone()];
    assert_eq!(webpki(&service, &der, &after), Err(webpki::Error::CertRevoked));
    let (good, text) = openssl(directory.path(), &service, &der, &after);
    assert!(!good && text.contains("certificate revoked"), "{text}");
    let foreign = [fetch(&service, &named(&other)).await, root];
    assert_eq!(webpki(&service, &der, &foreign), Err(webpki::Error::UnknownRevocationStatus));
    let (good, text) = openssl(directory.path(), &service, &der, &foreign);
    assert!(!good && !text.contains("certificate revoked") && text.contains("CRL"), "{text}");
    assert_eq!(webpki(&service, &other.der(), &foreign), Ok(()));

    wait_for_full(&service, &[device.serial()]).await;
    let all = pem::decode_all(Label::Crl, &service.plain("/crl/all.pem").await.body).unwrap();
    assert_eq!(webpki(&service, &der, &all), Err(webpki::Error::CertRevoked));
    assert_eq!(webpki(&service, &other.der(), &all), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_a_shard_says_whose_it_is_in_every_form() {
    let service = TestService::builder().toml(SHARDS).start().await;
    let device = service.device("sensor-1").await;
    let path = named(&device);
    let reply = service.plain(&path).await;
    assert_eq!(reply.header("content-type"), Some("application/pkix-crl"));
    let (_, list) = CertificateRevocationList::from_der(&reply.body).unwrap();
    let critical: Vec<_> = list.extensions().iter().filter(|e| e.critical).collect();
    let [point] = critical[..] else { panic!("{critical:?}") };
    let ParsedExtension::IssuingDistributionPoint(point) = point.parsed_extension() else { panic!("{point:?}") };
    let text = format!("{:?}", point.distribution_point);
    assert!(text.contains(&device.view().crl_urls[0]) && text.matches("URI").count() == 1, "{text}");
    assert!(CrlView::verified(&reply.body, &service.issuer).is_err(), "nobody takes it for the full list");
    let pem = service.plain(&path.replace(".crl", ".pem")).await;
    assert_eq!(pem::decode_all(Label::Crl, &pem.body).unwrap(), [reply.body.to_vec()]);
    let etag = reply.header("etag").unwrap().to_owned();
    let again =
        crate::support::wire::send_plain(service.running.plain, "GET", &path, &[("if-none-match", &etag)]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    service.revoke_device("sensor-1").await;
    assert_ne!(service.plain(&path).await.header("etag"), Some(etag.as_str()));
    let id = service.issuer.short_id();
    for wrong in
        ["4.crl", "04.crl", "00.crl", "+1.crl", "-1.crl", "65536.crl", "1.der", "1", ".crl", "1.crl.pem", "root.crl"]
    {
        assert_eq!(service.plain(&format!("/crl/{id}/{wrong}")).await.status, 404, "{wrong}");
    }
    assert_eq!(service.plain("/crl/0011223344556677/0.crl").await.status, 404);
    let metrics = service.local("/metrics").await;
    assert!(metrics.text().contains("signet_crl_shards 4\n"), "{}", metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn t32_numbers_and_dates_of_every_shard_s_list_only_grow() {
    let service = TestService::builder().toml(SHARDS).start().await;
    let mut devices = BTreeMap::new();
    for number in 0..6 {
        let id = format!("sensor-{number}");
        devices.insert(id.clone(), service.device(&id).await);
    }
    let mut before = all_lists(&service, 4).await;
    let mut full = service.crl().await.number;
    let mut service = service;
    for (round, (id, device)) in devices.iter().enumerate() {
        match round {
            2 => service.clock().advance(60),
            3 => service.clock().advance(-200),
            4 => service = TestService::builder().start_in(service.stop().await).await,
            _ => {}
        }
        service.revoke_device(id).await;
        let after = all_lists(&service, 4).await;
        for (shard, (old, new)) in before.iter().zip(&after).enumerate() {
            assert!(new.this_update >= old.this_update);
            assert!(new.number > old.number || new == old, "{shard}: {new:?} after {old:?}");
            assert!(old.serials.iter().all(|serial| new.serials.contains(serial)), "a restart forgets nobody");
        }
        assert!(after[usize::from(shard(device))].serials.contains(&device.serial().to_owned()));
        let number = service.crl().await.number;
        assert!(number >= full);
        (before, full) = (after, number);
    }
    let on_shards: usize = before.iter().map(|list| list.serials.len()).sum();
    assert_eq!(on_shards, devices.len(), "each on one shard, and once");
    let serials: Vec<&str> = devices.values().map(Device::serial).collect();
    wait_for_full(&service, &serials).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_number_moves_no_certificate() {
    let service = TestService::start().await;
    let unsharded = service.device("before").await;
    assert_eq!(named(&unsharded), format!("/crl/{}.crl", service.issuer.short_id()));
    let service = TestService::builder().toml(SHARDS).start_in(service.stop().await).await;
    let small = service.device("small").await;
    let installation = service.stop().await;
    installation.replace_toml(SHARDS, "crl_shards = 16");
    let service = TestService::builder().start_in(installation).await;
    let large = service.device("large").await;
    assert!(shard(&small) < 4 && shard(&large) < 16);
    let installation = service.stop().await;
    installation.replace_toml("crl_shards = 16", "crl_shards = 0");
    let service = TestService::builder().start_in(installation).await;
    let none = service.device("none").await;
    assert_eq!(named(&none), named(&unsharded));
    all_lists(&service, 16).await;
    for (id, device) in [("before", &unsharded), ("small", &small), ("large", &large), ("none", &none)] {
        service.revoke_device(id).await;
        // Wherever it looks, it is there when the revocation is answered.
        let list = read(&service, &named(device)).await;
        assert!(list.serials.contains(&device.serial().to_owned()), "{id}");
    }
    wait_for_full(&service, &[unsharded.serial(), small.serial(), large.serial(), none.serial()]).await;
    let noted = service.audit_of("crl.sharded").await;
    assert_eq!(noted.iter().map(|e| e.detail["lists"].as_u64().unwrap()).collect::<Vec<_>>(), [4, 16, 16]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t34_lists_of_shards_are_renewed_a_few_at_a_time() {
    let service = TestService::builder().toml("crl_shards = 128").start().await;
    let publisher = &service.running.service.publisher;
    let numbers = || publisher.all_shards().map(|(_, list)| list.number).collect::<Vec<_>>();
    let (first, mut before, mut most) = (numbers(), numbers(), 0);
    assert_eq!(first.len(), 128);
    for minute in 0..60 {
        service.clock().advance(60);
        publisher.keep_up("test").await.unwrap();
        let after = numbers();
        let renewed = before.iter().zip(&after).filter(|(old, new)| old != new).count();
        assert!(renewed <= 3, "{renewed} lists in minute {minute}");
        (before, most) = (after, most.max(renewed));
    }
    assert!(most > 0 && first.iter().zip(&before).all(|(old, new)| old < new), "every list once in an hour");
    let now = service.clock().now();
    assert!(publisher.all_shards().all(|(_, list)| now.since(list.this_update) <= 3600));
}

#[tokio::test(flavor = "multi_thread")]
async fn t35_expired_certificates_leave_the_list_of_their_shard_as_well() {
    let service = TestService::builder().toml(SHARDS).start().await;
    let (gone, kept) = (service.device("sensor-1").await, service.device("sensor-2").await);
    service.revoke_device("sensor-1").await;
    let running = &service.running.service;
    service.clock().advance(27 * 3600);
    signet::housekeeping::apply_retention(running, running.clock.now()).await.unwrap();
    running.publisher.keep_up("test").await.unwrap();
    assert!(read(&service, &named(&gone)).await.serials.is_empty());
    assert!(!read(&service, &named(&kept)).await.serials.contains(&gone.serial().to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn t35_many_revocations_at_once_are_all_on_the_lists_that_they_were_told() {
    let service = std::sync::Arc::new(TestService::builder().toml(SHARDS).start().await);
    let mut devices = Vec::new();
    for number in 0..16 {
        devices.push(service.device(&format!("sensor-{number}")).await);
    }
    let tasks = devices.into_iter().enumerate().map(|(number, device)| {
        let service = service.clone();
        tokio::spawn(async move {
            let report = service.revoke_device(&format!("sensor-{number}")).await;
            let list = read(&service, &named(&device)).await;
            assert!(list.number <= report.crl_number.unwrap() && list.serials.contains(&device.serial().to_owned()));
            device.serial().to_owned()
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut serials = Vec::new();
    for task in tasks {
        serials.push(task.await.unwrap());
    }
    wait_for_full(&service, &serials.iter().map(String::as_str).collect::<Vec<_>>()).await;
}
