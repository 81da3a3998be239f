//! Enrollment tokens in SQL.

use rusqlite::{Connection, OptionalExtension};
use signet_api::CredentialId;

use super::super::*;
use super::decode;
use super::issuing::json;
use super::reads;
use super::writer::{Verdict, WriteError, WriteTx};

impl Verdict for Result<(), TokenConflict> {
    fn keeps_changes(&self) -> bool {
        self.is_ok()
    }
}

impl Verdict for Vec<CredentialId> {
    fn keeps_changes(&self) -> bool {
        !self.is_empty()
    }
}

pub(super) fn create(tx: &mut WriteTx<'_>, order: &CreateTokens) -> Result<Result<(), TokenConflict>, WriteError> {
    if let Some(conflict) = large_batch(tx.connection, order)? {
        return Ok(Err(conflict));
    }
    for token in &order.tokens {
        if let Err(conflict) = preregister(tx.connection, order, token)? {
            return Ok(Err(conflict));
        }
        insert(tx.connection, token, &order.origin)?;
    }
    tx.audit(&order.draft)?;
    Ok(Ok(()))
}

/// A batch is what bears its name, in however many orders.
fn large_batch(connection: &Connection, order: &CreateTokens) -> Result<Option<TokenConflict>, WriteError> {
    let Some(large) = order.large_batch else { return Ok(None) };
    let batch = order.tokens.first().and_then(|token| token.batch.as_ref());
    let made: u32 = match batch {
        None => 0,
        Some(name) => connection
            .prepare_cached("SELECT count(*) FROM token WHERE batch = ?1")?
            .query_row([name], |row| row.get(0))?,
    };
    let total = made.saturating_add(u32::try_from(order.tokens.len()).unwrap_or(u32::MAX));
    Ok((total >= large).then_some(TokenConflict::LargeBatch(total)))
}

/// The principal that the token will enroll: new, or allowed to enroll again.
fn preregister(
    connection: &Connection,
    order: &CreateTokens,
    token: &TokenRecord,
) -> Result<Result<(), TokenConflict>, WriteError> {
    use PrincipalStatus::*;
    let Some(found) = reads::principal(connection, &token.device)? else {
        connection
            .prepare_cached(
                "INSERT INTO principal (id, kind, status, profile, groups, dns_names, addresses, hardware_serial,
                                        created_at, permissions, version)
                 VALUES (?1, ?2, 'preregistered', ?3, ?4, ?5, '[]', ?6, ?7, ?8, 1)",
            )?
            .execute((
                token.device.as_str(),
                order.kind.as_str(),
                &token.profile,
                json(&token.groups)?,
                json(&token.dns_names)?,
                &token.hardware_serial,
                token.created_at.0,
                order.permissions.as_ref().map(ToString::to_string),
            ))?;
        return Ok(Ok(()));
    };
    // Who holds the token becomes the principal.
    let beyond = found.scopes().beyond(order.outranked_by);
    if found.permissions.is_some() && !beyond.is_empty() {
        return Ok(Err(TokenConflict::Outranked(found.id, beyond)));
    }
    let verdict = match found.status {
        Revoked | Retired => Err(TokenConflict::Ended(found.id)),
        _ if found.kind != order.kind => Err(TokenConflict::Ended(found.id)),
        // The newest order says what the device will be.
        Preregistered | Pending => {
            connection
                .prepare_cached(
                    "UPDATE principal SET profile = ?2, groups = ?3, dns_names = ?4, permissions = coalesce(?5, permissions),
                            version = version + 1
                     WHERE id = ?1",
                )?
                .execute((
                    token.device.as_str(),
                    &token.profile,
                    json(&token.groups)?,
                    json(&token.dns_names)?,
                    order.permissions.as_ref().map(ToString::to_string),
                ))?;
            Ok(())
        }
        Active | Suspended if token.replace => Ok(()),
        Active | Suspended => Err(TokenConflict::Exists(found.id)),
    };
    Ok(verdict)
}

fn insert(connection: &Connection, token: &TokenRecord, origin: &Origin) -> Result<(), WriteError> {
    connection
        .prepare_cached(
            "INSERT INTO token (id, kind, hash, status, batch, device, profile, groups, dns_names, hardware_serial, spki,
                                cidr, approval, replace, created_at, created_by, expires_at, minted_serial,
                                minted_credential)
             VALUES (?1, ?2, ?3, 'active', ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        )?
        .execute(rusqlite::params![
            token.id.as_str(),
            decode::token_kind_text(token.kind),
            token.hash.as_slice(),
            &token.batch,
            token.device.as_str(),
            &token.profile,
            json(&token.groups)?,
            json(&token.dns_names)?,
            &token.hardware_serial,
            token.spki.map(|f| f.0.to_vec()),
            &token.cidr,
            token.approval,
            token.replace,
            token.created_at.0,
            &token.created_by,
            token.expires_at.0,
            origin.certificate.as_ref().map(|serial| serial.as_bytes().to_vec()),
            origin.credential.as_ref().map(CredentialId::as_str),
        ])?;
    Ok(())
}

pub(super) fn claim(tx: &mut WriteTx<'_>, claim: &Claim) -> Result<Result<(), Conflict>, WriteError> {
    let device: Option<String> = tx
        .connection
        .prepare_cached(
            "UPDATE token SET status = 'pending', claimed_spki = ?2
             WHERE id = ?1 AND status = 'active' AND approval = 1 AND expires_at > ?3 RETURNING device",
        )?
        .query_row((claim.token.as_str(), claim.spki.0.as_slice(), claim.now.0), |row| row.get(0))
        .optional()?;
    let Some(device) = device else {
        let token = reads::token(tx.connection, &claim.token)?;
        return Ok(match token {
            // The same key asked before: it waits already.
            Some(t) if t.claimed_spki == Some(claim.spki) && t.status == TokenStatus::Pending => Ok(()),
            Some(t) if t.claimed_spki.is_some_and(|spki| spki != claim.spki) => Err(Conflict::OtherKey),
            _ => Err(Conflict::TokenGone),
        });
    };
    tx.connection
        .prepare_cached(
            "UPDATE principal SET status = 'pending', hardware_serial = coalesce(?2, hardware_serial), version = version + 1
             WHERE id = ?1 AND status = 'preregistered'",
        )?
        .execute((&device, &claim.hardware_serial))?;
    tx.audit(&claim.draft)?;
    Ok(Ok(()))
}

pub(super) fn revoke(tx: &mut WriteTx<'_>, order: &RevokeTokens) -> Result<Vec<CredentialId>, WriteError> {
    let revoked = match &order.which {
        TokenSelection::Id(id) => end_tokens(tx.connection, "id", id.as_str())?,
        TokenSelection::Batch(batch) => end_tokens(tx.connection, "batch", batch)?,
    };
    if !revoked.is_empty() {
        tx.audit(&order.draft)?;
    }
    Ok(revoked)
}

/// Revokes the open tokens for which `column` equals `value`. The column is one of ours, never a caller's text.
pub(super) fn end_tokens(
    connection: &Connection,
    column: &'static str,
    value: &str,
) -> Result<Vec<CredentialId>, WriteError> {
    let sql = format!(
        "UPDATE token SET status = 'revoked'
         WHERE {column} = ?1 AND status IN ('active', 'pending', 'approved') RETURNING id"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let ids = statement
        .query_map([value], |row| Ok(row.get_ref(0)?.as_str().ok().and_then(|t| CredentialId::parse(t).ok())))?;
    // One whose id cannot be read has ended like the others, and keeps no caller from revoking them.
    Ok(ids.filter_map(Result::transpose).collect::<rusqlite::Result<_>>()?)
}
