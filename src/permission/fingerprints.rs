//! Certificates by their SHA-256, for who names nothing else.
//!
//! The store has no index by it: only some proxies ask so, and every certificate would pay for it. The first such question reads
//! all certificates once; from then on each reads what came since. A signature that was changed without becoming invalid makes
//! another fingerprint, which is unknown and so denied.

use std::collections::HashMap;

use signet_pki::{Fingerprint, UnixTime};
use tokio::sync::Mutex;

use crate::store::{CertificateRecord, Store, StoreError};

#[derive(Default)]
pub(super) struct Fingerprints(Mutex<State>);

#[derive(Default)]
struct State {
    /// The head of the audit log up to which it is whole: no certificate comes without an entry.
    head: Option<u64>,
    /// The last row that is in here.
    through: u64,
    swept: i64,
    /// By the first 64 bits: 36 octets of memory for each certificate that is not over. Two that share them make one of both
    /// unknown.
    rows: HashMap<[u8; 8], Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    row: u32,
    /// Hours since 1970.
    end: u32,
}

impl Fingerprints {
    pub(super) async fn find(
        &self,
        store: &dyn Store,
        wanted: &Fingerprint,
        now: UnixTime,
    ) -> Result<Option<CertificateRecord>, StoreError> {
        let place = {
            let mut state = self.0.lock().await;
            state.catch_up(store, now).await?;
            state.rows.get(&start(wanted)).copied()
        };
        let Some(place) = place else { return Ok(None) };
        let record = store.certificate_in(place.row.into()).await?;
        Ok(record.filter(|record| Fingerprint::of(&record.der) == *wanted))
    }
}

impl State {
    async fn catch_up(&mut self, store: &dyn Store, now: UnixTime) -> Result<(), StoreError> {
        // Before the rows are read: what comes meanwhile is looked for again.
        let head = *store.audit_head().borrow();
        while self.head != Some(head) {
            let page = store.fingerprints_after(self.through, PAGE).await?;
            for (row, fingerprint, end) in page.rows.into_iter().filter(|(_, _, end)| *end >= now) {
                if let (Ok(row), Ok(end)) = (u32::try_from(row), u32::try_from(end.0 / HOUR)) {
                    self.rows.insert(start(&fingerprint), Place { row, end });
                }
            }
            match page.through {
                Some(through) => self.through = through,
                None => self.head = Some(head),
            }
        }
        if (now.0 - self.swept).abs() >= HOUR {
            let hour = u32::try_from(now.0 / HOUR).unwrap_or(0);
            self.rows.retain(|_, place| place.end >= hour);
            self.swept = now.0;
        }
        Ok(())
    }
}

fn start(fingerprint: &Fingerprint) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = fingerprint.0;
    [a, b, c, d, e, f, g, h]
}

/// Rows to a read: two milliseconds beside the runtime.
const PAGE: u32 = 1000;
const HOUR: i64 = 3600;
