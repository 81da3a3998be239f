//! Fills a database with synthetic devices, as if they had all been enrolled, fast and in one transaction.
//!
//! Rows are copies of one real enrollment with new names, serials and keys, so they are as large as real ones and have
//! every column that the schema has. Their certificates carry the template's signature and would not verify. The
//! hash chain of the audit log goes on through them.

mod row;

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction};
use rustix::fs::{Advice, fadvise};
use serde::Serialize;
use signet_api::{Credential, CredentialKind};
use signet_pki::crl::{Reason, encode_entry, shard_of};
use signet_pki::{Serial, UnixTime};

use crate::crl::{random, serial};
use crate::machine::now;
use row::{Audit, Row};

/// How many devices to add.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fill {
    pub(crate) live: u64,
    pub(crate) revoked: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Filled {
    /// The number of the first one that was added; see [`device_id`].
    pub(crate) first: u64,
    pub(crate) certificates: u64,
    pub(crate) seconds: f64,
    pub(crate) bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Live,
    Revoked,
}

/// The service must not run, and one device at least must have been enrolled with a token.
pub(crate) fn fill(database: &Path, order: Fill) -> Result<Filled> {
    let begin = Instant::now();
    // Without leave to create: a database is made by the service's own command only.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(database, flags).with_context(|| database.display().to_string())?;
    // Nothing here has to survive a crash; the service switches both back when it opens the file.
    let mode = connection.pragma_update_and_check(None, "journal_mode", "OFF", |row| row.get::<_, String>(0));
    if !mode.is_ok_and(|mode| mode.eq_ignore_ascii_case("off")) {
        bail!("{} is in use or not a database: stop the service first", database.display());
    }
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let transaction = connection.transaction()?;
    let mut template = Template::read(&transaction)?;
    let first = template.next;
    for _ in 0..order.live {
        template.add(&transaction, Fate::Live)?;
    }
    for _ in 0..order.revoked {
        template.add(&transaction, Fate::Revoked)?;
    }
    transaction.commit()?;
    let certificates = connection.query_row("SELECT count(*) FROM certificate", [], |row| row.get::<_, i64>(0))? as u64;
    connection.close().map_err(|(_, error)| error)?;
    forget_cached(database)?;
    let bytes = fs::metadata(database)?.len();
    Ok(Filled { first, certificates, seconds: begin.elapsed().as_secs_f64(), bytes })
}

/// Ids of filled devices, by number.
pub(crate) fn device_id(number: u64) -> String {
    format!("bench-{number:010}")
}

/// Makes the kernel forget the file's pages: what is read next comes from the disk.
fn forget_cached(path: &Path) -> Result<()> {
    let file = File::open(path)?;
    file.sync_all()?;
    fadvise(&file, 0, None, Advice::DontNeed).context("the page cache")?;
    Ok(())
}

struct Template {
    principal: Row,
    certificate: Row,
    token: Row,
    audit: Audit,
    der: Vec<u8>,
    serial_at: usize,
    issuer: Vec<u8>,
    next: u64,
    now: UnixTime,
    lists_revocations: bool,
    /// Into so many shards certificates are divided; 0 for none.
    shards: u16,
}

impl Template {
    fn read(transaction: &Transaction<'_>) -> Result<Template> {
        let found = transaction
            .query_row(
                "SELECT c.rowid, c.principal, t.rowid, c.serial, c.der, c.issuer FROM certificate c
                 JOIN token t ON t.redeemed_serial = c.serial ORDER BY c.rowid LIMIT 1",
                [],
                |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?, row.get(4)?, row.get(5)?)),
            )
            .optional()?;
        type Found = ((i64, i64, i64), Vec<u8>, Vec<u8>, Vec<u8>);
        let Some(((certificate, principal, token), serial, der, issuer)): Option<Found> = found else {
            bail!("no device has been enrolled with a token yet: enroll one, then fill");
        };
        let serial_at = der.windows(serial.len()).position(|w| w == serial).context("a certificate without serial")?;
        let highest: i64 = transaction.query_row("SELECT count(*) FROM principal", [], |row| row.get(0))?;
        let is_there = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'revocation'";
        Ok(Template {
            principal: Row::read(transaction, "principal", principal)?,
            certificate: Row::read(transaction, "certificate", certificate)?,
            token: Row::read(transaction, "token", token)?,
            audit: Audit::read(transaction, &serial)?,
            der,
            serial_at,
            shards: transaction
                .query_row("SELECT shards FROM crl_shards WHERE issuer = ?1 AND ended_at IS NULL", [&issuer], |row| {
                    row.get(0)
                })
                .optional()?
                .unwrap_or(0),
            issuer,
            next: highest as u64,
            now: now(),
            lists_revocations: transaction.query_row(is_there, [], |row| row.get::<_, i64>(0))? > 0,
        })
    }

    fn add(&mut self, transaction: &Transaction<'_>, fate: Fate) -> Result<()> {
        let (device, serial, spki) = (device_id(self.next), serial()?, random::<32>()?);
        self.next += 1;
        let status = if fate == Fate::Live { "active" } else { "revoked" };
        self.principal.set("id", device.clone())?;
        self.principal.set("status", status.to_owned())?;
        self.principal.insert(transaction)?;
        let principal = transaction.last_insert_rowid();
        self.add_certificate(transaction, fate, principal, &serial, spki)?;
        let token = Credential::from_random(CredentialKind::Enrollment, &random()?);
        self.token.set("id", token.id().to_string())?;
        self.token.set("hash", random::<32>()?.to_vec())?;
        self.token.set("device", device.clone())?;
        self.token.set("redeemed_serial", serial.as_bytes().to_vec())?;
        self.token.insert(transaction)?;
        self.audit.add(transaction, &device, &serial, &spki)
    }

    fn add_certificate(
        &mut self,
        transaction: &Transaction<'_>,
        fate: Fate,
        principal: i64,
        serial: &Serial,
        spki: [u8; 32],
    ) -> Result<()> {
        let end = self.now.plus(MONTH);
        self.der[self.serial_at..self.serial_at + serial.as_bytes().len()].copy_from_slice(serial.as_bytes());
        let row = &mut self.certificate;
        row.set("serial", serial.as_bytes().to_vec())?;
        row.set("principal", principal)?;
        row.set("spki", spki.to_vec())?;
        row.set("not_after", end.0)?;
        let shard = shard_of(serial, self.shards).map(i64::from);
        row.set("shard", shard.map_or(Value::Null, Value::Integer))?;
        row.set("der", self.der.clone())?;
        match fate {
            Fate::Live => row.set("status", "active".to_owned())?,
            Fate::Revoked => {
                row.set("status", "revoked".to_owned())?;
                row.set("revoked_at", self.now.0)?;
                row.set("reason", i64::from(Reason::KeyCompromise.code()))?;
            }
        }
        row.insert(transaction)?;
        if fate == Fate::Revoked && self.lists_revocations {
            let mut entry = Vec::with_capacity(64);
            encode_entry(serial, self.now, Reason::KeyCompromise, &mut entry);
            transaction
                .prepare_cached("INSERT INTO revocation (issuer, not_after, entry, shard) VALUES (?1, ?2, ?3, ?4)")?
                .execute((&self.issuer, end.0, entry, shard))?;
        }
        if fate == Fate::Revoked {
            row.set("revoked_at", Value::Null)?;
            row.set("reason", Value::Null)?;
        }
        Ok(())
    }
}

/// Random keys go to random pages: what does not fit here is written again and again.
const CACHE_KIB: i64 = 2 * 1024 * 1024;
const MONTH: i64 = 30 * 86_400;
