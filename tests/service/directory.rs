//! The publication directory: the plain listener's documents as files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use signet_pki::crl::CrlView;
use signet_pki::{Fingerprint, UnixTime};

use crate::support::{Builder, Installation, TestService};

/// A service that writes to `public/` beside its configuration, which the operator has made.
async fn start(builder: Builder) -> (TestService, PathBuf) {
    let installation = Installation::new().await;
    let directory = installation.path("server/public");
    std::fs::create_dir(&directory).unwrap();
    (builder.toml("directory = \"public\"\n").start_in(installation).await, directory)
}

fn manifest(directory: &Path) -> Option<BTreeMap<String, Value>> {
    let text = std::fs::read(directory.join("manifest.json")).ok()?;
    let whole: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(whole["format"], 1);
    let files = whole["files"].as_array().unwrap().iter();
    Some(files.map(|f| (f["name"].as_str().unwrap().to_owned(), f.clone())).collect())
}

/// The manifest once it names this number for a file.
async fn wait_for(directory: &Path, name: &str, number: u64) -> BTreeMap<String, Value> {
    loop {
        if let Some(found) = manifest(directory)
            && found.get(name).is_some_and(|file| file["number"].as_u64().unwrap() >= number)
        {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_is_a_file_and_the_manifest_names_it() {
    let (service, directory) = start(TestService::builder().toml("crl_shards = 2\n")).await;
    std::fs::write(directory.join("index.html"), "mine").unwrap();
    let device = service.device("sensor-1").await;
    let id = service.issuer.short_id();
    let full = format!("crl/{id}.crl");
    let first = wait_for(&directory, &full, 1).await;
    service.revoke_device("sensor-1").await;
    service.running.service.publisher.rebuild("test").await.unwrap();
    assert!(service.is_on_crl(device.serial()).await);
    let number = service.crl().await.number;
    let files = wait_for(&directory, &full, number).await;
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, first.keys().map(String::as_str).collect::<Vec<_>>());
    let mut expected: Vec<String> =
        ["ca/root.cer", "ca/root.pem", "crl/root.crl", "crl/root.pem", "crl/all.pem"].map(String::from).into();
    for name in [
        "ca/ID.cer",
        "ca/ID.pem",
        "crl/ID.crl",
        "crl/ID.pem",
        "crl/ID/0.crl",
        "crl/ID/0.pem",
        "crl/ID/1.crl",
        "crl/ID/1.pem",
    ] {
        expected.push(name.replace("ID", &id));
    }
    expected.sort();
    assert_eq!(names, expected);
    for (name, about) in &files {
        let bytes = std::fs::read(directory.join(name)).unwrap();
        assert_eq!(service.plain(&format!("/{name}")).await.body, bytes, "{name}");
        assert_eq!(about["sha256"], Fingerprint::of(&bytes).to_string(), "{name}");
        assert_eq!(about["size"], bytes.len() as u64);
    }
    let list = CrlView::verified(&std::fs::read(directory.join(&full)).unwrap(), &service.issuer).unwrap();
    let time = |name: &str| UnixTime::parse_rfc3339(files[&full][name].as_str().unwrap()).unwrap();
    assert_eq!((time("this_update"), time("next_update")), (list.this_update, list.next_update));
    // What is not ours is left alone, and nothing half-made stays.
    assert_eq!(std::fs::read(directory.join("index.html")).unwrap(), b"mine");
    let stray = |dir: &Path| {
        std::fs::read_dir(dir)
            .unwrap()
            .filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tmp"))
            .count()
    };
    assert_eq!(stray(&directory) + stray(&directory.join("crl")), 0);
    let metrics = service.local("/metrics").await;
    assert!(metrics.text().contains("signet_publication_directory_failing 0\n"), "{}", metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_finds_a_whole_list_at_every_moment() {
    let (service, directory) = start(TestService::builder()).await;
    let path = format!("crl/{}.crl", service.issuer.short_id());
    wait_for(&directory, &path, 1).await;
    let mut last = 0;
    for _ in 0..20 {
        let number = service.running.service.publisher.rebuild("test").await.unwrap();
        let bytes = std::fs::read(directory.join(&path)).unwrap();
        let list = CrlView::verified(&bytes, &service.issuer).unwrap();
        assert!((last..=number).contains(&list.number));
        last = list.number;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_fails_stops_nothing_and_is_told() {
    let (service, directory) = start(TestService::builder()).await;
    let path = format!("crl/{}.crl", service.issuer.short_id());
    wait_for(&directory, &path, 1).await;
    // Unlike permissions, this stops root as well.
    std::fs::remove_dir_all(&directory).unwrap();
    std::fs::write(&directory, "no directory").unwrap();
    let device = service.device("sensor-1").await;
    service.revoke_device("sensor-1").await;
    assert!(service.is_on_crl(device.serial()).await);
    loop {
        let ready = service.local("/readyz").await;
        assert_eq!(ready.status, 200, "{}", ready.text());
        if ready.text().contains("publication.directory: ") {
            break;
        }
        tokio::task::yield_now().await;
    }
    let metrics = service.local("/metrics").await;
    assert!(metrics.text().contains("signet_publication_directory_failing 1\n"), "{}", metrics.text());
    std::fs::remove_file(&directory).unwrap();
    std::fs::create_dir(&directory).unwrap();
    // What was written before is gone, and is written again.
    let number = service.running.service.publisher.rebuild("test").await.unwrap();
    wait_for(&directory, &path, number).await;
    assert!(directory.join("ca/root.cer").exists());
    while service.local("/readyz").await.text() != "ready\n" {
        tokio::task::yield_now().await;
    }
}
