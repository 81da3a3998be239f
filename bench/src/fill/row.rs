//! A row that is copied with changes, and the audit entries that belong to it.

use anyhow::{Context, Result};
use aws_lc_rs::digest::{self, SHA256};
use data_encoding::{BASE32_DNSCURVE, HEXLOWER};
use rusqlite::types::Value;
use rusqlite::{Transaction, params_from_iter};
use serde_json::Value as Json;
use signet_pki::{Fingerprint, Serial};

use crate::crl::random;

/// Every column of a row but its row id.
pub(super) struct Row {
    columns: Vec<String>,
    values: Vec<Value>,
    insert: String,
}

impl Row {
    /// `table` is one of our own names, never input.
    pub(super) fn read(transaction: &Transaction<'_>, table: &str, rowid: i64) -> Result<Row> {
        let mut statement = transaction.prepare(&format!("SELECT * FROM {table} WHERE rowid = ?1"))?;
        let all: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let values = statement.query_row([rowid], |row| {
            (0..all.len()).map(|at| row.get::<_, Value>(at)).collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let kept = all.into_iter().zip(values).filter(|(name, _)| name != "rowid");
        let (columns, values): (Vec<_>, Vec<_>) = kept.unzip();
        let marks: Vec<String> = (1..=columns.len()).map(|n| format!("?{n}")).collect();
        let names: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
        let insert = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), marks.join(", "));
        Ok(Row { columns, values, insert })
    }

    pub(super) fn set(&mut self, column: &str, value: impl Into<Value>) -> Result<()> {
        let at = self.columns.iter().position(|name| name == column);
        let at = at.with_context(|| format!("the schema has no column {column} any more"))?;
        self.values[at] = value.into();
        Ok(())
    }

    pub(super) fn get_text(&self, column: &str) -> Result<&str> {
        let at = self.columns.iter().position(|name| name == column);
        match at.map(|at| &self.values[at]) {
            Some(Value::Text(text)) => Ok(text),
            _ => anyhow::bail!("the schema has no text column {column} any more"),
        }
    }

    pub(super) fn insert(&self, transaction: &Transaction<'_>) -> Result<()> {
        transaction.prepare_cached(&self.insert)?.execute(params_from_iter(&self.values))?;
        Ok(())
    }
}

/// The entry of an enrollment, and the end of the chain that it is appended to.
pub(super) struct Audit {
    row: Row,
    template: Json,
    sequence: i64,
    previous: [u8; 32],
}

impl Audit {
    /// `serial` is that of the template's certificate, which its entry names.
    pub(super) fn read(transaction: &Transaction<'_>, serial: &[u8]) -> Result<Audit> {
        let rowid: i64 = transaction
            .query_row(
                "SELECT rowid FROM audit WHERE kind = 'certificate.enrolled' AND instr(canonical, ?1) > 0
                 ORDER BY sequence LIMIT 1",
                [HEXLOWER.encode(serial)],
                |row| row.get(0),
            )
            .context("the audit entry of the template")?;
        let row = Row::read(transaction, "audit", rowid)?;
        let template = serde_json::from_str(row.get_text("canonical")?)?;
        let (sequence, previous) = transaction.query_row(
            "SELECT sequence, leaf_hash FROM audit ORDER BY sequence DESC LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(Audit { row, template, sequence, previous })
    }

    pub(super) fn add(
        &mut self,
        transaction: &Transaction<'_>,
        device: &str,
        serial: &Serial,
        spki: &[u8; 32],
    ) -> Result<()> {
        self.sequence += 1;
        let request = format!("req-{}", BASE32_DNSCURVE.encode(&random::<10>()?));
        let entry = &mut self.template;
        entry["seq"] = self.sequence.into();
        entry["prev"] = HEXLOWER.encode(&self.previous).into();
        entry["subject"] = device.into();
        entry["request"] = request.as_str().into();
        entry["detail"]["serial"] = serial.to_string().into();
        entry["detail"]["spki"] = Fingerprint(*spki).to_string().into();
        // Keys come out sorted: the canonical form.
        let canonical = entry.to_string();
        let hash = leaf_hash(canonical.as_bytes());
        self.row.set("sequence", self.sequence)?;
        self.row.set("subject", device.to_owned())?;
        self.row.set("request", request)?;
        self.row.set("canonical", canonical)?;
        self.row.set("leaf_hash", hash.to_vec())?;
        self.previous = hash;
        self.row.insert(transaction)
    }
}

/// RFC 6962 2.1.
fn leaf_hash(canonical: &[u8]) -> [u8; 32] {
    let mut context = digest::Context::new(&SHA256);
    context.update(&[0]);
    context.update(canonical);
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}
