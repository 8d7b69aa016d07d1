//! The half that receives.

use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::ops::ControlFlow;
use core::task::{Context, Poll};

use super::Sender;
#[cfg(doc)]
use super::WebSocket;
use super::shared::Shared;
use crate::driver::pump::Pump;
use crate::driver::{Error, Io};
use crate::websocket::{Chunk, Connection, Event, Message, Reason, Receive};

/// The receiving half of a WebSocket: [`WebSocket::split`].
///
/// It answers pings, and writes what the senders queue, while it is polled.
/// Dropping it closes the transport, with a Close of code 1001 before if that
/// can be written without waiting.
pub struct Receiver<I: Io>(pub(super) Arc<Shared<I>>);

impl<I: Io> fmt::Debug for Receiver<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl<I: Io> Receiver<I> {
    /// Receives the next message, or `None` at the end: as
    /// [`WebSocket::next`], with the same cancel safety.
    pub async fn next(&mut self) -> Option<Result<Message<'static>, Error<I::Error>>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Receives the next chunk of a message: as [`WebSocket::next_chunk`].
    pub async fn next_chunk(&mut self) -> Option<Result<Chunk<'static>, Error<I::Error>>> {
        poll_fn(|cx| {
            self.poll(cx, |pump, cx| pump.poll_next_chunk(cx))
                .map(Result::transpose)
        })
        .await
    }

    /// Hands every message to `handle`, until the connection ends: as
    /// [`WebSocket::for_each`]. The socket is locked while `handle` runs, so a
    /// [`Sender`] used in it queues.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::next`]; `Ok` is a proper close.
    pub async fn for_each(
        &mut self,
        mut handle: impl FnMut(&mut Connection, Message<'_>),
    ) -> Result<(), Error<I::Error>> {
        let each = poll_fn(|cx| {
            self.poll(cx, |pump, cx| {
                pump.connection.set_receive(Receive::Messages);
                pump.poll_events(cx, |connection, event| {
                    if let Event::Message(message) = event {
                        handle(connection, message);
                    }
                    ControlFlow::<()>::Continue(())
                })
            })
        });
        each.await.map(drop)
    }

    /// [`next`](Self::next), as a poll.
    #[allow(clippy::type_complexity, reason = "what a stream of results is")]
    pub fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message<'static>, Error<I::Error>>>> {
        self.poll(cx, |pump, cx| pump.poll_next(cx))
            .map(Result::transpose)
    }

    /// How the connection ended, once it has.
    pub fn close_reason(&self) -> Option<Reason<'static>> {
        self.0.hold().driven()?.pump.reason.clone()
    }

    /// Another sender.
    pub fn sender(&self) -> Sender<I> {
        Sender(self.0.clone())
    }

    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Pump<I>, &mut Context<'_>) -> Poll<Result<Option<T>, Error<I::Error>>>,
    ) -> Poll<Result<Option<T>, Error<I::Error>>> {
        let mut held = self.0.receive(cx.waker());
        let poll = held.visit(|driven, cx| match driven.failure.take() {
            Some(failure) => Poll::Ready(Err(failure)),
            None => work(&mut driven.pump, cx),
        });
        poll.unwrap_or(Poll::Ready(Ok(None)))
    }
}

impl<I: Io> Drop for Receiver<I> {
    fn drop(&mut self) {
        self.0.queue().abandon();
        self.0.settle();
    }
}
