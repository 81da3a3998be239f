//! The contract, run against SQLite, and what only SQLite can do wrong.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use signet::store::sqlite::{SqliteStore, migrate};
use signet::store::{Store, StoreError};

use crate::bench::{Backend, Bench, Failure, is_unavailable};
use crate::factory::draft;

crate::holds_for!(crate::sqlite::make);

struct Sqlite {
    directory: tempfile::TempDir,
}

pub(crate) fn make() -> Bench {
    make_at().0
}

fn make_at() -> (Bench, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let sqlite = Sqlite { directory };
    let path = sqlite.path();
    migrate(&path).unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).unwrap());
    (Bench { store, backend: Box::new(sqlite) }, path)
}

impl Sqlite {
    fn path(&self) -> PathBuf {
        self.directory.path().join("signet.db")
    }

    fn connection(&self) -> Connection {
        let connection = Connection::open_with_flags(self.path(), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection
    }
}

impl Backend for Sqlite {
    fn dump(&self) -> String {
        let connection = self.connection();
        let mut tables =
            connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
        let names: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let mut text = String::new();
        for name in names {
            let mut rows = connection.prepare(&format!("SELECT * FROM {name} ORDER BY rowid")).unwrap();
            let width = rows.column_count();
            let mut rows = rows.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let values: Vec<Value> = (0..width).map(|at| row.get(at).unwrap()).collect();
                text += &format!("{name}: {values:?}\n");
            }
        }
        text
    }

    fn spoil(&self, sql: &str) {
        self.connection().execute_batch(sql).unwrap();
    }

    fn sabotage(&self, subject: &str, failure: Failure) {
        let how = match failure {
            Failure::OfTheStatement => "ABORT",
            Failure::OfTheTransaction => "ROLLBACK",
        };
        self.spoil(&format!(
            "CREATE TRIGGER sabotage BEFORE INSERT ON audit WHEN NEW.subject = '{subject}'
             BEGIN SELECT RAISE({how}, 'sabotage'); END"
        ));
    }
}

#[tokio::test]
async fn a_full_queue_is_busy_and_forgets_what_it_refused() {
    let (bench, path) = make_at();
    let outside = Connection::open(path).unwrap();
    outside.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The writer waits for the lock; one group of at most 256 is in its hands, the rest stands in the queue.
    let waiting: Vec<_> = (0..2000).map(|n| bench.store.alarm(None, draft("alarm.test", &format!("{n}")))).collect();
    outside.execute_batch("ROLLBACK").unwrap();
    let (mut done, mut busy) = (0, 0);
    for answer in waiting {
        match answer.await {
            Ok(()) => done += 1,
            Err(StoreError::Busy) => busy += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(busy > 0 && done > 0, "{busy} busy, {done} done");
    assert_eq!(bench.audit().await.len(), done);
}

#[tokio::test]
async fn a_database_locked_from_outside_is_unavailable_and_recovers() {
    let (bench, path) = make_at();
    let outside = Connection::open(path).unwrap();
    outside.execute_batch("BEGIN IMMEDIATE").unwrap();
    let outcome = bench.store.alarm(None, draft("alarm.test", "lost")).await;
    assert!(is_unavailable(&outcome), "{outcome:?}");
    // Reads do not wait for writers.
    assert!(bench.audit().await.is_empty());
    outside.execute_batch("ROLLBACK").unwrap();
    bench.store.alarm(None, draft("alarm.test", "kept")).await.unwrap();
    let log = bench.audit().await;
    assert_eq!((log.len(), log[0].subject.as_str()), (1, "kept"));
}
