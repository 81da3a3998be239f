//! One stream: what was missed, then what happens, until somebody ends it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use hyper::body::Frame;
use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior};

use super::super::connection::Peer;
use super::{App, still_subscriber};
use crate::authorize::Context;
use crate::events::{self, Ending, Scope, Subscription};

/// Who reads, and from where.
pub(super) struct Reader {
    /// What the reader showed besides its certificate.
    pub(super) headers: HeaderMap,
    pub(super) peer: Peer,
    pub(super) context: Context,
    pub(super) scope: Scope,
    /// The last sequence that the reader has.
    pub(super) asked: Option<u64>,
}

/// Starts a task that writes the stream. It holds one frame that was not sent yet, and ends when the body is dropped.
pub(super) fn start(service: App, subscription: Subscription, reader: Reader) -> Body {
    let (frames, body) = mpsc::channel(1);
    reader.peer.line.carries_stream();
    tokio::spawn(async move {
        let patience = service.config.patience;
        let position = subscription.from;
        let published = service.revocation.published.subscribe();
        let writer = Writer { service, subscription, reader, frames, position, published };
        writer.run(every(patience.heartbeat), every(patience.recheck)).await;
    });
    Body::new(Frames(body))
}

struct Writer {
    service: App,
    subscription: Subscription,
    reader: Reader,
    frames: mpsc::Sender<Bytes>,
    /// Everything up to here was written.
    position: u64,
    published: watch::Receiver<u64>,
}

/// Why nothing more is written.
enum Stop {
    /// Nobody listens.
    Gone,
    /// To be said as the last thing.
    Because(&'static str),
    Slow,
}

impl From<Ending> for Stop {
    fn from(why: Ending) -> Stop {
        match why {
            Ending::Slow => Stop::Slow,
            other => Stop::Because(other.as_str()),
        }
    }
}

impl Writer {
    async fn run(mut self, mut heartbeat: Interval, mut recheck: Interval) {
        let line = self.reader.peer.line.clone();
        let stop = tokio::select! {
            biased;
            why = line.ended() => why.into(),
            stop = self.tell(&mut heartbeat, &mut recheck) => stop,
        };
        let last = match stop {
            Stop::Gone => return,
            Stop::Because(reason) => events::end(reason),
            Stop::Slow => ": too slow: come back with Last-Event-ID\n\n".to_owned(),
        };
        // Dropping the subscription first: the place is free for the reader's next stream.
        let Writer { frames, subscription, .. } = self;
        drop(subscription);
        let _ = frames.send(last.into()).await;
    }

    async fn tell(&mut self, heartbeat: &mut Interval, recheck: &mut Interval) -> Stop {
        match self.begin().await {
            Ok(()) => {}
            Err(stop) => return stop,
        }
        loop {
            let step = tokio::select! {
                biased;
                event = self.subscription.queue.recv() => match event {
                    Some(event) => self.event(&event).await,
                    None => Err(Stop::Slow),
                },
                // The sender lives in the service, which this task holds.
                _ = self.published.changed() => self.list().await,
                _ = recheck.tick() => self.still_good().await,
                _ = heartbeat.tick() => self.alive().await,
                () = self.frames.closed() => Err(Stop::Gone),
            };
            if let Err(stop) = step {
                return stop;
            }
        }
    }

    /// What a reader of any past needs: how soon to come back, the newest list, what was missed, where the stream is.
    async fn begin(&mut self) -> Result<(), Stop> {
        self.write(format!("retry: {RETRY_MS}\n\n")).await?;
        self.published.mark_unchanged();
        self.list().await?;
        if let Some(asked) = self.reader.asked {
            self.catch_up(asked).await?;
        }
        self.write(format!("id: {}\n\n", self.position)).await
    }

    async fn catch_up(&mut self, asked: u64) -> Result<(), Stop> {
        let from = self.subscription.from;
        if !self.subscription.hub().has_reached(asked) {
            return self.write(events::gap(asked, from, "ahead")).await;
        }
        self.position = asked;
        while self.position < from {
            let page = self.subscription.hub().page(self.position, from).await;
            // The reader comes back with the last id that it got.
            let page = page.map_err(|_| Stop::Because("store_unavailable"))?;
            if let Some(next) = page.gap {
                self.write(events::gap(self.position, next, "archived")).await?;
            }
            for event in &page.events {
                self.event(event).await?;
            }
            self.position = self.position.max(page.reached);
        }
        Ok(())
    }

    async fn event(&mut self, event: &events::Event) -> Result<(), Stop> {
        // The reader may have asked for a position beyond the one at which it subscribed.
        if event.sequence <= self.position {
            return Ok(());
        }
        self.write(event.frames(self.reader.scope)).await?;
        self.position = event.sequence;
        Ok(())
    }

    async fn list(&mut self) -> Result<(), Stop> {
        let Some(list) = self.service.publisher.current() else { return Ok(()) };
        let (this, next) = (list.this_update.to_string(), list.next_update.to_string());
        self.write(events::published(list.number, &this, &next)).await
    }

    /// A sign of life that also moves the reader's position on, past what does not concern it: it then resumes near the end.
    async fn alive(&mut self) -> Result<(), Stop> {
        let reached = self.subscription.hub().position();
        // Read before the queue is looked at: what is not in it now, and not beyond `reached`, was written.
        if self.subscription.queue.is_empty() {
            self.position = self.position.max(reached);
        }
        self.write(format!(": alive\nid: {}\n\n", self.position)).await
    }

    async fn still_good(&mut self) -> Result<(), Stop> {
        match still_subscriber(&self.service, &self.reader.headers, &self.reader.peer, &self.reader.context).await {
            Ok((_, scope)) if scope == self.reader.scope => Ok(()),
            Ok(_) => Err(Stop::Because("changed")),
            // Nothing is known about the right, and nothing can be told without the store either.
            Err(refusal) if refusal.code.status() >= 500 => Ok(()),
            Err(refusal) => Err(Stop::Because(refusal.code.as_str())),
        }
    }

    async fn write(&self, frame: impl Into<Bytes>) -> Result<(), Stop> {
        self.frames.send(frame.into()).await.map_err(|_| Stop::Gone)
    }
}

/// Not at once, and not many at a time after a pause.
fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

struct Frames(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|frame| frame.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Milliseconds after which a reader that lost its stream comes back.
const RETRY_MS: u32 = 1000;
