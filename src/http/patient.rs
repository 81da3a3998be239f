//! A connection whose other side has to read: writes have a patience and a least rate. A client that does not read its answers
//! loses its place, whatever protocol it speaks and whatever waits for it.

use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Octets a second that a client has to read on average while we wait for it: a quarter of the slowest mobile link.
const LEAST_RATE: u32 = 1024;

/// Under TLS, so that what counts is what the network took.
pub(super) struct Patient<S> {
    stream: S,
    credit: Credit,
    /// While a write waits: since when, and until when it may.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

/// How long a write may still wait. Waiting uses it up, and what is read fills it again.
#[derive(Debug, Clone, Copy)]
struct Credit {
    left: Duration,
    full: Duration,
}

impl Credit {
    fn new(full: Duration) -> Credit {
        Credit { left: full, full }
    }

    fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    fn took(&mut self, octets: usize) {
        let earned = Duration::from_secs_f64(octets as f64 / f64::from(LEAST_RATE));
        self.left = self.left.saturating_add(earned).min(self.full);
    }
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, patience: Duration) -> Patient<S> {
        Patient { stream, credit: Credit::new(patience), waiting: None }
    }

    /// Counts what a write did. One that waits is woken when its credit is used up, and fails.
    fn account(&mut self, context: &mut Context<'_>, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        match written {
            Poll::Ready(outcome) => {
                if let Some((since, _)) = self.waiting.take() {
                    self.credit.waited(since.elapsed());
                }
                if let Ok(octets) = outcome {
                    self.credit.took(octets);
                }
                Poll::Ready(outcome)
            }
            Poll::Pending => {
                let left = self.credit.left;
                let (_, end) = self.waiting.get_or_insert_with(|| {
                    let now = Instant::now();
                    (now, Box::pin(sleep_until(now + left)))
                });
                ready!(end.as_mut().poll(context));
                Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the client does not read its answers")))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, octets);
        self.account(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[std::io::IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.account(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t72_waiting_uses_credit_up_and_a_slow_reader_stays_within_it() {
        let mut credit = Credit::new(Duration::from_secs(10));
        for _ in 0..1_000 {
            credit.waited(Duration::from_secs(5));
            credit.took(5 * LEAST_RATE as usize);
            assert_eq!(credit.left, credit.full);
        }
        for _ in 0..19 {
            credit.waited(Duration::from_secs(1));
            credit.took(LEAST_RATE as usize / 2);
        }
        assert_eq!(credit.left, Duration::from_millis(500), "half of the least rate is not enough");
        credit.took(usize::MAX >> 8);
        assert_eq!(credit.left, credit.full, "credit is not saved up");
    }
}
