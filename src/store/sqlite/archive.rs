//! What has left the log: anchors of its segments, and the removal of what stands in them.

use rusqlite::{Connection, OptionalExtension, Row};

use super::super::*;
use super::ReadError;
use super::writer::{Verdict, WriteError, WriteTx};
use crate::audit::merkle::Frontier;
use crate::audit::segment::SegmentName;

impl Verdict for Result<(), SegmentConflict> {
    fn keeps_changes(&self) -> bool {
        self.is_ok()
    }
}

/// A segment begins where the one before ended, and ends with the entry that it says.
pub(super) fn record(
    tx: &mut WriteTx<'_>,
    segment: &AuditSegment,
    draft: &AuditDraft,
) -> Result<Result<(), SegmentConflict>, WriteError> {
    let SegmentName { first, last } = segment.name;
    let archived = newest(tx.connection)?.map_or(0, |before| before.name.last);
    if first != archived + 1 || last < first || segment.frontier.size() != last {
        return Ok(Err(SegmentConflict::NotNext));
    }
    let hash: Option<[u8; 32]> = tx
        .connection
        .prepare_cached("SELECT leaf_hash FROM audit WHERE sequence = ?1")?
        .query_row([last as i64], |row| row.get(0))
        .optional()?;
    if hash != Some(segment.last_hash) {
        return Ok(Err(SegmentConflict::OtherEntries));
    }
    tx.connection
        .prepare_cached(
            "INSERT INTO audit_segment (last, first, last_hash, frontier, file_sha256, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            last as i64,
            first as i64,
            segment.last_hash.as_slice(),
            segment.frontier.peaks(),
            segment.file_sha256.as_slice(),
            segment.at.0,
        ))?;
    tx.audit(draft)?;
    Ok(Ok(()))
}

/// From the front, so that what is left always goes on to the entry that the anchor names.
pub(super) fn prune(tx: &mut WriteTx<'_>, through: u64, limit: u32) -> Result<u64, WriteError> {
    let removed = tx
        .connection
        .prepare_cached(
            "DELETE FROM audit WHERE sequence IN
                 (SELECT sequence FROM audit
                  WHERE sequence <= min(?1, coalesce((SELECT max(last) FROM audit_segment), 0))
                  ORDER BY sequence LIMIT ?2)",
        )?
        .execute((i64::try_from(through).unwrap_or(i64::MAX), limit))?;
    Ok(removed as u64)
}

const SEGMENT: &str = "first, last, last_hash, frontier, file_sha256, at";

pub(super) fn newest(c: &Connection) -> Result<Option<AuditSegment>, ReadError> {
    let sql = format!("SELECT {SEGMENT} FROM audit_segment ORDER BY last DESC LIMIT 1");
    Ok(c.prepare_cached(&sql)?.query_row([], segment).optional()?)
}

pub(super) fn after(c: &Connection, sequence: u64, limit: u32) -> Result<Vec<AuditSegment>, ReadError> {
    let sql = format!("SELECT {SEGMENT} FROM audit_segment WHERE last > ?1 ORDER BY last LIMIT ?2");
    let mut statement = c.prepare_cached(&sql)?;
    let rows = statement.query_map((i64::try_from(sequence).unwrap_or(i64::MAX), limit.min(1000)), segment)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn segment(row: &Row<'_>) -> rusqlite::Result<AuditSegment> {
    let number = |at: usize| u64::try_from(row.get::<_, i64>(at)?).map_err(|_| super::decode::impossible(at));
    let last = number(1)?;
    let peaks: Vec<u8> = row.get(3)?;
    Ok(AuditSegment {
        name: SegmentName { first: number(0)?, last },
        last_hash: row.get(2)?,
        frontier: Frontier::restore(last, &peaks).ok_or_else(|| super::decode::impossible(3))?,
        file_sha256: row.get(4)?,
        at: UnixTime(row.get(5)?),
    })
}
