//! Room 6 in SQL: redemption, principal, certificate and audit entry, or nothing.

use rusqlite::{Connection, ErrorCode, OptionalExtension};
use signet_pki::issue::Facts;
use signet_pki::{Fingerprint, Serial, UnixTime};

use super::super::*;
use super::issuers;
use super::lineage;
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

/// Everything that can be in the way is read before the first change, so that a conflict has nothing to take back.
pub(super) fn commit(tx: &mut WriteTx<'_>, issue: &IssueCommit) -> Result<Result<Committed, Conflict>, WriteError> {
    let facts = issue.signed.facts();
    if issuers::is_distrusted(tx.connection, &facts.issuer_key_id)? {
        return Ok(Err(Conflict::IssuerDistrusted));
    }
    if lineage::is_blocked(tx.connection, &facts.spki)? {
        return Ok(Err(Conflict::KeyCompromised));
    }
    let (connection, found) = (tx.connection, Found::read(tx.connection, issue)?);
    let redeemed = match (&issue.redemption, &found) {
        // The UPDATE decides as well; a token that cannot be redeemed has more to say than what else is in the way.
        (Redemption::Token(id), Ok(_)) => redeem_token(connection, id, facts, issue.now)?,
        (Redemption::Token(id), Err(_)) => examine_token(connection, id, facts, issue.now)?,
        (Redemption::Renewal(parent) | Redemption::Recovery { parent, .. }, _) => {
            check_parent(connection, parent, &facts.spki, issue.now)?
        }
        (Redemption::Manual, _) => Redeemed::Now,
    };
    let found = match (redeemed, found) {
        (Redeemed::Now, Ok(found)) => found,
        (Redeemed::Now, Err(conflict)) | (Redeemed::Never(conflict), _) => return Ok(Err(conflict)),
        (Redeemed::Before(issued), _) => return Ok(Ok(Committed::Replayed(issued))),
    };
    if let Redemption::Recovery { allowance, .. } = issue.redemption
        && !use_recovery(connection, &issue.principal.id, allowance)?
    {
        return Ok(Err(Conflict::RecoveryExhausted));
    }
    let principal = put_principal(connection, issue, found.principal)?;
    match insert_certificate(connection, issue, principal, &found) {
        Ok(()) => {}
        Err(WriteError::Sqlite(error)) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            return Ok(Err(Conflict::SerialTaken));
        }
        Err(error) => return Err(error),
    }
    tx.append(&issue.entry)?;
    let validity = (facts.not_before, facts.not_after);
    let (der, device) = (issue.signed.der().to_vec(), facts.subject.id.clone());
    let (serial, profile, issuer) = (facts.serial.clone(), facts.profile.clone(), facts.issuer_key_id.clone());
    Ok(Ok(Committed::New(Issued::committed(der, serial, device, profile, validity, issuer))))
}

/// What a commit finds, when nothing is in its way.
struct Found {
    /// Row of the principal, unless it is new.
    principal: Option<i64>,
    newest_generation: i64,
    has_live_certificate: bool,
}

impl Found {
    /// The principal as it was decided upon, and a key that is nobody else's.
    fn read(connection: &Connection, issue: &IssueCommit) -> Result<Result<Found, Conflict>, WriteError> {
        let (p, spki) = (&issue.principal, &issue.signed.facts().spki);
        let row: Option<(Found, Option<i64>)> = connection
            .prepare_cached(
                "SELECT p.rowid,
                        (SELECT generation FROM certificate WHERE principal = p.rowid ORDER BY generation DESC LIMIT 1),
                        EXISTS (SELECT 1 FROM certificate
                                WHERE principal = p.rowid AND status IN ('active', 'pending') AND not_after > ?3),
                        (SELECT principal FROM certificate WHERE spki = ?4 LIMIT 1)
                 FROM principal p WHERE p.id = ?1 AND p.version = ?2",
            )?
            .query_row((p.id.as_str(), p.version as i64, issue.now.0, spki.0.as_slice()), |row| {
                let (principal, newest): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
                let newest_generation = newest.unwrap_or(0);
                let found = Found { principal: Some(principal), newest_generation, has_live_certificate: row.get(2)? };
                Ok((found, row.get(3)?))
            })
            .optional()?;
        Ok(match row {
            Some((found, owner)) if owner.is_none_or(|owner| Some(owner) == found.principal) => Ok(found),
            Some(_) => Err(Conflict::KeyTaken),
            None if reads::key_owner(connection, spki)?.is_some_and(|owner| owner != p.id) => Err(Conflict::KeyTaken),
            None if p.version > 0 || reads::principal(connection, &p.id)?.is_some() => Err(Conflict::PrincipalChanged),
            None => Ok(Found { principal: None, newest_generation: 0, has_live_certificate: false }),
        })
    }
}

enum Redeemed {
    Now,
    Before(Issued),
    Never(Conflict),
}

/// Of token `?1` at `?2` for key `?3`.
macro_rules! redeemable {
    () => {
        "id = ?1 AND expires_at > ?2
         AND ((status = 'active' AND approval = 0) OR (status = 'approved' AND claimed_spki = ?3))"
    };
}

/// One conditional UPDATE decides; only when it matched nothing does anything look for the reason.
fn redeem_token(
    connection: &Connection,
    id: &CredentialId,
    facts: &Facts,
    now: UnixTime,
) -> Result<Redeemed, WriteError> {
    const SQL: &str =
        concat!("UPDATE token SET status = 'redeemed', redeemed_at = ?2, redeemed_serial = ?4 WHERE ", redeemable!());
    let changed = connection.prepare_cached(SQL)?.execute((
        id.as_str(),
        now.0,
        facts.spki.0.as_slice(),
        facts.serial.as_bytes(),
    ))?;
    if changed == 1 { Ok(Redeemed::Now) } else { why_not(connection, id, facts) }
}

/// Whether the token could be redeemed, without doing it.
fn examine_token(
    connection: &Connection,
    id: &CredentialId,
    facts: &Facts,
    now: UnixTime,
) -> Result<Redeemed, WriteError> {
    const SQL: &str = concat!("SELECT 1 FROM token WHERE ", redeemable!());
    let redeemable = connection.prepare_cached(SQL)?.exists((id.as_str(), now.0, facts.spki.0.as_slice()))?;
    if redeemable { Ok(Redeemed::Now) } else { why_not(connection, id, facts) }
}

fn why_not(connection: &Connection, id: &CredentialId, facts: &Facts) -> Result<Redeemed, WriteError> {
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

fn check_parent(
    connection: &Connection,
    parent: &Serial,
    spki: &Fingerprint,
    now: UnixTime,
) -> Result<Redeemed, WriteError> {
    if let Some(child) = reads::renewed(connection, parent, spki)? {
        let repeat = child.can_be_repeated();
        return Ok(if repeat { Redeemed::Before(Issued::from(child)) } else { Redeemed::Never(Conflict::KeySpent) });
    }
    let live = connection
        .prepare_cached("SELECT 1 FROM certificate WHERE serial = ?1 AND status IN ('active', 'pending')")?
        .exists([parent.as_bytes()])?;
    if !live {
        return Ok(Redeemed::Never(Conflict::ParentGone));
    }
    let lately: i64 = connection
        .prepare_cached("SELECT count(*) FROM certificate WHERE parent = ?1 AND issued_at > ?2")?
        .query_row((parent.as_bytes(), now.0 - 3600), |row| row.get(0))?;
    Ok(if lately < RENEWALS_OF_ONE { Redeemed::Now } else { Redeemed::Never(Conflict::RenewalsExhausted) })
}

/// Inserts or updates the principal; a renewal leaves it as it is. Its row id. Without RETURNING, for which SQLite makes a
/// table in memory at every call.
fn put_principal(connection: &Connection, issue: &IssueCommit, found: Option<i64>) -> Result<i64, WriteError> {
    let p = &issue.principal;
    let sql = match (found, &issue.redemption) {
        (Some(row), Redemption::Renewal(_) | Redemption::Recovery { .. }) => {
            if let Some(bundle) = p.bundle_seen {
                note_bundle(connection, row, bundle)?;
            }
            return Ok(row);
        }
        (Some(_), _) => {
            "UPDATE principal SET kind = ?2, status = ?3, profile = ?4, groups = ?5, dns_names = ?6, addresses = ?7,
                    hardware_serial = ?8, created_at = ?9, version = ?10 + 1
             WHERE id = ?1 AND version = ?10"
        }
        (None, _) => {
            "INSERT INTO principal (id, kind, status, profile, groups, dns_names, addresses, hardware_serial, created_at,
                                    version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 + 1)"
        }
    };
    connection.prepare_cached(sql)?.execute((
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
    ))?;
    Ok(found.unwrap_or_else(|| connection.last_insert_rowid()))
}

/// Written when it changed, which is once in years. No decision is made on it, so the version stays.
fn note_bundle(connection: &Connection, principal: i64, bundle: u64) -> Result<(), WriteError> {
    connection
        .prepare_cached("UPDATE principal SET bundle_seen = ?2 WHERE rowid = ?1 AND bundle_seen IS NOT ?2")?
        .execute((principal, i64::try_from(bundle).unwrap_or(i64::MAX)))?;
    Ok(())
}

/// Takes one of the recoveries that are left; `false` when none is.
fn use_recovery(connection: &Connection, device: &DeviceId, allowance: u32) -> Result<bool, WriteError> {
    let changed = connection
        .prepare_cached(
            "UPDATE principal SET recoveries = coalesce(recoveries, ?2) - 1
             WHERE id = ?1 AND coalesce(recoveries, ?2) > 0",
        )?
        .execute((device.as_str(), allowance))?;
    Ok(changed == 1)
}

/// Beside a live certificate a new one starts as `pending`: the old stays good until the new one is used.
fn insert_certificate(
    connection: &Connection,
    issue: &IssueCommit,
    principal: i64,
    found: &Found,
) -> Result<(), WriteError> {
    let facts = issue.signed.facts();
    let status = if found.has_live_certificate { CertificateStatus::Pending } else { CertificateStatus::Active };
    let parent = match &issue.redemption {
        Redemption::Renewal(parent) | Redemption::Recovery { parent, .. } => Some(parent.as_bytes()),
        Redemption::Token(_) | Redemption::Manual => None,
    };
    connection
        .prepare_cached(
            "INSERT INTO certificate (serial, issuer, principal, generation, spki, profile, status, not_before, not_after,
                                      issued_at, parent, der, shard, minted_serial, minted_credential)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute((
            facts.serial.as_bytes(),
            &facts.issuer_key_id,
            principal,
            found.newest_generation + 1,
            facts.spki.0.as_slice(),
            &facts.profile,
            status.as_str(),
            facts.not_before.0,
            facts.not_after.0,
            issue.now.0,
            parent,
            issue.signed.der(),
            facts.shard,
            issue.origin.certificate.as_ref().map(Serial::as_bytes),
            issue.origin.credential.as_ref().map(CredentialId::as_str),
        ))?;
    Ok(())
}

pub(super) fn mark_used(tx: &mut WriteTx<'_>, serial: &Serial, draft: &AuditDraft) -> Result<(), WriteError> {
    let unused: Option<(i64, i64, i64)> = tx
        .connection
        .prepare_cached(
            "SELECT rowid, principal, generation FROM certificate
             WHERE serial = ?1 AND first_used_at IS NULL AND status IN ('active', 'pending')",
        )?
        .query_row([serial.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((row, principal, generation)) = unused else { return Ok(()) };
    tx.connection
        .prepare_cached("UPDATE certificate SET first_used_at = ?2, status = 'active' WHERE rowid = ?1")?
        .execute((row, draft.at.0))?;
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
    if super::alarms::is_repetition(tx.connection, draft)? { Ok(()) } else { tx.audit(draft) }
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String, WriteError> {
    serde_json::to_string(value).map_err(|_| WriteError::Corrupt("a value that JSON cannot hold"))
}
