//! Accepting connections: limits before the handshake, time limits during it, a graceful end.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::connection::Peer;
use super::limits;
use super::tls::TlsState;

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

pub async fn serve_tls(listener: Listener, tls: Arc<TlsState>, routes: Router, shutdown: Shutdown) {
    let handler = move |stream: TcpStream, remote: SocketAddr| {
        let acceptor = TlsAcceptor::from(tls.current());
        async move {
            let stream = tokio::time::timeout(limits::HANDSHAKE, acceptor.accept(stream)).await.ok()?.ok()?;
            let peer = Peer::tls(remote, stream.get_ref().1);
            Some((stream, peer))
        }
    };
    accept_loop(listener, routes, shutdown, handler).await;
}

pub async fn serve_plain(listener: Listener, routes: Router, shutdown: Shutdown) {
    let handler = |stream: TcpStream, remote: SocketAddr| async move { Some((stream, Peer::plain(remote))) };
    accept_loop(listener, routes, shutdown, handler).await;
}

async fn accept_loop<S, F, H>(listener: Listener, routes: Router, mut shutdown: Shutdown, handshake: H)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Option<(S, Peer)>> + Send + 'static,
    H: Fn(TcpStream, SocketAddr) -> F,
{
    let places = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let graceful = Arc::new(GracefulShutdown::new());
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
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::warn!(%remote, "too many connections: refused");
            continue;
        };
        let _ = stream.set_nodelay(true);
        let ready = handshake(stream, remote);
        let (routes, watcher) = (routes.clone(), graceful.watcher());
        tokio::spawn(async move {
            if let Some((stream, peer)) = ready.await {
                serve_connection(stream, peer, routes, watcher, place).await;
            }
        });
    }
    drop(listener);
    if let Some(graceful) = Arc::into_inner(graceful) {
        let _ = tokio::time::timeout(limits::DRAIN, graceful.shutdown()).await;
    }
}

async fn serve_connection<S>(
    stream: S,
    peer: Peer,
    routes: Router,
    watcher: hyper_util::server::graceful::Watcher,
    _place: OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        routes.clone().oneshot(request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits::HEADERS).max_buf_size(limits::HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::STREAMS)
        .max_header_list_size(limits::HEADER_BYTES as u32)
        .keep_alive_interval(limits::HEADERS)
        .keep_alive_timeout(limits::HEADERS);
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended badly");
    }
}
