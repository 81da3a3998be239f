//! What a renewal leaves behind for ever, in octets: of the database, and of the archive of its audit log.

use std::fs;

use rusqlite::Connection;
use signet::store::Prune;

use crate::support::{Installation, TestService};

const DAY: i64 = 86_400;
const RENEWALS: u64 = 200;

/// The size of the database without what is free in it.
fn octets(installation: &Installation) -> u64 {
    let connection = Connection::open(installation.database()).unwrap();
    let copy = installation.path("copy.db");
    connection.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    let size = fs::metadata(&copy).unwrap().len();
    fs::remove_file(copy).unwrap();
    size
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_leaves_a_stub_and_two_lines_in_an_archive() {
    let installation = Installation::new().await;
    let directory = installation.path("server/archive");
    fs::create_dir(&directory).unwrap();
    installation.append_toml("[audit]\narchive_directory = \"archive\"\nsegment_entries = 100\n");
    let service = TestService::builder().start_in(installation).await;
    let mut device = service.device("greenhouse-sensor-17").await;
    service.as_device(&device).whoami().await.unwrap();
    let empty = octets(&service.installation);
    for _ in 0..RENEWALS {
        device = service.renew(&device).await.unwrap();
        service.as_device(&device).whoami().await.unwrap();
    }
    let full = (octets(&service.installation) - empty) / RENEWALS;
    let running = &service.running.service;
    let later = running.clock.now().plus(100 * DAY);
    let order = Prune {
        certificates_before: later,
        revocations_before: later,
        tokens_before: later,
        alarms_before: later,
        limit: 1000,
    };
    running.store.prune(order).await.unwrap();
    let unarchived = (octets(&service.installation) - empty) / RENEWALS;
    let worked = running.archive.as_ref().unwrap().work(later, "test").await.unwrap();
    let left = octets(&service.installation).saturating_sub(empty) / RENEWALS;
    let files = fs::read_dir(&directory).unwrap().map(|file| file.unwrap());
    let segments = files.filter(|file| file.path().extension().is_some_and(|end| end == "gz"));
    let archived: u64 = segments.map(|file| file.metadata().unwrap().len()).sum();
    let entry = archived / worked.removed;
    println!(
        "a renewal: {full} octets, {unarchived} as a stub, {left} when its two entries are archived at {entry} each"
    );
    assert!(worked.removed >= 2 * RENEWALS);
    // Half as much again as was measured; the README tells the figures.
    assert!(left < 800 && entry < 300, "{left} octets in the database, {entry} for an entry in the archive");
}
