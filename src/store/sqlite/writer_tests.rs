use std::sync::mpsc::channel;

use signet_pki::UnixTime;

use super::super::super::{Mode, Revoked};
use super::super::{connect, migrate};
use super::*;

struct Bench {
    writer: Writer,
    path: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signet.db");
        migrate::migrate(&path).unwrap();
        let connection = connect(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        let before = super::super::continuity::identity(&path).ok();
        let continuity = Continuity::of(&path, before, &connection).unwrap();
        let writer = Writer::start(connection, migrate::lock(&path).unwrap(), continuity).unwrap();
        Bench { writer, path, _directory: directory }
    }

    /// The thread waits inside a transaction of one request until the sender is dropped: what is queued meanwhile is one group.
    fn held(&self) -> (std::sync::mpsc::Sender<()>, Answer<'static, ()>) {
        let ((sender, receiver), (entered, begun)) = (channel(), channel());
        let answer = self.writer.submit(move |_| {
            let _ = entered.send(());
            let _ = receiver.recv();
            Ok(())
        });
        begun.recv().unwrap();
        (sender, answer)
    }

    fn add(&self, name: &'static str) -> Answer<'static, ()> {
        self.writer.submit(move |tx| put(tx, name))
    }

    /// What is durable: the names, and the sequences of the log.
    fn rows(&self) -> (Vec<String>, Vec<i64>) {
        let connection = Connection::open(&self.path).unwrap();
        let mut names = connection.prepare("SELECT name FROM state ORDER BY rowid").unwrap();
        let names = names.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        let mut log = connection.prepare("SELECT sequence FROM audit ORDER BY sequence").unwrap();
        (names, log.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap())
    }
}

fn put(tx: &mut WriteTx<'_>, name: &str) -> Result<(), WriteError> {
    tx.connection.execute("INSERT INTO state (name, value) VALUES (?1, 1)", [name])?;
    let draft = AuditDraft {
        kind: "test.put",
        actor: "test".into(),
        subject: name.into(),
        request_id: "r".into(),
        detail: serde_json::Value::Null,
        at: UnixTime(1),
    };
    tx.audit(&draft)
}

#[tokio::test]
async fn a_request_taken_back_after_its_changes_spoils_no_neighbour() {
    let bench = Bench::new();
    let (hold, held) = bench.held();
    let before = bench.add("before");
    let dry: Answer<'_, Revoked> = bench.writer.submit(|tx| {
        put(tx, "dry")?;
        Ok(Revoked { mode: Mode::DryRun, known: true, ..Revoked::default() })
    });
    let between = bench.add("between");
    let lost: Answer<'_, ()> = bench.writer.submit(|tx| {
        put(tx, "lost")?;
        panic!("a fault of ours")
    });
    let failed: Answer<'_, ()> = bench.writer.submit(|tx| {
        put(tx, "failed")?;
        put(tx, "before")
    });
    let after = bench.add("after");
    drop(hold);
    held.await.unwrap();
    for good in [before, between, after] {
        good.await.unwrap();
    }
    assert!(dry.await.unwrap().known);
    assert!(matches!(lost.await, Err(StoreError::Unavailable(_))));
    assert!(matches!(failed.await, Err(StoreError::Unavailable(_))));
    let names = ["before", "between", "after"].map(str::to_owned).to_vec();
    assert_eq!(bench.rows(), (names, vec![1, 2, 3]));
    // The one that held the thread, and the group.
    assert_eq!(bench.writer.counters().commits, 2);
}

#[tokio::test]
async fn a_request_alone_is_taken_back_without_a_savepoint() {
    let bench = Bench::new();
    let dry: Answer<'_, Revoked> = bench.writer.submit(|tx| {
        put(tx, "dry")?;
        Ok(Revoked { mode: Mode::DryRun, ..Revoked::default() })
    });
    dry.await.unwrap();
    bench.add("after").await.unwrap();
    assert_eq!(bench.rows(), (vec!["after".into()], vec![1]));
}

/// SQLite rolls back by itself on some errors; the next statement would then be a transaction of its own.
#[tokio::test]
async fn a_transaction_that_ended_by_itself_is_nobody_s_success() {
    let bench = Bench::new();
    let (hold, held) = bench.held();
    let before = bench.add("before");
    let ended: Answer<'_, ()> = bench.writer.submit(|tx| {
        tx.connection.execute_batch("ROLLBACK")?;
        Err(WriteError::Corrupt("the disk is full"))
    });
    let after = bench.add("after");
    drop(hold);
    held.await.unwrap();
    for answer in [before, ended, after] {
        assert!(matches!(answer.await, Err(StoreError::Unavailable(_))));
    }
    bench.add("later").await.unwrap();
    assert_eq!(bench.rows(), (vec!["later".into()], vec![1]));
}
