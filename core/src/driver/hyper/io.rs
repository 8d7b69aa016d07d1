//! hyper's streams, as the driver needs them.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::ErrorKind::Interrupted;
use std::io::{self, IoSlice};

use ::hyper::rt::{Read, ReadBuf, Write};

use crate::Instant;
use crate::driver::runtime::{AnyRuntime, Sleep};
use crate::driver::{Io, Runtime};
use crate::websocket::SLICES;

/// A stream of hyper's, such as a connection that was upgraded, with the clock
/// and the timer of a [`Runtime`].
pub struct Transport<S> {
    stream: S,
    runtime: AnyRuntime,
    timer: Option<Timer>,
}

/// Made when it is needed. A deadline that moves later leaves it as it is.
struct Timer {
    at: Instant,
    sleep: Sleep,
}

impl<S> Transport<S> {
    /// Wraps a stream.
    pub fn new(stream: S, runtime: impl Runtime) -> Self {
        Self::with(stream, AnyRuntime::new(runtime))
    }

    pub(super) fn with(stream: S, runtime: AnyRuntime) -> Self {
        Self {
            stream,
            runtime,
            timer: None,
        }
    }

    /// The stream, for good.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: fmt::Debug> fmt::Debug for Transport<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

impl<S: Read + Write + Unpin> Io for Transport<S> {
    type Error = io::Error;

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        loop {
            match ready!(Pin::new(&mut self.stream).poll_read(cx, buf.unfilled())) {
                Err(error) if error.kind() == Interrupted => {}
                read => return Poll::Ready(read.map(|()| buf.filled().len())),
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<io::Result<usize>> {
        loop {
            match ready!(write(Pin::new(&mut self.stream), cx, bufs)) {
                Err(error) if error.kind() == Interrupted => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let runtime = &self.runtime;
        let timer = match &mut self.timer {
            Some(timer) if timer.at <= at => timer,
            timer => timer.insert(Timer {
                at,
                sleep: runtime.sleep_until(at),
            }),
        };
        ready!(timer.sleep.as_mut().poll(cx));
        self.timer = None;
        Poll::Ready(())
    }
}

/// One run of bytes, as nearly always, needs no list of its own.
fn write<S: Write>(
    stream: Pin<&mut S>,
    cx: &mut Context<'_>,
    bufs: &[&[u8]],
) -> Poll<io::Result<usize>> {
    if let [buf] = bufs {
        return stream.poll_write(cx, buf);
    }
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut n = 0;
    for (slice, buf) in slices.iter_mut().zip(bufs) {
        *slice = IoSlice::new(buf);
        n += 1;
    }
    stream.poll_write_vectored(cx, slices.get(..n).unwrap_or_default())
}
