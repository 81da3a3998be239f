//! Room 6 in SQL: redemption, principal, certificate and audit entry, or nothing.

use rusqlite::{Connection, ErrorCode, OptionalExtension};
use signet_pki::issue::Facts;
use signet_pki::{DeviceId, Fingerprint, Serial, UnixTime};

use super::super::*;
use super::issuers;
use super::reads;
use super::writer::{Verdict, WriteError, WriteTx};

impl Verdict for Result<Committed, Conflict> {
    fn keeps_changes(&self) -> bool {
        matches!(self, Ok(Committed::New(_)))
    }
}

impl Verdict for Result<(), Conflict> {
    fn keeps_changes(&self) -> bool {
        self.is_ok()
    }
}

impl Verdict for () {
    fn keeps_changes(&self) -> bool {
        true
    }
}

pub(super) fn commit(tx: &mut WriteTx<'_>, issue: IssueCommit) -> Result<Result<Committed, Conflict>, WriteError> {
    let facts = issue.signed.facts();
    let redeemed = match &issue.redemption {
        Redemption::Token(id) => redeem_token(tx.connection, id, facts, issue.now)?,
        Redemption::Renewal(parent) | Redemption::Recovery { parent, .. } => {
            check_parent(tx.connection, parent, &facts.spki)?
        }
        Redemption::Manual => Redeemed::Now,
    };
    match redeemed {
        Redeemed::Now => {}
        Redeemed::Before(issued) => return Ok(Ok(Committed::Replayed(issued))),
        Redeemed::Never(conflict) => return Ok(Err(conflict)),
    }
    if issuers::is_distrusted(tx.connection, &facts.issuer_key_id)? {
        return Ok(Err(Conflict::IssuerDistrusted));
    }
    if key_taken(tx.connection, &facts.spki, &issue.principal.id)? {
        return Ok(Err(Conflict::KeyTaken));
    }
    let Some(principal) = put_principal(tx.connection, &issue)? else {
        return Ok(Err(Conflict::PrincipalChanged));
    };
    if let Redemption::Recovery { allowance, .. } = issue.redemption
        && !use_recovery(tx.connection, principal, allowance)?
    {
        return Ok(Err(Conflict::RecoveryExhausted));
    }
    match insert_certificate(tx.connection, &issue, principal) {
        Ok(()) => {}
        Err(WriteError::Sqlite(error)) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            return Ok(Err(Conflict::SerialTaken));
        }
        Err(error) => return Err(error),
    }
    tx.audit(&issue.draft)?;
    let (der, facts) = issue.signed.into_parts();
    let validity = (facts.not_before, facts.not_after);
    let Facts { serial, subject, profile, issuer_key_id, .. } = facts;
    Ok(Ok(Committed::New(Issued::committed(der, serial, subject.id, profile, validity, issuer_key_id))))
}

enum Redeemed {
    Now,
    Before(Issued),
    Never(Conflict),
}

/// One conditional UPDATE decides; only when it matched nothing does anything look for the reason.
fn redeem_token(
    connection: &Connection,
    id: &CredentialId,
    facts: &Facts,
    now: UnixTime,
) -> Result<Redeemed, WriteError> {
    let changed = connection
        .prepare_cached(
            "UPDATE token SET status = 'redeemed', redeemed_at = ?2, redeemed_serial = ?3
             WHERE id = ?1 AND expires_at > ?2
               AND ((status = 'active' AND approval = 0) OR (status = 'approved' AND claimed_spki = ?4))",
        )?
        .execute((id.as_str(), now.0, facts.serial.as_bytes(), facts.spki.0.as_slice()))?;
    if changed == 1 {
        return Ok(Redeemed::Now);
    }
    let Some(token) = reads::token(connection, id)? else { return Ok(Redeemed::Never(Conflict::TokenGone)) };
    let Some(serial) = token.redeemed_serial else {
        let other = token.claimed_spki.is_some_and(|claimed| claimed != facts.spki);
        return Ok(Redeemed::Never(if other { Conflict::OtherKey } else { Conflict::TokenGone }));
    };
    let earlier = reads::certificate(connection, &serial)?;
    match earlier {
        Some(earlier) if earlier.spki == facts.spki && earlier.can_be_repeated() => {
            Ok(Redeemed::Before(Issued::from(earlier)))
        }
        Some(earlier) if earlier.spki == facts.spki => Ok(Redeemed::Never(Conflict::TokenGone)),
        Some(_) => Ok(Redeemed::Never(Conflict::OtherKey)),
        None => Err(WriteError::Corrupt("a redeemed token without its certificate")),
    }
}

fn check_parent(connection: &Connection, parent: &Serial, spki: &Fingerprint) -> Result<Redeemed, WriteError> {
    if let Some(child) = reads::renewed(connection, parent, spki)? {
        let repeat = child.can_be_repeated();
        return Ok(if repeat { Redeemed::Before(Issued::from(child)) } else { Redeemed::Never(Conflict::KeySpent) });
    }
    match reads::certificate(connection, parent)? {
        Some(c) if matches!(c.status, CertificateStatus::Active | CertificateStatus::Pending) => Ok(Redeemed::Now),
        _ => Ok(Redeemed::Never(Conflict::ParentGone)),
    }
}

fn key_taken(connection: &Connection, spki: &Fingerprint, id: &DeviceId) -> Result<bool, WriteError> {
    Ok(reads::key_owner(connection, spki)?.is_some_and(|owner| owner != *id))
}

/// Inserts, updates or, for a renewal, merely finds the principal when it still is as it was decided upon. Its row id, or `None`.
fn put_principal(connection: &Connection, issue: &IssueCommit) -> Result<Option<i64>, WriteError> {
    let p = &issue.principal;
    if matches!(issue.redemption, Redemption::Renewal(_) | Redemption::Recovery { .. }) {
        let found = connection
            .prepare_cached("SELECT rowid FROM principal WHERE id = ?1 AND version = ?2")?
            .query_row((p.id.as_str(), p.version as i64), |row| row.get(0))
            .optional()?;
        if let (Some(rowid), Some(bundle)) = (found, p.bundle_seen) {
            note_bundle(connection, rowid, bundle)?;
        }
        return Ok(found);
    }
    let sql = if p.version == 0 {
        "INSERT INTO principal (id, kind, status, profile, groups, dns_names, addresses, hardware_serial, created_at, version)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 + 1)
         ON CONFLICT (id) DO NOTHING RETURNING rowid"
    } else {
        "UPDATE principal SET kind = ?2, status = ?3, profile = ?4, groups = ?5, dns_names = ?6, addresses = ?7,
                hardware_serial = ?8, created_at = ?9, version = ?10 + 1
         WHERE id = ?1 AND version = ?10 RETURNING rowid"
    };
    let rowid = connection
        .prepare_cached(sql)?
        .query_row(
            (
                p.id.as_str(),
                p.kind.as_str(),
                p.status.as_str(),
                &p.profile,
                json(&p.groups)?,
                json(&p.dns_names)?,
                json(&p.addresses)?,
                &p.hardware_serial,
                p.created_at.0,
                p.version as i64,
            ),
            |row| row.get(0),
        )
        .optional()?;
    Ok(rowid)
}

/// Written when it changed, which is once in years. No decision is made on it, so the version stays.
fn note_bundle(connection: &Connection, principal: i64, bundle: u64) -> Result<(), WriteError> {
    connection
        .prepare_cached("UPDATE principal SET bundle_seen = ?2 WHERE rowid = ?1 AND bundle_seen IS NOT ?2")?
        .execute((principal, i64::try_from(bundle).unwrap_or(i64::MAX)))?;
    Ok(())
}

/// Takes one of the recoveries that are left; `false` when none is.
fn use_recovery(connection: &Connection, principal: i64, allowance: u32) -> Result<bool, WriteError> {
    let changed = connection
        .prepare_cached(
            "UPDATE principal SET recoveries = coalesce(recoveries, ?2) - 1
             WHERE rowid = ?1 AND coalesce(recoveries, ?2) > 0",
        )?
        .execute((principal, allowance))?;
    Ok(changed == 1)
}

/// Beside a live certificate a new one starts as `pending`: the old stays good until the new one is used.
fn insert_certificate(connection: &Connection, issue: &IssueCommit, principal: i64) -> Result<(), WriteError> {
    let facts = issue.signed.facts();
    let (newest, live): (Option<i64>, bool) = connection
        .prepare_cached(
            "SELECT (SELECT generation FROM certificate WHERE principal = ?1 ORDER BY generation DESC LIMIT 1),
                    EXISTS (SELECT 1 FROM certificate
                            WHERE principal = ?1 AND status IN ('active', 'pending') AND not_after > ?2)",
        )?
        .query_row((principal, issue.now.0), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let status = if live { CertificateStatus::Pending } else { CertificateStatus::Active };
    let parent = match &issue.redemption {
        Redemption::Renewal(parent) | Redemption::Recovery { parent, .. } => Some(parent.as_bytes()),
        Redemption::Token(_) | Redemption::Manual => None,
    };
    connection
        .prepare_cached(
            "INSERT INTO certificate (serial, issuer, principal, generation, spki, profile, status, not_before, not_after,
                                      issued_at, parent, der, shard)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute((
            facts.serial.as_bytes(),
            &facts.issuer_key_id,
            principal,
            newest.unwrap_or(0) + 1,
            facts.spki.0.as_slice(),
            &facts.profile,
            status.as_str(),
            facts.not_before.0,
            facts.not_after.0,
            issue.now.0,
            parent,
            issue.signed.der(),
            facts.shard,
        ))?;
    Ok(())
}

pub(super) fn mark_used(tx: &mut WriteTx<'_>, serial: &Serial, draft: &AuditDraft) -> Result<(), WriteError> {
    let used: Option<(i64, i64)> = tx
        .connection
        .prepare_cached(
            "UPDATE certificate SET first_used_at = ?2, status = 'active'
             WHERE serial = ?1 AND first_used_at IS NULL AND status IN ('active', 'pending')
             RETURNING principal, generation",
        )?
        .query_row((serial.as_bytes(), draft.at.0), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((principal, generation)) = used else { return Ok(()) };
    tx.connection
        .prepare_cached(
            "UPDATE certificate SET status = 'superseded'
             WHERE principal = ?1 AND generation < ?2 AND status IN ('active', 'pending')",
        )?
        .execute((principal, generation))?;
    tx.audit(draft)
}

pub(super) fn alarm(tx: &mut WriteTx<'_>, serial: Option<&Serial>, draft: &AuditDraft) -> Result<(), WriteError> {
    if let Some(serial) = serial {
        tx.connection
            .prepare_cached("UPDATE certificate SET review = 1 WHERE serial = ?1")?
            .execute([serial.as_bytes()])?;
    }
    tx.audit(draft)
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String, WriteError> {
    serde_json::to_string(value).map_err(|_| WriteError::Corrupt("a value that JSON cannot hold"))
}
