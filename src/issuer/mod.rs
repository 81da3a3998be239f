//! Issuing keys: the bounded queue in front of them, and the clock that must be right before they sign.

mod pool;
mod set;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::crl::{self, CrlPlan, Entries, Scope, SignedList};
use signet_pki::issue::{IssueError, LeafPlan, LintedTbs, Locations, Signed};
use signet_pki::signer::Signer;
use thiserror::Error;

use crate::audit::checkpoint::Checkpoint;
use pool::SigningPool;
pub use set::Issuers;

/// 2026-11-01: no clock that is right shows an earlier time than this program's first release.
pub const BUILD_FLOOR: UnixTime = UnixTime(1_793_491_200);
/// How far the clock may stand behind the newest `notBefore` (threats T17).
const TOLERANCE: i64 = 300;

#[derive(Debug, Error)]
pub enum SignError {
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error("the signing queue is full")]
    Busy,
    #[error("the signing threads have ended")]
    Closed,
    #[error("the clock shows {now}, which is before {floor}")]
    Clock { now: UnixTime, floor: UnixTime },
}

struct IssuingKey {
    certificate: IssuerCert,
    signer: Box<dyn Signer>,
    locations: Locations,
    /// Into so many shards certificates are divided; 0 for none.
    shards: u16,
}

/// A list to be signed, in owned parts.
pub struct ListOrder {
    pub number: u64,
    pub this_update: UnixTime,
    pub next_update: UnixTime,
    /// Of which shard; `None` for the full list.
    pub shard: Option<u16>,
    /// The list before and what it grows by.
    pub continues: Option<SignedList>,
    pub entries: Entries,
}

/// The newest `notBefore` that any issuer of the service signed.
#[derive(Debug, Clone, Default)]
pub struct Newest(Arc<AtomicI64>);

impl Newest {
    /// `last_issued` is when the store saw the newest certificate.
    pub fn at(last_issued: Option<UnixTime>) -> Newest {
        Newest(Arc::new(AtomicI64::new(last_issued.map_or(0, |t| t.0 - signet_pki::profile::BACKDATE))))
    }
}

/// One issuing key with its certificate and its queue.
pub struct Issuer {
    key: Arc<IssuingKey>,
    pool: SigningPool,
    newest: Newest,
}

impl Issuer {
    /// `newest` is shared by all issuers; `shards` is a power of two, or 0 for none.
    pub fn new(
        certificate: IssuerCert,
        signer: Box<dyn Signer>,
        locations: Locations,
        shards: u16,
        newest: Newest,
    ) -> std::io::Result<Issuer> {
        Ok(Issuer {
            key: Arc::new(IssuingKey { certificate, signer, locations, shards }),
            pool: SigningPool::start()?,
            newest,
        })
    }

    pub fn certificate(&self) -> &IssuerCert {
        &self.key.certificate
    }

    /// Refuses to work with a clock that has jumped back: what it would sign could outlive what it should.
    pub fn check_clock(&self, now: UnixTime) -> Result<(), SignError> {
        let floor = BUILD_FLOOR.0.max(self.newest.0.load(Ordering::SeqCst) - TOLERANCE);
        if now.0 < floor { Err(SignError::Clock { now, floor: UnixTime(floor) }) } else { Ok(()) }
    }

    /// Room 4.
    pub fn prepare(&self, plan: LeafPlan<'_>) -> Result<LintedTbs, IssueError> {
        let shard = crl::shard_of(plan.serial(), self.key.shards);
        LintedTbs::prepare(&self.key.certificate, &self.key.locations, plan.in_shard(shard))
    }

    /// Room 5. Waits in the queue; a full queue answers at once.
    pub async fn sign(&self, linted: LintedTbs) -> Result<Signed, SignError> {
        let not_before = linted.facts().not_before;
        let key = self.key.clone();
        let signed = self.pool.sign(move || linted.sign(&key.certificate, key.signer.as_ref())).await??;
        self.newest.0.fetch_max(not_before.0, Ordering::SeqCst);
        Ok(signed)
    }

    /// Lets the signing threads do a short piece of other work, which is signing with another key than the issuer's.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, SignError> {
        self.pool.run(work).await
    }

    /// Signs a head of the audit log. The note that carries the signature, which was verified.
    pub async fn sign_checkpoint(&self, head: Checkpoint) -> Result<String, SignError> {
        let key = self.key.clone();
        let work = move || {
            let signature = key.signer.sign(head.text().as_bytes()).map_err(IssueError::Signer)?;
            let public = key.certificate.public_key();
            let note = head.note(public, &signature);
            if head.is_in(&note, public) { Ok(note) } else { Err(IssueError::BadSignature) }
        };
        Ok(self.pool.run(work).await??)
    }

    /// Signs a revocation list. That of a shard says the very URL that the certificates of the shard name.
    pub async fn sign_crl(&self, order: ListOrder) -> Result<SignedList, SignError> {
        let key = self.key.clone();
        let work = move || {
            let ListOrder { number, this_update, next_update, shard, continues, entries } = order;
            let url =
                shard.map(|shard| key.locations.shard(shard)).transpose()?.and_then(|urls| urls.into_iter().next());
            let scope = url.as_deref().map_or(Scope::Full, |url| Scope::Shard { url });
            let continues = continues.as_ref();
            let plan = CrlPlan { number, this_update, next_update, scope, continues, entries };
            crl::sign(&key.certificate, key.signer.as_ref(), plan)
        };
        Ok(self.pool.run(work).await??)
    }
}
