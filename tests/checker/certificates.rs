//! Certificates, read by another parser and held against their rows.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use rusqlite::{Connection, Row};
use x509_parser::prelude::*;

use super::audit::Log;
use super::{Report, hex};

struct Stored {
    serial: String,
    issuer: Vec<u8>,
    principal: i64,
    generation: i64,
    spki: Vec<u8>,
    status: String,
    not_before: i64,
    not_after: i64,
    revoked_at: Option<i64>,
    reason: Option<i64>,
    der: Vec<u8>,
    id: String,
    kind: String,
    dns_names: String,
    addresses: String,
    newest: bool,
    shard: Option<i64>,
}

/// How often, and on the list of which shard, a serial number stands among the entries of revocation lists.
type Listed = BTreeMap<String, (u32, Option<i64>)>;

pub(super) fn check(
    connection: &Connection,
    issuers: &[Vec<u8>],
    log: &Log,
    report: &mut Report,
) -> rusqlite::Result<()> {
    let stored = read(connection)?;
    let listed = listed(connection, report)?;
    let (mut generations, mut active) = (BTreeMap::<i64, i64>::new(), BTreeMap::<i64, u32>::new());
    for one in &stored {
        let name = format!("certificate {} of {}", one.serial, one.id);
        let last = generations.insert(one.principal, one.generation).unwrap_or_default();
        report.unless(one.generation > last, || format!("{name}: generation {} after {last}", one.generation));
        if one.status == "active" && one.not_after > log.latest {
            *active.entry(one.principal).or_default() += 1;
        }
        let entries = log.issued.get(&one.serial).map_or(0, Vec::len);
        report.unless(entries == 1, || format!("{name}: {entries} issuance entries in the log"));
        revocation(&name, one, listed.get(&one.serial).copied().unwrap_or_default(), log, report);
        // The retention leaves a stub of what ended long ago.
        if !one.der.is_empty() {
            bytes(&name, one, issuers, report);
        }
    }
    for (principal, count) in active {
        report.unless(count == 1, || format!("principal {principal}: {count} active certificates"));
    }
    compromised_keys(connection, report)?;
    let known: BTreeSet<&str> = stored.iter().map(|one| one.serial.as_str()).collect();
    for serial in log.issued.keys().chain(listed.keys()) {
        report.unless(known.contains(serial.as_str()), || format!("serial {serial}: mentioned, but not stored"));
    }
    Ok(())
}

/// A key that was reported once is blocked, and nothing that has it is good.
fn compromised_keys(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let sql = "SELECT hex(serial), status, reason IN (1, 2) FROM certificate c
               WHERE coalesce(reason IN (1, 2), 0) <> (spki IN (SELECT spki FROM compromised_key))
                 AND (reason IN (1, 2) OR status <> 'revoked')";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (serial, status): (String, String) = (row.get(0)?, row.get(1)?);
        report.0.push(format!("certificate {serial}: {status}, which does not fit what is known of its key"));
    }
    Ok(())
}

fn read(connection: &Connection) -> rusqlite::Result<Vec<Stored>> {
    let mut statement = connection.prepare(
        "SELECT c.serial, c.issuer, c.principal, c.generation, c.spki, c.status, c.not_before, c.not_after, c.revoked_at,
                c.reason, c.der, p.id, p.kind, p.dns_names, p.addresses,
                c.generation = (SELECT max(n.generation) FROM certificate n WHERE n.principal = c.principal), c.shard
         FROM certificate c JOIN principal p ON p.rowid = c.principal ORDER BY c.rowid",
    )?;
    let decode = |row: &Row<'_>| {
        Ok(Stored {
            serial: hex(&row.get::<_, Vec<u8>>(0)?),
            issuer: row.get(1)?,
            principal: row.get(2)?,
            generation: row.get(3)?,
            spki: row.get(4)?,
            status: row.get(5)?,
            not_before: row.get(6)?,
            not_after: row.get(7)?,
            revoked_at: row.get(8)?,
            reason: row.get(9)?,
            der: row.get(10)?,
            id: row.get(11)?,
            kind: row.get(12)?,
            dns_names: row.get(13)?,
            addresses: row.get(14)?,
            newest: row.get(15)?,
            shard: row.get(16)?,
        })
    };
    statement.query_map([], decode)?.collect()
}

fn listed(connection: &Connection, report: &mut Report) -> rusqlite::Result<Listed> {
    let mut statement = connection.prepare("SELECT sequence, entry, shard FROM revocation")?;
    let mut rows = statement.query([])?;
    let mut found = Listed::new();
    while let Some(row) = rows.next()? {
        let (sequence, entry): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        // SEQUENCE { INTEGER, … } of fewer than 128 octets.
        match entry.as_slice() {
            [0x30, whole, 0x02, length, rest @ ..]
                if *whole as usize + 2 == entry.len() && *length as usize <= rest.len() =>
            {
                let (times, shard) = found.entry(magnitude(&rest[..*length as usize])).or_default();
                (*times, *shard) = (*times + 1, row.get(2)?);
            }
            _ => report.0.push(format!("revocation {sequence}: not an entry of a list")),
        }
    }
    Ok(found)
}

fn revocation(name: &str, one: &Stored, (listed, shard): (u32, Option<i64>), log: &Log, report: &mut Report) {
    let dated = one.revoked_at.is_some() && one.reason.is_some();
    let revoked = one.status == "revoked";
    report.unless(revoked == dated, || format!("{name}: status {} with date and reason {dated}", one.status));
    report.unless(revoked == one.revoked_at.is_some(), || format!("{name}: status {} and a date", one.status));
    report.unless(listed <= u32::from(revoked), || format!("{name}: {} and {listed} times on the list", one.status));
    let must = revoked && one.not_after > log.latest;
    report.unless(!must || listed == 1, || format!("{name}: revoked and not on the list"));
    let same = listed == 0 || shard == one.shard;
    report.unless(same, || format!("{name}: of shard {:?} and on the list of {shard:?}", one.shard));
    let known = ["pending", "active", "superseded", "revoked"].contains(&one.status.as_str());
    report.unless(known, || format!("{name}: status {:?}", one.status));
}

fn bytes(name: &str, one: &Stored, issuers: &[Vec<u8>], report: &mut Report) {
    let Ok((rest, leaf)) = X509Certificate::from_der(&one.der) else {
        return report.0.push(format!("{name}: not a certificate"));
    };
    report.unless(rest.is_empty(), || format!("{name}: octets behind the certificate"));
    report.unless(leaf.version() == X509Version::V3, || format!("{name}: not version 3"));
    report.unless(magnitude(leaf.raw_serial()) == one.serial, || format!("{name}: another serial number inside"));
    let octets = leaf.raw_serial().len();
    report.unless(octets <= 20 && leaf.raw_serial()[0] & 0x80 == 0, || format!("{name}: a serial number out of range"));
    let spki = digest(&SHA256, leaf.public_key().raw);
    report.unless(spki.as_ref() == one.spki, || format!("{name}: another public key inside"));
    let times = (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
    report.unless(times == (one.not_before, one.not_after), || format!("{name}: other times inside"));
    report.unless(one.not_before < one.not_after, || format!("{name}: it ends before it begins"));
    signed(name, one, &leaf, issuers, report);
    usages(name, one, &leaf, report);
    names(name, one, &leaf, report);
    place(name, one, &leaf, report);
}

/// The list that a certificate names is the one that its row is counted to.
fn place(name: &str, one: &Stored, leaf: &X509Certificate<'_>, report: &mut Report) {
    let points = leaf.extensions().iter().find_map(|e| match e.parsed_extension() {
        ParsedExtension::CRLDistributionPoints(points) => Some(format!("{points:?}")),
        _ => None,
    });
    let end = one.shard.map(|shard| format!("/{shard}.crl"));
    let fits = match (&points, &end) {
        (Some(points), Some(end)) => points.contains(end) && points.matches(".crl").count() == 1,
        (Some(points), None) => points.split("/crl/").nth(1).is_some_and(|file| !file.contains('/')),
        (None, end) => end.is_none(),
    };
    report.unless(fits, || format!("{name}: of shard {:?}, and names {points:?}", one.shard));
}

fn signed(name: &str, one: &Stored, leaf: &X509Certificate<'_>, issuers: &[Vec<u8>], report: &mut Report) {
    let key_id = leaf.extensions().iter().find_map(|e| match e.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(aki) => aki.key_identifier.as_ref().map(|id| id.0.to_vec()),
        _ => None,
    });
    report.unless(key_id.as_ref() == Some(&one.issuer), || format!("{name}: another authority key identifier inside"));
    let under = issuers.iter().filter_map(|der| X509Certificate::from_der(der).ok()).any(|(_, issuer)| {
        issuer.subject().as_raw() == leaf.issuer().as_raw()
            && leaf.verify_signature(Some(issuer.public_key())).is_ok()
            && one.not_after <= issuer.validity().not_after.timestamp()
    });
    report.unless(under, || format!("{name}: not signed by a known issuer, or it outlives it"));
}

fn usages(name: &str, one: &Stored, leaf: &X509Certificate<'_>, report: &mut Report) {
    let ca = leaf.basic_constraints().ok().flatten();
    report.unless(ca.is_some_and(|b| !b.value.ca), || format!("{name}: not CA:FALSE"));
    let usage = leaf.key_usage().ok().flatten().map(|u| u.value.flags);
    report.unless(usage == Some(1), || format!("{name}: key usage {usage:?} is not digitalSignature alone"));
    let Some(extended) = leaf.extended_key_usage().ok().flatten().map(|e| e.value.clone()) else {
        return report.0.push(format!("{name}: no extended key usage"));
    };
    let pair = (extended.server_auth, extended.client_auth);
    let others = extended.any || extended.code_signing || extended.email_protection || extended.time_stamping;
    let fits = match one.kind.as_str() {
        "admin" => pair == (false, true),
        // Its own TLS certificate, or its responder's.
        "server" => !extended.client_auth && extended.server_auth != extended.ocsp_signing,
        _ => extended.server_auth || extended.client_auth,
    };
    let only = !others && (!extended.ocsp_signing || one.kind == "server") && extended.other.is_empty();
    report.unless(fits && only, || format!("{name}: extended key usages of a {}: {extended:?}", one.kind));
}

fn names(name: &str, one: &Stored, leaf: &X509Certificate<'_>, report: &mut Report) {
    let common: Vec<_> = leaf.subject().iter_common_name().filter_map(|cn| cn.as_str().ok()).collect();
    let alone = leaf.subject().iter().count() == 1;
    report.unless(alone && common == [one.id.as_str()], || format!("{name}: subject {}", leaf.subject()));
    let Some(alternatives) = leaf.subject_alternative_name().ok().flatten() else {
        return report.0.push(format!("{name}: no alternative names"));
    };
    let (mut uris, mut dns, mut addresses) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for general in &alternatives.value.general_names {
        match general {
            GeneralName::URI(uri) => uris.push(*uri),
            GeneralName::DNSName(text) => drop(dns.insert((*text).to_owned())),
            GeneralName::IPAddress(octets) => drop(addresses.insert(address(octets))),
            other => report.0.push(format!("{name}: a name of an unexpected kind: {other}")),
        }
    }
    let tail = format!("/{}/{}", one.kind, one.id);
    let right = matches!(uris.as_slice(), [uri] if uri.starts_with("spiffe://") && uri.ends_with(&tail));
    report.unless(right, || format!("{name}: identity {uris:?}"));
    // What the record says was written together with its newest certificate.
    if one.newest {
        let recorded = |json: &str| serde_json::from_str::<BTreeSet<String>>(json).unwrap_or_default();
        report.unless(dns == recorded(&one.dns_names), || format!("{name}: DNS names {dns:?}, not {}", one.dns_names));
        let fits = addresses == recorded(&one.addresses);
        report.unless(fits, || format!("{name}: addresses {addresses:?}, not {}", one.addresses));
    }
}

fn address(octets: &[u8]) -> String {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return std::net::Ipv4Addr::from(v4).to_string();
    }
    <[u8; 16]>::try_from(octets).map_or_else(|_| hex(octets), |v6| std::net::Ipv6Addr::from(v6).to_string())
}

/// An INTEGER's content without the zero that keeps it positive.
fn magnitude(content: &[u8]) -> String {
    hex(content.strip_prefix(&[0]).unwrap_or(content))
}
