//! The independent checker, pointed at a test's files, and tried on databases that are wrong.

use std::path::Path;

use rusqlite::Connection;

use crate::checker;
use crate::support::{Installation, TestKey, TestService};

/// Fails with every violation that the checker finds.
pub(crate) fn assert_clean(installation: &Installation) {
    let found = violations(installation, &installation.database());
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

pub(crate) fn violations(installation: &Installation, database: &Path) -> Vec<String> {
    let archive = Some(installation.path("server/archive")).filter(|directory| directory.exists());
    checker::violations(database, archive.as_deref(), &[installation.issuer().der().to_vec()]).unwrap()
}

/// The certificates of a device, by token or by whatever else, oldest first.
pub(crate) fn certificates_of(database: &Path, device: &str) -> Vec<Vec<u8>> {
    let connection = checker::open(database).unwrap();
    let mut statement = connection
        .prepare("SELECT c.der FROM certificate c JOIN principal p ON p.rowid = c.principal WHERE p.id = ?1 ORDER BY c.rowid")
        .unwrap();
    statement.query_map([device], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

pub(crate) fn holds(database: &Path, der: &[u8]) -> bool {
    let connection = checker::open(database).unwrap();
    let count: u32 =
        connection.query_row("SELECT count(*) FROM certificate WHERE der = ?1", [der], |r| r.get(0)).unwrap();
    count == 1
}

/// Renewal, revocation, a used token and an open one: every table has rows.
async fn lived_in() -> Installation {
    let service = TestService::builder().toml("crl_shards = 2").start().await;
    let device = service.device("sensor-1").await;
    let next = service.renew(&device).await.unwrap();
    service.as_device(&next).whoami().await.unwrap();
    service.device("sensor-2").await;
    service.device_with(&service.token("sensor-3").await, TestKey::p384()).await;
    service.token("sensor-4").await;
    service.revoke_device("sensor-2").await;
    service.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_life_leaves_nothing_to_complain_about() {
    assert_clean(&lived_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checker_notices_what_it_is_there_for() {
    let installation = lived_in().await;
    let original = installation.path("original.db");
    std::fs::copy(installation.database(), &original).unwrap();
    let one = "rowid = (SELECT min(c.rowid) FROM certificate c JOIN principal p ON p.rowid = c.principal WHERE p.id = 'sensor-1')";
    let two = "principal = (SELECT rowid FROM principal WHERE id = 'sensor-2')";
    let damages = [
        ("not signed by a known issuer", format!("UPDATE certificate SET der = CAST(substr(der, 1, length(der) - 4) || x'00000000' AS BLOB) WHERE {one}")),
        ("not a certificate", format!("UPDATE certificate SET der = x'3000' WHERE {one}")),
        ("another serial number inside", format!("UPDATE certificate SET serial = x'4142' WHERE {one}")),
        ("another public key inside", format!("UPDATE certificate SET spki = zeroblob(32) WHERE {one}")),
        ("other times inside", format!("UPDATE certificate SET not_after = not_after + 1 WHERE {one}")),
        ("another authority key identifier", format!("UPDATE certificate SET issuer = x'00' WHERE {one}")),
        ("active certificates", format!("UPDATE certificate SET status = 'active' WHERE {one}")),
        ("generation 1 after 2", "UPDATE certificate SET generation = 3 - generation WHERE principal = (SELECT rowid FROM principal WHERE id = 'sensor-1')".into()),
        ("subject", "UPDATE principal SET id = 'sensor-9' WHERE id = 'sensor-1'".into()),
        ("DNS names", "UPDATE principal SET dns_names = '[\"a.example\"]' WHERE id = 'sensor-1'".into()),
        ("identity", "UPDATE principal SET kind = 'service' WHERE id = 'sensor-1'".into()),
        ("and a date", format!("UPDATE certificate SET status = 'active' WHERE {two}")),
        ("with date and reason false", format!("UPDATE certificate SET reason = NULL WHERE {two}")),
        ("revoked and not on the list", "DELETE FROM revocation".into()),
        ("2 times on the list", "INSERT INTO revocation (issuer, not_after, entry) SELECT issuer, not_after, entry FROM revocation".into()),
        ("and on the list of", "UPDATE revocation SET shard = 1 - shard".into()),
        ("of shard", format!("UPDATE certificate SET shard = NULL WHERE {one}")),
        ("and names", format!("UPDATE certificate SET shard = 1 - shard WHERE {one}")),
        ("its token does not know it", "DELETE FROM token WHERE device = 'sensor-3'".into()),
        ("but half redeemed", "UPDATE token SET status = 'active' WHERE device = 'sensor-3'".into()),
        ("two tokens were used", "UPDATE token SET redeemed_serial = (SELECT redeemed_serial FROM token WHERE device = 'sensor-1'), redeemed_at = 1, status = 'redeemed' WHERE device = 'sensor-4'".into()),
        ("with an open token", "UPDATE token SET device = 'sensor-2' WHERE device = 'sensor-4'".into()),
        ("stands where", "DELETE FROM audit WHERE sequence = 3".into()),
        ("it does not follow", "UPDATE audit SET leaf_hash = zeroblob(32) WHERE sequence = 3".into()),
        ("another subject inside", "UPDATE audit SET subject = 'x' WHERE sequence = 3".into()),
        ("0 issuance entries", "UPDATE audit SET kind = 'certificate.imagined' WHERE kind = 'certificate.enrolled'".into()),
        ("the hash is not", "UPDATE audit SET canonical = canonical || ' ' WHERE sequence = 2".into()),
        ("the counter is at", "UPDATE crl SET number = 1".into()),
        ("mentioned, but not stored", format!("DELETE FROM certificate WHERE {two}")),
    ];
    for (expected, sql) in damages {
        let damaged = installation.path("damaged.db");
        std::fs::copy(&original, &damaged).unwrap();
        let connection = Connection::open(&damaged).unwrap();
        assert!(connection.execute(&sql, []).unwrap() > 0, "{sql}");
        connection.close().unwrap();
        let found = violations(&installation, &damaged);
        assert!(found.iter().any(|sentence| sentence.contains(expected)), "{sql}: {expected:?} is not in {found:#?}");
    }
}
