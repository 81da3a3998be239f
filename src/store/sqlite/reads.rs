//! Reads in SQL. Columns are named, pages are keyset pages, nothing is unbounded.

use rusqlite::{Connection, OptionalExtension, Params, ToSql};
use signet_api::CredentialId;
use signet_api::admin::{AuditQuery, Damaged, DeviceQuery, Page, TokenQuery};
use signet_pki::{DeviceId, Fingerprint, Serial, UnixTime};

use super::super::*;
use super::ReadError;
use super::decode::{self, CERTIFICATE, PRINCIPAL, TOKEN, certificate_columns, principal_columns, token_columns};
use super::listing::{Of, list, page, rows};
use super::sharding;

pub(super) fn token(c: &Connection, id: &CredentialId) -> Result<Option<TokenRecord>, ReadError> {
    const SQL: &str = concat!("SELECT ", token_columns!(), " FROM token t WHERE t.id = ?1");
    one(c, SQL, [id.as_str()], decode::token)
}

pub(super) fn certificate(c: &Connection, serial: &Serial) -> Result<Option<CertificateRecord>, ReadError> {
    const SQL: &str = concat!(
        "SELECT ",
        principal_columns!(),
        ", ",
        certificate_columns!(),
        " FROM certificate c JOIN principal p ON p.rowid = c.principal WHERE c.serial = ?1"
    );
    one(c, SQL, [serial.as_bytes()], decode::certificate)
}

pub(super) fn standing(c: &Connection, issuer: &[u8], serial: &Serial) -> Result<Option<Standing>, ReadError> {
    let sql = "SELECT status, revoked_at, reason FROM certificate WHERE serial = ?1 AND issuer = ?2";
    one(c, sql, (serial.as_bytes(), issuer), decode::standing)
}

pub(super) fn principal(c: &Connection, id: &DeviceId) -> Result<Option<PrincipalRecord>, ReadError> {
    const SQL: &str = concat!("SELECT ", principal_columns!(), " FROM principal p WHERE p.id = ?1");
    one(c, SQL, [id.as_str()], decode::principal)
}

pub(super) fn key_owner(c: &Connection, spki: &Fingerprint) -> Result<Option<DeviceId>, ReadError> {
    let sql = "SELECT p.id FROM certificate c JOIN principal p ON p.rowid = c.principal WHERE c.spki = ?1 LIMIT 1";
    one(c, sql, [spki.0.as_slice()], |row| decode::device_id(row, 0))
}

pub(super) fn renewed(
    c: &Connection,
    parent: &Serial,
    spki: &Fingerprint,
) -> Result<Option<CertificateRecord>, ReadError> {
    const SQL: &str = concat!(
        "SELECT ",
        principal_columns!(),
        ", ",
        certificate_columns!(),
        " FROM certificate c JOIN principal p ON p.rowid = c.principal WHERE c.parent = ?1 AND c.spki = ?2"
    );
    one(c, SQL, (parent.as_bytes(), spki.0.as_slice()), decode::certificate)
}

pub(super) fn certificates_of(c: &Connection, id: &DeviceId) -> Result<Listed<CertificateRecord>, ReadError> {
    let sql = format!(
        "SELECT {PRINCIPAL}, {CERTIFICATE} FROM certificate c JOIN principal p ON p.rowid = c.principal
         WHERE p.id = ?1 ORDER BY c.generation DESC LIMIT 100"
    );
    list(c, Of("certificate", decode::PRINCIPAL_WIDTH), &sql, [id.as_str()], decode::certificate)
}

pub(super) fn tokens(c: &Connection, query: &TokenQuery, now: UnixTime) -> Result<Page<TokenRecord>, ReadError> {
    let limit = page_size(query.limit);
    let mut filter = Filter::default();
    let expired = query.status.as_deref() == Some("expired");
    if let (Some(status), false) = (&query.status, expired) {
        filter.and("t.status = ?", status.clone());
        if matches!(status.as_str(), "active" | "pending" | "approved") {
            filter.and("t.expires_at > ?", now.0);
        }
    }
    if expired {
        filter.and("t.status IN ('active', 'pending', 'approved') AND t.expires_at <= ?", now.0);
    }
    if let Some(batch) = &query.batch {
        filter.and("t.batch = ?", batch.clone());
    }
    if let Some(device) = &query.device {
        filter.and("t.device = ?", device.as_str().to_owned());
    }
    if let Some(after) = &query.after {
        filter.and("t.id > ?", after.clone());
    }
    let sql = format!("SELECT {TOKEN} FROM token t {} ORDER BY t.id LIMIT {}", filter.clause(), limit + 1);
    let found = rows(c, Of("token", 0), &sql, rusqlite::params_from_iter(filter.values()), decode::token)?;
    Ok(page(found, limit, |t| t.id.to_string()))
}

pub(super) fn devices(c: &Connection, query: &DeviceQuery, now: UnixTime) -> Result<Page<DeviceRow>, ReadError> {
    let limit = page_size(query.limit);
    let mut filter = Filter::default();
    match query.kind {
        None => filter.and("p.kind IN ('device', 'service') AND 1 = ?", 1),
        Some(kind) => filter.and("p.kind = ?", kind.as_str()),
    }
    if let Some(search) = &query.search {
        let pattern = format!("%{}%", search.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
        filter.and("(p.id || ' ' || coalesce(p.hardware_serial, '')) LIKE ? ESCAPE '\\'", pattern);
    }
    if let Some(group) = &query.group {
        filter.and("EXISTS (SELECT 1 FROM json_each(p.groups) WHERE value = ?)", group.clone());
    }
    if let Some(status) = &query.status {
        filter.and("p.status = ?", status.clone());
    }
    if let Some(seconds) = query.expiring {
        filter.and("c.not_after <= ?", now.plus(seconds).0);
    }
    if let Some(after) = &query.after {
        filter.and("p.id > ?", after.clone());
    }
    // The certificate shown is the newest that is neither revoked nor superseded.
    let sql = format!(
        "SELECT {PRINCIPAL}, {CERTIFICATE} FROM principal p
         LEFT JOIN certificate c ON c.rowid = (
             SELECT n.rowid FROM certificate n WHERE n.principal = p.rowid AND n.status IN ('active', 'pending')
             ORDER BY n.generation DESC LIMIT 1)
         {} ORDER BY p.id LIMIT {}",
        filter.clause(),
        limit + 1
    );
    let found = rows(c, Of("device", 0), &sql, rusqlite::params_from_iter(filter.values()), decode::device_row)?;
    Ok(page(found, limit, |row| row.principal.id.to_string()))
}

pub(super) fn revocations_after(c: &Connection, issuer: &[u8], sequence: u64) -> Result<RevocationDelta, ReadError> {
    let mut statement = c.prepare_cached(
        "SELECT sequence, entry, replaces FROM revocation WHERE sequence > ?1 AND issuer = ?2 ORDER BY sequence",
    )?;
    let mut rows = statement.query((sequence as i64, issuer))?;
    let mut delta = RevocationDelta { sequence, ..RevocationDelta::default() };
    while let Some(row) = rows.next()? {
        if sequence > 0 && row.get(2)? {
            let whole = revocations_after(c, issuer, 0)?;
            return Ok(RevocationDelta { extent: Extent::Whole, ..whole });
        }
        delta.sequence = row.get::<_, i64>(0)? as u64;
        sharding::append(&mut delta.entries, row, 1)?;
    }
    Ok(delta)
}

const AUDIT: &str = "sequence, at, kind, actor, subject, canonical, leaf_hash";

pub(super) fn audit(c: &Connection, query: &AuditQuery) -> Result<Vec<AuditRow>, ReadError> {
    audit_rows(c, query)?.into_iter().map(|row| row.map_err(|_| ReadError::Corrupt("an audit entry"))).collect()
}

pub(super) fn audit_page(c: &Connection, query: &AuditQuery) -> Result<Page<AuditRow>, ReadError> {
    let found = audit_rows(c, query)?;
    let full = query.after.is_some() && found.len() == page_size(query.limit);
    let last = found.last().filter(|_| full);
    let next = last.map(|row| row.as_ref().map_or_else(|damaged| damaged.id.clone(), |row| row.sequence.to_string()));
    let Listed { items, damaged } = found.into_iter().collect();
    Ok(Page { items, next, damaged })
}

/// Oldest first: what follows `after`, or the newest.
fn audit_rows(c: &Connection, query: &AuditQuery) -> Result<Vec<Result<AuditRow, Damaged>>, ReadError> {
    let limit = page_size(query.limit);
    let mut filter = Filter::default();
    if let Some(subject) = &query.subject {
        filter.and("subject = ?", subject.clone());
    }
    if let Some(kind) = &query.kind {
        filter.and("instr(kind, ?) = 1", kind.clone());
    }
    if let Some(actor) = &query.actor {
        filter.and("actor = ?", actor.clone());
    }
    let order = match query.after {
        Some(after) => {
            filter.and("sequence > ?", i64::try_from(after).unwrap_or(i64::MAX));
            "ASC"
        }
        None => "DESC",
    };
    let sql = format!("SELECT {AUDIT} FROM audit {} ORDER BY sequence {order} LIMIT {limit}", filter.clause());
    let mut found = rows(c, Of("audit entry", 0), &sql, rusqlite::params_from_iter(filter.values()), decode::audit)?;
    if query.after.is_none() {
        found.reverse();
    }
    Ok(found)
}

pub(super) fn audit_of_request(c: &Connection, request_id: &str) -> Result<Vec<AuditRow>, ReadError> {
    let sql = format!("SELECT {AUDIT} FROM audit WHERE request = ?1 ORDER BY sequence LIMIT 100");
    // One that cannot be read stands in the log.
    Ok(list(c, Of("audit entry", 0), &sql, [request_id], decode::audit)?.items)
}

pub(super) fn bundle_holders(c: &Connection, now: UnixTime) -> Result<Vec<BundleHolders>, ReadError> {
    // One that cannot be is as good as none.
    let sql = "SELECT CASE WHEN p.bundle_seen > 0 THEN p.bundle_seen END AS seen, count(*) FROM principal p
         WHERE p.kind IN ('device', 'service') AND p.status = 'active'
           AND EXISTS (SELECT 1 FROM certificate c
                       WHERE c.principal = p.rowid AND c.status IN ('active', 'pending') AND c.not_after >= ?1)
         GROUP BY seen ORDER BY seen DESC";
    many(c, sql, [now.0], |row| {
        Ok(BundleHolders { sequence: decode::optional_count(row, 0)?, devices: decode::count(row, 1)? })
    })
}

pub(super) fn last_issued_at(c: &Connection) -> Result<Option<UnixTime>, ReadError> {
    // The newest row, not the largest time: rows are only ever appended.
    let sql = "SELECT issued_at FROM certificate
               WHERE rowid > coalesce((SELECT value FROM state WHERE name = 'clock_accepted'), 0)
               ORDER BY rowid DESC LIMIT 1";
    one(c, sql, [], |row| Ok(UnixTime(row.get(0)?)))
}

pub(super) fn one<T>(
    c: &Connection,
    sql: &str,
    params: impl Params,
    decode: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, ReadError> {
    Ok(c.prepare_cached(sql)?.query_row(params, decode).optional()?)
}

pub(super) fn many<T>(
    c: &Connection,
    sql: &str,
    params: impl Params,
    decode: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, ReadError> {
    let mut statement = c.prepare_cached(sql)?;
    let rows = statement.query_map(params, decode)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn page_size(asked: Option<u32>) -> usize {
    asked.unwrap_or(100).clamp(1, 1000) as usize
}

/// A WHERE clause whose texts are ours and whose values are bound.
#[derive(Default)]
pub(super) struct Filter {
    terms: Vec<&'static str>,
    values: Vec<Box<dyn ToSql>>,
}

impl Filter {
    pub(super) fn and(&mut self, term: &'static str, value: impl ToSql + 'static) {
        self.terms.push(term);
        self.values.push(Box::new(value));
    }

    pub(super) fn clause(&self) -> String {
        if self.terms.is_empty() { String::new() } else { format!("WHERE {}", self.terms.join(" AND ")) }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &dyn ToSql> {
        self.values.iter().map(AsRef::as_ref)
    }
}
