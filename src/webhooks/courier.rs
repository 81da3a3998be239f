//! Follows the audit log for every endpoint, and delivers what waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use signet_api::CredentialId;
use signet_api::admin::AuditQuery;
use signet_pki::UnixTime;
use tokio::task::{Id, JoinSet};

use super::send::SendError;
use super::{Webhooks, payload};
use crate::random;
use crate::store::{
    AuditDraft, AuditRow, Delivery, Fate, Feed, Feeding, NewDelivery, Pause, Settled, StoreError, WebhookRecord,
    WebhookStatus,
};

/// What is under way.
#[derive(Default)]
struct Round {
    /// Up to where the log was read for an endpoint. Its position in the store may be older: stretches in which nothing
    /// concerns it are not worth a write each.
    read: HashMap<CredentialId, u64>,
    flights: JoinSet<()>,
    /// One flight for an endpoint, so that order is kept.
    busy: HashMap<Id, CredentialId>,
}

impl Webhooks {
    /// Looks whether there are endpoints; without any nothing is read later on either.
    pub async fn look(&self) {
        // Unknown is as good as some: the courier looks again.
        let any = self.store.webhooks().await.map_or(true, |all| !all.items.is_empty());
        self.any.store(any, Ordering::SeqCst);
    }

    /// Delivers for as long as the store is open. What is under way when this is dropped is delivered again later.
    pub async fn run(self: Arc<Self>) {
        let mut head = self.store.audit_head();
        let mut round = Round::default();
        loop {
            let newest = *head.borrow_and_update();
            if let Err(error) = self.turn(&mut round, newest).await {
                tracing::warn!(%error, "webhooks: the store could not be asked; it will be tried again");
                self.any.store(true, Ordering::SeqCst);
            }
            let any = self.any.load(Ordering::SeqCst);
            tokio::select! {
                () = self.changed.notified() => {}
                Some(landed) = round.flights.join_next_with_id() => {
                    let id = landed.map_or_else(|error| error.id(), |(id, ())| id);
                    round.busy.remove(&id);
                }
                moved = head.changed(), if any => {
                    if moved.is_err() {
                        return;
                    }
                    // While certificates are issued a read then serves many commits.
                    tokio::time::sleep(BREATH).await;
                }
                () = tokio::time::sleep(TICK), if any => {}
            }
        }
    }

    async fn turn(self: &Arc<Self>, round: &mut Round, head: u64) -> Result<(), StoreError> {
        // Before the question: whoever makes an endpoint meanwhile sets it again.
        if !self.any.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        let mut all = self.store.webhooks().await?.items;
        all.retain(|one| one.status == WebhookStatus::Enabled);
        round.read.retain(|id, _| all.iter().any(|one| one.id == *id));
        if all.is_empty() {
            return Ok(());
        }
        self.any.store(true, Ordering::SeqCst);
        self.follow(round, &mut all, head).await?;
        self.dispatch(round, &all).await
    }

    /// Reads what came since the last time, for all endpoints that have room.
    async fn follow(&self, round: &mut Round, all: &mut [WebhookRecord], head: u64) -> Result<(), StoreError> {
        for _ in 0..PAGES {
            let read = |one: &WebhookRecord| round.read.get(&one.id).map_or(one.position, |at| one.position.max(*at));
            let open = all.iter().filter(|one| one.waiting < ROOM).map(read);
            let Some(after) = open.min().filter(|after| *after < head) else { return Ok(()) };
            let mut rows =
                self.store.audit(AuditQuery { after: Some(after), limit: Some(PAGE), ..AuditQuery::default() }).await?;
            rows.retain(|row| row.sequence <= head);
            let stretch = Stretch { first: rows.first().map_or(head + 1, |row| row.sequence), after, rows };
            let reached = stretch.rows.last().map_or(head, |row| row.sequence);
            for one in all.iter_mut().filter(|one| one.waiting < ROOM) {
                let from = round.read.get(&one.id).map_or(one.position, |at| one.position.max(*at));
                if from >= reached {
                    continue;
                }
                let deliveries = stretch.for_endpoint(one, from, self.clock.now());
                if deliveries.is_empty() && reached - one.position < LAZY {
                    round.read.insert(one.id.clone(), reached);
                    continue;
                }
                let (count, webhook) = (deliveries.len() as u64, one.id.clone());
                let feed = Feed { webhook, from: one.position, to: reached, deliveries, now: self.clock.now() };
                match self.store.feed_webhook(feed).await? {
                    Feeding::Taken => {
                        one.position = reached;
                        one.waiting += count;
                        round.read.insert(one.id.clone(), reached);
                    }
                    // Disabled or deleted meanwhile; the next turn sees it.
                    Feeding::Elsewhere => {
                        round.read.remove(&one.id);
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends what is due, as far as there are places.
    async fn dispatch(self: &Arc<Self>, round: &mut Round, all: &[WebhookRecord]) -> Result<(), StoreError> {
        if all.iter().all(|one| one.waiting == 0) {
            return Ok(());
        }
        for delivery in self.store.due_deliveries(self.clock.now()).await? {
            let Some(webhook) = all.iter().find(|one| one.id == delivery.webhook) else { continue };
            if round.flights.len() >= PLACES {
                return Ok(());
            }
            if round.busy.values().any(|id| *id == webhook.id) {
                continue;
            }
            let (this, id, webhook) = (self.clone(), webhook.id.clone(), webhook.clone());
            let flight = round.flights.spawn(async move { this.deliver(&webhook, &delivery).await });
            round.busy.insert(flight.id(), id);
        }
        Ok(())
    }

    async fn deliver(&self, webhook: &WebhookRecord, delivery: &Delivery) {
        let outcome = self.send(webhook, &delivery.message, &delivery.body).await;
        let now = self.clock.now();
        let fate = judge(&outcome, delivery, now, self.spread());
        match &fate {
            Fate::Delivered => tracing::debug!(webhook = %webhook.id, message = delivery.message, "delivered"),
            Fate::Later { error, .. } => {
                tracing::info!(webhook = %webhook.id, message = delivery.message, error, "not delivered, later again");
            }
            Fate::Dead { error } | Fate::Gone { error } => {
                tracing::warn!(webhook = %webhook.id, message = delivery.message, error, "given up");
            }
        }
        let draft = AuditDraft {
            kind: "webhook.dead",
            actor: "service".into(),
            subject: format!("webhook:{}", webhook.id),
            request_id: delivery.message.clone(),
            detail: Value::Null,
            at: now,
        };
        let settled = Settled { delivery: delivery.id, webhook: webhook.id.clone(), fate, draft };
        // Until it is noted the endpoint counts as busy: a store that does not write is no reason to send the same again and
        // again.
        for _ in 0..SETTLE_TRIES {
            match self.store.settle_delivery(settled.clone()).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, webhook = %webhook.id, "a delivery could not be noted"),
            }
            tokio::time::sleep(SETTLE_PAUSE).await;
        }
    }

    /// A factor from 0.8 to 1.2, so that endpoints of one host do not come back together.
    fn spread(&self) -> f64 {
        let [octet] = random::bytes::<1>(self.random.as_ref()).unwrap_or([128]);
        0.8 + 0.4 * f64::from(octet) / 255.0
    }
}

/// A piece of the log.
struct Stretch {
    after: u64,
    /// Greater than `after + 1` when entries have left the database.
    first: u64,
    rows: Vec<AuditRow>,
}

impl Stretch {
    fn for_endpoint(&self, webhook: &WebhookRecord, from: u64, now: UnixTime) -> Vec<NewDelivery> {
        let mut all = Vec::new();
        if from + 1 < self.first && self.after + 1 < self.first {
            all.push(payload::gap(from, self.first, &now.to_string()));
        }
        let new = self.rows.iter().filter(|row| row.sequence > from);
        all.extend(new.flat_map(|row| payload::messages(row, &webhook.events)));
        all
    }
}

/// What follows from an attempt.
fn judge(outcome: &Result<u16, SendError>, delivery: &Delivery, now: UnixTime, spread: f64) -> Fate {
    let (error, pause) = match outcome {
        Ok(200..=299) => return Fate::Delivered,
        Ok(410) => return Fate::Gone { error: "it answered 410: it wants no more".into() },
        Ok(status @ 300..=399) => (format!("it answered {status}; redirects are not followed"), Pause::Endpoint),
        // It read this message and does not want it; the next one may be another matter.
        Ok(status @ (400 | 409 | 413 | 415 | 422)) => (format!("it answered {status}"), Pause::Message),
        Ok(status) => (format!("it answered {status}"), Pause::Endpoint),
        Err(error) => (error.to_string(), Pause::Endpoint),
    };
    if delivery.first_at.is_some_and(|first| now.since(first) >= PATIENCE) {
        return Fate::Dead { error };
    }
    let factor = 4_i64.saturating_pow(u32::try_from(delivery.attempts).unwrap_or(u32::MAX));
    let seconds = FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE);
    let next_at = now.plus(((seconds as f64 * spread) as i64).max(1));
    Fate::Later { next_at, error, pause }
}

/// Seconds from the first attempt until a delivery is given up.
const PATIENCE: i64 = 86_400;
/// Seconds; each pause is four times the one before.
const FIRST_PAUSE: i64 = 5;
/// An endpoint that is back after a day is noticed within an hour.
const LONGEST_PAUSE: i64 = 3600;
/// Deliveries that wait before an endpoint, after which the log is not read on for it: what comes later stands in the log, which
/// is the longer queue. At 48 KiB for the longest they take 48 MiB, a page of the log beyond.
const ROOM: u64 = 1000;
/// Endpoints that are spoken to at one time; each costs a connection for five seconds at most.
const PLACES: usize = 8;
/// Rows to a read of the log, and reads to a turn.
const PAGE: u32 = 500;
const PAGES: usize = 20;
/// Entries without a message after which the position is written all the same: so many are read again after a start.
const LAZY: u64 = 5000;
/// Time after news before the log is read.
const BREATH: Duration = Duration::from_millis(20);
/// How often what has become due is looked for.
const TICK: Duration = Duration::from_millis(250);
const SETTLE_TRIES: usize = 5;
const SETTLE_PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
#[path = "courier_tests.rs"]
mod tests;
