//! Ending things in SQL: devices, certificates, batches; and the numbers of the lists that say so.

use rusqlite::{Connection, OptionalExtension};
use signet_api::CredentialId;
use signet_api::scope::{AccountId, Permissions};
use signet_pki::crl::Reason;
use signet_pki::{DeviceId, Serial, UnixTime};

use super::super::*;
use super::access::{Whose, end_credentials};
use super::accounts;
use super::changing;
use super::decode::{self, text};
use super::ending::{Entry, end_certificate, end_line, end_serial, ended, list};
use super::issuing::json;
use super::lineage;
use super::reads;
use super::tokens::end_tokens;
use super::writer::{Verdict, WriteError, WriteTx};

impl Verdict for Revoked {
    fn keeps_changes(&self) -> bool {
        self.mode == Mode::Apply && !self.is_empty()
    }
}

impl Verdict for Option<Result<PrincipalRecord, Conflict>> {
    fn keeps_changes(&self) -> bool {
        matches!(self, Some(Ok(_)))
    }
}

impl Verdict for u64 {
    fn keeps_changes(&self) -> bool {
        true
    }
}

pub(super) fn revoke(tx: &mut WriteTx<'_>, order: &RevokeOrder) -> Result<Revoked, WriteError> {
    let mut outcome = Revoked { mode: order.mode, ..Revoked::default() };
    let line = lineage::of(tx.connection, &order.target)?;
    match &order.target {
        RevokeTarget::Device(id) => end_device(tx.connection, id, PrincipalStatus::Revoked, order, &mut outcome)?,
        RevokeTarget::Serial(serial) => end_serial(tx.connection, serial, order, &mut outcome)?,
        RevokeTarget::Batch(batch) => end_batch(tx.connection, batch, order, &mut outcome)?,
        RevokeTarget::Account(id) => end_account(tx.connection, id, order, &mut outcome)?,
        RevokeTarget::Credential(id) => end_credential(tx.connection, id, order, &mut outcome)?,
        RevokeTarget::Session(family) => end_session(tx.connection, family, &mut outcome)?,
    }
    if order.reason.is_compromise() {
        end_line(tx.connection, &line, order, &mut outcome)?;
    } else {
        lineage::note_living(tx.connection, &line, order.now, &mut outcome)?;
    }
    if !outcome.is_empty() {
        tx.audit(&with_outcome(&order.draft, &outcome))?;
    }
    Ok(outcome)
}

fn with_outcome(draft: &AuditDraft, outcome: &Revoked) -> AuditDraft {
    let mut draft = draft.clone();
    draft.detail["devices"] = outcome.devices.iter().map(|d| d.as_str()).collect();
    draft.detail["certificates"] = outcome.certificates.iter().map(Serial::to_string).collect();
    draft.detail["tokens"] = outcome.tokens.iter().map(|t| t.as_str()).collect();
    if !outcome.accounts.is_empty() {
        draft.detail["accounts"] = outcome.accounts.iter().map(|a| a.as_str()).collect();
    }
    if !outcome.credentials.is_empty() {
        draft.detail["credentials"] = outcome.credentials.iter().map(|c| c.as_str()).collect();
    }
    if !outcome.raised.is_empty() {
        draft.detail["raised"] = outcome.raised.iter().map(Serial::to_string).collect();
    }
    if outcome.blocked_keys > 0 {
        draft.detail["blocked_keys"] = outcome.blocked_keys.into();
    }
    let living = outcome.living.len() as u64 + outcome.living_more;
    if living > 0 {
        draft.detail["living"] = living.into();
    }
    draft
}

/// A device with its live certificates and open tokens, and nobody else's.
fn end_device(
    connection: &Connection,
    id: &DeviceId,
    end: PrincipalStatus,
    order: &RevokeOrder,
    outcome: &mut Revoked,
) -> Result<(), WriteError> {
    let Some(found) = reads::principal(connection, id)? else { return Ok(()) };
    outcome.known = true;
    if matches!(found.status, PrincipalStatus::Revoked) || found.status == end {
        return Ok(());
    }
    connection
        .prepare_cached("UPDATE principal SET status = ?2, version = version + 1 WHERE id = ?1")?
        .execute((id.as_str(), end.as_str()))?;
    outcome.devices.push(found.id);
    // A superseded certificate is still good for whoever checks offline, so it goes on the list as well.
    let mut statement = connection.prepare_cached(
        "UPDATE certificate SET status = 'revoked', revoked_at = ?2, reason = ?3
         WHERE principal = (SELECT rowid FROM principal WHERE id = ?1) AND status <> 'revoked' AND not_after > ?2
         RETURNING serial, issuer, not_after, shard",
    )?;
    for one in statement.query_map((id.as_str(), order.now.0, order.reason.code()), ended)? {
        let one = one?;
        list(connection, &one, (order.now, order.reason), Entry::First)?;
        outcome.certificates.push(one.serial);
    }
    outcome.tokens.extend(end_tokens(connection, "device", id.as_str())?);
    outcome.credentials.extend(end_credentials(connection, Whose::Principal(id.as_str()))?);
    Ok(())
}

/// An account with its credentials and everything that it owns, its administrators' certificates included.
fn end_account(
    connection: &Connection,
    id: &AccountId,
    order: &RevokeOrder,
    outcome: &mut Revoked,
) -> Result<(), WriteError> {
    let ended = connection
        .prepare_cached(
            "UPDATE account SET status = 'revoked', version = version + 1 WHERE id = ?1 AND status <> 'revoked'",
        )?
        .execute([id.as_str()])?;
    if ended == 0 {
        outcome.known = connection.prepare_cached("SELECT 1 FROM account WHERE id = ?1")?.exists([id.as_str()])?;
        return Ok(());
    }
    outcome.accounts.push(id.clone());
    let mut statement = connection.prepare_cached("SELECT id FROM principal WHERE account = ?1 ORDER BY id")?;
    let owned: Vec<DeviceId> =
        statement.query_map([id.as_str()], |row| decode::device_id(row, 0))?.collect::<rusqlite::Result<_>>()?;
    for device in owned {
        end_device(connection, &device, PrincipalStatus::Revoked, order, outcome)?;
    }
    outcome.known = true;
    outcome.credentials.extend(end_credentials(connection, Whose::Account(id.as_str()))?);
    Ok(())
}

/// A credential with the sessions and tickets that were got with it. One that is over has its reason raised.
fn end_credential(
    connection: &Connection,
    id: &CredentialId,
    order: &RevokeOrder,
    outcome: &mut Revoked,
) -> Result<(), WriteError> {
    let found = connection
        .prepare_cached("SELECT status, coalesce(reason, 0) FROM credential WHERE id = ?1")?
        .query_row([id.as_str()], |row| {
            let reason = Reason::from_code(row.get(1)?).ok_or_else(|| decode::impossible(1))?;
            Ok((text(row, 0, CredentialStatus::parse)?, reason))
        })
        .optional()?;
    let Some((status, before)) = found else { return Ok(()) };
    outcome.known = true;
    let (changes, told) = match status {
        CredentialStatus::Active | CredentialStatus::Disabled => (true, &mut outcome.credentials),
        CredentialStatus::Revoked => (order.reason.may_replace(before), &mut outcome.raised_credentials),
        CredentialStatus::Used => return Ok(()),
    };
    if changes {
        connection
            .prepare_cached("UPDATE credential SET status = 'revoked', reason = nullif(?2, 0) WHERE id = ?1")?
            .execute((id.as_str(), order.reason.code()))?;
        told.push(id.clone());
        outcome.credentials.extend(end_credentials(connection, Whose::Parent(id.as_str()))?);
    }
    Ok(())
}

fn end_session(connection: &Connection, family: &CredentialId, outcome: &mut Revoked) -> Result<(), WriteError> {
    let sql = "SELECT 1 FROM credential WHERE family = ?1 AND kind = 'sgr'";
    outcome.known = connection.prepare_cached(sql)?.exists([family.as_str()])?;
    if outcome.known {
        outcome.credentials.extend(end_credentials(connection, Whose::Family(family.as_str()))?);
    }
    Ok(())
}

/// The reason is `superseded`: that is all that is known for certain.
pub(super) fn quarantine(tx: &mut WriteTx<'_>, serial: &Serial, draft: &AuditDraft) -> Result<(), WriteError> {
    let order = RevokeOrder {
        target: RevokeTarget::Serial(serial.clone()),
        reason: Reason::Superseded,
        now: draft.at,
        mode: Mode::Apply,
        draft: draft.clone(),
    };
    let mut outcome = Revoked::default();
    end_certificate(tx.connection, serial, &order, &mut outcome)?;
    if outcome.certificates.is_empty() {
        return Ok(());
    }
    super::issuing::alarm(tx, Some(serial), draft)
}

fn end_batch(
    connection: &Connection,
    batch: &str,
    order: &RevokeOrder,
    outcome: &mut Revoked,
) -> Result<(), WriteError> {
    let mut statement =
        connection.prepare_cached("SELECT DISTINCT device FROM token WHERE batch = ?1 AND status = 'redeemed'")?;
    let devices: Vec<DeviceId> =
        statement.query_map([batch], |row| decode::device_id(row, 0))?.collect::<rusqlite::Result<_>>()?;
    for device in devices {
        end_device(connection, &device, PrincipalStatus::Revoked, order, outcome)?;
    }
    outcome.known = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM token WHERE batch = ?1)")?
        .query_row([batch], |row| row.get(0))?;
    outcome.tokens.extend(end_tokens(connection, "batch", batch)?);
    Ok(())
}

pub(super) fn change_device(
    tx: &mut WriteTx<'_>,
    order: &ChangeDevice,
) -> Result<Option<Result<PrincipalRecord, Conflict>>, WriteError> {
    let Some(found) = reads::principal(tx.connection, &order.device)? else { return Ok(None) };
    if let Some(conflict) = changing::refused(tx.connection, &found, order)? {
        return Ok(Some(Err(conflict)));
    }
    let account = order.account.as_ref().unwrap_or(&found.account);
    if let (Some(id), true) = (account, order.account.is_some())
        && !accounts::is_active(tx.connection, id)?
    {
        return Ok(Some(Err(Conflict::NoAccount)));
    }
    let mut draft = order.draft.clone();
    if let Some(step) = order.step {
        match take_step(tx.connection, &found, step, order)? {
            Err(conflict) => return Ok(Some(Err(conflict))),
            // Whoever follows the log has to know which connections and handshakes the step concerns.
            Ok(serials) if !serials.is_empty() => {
                draft.detail["certificates"] = serials.iter().map(Serial::to_string).collect();
            }
            Ok(_) => {}
        }
    }
    let groups = order.groups.as_ref().unwrap_or(&found.groups);
    let profile = order.profile.as_ref().unwrap_or(&found.profile);
    tx.connection
        .prepare_cached(
            "UPDATE principal SET groups = ?2, profile = ?3, recoveries = coalesce(?4, recoveries), account = ?5,
                    permissions = coalesce(?6, permissions), version = version + 1
             WHERE id = ?1",
        )?
        .execute((
            order.device.as_str(),
            json(groups)?,
            profile,
            order.recoveries,
            account.as_ref().map(AccountId::as_str),
            order.permissions.as_ref().map(Permissions::to_string),
        ))?;
    tx.audit(&draft)?;
    Ok(reads::principal(tx.connection, &order.device)?.map(Ok))
}

/// The serial numbers of the certificates that the step takes away or gives back.
fn take_step(
    connection: &Connection,
    found: &PrincipalRecord,
    step: Step,
    order: &ChangeDevice,
) -> Result<Result<Vec<Serial>, Conflict>, WriteError> {
    use PrincipalStatus::*;
    let refused = Err(Conflict::Status(found.status));
    let set = |status: PrincipalStatus| {
        connection
            .prepare_cached("UPDATE principal SET status = ?2 WHERE id = ?1")?
            .execute((found.id.as_str(), status.as_str()))
    };
    match (step, found.status) {
        (Step::Suspend, Active) => {
            set(Suspended)?;
            return Ok(Ok(unrevoked(connection, &found.id, order.now)?));
        }
        (Step::Resume, Suspended) => {
            set(Active)?;
            return Ok(Ok(unrevoked(connection, &found.id, order.now)?));
        }
        (Step::Retire, Revoked | Retired) => return Ok(refused),
        (Step::Retire, _) => {
            let revocation = RevokeOrder {
                target: RevokeTarget::Device(found.id.clone()),
                reason: Reason::CessationOfOperation,
                now: order.now,
                mode: Mode::Apply,
                draft: order.draft.clone(),
            };
            let mut outcome = super::super::Revoked::default();
            end_device(connection, &found.id, Retired, &revocation, &mut outcome)?;
            return Ok(Ok(outcome.certificates));
        }
        (Step::Approve, _) => match changing::decide_claims(connection, found, order, TokenStatus::Approved)? {
            Ok(0) => return Ok(refused),
            Ok(_) => {}
            Err(conflict) => return Ok(Err(conflict)),
        },
        (Step::Deny, status) => match changing::decide_claims(connection, found, order, TokenStatus::Denied)? {
            Ok(0) => return Ok(refused),
            Ok(_) if status == Pending && !has_claims(connection, &found.id)? => {
                set(Preregistered)?;
            }
            Ok(_) => {}
            Err(conflict) => return Ok(Err(conflict)),
        },
        _ => return Ok(refused),
    }
    Ok(Ok(Vec::new()))
}

fn has_claims(connection: &Connection, id: &DeviceId) -> Result<bool, WriteError> {
    let sql = "SELECT 1 FROM token WHERE device = ?1 AND status = 'pending'";
    Ok(connection.prepare_cached(sql)?.exists([id.as_str()])?)
}

/// Neither revoked nor expired: whoever checks offline accepts them.
fn unrevoked(connection: &Connection, id: &DeviceId, now: UnixTime) -> Result<Vec<Serial>, WriteError> {
    let mut statement = connection.prepare_cached(
        "SELECT serial FROM certificate
         WHERE principal = (SELECT rowid FROM principal WHERE id = ?1) AND status <> 'revoked' AND not_after > ?2",
    )?;
    let serials = statement.query_map((id.as_str(), now.0), |row| decode::serial(row, 0))?;
    Ok(serials.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn next_crl_number(
    tx: &mut WriteTx<'_>,
    issuer: &[u8],
    floor: u64,
    draft: &AuditDraft,
) -> Result<u64, WriteError> {
    let previous: Option<i64> = tx
        .connection
        .prepare_cached("SELECT number FROM crl WHERE issuer = ?1")?
        .query_row([issuer], |row| row.get(0))
        .optional()?;
    let number = previous.map_or(floor, |p| floor.max(p as u64 + 1));
    tx.connection
        .prepare_cached(
            "INSERT INTO crl (issuer, number) VALUES (?1, ?2) ON CONFLICT (issuer) DO UPDATE SET number = excluded.number",
        )?
        .execute((issuer, number as i64))?;
    let mut draft = draft.clone();
    draft.detail["number"] = number.into();
    tx.audit(&draft)?;
    Ok(number)
}

impl Verdict for Pruned {
    fn keeps_changes(&self) -> bool {
        true
    }
}

/// Small enough to fit between two requests; the caller comes back until nothing is left.
pub(super) fn prune(tx: &mut WriteTx<'_>, order: &Prune) -> Result<Pruned, WriteError> {
    let run = |sql: &str, before: i64| -> Result<u64, WriteError> {
        Ok(tx.connection.prepare_cached(sql)?.execute((before, order.limit))? as u64)
    };
    let certificates = run(
        "UPDATE certificate SET der = x'' WHERE rowid IN
             (SELECT rowid FROM certificate WHERE length(der) > 0 AND not_after < ?1 LIMIT ?2)",
        order.certificates_before.0,
    )?;
    let revocations = run(
        "DELETE FROM revocation WHERE sequence IN (SELECT sequence FROM revocation WHERE not_after < ?1 LIMIT ?2)",
        order.revocations_before.0,
    )?;
    let tokens = run(
        "DELETE FROM token WHERE rowid IN
             (SELECT rowid FROM token WHERE status <> 'redeemed' AND expires_at < ?1 LIMIT ?2)",
        order.tokens_before.0,
    )?;
    super::alarms::prune(tx.connection, order.alarms_before)?;
    Ok(Pruned { certificates, revocations, tokens })
}

/// A write that changes nothing that matters, to find out whether one is possible. It takes more room than an enrollment
/// does, so that a nearly full disk is noticed before a device finds out.
pub(super) fn heartbeat(tx: &mut WriteTx<'_>) -> Result<(), WriteError> {
    tx.connection
        .prepare_cached(
            "INSERT INTO heartbeat (id, filler) VALUES (1, randomblob(65536))
             ON CONFLICT (id) DO UPDATE SET filler = excluded.filler",
        )?
        .execute([])?;
    Ok(())
}
