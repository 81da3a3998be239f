//! Approvals in SQL.

use rusqlite::Row;
use serde_json::json;
use signet_pki::{DeviceId, UnixTime};

use super::super::*;
use super::decode::{optional_text, text};
use super::listing::{Of, list};
use super::reads::one;
use super::writer::{Verdict, WriteError, WriteTx};
use super::{ReadError, SqliteStore};

impl ApprovalStore for SqliteStore {
    fn ask_approval(&self, order: AskApproval) -> Answer<'_, Approval> {
        self.writer.submit(move |tx| ask(tx, &order))
    }

    fn decide_approval(&self, order: DecideApproval) -> Answer<'_, Option<Result<ApprovalRecord, ApprovalConflict>>> {
        self.writer.submit(move |tx| decide(tx, &order))
    }

    fn approval(&self, id: &str) -> Answer<'_, Option<ApprovalRecord>> {
        self.read(|c| find(c, id))
    }

    fn approvals(&self, waiting_at: Option<UnixTime>) -> Answer<'_, Listed<ApprovalRecord>> {
        self.read(move |c| match waiting_at {
            Some(now) => {
                let sql = format!(
                    "SELECT {APPROVAL} FROM approval WHERE status = 'pending' AND expires_at > ?1 ORDER BY rowid DESC LIMIT 100"
                );
                list(c, Of("approval", 0), &sql, [now.0], record)
            }
            None => {
                let sql = format!("SELECT {APPROVAL} FROM approval ORDER BY rowid DESC LIMIT 100");
                list(c, Of("approval", 0), &sql, [], record)
            }
        })
    }
}

impl Verdict for Approval {
    fn keeps_changes(&self) -> bool {
        matches!(self, Approval::Granted(_) | Approval::Waits(_))
    }
}

impl Verdict for Option<Result<ApprovalRecord, ApprovalConflict>> {
    fn keeps_changes(&self) -> bool {
        matches!(self, Some(Ok(_)))
    }
}

fn ask(tx: &mut WriteTx<'_>, order: &AskApproval) -> Result<Approval, WriteError> {
    let wanted = &order.record;
    let sql = format!(
        "SELECT {APPROVAL} FROM approval
         WHERE requested_by = ?1 AND digest = ?2 AND expires_at > ?3 AND status <> 'used' ORDER BY rowid DESC LIMIT 1"
    );
    let params = (wanted.requested_by.as_str(), wanted.digest.as_slice(), order.now.0);
    match one(tx.connection, &sql, params, record)? {
        Some(found) if found.status == ApprovalStatus::Approved => {
            tx.connection.prepare_cached("UPDATE approval SET status = 'used' WHERE id = ?1")?.execute([&found.id])?;
            note(tx, "approval.used", &found, &order.draft)?;
            return Ok(Approval::Granted(found));
        }
        Some(found) if found.status == ApprovalStatus::Denied => return Ok(Approval::Denied(found)),
        Some(found) => return Ok(Approval::Waits(found)),
        None => {}
    }
    let pending: u32 = tx
        .connection
        .prepare_cached(
            "SELECT count(*) FROM approval WHERE requested_by = ?1 AND status = 'pending' AND expires_at > ?2",
        )?
        .query_row((wanted.requested_by.as_str(), order.now.0), |row| row.get(0))?;
    if pending >= order.most_pending {
        return Ok(Approval::TooMany);
    }
    tx.connection
        .prepare_cached(
            "INSERT INTO approval (id, guarded, summary, path, body, digest, status, requested_by, requested_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'pending', ?7, ?8, ?9)",
        )?
        .execute((
            &wanted.id,
            wanted.guarded.as_str(),
            &wanted.summary,
            &wanted.path,
            &wanted.body,
            wanted.digest.as_slice(),
            wanted.requested_by.as_str(),
            wanted.requested_at.0,
            wanted.expires_at.0,
        ))?;
    note(tx, "approval.requested", wanted, &order.draft)?;
    Ok(Approval::Waits(wanted.clone()))
}

fn decide(
    tx: &mut WriteTx<'_>,
    order: &DecideApproval,
) -> Result<Option<Result<ApprovalRecord, ApprovalConflict>>, WriteError> {
    let Some(found) = find(tx.connection, &order.id)? else { return Ok(None) };
    // Whoever asked may take it back, and nothing else.
    let own = found.requested_by == order.by && order.to != ApprovalStatus::Denied;
    let conflict = if own {
        Some(ApprovalConflict::Own)
    } else if found.digest != order.digest {
        Some(ApprovalConflict::Other)
    } else if order.now >= found.expires_at {
        Some(ApprovalConflict::Expired)
    } else {
        match (found.status, order.to) {
            (ApprovalStatus::Pending, ApprovalStatus::Approved | ApprovalStatus::Denied) => None,
            // Taken back before it was used.
            (ApprovalStatus::Approved, ApprovalStatus::Denied) => None,
            (status, _) => Some(ApprovalConflict::Status(status)),
        }
    };
    if let Some(conflict) = conflict {
        return Ok(Some(Err(conflict)));
    }
    tx.connection
        .prepare_cached("UPDATE approval SET status = ?2, decided_by = ?3, decided_at = ?4, reason = ?5 WHERE id = ?1")?
        .execute((&order.id, order.to.as_str(), order.by.as_str(), order.now.0, &order.reason))?;
    let decided = find(tx.connection, &order.id)?.ok_or(WriteError::Corrupt("an approval that was just decided on"))?;
    let kind = if order.to == ApprovalStatus::Approved { "approval.approved" } else { "approval.denied" };
    note(tx, kind, &decided, &order.draft)?;
    Ok(Some(Ok(decided)))
}

fn note(tx: &mut WriteTx<'_>, kind: &'static str, of: &ApprovalRecord, draft: &AuditDraft) -> Result<(), WriteError> {
    let digest = data_encoding::HEXLOWER.encode(&of.digest);
    let detail = json!({
        "guarded": of.guarded.as_str(), "summary": of.summary, "path": of.path, "digest": digest,
        "requested_by": format!("admin:{}", of.requested_by), "reason": of.reason,
    });
    tx.audit(&AuditDraft { kind, subject: format!("approval:{}", of.id), detail, ..draft.clone() })
}

fn find(c: &rusqlite::Connection, id: &str) -> Result<Option<ApprovalRecord>, ReadError> {
    one(c, &format!("SELECT {APPROVAL} FROM approval WHERE id = ?1"), [id], record)
}

fn record(row: &Row<'_>) -> rusqlite::Result<ApprovalRecord> {
    Ok(ApprovalRecord {
        id: row.get(0)?,
        guarded: text(row, 1, Guarded::parse)?,
        summary: row.get(2)?,
        path: row.get(3)?,
        body: row.get(4)?,
        digest: row.get(5)?,
        status: text(row, 6, ApprovalStatus::parse)?,
        requested_by: super::decode::device_id(row, 7)?,
        requested_at: UnixTime(row.get(8)?),
        expires_at: UnixTime(row.get(9)?),
        decided_by: optional_text(row, 10, |id| DeviceId::parse(id).ok())?,
        decided_at: row.get::<_, Option<i64>>(11)?.map(UnixTime),
        reason: row.get(12)?,
    })
}

const APPROVAL: &str = "id, guarded, summary, path, body, digest, status, requested_by, requested_at, expires_at, \
     decided_by, decided_at, reason";
