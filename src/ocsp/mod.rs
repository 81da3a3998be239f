//! Answers about the certificates of one issuer (RFC 6960, RFC 5019), by a delegated responder whose key never leaves memory.
//!
//! A status comes from the store and from nowhere else. What cannot be read is never good: the client is told to try later.

mod cache;
mod identity;
mod responders;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use signet_pki::UnixTime;
use signet_pki::crl::Reason;
use signet_pki::issue::IssueError;
use signet_pki::ocsp::{self, AnswerPlan, CertId, IssuerIds, OcspRequest, Single, Status, Unsuccessful};
use signet_pki::profile::BACKDATE;
use tokio::sync::{Mutex, Semaphore};

pub use cache::Answered;
use cache::{Cache, Entry};
pub use identity::IdentityError;
use identity::ResponderIdentity;
pub use responders::Responders;

use crate::authorize::Context;
use crate::clock::Clock;
use crate::enrollment::Road;
use crate::issuer::Issuer;
use crate::store::{CertificateStatus, Stage, Standing, Store, StoreError};

/// Answers for one issuer.
pub struct Responder {
    issuer: Arc<Issuer>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    road: Arc<Road>,
    ids: IssuerIds,
    /// Seconds from thisUpdate to nextUpdate.
    lifetime: i64,
    identity: ArcSwapOption<ResponderIdentity>,
    renewing: Mutex<()>,
    cache: Cache,
    waiting: Semaphore,
    signing: Semaphore,
}

/// What becomes of a well-formed request.
#[derive(Debug, Clone)]
pub enum Outcome {
    Answered {
        answer: Arc<Answered>,
        source: Source,
    },
    Refused(Unsuccessful),
    /// Too many wait for a signature already.
    Busy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Signed before, and good for whoever asks the same.
    Memory,
    /// Signed for this request, and good for whoever asks the same.
    Fresh,
    /// Signed for this request, and of no use to anybody else.
    Private,
}

/// Why the responder could not answer; the client hears "try later".
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Sign(#[from] crate::issuer::SignError),
    #[error("the answer could not be signed: {0}")]
    Answer(#[from] IssueError),
    #[error("there is no responder's certificate")]
    NoIdentity,
}

impl Responder {
    /// Without a certificate until [`renew_when_due`](Self::renew_when_due) has made one. `lifetime` is 600 seconds to a day.
    pub fn new(road: Arc<Road>, issuer: Arc<Issuer>, lifetime: i64) -> Responder {
        Responder {
            ids: IssuerIds::of(issuer.certificate()),
            store: road.store.clone(),
            clock: road.clock.clone(),
            issuer,
            road,
            lifetime,
            identity: ArcSwapOption::empty(),
            renewing: Mutex::new(()),
            cache: Cache::default(),
            waiting: Semaphore::new(WAITING),
            signing: Semaphore::new(SIGNING),
        }
    }

    pub async fn answer(&self, request: OcspRequest) -> Outcome {
        // 4.2.1 and RFC 5019 2.2.3: it speaks for its own issuer and for nobody else's certificates.
        if !self.speaks_for(&request) {
            return Outcome::Refused(Unsuccessful::Unauthorized);
        }
        let now = self.clock.now();
        let shared = match (request.ids(), request.nonce()) {
            ([id], None) => Some(id),
            _ => None,
        };
        if let Some(answer) = shared.and_then(|id| self.remembered(id, now)) {
            return Outcome::Answered { answer, source: Source::Memory };
        }
        let Ok(_place) = self.waiting.try_acquire() else { return Outcome::Busy };
        // Held from the look at the store on, so that what is signed is recent also when many wait.
        let Ok(_turn) = self.signing.acquire().await else { return Outcome::Busy };
        match self.sign(&request, shared.cloned()).await {
            Ok((answer, source)) => Outcome::Answered { answer, source },
            Err(Failure::Sign(crate::issuer::SignError::Busy)) => Outcome::Busy,
            Err(Failure::Answer(error)) => {
                tracing::error!(%error, "an OCSP answer was not signed");
                Outcome::Refused(Unsuccessful::InternalError)
            }
            Err(error) => {
                tracing::warn!(%error, "an OCSP request could not be answered");
                Outcome::Refused(Unsuccessful::TryLater)
            }
        }
    }

    fn speaks_for(&self, request: &OcspRequest) -> bool {
        request.ids().iter().all(|id| self.ids.named_by(id))
    }

    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The end of the responder's certificate; none while there is none.
    pub fn not_after(&self) -> Option<UnixTime> {
        self.identity.load().as_ref().map(|identity| identity.certificate.not_after())
    }

    /// A new key with a new certificate, on the road of every other certificate, when they are due. Until it is there the
    /// present ones go on.
    pub async fn renew_when_due(&self, context: Context) -> Result<(), IdentityError> {
        let _alone = self.renewing.lock().await;
        if self.is_due(self.clock.now()).await {
            let identity = identity::make(&self.road, &self.issuer, context).await?;
            self.identity.store(Some(Arc::new(identity)));
        }
        Ok(())
    }

    /// Whether half of the certificate's life is over, an administrator revoked it, or there is none.
    async fn is_due(&self, now: UnixTime) -> bool {
        let Some(identity) = self.identity.load_full().filter(|identity| !identity.is_due(now)) else { return true };
        let record = self.store.certificate(&identity.certificate.view().serial).await;
        matches!(record, Ok(Some(record)) if record.status == CertificateStatus::Revoked)
    }

    /// A signed answer that says what the store would say.
    fn remembered(&self, id: &CertId, now: UnixTime) -> Option<Arc<Answered>> {
        if self.distrusted().is_some() {
            return None;
        }
        let revision = self.store.counters().revision;
        let entry = self.cache.find(id.der())?;
        let answer = &entry.answer;
        // From when it was made, not from thisUpdate; renewed at half of that, so that nobody gets one that is about to end.
        let made = answer.this_update.plus(BACKDATE);
        let fresh = (0..=answer.next_update.since(made) / 2).contains(&now.since(made));
        (entry.revision == revision && fresh).then(|| answer.clone())
    }

    async fn sign(&self, request: &OcspRequest, shared: Option<CertId>) -> Result<(Arc<Answered>, Source), Failure> {
        let now = self.clock.now();
        self.issuer.check_clock(now)?;
        let identity = self.identity.load_full().ok_or(Failure::NoIdentity)?;
        // Before the store is read: what is revoked after that changes the number.
        let revision = self.store.counters().revision;
        let mut standings = Vec::with_capacity(request.ids().len());
        for id in request.ids() {
            standings.push(self.standing(id).await?);
        }
        // A little in the past, like certificates: clocks of clients are behind.
        let distrusted = self.distrusted();
        let status = |standing: Option<Standing>| distrusted.unwrap_or_else(|| status(standing));
        let this_update = now.minus(BACKDATE);
        let next_update = this_update.plus(self.lifetime).min(identity.certificate.not_after());
        if next_update <= now {
            return Err(Failure::NoIdentity);
        }
        let singles: Vec<Single> = request
            .ids()
            .iter()
            .zip(&standings)
            .map(|(id, standing)| Single { id: id.clone(), status: status(*standing), this_update, next_update })
            .collect();
        let nonce = request.nonce().map(<[u8]>::to_vec);
        let work = move || {
            let plan = AnswerPlan { produced_at: now, singles: &singles, nonce: nonce.as_deref() };
            ocsp::sign(&identity.certificate, &identity.key, plan)
        };
        let der = self.issuer.run(work).await??;
        let statuses = standings.iter().copied().map(status).collect();
        let answer = Arc::new(Answered::new(der, statuses, this_update, next_update));
        // Unknown ones are not kept: anybody can invent them, and one may be issued in the next moment.
        match shared.filter(|_| distrusted.is_none() && standings.iter().all(Option::is_some)) {
            None => Ok((answer, Source::Private)),
            Some(id) => {
                self.cache.keep(id.der().into(), Entry { answer: answer.clone(), revision });
                Ok((answer, Source::Fresh))
            }
        }
    }

    /// RFC 6960 2.7: all certificates of a CA whose key somebody else has may be told to be revoked.
    fn distrusted(&self) -> Option<Status> {
        let record = self.road.issuers.record(self.issuer.certificate().key_identifier())?;
        let revoked = Status::Revoked { at: record.changed_at, reason: Reason::CaCompromise };
        (record.stage == Stage::Distrusted).then_some(revoked)
    }

    async fn standing(&self, id: &CertId) -> Result<Option<Standing>, StoreError> {
        match id.serial() {
            None => Ok(None),
            Some(serial) => self.store.standing(self.issuer.certificate().key_identifier(), serial).await,
        }
    }
}

fn status(standing: Option<Standing>) -> Status {
    match standing {
        None => Status::Unknown,
        Some(Standing::Good) => Status::Good,
        Some(Standing::Revoked { at, reason }) => Status::Revoked { at, reason },
    }
}

/// Answers that the signing threads work on at one time: three milliseconds of their time, which is what issuing waits for
/// at most. Issuing has places for hundreds in the same queue, so strangers cannot fill it.
const SIGNING: usize = 32;
/// Requests that wait for one of those: 50 ms at 10 000 signatures a second. Beyond it is better to say "try later".
const WAITING: usize = 512;
