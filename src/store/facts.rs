//! What decisions about permission read, beside certificates by their serial number.

use signet_pki::{DeviceId, Fingerprint, UnixTime};

use super::{Answer, CertificateRecord, DeviceRow};

/// Short reads, but for [`fingerprints_after`](FactStore::fingerprints_after).
pub trait FactStore: Send + Sync {
    /// A principal of any kind with the newest of its certificates that is neither revoked nor superseded.
    fn present(&self, id: &DeviceId) -> Answer<'_, Option<DeviceRow>>;
    /// The next rows of certificates after `row`, in order, at most `limit`, but for those without bytes.
    fn fingerprints_after(&self, row: u64, limit: u32) -> Answer<'_, Fingerprints>;
    fn certificate_in(&self, row: u64) -> Answer<'_, Option<CertificateRecord>>;
}

/// A stretch of certificates by their SHA-256.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprints {
    /// Where each stands, and when it ends.
    pub rows: Vec<(u64, Fingerprint, UnixTime)>,
    /// The last row that was looked at; `None` when there was none after the one that was asked for.
    pub through: Option<u64>,
}
