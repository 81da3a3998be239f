//! Policies in SQL.

use rusqlite::{Connection, Row};
use serde_json::json;
use signet_pki::UnixTime;
use signet_pki::name::PrincipalKind;

use super::super::*;
use super::decode;
use super::listing::{Of, list};
use super::reads::one;
use super::writer::{Verdict, WriteError, WriteTx};
use super::{ReadError, SqliteStore};

impl PolicyStore for SqliteStore {
    fn apply_policy(&self, order: ApplyPolicy) -> Answer<'_, Result<PolicyRecord, PolicyConflict>> {
        self.writer.submit(move |tx| apply(tx, &order))
    }

    fn policy(&self) -> Answer<'_, Option<PolicyRecord>> {
        self.read(newest)
    }

    fn policy_of(&self, revision: &str) -> Answer<'_, Option<PolicyRecord>> {
        let sql = "SELECT number, revision, text, origin, applied_by, applied_at FROM policy
                   WHERE revision = ?1 ORDER BY number DESC LIMIT 1";
        self.read(|c| one(c, sql, [revision], record))
    }

    fn policies(&self, limit: u32) -> Answer<'_, Listed<PolicyRecord>> {
        let sql = "SELECT number, revision, NULL, origin, applied_by, applied_at FROM policy
                   ORDER BY number DESC LIMIT ?1";
        self.read(|c| list(c, Of("policy", 0), sql, [limit], record))
    }

    fn inventory_after(&self, row: u64, limit: u32) -> Answer<'_, Listed<InventoryRow>> {
        // The certificate is the newest that is neither revoked nor superseded.
        let sql = "SELECT p.rowid, p.id, p.kind, p.status, p.groups, p.account, p.profile,
                          c.issued_at, c.not_after, c.profile
                   FROM principal p LEFT JOIN certificate c ON c.rowid = (
                       SELECT n.rowid FROM certificate n WHERE n.principal = p.rowid AND n.status IN ('active', 'pending')
                       ORDER BY n.generation DESC LIMIT 1)
                   WHERE p.rowid > ?1 AND p.kind <> 'server' ORDER BY p.rowid LIMIT ?2";
        self.read_long(move |c| list(c, Of("principal", 0), sql, (row as i64, limit), inventory))
    }
}

impl Verdict for Result<PolicyRecord, PolicyConflict> {
    fn keeps_changes(&self) -> bool {
        self.is_ok()
    }
}

fn apply(tx: &mut WriteTx<'_>, order: &ApplyPolicy) -> Result<Result<PolicyRecord, PolicyConflict>, WriteError> {
    let before = newest(tx.connection)?;
    let in_force = before.as_ref().map(|record| record.revision.clone());
    if let Some(same) = before.as_ref().filter(|record| record.revision == order.revision) {
        return Ok(Ok(same.clone()));
    }
    if matches!(&order.instead_of, InsteadOf::Only(expected) if *expected != in_force) {
        return Ok(Err(PolicyConflict { in_force }));
    }
    let record = PolicyRecord {
        number: before.map_or(1, |record| record.number + 1),
        revision: order.revision.clone(),
        text: Some(order.text.clone()),
        origin: order.origin,
        applied_by: order.draft.actor.name().to_owned(),
        applied_at: order.draft.at,
    };
    tx.connection
        .prepare_cached(
            "INSERT INTO policy (number, revision, text, origin, applied_by, applied_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            record.number as i64,
            &record.revision,
            &record.text,
            record.origin.as_str(),
            &record.applied_by,
            record.applied_at.0,
        ))?;
    tx.connection
        .prepare_cached("UPDATE policy SET text = NULL WHERE number <= ?1 AND text IS NOT NULL")?
        .execute([record.number.saturating_sub(POLICY_TEXTS) as i64])?;
    let mut draft = order.draft.clone();
    if let Some(detail) = draft.detail.as_object_mut() {
        detail.insert("revision".into(), json!(record.revision));
        detail.insert("before".into(), json!(in_force));
        detail.insert("origin".into(), json!(record.origin.as_str()));
    }
    tx.audit(&draft)?;
    Ok(Ok(record))
}

fn newest(c: &Connection) -> Result<Option<PolicyRecord>, ReadError> {
    let sql = "SELECT number, revision, text, origin, applied_by, applied_at FROM policy ORDER BY number DESC LIMIT 1";
    one(c, sql, [], record)
}

fn record(row: &Row<'_>) -> rusqlite::Result<PolicyRecord> {
    Ok(PolicyRecord {
        number: decode::count(row, 0)?,
        revision: row.get(1)?,
        text: row.get(2)?,
        origin: decode::text(row, 3, PolicyOrigin::parse)?,
        applied_by: row.get(4)?,
        applied_at: UnixTime(row.get(5)?),
    })
}

fn inventory(row: &Row<'_>) -> rusqlite::Result<InventoryRow> {
    let certificate = match row.get::<_, Option<i64>>(7)? {
        None => None,
        Some(issued_at) => Some(InventoryCertificate {
            issued_at: UnixTime(issued_at),
            not_after: UnixTime(row.get(8)?),
            profile: row.get(9)?,
        }),
    };
    Ok(InventoryRow {
        row: decode::count(row, 0)?,
        id: row.get(1)?,
        kind: decode::text(row, 2, PrincipalKind::parse)?,
        status: decode::text(row, 3, PrincipalStatus::parse)?,
        groups: decode::json(row, 4)?,
        account: row.get(5)?,
        profile: row.get(6)?,
        certificate,
    })
}
