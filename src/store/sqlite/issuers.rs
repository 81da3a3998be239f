//! The stages of issuers in SQL.

use rusqlite::{Connection, OptionalExtension};
use serde_json::json;
use signet_pki::UnixTime;

use super::super::*;
use super::ReadError;
use super::decode;
use super::writer::{Verdict, WriteError, WriteTx};

impl Verdict for Vec<IssuerRecord> {
    fn keeps_changes(&self) -> bool {
        true
    }
}

impl Verdict for Result<(), StageConflict> {
    fn keeps_changes(&self) -> bool {
        self.is_ok()
    }
}

/// Takes up the issuers of the configuration. The first one that may becomes active when none of them is.
pub(super) fn note(tx: &mut WriteTx<'_>, order: &NoteIssuers) -> Result<Vec<IssuerRecord>, WriteError> {
    for (key_id, der) in &order.issuers {
        let inserted = tx
            .connection
            .prepare_cached(
                "INSERT INTO issuer (key_id, der, stage, published_at, changed_at) VALUES (?1, ?2, 'published', ?3, ?3)
                 ON CONFLICT (key_id) DO NOTHING",
            )?
            .execute((key_id, der, order.draft.at.0))?;
        if inserted > 0 {
            audit(tx, &order.draft, "issuer.published", key_id, Stage::Published)?;
        }
        // The same key under a new certificate.
        tx.connection
            .prepare_cached("UPDATE issuer SET der = ?2 WHERE key_id = ?1 AND der <> ?2")?
            .execute((key_id, der))?;
    }
    let all = all(tx.connection)?;
    let configured = |record: &&IssuerRecord| order.issuers.iter().any(|(key_id, _)| *key_id == record.key_id);
    if !all.iter().filter(configured).any(|record| record.stage == Stage::Active) {
        let stage_of = |key_id: &[u8]| all.iter().find(|r| r.key_id == key_id).map(|r| r.stage);
        let first = order.issuers.iter().find(|(key_id, _)| stage_of(key_id) == Some(Stage::Published));
        if let Some((key_id, _)) = first {
            put(tx, key_id, Stage::Active, &order.draft)?;
            audit(tx, &order.draft, "issuer.activated", key_id, Stage::Active)?;
        }
    }
    Ok(self::all(tx.connection)?)
}

/// One step of one issuer. Making one active makes the one that was retire.
pub(super) fn step(tx: &mut WriteTx<'_>, order: &IssuerStep) -> Result<Result<(), StageConflict>, WriteError> {
    let Some(found) = all(tx.connection)?.into_iter().find(|record| record.key_id == order.key_id) else {
        return Ok(Err(StageConflict::Unknown));
    };
    if found.stage == order.to {
        return Ok(Ok(()));
    }
    let possible = match (found.stage, order.to) {
        (Stage::Distrusted, _) | (_, Stage::Published) => false,
        // Without another one the service would have none that signs.
        (Stage::Active, Stage::Retiring) => false,
        (_, Stage::Active | Stage::Retiring | Stage::Distrusted) => true,
    };
    if !possible {
        return Ok(Err(StageConflict::Stage(found.stage)));
    }
    put(tx, &order.key_id, order.to, &order.draft)?;
    tx.audit(&order.draft)?;
    Ok(Ok(()))
}

fn put(tx: &WriteTx<'_>, key_id: &[u8], stage: Stage, draft: &AuditDraft) -> Result<(), WriteError> {
    if stage == Stage::Active {
        tx.connection
            .prepare_cached("UPDATE issuer SET stage = 'retiring', changed_at = ?1 WHERE stage = 'active'")?
            .execute([draft.at.0])?;
    }
    tx.connection.prepare_cached("UPDATE issuer SET stage = ?2, changed_at = ?3 WHERE key_id = ?1")?.execute((
        key_id,
        stage.as_str(),
        draft.at.0,
    ))?;
    Ok(())
}

fn audit(
    tx: &mut WriteTx<'_>,
    draft: &AuditDraft,
    kind: &'static str,
    key_id: &[u8],
    stage: Stage,
) -> Result<(), WriteError> {
    let subject = format!("issuer:{}", short_id(key_id));
    tx.audit(&AuditDraft { kind, subject, detail: json!({ "stage": stage.as_str() }), ..draft.clone() })
}

pub(super) fn all(c: &Connection) -> Result<Vec<IssuerRecord>, ReadError> {
    let mut statement =
        c.prepare_cached("SELECT key_id, der, stage, published_at, changed_at FROM issuer ORDER BY rowid")?;
    let rows = statement.query_map([], |row| {
        Ok(IssuerRecord {
            key_id: row.get(0)?,
            der: row.get(1)?,
            stage: decode::text(row, 2, Stage::parse)?,
            published_at: UnixTime(row.get(3)?),
            changed_at: UnixTime(row.get(4)?),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn usage(c: &Connection, key_id: &[u8], now: UnixTime, but: &str) -> Result<IssuerUse, ReadError> {
    let (live, last): (i64, Option<i64>) = c
        .prepare_cached(
            "SELECT count(*), max(not_after) FROM certificate
             WHERE issuer = ?1 AND not_after >= ?2 AND status <> 'revoked' AND profile <> ?3",
        )?
        .query_row((key_id, now.0, but), |row| Ok((row.get(0)?, row.get(1)?)))?;
    // A revoked one keeps its place on the list until it is over.
    let sql = "SELECT max(not_after) FROM certificate WHERE issuer = ?1 AND not_after >= ?2 AND profile <> ?3";
    let end: Option<i64> = c.prepare_cached(sql)?.query_row((key_id, now.0, but), |row| row.get(0))?;
    Ok(IssuerUse { live: live as u64, last_not_after: last.max(end).map(UnixTime) })
}

/// Whether nothing more may be committed that this issuer has signed.
pub(super) fn is_distrusted(c: &Connection, key_id: &[u8]) -> Result<bool, WriteError> {
    let stage: Option<String> = c
        .prepare_cached("SELECT stage FROM issuer WHERE key_id = ?1")?
        .query_row([key_id], |row| row.get(0))
        .optional()?;
    Ok(stage.as_deref() == Some(Stage::Distrusted.as_str()))
}
