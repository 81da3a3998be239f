//! What every list takes before it is published: a number, dates, a signature.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::json;
use signet_pki::UnixTime;
use signet_pki::crl::{Entries, SignedList};
use signet_pki::pem::{self, Label};
use thiserror::Error;

use super::Document;
use crate::clock::Clock;
use crate::issuer::{Issuer, ListOrder, SignError};
use crate::store::{AuditDraft, Store, StoreError};

/// Seconds by which a clock may be set back and lists go on (twice what the issuer tolerates: `notBefore` is backdated).
const CLOCK_TOLERANCE: i64 = 600;

#[derive(Debug, Error)]
pub enum PublishError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// One generation of a list in all its forms.
#[derive(Debug)]
pub struct Published {
    pub number: u64,
    pub this_update: UnixTime,
    pub next_update: UnixTime,
    pub entries: u64,
    pub der: Document,
    /// What the next list goes on from; the bytes are those of `der`.
    pub(super) list: SignedList,
    name: String,
    /// Made when somebody asks for it the first time.
    pem: OnceLock<Document>,
}

impl Published {
    pub fn pem(&self) -> &Document {
        self.pem.get_or_init(|| Document::list_pem(pem::encode(Label::Crl, &self.der.bytes), &self.name))
    }

    /// A name that no other list has.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Number and dates, reserved durably. Lists of different scopes may share them (RFC 5280 5.2.3).
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    number: u64,
    this_update: UnixTime,
    next_update: UnixTime,
}

impl Stamp {
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

pub(super) struct Press {
    pub(super) issuer: Arc<Issuer>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    /// Seconds from thisUpdate to nextUpdate.
    pub(super) lifetime: i64,
}

impl Press {
    pub(super) fn key(&self) -> &[u8] {
        self.issuer.certificate().key_identifier()
    }

    /// Reserves a number. All lists of an issuer count together, so that the numbers of each of them grow.
    pub(super) async fn stamp(&self, request_id: &str, lists: usize) -> Result<Stamp, PublishError> {
        let now_ms = self.clock.now_ms();
        let now = self.clock.now();
        self.issuer.check_clock(now)?;
        let draft = AuditDraft {
            kind: "crl.numbered",
            actor: "signetd".into(),
            subject: format!("issuer:{}", self.issuer.certificate().short_id()),
            request_id: request_id.to_owned(),
            detail: json!({ "lists": lists }),
            at: now,
        };
        let floor = u64::try_from(now_ms).unwrap_or(0);
        let number = self.store.next_crl_number(self.key(), floor, draft).await?;
        // thisUpdate never runs backwards, also when the clock was set back within its tolerance. The number outlives a
        // restart and is not below the milliseconds of any list before; far ahead it says nothing about time.
        let numbered = UnixTime((number / 1000) as i64);
        let this_update = if numbered.since(now) <= CLOCK_TOLERANCE { numbered.max(now) } else { now };
        Ok(Stamp { number, this_update, next_update: this_update.plus(self.lifetime) })
    }

    pub(super) async fn print(
        &self,
        stamp: Stamp,
        shard: Option<u16>,
        continues: Option<SignedList>,
        entries: Entries,
    ) -> Result<Arc<Published>, PublishError> {
        let Stamp { number, this_update, next_update } = stamp;
        let list =
            self.issuer.sign_crl(ListOrder { number, this_update, next_update, shard, continues, entries }).await?;
        let issuer = self.issuer.certificate().short_id();
        let name = match shard {
            None => format!("{issuer}-{number}"),
            Some(shard) => format!("{issuer}.{shard}-{number}"),
        };
        Ok(Arc::new(Published {
            number,
            this_update,
            next_update,
            entries: list.count(),
            der: Document::list(list.clone(), &name),
            list,
            name,
            pem: OnceLock::new(),
        }))
    }
}

/// Counts the requests for a list; one list answers all that were made before it read the store.
pub(super) struct Demand {
    requested: AtomicU64,
    covered: AtomicU64,
    /// Milliseconds: the oldest request that is not covered.
    since: AtomicI64,
}

impl Demand {
    /// With a first request, as nothing is published yet.
    pub(super) fn new() -> Demand {
        Demand { requested: AtomicU64::new(1), covered: AtomicU64::new(0), since: AtomicI64::new(0) }
    }

    pub(super) fn ask(&self, now_ms: i64) -> u64 {
        if !self.is_open() {
            self.since.store(now_ms, Ordering::SeqCst);
        }
        self.requested.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(super) fn is_open(&self) -> bool {
        self.covered.load(Ordering::SeqCst) < self.requested.load(Ordering::SeqCst)
    }

    /// Milliseconds that the oldest request has waited.
    pub(super) fn waiting(&self, now_ms: i64) -> Option<i64> {
        self.is_open().then(|| now_ms.saturating_sub(self.since.load(Ordering::SeqCst)))
    }

    pub(super) fn is_covered(&self, ticket: u64) -> bool {
        self.covered.load(Ordering::SeqCst) >= ticket
    }

    /// Everything that was asked for before this point is durable, so a read that follows sees it.
    pub(super) fn newest(&self) -> u64 {
        self.requested.load(Ordering::SeqCst)
    }

    pub(super) fn cover(&self, ticket: u64, now_ms: i64) {
        self.since.store(now_ms, Ordering::SeqCst);
        self.covered.fetch_max(ticket, Ordering::SeqCst);
    }
}
