//! Telling verifiers: the audit log is read once as it grows, what concerns verifiers goes to every subscriber's queue, and open
//! connections of what was ended are closed.

mod concern;
mod event;
mod line;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use signet_api::admin::AuditQuery;
use signet_api::alarms::is_alarm;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use concern::About;
pub use concern::Concern;
pub use event::{Event, Kind, Scope};
pub use line::{Connections, Ending, Entry, Line, Taken};

use crate::latency::{Latency, Stage};
use crate::store::{AuditRow, Store, StoreError};

/// How many may subscribe; see http/limits.rs.
#[derive(Debug, Clone, Copy)]
pub struct Seats {
    pub all: usize,
    pub each: usize,
}

/// Why nobody was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    All,
    /// This identity has as many streams as one may have.
    Each,
}

/// Why an acknowledgement was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// The identity has no open stream.
    NoStream,
    /// Nothing with this sequence was handed out; the newest is given.
    Future(u64),
}

/// What is known about a subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watcher {
    /// `service:api`, `admin:alice`.
    pub identity: String,
    pub streams: usize,
    /// The last sequence that was acknowledged.
    pub acknowledged: Option<u64>,
    /// Events that were handed out and not acknowledged; `None` for who never acknowledges.
    pub lag: Option<usize>,
}

/// Reads the log and hands out. One for a service.
pub struct Hub {
    store: Arc<dyn Store>,
    latency: Arc<Latency>,
    connections: Connections,
    seats: Seats,
    state: Mutex<State>,
    /// Subscribers that catch up read one after another, so that a crowd of them leaves readers to the requests.
    reading: Semaphore,
    /// The position, for those who wait for it.
    moved: watch::Sender<u64>,
}

struct State {
    /// Everything up to here is in the queues.
    position: u64,
    /// Sequences of the newest events.
    recent: VecDeque<u64>,
    subscribers: HashMap<u64, Subscriber>,
    next: u64,
    identities: HashMap<String, Acknowledgements>,
}

struct Subscriber {
    identity: String,
    queue: mpsc::Sender<Arc<Event>>,
    line: Arc<Line>,
    /// Kinds on request that it asked for.
    kinds: Vec<Kind>,
    concerns: Vec<Concern>,
    doubted: Arc<Notify>,
}

struct Acknowledgements {
    streams: usize,
    /// Where the log was when the identity came: only what happened since can be late.
    since: u64,
    last: Option<u64>,
}

/// A place among the subscribers, until it is dropped.
pub struct Subscription {
    hub: Arc<Hub>,
    number: u64,
    /// What comes after is in the queue; what is before is read from the store.
    pub from: u64,
    /// Ends when the subscriber was too slow.
    pub queue: mpsc::Receiver<Arc<Event>>,
    /// Rung at the beginning, and when the log has something about what the subscriber's right hangs on.
    pub doubted: Arc<Notify>,
}

/// A stretch of the log.
#[derive(Debug)]
pub struct Page {
    pub events: Vec<Event>,
    /// The sequence that the page ends with.
    pub reached: u64,
    /// Entries are missing before this one.
    pub gap: Option<u64>,
}

impl Hub {
    pub fn new(store: Arc<dyn Store>, latency: Arc<Latency>, connections: Connections, seats: Seats) -> Hub {
        let position = *store.audit_head().borrow();
        let state = State {
            position,
            recent: VecDeque::new(),
            subscribers: HashMap::new(),
            next: 0,
            identities: HashMap::new(),
        };
        Hub {
            store,
            latency,
            connections,
            seats,
            state: Mutex::new(state),
            reading: Semaphore::new(1),
            moved: watch::Sender::new(position),
        }
    }

    /// Follows the log for as long as the store is open.
    pub async fn run(&self) {
        let mut head = self.store.audit_head();
        let mut tick = tokio::time::interval(TICK);
        loop {
            let newest = *head.borrow_and_update();
            if let Err(error) = self.follow(newest).await {
                tracing::warn!(%error, "the audit log could not be read; it will be tried again");
            }
            self.latency.review();
            tokio::select! {
                changed = head.changed() => if changed.is_err() { return },
                _ = tick.tick() => {}
            }
        }
    }

    /// Hands out what came since the last time.
    async fn follow(&self, head: u64) -> Result<(), StoreError> {
        loop {
            let after = self.state().position;
            if after >= head {
                return Ok(());
            }
            let rows = self.rows(after).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut told = false;
            for row in &rows {
                told |= self.hand_out(row);
            }
            self.moved.send_replace(self.position());
            if !told {
                // While certificates are issued a read then serves many commits.
                tokio::time::sleep(BREATH).await;
            }
        }
    }

    /// Whether it concerned a verifier.
    fn hand_out(&self, row: &AuditRow) -> bool {
        let event = Event::of(row, |kind| self.state().wants(kind)).map(Arc::new);
        if let Some(event) = &event {
            self.end_connections(event);
        }
        if is_alarm(&row.kind) {
            let (alarm, subject, actor) = (&row.kind, &row.subject, &row.actor);
            tracing::warn!(alarm, subject, actor, sequence = row.sequence, "an alarm was raised: see 'ca alarm list'");
        }
        let mut state = self.state();
        // After the connections: a stream that is cut anyhow gives that reason.
        state.doubt(row);
        let Some(event) = event else {
            state.position = row.sequence;
            return false;
        };
        if event.kind.is_on_request() {
            state.hand_to(&event, |subscriber| subscriber.kinds.contains(&event.kind));
            state.position = row.sequence;
            return true;
        }
        if event.kind == Kind::Alarm {
            // Services do not get it, so it is nothing that they could be late with.
            state.hand_to(&event, |_| true);
            state.position = row.sequence;
            return true;
        }
        if state.recent.len() >= RECENT {
            state.recent.pop_front();
        }
        state.recent.push_back(event.sequence);
        state.hand_to(&event, |_| true);
        // In the same breath as the queues: whoever comes now finds each event in one of both places.
        state.position = row.sequence;
        let handed = !state.subscribers.is_empty();
        drop(state);
        if handed {
            self.latency.observed(Stage::Handed, event.sequence - 1, event.sequence);
        }
        true
    }

    fn end_connections(&self, event: &Event) {
        self.latency.numbered(&event.request, event.sequence);
        let Some(why) = event.kind.ending() else { return };
        event.serials.iter().for_each(|serial| self.connections.end(serial, event.sequence, why));
        if let Some(issuer) = &event.issuer {
            self.connections.end_issued_by(issuer, event.sequence, why);
        }
    }

    /// Everything that is handed out from now on reaches the subscription's queue.
    pub fn subscribe(self: &Arc<Self>, identity: String, line: Arc<Line>) -> Result<Subscription, Full> {
        let mut state = self.state();
        if state.subscribers.len() >= self.seats.all {
            return Err(Full::All);
        }
        let since = state.position;
        let own = state.identities.entry(identity.clone());
        let own = own.or_insert(Acknowledgements { streams: 0, since, last: None });
        if own.streams >= self.seats.each {
            return Err(Full::Each);
        }
        own.streams += 1;
        let (sender, queue) = mpsc::channel(QUEUE);
        let number = state.next;
        state.next += 1;
        let doubted = Arc::new(Notify::new());
        // Between the proof and this moment the right may have ended.
        doubted.notify_one();
        let (kinds, concerns) = (Vec::new(), Vec::new());
        let subscriber = Subscriber { identity, queue: sender, line, kinds, concerns, doubted: doubted.clone() };
        state.subscribers.insert(number, subscriber);
        Ok(Subscription { hub: self.clone(), number, from: since, queue, doubted })
    }

    /// Notes that an identity has acted on everything up to `id`.
    pub fn acknowledge(&self, identity: &str, id: u64) -> Result<(), NotTaken> {
        let mut state = self.state();
        let position = state.position;
        let own = state.identities.get_mut(identity).ok_or(NotTaken::NoStream)?;
        if id > position {
            return Err(NotTaken::Future(position));
        }
        let before = own.last.unwrap_or(0).max(own.since);
        own.last = Some(own.last.unwrap_or(0).max(id));
        drop(state);
        self.latency.observed(Stage::Acknowledged, before, id);
        Ok(())
    }

    /// Waits, for a moment at most, until everything that is durable now was handed out and its connections were told: who
    /// is answered after that finds it done.
    pub async fn has_told(&self) {
        let newest = *self.store.audit_head().borrow();
        let mut moved = self.moved.subscribe();
        let _ = tokio::time::timeout(MOMENT, moved.wait_for(|position| *position >= newest)).await;
    }

    /// Everything up to here is in the queues.
    pub fn position(&self) -> u64 {
        self.state().position
    }

    /// Whether the log has come to this sequence, as far as the store knows.
    pub fn has_reached(&self, sequence: u64) -> bool {
        sequence <= *self.store.audit_head().borrow()
    }

    /// By identity.
    pub fn watchers(&self) -> Vec<Watcher> {
        let state = self.state();
        let lag = |last: u64| state.recent.iter().rev().take_while(|sequence| **sequence > last).count();
        let one = |(identity, own): (&String, &Acknowledgements)| Watcher {
            identity: identity.clone(),
            streams: own.streams,
            acknowledged: own.last,
            lag: own.last.map(|last| lag(last.max(own.since))),
        };
        let mut all: Vec<_> = state.identities.iter().map(one).collect();
        all.sort_by(|a, b| a.identity.cmp(&b.identity));
        all
    }

    /// The next stretch of the log after `after`, not beyond `up_to`.
    /// Of the kinds on request only these.
    pub async fn page(&self, after: u64, up_to: u64, kinds: &[Kind]) -> Result<Page, StoreError> {
        // The semaphore is never closed.
        let _turn = self.reading.acquire().await;
        let mut rows = self.rows(after).await?;
        rows.retain(|row| row.sequence <= up_to);
        let first = rows.first().map_or(up_to + 1, |row| row.sequence);
        Ok(Page {
            events: rows.iter().filter_map(|row| Event::of(row, |kind| kinds.contains(&kind))).collect(),
            reached: rows.last().map_or(up_to, |row| row.sequence),
            gap: (first != after + 1).then_some(first),
        })
    }

    async fn rows(&self, after: u64) -> Result<Vec<AuditRow>, StoreError> {
        self.store.audit(AuditQuery { after: Some(after), limit: Some(PAGE), ..AuditQuery::default() }).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wants(&self, kind: Kind) -> bool {
        self.subscribers.values().any(|subscriber| subscriber.kinds.contains(&kind))
    }

    /// Makes the streams look again whose right may hang on the entry.
    fn doubt(&self, row: &AuditRow) {
        if self.subscribers.is_empty() {
            return;
        }
        let concerned: Box<dyn Fn(&Subscriber) -> bool> = match About::of(row) {
            About::Everybody => Box::new(|_| true),
            About::These(these) => {
                let these: HashSet<Concern> = these.into_iter().collect();
                Box::new(move |subscriber| subscriber.concerns.iter().any(|concern| these.contains(concern)))
            }
        };
        self.subscribers.values().filter(|one| concerned(one)).for_each(|one| one.doubted.notify_one());
    }

    fn hand_to(&mut self, event: &Arc<Event>, wanted: impl Fn(&Subscriber) -> bool) {
        let mut slow = Vec::new();
        for (number, subscriber) in self.subscribers.iter().filter(|(_, subscriber)| wanted(subscriber)) {
            if let Err(mpsc::error::TrySendError::Full(_)) = subscriber.queue.try_send(event.clone()) {
                subscriber.line.end(Ending::Slow);
                slow.push(*number);
            }
        }
        for number in slow {
            self.leave(number);
        }
    }

    fn leave(&mut self, number: u64) {
        let Some(gone) = self.subscribers.remove(&number) else { return };
        if let Some(own) = self.identities.get_mut(&gone.identity) {
            own.streams -= 1;
            if own.streams == 0 {
                self.identities.remove(&gone.identity);
            }
        }
    }
}

impl Subscription {
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// What the right hangs on, and what is wanted beside the ordinary kinds. From here on: it is called before anything waits.
    pub fn with(self, concerns: Vec<Concern>, kinds: &[Kind]) -> Subscription {
        if let Some(own) = self.hub.state().subscribers.get_mut(&self.number) {
            own.concerns = concerns;
            own.kinds = kinds.to_vec();
        }
        self
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.state().leave(self.number);
    }
}

/// That entries are missing: a subscriber has to look at the list, which has everything.
pub fn gap(after: u64, next: u64, reason: &str) -> String {
    event::frame(Kind::Restored.as_str(), None, &json!({ "after": after, "next": next, "reason": reason }))
}

/// The last event of a stream.
pub fn end(reason: &str) -> String {
    event::frame("end", None, &json!({ "reason": reason }))
}

/// A list that can be fetched now. It has no place in the log, and so no id.
pub fn published(number: u64, this_update: &str, next_update: &str) -> String {
    let data = json!({ "number": number, "this_update": this_update, "next_update": next_update });
    event::frame("crl.published", None, &data)
}

/// Events that wait for a subscriber. A thousand subscribers with full queues hold the same few events.
const QUEUE: usize = 64;
/// Events by which lags are counted.
const RECENT: usize = 1024;
/// Rows to a read.
const PAGE: u32 = 1000;
/// How long an answer waits for the subscribers' queues. Beyond it something is wrong that the answer cannot mend.
const MOMENT: Duration = Duration::from_millis(250);
/// Time after a read that concerned nobody: a hundredth of the budget of a revocation.
const BREATH: Duration = Duration::from_millis(5);
/// How often what failed is tried again, and overdue lists are looked for.
const TICK: Duration = Duration::from_secs(1);
