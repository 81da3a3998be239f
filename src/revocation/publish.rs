//! Making and keeping the published revocation list. Downloads are pointers to bytes made once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use axum::body::Bytes;
use serde_json::json;
use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::pem::{self, Label};
use thiserror::Error;
use tokio::sync::Mutex;

use crate::audit::hex;
use crate::clock::Clock;
use crate::issuer::{Issuer, SignError};
use crate::store::{AuditDraft, Store, StoreError};

/// An expired certificate leaves the list after it stood on one issued later than its end (RFC 5280 3.3); two intervals
/// make sure of it.
const INTERVALS_AFTER_EXPIRY: i64 = 2;

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
    /// Quoted, as HTTP wants it.
    pub etag: String,
}

impl Document {
    pub fn new(bytes: Vec<u8>, content_type: &'static str) -> Document {
        let digest = signet_pki::Fingerprint::of(&bytes).to_string();
        Document { bytes: bytes.into(), content_type, etag: format!("\"{}\"", &digest[..32]) }
    }
}

/// One generation of the list in all its forms.
#[derive(Debug)]
pub struct Published {
    pub number: u64,
    pub this_update: UnixTime,
    pub next_update: UnixTime,
    pub entries: u64,
    pub sha256: String,
    pub der: Document,
    pub pem: Document,
    /// The lists of every CA of the chain, PEM: what verifiers need that check the whole chain.
    pub all: Document,
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
    building: Mutex<()>,
    behind: AtomicBool,
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
            building: Mutex::new(()),
            behind: AtomicBool::new(true),
        }
    }

    pub fn current(&self) -> Option<Arc<Published>> {
        self.published.load_full()
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
        self.behind.load(Ordering::SeqCst)
    }

    /// Whether the schedule asks for a new list.
    pub fn is_due(&self, now: UnixTime) -> bool {
        self.is_behind() || self.current().is_none_or(|p| now.since(p.this_update) >= self.interval)
    }

    /// Builds, signs and publishes a list of everything that is durable now. Its number.
    ///
    /// The number is reserved durably first: a list that was published is never followed by one with a smaller number,
    /// also after a crash between the two.
    pub async fn rebuild(&self, request_id: &str) -> Result<u64, PublishError> {
        self.behind.store(true, Ordering::SeqCst);
        let _one_at_a_time = self.building.lock().await;
        // Set before the read: what is revoked from here on asks for a list of its own.
        self.behind.store(false, Ordering::SeqCst);
        let built = self.build(request_id).await;
        match built {
            Ok(published) => {
                let number = published.number;
                self.published.store(Some(Arc::new(published)));
                Ok(number)
            }
            Err(error) => {
                self.behind.store(true, Ordering::SeqCst);
                Err(error)
            }
        }
    }

    async fn build(&self, request_id: &str) -> Result<Published, PublishError> {
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
        let since = now.minus(self.interval * INTERVALS_AFTER_EXPIRY);
        let (entries, count) = self.store.revoked_entries(issuer.key_identifier(), since).await?;
        // thisUpdate never runs backwards, also when the clock was set back within its tolerance.
        let this_update = self.current().map_or(now, |p| p.this_update.max(now));
        let next_update = this_update.plus(self.lifetime);
        let der = self.issuer.sign_crl(number, (this_update, next_update), entries).await?;
        let text = pem::encode(Label::Crl, &der);
        let all = text.clone() + &pem::encode(Label::Crl, &self.root_crl);
        Ok(Published {
            number,
            this_update,
            next_update,
            entries: count,
            sha256: hex(&signet_pki::Fingerprint::of(&der).0),
            der: Document::new(der, "application/pkix-crl"),
            pem: Document::new(text.into_bytes(), "application/x-pem-file"),
            all: Document::new(all.into_bytes(), "application/x-pem-file"),
        })
    }
}
