//! Which files are opened, and which are refused without being touched.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use signet::store::sqlite::{OpenError, SqliteStore, migrate};
use signet::store::{ContinuityStore, Store};

use crate::factory::draft;

fn migrated() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signet.db");
    migrate(&path).unwrap();
    (directory, path)
}

/// Opening and migrating are both refused, and neither leaves a trace in the file.
fn refused_untouched(path: &Path, expected: impl Fn(&OpenError) -> bool) {
    let before = fs::read(path).unwrap();
    let open = SqliteStore::open(path).err().expect("it must not open");
    assert!(expected(&open), "{open}");
    let migration = migrate(path).expect_err("it must not migrate");
    assert!(expected(&migration), "{migration}");
    for error in [open, migration] {
        assert!(!error.hint().is_empty());
    }
    assert!(fs::read(path).unwrap() == before, "the file was changed");
}

#[tokio::test]
async fn t33_a_second_opener_is_refused_until_the_first_has_closed() {
    let (_directory, path) = migrated();
    let first = SqliteStore::open(&path).unwrap();
    assert!(matches!(SqliteStore::open(&path), Err(OpenError::InUse(_))));
    assert!(matches!(migrate(&path), Err(OpenError::InUse(_))));
    first.alarm(None, draft("alarm.test", "a")).await.unwrap();
    first.close().await.unwrap();
    SqliteStore::open(&path).unwrap().health().await.unwrap();
}

#[tokio::test]
async fn a_store_that_says_closed_has_let_go() {
    let (_directory, path) = migrated();
    for round in 0..50 {
        let store = SqliteStore::open(&path).unwrap_or_else(|error| panic!("round {round}: {error}"));
        store.alarm(None, draft("alarm.test", "a")).await.unwrap();
        store.close().await.unwrap();
        let read = store.last_issued_at().await;
        assert!(read.is_err(), "round {round}: a read after the close: {read:?}");
    }
}

#[test]
fn opening_creates_no_database() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signet.db");
    assert!(matches!(SqliteStore::open(&path), Err(OpenError::Missing(_))));
    assert!(!path.exists());
}

#[test]
fn migrating_twice_changes_nothing() {
    let (_directory, path) = migrated();
    let before = fs::read(&path).unwrap();
    let report = migrate(&path).unwrap();
    assert_eq!(report.from, report.to);
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn another_programs_database_is_refused_untouched() {
    let directory = tempfile::tempdir().unwrap();
    for (name, sql) in [
        ("tables", "CREATE TABLE songs (title TEXT); INSERT INTO songs VALUES ('x');"),
        ("their-id", "PRAGMA application_id = 77; CREATE TABLE songs (title TEXT);"),
        ("their-version", "PRAGMA user_version = 1;"),
        ("wal", "PRAGMA journal_mode = WAL; CREATE TABLE songs (title TEXT);"),
    ] {
        let path = directory.path().join(name);
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(sql).unwrap();
        connection.close().unwrap();
        refused_untouched(&path, |error| matches!(error, OpenError::NotOurs(_)));
    }
}

#[test]
fn a_file_that_is_no_database_is_refused_untouched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    fs::write(&path, "these are notes and no database at all, long enough to have a header\n".repeat(20)).unwrap();
    refused_untouched(&path, |error| matches!(error, OpenError::NotOurs(_)));
}

/// T31: databases of before had a rollback guard as well, and their backups are put back on new hosts.
#[tokio::test]
async fn a_database_with_a_history_remembers_its_rollback_guard_after_the_migration() {
    let migration = include_str!("../../src/store/migrations/0017_rollback_guard.sql");
    for history in [false, true] {
        let (_directory, path) = migrated();
        let store = SqliteStore::open(&path).unwrap();
        if history {
            store.alarm(None, draft("alarm.test", "a")).await.unwrap();
        }
        assert!(!store.is_guarded().await.unwrap());
        store.close().await.unwrap();
        Connection::open(&path).unwrap().execute_batch(migration).unwrap();
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.is_guarded().await.unwrap(), history);
        store.note_guard().await.unwrap();
        assert!(store.is_guarded().await.unwrap());
        store.close().await.unwrap();
    }
}

#[test]
fn a_newer_schema_is_refused_untouched() {
    let (_directory, path) = migrated();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA user_version = 9999; PRAGMA journal_mode = DELETE;").unwrap();
    connection.close().unwrap();
    refused_untouched(&path, |error| matches!(error, OpenError::Newer { found: 9999, .. }));
}

#[test]
fn a_changed_migration_is_refused_untouched() {
    let (_directory, path) = migrated();
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch("UPDATE migration SET checksum = x'00' WHERE number = 1; PRAGMA journal_mode = DELETE;")
        .unwrap();
    connection.close().unwrap();
    refused_untouched(&path, |error| matches!(error, OpenError::Changed(1)));
}

#[test]
fn a_missing_checksum_is_refused_untouched() {
    let (_directory, path) = migrated();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("DELETE FROM migration; PRAGMA journal_mode = DELETE;").unwrap();
    connection.close().unwrap();
    refused_untouched(&path, |error| matches!(error, OpenError::Changed(1)));
}
