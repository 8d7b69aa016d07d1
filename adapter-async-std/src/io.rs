//! Streams of `futures-io` and timers of `async-io`, as the driver needs them.

use std::future::{Future, pending, poll_fn};
use std::io::ErrorKind::Interrupted;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;
pub(crate) use std::time::Instant as Clock;

use async_io::Timer as Sleep;
pub(crate) use futures_io::{AsyncRead, AsyncWrite};
use sockeye::Instant;
use sockeye::driver::{Io, Member};
use sockeye::websocket::SLICES;

use crate::socket::Opening;
use crate::trace::Trace;

/// A stream with what a WebSocket needs beside it: a clock, a timer, and what
/// the opening handshake told.
///
/// [`WebSocket::get_ref`](crate::WebSocket::get_ref) returns it.
#[derive(Debug)]
pub struct Transport<S> {
    pub(crate) stream: S,
    pub(crate) opening: Option<Box<Opening>>,
    pub(crate) member: Option<Member>,
    pub(crate) trace: Trace,
    pub(crate) truncated: bool,
    epoch: Clock,
    timer: Option<Timer>,
}

/// Made when it is first needed, and moved when it has fired or has to fire
/// earlier: deadlines move later with every message.
#[derive(Debug)]
struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// When it fires; `None` if it has.
    armed: Option<Instant>,
}

impl<S> Transport<S> {
    /// Wraps a stream. Time is counted from now on.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            opening: None,
            member: None,
            trace: Trace::default(),
            truncated: false,
            epoch: Clock::now(),
            timer: None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Io for Transport<S> {
    type Error = io::Error;

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = loop {
            match ready!(Pin::new(&mut self.stream).poll_read(cx, buf)) {
                Err(error) if error.kind() == Interrupted => {}
                read => break read,
            }
        };
        Poll::Ready(self.end_of_input(read))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[&[u8]]) -> Poll<io::Result<usize>> {
        let written = loop {
            match ready!(write(Pin::new(&mut self.stream), cx, bufs)) {
                Err(error) if error.kind() == Interrupted => {}
                written => break written,
            }
        };
        self.trace.written(&written);
        Poll::Ready(written)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }

    fn now(&self) -> Instant {
        Instant::ZERO.after(self.epoch.elapsed())
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let due = self.epoch + at.since(Instant::ZERO);
        let timer = self.timer.get_or_insert_with(|| Timer {
            sleep: Box::pin(sleep_until(due)),
            armed: Some(at),
        });
        if timer.armed.is_none_or(|armed| at < armed) {
            reset(timer.sleep.as_mut(), due);
            timer.armed = Some(at);
        }
        ready!(timer.sleep.as_mut().poll(cx));
        timer.armed = None;
        Poll::Ready(())
    }

    fn poll_going_away(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.member {
            Some(member) => member.poll_dismissed(cx),
            None => Poll::Pending,
        }
    }
}

/// One run of bytes, as nearly always, needs no list of its own.
fn write<S: AsyncWrite>(
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

/// Waits.
pub(crate) async fn sleep(duration: Duration) {
    // A time that no clock can show never comes.
    match Clock::now().checked_add(duration) {
        Some(at) => {
            sleep_until(at).await;
        }
        None => pending().await,
    }
}

/// What `work` gives, or `None` once `end` is ready.
pub(crate) async fn until<E, W: Future>(mut end: Pin<&mut E>, work: W) -> Option<W::Output>
where
    E: Future<Output = ()>,
{
    let mut work = pin!(work);
    poll_fn(|cx| match end.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => work.as_mut().poll(cx).map(Some),
    })
    .await
}

/// What `work` gives, or `None` if that takes longer.
pub(crate) async fn timeout<F: Future>(duration: Duration, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut late = pin!(sleep(duration));
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => late.as_mut().poll(cx).map(|()| None),
    })
    .await
}

fn sleep_until(at: Clock) -> Sleep {
    Sleep::at(at)
}

fn reset(mut sleep: Pin<&mut Sleep>, at: Clock) {
    sleep.set_at(at);
}
