//! Accounts and credentials in SQL.

use rusqlite::{Connection, OptionalExtension, Row};
use signet_api::access::{AccountQuery, CredentialQuery};
use signet_api::admin::Page;
use signet_api::scope::AccountId;
use signet_api::{CredentialId, CredentialKind};
use signet_pki::{DeviceId, Fingerprint, UnixTime};

use super::super::*;
use super::accounts::{account, accounts, change_account, create_account};
use super::decode::{self, PRINCIPAL, impossible, optional_text, text};
use super::lineage;
use super::listing::{Of, page, rows};
use super::reads::{Filter, many, one, page_size};
use super::writer::{Verdict, WriteError, WriteTx};
use super::{ReadError, SqliteStore};

impl AccessStore for SqliteStore {
    fn create_account(&self, order: CreateAccount) -> Answer<'_, Result<(), AccessConflict>> {
        self.writer.submit(move |tx| create_account(tx, &order))
    }

    fn change_account(&self, order: ChangeAccount) -> Answer<'_, Option<Result<AccountRecord, AccessConflict>>> {
        self.writer.submit(move |tx| change_account(tx, &order))
    }

    fn create_credentials(&self, order: CreateCredentials) -> Answer<'_, Result<(), AccessConflict>> {
        self.writer.submit(move |tx| create_credentials(tx, &order))
    }

    fn change_credential(
        &self,
        order: ChangeCredential,
    ) -> Answer<'_, Option<Result<CredentialRecord, AccessConflict>>> {
        self.writer.submit(move |tx| change_credential(tx, &order))
    }

    fn rotate_credential(
        &self,
        order: RotateCredential,
    ) -> Answer<'_, Option<Result<CredentialRecord, AccessConflict>>> {
        self.writer.submit(move |tx| rotate_credential(tx, &order))
    }

    fn note_credentials_used(&self, uses: Vec<(CredentialId, UnixTime)>) -> Answer<'_, ()> {
        self.writer.submit(move |tx| note_used(tx.connection, &uses))
    }

    fn account(&self, id: &AccountId) -> Answer<'_, Option<AccountRecord>> {
        self.read(|c| account(c, id))
    }

    fn accounts(&self, query: AccountQuery) -> Answer<'_, Page<AccountRecord>> {
        self.read_long(move |c| accounts(c, &query))
    }

    fn credential(&self, id: &CredentialId) -> Answer<'_, Option<CredentialRecord>> {
        self.read(|c| credential(c, id))
    }

    fn legacy_credential(&self, hash: &[u8; 32]) -> Answer<'_, Option<CredentialRecord>> {
        self.read(|c| {
            let sql = format!("SELECT {CREDENTIAL} FROM credential k WHERE k.hash = ?1 AND k.legacy = 1");
            one(c, &sql, [hash.as_slice()], decode_credential)
        })
    }

    fn credentials(&self, query: CredentialQuery, now: UnixTime) -> Answer<'_, Page<CredentialRecord>> {
        self.read_long(move |c| credentials(c, &query, now))
    }

    fn administrators_of(&self, account: &AccountId) -> Answer<'_, Vec<PrincipalRecord>> {
        self.read(|c| {
            let sql = format!(
                "SELECT {PRINCIPAL} FROM principal p WHERE p.account = ?1 AND p.kind IN ('admin', 'server') ORDER BY p.id"
            );
            many(c, &sql, [account.as_str()], decode::principal)
        })
    }

    fn devices_of(&self, account: &AccountId) -> Answer<'_, Vec<DeviceId>> {
        self.read(|c| {
            let sql = "SELECT id FROM principal WHERE account = ?1 ORDER BY id LIMIT 1000";
            many(c, sql, [account.as_str()], |row| decode::device_id(row, 0))
        })
    }
}

impl Verdict for Result<(), AccessConflict> {
    fn keeps_changes(&self) -> bool {
        self.is_ok()
    }
}

impl<T> Verdict for Option<Result<T, AccessConflict>> {
    fn keeps_changes(&self) -> bool {
        matches!(self, Some(Ok(_)))
    }
}

/// Whose credentials.
pub(super) enum Whose<'a> {
    Account(&'a str),
    Principal(&'a str),
    /// Those that may be presented with this key alone.
    Key(&'a Fingerprint),
    /// One line of refresh tokens.
    Family(&'a str),
    /// Sessions and tickets that were got with another credential.
    Parent(&'a str),
}

/// Revokes what is not over yet, and answers what that was.
pub(super) fn end_credentials(connection: &Connection, whose: Whose<'_>) -> Result<Vec<CredentialId>, WriteError> {
    let (column, value): (_, &dyn rusqlite::ToSql) = match &whose {
        Whose::Account(id) => ("account", id),
        Whose::Principal(id) => ("principal", id),
        Whose::Key(spki) => ("spki", &spki.0.as_slice()),
        Whose::Family(id) => ("family", id),
        Whose::Parent(id) => ("parent", id),
    };
    // A key that was made with another one has an owner of its own.
    let which = if matches!(whose, Whose::Parent(_)) { "kind <> 'sgk' AND " } else { "" };
    let sql = format!(
        "UPDATE credential SET status = 'revoked'
         WHERE {which}{column} = ?1 AND status IN ('active', 'disabled') RETURNING id"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let ids = statement
        .query_map([value], |row| Ok(row.get_ref(0)?.as_str().ok().and_then(|t| CredentialId::parse(t).ok())))?;
    // One whose id cannot be read has ended like the others, and keeps no caller from revoking them.
    Ok(ids.filter_map(Result::transpose).collect::<rusqlite::Result<_>>()?)
}

/// What a backup holds may have been revoked after it was made: keys wait for an administrator, the rest is got anew.
pub(super) fn after_restore(connection: &Connection) -> Result<u64, WriteError> {
    let changed = connection
        .prepare_cached(
            "UPDATE credential SET status = CASE kind WHEN 'sgk' THEN 'disabled' ELSE 'revoked' END
             WHERE status = 'active' OR (status = 'disabled' AND kind <> 'sgk')",
        )?
        .execute([])?;
    Ok(changed as u64)
}

fn create_credentials(
    tx: &mut WriteTx<'_>,
    order: &CreateCredentials,
) -> Result<Result<(), AccessConflict>, WriteError> {
    let (mut known, mut checked) = (Vec::new(), None);
    for (at, record) in order.credentials.iter().enumerate() {
        if checked != Some(&record.owner) {
            checked = Some(&record.owner);
            if let Err(conflict) = has_room(tx.connection, record, order.credentials.len() - at)? {
                return Ok(Err(conflict));
            }
        }
        match put(tx.connection, record)? {
            Ok(()) => note_origin(tx.connection, &record.id, &order.origin)?,
            // All of them, so that whoever imports a list mends it at once.
            Err(AccessConflict::Known(ids)) => known.extend(ids),
            Err(conflict) => return Ok(Err(conflict)),
        }
    }
    if !known.is_empty() {
        return Ok(Err(AccessConflict::Known(known)));
    }
    tx.audit(&order.draft)?;
    Ok(Ok(()))
}

fn note_origin(connection: &Connection, id: &CredentialId, origin: &Origin) -> Result<(), WriteError> {
    if *origin == Origin::default() {
        return Ok(());
    }
    let sql = "UPDATE credential SET serial = ?2, parent = coalesce(parent, ?3) WHERE id = ?1";
    let serial = origin.certificate.as_ref().map(|serial| serial.as_bytes());
    let credential = origin.credential.as_ref().map(CredentialId::as_str);
    connection.prepare_cached(sql)?.execute((id.as_str(), serial, credential))?;
    Ok(())
}

/// A credential whose owner may have it.
pub(super) fn insert(
    connection: &Connection,
    record: &CredentialRecord,
) -> Result<Result<(), AccessConflict>, WriteError> {
    match has_room(connection, record, 1)? {
        Ok(()) => put(connection, record),
        conflict => Ok(conflict),
    }
}

fn columns(owner: &Owner) -> (Option<&str>, Option<&str>) {
    match owner {
        Owner::Account(id) => (Some(id.as_str()), None),
        Owner::Principal(id) => (None, Some(id.as_str())),
    }
}

/// Whether the owner may have so many more of this kind.
fn has_room(
    connection: &Connection,
    record: &CredentialRecord,
    more: usize,
) -> Result<Result<(), AccessConflict>, WriteError> {
    let (account, principal) = columns(&record.owner);
    let status: Option<String> = connection
        .prepare_cached(
            "SELECT status FROM account WHERE id = ?1 UNION ALL SELECT status FROM principal WHERE id = ?2",
        )?
        .query_row((account, principal), |row| row.get(0))
        .optional()?;
    match status.as_deref() {
        None => return Ok(Err(AccessConflict::NoOwner)),
        Some("active") => {}
        Some(_) => return Ok(Err(AccessConflict::OwnerEnded)),
    }
    let (column, id) = match &record.owner {
        Owner::Account(id) => ("account", id.as_str()),
        Owner::Principal(id) => ("principal", id.as_str()),
    };
    let sql = format!(
        "SELECT count(*) FROM credential
         WHERE {column} = ?1 AND status IN ('active', 'disabled') AND expires_at > ?2 AND legacy = ?3"
    );
    let held: usize = connection
        .prepare_cached(&sql)?
        .query_row((id, record.created_at.0, record.legacy), |row| row.get::<_, u32>(0))?
        as usize;
    let most = if record.legacy { IMPORTED_OF_ONE } else { CREDENTIALS_OF_ONE };
    Ok(if held + more > most { Err(AccessConflict::TooMany) } else { Ok(()) })
}

fn put(connection: &Connection, record: &CredentialRecord) -> Result<Result<(), AccessConflict>, WriteError> {
    let (account, principal) = columns(&record.owner);
    if record.legacy {
        let sql = "SELECT 1 FROM credential WHERE hash = ?1 AND legacy = 1";
        if connection.prepare_cached(sql)?.exists([record.hash.as_slice()])? {
            return Ok(Err(AccessConflict::Known(vec![record.id.clone()])));
        }
    }
    connection
        .prepare_cached(
            "INSERT INTO credential (id, kind, hash, account, principal, name, scopes, status, family, parent, spki, cidr,
                                     created_at, created_by, expires_at, line_ends_at, legacy)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(rusqlite::params![
            record.id.as_str(),
            record.kind.prefix(),
            record.hash.as_slice(),
            account,
            principal,
            &record.name,
            record.scopes.to_string(),
            record.status.as_str(),
            record.family.as_str(),
            record.parent.as_ref().map(CredentialId::as_str),
            record.spki.map(|f| f.0.to_vec()),
            &record.cidr,
            record.created_at.0,
            &record.created_by,
            record.expires_at.0,
            record.line_ends_at.map(|t| t.0),
            record.legacy,
        ])?;
    Ok(Ok(()))
}

fn change_credential(
    tx: &mut WriteTx<'_>,
    order: &ChangeCredential,
) -> Result<Option<Result<CredentialRecord, AccessConflict>>, WriteError> {
    use CredentialStatus::*;
    let Some(found) = credential(tx.connection, &order.id)? else { return Ok(None) };
    let possible = match (found.status, order.status) {
        (Used | Revoked, _) | (_, Some(Used)) => false,
        (Active, Some(Active)) | (Disabled, Some(Disabled)) => false,
        (Active | Disabled, _) => true,
    };
    if !possible {
        return Ok(Some(Err(AccessConflict::Credential(found.status))));
    }
    let cidr = order.cidr.as_ref().unwrap_or(&found.cidr);
    tx.connection
        .prepare_cached(
            "UPDATE credential SET status = coalesce(?2, status), name = coalesce(?3, name), scopes = coalesce(?4, scopes),
                    cidr = ?5
             WHERE id = ?1",
        )?
        .execute((
            order.id.as_str(),
            order.status.map(CredentialStatus::as_str),
            &order.name,
            order.scopes.map(|scopes| scopes.to_string()),
            cidr,
        ))?;
    if order.status == Some(Revoked) {
        end_credentials(tx.connection, Whose::Parent(order.id.as_str()))?;
    }
    tx.audit(&order.draft)?;
    Ok(credential(tx.connection, &order.id)?.map(Ok))
}

fn rotate_credential(
    tx: &mut WriteTx<'_>,
    order: &RotateCredential,
) -> Result<Option<Result<CredentialRecord, AccessConflict>>, WriteError> {
    let Some(old) = credential(tx.connection, &order.old)? else { return Ok(None) };
    if !matches!(old.status, CredentialStatus::Active | CredentialStatus::Disabled) {
        return Ok(Some(Err(AccessConflict::Credential(old.status))));
    }
    if let Some(successor) = &old.successor
        && !(order.instead_of.as_ref() == Some(successor) && end_unused(tx.connection, successor)?)
    {
        return Ok(Some(Err(AccessConflict::Exists)));
    }
    if let Err(conflict) = insert(tx.connection, &order.new)? {
        return Ok(Some(Err(conflict)));
    }
    tx.connection
        .prepare_cached("UPDATE credential SET successor = ?2, expires_at = min(expires_at, ?3) WHERE id = ?1")?
        .execute((order.old.as_str(), order.new.id.as_str(), order.old_ends_at.0))?;
    tx.audit(&order.draft)?;
    Ok(credential(tx.connection, &order.old)?.map(Ok))
}

/// Whether there was one that lives and was never used.
fn end_unused(connection: &Connection, id: &CredentialId) -> Result<bool, WriteError> {
    let sql = "UPDATE credential SET status = 'revoked'
               WHERE id = ?1 AND status IN ('active', 'disabled') AND last_used_at IS NULL AND successor IS NULL";
    Ok(connection.prepare_cached(sql)?.execute([id.as_str()])? == 1)
}

fn note_used(connection: &Connection, uses: &[(CredentialId, UnixTime)]) -> Result<(), WriteError> {
    let sql = "UPDATE credential SET last_used_at = max(coalesce(last_used_at, 0), ?2) WHERE id = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    for (id, at) in uses {
        statement.execute((id.as_str(), at.0))?;
    }
    Ok(())
}

pub(super) fn credential(c: &Connection, id: &CredentialId) -> Result<Option<CredentialRecord>, ReadError> {
    let sql = format!("SELECT {CREDENTIAL} FROM credential k WHERE k.id = ?1");
    one(c, &sql, [id.as_str()], decode_credential)
}

fn credentials(c: &Connection, query: &CredentialQuery, now: UnixTime) -> Result<Page<CredentialRecord>, ReadError> {
    let limit = page_size(query.limit);
    let mut filter = Filter::default();
    if let Some(kind) = &query.kind {
        filter.and("k.kind = ?", kind.clone());
    }
    if let Some(account) = &query.account {
        filter.and("k.account = ?", account.as_str().to_owned());
    }
    if let Some(device) = &query.device {
        filter.and("k.principal = ?", device.as_str().to_owned());
    }
    match query.status.as_deref() {
        Some("expired") => filter.and("k.status IN ('active', 'disabled') AND k.expires_at <= ?", now.0),
        Some(status @ ("active" | "disabled")) => {
            filter.and("k.status = ?", status.to_owned());
            filter.and("k.expires_at > ?", now.0);
        }
        Some(status) => filter.and("k.status = ?", status.to_owned()),
        None => {}
    }
    if let Some(legacy) = query.legacy {
        filter.and("k.legacy = ?", legacy);
    }
    if query.survived == Some(true) {
        filter.and(lineage::SURVIVED, now.0);
    }
    if let Some(after) = &query.after {
        filter.and("k.id > ?", after.clone());
    }
    let sql = format!("SELECT {CREDENTIAL} FROM credential k {} ORDER BY k.id LIMIT {}", filter.clause(), limit + 1);
    let found = rows(c, Of("credential", 0), &sql, rusqlite::params_from_iter(filter.values()), decode_credential)?;
    Ok(page(found, limit, |credential| credential.id.to_string()))
}

const CREDENTIAL: &str = "k.id, k.kind, k.hash, k.account, k.principal, k.name, k.scopes, k.status, k.family, k.parent, \
     k.spki, k.cidr, k.created_at, k.created_by, k.expires_at, k.line_ends_at, k.used_at, k.successor, k.last_used_at, \
     k.legacy";

fn decode_credential(row: &Row<'_>) -> rusqlite::Result<CredentialRecord> {
    let id = |t: &str| CredentialId::parse(t).ok();
    let time = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(UnixTime));
    let account = optional_text(row, 3, |t| AccountId::parse(t).ok())?;
    let principal = optional_text(row, 4, |t| DeviceId::parse(t).ok())?;
    Ok(CredentialRecord {
        id: text(row, 0, id)?,
        kind: text(row, 1, |t| CredentialKind::ALL.into_iter().find(|kind| kind.prefix() == t))?,
        hash: row.get(2)?,
        owner: account.map(Owner::Account).or(principal.map(Owner::Principal)).ok_or_else(|| impossible(3))?,
        name: row.get(5)?,
        scopes: text(row, 6, |t| t.parse().ok())?,
        status: text(row, 7, CredentialStatus::parse)?,
        family: text(row, 8, id)?,
        parent: optional_text(row, 9, id)?,
        spki: row.get::<_, Option<[u8; 32]>>(10)?.map(Fingerprint),
        cidr: row.get(11)?,
        created_at: UnixTime(row.get(12)?),
        created_by: row.get(13)?,
        expires_at: UnixTime(row.get(14)?),
        line_ends_at: time(15)?,
        used_at: time(16)?,
        successor: optional_text(row, 17, id)?,
        last_used_at: time(18)?,
        legacy: row.get(19)?,
    })
}
