//! What a refused request still has to send. A server may answer before the body is there, and then reset the stream (RFC 9113
//! 8.1) or close the connection (RFC 9112 9.6). But curl 7.88 (Debian 12) drops the answer when it sees the reset, and over
//! HTTP/1.1 a client that is still writing sees a broken pipe: the reason of the refusal would be lost.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

use super::limits;

/// The body that a handler was given, within reach after the handler has dropped it.
pub(super) struct Leftover(Shared);

impl Leftover {
    /// Who asks before sending (RFC 9110 10.1.1) is told without it.
    pub(super) fn of(request: &mut Request) -> Option<Leftover> {
        if request.headers().contains_key(header::EXPECT) {
            return None;
        }
        let shared = Shared(Arc::new(Mutex::new(std::mem::take(request.body_mut()))));
        *request.body_mut() = Body::new(shared.clone());
        Some(Leftover(shared))
    }

    /// Reads as much as any good request could have sent, keeps nothing of it, and takes no longer than one may.
    pub(super) async fn drain(self, patience: Duration) {
        let mut body = std::mem::take(&mut *self.0.body());
        let mut left = limits::ADMIN_BODY_BYTES;
        let rest = async {
            while let Ok(Some(Ok(frame))) = tokio::time::timeout(PAUSE, body.frame()).await {
                let octets = frame.data_ref().map_or(0, Bytes::len);
                let Some(less) = left.checked_sub(octets) else { return };
                left = less;
            }
        };
        let _ = tokio::time::timeout(patience, rest).await;
    }
}

/// Whoever sends nothing for so long is waiting for the answer.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Shared(Arc<Mutex<Body>>);

impl Shared {
    fn body(&self) -> MutexGuard<'_, Body> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl hyper::body::Body for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.body()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}
