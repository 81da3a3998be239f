//! Open connections, each with a way to end it from outside, found by the certificate that it was opened with.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signet_pki::Serial;
use tokio::sync::watch;

/// Why a connection takes no more requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The service stops.
    Stopping,
    /// It has been open for long enough.
    Old,
    /// Its stream of events was not read.
    Slow,
    /// The identity behind it is no longer good: the word says what became of it.
    Identity(&'static str),
}

impl Ending {
    /// Stable, for the last event of a stream.
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::Stopping => "stopping",
            Ending::Old => "old_connection",
            Ending::Slow => "too_slow",
            Ending::Identity(what) => what,
        }
    }

    /// Whether the other side has no claim to be waited for.
    fn is_hard(self) -> bool {
        matches!(self, Ending::Slow | Ending::Identity(_))
    }
}

/// One connection, as far as its end is concerned.
#[derive(Debug)]
pub struct Line {
    ending: watch::Sender<Option<Ending>>,
    streams: AtomicBool,
    /// Who has the connection after HTTP.
    taken: watch::Sender<bool>,
}

impl Default for Line {
    fn default() -> Line {
        Line { ending: watch::Sender::new(None), streams: AtomicBool::new(false), taken: watch::Sender::new(false) }
    }
}

/// A connection that speaks another protocol than HTTP, until this is dropped.
#[derive(Debug)]
pub struct Taken(Arc<Line>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.taken.send_replace(false);
    }
}

impl Line {
    /// The first reason counts, unless a later one is harder.
    pub fn end(&self, why: Ending) {
        self.ending.send_if_modified(|ending| {
            let news = ending.is_none_or(|now| why.is_hard() && !now.is_hard());
            if news {
                *ending = Some(why);
            }
            news
        });
    }

    /// Waits until the connection is to end.
    pub async fn ended(&self) -> Ending {
        self.wait(|_| true).await
    }

    /// Waits until the connection is to end and must not be waited for: it has lost its right, or carries a stream, which
    /// ends of itself when it is read.
    pub async fn ended_hard(&self) -> Ending {
        self.wait(|why| why.is_hard() || self.streams.load(Ordering::SeqCst)).await
    }

    /// From here on the connection carries a stream of events.
    pub fn carries_stream(&self) {
        self.streams.store(true, Ordering::SeqCst);
    }

    /// The connection counts as open for as long as the answer lives, also when HTTP has ended on it.
    pub fn take_over(self: &Arc<Line>) -> Taken {
        self.taken.send_replace(true);
        Taken(self.clone())
    }

    /// Waits until nobody has the connection after HTTP.
    pub async fn given_back(&self) {
        // The sender lives as long as `self`.
        let _ = self.taken.subscribe().wait_for(|taken| !taken).await;
    }

    async fn wait(&self, enough: impl Fn(Ending) -> bool) -> Ending {
        let mut ending = self.ending.subscribe();
        match ending.wait_for(|now| now.is_some_and(&enough)).await {
            // `wait_for` let only `Some` pass; the sender lives as long as `self`.
            Ok(now) => now.unwrap_or(Ending::Old),
            Err(_) => Ending::Old,
        }
    }
}

/// Open connections by serial number. It holds no more than there are connections, which the listener bounds.
#[derive(Debug, Clone)]
pub struct Connections {
    head: watch::Receiver<u64>,
    open: Arc<Mutex<Open>>,
}

type Open = HashMap<Serial, Vec<One>>;

#[derive(Debug)]
struct One {
    /// Where the log was when it came.
    since: u64,
    /// Name of the certificate's issuer, DER.
    issuer: Vec<u8>,
    line: Arc<Line>,
}

impl Connections {
    /// `head` is the newest durable sequence of the audit log.
    pub fn new(head: watch::Receiver<u64>) -> Connections {
        Connections { head, open: Arc::default() }
    }

    /// Until the answer is dropped the connection is found by its serial number and by the name of its issuer (DER).
    pub fn enter(&self, serial: Serial, issuer: Vec<u8>, line: Arc<Line>) -> Entry {
        let since = *self.head.borrow();
        self.open().entry(serial.clone()).or_default().push(One { since, issuer, line: line.clone() });
        Entry { all: self.clone(), serial, line }
    }

    /// Ends the connections of a certificate that are older than the entry `sequence` of the log. A newer one is refused at
    /// its first request, and told why.
    pub fn end(&self, serial: &Serial, sequence: u64, why: Ending) {
        // Ringing wakes tasks and runs none of them, so the lock is held for a moment only.
        for one in self.open().get(serial).into_iter().flatten().filter(|one| one.since < sequence) {
            one.line.end(why);
        }
    }

    /// The same for all certificates of an issuer. It looks at every connection, for an issuer ends once in years.
    pub fn end_issued_by(&self, issuer: &[u8], sequence: u64, why: Ending) {
        for one in self.open().values().flatten().filter(|one| one.issuer == issuer && one.since < sequence) {
            one.line.end(why);
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place among the open ones.
#[derive(Debug)]
pub struct Entry {
    all: Connections,
    serial: Serial,
    line: Arc<Line>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.all.open();
        if let Some(own) = open.get_mut(&self.serial) {
            own.retain(|one| !Arc::ptr_eq(&one.line, &self.line));
            if own.is_empty() {
                open.remove(&self.serial);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_certificate_ends_its_own_connections_and_leaves_nothing_behind() {
        let head = watch::Sender::new(4);
        let all = Connections::new(head.subscribe());
        let [one, two, other, newer] = [(); 4].map(|()| Arc::new(Line::default()));
        let (mine, sibling) = (Serial::from_random([1; 20]), Serial::from_random([2; 20]));
        let issuer = b"one".to_vec();
        let enter = |serial: &Serial, line: &Arc<Line>| all.enter(serial.clone(), issuer.clone(), line.clone());
        let entries = [enter(&mine, &one), enter(&mine, &two)];
        let kept = enter(&sibling, &other);
        head.send_replace(5);
        let after = enter(&mine, &newer);
        all.end(&mine, 5, Ending::Identity("revoked"));
        assert_eq!(one.ended().await, Ending::Identity("revoked"));
        assert_eq!(two.ended_hard().await, Ending::Identity("revoked"));
        assert!(other.ending.borrow().is_none());
        assert!(newer.ending.borrow().is_none(), "it came after the revocation, and is to be told");
        drop((entries, after));
        assert_eq!(all.open().keys().collect::<Vec<_>>(), [&sibling]);
        drop(kept);
        assert!(all.open().is_empty());
    }

    #[tokio::test]
    async fn an_issuer_ends_the_connections_of_its_certificates_and_no_others() {
        let head = watch::Sender::new(4);
        let all = Connections::new(head.subscribe());
        let [mine, foreign, newer] = [(); 3].map(|()| Arc::new(Line::default()));
        let serial = |n: u8| Serial::from_random([n; 20]);
        let mut entries = vec![all.enter(serial(1), b"one".to_vec(), mine.clone())];
        entries.push(all.enter(serial(2), b"two".to_vec(), foreign.clone()));
        head.send_replace(5);
        entries.push(all.enter(serial(3), b"one".to_vec(), newer.clone()));
        all.end_issued_by(b"one", 5, Ending::Identity("issuer_distrusted"));
        assert_eq!(mine.ended().await, Ending::Identity("issuer_distrusted"));
        assert!(foreign.ending.borrow().is_none() && newer.ending.borrow().is_none());
    }

    #[tokio::test]
    async fn a_connection_is_given_back_by_whoever_took_it() {
        let line = Arc::new(Line::default());
        line.given_back().await;
        let taken = line.take_over();
        let waiting = tokio::spawn({
            let line = line.clone();
            async move { line.given_back().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(taken);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn a_harder_reason_replaces_a_softer_one_and_not_the_other_way() {
        let line = Line::default();
        line.end(Ending::Old);
        line.end(Ending::Stopping);
        assert_eq!(line.ended().await, Ending::Old);
        line.end(Ending::Identity("retired"));
        line.end(Ending::Slow);
        assert_eq!(line.ended_hard().await, Ending::Identity("retired"));
    }
}
