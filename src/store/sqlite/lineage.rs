//! What descends from what, in SQL. No limit decides how far: the closure is made inside the transaction that needs it.

use std::collections::BTreeSet;

use rusqlite::Connection;
use signet_api::CredentialId;
use signet_pki::{Fingerprint, UnixTime};

use super::super::*;
use super::decode::{self, text};
use super::writer::WriteError;

/// A row and everything that descends from it.
#[derive(Default)]
pub(super) struct Line {
    pub(super) certificates: Vec<(i64, Bond)>,
    pub(super) credentials: Vec<i64>,
    pub(super) tokens: Vec<i64>,
}

/// How a certificate belongs to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bond {
    /// It has the key, or was renewed with it.
    Key,
    /// It was made for another principal with what the line has: its own key is in that principal's hands alone.
    Gained,
}

/// A certificate leads to those with its key, those that were renewed from it, and what was made with it; a credential to its
/// family and what was made with it; a token to what it was redeemed for.
const CLOSURE: &str = "
    WITH RECURSIVE line (kind, id, gained) AS (
        SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), 0 FROM json_each(?1)
        UNION SELECT 'c', c.rowid, l.gained FROM line l CROSS JOIN certificate p CROSS JOIN certificate c
            WHERE l.kind = 'c' AND p.rowid = l.id AND c.parent = p.serial
        UNION SELECT 'c', c.rowid, l.gained FROM line l CROSS JOIN certificate p CROSS JOIN certificate c
            WHERE l.kind = 'c' AND p.rowid = l.id AND c.spki = p.spki
        UNION SELECT 'c', c.rowid, 1 FROM line l CROSS JOIN certificate p CROSS JOIN certificate c
            WHERE l.kind = 'c' AND p.rowid = l.id AND c.minted_serial = p.serial
        UNION SELECT 'k', k.rowid, 0 FROM line l CROSS JOIN certificate p CROSS JOIN credential k
            WHERE l.kind = 'c' AND p.rowid = l.id AND k.serial = p.serial
        UNION SELECT 'k', k.rowid, 0 FROM line l CROSS JOIN certificate p CROSS JOIN credential k
            WHERE l.kind = 'c' AND p.rowid = l.id AND k.spki = p.spki
        UNION SELECT 't', t.rowid, 0 FROM line l CROSS JOIN certificate p CROSS JOIN token t
            WHERE l.kind = 'c' AND p.rowid = l.id AND t.minted_serial = p.serial
        UNION SELECT 'k', k.rowid, 0 FROM line l CROSS JOIN credential p CROSS JOIN credential k
            WHERE l.kind = 'k' AND p.rowid = l.id AND k.family = p.family
        UNION SELECT 'k', k.rowid, 0 FROM line l CROSS JOIN credential p CROSS JOIN credential k
            WHERE l.kind = 'k' AND p.rowid = l.id AND k.parent IN (p.id, p.family)
        UNION SELECT 't', t.rowid, 0 FROM line l CROSS JOIN credential p CROSS JOIN token t
            WHERE l.kind = 'k' AND p.rowid = l.id AND t.minted_credential IN (p.id, p.family)
        UNION SELECT 'c', c.rowid, 1 FROM line l CROSS JOIN credential p CROSS JOIN certificate c
            WHERE l.kind = 'k' AND p.rowid = l.id AND c.minted_credential IN (p.id, p.family)
        UNION SELECT 'c', c.rowid, 1 FROM line l CROSS JOIN token p CROSS JOIN certificate c
            WHERE l.kind = 't' AND p.rowid = l.id AND c.serial = p.redeemed_serial
    )
    SELECT kind, id, min(gained) FROM line GROUP BY kind, id ORDER BY kind, id";

/// Everything that descends from the target, the target's own rows included.
pub(super) fn of(connection: &Connection, target: &RevokeTarget) -> Result<Line, WriteError> {
    let seeds = seeds(connection, target)?;
    let mut line = Line::default();
    let mut statement = connection.prepare_cached(CLOSURE)?;
    let mut rows = statement.query([serde_json::Value::from(seeds).to_string()])?;
    while let Some(row) = rows.next()? {
        let id = row.get(1)?;
        match row.get_ref(0)?.as_str().unwrap_or_default() {
            "c" => line.certificates.push((id, if row.get(2)? { Bond::Gained } else { Bond::Key })),
            "k" => line.credentials.push(id),
            "t" => line.tokens.push(id),
            _ => return Err(WriteError::Corrupt("a descendant of an unknown kind")),
        }
    }
    Ok(line)
}

/// The rows that the target names.
fn seeds(connection: &Connection, target: &RevokeTarget) -> Result<Vec<serde_json::Value>, WriteError> {
    let mut seeds = Vec::new();
    let mut add = |kind: &str, sql: &str, value: &dyn rusqlite::ToSql| -> Result<(), WriteError> {
        let mut statement = connection.prepare_cached(sql)?;
        for id in statement.query_map([value], |row| row.get::<_, i64>(0))? {
            seeds.push(serde_json::json!([kind, id?]));
        }
        Ok(())
    };
    match target {
        RevokeTarget::Serial(serial) => {
            add("c", "SELECT rowid FROM certificate WHERE serial = ?1", &serial.as_bytes())?;
        }
        RevokeTarget::Device(id) => {
            let sql = "SELECT rowid FROM certificate WHERE principal = (SELECT rowid FROM principal WHERE id = ?1)";
            add("c", sql, &id.as_str())?;
            add("k", "SELECT rowid FROM credential WHERE principal = ?1", &id.as_str())?;
        }
        RevokeTarget::Batch(batch) => {
            let sql = "SELECT c.rowid FROM token t JOIN principal p ON p.id = t.device JOIN certificate c ON c.principal = p.rowid
                       WHERE t.batch = ?1 AND t.status = 'redeemed'";
            add("c", sql, batch)?;
            let sql = "SELECT k.rowid FROM token t JOIN credential k ON k.principal = t.device
                       WHERE t.batch = ?1 AND t.status = 'redeemed'";
            add("k", sql, batch)?;
        }
        RevokeTarget::Account(id) => {
            let sql =
                "SELECT c.rowid FROM principal p JOIN certificate c ON c.principal = p.rowid WHERE p.account = ?1";
            add("c", sql, &id.as_str())?;
            let sql = "SELECT k.rowid FROM credential k WHERE k.account = ?1
                       UNION SELECT k.rowid FROM principal p JOIN credential k ON k.principal = p.id WHERE p.account = ?1";
            add("k", sql, &id.as_str())?;
        }
        RevokeTarget::Credential(id) => add("k", "SELECT rowid FROM credential WHERE id = ?1", &id.as_str())?,
        RevokeTarget::Session(family) => {
            add("k", "SELECT rowid FROM credential WHERE family = ?1 AND kind = 'sgr'", &family.as_str())?;
        }
    }
    Ok(seeds)
}

/// A key that is never certified again. Answers whether it was not known as such.
pub(super) fn block_key(connection: &Connection, spki: &Fingerprint, at: UnixTime) -> Result<bool, WriteError> {
    let sql = "INSERT INTO compromised_key (spki, reported_at) VALUES (?1, ?2) ON CONFLICT (spki) DO NOTHING";
    Ok(connection.prepare_cached(sql)?.execute((spki.0.as_slice(), at.0))? == 1)
}

pub(super) fn is_blocked(connection: &Connection, spki: &Fingerprint) -> Result<bool, WriteError> {
    Ok(connection.prepare_cached("SELECT 1 FROM compromised_key WHERE spki = ?1")?.exists([spki.0.as_slice()])?)
}

/// Notes what lives of a line.
pub(super) fn note_living(
    connection: &Connection,
    line: &Line,
    now: UnixTime,
    outcome: &mut Revoked,
) -> Result<(), WriteError> {
    let mut living = BTreeSet::new();
    let mut certificate = connection.prepare_cached(
        "SELECT c.serial, p.id FROM certificate c JOIN principal p ON p.rowid = c.principal
         WHERE c.rowid = ?1 AND c.status <> 'revoked' AND c.not_after > ?2 AND p.status IN ('active', 'suspended')",
    )?;
    for (row, _) in &line.certificates {
        let found = certificate.query_map((row, now.0), |row| {
            Ok(Descendant::Certificate(decode::serial(row, 0)?, decode::device_id(row, 1)?))
        })?;
        living.extend(found.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    let mut token = connection.prepare_cached(
        "SELECT id, device FROM token
         WHERE rowid = ?1 AND status IN ('active', 'pending', 'approved') AND expires_at > ?2",
    )?;
    for row in &line.tokens {
        let found = token
            .query_map((row, now.0), |row| Ok(Descendant::Token(credential_id(row, 0)?, decode::device_id(row, 1)?)))?;
        living.extend(found.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    // A ticket is over in seconds.
    let mut credential = connection.prepare_cached(
        "SELECT kind, id, family FROM credential
         WHERE rowid = ?1 AND kind IN ('sgk', 'sgr') AND status IN ('active', 'disabled') AND expires_at > ?2",
    )?;
    for row in &line.credentials {
        let found = credential.query_map((row, now.0), |row| {
            Ok(match row.get_ref(0)?.as_str()? {
                "sgk" => Descendant::ApiKey(credential_id(row, 1)?),
                _ => Descendant::Session(credential_id(row, 2)?),
            })
        })?;
        living.extend(found.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    outcome.living_more = living.len().saturating_sub(DESCENDANTS_NAMED) as u64;
    outcome.living = living.into_iter().take(DESCENDANTS_NAMED).collect();
    Ok(())
}

pub(super) fn credential_id(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<CredentialId> {
    text(row, column, |t| CredentialId::parse(t).ok())
}

/// Keys that were revoked without a reason while a younger one of their family, or what was made with them, lives. The time comes
/// once.
pub(super) const SURVIVED: &str = "k.status = 'revoked' AND k.reason IS NULL AND EXISTS (
    WITH point (now) AS (SELECT ?)
    SELECT 1 FROM point, credential r
        WHERE (r.family = k.family AND r.rowid > k.rowid OR r.parent = k.id)
          AND r.status IN ('active', 'disabled') AND r.expires_at > now
    UNION ALL SELECT 1 FROM point, token t
        WHERE t.minted_credential = k.id AND t.status IN ('active', 'pending', 'approved') AND t.expires_at > now
    UNION ALL SELECT 1 FROM point, certificate c
        WHERE c.minted_credential = k.id AND c.status <> 'revoked' AND c.not_after > now)";
