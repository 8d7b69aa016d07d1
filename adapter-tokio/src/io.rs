//! tokio's streams and timers, as the driver needs them.

use std::future::{Future, pending, poll_fn};
use std::io::ErrorKind::Interrupted;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use sockeye::Instant;
use sockeye::driver::{Io, Member};
use sockeye::websocket::SLICES;
use tokio::io::ReadBuf;
pub(crate) use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
pub(crate) use tokio::time::Instant as Clock;
use tokio::time::{Sleep, sleep_until};

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
    /// Where timers are made, also when a thread outside polls, as that of a
    /// [`Sender`](crate::Sender) may be.
    runtime: Option<Handle>,
}

/// Made when it is first needed, and moved when it has fired or has to fire
/// earlier: deadlines move later with every message.
#[derive(Debug)]
struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// When it fires; `None` if it has.
    armed: Option<Instant>,
    /// Whom it wakes: it need not be told so again with every message.
    waker: Option<Waker>,
}

impl<S> Transport<S> {
    /// Wraps a stream. Time is counted from now on, on the timers of the runtime
    /// that this is called in; they have to be enabled.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            opening: None,
            member: None,
            trace: Trace::default(),
            truncated: false,
            epoch: Clock::now(),
            timer: None,
            runtime: Handle::try_current().ok(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Io for Transport<S> {
    type Error = io::Error;

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        let read = loop {
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Err(error) if error.kind() == Interrupted => {}
                read => break read.map(|()| buf.filled().len()),
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
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn now(&self) -> Instant {
        Instant::ZERO.after(self.epoch.elapsed())
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let due = |epoch: Clock| epoch + at.since(Instant::ZERO);
        let timer = self.timer.get_or_insert_with(|| {
            let _inside = self.runtime.as_ref().map(Handle::enter);
            Timer {
                sleep: Box::pin(sleep_until(due(self.epoch))),
                armed: Some(at),
                waker: None,
            }
        });
        if timer.armed.is_none_or(|armed| at < armed) {
            timer.sleep.as_mut().reset(due(self.epoch));
            timer.armed = Some(at);
            timer.waker = None;
        }
        let wakes = |waker: &Waker| waker.will_wake(cx.waker());
        if timer.waker.as_ref().is_some_and(wakes) && !timer.sleep.is_elapsed() {
            return Poll::Pending;
        }
        // A task without budget is not registered with the timer.
        let registers = tokio::task::coop::has_budget_remaining();
        timer.waker = registers.then(|| cx.waker().clone());
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
