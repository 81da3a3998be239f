//! A database that was put back from a backup.

use signet_pki::crl::{encode_entry, shard_of};

use super::super::*;
use super::access;
use super::ending::end_certificate;
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
    // A certificate that the backup does not know is most likely younger, and was issued under this number.
    let shards = sharding::configured(tx.connection, &order.issuer)?;
    for (serial, at, reason) in &order.revocations {
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
        if !outcome.known {
            let mut entry = Vec::new();
            encode_entry(serial, *at, *reason, &mut entry);
            tx.connection
                .prepare_cached("INSERT INTO revocation (issuer, not_after, entry, shard) VALUES (?1, ?2, ?3, ?4)")?
                .execute((&order.issuer, order.now.plus(LONGEST_LIFE).0, entry, shard_of(serial, shards)))?;
            adopted.unknown += 1;
        }
    }
    if let Some(number) = order.crl_number {
        tx.connection
            .prepare_cached(
                "INSERT INTO crl (issuer, number) VALUES (?1, ?2)
                 ON CONFLICT (issuer) DO UPDATE SET number = max(number, excluded.number)",
            )?
            .execute((&order.issuer, number as i64))?;
    }
    let mut draft = order.draft.clone();
    draft.detail["voided_tokens"] = adopted.voided_tokens.into();
    draft.detail["revoked_again"] = adopted.revoked_again.into();
    draft.detail["unknown"] = adopted.unknown.into();
    draft.detail["disabled_credentials"] = disabled.into();
    tx.audit(&draft)?;
    Ok(adopted)
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
