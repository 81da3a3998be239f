//! Accepting connections: limits before the handshake, time limits during it, a graceful end.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::connection::Peer;
use super::limits;
use super::patient::Patient;
use super::tls::TlsState;
use crate::config::Patience;
use crate::events::{Connections, Ending, Entry, Line};
use crate::network::network;

/// A bound socket with the address that it got.
pub struct Listener {
    socket: TcpListener,
    pub address: SocketAddr,
}

impl Listener {
    pub async fn bind(address: SocketAddr) -> std::io::Result<Listener> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Listener { socket, address })
    }
}

/// Tells every listener to stop accepting and to drain.
#[derive(Clone)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    pub fn new() -> (watch::Sender<bool>, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (sender, Shutdown(receiver))
    }

    pub async fn wait(&mut self) {
        // An error means that the sender is gone, which is the same message.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

/// What a connection holds until it ends.
#[derive(Default)]
struct Holds {
    /// Of those without a certificate.
    _stranger: Option<OwnedSemaphorePermit>,
    /// Of those with one.
    _entry: Option<Entry>,
}

pub async fn serve_tls(
    listener: Listener,
    tls: Arc<TlsState>,
    routes: Router,
    connections: Connections,
    patience: Patience,
    shutdown: Shutdown,
) {
    let handshakes = Arc::new(Semaphore::new(limits::HANDSHAKES));
    let strangers = Arc::new(Semaphore::new(limits::ANONYMOUS));
    let handler = move |stream: Patient<TcpStream>, remote: SocketAddr| {
        let acceptor = TlsAcceptor::from(tls.current());
        let (handshakes, strangers, connections) = (handshakes.clone(), strangers.clone(), connections.clone());
        async move {
            let under_way = handshakes.try_acquire_owned().ok()?;
            let stream = tokio::time::timeout(patience.handshake, acceptor.accept(stream)).await.ok()?.ok()?;
            drop(under_way);
            let peer = Peer::tls(remote, stream.get_ref().1);
            let holds = match &peer.certificate {
                Some(certificate) => {
                    let entry =
                        connections.enter(certificate.serial.clone(), certificate.issuer.clone(), peer.line.clone());
                    Holds { _entry: Some(entry), ..Holds::default() }
                }
                None => Holds { _stranger: Some(strangers.try_acquire_owned().ok()?), ..Holds::default() },
            };
            Some((stream, peer, holds))
        }
    };
    accept_loop(listener, routes, patience, shutdown, handler).await;
}

pub async fn serve_plain(listener: Listener, routes: Router, patience: Patience, shutdown: Shutdown) {
    let handler = |stream: Patient<TcpStream>, remote: SocketAddr| async move {
        Some((stream, Peer::plain(remote), Holds::default()))
    };
    accept_loop(listener, routes, patience, shutdown, handler).await;
}

async fn accept_loop<S, F, H>(
    listener: Listener,
    routes: Router,
    patience: Patience,
    mut shutdown: Shutdown,
    handshake: H,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Option<(S, Peer, Holds)>> + Send + 'static,
    H: Fn(Patient<TcpStream>, SocketAddr) -> F,
{
    let places = Places::default();
    // Every connection holds a sender; when the last one is gone, all have ended.
    let (open, mut all_ended) = mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.socket.accept() => accepted,
            () = shutdown.wait() => break,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, usually: waiting lets some connections end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(place) = places.take(remote.ip()) else {
            tracing::debug!(%remote, "too many connections: refused");
            continue;
        };
        let _ = stream.set_nodelay(true);
        let ready = handshake(Patient::new(stream, patience.write), remote);
        let (routes, stop, open) = (routes.clone(), shutdown.clone(), open.clone());
        tokio::spawn(async move {
            if let Some((stream, peer, _holds)) = ready.await {
                serve_connection(stream, peer, routes, patience, stop).await;
            }
            drop((place, open));
        });
    }
    drop((listener, open));
    let _ = tokio::time::timeout(patience.drain, all_ended.recv()).await;
}

async fn serve_connection<S>(stream: S, peer: Peer, routes: Router, patience: Patience, mut stop: Shutdown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let line = peer.line.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        routes.clone().oneshot(request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience.headers).max_buf_size(limits::HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS)
        .max_header_list_size(limits::HEADER_BYTES as u32)
        .keep_alive_interval(patience.headers)
        .keep_alive_timeout(patience.headers);
    let mut connection = std::pin::pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut told = std::pin::pin!(until_told(&mut stop, &line, patience.connection));
    let outcome = tokio::select! {
        // In this order: an answer that leaves after the end was told says that the connection ends.
        biased;
        why = told.as_mut() => {
            // Streams of this connection end now.
            line.end(why);
            // No new requests; what is under way is answered.
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                outcome = connection.as_mut() => outcome,
                // Unless it is a stream that nobody reads, or the answer is for nobody any more.
                () = farewell(&line) => Ok(()),
            }
        }
        outcome = connection.as_mut() => {
            // HTTP is over; a WebSocket may have the connection now, and is told like everybody.
            tokio::select! {
                () = line.given_back() => {}
                why = told.as_mut() => line.end(why),
            }
            outcome
        }
    };
    // It ends soon after it was told. Until then its place is taken.
    line.given_back().await;
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// The service stops, the identity behind the connection has ended, or the connection is old.
async fn until_told(stop: &mut Shutdown, line: &Line, age: Duration) -> Ending {
    tokio::select! {
        () = stop.wait() => Ending::Stopping,
        why = line.ended() => why,
        () = tokio::time::sleep(age) => Ending::Old,
    }
}

async fn farewell(line: &Line) {
    line.ended_hard().await;
    tokio::time::sleep(limits::FAREWELL).await;
}

/// Places of one listener, counted overall and by address. The map has at most as many keys as there are connections.
#[derive(Clone, Default)]
struct Places(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, u32>,
}

/// Gives the place back when the connection ends.
struct Place {
    places: Places,
    address: IpAddr,
}

impl Places {
    fn take(&self, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut counts = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let own = counts.by_address.get(&address).copied().unwrap_or(0);
        if counts.all >= limits::CONNECTIONS || own >= limits::PER_ADDRESS {
            return None;
        }
        counts.all += 1;
        counts.by_address.insert(address, own + 1);
        Some(Place { places: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        counts.all = counts.all.saturating_sub(1);
        match counts.by_address.get_mut(&self.address) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_every_place_and_gives_them_back() {
        let places = Places::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let held: Vec<Place> = std::iter::from_fn(|| places.take(one)).collect();
        assert_eq!(held.len(), limits::PER_ADDRESS as usize);
        assert!(places.take(other).is_some());
        drop(held);
        assert!(places.0.lock().unwrap().by_address.is_empty());
        assert_eq!(places.0.lock().unwrap().all, 0);
    }
}
