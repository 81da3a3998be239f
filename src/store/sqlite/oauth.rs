//! Families of refresh tokens in SQL, and tokens that ended early.

use rusqlite::Connection;
use serde_json::json;
use signet_api::{CredentialId, CredentialKind};
use signet_pki::UnixTime;

use super::super::*;
use super::access::{self, Whose, end_credentials};
use super::reads::one;
use super::writer::{Verdict, WriteError, WriteTx};
use super::{ReadError, SqliteStore};

impl OAuthStore for SqliteStore {
    fn note_token_keys(&self, kids: Vec<String>, draft: AuditDraft) -> Answer<'_, Vec<TokenKeyRecord>> {
        self.writer.submit(move |tx| note_token_keys(tx, &kids, &draft))
    }

    fn rotate_refresh(&self, order: RotateRefresh) -> Answer<'_, Option<Rotated>> {
        self.writer.submit(move |tx| rotate(tx, &order))
    }

    fn end_family(&self, family: &CredentialId, draft: AuditDraft) -> Answer<'_, Vec<CredentialId>> {
        let family = family.clone();
        self.writer.submit(move |tx| end_family(tx, &family, &draft))
    }

    fn deny_token(&self, jti: &str, expires_at: UnixTime, draft: AuditDraft) -> Answer<'_, ()> {
        let jti = jti.to_owned();
        self.writer.submit(move |tx| deny_token(tx, &jti, expires_at, &draft))
    }

    fn prune_oauth(&self, now: UnixTime, refresh_before: UnixTime, limit: u32) -> Answer<'_, u64> {
        self.writer.submit(move |tx| prune(tx.connection, now, refresh_before, limit))
    }

    fn token_standing(&self, origin: TokenOrigin, now: UnixTime) -> Answer<'_, TokenStanding> {
        self.read(move |c| standing(c, &origin, now))
    }
}

impl Verdict for Vec<TokenKeyRecord> {
    fn keeps_changes(&self) -> bool {
        true
    }
}

impl Verdict for Option<Rotated> {
    fn keeps_changes(&self) -> bool {
        matches!(self, Some(Rotated::New(_) | Rotated::Reused(_)))
    }
}

fn note_token_keys(
    tx: &mut WriteTx<'_>,
    kids: &[String],
    draft: &AuditDraft,
) -> Result<Vec<TokenKeyRecord>, WriteError> {
    let mut records = Vec::new();
    for kid in kids {
        let inserted = tx
            .connection
            .prepare_cached("INSERT INTO token_key (kid, published_at) VALUES (?1, ?2) ON CONFLICT (kid) DO NOTHING")?
            .execute((kid, draft.at.0))?;
        if inserted > 0 {
            tx.audit(&AuditDraft { subject: kid.clone(), ..draft.clone() })?;
        }
        let at = tx
            .connection
            .prepare_cached("SELECT published_at FROM token_key WHERE kid = ?1")?
            .query_row([kid], |row| row.get(0))?;
        records.push(TokenKeyRecord { kid: kid.clone(), published_at: UnixTime(at) });
    }
    Ok(records)
}

fn rotate(tx: &mut WriteTx<'_>, order: &RotateRefresh) -> Result<Option<Rotated>, WriteError> {
    let Some(old) = access::credential(tx.connection, &order.old)? else { return Ok(None) };
    match old.status {
        CredentialStatus::Disabled | CredentialStatus::Revoked => return Ok(Some(Rotated::Over(old.status))),
        CredentialStatus::Used => return again_or_end(tx, &old, order).map(Some),
        CredentialStatus::Active => {}
    }
    // First, so that the owner never has one more than the limit counts; the conflict below takes it back.
    tx.connection
        .prepare_cached("UPDATE credential SET status = 'used', used_at = ?2, successor = ?3 WHERE id = ?1")?
        .execute((old.id.as_str(), order.now.0, order.new.id.as_str()))?;
    if let Err(conflict) = access::insert(tx.connection, &order.new)? {
        return Ok(Some(Rotated::Refused(conflict)));
    }
    tx.audit(&order.draft)?;
    Ok(Some(Rotated::New(order.new.clone())))
}

/// A used token: the lost answer again, or somebody has a copy.
fn again_or_end(tx: &mut WriteTx<'_>, old: &CredentialRecord, order: &RotateRefresh) -> Result<Rotated, WriteError> {
    let successor = match &old.successor {
        Some(id) => access::credential(tx.connection, id)?,
        None => None,
    };
    let in_time = old.used_at.is_some_and(|at| order.now.since(at) <= order.retry);
    match successor {
        Some(next) if next.status == CredentialStatus::Active && in_time => Ok(Rotated::Again(next)),
        _ => {
            let ended = end(tx.connection, &old.family)?;
            // A second replay finds nothing that lives, and nothing to say.
            if !ended.is_empty() {
                tx.audit(&with_ended(&order.alarm, &ended))?;
            }
            Ok(Rotated::Reused(ended))
        }
    }
}

fn end_family(
    tx: &mut WriteTx<'_>,
    family: &CredentialId,
    draft: &AuditDraft,
) -> Result<Vec<CredentialId>, WriteError> {
    let ended = end(tx.connection, family)?;
    if !ended.is_empty() {
        tx.audit(&with_ended(draft, &ended))?;
    }
    Ok(ended)
}

fn end(connection: &Connection, family: &CredentialId) -> Result<Vec<CredentialId>, WriteError> {
    end_credentials(connection, Whose::Family(family.as_str()))
}

fn with_ended(draft: &AuditDraft, ended: &[CredentialId]) -> AuditDraft {
    let mut draft = draft.clone();
    draft.detail["credentials"] = json!(ended);
    draft
}

fn deny_token(tx: &mut WriteTx<'_>, jti: &str, expires_at: UnixTime, draft: &AuditDraft) -> Result<(), WriteError> {
    let inserted = tx
        .connection
        .prepare_cached("INSERT INTO revoked_token (jti, expires_at) VALUES (?1, ?2) ON CONFLICT (jti) DO NOTHING")?
        .execute((jti, expires_at.0))?;
    if inserted > 0 { tx.audit(draft) } else { Ok(()) }
}

fn prune(connection: &Connection, now: UnixTime, refresh_before: UnixTime, limit: u32) -> Result<u64, WriteError> {
    let denied = connection
        .prepare_cached(
            "DELETE FROM revoked_token WHERE rowid IN (SELECT rowid FROM revoked_token WHERE expires_at <= ?1 LIMIT ?2)",
        )?
        .execute((now.0, limit))?;
    let refresh = connection
        .prepare_cached(
            "DELETE FROM credential WHERE rowid IN
                 (SELECT rowid FROM credential WHERE expires_at <= ?1 AND kind = ?3 LIMIT ?2)",
        )?
        .execute((refresh_before.0, limit, CredentialKind::Refresh.prefix()))?;
    Ok(denied.max(refresh) as u64)
}

fn standing(c: &Connection, origin: &TokenOrigin, now: UnixTime) -> Result<TokenStanding, ReadError> {
    // A family lives while one of it does.
    let sql = "SELECT EXISTS (SELECT 1 FROM revoked_token WHERE jti = ?1)
                   OR (?2 IS NOT NULL AND NOT EXISTS
                       (SELECT 1 FROM credential WHERE family = ?2 AND status = 'active' AND expires_at > ?3))";
    let family = origin.family.as_ref().map(CredentialId::as_str);
    if one(c, sql, (&origin.jti, family, now.0), |row| row.get::<_, bool>(0))? != Some(false) {
        return Ok(TokenStanding::Ended);
    }
    let Some(id) = &origin.key else { return Ok(TokenStanding::Live(None)) };
    Ok(access::credential(c, id)?.map_or(TokenStanding::Ended, |key| TokenStanding::Live(Some(Box::new(key)))))
}
