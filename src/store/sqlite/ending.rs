//! The end of certificates in SQL: the row, the entry that the next CRL finds, and the key when it is compromised.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};
use signet_pki::crl::{Reason, encode_entry};
use signet_pki::{Fingerprint, Serial, UnixTime};

use super::super::*;
use super::access::{Whose, end_credentials};
use super::decode;
use super::lineage::{self, Bond, Line, credential_id};
use super::writer::WriteError;

/// The columns of [`Held`].
macro_rules! held {
    () => {
        "serial, issuer, not_after, shard, rowid, spki, revoked_at, reason"
    };
}
/// A certificate; with what descends from it when it is compromised.
pub(super) fn end_certificate(
    connection: &Connection,
    serial: &Serial,
    order: &RevokeOrder,
    outcome: &mut Revoked,
) -> Result<(), WriteError> {
    end_serial(connection, serial, order, outcome)?;
    if order.reason.is_compromise() {
        let line = lineage::of(connection, &RevokeTarget::Serial(serial.clone()))?;
        end_line(connection, &line, order, outcome)?;
    }
    Ok(())
}

/// The certificate alone.
pub(super) fn end_serial(
    connection: &Connection,
    serial: &Serial,
    order: &RevokeOrder,
    outcome: &mut Revoked,
) -> Result<(), WriteError> {
    let sql = concat!("SELECT ", held!(), " FROM certificate WHERE serial = ?1");
    let found = connection.prepare_cached(sql)?.query_row([serial.as_bytes()], Held::read).optional()?;
    let Some(found) = found else { return Ok(()) };
    outcome.known = true;
    end_held(connection, found, order.reason, order, outcome)
}

/// Revokes a certificate, or raises the reason for which it was revoked before. With a compromise its key is blocked.
fn end_held(
    connection: &Connection,
    held: Held,
    reason: Reason,
    order: &RevokeOrder,
    outcome: &mut Revoked,
) -> Result<(), WriteError> {
    if reason.is_compromise() {
        outcome.blocked_keys += u64::from(lineage::block_key(connection, &held.spki, order.now)?);
    }
    match held.revoked {
        None => {
            connection
                .prepare_cached(
                    "UPDATE certificate SET status = 'revoked', revoked_at = ?2, reason = ?3 WHERE rowid = ?1",
                )?
                .execute((held.row, order.now.0, reason.code()))?;
            // A verifier of a certificate that has ended looks at no CRL.
            if held.ended.not_after > order.now.0 {
                list(connection, &held.ended, (order.now, reason), Entry::First)?;
            }
            outcome.credentials.extend(end_credentials(connection, Whose::Key(&held.spki))?);
            outcome.certificates.push(held.ended.serial);
        }
        Some((at, before)) if reason.is_compromise() && !before.is_compromise() => {
            // The certificate was not to be relied on since the earlier of the two.
            let since = UnixTime(at.0.min(order.now.0));
            connection
                .prepare_cached("UPDATE certificate SET revoked_at = ?2, reason = ?3 WHERE rowid = ?1")?
                .execute((held.row, since.0, reason.code()))?;
            unlist(connection, &held.ended, (at, before))?;
            if held.ended.not_after > order.now.0 {
                list(connection, &held.ended, (since, reason), Entry::Replacing)?;
            }
            outcome.raised.push(held.ended.serial);
        }
        Some(_) => {}
    }
    Ok(())
}

/// Ends everything that descends from what was compromised. The keys that it was renewed with are blocked; a certificate that
/// was only made with it says that the right to it is gone.
pub(super) fn end_line(
    connection: &Connection,
    line: &Line,
    order: &RevokeOrder,
    outcome: &mut Revoked,
) -> Result<(), WriteError> {
    let sql = concat!(
        "SELECT ",
        held!(),
        ", (SELECT id FROM principal p WHERE p.rowid = principal)
                       FROM certificate WHERE rowid = ?1"
    );
    let mut certificate = connection.prepare_cached(sql)?;
    let mut affected = BTreeSet::new();
    for (row, bond) in &line.certificates {
        let (held, device) = certificate.query_row([row], |row| Ok((Held::read(row)?, decode::device_id(row, 8)?)))?;
        let reason = match bond {
            Bond::Key => order.reason,
            Bond::Gained => Reason::PrivilegeWithdrawn,
        };
        let before = outcome.certificates.len();
        end_held(connection, held, reason, order, outcome)?;
        if *bond == Bond::Gained && outcome.certificates.len() > before {
            affected.insert(device);
        }
    }
    outcome.affected.extend(affected);
    let mut credential = connection.prepare_cached(
        "UPDATE credential SET status = 'revoked', reason = ?2
         WHERE rowid = ?1 AND status IN ('active', 'disabled') RETURNING id",
    )?;
    for row in &line.credentials {
        let ended = credential.query_row((row, order.reason.code()), |row| credential_id(row, 0)).optional()?;
        outcome.credentials.extend(ended);
    }
    let mut token = connection.prepare_cached(
        "UPDATE token SET status = 'revoked' WHERE rowid = ?1 AND status IN ('active', 'pending', 'approved') RETURNING id",
    )?;
    for row in &line.tokens {
        outcome.tokens.extend(token.query_row([row], |row| credential_id(row, 0)).optional()?);
    }
    Ok(())
}

/// A certificate that was just revoked.
pub(super) struct Ended {
    pub(super) serial: Serial,
    issuer: Vec<u8>,
    not_after: i64,
    shard: Option<u16>,
}

pub(super) fn ended(row: &rusqlite::Row<'_>) -> rusqlite::Result<Ended> {
    Ok(Ended { serial: decode::serial(row, 0)?, issuer: row.get(1)?, not_after: row.get(2)?, shard: row.get(3)? })
}

/// A certificate with what decides whether it is to be revoked.
struct Held {
    ended: Ended,
    row: i64,
    spki: Fingerprint,
    revoked: Option<(UnixTime, Reason)>,
}

impl Held {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Held> {
        let revoked = match row.get::<_, Option<i64>>(6)? {
            None => None,
            Some(at) => Some((UnixTime(at), Reason::from_code(row.get(7)?).ok_or_else(|| decode::impossible(7))?)),
        };
        Ok(Held { ended: ended(row)?, row: row.get(4)?, spki: Fingerprint(row.get(5)?), revoked })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    First,
    /// Of a certificate whose earlier entry was taken away: lists that carry that one are made anew.
    Replacing,
}

/// Puts a revocation where the next list finds it.
pub(super) fn list(
    connection: &Connection,
    one: &Ended,
    (at, reason): (UnixTime, Reason),
    kind: Entry,
) -> Result<(), WriteError> {
    let mut entry = Vec::with_capacity(64);
    encode_entry(&one.serial, at, reason, &mut entry);
    connection
        .prepare_cached(
            "INSERT INTO revocation (issuer, not_after, entry, shard, replaces) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((&one.issuer, one.not_after, entry, one.shard, kind == Entry::Replacing))?;
    Ok(())
}

/// Takes the entry away that a certificate had.
fn unlist(connection: &Connection, one: &Ended, (at, reason): (UnixTime, Reason)) -> Result<(), WriteError> {
    let mut entry = Vec::with_capacity(64);
    encode_entry(&one.serial, at, reason, &mut entry);
    connection
        .prepare_cached("DELETE FROM revocation WHERE not_after = ?1 AND issuer = ?2 AND entry = ?3")?
        .execute((one.not_after, &one.issuer, entry))?;
    Ok(())
}
