//! One HTTP/1.1 connection, over TLS or plain, and one request with its whole answer on it.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::address::Address;
use super::dial::dial;
use super::error::from_cause;
use super::{Answer, ClientError};

pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<hyper::Result<()>>,
    last_used: Instant,
}

/// Why there is no answer, as far as a repetition is concerned.
pub(super) enum Failure {
    /// Nothing of the request left this machine.
    NotSent(ClientError),
    /// The connection ended; the server may have seen the request.
    BrokenOff(ClientError),
    /// It would fail again, or must not be repeated.
    Settled(ClientError),
}

impl Failure {
    pub(super) fn into_error(self) -> ClientError {
        match self {
            Failure::NotSent(e) | Failure::BrokenOff(e) | Failure::Settled(e) => e,
        }
    }
}

impl Connection {
    pub(super) async fn open(
        address: &Address,
        tls: &Arc<rustls::ClientConfig>,
        limit: Duration,
    ) -> Result<Connection, ClientError> {
        let connect = async {
            let socket = dial(address).await?;
            TlsConnector::from(tls.clone())
                .connect(address.name.clone(), socket)
                .await
                .map_err(|e| from_cause(&format!("no TLS connection to {address}"), &e))
        };
        let stream = timeout(limit, connect).await.map_err(|_| ClientError::Timeout("connecting"))??;
        Connection::over(stream).await
    }

    /// Without TLS: for documents that prove themselves.
    pub(super) async fn open_plain(address: &Address, limit: Duration) -> Result<Connection, ClientError> {
        let socket = timeout(limit, dial(address)).await.map_err(|_| ClientError::Timeout("connecting"))??;
        Connection::over(socket).await
    }

    async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> Result<Connection, ClientError> {
        let (sender, driver) = Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| from_cause("the connection could not be set up", &e))?;
        Ok(Connection { sender, driver: tokio::spawn(driver), last_used: Instant::now() })
    }

    /// Not closed, and not idle for so long that the server is probably about to close it.
    pub(super) fn is_usable(&self) -> bool {
        !self.sender.is_closed() && self.last_used.elapsed() < MAX_IDLE
    }

    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        limit: Duration,
        max_answer: usize,
    ) -> Result<Answer, Failure> {
        let outcome = timeout(limit, async {
            let response = self.head(request).await?;
            read(response, max_answer).await
        })
        .await;
        self.last_used = Instant::now();
        outcome.unwrap_or(Err(Failure::Settled(ClientError::Timeout("the answer"))))
    }

    pub(super) async fn head(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        if self.sender.ready().await.is_err() {
            return Err(self.ended().await);
        }
        match self.sender.try_send_request(request).await {
            Ok(response) => Ok(response),
            Err(mut failure) => match failure.take_message() {
                Some(_unsent) => Err(self.ended().await),
                None => Err(broken(failure.error())),
            },
        }
    }

    /// The connection ended before the request was written. Its driver knows why: in TLS 1.3 the refusal of a client
    /// certificate arrives after the handshake (RFC 8446 4.4.2.4).
    async fn ended(&mut self) -> Failure {
        match (&mut self.driver).await {
            Ok(Err(cause)) => match from_cause(BROKE_OFF, &cause) {
                gone @ ClientError::Unreachable(_) => Failure::NotSent(gone),
                other => Failure::Settled(other),
            },
            _ => Failure::NotSent(ClientError::Unreachable("the server closed the connection".into())),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

pub(super) async fn read(response: Response<Incoming>, max_answer: usize) -> Result<Answer, Failure> {
    let (head, body) = response.into_parts();
    let too_large =
        || Failure::Settled(ClientError::Protocol(format!("the answer is larger than {max_answer} octets")));
    if body.size_hint().lower() > max_answer as u64 {
        return Err(too_large());
    }
    let body = Limited::new(body, max_answer).collect().await.map_err(|cause| {
        if cause.is::<LengthLimitError>() {
            return too_large();
        }
        match cause.downcast::<hyper::Error>() {
            Ok(cause) => broken(&cause),
            Err(_) => Failure::BrokenOff(ClientError::Unreachable(BROKE_OFF.into())),
        }
    })?;
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() })
}

pub(super) fn broken(cause: &hyper::Error) -> Failure {
    if cause.is_parse() {
        return Failure::Settled(ClientError::Protocol("the answer is not HTTP".into()));
    }
    match from_cause(BROKE_OFF, cause) {
        gone @ ClientError::Unreachable(_) => Failure::BrokenOff(gone),
        other => Failure::Settled(other),
    }
}

const BROKE_OFF: &str = "the connection broke off before the answer was complete";
/// Octets of an answer's head.
const MAX_HEAD: usize = 64 * 1024;
/// Shorter than the idle time of any common server or load balancer.
const MAX_IDLE: Duration = Duration::from_secs(20);
