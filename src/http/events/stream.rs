//! One stream: what was missed, then what happens, until somebody ends it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::Frame;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior};

use super::super::limits;
use super::App;
use super::reader::Reader;
use crate::events::{self, Ending, Subscription};

/// Starts a task that writes the stream. It holds one frame that was not sent yet, and ends when the body is dropped.
pub(super) fn start(service: App, subscription: Subscription, reader: Reader) -> Body {
    let (frames, body) = mpsc::channel(1);
    let last = frames.clone();
    reader.peer.line.carries_stream();
    tokio::spawn(async move {
        let stop = write(service, subscription, reader, frames).await;
        let text = match stop {
            Stop::Gone => return,
            Stop::Because(reason) => events::end(reason),
            Stop::Slow => ": too slow: come back with Last-Event-ID\n\n".to_owned(),
        };
        // Who does not read is not waited for.
        let _ = tokio::time::timeout(limits::FAREWELL, last.send(text.into())).await;
    });
    Body::new(Frames(body))
}

/// Writes the frames of a stream, as the SSE text that they are in both protocols, until it has to stop. When it answers, the
/// place is free for the reader's next stream.
pub(super) async fn write(
    service: App,
    subscription: Subscription,
    reader: Reader,
    frames: mpsc::Sender<Bytes>,
) -> Stop {
    let patience = service.config.patience;
    let (line, doubted) = (reader.peer.line.clone(), subscription.doubted.clone());
    let reader = Arc::new(reader);
    let guard = still_good(service.clone(), reader.clone(), doubted, every(patience.recheck));
    let position = subscription.from;
    let published = service.revocation.published.subscribe();
    let mut writer = Writer { service, subscription, reader, frames, position, published };
    tokio::select! {
        biased;
        why = line.ended() => why.into(),
        // Beside the writing, which waits for the reader.
        stop = guard => stop,
        stop = writer.tell(every(patience.heartbeat)) => stop,
    }
}

/// Answers when the reader's right has ended or changed.
async fn still_good(service: App, reader: Arc<Reader>, doubted: Arc<Notify>, mut recheck: Interval) -> Stop {
    let mut issuers = service.road.issuers.changes();
    loop {
        tokio::select! {
            () = doubted.notified() => {}
            _ = recheck.tick() => {}
            // The sender lives in the service.
            _ = issuers.changed() => {}
        }
        if let Err(reason) = reader.is_good(&service).await {
            return Stop::Because(reason);
        }
    }
}

struct Writer {
    service: App,
    subscription: Subscription,
    reader: Arc<Reader>,
    frames: mpsc::Sender<Bytes>,
    /// Everything up to here was written.
    position: u64,
    published: watch::Receiver<u64>,
}

/// Why nothing more is written.
pub(super) enum Stop {
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
    async fn tell(&mut self, mut heartbeat: Interval) -> Stop {
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
            let page = self.subscription.hub().page(self.position, from, &self.reader.kinds).await;
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
        let frames = event.frames(self.reader.scope);
        if !frames.is_empty() {
            self.write(frames).await?;
        }
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
