//! Services that were known a while ago, for when nobody can be looked up.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use signet_pki::{Serial, UnixTime};

use crate::store::PrincipalRecord;

/// Only services that are registered to go on without us are remembered, by the certificate that they showed.
#[derive(Default)]
pub(super) struct Seen(Mutex<HashMap<Serial, (PrincipalRecord, UnixTime)>>);

impl Seen {
    pub(super) fn note(&self, serial: &Serial, record: &PrincipalRecord, now: UnixTime) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Once in a while is enough, and the record is then not copied at every question.
        if all.get(serial).is_some_and(|(_, at)| (0..REFRESH).contains(&now.since(*at))) {
            return;
        }
        if all.len() >= MANY {
            all.retain(|_, (_, at)| is_recent(*at, now));
        }
        if all.len() < MANY {
            all.insert(serial.clone(), (record.clone(), now));
        }
    }

    pub(super) fn find(&self, serial: &Serial, now: UnixTime) -> Option<PrincipalRecord> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(serial).filter(|(_, at)| is_recent(*at, now)).map(|(record, _)| record.clone())
    }

    pub(super) fn forget(&self, serial: &Serial) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(serial);
    }
}

fn is_recent(at: UnixTime, now: UnixTime) -> bool {
    (0..=TRUSTED).contains(&now.since(at))
}

/// Seconds for which a service counts as what it was: an outage that is longer needs a person anyway.
const TRUSTED: i64 = 3600;
/// Seconds between two notes of the same.
const REFRESH: i64 = 60;
/// Two generations of as many services as may be registered.
const MANY: usize = 4096;
