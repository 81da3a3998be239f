//! Lists of rows. One that cannot be read is named in its place, and keeps no other from being shown.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Params, Row};
use signet_api::admin::{Damaged, Page};

use super::super::Listed;
use super::ReadError;

/// What is listed, for the log, and the column that names a row.
#[derive(Clone, Copy)]
pub(super) struct Of(pub(super) &'static str, pub(super) usize);

/// Rows in order. Fails when the database does, not for what stands in a row.
pub(super) fn rows<T>(
    c: &Connection,
    Of(kind, id): Of,
    sql: &str,
    params: impl Params,
    decode: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<Result<T, Damaged>>, ReadError> {
    let mut statement = c.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(match decode(row) {
            Ok(item) => Ok(item),
            Err(error) => {
                let what = column(row, error)?;
                let damaged = Damaged { id: shown(row.get_ref(id)?), what };
                tracing::warn!(kind, id = damaged.id, column = damaged.what, "a row of the database cannot be read");
                Err(damaged)
            }
        });
    }
    Ok(found)
}

pub(super) fn list<T>(
    c: &Connection,
    of: Of,
    sql: &str,
    params: impl Params,
    decode: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Listed<T>, ReadError> {
    Ok(rows(c, of, sql, params, decode)?.into_iter().collect())
}

/// One row more than the page was read; its presence means that there is a next page.
pub(super) fn page<T>(mut rows: Vec<Result<T, Damaged>>, limit: usize, key: impl Fn(&T) -> String) -> Page<T> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| row.as_ref().map_or_else(|damaged| damaged.id.clone(), key));
    let Listed { items, damaged } = rows.into_iter().collect();
    Page { items, next, damaged }
}

/// The column with an impossible value; every other error is none of the row's.
fn column(row: &Row<'_>, error: Error) -> Result<String, ReadError> {
    match error {
        Error::FromSqlConversionFailure(at, ..)
        | Error::InvalidColumnType(at, ..)
        | Error::IntegralValueOutOfRange(at, _) => Ok(row.as_ref().column_name(at).unwrap_or("unknown").to_owned()),
        other => Err(other.into()),
    }
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => data_encoding::HEXLOWER.encode(bytes),
    }
}
