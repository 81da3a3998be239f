//! Accounts in SQL.

use rusqlite::{Connection, Row};
use signet_api::access::{AccountKind, AccountQuery};
use signet_api::admin::Page;
use signet_api::scope::AccountId;
use signet_pki::UnixTime;

use super::super::*;
use super::ReadError;
use super::decode::{self, text};
use super::listing::{Of, page, rows};
use super::reads::{Filter, one, page_size};
use super::writer::{WriteError, WriteTx};

pub(super) fn is_active(connection: &Connection, id: &AccountId) -> Result<bool, WriteError> {
    let sql = "SELECT 1 FROM account WHERE id = ?1 AND status = 'active'";
    Ok(connection.prepare_cached(sql)?.exists([id.as_str()])?)
}

pub(super) fn create_account(
    tx: &mut WriteTx<'_>,
    order: &CreateAccount,
) -> Result<Result<(), AccessConflict>, WriteError> {
    let a = &order.account;
    if account(tx.connection, &a.id)?.is_some() {
        return Ok(Err(AccessConflict::Exists));
    }
    tx.connection
        .prepare_cached(
            "INSERT INTO account (id, kind, name, status, permissions, created_at, created_by, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1)",
        )?
        .execute((
            a.id.as_str(),
            a.kind.as_str(),
            &a.name,
            a.status.as_str(),
            a.permissions.to_string(),
            a.created_at.0,
            &a.created_by,
        ))?;
    tx.audit(&order.draft)?;
    Ok(Ok(()))
}

pub(super) fn change_account(
    tx: &mut WriteTx<'_>,
    order: &ChangeAccount,
) -> Result<Option<Result<AccountRecord, AccessConflict>>, WriteError> {
    use AccountStatus::*;
    let Some(found) = account(tx.connection, &order.id)? else { return Ok(None) };
    let possible = match (found.status, order.status) {
        (Revoked, _) | (_, Some(Revoked)) => false,
        (Active, Some(Active)) | (Suspended, Some(Suspended)) => false,
        (Active | Suspended, _) => true,
    };
    if !possible {
        return Ok(Some(Err(AccessConflict::Account(found.status))));
    }
    tx.connection
        .prepare_cached(
            "UPDATE account SET name = coalesce(?2, name), status = coalesce(?3, status),
                    permissions = coalesce(?4, permissions), version = version + 1
             WHERE id = ?1",
        )?
        .execute((
            order.id.as_str(),
            &order.name,
            order.status.map(AccountStatus::as_str),
            order.permissions.as_ref().map(ToString::to_string),
        ))?;
    tx.audit(&order.draft)?;
    Ok(account(tx.connection, &order.id)?.map(Ok))
}

pub(super) fn account(c: &Connection, id: &AccountId) -> Result<Option<AccountRecord>, ReadError> {
    let sql = format!("SELECT {ACCOUNT} FROM account a WHERE a.id = ?1");
    one(c, &sql, [id.as_str()], decode_account)
}

pub(super) fn accounts(c: &Connection, query: &AccountQuery) -> Result<Page<AccountRecord>, ReadError> {
    let limit = page_size(query.limit);
    let mut filter = Filter::default();
    if let Some(status) = &query.status {
        filter.and("a.status = ?", status.clone());
    }
    if let Some(after) = &query.after {
        filter.and("a.id > ?", after.clone());
    }
    let sql = format!("SELECT {ACCOUNT} FROM account a {} ORDER BY a.id LIMIT {}", filter.clause(), limit + 1);
    let found = rows(c, Of("account", 0), &sql, rusqlite::params_from_iter(filter.values()), decode_account)?;
    Ok(page(found, limit, |account| account.id.to_string()))
}

const ACCOUNT: &str = "a.id, a.kind, a.name, a.status, a.permissions, a.created_at, a.created_by, a.version";

fn decode_account(row: &Row<'_>) -> rusqlite::Result<AccountRecord> {
    Ok(AccountRecord {
        id: text(row, 0, |t| AccountId::parse(t).ok())?,
        kind: text(row, 1, AccountKind::parse)?,
        name: row.get(2)?,
        status: text(row, 3, AccountStatus::parse)?,
        permissions: text(row, 4, |t| t.parse().ok())?,
        created_at: UnixTime(row.get(5)?),
        created_by: row.get(6)?,
        version: decode::count(row, 7)?,
    })
}
