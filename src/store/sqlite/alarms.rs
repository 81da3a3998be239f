//! Alarms in SQL.

use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use serde_json::{Value, json};
use signet_api::admin::Page;
use signet_api::alarms::{ALARM_CLOSED, AlarmQuery};
use signet_pki::UnixTime;

use super::super::*;
use super::decode::{count, impossible};
use super::listing::{Of, page, rows};
use super::reads::{Filter, one, page_size};
use super::writer::{Verdict, WriteError, WriteTx};
use super::{ReadError, SqliteStore};
use crate::audit::{Entry, Leaf};

impl AlarmStore for SqliteStore {
    fn close_alarm(&self, order: CloseAlarm) -> Answer<'_, Option<Result<AlarmRecord, AlreadyClosed>>> {
        self.writer.submit(move |tx| close(tx, &order))
    }

    fn alarm_of(&self, id: u64) -> Answer<'_, Option<AlarmRecord>> {
        self.read(|c| find(c, id))
    }

    fn alarms(&self, query: AlarmQuery) -> Answer<'_, Page<AlarmRecord>> {
        self.read_long(move |c| list(c, &query))
    }

    fn alarm_counts(&self) -> Answer<'_, AlarmCounts> {
        self.read(|c| {
            let sql = "SELECT count(*) FILTER (WHERE closed_at IS NULL), coalesce(sum(times), 0) FROM alarm";
            let counts = one(c, sql, [], |row| Ok(AlarmCounts { open: count(row, 0)?, times: count(row, 1)? }))?;
            Ok(counts.unwrap_or_default())
        })
    }
}

impl Verdict for Option<Result<AlarmRecord, AlreadyClosed>> {
    fn keeps_changes(&self) -> bool {
        matches!(self, Some(Ok(_)))
    }
}

/// Opens an alarm for its entry, or counts the entry for the one that is open.
pub(super) fn note(c: &Connection, entry: &Entry, leaf: &Leaf) -> Result<(), WriteError> {
    let whole: Value = serde_json::from_str(&leaf.canonical).map_err(|_| WriteError::Corrupt("an audit entry"))?;
    c.prepare_cached(
        "INSERT INTO alarm (id, kind, subject, first_at, last_at, times, sequence, noted_at, detail)
         VALUES (?1, ?2, ?3, ?4, ?4, 1, ?1, ?4, ?5)
         ON CONFLICT (kind, subject) WHERE closed_at IS NULL
         DO UPDATE SET last_at = ?4, times = times + 1, sequence = ?1, noted_at = ?4, detail = ?5",
    )?
    .execute((leaf.sequence as i64, entry.kind, &entry.subject, entry.at.0, whole["detail"].to_string()))?;
    Ok(())
}

/// Whether the alarm is open and was noted so often and so lately that another entry would tell nothing: then it is counted.
/// Who holds a used token can present it for ever, and shall not fill the log with it.
pub(super) fn is_repetition(c: &Connection, draft: &AuditDraft) -> Result<bool, WriteError> {
    let counted = c
        .prepare_cached(
            "UPDATE alarm SET last_at = ?3, times = times + 1
             WHERE kind = ?1 AND subject = ?2 AND closed_at IS NULL AND times >= ?4 AND noted_at > ?3 - ?5",
        )?
        .execute((draft.kind, &draft.subject, draft.at.0, EACH_NOTED, PAUSE))?;
    Ok(counted > 0)
}

fn close(tx: &mut WriteTx<'_>, order: &CloseAlarm) -> Result<Option<Result<AlarmRecord, AlreadyClosed>>, WriteError> {
    let Some(found) = find(tx.connection, order.id)? else { return Ok(None) };
    if let Some(closed) = found.closed {
        return Ok(Some(Err(AlreadyClosed(closed))));
    }
    let closed = Closed { at: order.draft.at, by: order.draft.actor.name().to_owned(), reason: order.reason.clone() };
    tx.connection
        .prepare_cached("UPDATE alarm SET closed_at = ?2, closed_by = ?3, reason = ?4 WHERE id = ?1")?
        .execute((order.id as i64, closed.at.0, &closed.by, &closed.reason))?;
    tx.connection
        .prepare_cached(
            "UPDATE certificate SET review = 0
             WHERE review = 1 AND principal = (SELECT rowid FROM principal WHERE id = ?1)
               AND NOT EXISTS (SELECT 1 FROM alarm WHERE subject = ?1 AND closed_at IS NULL)",
        )?
        .execute([&found.subject])?;
    let detail = json!({ "alarm": found.id, "kind": found.kind, "times": found.times, "reason": closed.reason });
    tx.audit(&AuditDraft { kind: ALARM_CLOSED, subject: found.subject.clone(), detail, ..order.draft.clone() })?;
    Ok(Some(Ok(AlarmRecord { closed: Some(closed), ..found })))
}

/// Removes what was closed before.
pub(super) fn prune(c: &Connection, before: UnixTime) -> Result<(), WriteError> {
    c.prepare_cached("DELETE FROM alarm WHERE closed_at < ?1")?.execute([before.0])?;
    Ok(())
}

fn find(c: &Connection, id: u64) -> Result<Option<AlarmRecord>, ReadError> {
    let Ok(id) = i64::try_from(id) else { return Ok(None) };
    Ok(c.prepare_cached(&format!("SELECT {ALARM} FROM alarm WHERE id = ?1"))?.query_row([id], record).optional()?)
}

fn list(c: &Connection, query: &AlarmQuery) -> Result<Page<AlarmRecord>, ReadError> {
    let limit = page_size(query.limit);
    let mut filter = Filter::default();
    if !query.all {
        filter.and("closed_at IS NULL AND 1 = ?", 1);
    }
    if let Some(subject) = &query.subject {
        filter.and("subject = ?", subject.clone());
    }
    if let Some(after) = query.after {
        filter.and("id > ?", i64::try_from(after).unwrap_or(i64::MAX));
    }
    let sql = format!("SELECT {ALARM} FROM alarm {} ORDER BY id LIMIT {}", filter.clause(), limit + 1);
    let found = rows(c, Of("alarm", 0), &sql, params_from_iter(filter.values()), record)?;
    Ok(page(found, limit, |alarm| alarm.id.to_string()))
}

fn record(row: &Row<'_>) -> rusqlite::Result<AlarmRecord> {
    let closed = match row.get::<_, Option<i64>>(8)? {
        None => None,
        Some(at) => Some(Closed { at: UnixTime(at), by: row.get(9)?, reason: row.get(10)? }),
    };
    Ok(AlarmRecord {
        id: count(row, 0)?,
        kind: row.get(1)?,
        subject: row.get(2)?,
        first_at: UnixTime(row.get(3)?),
        last_at: UnixTime(row.get(4)?),
        times: count(row, 5)?,
        sequence: count(row, 6)?,
        detail: serde_json::from_str(&row.get::<_, String>(7)?).map_err(|_| impossible(7))?,
        closed,
    })
}

const ALARM: &str = "id, kind, subject, first_at, last_at, times, sequence, detail, closed_at, closed_by, reason";
/// The first ones of an alarm have an audit entry each; after them it is one in a `PAUSE` of seconds.
const EACH_NOTED: i64 = 100;
const PAUSE: i64 = 60;
