//! Alarms. The entry of an alarm in the audit log opens it or counts for the one that is open, in the same transaction.

use serde_json::Value;
use signet_api::admin::Page;
use signet_api::alarms::AlarmQuery;
use signet_pki::UnixTime;

use super::{Answer, AuditDraft};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmRecord {
    /// Audit sequence of its first entry.
    pub id: u64,
    pub kind: String,
    pub subject: String,
    pub first_at: UnixTime,
    pub last_at: UnixTime,
    pub times: u64,
    /// Audit sequence of its newest entry.
    pub sequence: u64,
    /// Of the newest entry.
    pub detail: Value,
    pub closed: Option<Closed>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub at: UnixTime,
    pub by: String,
    pub reason: String,
}

#[derive(Debug, Clone)]
pub struct CloseAlarm {
    pub id: u64,
    pub reason: String,
    /// The actor closes it. Subject and detail are the store's.
    pub draft: AuditDraft,
}

/// It was closed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlreadyClosed(pub Closed);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AlarmCounts {
    pub open: u64,
    /// Of all alarms, how often they happened.
    pub times: u64,
}

pub trait AlarmStore: Send + Sync {
    /// Closes an alarm and, with the last one about a device, the flags on its certificates. `None` when there is no such alarm.
    fn close_alarm(&self, order: CloseAlarm) -> Answer<'_, Option<Result<AlarmRecord, AlreadyClosed>>>;
    fn alarm_of(&self, id: u64) -> Answer<'_, Option<AlarmRecord>>;
    fn alarms(&self, query: AlarmQuery) -> Answer<'_, Page<AlarmRecord>>;
    fn alarm_counts(&self) -> Answer<'_, AlarmCounts>;
}
