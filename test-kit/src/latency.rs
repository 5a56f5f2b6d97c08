//! A network between a client and a server on one machine: each round trip takes its time.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A stream whose other end is one round trip away: the first read after each write waits for it.
pub struct DelayedStream {
    inner: TcpStream,
    round_trip: Duration,
    waited: bool,
    waiting: Option<JoinHandle<()>>,
}

/// tokio's timers count whole milliseconds, which is coarse beside a round trip of a few.
pub fn sleep_precisely(time: Duration) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || std::thread::sleep(time))
}

impl DelayedStream {
    pub fn new(inner: TcpStream, round_trip: Duration) -> Self {
        Self { inner, round_trip, waited: round_trip.is_zero(), waiting: None }
    }

    pub fn socket(&self) -> &TcpStream {
        &self.inner
    }
}

impl AsyncRead for DelayedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.waited {
            if self.waiting.is_none() {
                // Readiness alone may be stale; a byte to peek at is not.
                ready!(self.inner.poll_peek(cx, &mut ReadBuf::new(&mut [0])))?;
                self.waiting = Some(sleep_precisely(self.round_trip));
            }
            if let Some(waiting) = self.waiting.as_mut() {
                let _ = ready!(Pin::new(waiting).poll(cx));
            }
            self.waiting = None;
            self.waited = true;
        }
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for DelayedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.waited = self.round_trip.is_zero();
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
