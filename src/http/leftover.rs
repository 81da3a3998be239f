//! What a refused request still has to send. HTTP/2 lets a server answer before the body is there and then reset the stream
//! (RFC 9113 8.1), but curl 7.88 (Debian 12) drops the answer when it sees the reset, and with it the reason of the refusal.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::Version;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Frame, SizeHint};

use super::limits;

/// The body that a handler was given, within reach after the handler has dropped it.
pub(super) struct Leftover(Shared);

impl Leftover {
    /// Over HTTP/1.1 there is nothing to keep: there the answer is on its way before the connection is closed.
    pub(super) fn of(request: &mut Request) -> Option<Leftover> {
        if request.version() != Version::HTTP_2 {
            return None;
        }
        let shared = Shared(Arc::new(Mutex::new(std::mem::take(request.body_mut()))));
        *request.body_mut() = Body::new(shared.clone());
        Some(Leftover(shared))
    }

    /// Reads as much as any good request could have sent, and no longer than one may take.
    pub(super) async fn drain(self, patience: Duration) {
        let body = std::mem::take(&mut *self.0.body());
        let _ = tokio::time::timeout(patience, Limited::new(body, limits::BODY_BYTES).collect()).await;
    }
}

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
