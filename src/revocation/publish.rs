//! Making and keeping the published revocation list. Downloads are pointers to bytes made once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use axum::body::Bytes;
use serde_json::json;
use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::pem::{self, Label};
use thiserror::Error;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::issuer::{Issuer, SignError};
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

/// Prepared bytes with the headers that belong to them.
#[derive(Debug, Clone)]
pub struct Document {
    pub bytes: Bytes,
    pub content_type: &'static str,
    /// Of the bytes, hex.
    pub sha256: String,
    /// Quoted, as HTTP wants it.
    pub etag: String,
}

impl Document {
    /// RFC 5280 4.2.1.13, RFC 2585 4.2.
    pub fn crl(der: Vec<u8>) -> Document {
        Document::new(der, "application/pkix-crl")
    }

    /// RFC 2585 4.1.
    pub fn certificate(der: Vec<u8>) -> Document {
        Document::new(der, "application/pkix-cert")
    }

    /// Anything else that only our own programs read.
    pub fn octets(bytes: Vec<u8>) -> Document {
        Document::new(bytes, "application/octet-stream")
    }

    pub fn pem(text: String) -> Document {
        Document::new(text.into_bytes(), "application/x-pem-file")
    }

    pub fn json(text: String) -> Document {
        Document::new(text.into_bytes(), "application/json")
    }

    fn new(bytes: Vec<u8>, content_type: &'static str) -> Document {
        let sha256 = signet_pki::Fingerprint::of(&bytes).to_string();
        Document { bytes: bytes.into(), content_type, etag: format!("\"{}\"", &sha256[..32]), sha256 }
    }
}

/// One generation of the list in all its forms.
#[derive(Debug)]
pub struct Published {
    pub number: u64,
    pub this_update: UnixTime,
    pub next_update: UnixTime,
    pub entries: u64,
    pub der: Document,
    /// PEM forms, made when somebody asks for the first time: this list, and the lists of every CA of the chain.
    text: OnceLock<(Document, Document)>,
}

impl Published {
    fn text(&self, root_crl: &[u8]) -> &(Document, Document) {
        self.text.get_or_init(|| {
            let own = pem::encode(Label::Crl, &self.der.bytes);
            let all = own.clone() + &pem::encode(Label::Crl, root_crl);
            (Document::pem(own), Document::pem(all))
        })
    }
}

pub struct Publisher {
    issuer: Arc<Issuer>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    root: IssuerCert,
    root_crl: Vec<u8>,
    interval: i64,
    lifetime: i64,
    published: ArcSwapOption<Published>,
    /// One list at a time, so that numbers and contents grow together.
    building: Mutex<Ledger>,
    /// Counts the requests for a list; one list answers all that were made before it read the store.
    requested: AtomicU64,
    covered: AtomicU64,
}

/// The entries of the newest list, encoded: the next one is these and what is new.
#[derive(Default)]
struct Ledger {
    entries: Vec<u8>,
    count: u64,
    sequence: u64,
}

pub struct Schedule {
    /// Seconds between two lists.
    pub interval: i64,
    /// Seconds from thisUpdate to nextUpdate.
    pub lifetime: i64,
}

impl Publisher {
    pub fn new(
        issuer: Arc<Issuer>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        root: IssuerCert,
        root_crl: Vec<u8>,
        schedule: Schedule,
    ) -> Publisher {
        Publisher {
            issuer,
            store,
            clock,
            root,
            root_crl,
            interval: schedule.interval,
            lifetime: schedule.lifetime,
            published: ArcSwapOption::empty(),
            building: Mutex::new(Ledger::default()),
            requested: AtomicU64::new(1),
            covered: AtomicU64::new(0),
        }
    }

    pub fn current(&self) -> Option<Arc<Published>> {
        self.published.load_full()
    }

    pub fn pem<'a>(&self, list: &'a Published) -> &'a Document {
        &list.text(&self.root_crl).0
    }

    /// The lists of every CA of the chain, PEM: what verifiers need that check the whole chain.
    pub fn all_pem<'a>(&self, list: &'a Published) -> &'a Document {
        &list.text(&self.root_crl).1
    }

    pub fn root(&self) -> &IssuerCert {
        &self.root
    }

    pub fn root_crl(&self) -> &[u8] {
        &self.root_crl
    }

    pub fn issuer(&self) -> &IssuerCert {
        self.issuer.certificate()
    }

    pub fn interval(&self) -> i64 {
        self.interval
    }

    /// Whether a revocation is durable that no published list carries yet.
    pub fn is_behind(&self) -> bool {
        self.covered.load(Ordering::SeqCst) < self.requested.load(Ordering::SeqCst)
    }

    /// Whether the schedule asks for a new list.
    pub fn is_due(&self, now: UnixTime) -> bool {
        self.is_behind() || self.current().is_none_or(|p| now.since(p.this_update) >= self.interval)
    }

    /// Publishes a list with everything that is durable now, and answers its number.
    ///
    /// The number is reserved durably first: a list that was published is never followed by one with a smaller number,
    /// also after a crash between the two. Requests that wait while a list is built share the next one.
    pub async fn rebuild(&self, request_id: &str) -> Result<u64, PublishError> {
        let mine = self.requested.fetch_add(1, Ordering::SeqCst) + 1;
        let mut ledger = self.building.lock().await;
        if self.covered.load(Ordering::SeqCst) >= mine
            && let Some(current) = self.current()
        {
            return Ok(current.number);
        }
        // Everything that was asked for before this point is durable, so the read below sees it.
        let covers = self.requested.load(Ordering::SeqCst);
        let published = self.build(&mut ledger, request_id).await?;
        let number = published.number;
        self.published.store(Some(Arc::new(published)));
        self.covered.store(covers, Ordering::SeqCst);
        Ok(number)
    }

    /// Whether the store has revocations that the newest list does not carry, however they came there.
    pub async fn has_news(&self) -> Result<bool, StoreError> {
        let Ok(ledger) = self.building.try_lock() else { return Ok(false) };
        let key = self.issuer.certificate().key_identifier();
        Ok(self.store.revocations_after(key, ledger.sequence).await?.count > 0)
    }

    /// Asks for a list without waiting for it.
    pub fn ask(&self) {
        self.requested.fetch_add(1, Ordering::SeqCst);
    }

    /// Forgets the encoded entries, because some have left the store; the next list reads all of them again.
    pub async fn start_over(&self) {
        *self.building.lock().await = Ledger::default();
        self.ask();
    }

    async fn build(&self, ledger: &mut Ledger, request_id: &str) -> Result<Published, PublishError> {
        let now_ms = self.clock.now_ms();
        let now = self.clock.now();
        self.issuer.check_clock(now)?;
        let issuer = self.issuer.certificate();
        let draft = AuditDraft {
            kind: "crl.numbered",
            actor: "signetd".into(),
            subject: format!("issuer:{}", issuer.short_id()),
            request_id: request_id.to_owned(),
            detail: json!({}),
            at: now,
        };
        let floor = u64::try_from(now_ms).unwrap_or(0);
        let number = self.store.next_crl_number(issuer.key_identifier(), floor, draft).await?;
        // Taken whole and put back whole: whoever gives up in between leaves an empty ledger, and the next list reads
        // everything again.
        let mut work = std::mem::take(ledger);
        let delta = self.store.revocations_after(issuer.key_identifier(), work.sequence).await?;
        work.entries.extend_from_slice(&delta.entries);
        work.count += delta.count;
        work.sequence = delta.sequence;
        // thisUpdate never runs backwards, also when the clock was set back within its tolerance. The number outlives a
        // restart and is not below the milliseconds of any list before; far ahead it says nothing about time.
        let numbered = UnixTime((number / 1000) as i64);
        let this_update = if numbered.since(now) <= CLOCK_TOLERANCE { numbered.max(now) } else { now };
        let next_update = this_update.plus(self.lifetime);
        let validity = (this_update, next_update);
        let (signed, entries) = self.issuer.sign_crl(number, validity, std::mem::take(&mut work.entries)).await?;
        work.entries = entries;
        let der = signed.map_err(SignError::from)?;
        let count = work.count;
        *ledger = work;
        Ok(Published {
            number,
            this_update,
            next_update,
            entries: count,
            der: Document::crl(der),
            text: OnceLock::new(),
        })
    }
}
