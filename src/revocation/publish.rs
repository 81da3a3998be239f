//! Making and keeping the published revocation lists. Downloads are pointers to bytes made once.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::crl::SignedList;
use tokio::sync::Mutex;

use super::directory::Directory;
use super::press::{Demand, Press, PublishError, Published};
use super::shards::Shards;
use crate::clock::Clock;
use crate::issuer::Issuer;
use crate::store::{Extent, Store, StoreError};

/// Milliseconds that the full list may follow the shards' lists before readiness minds: a look at the schedule is five
/// seconds away, and a list of ten million takes a few more.
const FULL_MAY_FOLLOW_MS: i64 = 60_000;

pub struct Schedule {
    /// Seconds between two lists.
    pub interval: i64,
    /// Seconds from thisUpdate to nextUpdate.
    pub lifetime: i64,
    /// How many lists of shards there are, beside the full one.
    pub shards: u16,
    /// Where every document is also written to.
    pub directory: Option<Arc<Directory>>,
}

pub struct Publisher {
    press: Press,
    interval: i64,
    published: ArcSwapOption<Published>,
    /// One list at a time, so that numbers and contents grow together.
    building: Mutex<Ledger>,
    demand: Demand,
    shards: Option<Shards>,
    directory: Option<Arc<Directory>>,
}

/// The newest list and what of the store is on it: the next one is this and what is new.
#[derive(Default)]
struct Ledger {
    list: Option<SignedList>,
    sequence: u64,
}

/// How the published lists stand to the revocations that are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Current,
    /// The lists of shards carry every revocation; the full one follows.
    FullFollows,
    Behind,
}

impl Publisher {
    pub fn new(issuer: Arc<Issuer>, store: Arc<dyn Store>, clock: Arc<dyn Clock>, schedule: Schedule) -> Publisher {
        let Schedule { interval, lifetime, shards, directory } = schedule;
        Publisher {
            press: Press { issuer, store, clock, lifetime },
            interval,
            published: ArcSwapOption::empty(),
            building: Mutex::default(),
            demand: Demand::new(),
            shards: (shards > 0).then(|| Shards::new(shards, interval)),
            directory,
        }
    }

    pub fn current(&self) -> Option<Arc<Published>> {
        self.published.load_full()
    }

    /// The list of a shard; `None` when there is no such shard, or nothing is published yet.
    pub fn shard(&self, shard: u16) -> Option<Arc<Published>> {
        self.shards.as_ref()?.list(shard)
    }

    /// Every list of a shard that is published.
    pub fn all_shards(&self) -> impl Iterator<Item = (u16, Arc<Published>)> {
        self.shards.iter().flat_map(Shards::all)
    }

    /// How many shards have to have a list.
    pub fn shard_count(&self) -> usize {
        self.shards.as_ref().map_or(0, Shards::count)
    }

    pub fn issuer(&self) -> &IssuerCert {
        self.press.issuer.certificate()
    }

    /// Whether a revocation is durable that some list which has to carry it does not carry yet.
    pub fn is_behind(&self) -> bool {
        self.demand.is_open() || self.shards.as_ref().is_some_and(|shards| shards.demand().is_open())
    }

    pub fn standing(&self) -> Standing {
        let waiting = self.demand.waiting(self.press.clock.now_ms());
        match (&self.shards, waiting) {
            (Some(shards), _) if shards.demand().is_open() => Standing::Behind,
            (_, None) => Standing::Current,
            (Some(_), Some(waiting)) if waiting <= FULL_MAY_FOLLOW_MS => Standing::FullFollows,
            (_, Some(_)) => Standing::Behind,
        }
    }

    /// Whether the schedule asks for a new list.
    pub fn is_due(&self, now: UnixTime) -> bool {
        self.is_full_due(now) || self.shards.as_ref().is_some_and(|shards| shards.is_due(now))
    }

    /// Publishes everything that is durable now where verifiers look for it, and answers the number: on the lists of the
    /// shards, which the full one follows later, or on the full list when there are none or a certificate names that one.
    pub async fn publish(&self, request_id: &str) -> Result<u64, PublishError> {
        let Some(shards) = &self.shards else { return self.rebuild(request_id).await };
        let news = shards.rebuild(&self.press, &self.demand, request_id).await?;
        self.demand.ask(self.press.clock.now_ms());
        self.changed();
        match news.full {
            // Usually it was made long ago.
            Some(ticket) => Ok(self.rebuild_for(ticket, request_id).await?.max(news.number)),
            None => Ok(news.number),
        }
    }

    /// Publishes whatever is due: lists of shards first.
    pub async fn keep_up(&self, request_id: &str) -> Result<(), PublishError> {
        let now = self.press.clock.now();
        if let Some(shards) = self.shards.as_ref().filter(|shards| shards.is_due(now)) {
            shards.rebuild(&self.press, &self.demand, request_id).await?;
            self.changed();
        }
        if self.is_full_due(now) {
            self.rebuild(request_id).await?;
        }
        Ok(())
    }

    /// Publishes a full list with everything that is durable now, and answers its number.
    ///
    /// The number is reserved durably first: a list that was published is never followed by one with a smaller number,
    /// also after a crash between the two. Requests that wait while a list is built share the next one.
    pub async fn rebuild(&self, request_id: &str) -> Result<u64, PublishError> {
        let mine = self.demand.ask(self.press.clock.now_ms());
        self.rebuild_for(mine, request_id).await
    }

    async fn rebuild_for(&self, ticket: u64, request_id: &str) -> Result<u64, PublishError> {
        let mut ledger = self.building.lock().await;
        if self.demand.is_covered(ticket)
            && let Some(current) = self.current()
        {
            return Ok(current.number);
        }
        let covers = self.demand.newest();
        let stamp = self.press.stamp(request_id, 1).await?;
        let delta = self.press.store.revocations_after(self.press.key(), ledger.sequence).await?;
        let before = match delta.extent {
            Extent::News => ledger.list.clone(),
            Extent::Whole => None,
        };
        let published = self.press.print(stamp, None, before, delta.entries).await?;
        // Whoever gives up before this point leaves everything as it was.
        *ledger = Ledger { list: Some(published.list.clone()), sequence: delta.sequence };
        self.published.store(Some(published));
        self.demand.cover(covers, self.press.clock.now_ms());
        self.changed();
        Ok(stamp.number())
    }

    /// Whether the store has revocations that the newest lists do not carry, however they came there.
    pub async fn has_news(&self) -> Result<bool, StoreError> {
        if let Some(shards) = &self.shards
            && shards.has_news(&self.press).await?
        {
            return Ok(true);
        }
        let Ok(ledger) = self.building.try_lock() else { return Ok(false) };
        let delta = self.press.store.revocations_after(self.press.key(), ledger.sequence).await?;
        Ok(!delta.entries.is_empty())
    }

    /// The same, after the list that is being built is there.
    pub async fn awaits_news(&self) -> Result<bool, StoreError> {
        if let Some(shards) = &self.shards
            && shards.awaits_news(&self.press).await?
        {
            return Ok(true);
        }
        let ledger = self.building.lock().await;
        let delta = self.press.store.revocations_after(self.press.key(), ledger.sequence).await?;
        Ok(!delta.entries.is_empty())
    }

    /// Asks for new lists without waiting for them.
    pub fn ask(&self) {
        let now_ms = self.press.clock.now_ms();
        self.demand.ask(now_ms);
        if let Some(shards) = &self.shards {
            shards.demand().ask(now_ms);
        }
    }

    /// Forgets the newest full list, because entries have left the store; the next one reads all of them again. A shard's
    /// list does so whenever its time comes.
    pub async fn start_over(&self) {
        *self.building.lock().await = Ledger::default();
        self.demand.ask(self.press.clock.now_ms());
    }

    fn is_full_due(&self, now: UnixTime) -> bool {
        self.demand.is_open() || self.current().is_none_or(|p| now.since(p.this_update) >= self.interval)
    }

    fn changed(&self) {
        if let Some(directory) = &self.directory {
            directory.wake();
        }
    }
}
