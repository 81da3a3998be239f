//! Rows to records. Columns are named once, here; a value that makes no sense is an error, never a default.

use rusqlite::Row;
use rusqlite::types::Type;
use serde::de::DeserializeOwned;
use signet_api::CredentialId;
use signet_api::admin::TokenKind;
use signet_api::scope::AccountId;
use signet_pki::crl::Reason;
use signet_pki::name::PrincipalKind;
use signet_pki::{DeviceId, Fingerprint, Serial, UnixTime};

use super::super::*;

/// Columns of a principal, aliased `p`.
macro_rules! principal_columns {
    () => {
        "p.id, p.kind, p.status, p.profile, p.groups, p.dns_names, p.addresses, \
     p.hardware_serial, p.created_at, p.version, p.bundle_seen, p.recoveries, p.account, p.permissions"
    };
}
pub(super) use principal_columns;
pub(super) const PRINCIPAL: &str = principal_columns!();
/// Where the columns of [`CERTIFICATE`] begin beside them.
pub(super) const PRINCIPAL_WIDTH: usize = 14;

/// Columns of a certificate, aliased `c`.
macro_rules! certificate_columns {
    () => {
        "c.serial, c.profile, c.status, c.generation, c.spki, c.not_before, c.not_after, \
     c.issued_at, c.first_used_at, c.revoked_at, c.reason, c.review, c.der, c.issuer"
    };
}
pub(super) use certificate_columns;
pub(super) const CERTIFICATE: &str = certificate_columns!();

/// Columns of a token, aliased `t`.
macro_rules! token_columns {
    () => {
        "t.id, t.kind, t.hash, t.status, t.batch, t.device, t.profile, t.groups, t.dns_names, \
     t.hardware_serial, t.spki, t.cidr, t.approval, t.replace, t.created_at, t.created_by, t.expires_at, \
     t.claimed_spki, t.redeemed_at, t.redeemed_serial"
    };
}
pub(super) use token_columns;
pub(super) const TOKEN: &str = token_columns!();

/// Expects the columns of [`PRINCIPAL`] first.
pub(super) fn principal(row: &Row<'_>) -> rusqlite::Result<PrincipalRecord> {
    Ok(PrincipalRecord {
        id: device_id(row, 0)?,
        kind: text(row, 1, PrincipalKind::parse)?,
        status: text(row, 2, PrincipalStatus::parse)?,
        profile: row.get(3)?,
        groups: json(row, 4)?,
        dns_names: json(row, 5)?,
        addresses: json(row, 6)?,
        hardware_serial: row.get(7)?,
        created_at: UnixTime(row.get(8)?),
        version: count(row, 9)?,
        bundle_seen: optional_count(row, 10)?,
        recoveries: row.get(11)?,
        account: optional_text(row, 12, |t| AccountId::parse(t).ok())?,
        permissions: optional_text(row, 13, |t| t.parse().ok())?,
    })
}

/// Expects the columns of [`PRINCIPAL`], then those of [`CERTIFICATE`].
pub(super) fn certificate(row: &Row<'_>) -> rusqlite::Result<CertificateRecord> {
    let at = PRINCIPAL_WIDTH;
    let record = CertificateRecord {
        principal: principal(row)?,
        serial: serial(row, at)?,
        profile: row.get(at + 1)?,
        status: text(row, at + 2, CertificateStatus::parse)?,
        generation: count(row, at + 3)?,
        spki: Fingerprint(row.get(at + 4)?),
        not_before: UnixTime(row.get(at + 5)?),
        not_after: UnixTime(row.get(at + 6)?),
        issued_at: UnixTime(row.get(at + 7)?),
        first_used_at: row.get::<_, Option<i64>>(at + 8)?.map(UnixTime),
        revoked_at: row.get::<_, Option<i64>>(at + 9)?.map(UnixTime),
        reason: row
            .get::<_, Option<u8>>(at + 10)?
            .map(|code| Reason::from_code(code).ok_or_else(|| impossible(at + 10)))
            .transpose()?,
        review: row.get(at + 11)?,
        der: row.get(at + 12)?,
        issuer: row.get(at + 13)?,
    };
    let ended = record.status == CertificateStatus::Revoked;
    if ended && (record.revoked_at.is_none() || record.reason.is_none()) {
        return Err(impossible(at + 9));
    }
    Ok(record)
}

/// Expects status, date and reason. A row that makes no sense is nobody's good one.
pub(super) fn standing(row: &Row<'_>) -> rusqlite::Result<Standing> {
    if text(row, 0, CertificateStatus::parse)? != CertificateStatus::Revoked {
        return Ok(Standing::Good);
    }
    let reason = Reason::from_code(row.get(2)?).ok_or_else(|| impossible(2))?;
    Ok(Standing::Revoked { at: UnixTime(row.get(1)?), reason })
}

/// Like [`certificate`], for an outer join: `None` when there is no certificate.
pub(super) fn device_row(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    let absent = row.get_ref(PRINCIPAL_WIDTH)?.data_type() == Type::Null;
    let certificate = if absent { None } else { Some(certificate(row)?) };
    Ok(DeviceRow { principal: principal(row)?, certificate })
}

/// Expects the columns of [`TOKEN`].
pub(super) fn token(row: &Row<'_>) -> rusqlite::Result<TokenRecord> {
    Ok(TokenRecord {
        id: text(row, 0, |t| CredentialId::parse(t).ok())?,
        kind: text(row, 1, token_kind)?,
        hash: row.get(2)?,
        status: text(row, 3, TokenStatus::parse)?,
        batch: row.get(4)?,
        device: device_id(row, 5)?,
        profile: row.get(6)?,
        groups: json(row, 7)?,
        dns_names: json(row, 8)?,
        hardware_serial: row.get(9)?,
        spki: row.get::<_, Option<[u8; 32]>>(10)?.map(Fingerprint),
        cidr: row.get(11)?,
        approval: row.get(12)?,
        replace: row.get(13)?,
        created_at: UnixTime(row.get(14)?),
        created_by: row.get(15)?,
        expires_at: UnixTime(row.get(16)?),
        claimed_spki: row.get::<_, Option<[u8; 32]>>(17)?.map(Fingerprint),
        redeemed_at: row.get::<_, Option<i64>>(18)?.map(UnixTime),
        redeemed_serial: row
            .get::<_, Option<Vec<u8>>>(19)?
            .map(|bytes| Serial::from_der_content(&bytes).map_err(|_| impossible(19)))
            .transpose()?,
    })
}

pub(super) fn audit(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        sequence: count(row, 0)?,
        at: UnixTime(row.get(1)?),
        kind: row.get(2)?,
        actor: row.get(3)?,
        subject: row.get(4)?,
        canonical: row.get(5)?,
        leaf_hash: row.get(6)?,
    })
}

pub(super) fn serial(row: &Row<'_>, at: usize) -> rusqlite::Result<Serial> {
    let bytes: Vec<u8> = row.get(at)?;
    Serial::from_der_content(&bytes).map_err(|_| impossible(at))
}

pub(super) fn device_id(row: &Row<'_>, at: usize) -> rusqlite::Result<DeviceId> {
    text(row, at, |t| DeviceId::parse(t).ok())
}

pub(super) fn token_kind_text(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Interactive => "interactive",
        TokenKind::Batch => "batch",
    }
}

fn token_kind(text: &str) -> Option<TokenKind> {
    [TokenKind::Interactive, TokenKind::Batch].into_iter().find(|k| token_kind_text(*k) == text)
}

pub(super) fn text<T>(row: &Row<'_>, at: usize, parse: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let value = row.get_ref(at)?.as_str().map_err(|_| impossible(at))?;
    parse(value).ok_or_else(|| impossible(at))
}

pub(super) fn optional_text<T>(
    row: &Row<'_>,
    at: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let Some(value) = row.get_ref(at)?.as_str_or_null().map_err(|_| impossible(at))? else { return Ok(None) };
    parse(value).map(Some).ok_or_else(|| impossible(at))
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, at: usize) -> rusqlite::Result<T> {
    let value = row.get_ref(at)?.as_str().map_err(|_| impossible(at))?;
    serde_json::from_str(value).map_err(|_| impossible(at))
}

pub(super) fn count(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    u64::try_from(row.get::<_, i64>(at)?).map_err(|_| impossible(at))
}

pub(super) fn optional_count(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<u64>> {
    row.get::<_, Option<i64>>(at)?.map(|n| u64::try_from(n).map_err(|_| impossible(at))).transpose()
}

pub(super) fn impossible(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, "impossible value".into())
}
