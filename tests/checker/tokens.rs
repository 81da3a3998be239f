//! Tokens, and what ended principals may still have.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::audit::Log;
use super::{Report, hex};

pub(super) fn check(connection: &Connection, log: &Log, report: &mut Report) -> rusqlite::Result<()> {
    redemptions(connection, log, report)?;
    ended_principals(connection, report)?;
    let mut statement = connection.prepare("SELECT issuer, number FROM crl")?;
    let mut rows = statement.query([])?;
    let mut highest = 0;
    while let Some(row) = rows.next()? {
        highest = highest.max(row.get::<_, i64>(1)? as u64);
    }
    for (issuer, number) in &log.numbers {
        report.unless(*number <= highest, || format!("{issuer}: list {number} was made, the counter is at {highest}"));
    }
    Ok(())
}

/// One token, one certificate, in both directions.
fn redemptions(connection: &Connection, log: &Log, report: &mut Report) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT t.id, t.status, t.redeemed_at, t.redeemed_serial, t.device, p.id, t.claimed_spki, c.spki
         FROM token t LEFT JOIN certificate c ON c.serial = t.redeemed_serial
                      LEFT JOIN principal p ON p.rowid = c.principal",
    )?;
    let mut rows = statement.query([])?;
    let mut seen = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let (id, status): (String, String) = (row.get(0)?, row.get(1)?);
        let (at, serial): (Option<i64>, Option<Vec<u8>>) = (row.get(2)?, row.get(3)?);
        let (device, owner): (String, Option<String>) = (row.get(4)?, row.get(5)?);
        let (claimed, spki): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(6)?, row.get(7)?);
        let whole = at.is_some() && serial.is_some();
        report.unless((status == "redeemed") == whole, || format!("token {id}: {status}, but half redeemed"));
        let Some(serial) = serial.map(|s| hex(&s)) else { continue };
        report.unless(owner.as_ref() == Some(&device), || format!("token {id}: for {device}, used by {owner:?}"));
        report.unless(claimed.is_none() || claimed == spki, || format!("token {id}: another key was approved"));
        let actors = log.issued.get(&serial).map(Vec::as_slice).unwrap_or_default();
        let by_it = actors == [format!("token:{id}")];
        report.unless(by_it, || format!("token {id}: certificate {serial} was issued by {actors:?}"));
        report.unless(seen.insert(serial.clone()), || format!("certificate {serial}: two tokens were used for it"));
    }
    for (serial, actors) in &log.issued {
        let by_token = actors.iter().any(|actor| actor.starts_with("token:"));
        report
            .unless(!by_token || seen.contains(serial), || format!("certificate {serial}: its token does not know it"));
    }
    Ok(())
}

fn ended_principals(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let questions = [
        (
            "a live certificate",
            "SELECT p.id FROM principal p JOIN certificate c ON c.principal = p.rowid
             WHERE p.status IN ('revoked', 'retired') AND c.status IN ('active', 'pending')
               AND c.not_after > (SELECT max(at) FROM audit)",
        ),
        (
            "an open token",
            "SELECT p.id FROM principal p JOIN token t ON t.device = p.id
             WHERE p.status IN ('revoked', 'retired') AND t.status IN ('active', 'pending', 'approved')",
        ),
    ];
    for (what, sql) in questions {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id: String = row.get(0)?;
            report.0.push(format!("{id}: ended, with {what}"));
        }
    }
    Ok(())
}
