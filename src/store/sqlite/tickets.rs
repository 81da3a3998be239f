//! Stream tickets in SQL: rows of the credentials.

use rusqlite::{Connection, OptionalExtension};
use signet_api::{CredentialId, CredentialKind};
use signet_pki::{Serial, UnixTime};

use super::super::*;
use super::access;
use super::decode;
use super::writer::{WriteError, WriteTx};
use super::{ReadError, SqliteStore};

impl TicketStore for SqliteStore {
    fn create_ticket(&self, order: CreateTicket) -> Answer<'_, Result<(), AccessConflict>> {
        self.writer.submit(move |tx| create(tx, &order))
    }

    fn take_ticket(&self, order: TakeTicket) -> Answer<'_, Result<(), AccessConflict>> {
        self.writer.submit(move |tx| take(tx, &order))
    }

    fn ticket(&self, id: &CredentialId) -> Answer<'_, Option<TicketRecord>> {
        self.read(|c| ticket(c, id))
    }

    fn prune_tickets(&self, before: UnixTime, limit: u32) -> Answer<'_, u64> {
        self.writer.submit(move |tx| {
            let sql = "DELETE FROM credential WHERE rowid IN
                           (SELECT rowid FROM credential WHERE kind = ?1 AND expires_at < ?2 LIMIT ?3)";
            let removed = tx.connection.prepare_cached(sql)?.execute((TICKET, before.0, limit))?;
            Ok(removed as u64)
        })
    }
}

fn create(tx: &mut WriteTx<'_>, order: &CreateTicket) -> Result<Result<(), AccessConflict>, WriteError> {
    let TicketRecord { credential, serial } = &order.ticket;
    let (account, principal) = match &credential.owner {
        Owner::Account(id) => (Some(id.as_str()), None),
        Owner::Principal(id) => (None, Some(id.as_str())),
    };
    let unused: u32 = tx
        .connection
        .prepare_cached(
            "SELECT (SELECT count(*) FROM credential WHERE account = ?1 AND kind = ?3 AND status = 'active' AND expires_at > ?4)
                  + (SELECT count(*) FROM credential WHERE principal = ?2 AND kind = ?3 AND status = 'active' AND expires_at > ?4)",
        )?
        .query_row((account, principal, TICKET, credential.created_at.0), |row| row.get(0))?;
    if unused >= TICKETS_OF_ONE {
        return Ok(Err(AccessConflict::TooMany));
    }
    if let Err(conflict) = access::insert(tx.connection, credential)? {
        return Ok(Err(conflict));
    }
    tx.connection
        .prepare_cached("UPDATE credential SET serial = ?2 WHERE id = ?1")?
        .execute((credential.id.as_str(), serial.as_ref().map(Serial::as_bytes)))?;
    tx.audit(&order.draft)?;
    Ok(Ok(()))
}

fn take(tx: &mut WriteTx<'_>, order: &TakeTicket) -> Result<Result<(), AccessConflict>, WriteError> {
    let taken = tx
        .connection
        .prepare_cached(
            "UPDATE credential SET status = 'used', used_at = ?2
             WHERE id = ?1 AND kind = ?3 AND status = 'active' AND expires_at > ?2",
        )?
        .execute((order.id.as_str(), order.now.0, TICKET))?;
    if taken == 0 {
        let found = access::credential(tx.connection, &order.id)?;
        return Ok(Err(AccessConflict::Credential(found.map_or(CredentialStatus::Used, |found| found.status))));
    }
    tx.audit(&order.draft)?;
    Ok(Ok(()))
}

fn ticket(c: &Connection, id: &CredentialId) -> Result<Option<TicketRecord>, ReadError> {
    let found = access::credential(c, id)?.filter(|found| found.kind == CredentialKind::Ticket);
    let Some(credential) = found else { return Ok(None) };
    let serial = c
        .prepare_cached("SELECT serial FROM credential WHERE id = ?1 AND serial IS NOT NULL")?
        .query_row([id.as_str()], |row| decode::serial(row, 0))
        .optional()?;
    Ok(Some(TicketRecord { credential, serial }))
}

/// `CredentialKind::Ticket.prefix()`
const TICKET: &str = "sgt";
