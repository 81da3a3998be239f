//! Lists of shards: each a fixed part of the certificates, so that what one revocation costs does not grow with all others.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use signet_pki::UnixTime;
use signet_pki::crl::Entries;
use tokio::sync::Mutex;

use super::press::{Demand, Press, PublishError, Published};
use crate::store::{Extent, StoreError};

/// In so many portions an interval is divided, and in each of them a portion of the lists is made anew: a signature a second
/// with the most shards there can be, and sixty audit entries an hour.
const PORTIONS: i64 = 60;

pub(super) struct Shards {
    lists: Vec<ArcSwapOption<Published>>,
    demand: Demand,
    /// One build at a time, so that numbers and contents grow together.
    building: Mutex<Progress>,
    interval: i64,
}

/// How far the store has been read.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    sequence: u64,
    newest: News,
}

/// What the builds so far brought.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct News {
    /// The number of the newest list.
    pub(super) number: u64,
    /// The last place that was taken in the queue for the full list, for certificates that name that one.
    pub(super) full: Option<u64>,
}

impl Shards {
    pub(super) fn new(count: u16, interval: i64) -> Shards {
        let lists = (0..count).map(|_| ArcSwapOption::empty()).collect();
        Shards { lists, demand: Demand::new(), building: Mutex::default(), interval }
    }

    pub(super) fn list(&self, shard: u16) -> Option<Arc<Published>> {
        self.lists.get(usize::from(shard))?.load_full()
    }

    /// Every list that is published, with its shard.
    pub(super) fn all(&self) -> impl Iterator<Item = (u16, Arc<Published>)> {
        (0..).zip(&self.lists).filter_map(|(shard, list)| Some((shard, list.load_full()?)))
    }

    pub(super) fn count(&self) -> usize {
        self.lists.len()
    }

    pub(super) fn demand(&self) -> &Demand {
        &self.demand
    }

    pub(super) fn is_due(&self, now: UnixTime) -> bool {
        self.demand.is_open() || (0..self.lists.len()).any(|shard| self.is_over(shard, now))
    }

    pub(super) async fn has_news(&self, press: &Press) -> Result<bool, StoreError> {
        let Ok(progress) = self.building.try_lock() else { return Ok(false) };
        let delta = press.store.sharded_revocations_after(press.key(), progress.sequence).await?;
        Ok(delta.sequence > progress.sequence)
    }

    /// The same, after the lists that are being built are there.
    pub(super) async fn awaits_news(&self, press: &Press) -> Result<bool, StoreError> {
        let progress = self.building.lock().await;
        let delta = press.store.sharded_revocations_after(press.key(), progress.sequence).await?;
        Ok(delta.sequence > progress.sequence)
    }

    /// Publishes the lists on which something new stands or whose time has come. What names the full list is asked for there.
    pub(super) async fn rebuild(&self, press: &Press, full: &Demand, request_id: &str) -> Result<News, PublishError> {
        let mine = self.demand.ask(press.clock.now_ms());
        let mut progress = self.building.lock().await;
        if self.demand.is_covered(mine) {
            return Ok(progress.newest);
        }
        let covers = self.demand.newest();
        let (next, made) = self.build(press, full, *progress, request_id).await?;
        // From here on nothing waits: all lists of the build are there, or none.
        for (shard, list) in made {
            if let Some(place) = self.lists.get(usize::from(shard)) {
                place.store(Some(list));
            }
        }
        *progress = next;
        self.demand.cover(covers, press.clock.now_ms());
        Ok(next.newest)
    }

    async fn build(
        &self,
        press: &Press,
        full: &Demand,
        progress: Progress,
        request_id: &str,
    ) -> Result<(Progress, Vec<(u16, Arc<Published>)>), PublishError> {
        let mut delta = press.store.sharded_revocations_after(press.key(), progress.sequence).await?;
        let now = press.clock.now();
        let mut wanted = Vec::new();
        for shard in 0..self.lists.len() {
            let number = shard as u16;
            let news = delta.shards.remove(&number);
            if news.is_some() || self.is_over(shard, now) {
                let whole = self.is_over(shard, now) || delta.replaced.contains(&number);
                wanted.push((number, news.unwrap_or_default(), if whole { Extent::Whole } else { Extent::News }));
            }
        }
        // What is left names a shard that has no list here: it is on the full one.
        let unlisted = delta.unsharded > 0 || !delta.shards.is_empty();
        let mut newest = progress.newest;
        if unlisted {
            newest.full = Some(full.ask(press.clock.now_ms()));
        }
        let mut made = Vec::with_capacity(wanted.len());
        if !wanted.is_empty() {
            let stamp = press.stamp(request_id, wanted.len()).await?;
            newest.number = stamp.number();
            for (shard, news, extent) in wanted {
                let (continues, entries) = self.content(press, shard, (news, extent), delta.sequence).await?;
                let continues = continues.map(|list| list.list.clone());
                made.push((shard, press.print(stamp, Some(shard), continues, entries).await?));
            }
        }
        Ok((Progress { sequence: delta.sequence, newest }, made))
    }

    /// What a list is made of: the one before and what is new, or, when its time has come or an entry was replaced, what the
    /// store has: the retention may have taken something away.
    async fn content(
        &self,
        press: &Press,
        shard: u16,
        (news, extent): (Entries, Extent),
        through: u64,
    ) -> Result<(Option<Arc<Published>>, Entries), StoreError> {
        match (self.list(shard), extent) {
            (Some(_), Extent::Whole) => {
                Ok((None, press.store.revocations_of_shard(press.key(), shard, through).await?))
            }
            (before, _) => Ok((before, news)),
        }
    }

    /// Whether a list is missing or its moment in the interval has passed since it was made. The moments of all lists are
    /// spread over the interval, whenever the service was started.
    fn is_over(&self, shard: usize, now: UnixTime) -> bool {
        let Some(list) = self.lists.get(shard).and_then(ArcSwapOption::load_full) else { return true };
        let portion = (self.interval / PORTIONS).max(1);
        // Wide, because an interval may be any number of seconds.
        let share = i128::from(self.interval) * shard as i128 / self.lists.len() as i128;
        let moment = share as i64 / portion * portion;
        let round = |at: UnixTime| (at.0 - moment).div_euclid(self.interval);
        round(now) > round(list.this_update)
    }
}
