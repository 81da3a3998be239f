//! Reads for decisions, in SQL.

use rusqlite::{Connection, OptionalExtension};
use signet_pki::{DeviceId, Fingerprint, UnixTime};

use super::super::*;
use super::decode::{self, certificate_columns, principal_columns};
use super::{ReadError, SqliteStore};

impl FactStore for SqliteStore {
    fn present(&self, id: &DeviceId) -> Answer<'_, Option<DeviceRow>> {
        self.read(|c| present(c, id))
    }

    fn fingerprints_after(&self, row: u64, limit: u32) -> Answer<'_, Fingerprints> {
        self.read_long(move |c| fingerprints_after(c, row, limit))
    }

    fn certificate_in(&self, row: u64) -> Answer<'_, Option<CertificateRecord>> {
        self.read(|c| certificate_in(c, row))
    }
}

fn present(c: &Connection, id: &DeviceId) -> Result<Option<DeviceRow>, ReadError> {
    const SQL: &str = concat!(
        "SELECT ",
        principal_columns!(),
        ", ",
        certificate_columns!(),
        " FROM principal p LEFT JOIN certificate c ON c.rowid = (
             SELECT n.rowid FROM certificate n WHERE n.principal = p.rowid AND n.status IN ('active', 'pending')
             ORDER BY n.generation DESC LIMIT 1)
         WHERE p.id = ?1"
    );
    Ok(c.prepare_cached(SQL)?.query_row([id.as_str()], decode::device_row).optional()?)
}

fn certificate_in(c: &Connection, row: u64) -> Result<Option<CertificateRecord>, ReadError> {
    const SQL: &str = concat!(
        "SELECT ",
        principal_columns!(),
        ", ",
        certificate_columns!(),
        " FROM certificate c JOIN principal p ON p.rowid = c.principal WHERE c.rowid = ?1"
    );
    Ok(c.prepare_cached(SQL)?.query_row([row as i64], decode::certificate).optional()?)
}

/// In the order of the rows, which are only ever appended.
fn fingerprints_after(c: &Connection, row: u64, limit: u32) -> Result<Fingerprints, ReadError> {
    let sql = "SELECT rowid, not_after, der FROM certificate WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query((row as i64, limit))?;
    let mut found = Fingerprints::default();
    while let Some(row) = rows.next()? {
        let (number, der) = (decode::count(row, 0)?, row.get_ref(2)?.as_blob().map_err(|_| decode::impossible(2))?);
        found.through = Some(number);
        if !der.is_empty() {
            found.rows.push((number, Fingerprint::of(der), UnixTime(row.get(1)?)));
        }
    }
    Ok(found)
}
