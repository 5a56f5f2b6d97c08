//! Network latency between a client and a server on the same machine.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// A stream with a round-trip time: the first read after each write waits for it.
pub struct DelayedStream {
    inner: TcpStream,
    round_trip: Duration,
    waited: bool,
    waiting: Option<JoinHandle<()>>,
}

/// Sleeps in a thread, because tokio's timers count whole milliseconds and a round trip takes a few.
pub fn sleep_precisely(time: Duration) -> JoinHandle<()> {
    tokio::task::spawn_blocking(move || std::thread::sleep(time))
}

impl DelayedStream {
    /// Delays reads from this stream.
    pub fn new(inner: TcpStream, round_trip: Duration) -> Self {
        Self { inner, round_trip, waited: round_trip.is_zero(), waiting: None }
    }

    /// The stream without its delay.
    pub fn socket(&self) -> &TcpStream {
        &self.inner
    }
}

impl AsyncRead for DelayedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.waited {
            if self.waiting.is_none() {
                // Readiness may be stale; a byte that can be peeked at is not.
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
