//! Records as the wire shows them.

use signet_api::admin::{AuditEntry, AuditSegmentInfo, CertificateInfo, DeviceInfo, TokenInfo};
use signet_pki::UnixTime;

use crate::audit::hex;
use crate::store::{AuditRow, AuditSegment, CertificateRecord, DeviceRow, PrincipalRecord, TokenRecord, TokenStatus};

pub(super) fn token(record: TokenRecord, now: UnixTime) -> TokenInfo {
    let open = matches!(record.status, TokenStatus::Active | TokenStatus::Pending | TokenStatus::Approved);
    let status = if open && now >= record.expires_at { "expired" } else { record.status.as_str() };
    TokenInfo {
        id: record.id,
        kind: record.kind,
        status: status.to_owned(),
        device: record.device,
        profile: record.profile,
        groups: record.groups,
        batch: record.batch,
        serial_number: record.hardware_serial,
        spki: record.spki.map(|f| f.to_string()),
        cidr: record.cidr,
        approval: record.approval,
        created_at: record.created_at.to_string(),
        created_by: record.created_by,
        expires_at: record.expires_at.to_string(),
        redeemed_at: record.redeemed_at.map(|t| t.to_string()),
        redeemed_serial: record.redeemed_serial.map(|s| s.to_string()),
        claimed_spki: record.claimed_spki.map(|f| f.to_string()),
    }
}

pub(super) fn certificate(record: CertificateRecord, now: UnixTime) -> CertificateInfo {
    let ended = record.status_is_live() && now > record.not_after;
    CertificateInfo {
        serial: record.serial.to_string(),
        device: record.principal.id,
        profile: record.profile,
        status: if ended { "expired" } else { record.status.as_str() }.to_owned(),
        generation: record.generation,
        spki: record.spki.to_string(),
        not_before: record.not_before.to_string(),
        not_after: record.not_after.to_string(),
        issued_at: record.issued_at.to_string(),
        revoked_at: record.revoked_at.map(|t| t.to_string()),
        reason: record.reason,
        review: record.review,
    }
}

pub(super) fn device(row: DeviceRow, now: UnixTime) -> DeviceInfo {
    let certificate = row.certificate.map(|c| certificate(c, now));
    principal(row.principal, certificate)
}

pub(super) fn principal(record: PrincipalRecord, certificate: Option<CertificateInfo>) -> DeviceInfo {
    DeviceInfo {
        id: record.id,
        kind: record.kind,
        status: record.status.as_str().to_owned(),
        profile: record.profile,
        groups: record.groups,
        dns_names: record.dns_names,
        serial_number: record.hardware_serial,
        created_at: record.created_at.to_string(),
        recoveries: record.recoveries,
        account: record.account,
        permissions: record.permissions,
        certificate,
    }
}

pub(super) fn audit(row: AuditRow) -> AuditEntry {
    // The canonical text is JSON of our own making.
    let whole: serde_json::Value = serde_json::from_str(&row.canonical).unwrap_or_default();
    AuditEntry {
        sequence: row.sequence,
        at: row.at.to_string(),
        kind: row.kind,
        actor: row.actor,
        subject: row.subject,
        detail: whole.get("detail").cloned().unwrap_or_default(),
        canonical: row.canonical,
        leaf_hash: hex(&row.leaf_hash),
    }
}

pub(super) fn segment(segment: AuditSegment) -> AuditSegmentInfo {
    AuditSegmentInfo {
        file: segment.name.file(),
        first: segment.name.first,
        last: segment.name.last,
        last_hash: hex(&segment.last_hash),
        root: hex(&segment.frontier.root()),
        file_sha256: hex(&segment.file_sha256),
        at: segment.at.to_string(),
    }
}
