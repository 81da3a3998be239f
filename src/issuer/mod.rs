//! Issuing keys: the bounded queue in front of them, and the clock that must be right before they sign.

mod pool;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::crl::{self, CrlPlan};
use signet_pki::issue::{IssueError, LeafPlan, LintedTbs, Locations, Signed};
use signet_pki::signer::Signer;
use thiserror::Error;

use pool::SigningPool;

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
}

/// One issuing key with its certificate and its queue.
pub struct Issuer {
    key: Arc<IssuingKey>,
    pool: SigningPool,
    newest_not_before: AtomicI64,
}

impl Issuer {
    /// `last_issued` is when the store saw the newest certificate.
    pub fn new(
        certificate: IssuerCert,
        signer: Box<dyn Signer>,
        locations: Locations,
        last_issued: Option<UnixTime>,
    ) -> std::io::Result<Issuer> {
        let newest = last_issued.map_or(0, |t| t.0 - signet_pki::profile::BACKDATE);
        Ok(Issuer {
            key: Arc::new(IssuingKey { certificate, signer, locations }),
            pool: SigningPool::start()?,
            newest_not_before: AtomicI64::new(newest),
        })
    }

    pub fn certificate(&self) -> &IssuerCert {
        &self.key.certificate
    }

    /// Refuses to work with a clock that has jumped back: what it would sign could outlive what it should.
    pub fn check_clock(&self, now: UnixTime) -> Result<(), SignError> {
        let floor = BUILD_FLOOR.0.max(self.newest_not_before.load(Ordering::SeqCst) - TOLERANCE);
        if now.0 < floor { Err(SignError::Clock { now, floor: UnixTime(floor) }) } else { Ok(()) }
    }

    /// Room 4.
    pub fn prepare(&self, plan: LeafPlan<'_>) -> Result<LintedTbs, IssueError> {
        LintedTbs::prepare(&self.key.certificate, &self.key.locations, plan)
    }

    /// Room 5. Waits in the queue; a full queue answers at once.
    pub async fn sign(&self, linted: LintedTbs) -> Result<Signed, SignError> {
        let not_before = linted.facts().not_before;
        let key = self.key.clone();
        let signed = self.pool.sign(move || linted.sign(&key.certificate, key.signer.as_ref())).await??;
        self.newest_not_before.fetch_max(not_before.0, Ordering::SeqCst);
        Ok(signed)
    }

    /// Signs a revocation list over encoded entries, and gives the entries back.
    pub async fn sign_crl(
        &self,
        number: u64,
        (this_update, next_update): (UnixTime, UnixTime),
        entries: Vec<u8>,
    ) -> Result<(Result<Vec<u8>, IssueError>, Vec<u8>), SignError> {
        let key = self.key.clone();
        let work = move || {
            let plan = CrlPlan { number, this_update, next_update, entries: &entries };
            let signed = crl::sign(&key.certificate, key.signer.as_ref(), plan);
            (signed, entries)
        };
        self.pool.run(work).await
    }
}
