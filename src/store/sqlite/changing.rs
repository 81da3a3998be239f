//! What stands in the way of a change of a principal, as the rows are in the transaction that makes it.

use rusqlite::{Connection, OptionalExtension};
use signet_api::CredentialId;
use signet_api::scope::Scopes;
use signet_pki::name::PrincipalKind;

use super::super::*;
use super::decode::{self, text};
use super::writer::WriteError;

/// Why the actor may not make this change, if so.
pub(super) fn refused(
    connection: &Connection,
    found: &PrincipalRecord,
    order: &ChangeDevice,
) -> Result<Option<Conflict>, WriteError> {
    if let Some(conflict) = outranked(found, order) {
        return Ok(Some(conflict));
    }
    if let Some(seen) = order.generation {
        let newest: u64 = connection
            .prepare_cached(
                "SELECT coalesce(max(generation), 0) FROM certificate
                 WHERE principal = (SELECT rowid FROM principal WHERE id = ?1)",
            )?
            .query_row([found.id.as_str()], |row| decode::count(row, 0))?;
        if newest != seen {
            return Ok(Some(Conflict::Generation(newest)));
        }
    }
    let more = order.permissions.as_ref().is_some_and(|given| !given.scopes().beyond(found.scopes()).is_empty());
    if more { other_ways_in(connection, found, order) } else { Ok(None) }
}

/// To suspend and to retire is the safe direction; what gives authority back, or says who has it, is not.
fn outranked(found: &PrincipalRecord, order: &ChangeDevice) -> Option<Conflict> {
    let scopes = order.outranked_by?;
    let administers = matches!(found.kind, PrincipalKind::Admin | PrincipalKind::Server);
    let gives = matches!(order.step, Some(Step::Resume | Step::Approve))
        || order.permissions.is_some()
        || order.account.is_some()
        || order.recoveries.is_some();
    let beyond = if administers || found.permissions.is_some() { found.scopes().beyond(scopes) } else { Scopes::NONE };
    ((administers || gives) && !beyond.is_empty()).then_some(Conflict::Outranked(beyond))
}

/// Who else would hold the permissions that are given now: the holder of an open token of another actor's making, or of a certificate
/// that came from one and was never used.
fn other_ways_in(
    connection: &Connection,
    found: &PrincipalRecord,
    order: &ChangeDevice,
) -> Result<Option<Conflict>, WriteError> {
    let actor = order.draft.actor.name();
    let open = connection
        .prepare_cached(
            "SELECT id, created_by FROM token
             WHERE device = ?1 AND status IN ('active', 'pending', 'approved') AND expires_at > ?2 AND created_by <> ?3
             LIMIT 1",
        )?
        .query_row((found.id.as_str(), order.now.0, actor), |row| {
            Ok(Conflict::OpenToken { token: text(row, 0, |t| CredentialId::parse(t).ok())?, by: row.get(1)? })
        })
        .optional()?;
    if open.is_some() {
        return Ok(open);
    }
    let unused = connection
        .prepare_cached(
            "SELECT serial FROM certificate c
             WHERE principal = (SELECT rowid FROM principal WHERE id = ?1) AND status = 'pending' AND first_used_at IS NULL
               AND parent IS NULL AND not_after > ?2
               AND NOT EXISTS (SELECT 1 FROM token t WHERE t.redeemed_serial = c.serial AND t.created_by = ?3)
             LIMIT 1",
        )?
        .query_row((found.id.as_str(), order.now.0, actor), |row| decode::serial(row, 0))
        .optional()?;
    Ok(unused.map(Conflict::UnusedCertificate))
}

/// Lets one claim on, or turns claims down. How many were decided on.
pub(super) fn decide_claims(
    connection: &Connection,
    found: &PrincipalRecord,
    order: &ChangeDevice,
    to: TokenStatus,
) -> Result<Result<usize, Conflict>, WriteError> {
    let waiting: Vec<(CredentialId, Option<[u8; 32]>)> = connection
        .prepare_cached(
            "SELECT id, claimed_spki FROM token WHERE device = ?1 AND status = 'pending' AND expires_at > ?2",
        )?
        .query_map((found.id.as_str(), order.now.0), |row| {
            Ok((text(row, 0, |t| CredentialId::parse(t).ok())?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let seen = |(id, spki): &&(CredentialId, Option<[u8; 32]>)| {
        order.claim.as_ref().is_none_or(|claim| claim.token == *id && claim.spki.is_none_or(|key| Some(key.0) == *spki))
    };
    let meant: Vec<&CredentialId> = waiting.iter().filter(seen).map(|(id, _)| id).collect();
    let several = to == TokenStatus::Approved && meant.len() > 1;
    if several || (meant.is_empty() && !waiting.is_empty()) {
        return Ok(Err(Conflict::Claims(waiting.into_iter().map(|(id, _)| id).collect())));
    }
    for id in &meant {
        connection.prepare_cached("UPDATE token SET status = ?2 WHERE id = ?1")?.execute((id.as_str(), to.as_str()))?;
    }
    Ok(Ok(meant.len()))
}
