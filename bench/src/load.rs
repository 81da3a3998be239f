//! The load: prepared requests, put on a number of connections at a time, with every latency recorded.
//!
//! One thread drives all connections, so that on a machine of two cores the other one is left to the server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rustls::ClientConfig;
use tokio::task::JoinSet;

use crate::wire::{Answer, Connection, Target};

/// Requests for one connection, in order. All of one lane use the same client certificate.
pub(crate) struct Lane {
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) requests: Vec<Vec<u8>>,
    /// Sent once on a connection that is kept, before anything is measured.
    pub(crate) greeting: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Connections are open before the measurement begins and stay open.
    KeepAlive,
    /// Every request pays for its own connection and handshake.
    ConnectEach,
}

/// What becomes of the bodies of good answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bodies {
    Keep,
    Drop,
}

pub(crate) struct Plan {
    pub(crate) target: Target,
    /// One entry for each request that may be under way; an entry's lanes take turns.
    pub(crate) workers: Vec<Vec<Lane>>,
    pub(crate) reuse: Reuse,
    pub(crate) bodies: Bodies,
    /// Stops earlier than at the last request.
    pub(crate) limit: Option<Duration>,
}

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
    pub(crate) bodies: Vec<Vec<u8>>,
    /// Answers with another status than 2xx, by status, with one of their bodies.
    pub(crate) refused: BTreeMap<u16, (u64, String)>,
}

/// Connections that stand, and requests that wait.
pub(crate) struct Ready {
    plan: Plan,
    connections: Vec<Vec<Option<Connection>>>,
}

impl Plan {
    /// Opens the connections that are kept.
    pub(crate) async fn open(self) -> Result<Ready> {
        let mut connections = Vec::new();
        for lanes in &self.workers {
            let mut row = Vec::new();
            for lane in lanes {
                row.push(match self.reuse {
                    Reuse::KeepAlive => Some(greeted(&self.target, lane).await?),
                    Reuse::ConnectEach => None,
                });
            }
            connections.push(row);
        }
        Ok(Ready { plan: self, connections })
    }
}

impl Ready {
    pub(crate) async fn run(self) -> Result<Outcome> {
        let Plan { target, workers, bodies, limit, .. } = self.plan;
        let begin = Instant::now();
        let deadline = limit.map(|limit| begin + limit);
        let mut tasks = JoinSet::new();
        for (lanes, connections) in workers.into_iter().zip(self.connections) {
            let worker = Worker { target: target.clone(), deadline, bodies, outcome: Outcome::default() };
            tasks.spawn(worker.work(lanes, connections));
        }
        let mut total = Outcome::default();
        while let Some(done) = tasks.join_next().await {
            total.add(done.map_err(|e| anyhow!("a worker ended: {e}"))??);
        }
        total.elapsed = begin.elapsed();
        Ok(total)
    }
}

struct Worker {
    target: Target,
    deadline: Option<Instant>,
    bodies: Bodies,
    outcome: Outcome,
}

impl Worker {
    async fn work(mut self, lanes: Vec<Lane>, mut connections: Vec<Option<Connection>>) -> Result<Outcome> {
        let longest = lanes.iter().map(|lane| lane.requests.len()).max().unwrap_or_default();
        for turn in 0..longest {
            for (lane, kept) in lanes.iter().zip(&mut connections) {
                let Some(request) = lane.requests.get(turn) else { continue };
                if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    return Ok(self.outcome);
                }
                let begin = Instant::now();
                let answer = match kept {
                    Some(connection) => connection.exchange(request).await,
                    None => exchange_once(&self.target, lane.tls.as_ref(), request).await,
                };
                self.outcome.note(begin.elapsed(), answer.context("a request without an answer")?, self.bodies);
            }
        }
        Ok(self.outcome)
    }
}

async fn greeted(target: &Target, lane: &Lane) -> Result<Connection> {
    let mut connection = Connection::open(target, lane.tls.as_ref()).await?;
    if let Some(greeting) = &lane.greeting {
        connection.exchange(greeting).await.context("the first request of a connection")?;
    }
    Ok(connection)
}

async fn exchange_once(target: &Target, tls: Option<&Arc<ClientConfig>>, request: &[u8]) -> Result<Answer> {
    Connection::open(target, tls).await?.exchange(request).await
}

impl Outcome {
    fn note(&mut self, took: Duration, answer: Answer, bodies: Bodies) {
        if !(200..300).contains(&answer.status) {
            let told = || (0, String::from_utf8_lossy(&answer.body).chars().take(300).collect());
            self.refused.entry(answer.status).or_insert_with(told).0 += 1;
            return;
        }
        self.latencies.push(took);
        if bodies == Bodies::Keep {
            self.bodies.push(answer.body);
        }
    }

    fn add(&mut self, other: Outcome) {
        self.latencies.extend(other.latencies);
        self.bodies.extend(other.bodies);
        for (status, (count, told)) in other.refused {
            self.refused.entry(status).or_insert((0, told)).0 += count;
        }
    }

    pub(crate) fn refusals(&self) -> u64 {
        self.refused.values().map(|(count, _)| count).sum()
    }

    /// A measurement of refusals is none: good answers only.
    pub(crate) fn all_good(self) -> Result<Outcome> {
        match self.refused.iter().next() {
            None => Ok(self),
            Some((status, (count, told))) => Err(anyhow!("{count} requests were refused with {status}: {told}")),
        }
    }
}

/// Deals requests out to `lanes` lanes, evenly and in turn.
pub(crate) fn deal<T>(items: Vec<T>, lanes: usize) -> Vec<Vec<T>> {
    let mut dealt: Vec<Vec<T>> = (0..lanes).map(|_| Vec::with_capacity(items.len() / lanes + 1)).collect();
    for (at, item) in items.into_iter().enumerate() {
        dealt[at % lanes].push(item);
    }
    dealt
}
