//! The lists of shards in SQL: how many there have to be, and what stands on them.

use rusqlite::{Connection, OptionalExtension};
use signet_pki::crl::Entries;

use super::super::*;
use super::ReadError;
use super::restoring::LONGEST_LIFE;
use super::writer::{Verdict, WriteError, WriteTx};

impl Verdict for Sharding {
    fn keeps_changes(&self) -> bool {
        true
    }
}

/// Notes that certificates are from now on issued under `configured` shards. Lists of an earlier number go on until the
/// longest life that a certificate can have is over.
pub(super) fn shard(
    tx: &mut WriteTx<'_>,
    issuer: &[u8],
    configured: u16,
    draft: &AuditDraft,
) -> Result<Sharding, WriteError> {
    let run = |sql: &str, at: i64| tx.connection.prepare_cached(sql)?.execute((issuer, configured, at));
    let mut changed = 0;
    if configured > 0 {
        changed += tx
            .connection
            .prepare_cached(
                "INSERT INTO crl_shards (issuer, shards) VALUES (?1, ?2)
                 ON CONFLICT (issuer, shards) DO UPDATE SET ended_at = NULL WHERE ended_at IS NOT NULL",
            )?
            .execute((issuer, configured))?;
    }
    let end = "UPDATE crl_shards SET ended_at = ?3 WHERE issuer = ?1 AND shards <> ?2 AND ended_at IS NULL";
    changed += run(end, draft.at.0)?;
    let over = "DELETE FROM crl_shards WHERE issuer = ?1 AND shards <> ?2 AND ended_at < ?3";
    changed += run(over, draft.at.minus(LONGEST_LIFE).0)?;
    let lists: u16 = tx
        .connection
        .prepare_cached("SELECT coalesce(max(shards), 0) FROM crl_shards WHERE issuer = ?1")?
        .query_row([issuer], |row| row.get(0))?;
    if changed > 0 {
        let mut draft = draft.clone();
        draft.detail["shards"] = configured.into();
        draft.detail["lists"] = lists.into();
        tx.audit(&draft)?;
    }
    Ok(Sharding { lists })
}

/// The number of shards that certificates are issued under at present.
pub(super) fn configured(connection: &Connection, issuer: &[u8]) -> Result<u16, WriteError> {
    let found = connection
        .prepare_cached("SELECT shards FROM crl_shards WHERE issuer = ?1 AND ended_at IS NULL")?
        .query_row([issuer], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

pub(super) fn revocations_after(c: &Connection, issuer: &[u8], sequence: u64) -> Result<ShardedDelta, ReadError> {
    let mut statement = c.prepare_cached(
        "SELECT sequence, shard, entry, replaces FROM revocation WHERE sequence > ?1 AND issuer = ?2 ORDER BY sequence",
    )?;
    let mut rows = statement.query((sequence as i64, issuer))?;
    let mut delta = ShardedDelta { sequence, ..ShardedDelta::default() };
    while let Some(row) = rows.next()? {
        delta.sequence = row.get::<_, i64>(0)? as u64;
        match row.get::<_, Option<u16>>(1)? {
            Some(shard) if row.get(3)? => {
                delta.replaced.insert(shard);
                append(delta.shards.entry(shard).or_default(), row, 2)?;
            }
            Some(shard) => append(delta.shards.entry(shard).or_default(), row, 2)?,
            None => delta.unsharded += 1,
        }
    }
    Ok(delta)
}

pub(super) fn revocations_of(c: &Connection, issuer: &[u8], shard: u16, through: u64) -> Result<Entries, ReadError> {
    let mut statement = c.prepare_cached(
        "SELECT entry FROM revocation WHERE issuer = ?1 AND shard = ?2 AND sequence <= ?3 ORDER BY sequence",
    )?;
    let mut rows = statement.query((issuer, shard, through as i64))?;
    let mut entries = Entries::new();
    while let Some(row) = rows.next()? {
        append(&mut entries, row, 0)?;
    }
    Ok(entries)
}

/// The one place where an entry that was kept is read.
pub(super) fn append(entries: &mut Entries, row: &rusqlite::Row<'_>, column: usize) -> Result<(), ReadError> {
    let corrupt = || ReadError::Corrupt("an entry of a revocation list");
    let bytes = row.get_ref(column)?.as_blob().map_err(|_| corrupt())?;
    match entries.append(bytes) {
        Ok(1) => Ok(()),
        Ok(_) | Err(_) => Err(corrupt()),
    }
}
