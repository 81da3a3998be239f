//! A database that was put back from a backup.

use std::collections::{BTreeMap, HashSet};

use signet_pki::crl::{Reason, encode_entry, shard_of};

use super::super::*;
use super::access;
use super::decode;
use super::ending::end_certificate;
use super::revoking::revoke;
use super::sharding;
use super::writer::{Verdict, WriteError, WriteTx};

/// Seconds that a certificate may live at most (config/profiles.rs): so long an unknown revocation stays on the list.
pub(super) const LONGEST_LIFE: i64 = 366 * 86_400;

impl Verdict for Adopted {
    fn keeps_changes(&self) -> bool {
        true
    }
}

pub(super) fn restored(tx: &mut WriteTx<'_>, order: &Restoration) -> Result<Adopted, WriteError> {
    let voided = tx
        .connection
        .prepare_cached("UPDATE token SET status = 'revoked' WHERE status IN ('active', 'pending', 'approved')")?
        .execute([])?;
    let mut adopted = Adopted { voided_tokens: voided as u64, ..Adopted::default() };
    let disabled = access::after_restore(tx.connection)?;
    let mut ended = Vec::new();
    for list in &order.lists {
        adopt(tx, order, list, &mut adopted, &mut ended)?;
    }
    for (device, reason) in holders(tx, order, &ended)? {
        let mut draft = AuditDraft { kind: "revocation", subject: device.to_string(), ..order.draft.clone() };
        draft.detail = serde_json::json!({ "reason": reason.as_str(), "adopted_from": "crl" });
        let target = RevokeTarget::Device(device.clone());
        revoke(tx, &RevokeOrder { target, reason, now: order.now, mode: Mode::Apply, draft })?;
        adopted.revoked_devices.push(device);
    }
    let mut draft = order.draft.clone();
    draft.detail["voided_tokens"] = adopted.voided_tokens.into();
    draft.detail["revoked_again"] = adopted.revoked_again.into();
    draft.detail["revoked_devices"] = adopted.revoked_devices.len().into();
    draft.detail["unknown"] = adopted.unknown.into();
    draft.detail["disabled_credentials"] = disabled.into();
    tx.audit(&draft)?;
    Ok(adopted)
}

/// Takes over one list. `ended` gets the certificates that were alive until now.
fn adopt(
    tx: &mut WriteTx<'_>,
    order: &Restoration,
    list: &RestoredList,
    adopted: &mut Adopted,
    ended: &mut Vec<(Serial, Reason)>,
) -> Result<(), WriteError> {
    let mut listed = entries_of(tx, &list.issuer)?;
    // A certificate that the backup does not know is most likely younger, and was issued under this number.
    let shards = sharding::configured(tx.connection, &list.issuer)?;
    for (serial, at, reason) in &list.revocations {
        let revocation = RevokeOrder {
            target: RevokeTarget::Serial(serial.clone()),
            reason: *reason,
            now: *at,
            mode: Mode::Apply,
            draft: order.draft.clone(),
        };
        let mut outcome = Revoked::default();
        end_certificate(tx.connection, serial, &revocation, &mut outcome)?;
        adopted.revoked_again += outcome.certificates.len() as u64;
        ended.extend(outcome.certificates.into_iter().map(|serial| (serial, *reason)));
        let mut entry = Vec::new();
        encode_entry(serial, *at, *reason, &mut entry);
        if !outcome.known && listed.insert(entry.clone()) {
            tx.connection
                .prepare_cached("INSERT INTO revocation (issuer, not_after, entry, shard) VALUES (?1, ?2, ?3, ?4)")?
                .execute((&list.issuer, order.now.plus(LONGEST_LIFE).0, entry, shard_of(serial, shards)))?;
            adopted.unknown += 1;
        }
    }
    tx.connection
        .prepare_cached(
            "INSERT INTO crl (issuer, number) VALUES (?1, ?2)
             ON CONFLICT (issuer) DO UPDATE SET number = max(number, excluded.number)",
        )?
        .execute((&list.issuer, list.number as i64))?;
    Ok(())
}

/// What the next lists of an issuer carry already: the same certificate stands in the full list and in that of a shard.
fn entries_of(tx: &WriteTx<'_>, issuer: &[u8]) -> Result<HashSet<Vec<u8>>, WriteError> {
    let mut statement = tx.connection.prepare_cached("SELECT entry FROM revocation WHERE issuer = ?1")?;
    let entries = statement.query_map([issuer], |row| row.get(0))?;
    Ok(entries.collect::<rusqlite::Result<_>>()?)
}

/// Devices, services and administrators that have no live certificate left: they were revoked after the backup. A superseded
/// certificate says nothing about its holder, whose next one the backup may not know.
fn holders(
    tx: &WriteTx<'_>,
    order: &Restoration,
    ended: &[(Serial, Reason)],
) -> Result<BTreeMap<DeviceId, Reason>, WriteError> {
    let mut statement = tx.connection.prepare_cached(
        "SELECT p.id FROM certificate c JOIN principal p ON p.rowid = c.principal
         WHERE c.serial = ?1 AND p.kind <> 'server' AND p.status IN ('active', 'suspended')
           AND NOT EXISTS (SELECT 1 FROM certificate n WHERE n.principal = p.rowid
                           AND n.status IN ('active', 'pending') AND n.not_after > ?2)",
    )?;
    let mut found = BTreeMap::new();
    for (serial, reason) in ended.iter().filter(|(_, reason)| *reason != Reason::Superseded) {
        let mut rows = statement.query((serial.as_bytes(), order.now.0))?;
        if let Some(row) = rows.next()? {
            found.insert(decode::device_id(row, 0)?, *reason);
        }
    }
    Ok(found)
}

pub(super) fn accept_clock(tx: &mut WriteTx<'_>, draft: &AuditDraft) -> Result<(), WriteError> {
    tx.connection
        .prepare_cached(
            "INSERT INTO state (name, value) VALUES ('clock_accepted', (SELECT coalesce(max(rowid), 0) FROM certificate))
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )?
        .execute([])?;
    tx.audit(draft)
}
