//! A connection over a transport.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use core::future::poll_fn;
use core::ops::ControlFlow;
use core::task::{Context, Poll, ready};

use super::pump::Pump;
use super::{Error, Io};
use crate::websocket::{
    Chunk, CloseCode, Connection, Event, Kind, Message, Reason, Receive, SendError,
};

/// A WebSocket: a [`Connection`] driven over an [`Io`].
///
/// # Two ways to receive
///
/// [`for_each`](Self::for_each) lends each message from the read buffer: nothing
/// is allocated, and the replies to what one read brought go out in one write.
/// [`next`](Self::next) returns a message of your own.
///
/// # When it writes
///
/// What is sent is written at once, unless more input is at hand: then it waits
/// until that is handled, or until 16 KiB wait. Pongs are written at once always.
/// Call [`flush`](Self::flush) before waiting for anything else between two
/// messages, since nothing is written meanwhile:
///
/// ```
/// # use sockeye::driver::{Error, Io, WebSocket};
/// # async fn look_up(_: &str) -> String { String::new() }
/// # async fn serve<I: Io>(mut websocket: WebSocket<I>) -> Result<(), Error<I::Error>> {
/// while let Some(message) = websocket.next().await {
///     let Some(query) = message?.as_text().map(str::to_owned) else {
///         continue;
///     };
///     websocket.send("working on it").await?;
///     // The next query may be at hand already, and keeps that back.
///     websocket.flush().await?;
///     let found = look_up(&query).await;
///     websocket.send(found).await?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// Reading goes on while a write is not taken, until as much waits as
/// [`Config::max_outgoing`](crate::websocket::Config::max_outgoing) allows.
///
/// # Cancel safety
///
/// Every future here may be dropped at any time, as `select!` does it. What it
/// had not returned is still there for the next call.
///
/// # Turns
///
/// After 64 events, or 64 KiB of input, a call that receives gives way to other
/// tasks: it returns `Pending` once, and has its task woken.
#[derive(Debug)]
pub struct WebSocket<I>(Box<Pump<I>>);

/// A WebSocket taken apart.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts<I> {
    /// The transport.
    pub io: I,
    /// The connection, with all that it has neither handed out nor written.
    pub connection: Connection,
    /// Bytes that were read from the transport and not given to the connection.
    pub unread: Vec<u8>,
}

impl<I> Parts<I> {
    /// Parts to make a WebSocket of. `unread` holds bytes that were read with
    /// the handshake and follow it.
    pub fn new(io: I, connection: Connection, unread: Vec<u8>) -> Self {
        Self {
            io,
            connection,
            unread,
        }
    }
}

impl<I: Io> WebSocket<I> {
    /// Drives `connection` over `io`.
    pub fn new(io: I, connection: Connection) -> Self {
        Self::from_parts(Parts::new(io, connection, Vec::new()))
    }

    /// Puts a WebSocket together.
    pub fn from_parts(parts: Parts<I>) -> Self {
        Self(Box::new(Pump::new(
            parts.io,
            parts.connection,
            parts.unread,
        )))
    }

    /// Takes the WebSocket apart; no byte is lost.
    pub fn into_parts(self) -> Parts<I> {
        let pump = *self.0;
        Parts::new(pump.io, pump.connection, pump.unread.into_bytes())
    }

    #[cfg(feature = "std")]
    pub(super) fn into_pump(self) -> Pump<I> {
        *self.0
    }

    /// Receives the next message, or `None` at the end.
    ///
    /// A connection that was closed properly ends with `None`; see
    /// [`close_reason`](Self::close_reason). Any other end is reported as an
    /// error once, and then by `None`. What is left of a message in chunks, of
    /// which [`next_chunk`](Self::next_chunk) has returned some, is skipped.
    ///
    /// # Cancel safety
    ///
    /// Safe: a message is returned or still there.
    pub async fn next(&mut self) -> Option<Result<Message<'static>, Error<I::Error>>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Receives the next chunk of a message, as it arrives: for messages that are
    /// too large to hold. [`Config::max_stream`](crate::websocket::Config::max_stream)
    /// is their limit.
    ///
    /// Switches to [`Receive::Chunks`](crate::websocket::Receive::Chunks), which
    /// takes effect with the next message; [`next`](Self::next) switches back. A
    /// message that was being collected comes as one chunk.
    ///
    /// # Cancel safety
    ///
    /// Safe: a chunk is returned or still there.
    pub async fn next_chunk(&mut self) -> Option<Result<Chunk<'static>, Error<I::Error>>> {
        poll_fn(|cx| self.poll_next_chunk(cx)).await
    }

    /// Hands every message to `handle`, until the connection ends.
    ///
    /// The message is borrowed from the read buffer where it can be, and the
    /// connection is there to reply with. A reply that does not fit returns
    /// [`SendError::Full`]; no more than one message can find so little room,
    /// since input is only handed out while there is some.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); `Ok` is a proper close.
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not handed out is still there. Only where `handle` panics
    /// input is lost, and the connection is over.
    pub async fn for_each(
        &mut self,
        mut handle: impl FnMut(&mut Connection, Message<'_>),
    ) -> Result<(), Error<I::Error>> {
        self.0.connection.set_receive(Receive::Messages);
        self.for_each_event(|connection, event| {
            if let Event::Message(message) = event {
                handle(connection, message);
            }
        })
        .await
    }

    /// As [`for_each`](Self::for_each), with pings, pongs and chunks. The mode of
    /// receiving is left as it is.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub async fn for_each_event(
        &mut self,
        mut handle: impl FnMut(&mut Connection, Event<'_>),
    ) -> Result<(), Error<I::Error>> {
        let each = poll_fn(|cx| {
            self.0.poll_events(cx, |connection, event| {
                handle(connection, event);
                ControlFlow::<()>::Continue(())
            })
        });
        each.await.map(drop)
    }

    /// Sends a message: text, bytes, a [`Message`] or a reference to one.
    ///
    /// Waits while as much is queued as
    /// [`Config::max_outgoing`](crate::websocket::Config::max_outgoing) allows, and
    /// does not read meanwhile. Returns when the message is queued, not when it
    /// is written; see [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the connection is closing or a message in parts is
    /// unfinished; [`Error::Io`] if the transport fails.
    ///
    /// # Cancel safety
    ///
    /// Safe: the message is queued exactly when this returns `Ok`.
    pub async fn send<'m>(
        &mut self,
        message: impl Into<Message<'m>>,
    ) -> Result<(), Error<I::Error>> {
        let mut message = Some(message.into());
        self.send_when_ready(move |connection| match message.take() {
            Some(message) => connection.send(message),
            None => Ok(()),
        })
        .await
    }

    /// Sends a binary message whose payload is shared, without a copy if it is large.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn send_bytes(&mut self, payload: Bytes) -> Result<(), Error<I::Error>> {
        self.send_when_ready(|connection| connection.send_bytes(payload.clone()))
            .await
    }

    /// Begins a message that is sent in parts.
    ///
    /// # Errors
    ///
    /// As [`Connection::start`].
    pub fn start(&mut self, kind: Kind) -> Result<(), SendError> {
        self.0.connection.start(kind)
    }

    /// Sends a part of the message that [`start`](Self::start) began; the last
    /// one has `fin`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send) and [`Connection::part`].
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn part(&mut self, payload: &[u8], fin: bool) -> Result<(), Error<I::Error>> {
        self.send_when_ready(|connection| connection.part(payload, fin))
            .await
    }

    /// Writes everything that is queued. Does not read.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the transport fails, and [`Error::Send`] if the connection
    /// ended before all was written.
    ///
    /// # Cancel safety
    ///
    /// Safe: what is not written stays queued.
    pub async fn flush(&mut self) -> Result<(), Error<I::Error>> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Sends a ping of at most 125 bytes.
    ///
    /// The pong is an [`Event::Pong`] for [`for_each_event`](Self::for_each_event).
    /// A connection keeps itself alive without this; see
    /// [`Config::keepalive`](crate::websocket::Config::keepalive).
    ///
    /// # Errors
    ///
    /// As [`Connection::ping`].
    ///
    /// # Cancel safety
    ///
    /// Safe: the ping is queued exactly when this returns `Ok`.
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error<I::Error>> {
        poll_fn(|cx| Poll::Ready(self.0.send(cx, |connection| connection.ping(payload)))).await
    }

    /// Closes the connection, and waits until the transport can be dropped:
    /// five seconds at the most, by default.
    ///
    /// Messages that still arrive are discarded. To receive them, call
    /// [`Connection::close`] on [`connection_mut`](Self::connection_mut) and then
    /// [`next`](Self::next) until `None`.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next), and [`Error::Send`] for a reason of more than
    /// 123 bytes. Closing what is closed is no error.
    ///
    /// # Cancel safety
    ///
    /// Safe: call it again, or [`next`](Self::next), to go on waiting.
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error<I::Error>> {
        self.0.connection.close(code, reason)?;
        poll_fn(|cx| self.0.poll_over(cx)).await
    }

    /// The transport.
    pub fn get_ref(&self) -> &I {
        &self.0.io
    }

    /// The transport. Reading from it or writing to it breaks the connection.
    pub fn get_mut(&mut self) -> &mut I {
        &mut self.0.io
    }

    /// The connection.
    pub fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// The connection. What is queued here is written by the next call that
    /// writes, as [`next`](Self::next) or [`flush`](Self::flush).
    pub fn connection_mut(&mut self) -> &mut Connection {
        &mut self.0.connection
    }

    /// How the connection ended, once it has.
    pub fn close_reason(&self) -> Option<&Reason<'static>> {
        self.0.reason.as_ref()
    }

    /// How many bytes of messages are queued and not written.
    pub fn buffered_amount(&self) -> usize {
        self.0.connection.buffered_amount()
    }

    /// [`next`](Self::next), as a poll.
    #[allow(clippy::type_complexity, reason = "what a stream of results is")]
    pub fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message<'static>, Error<I::Error>>>> {
        self.0.poll_next(cx).map(Result::transpose)
    }

    /// [`next_chunk`](Self::next_chunk), as a poll.
    #[allow(clippy::type_complexity, reason = "what a stream of results is")]
    pub fn poll_next_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Chunk<'static>, Error<I::Error>>>> {
        self.0.poll_next_chunk(cx).map(Result::transpose)
    }

    /// Ready when a message would be accepted. Does not read.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error<I::Error>>> {
        self.0.poll_room(cx)
    }

    /// Queues a message, and leaves it to a flush or to the next call that writes.
    ///
    /// # Errors
    ///
    /// As [`Connection::send`].
    pub fn start_send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.0.connection.send(message)
    }

    /// [`flush`](Self::flush), as a poll.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error<I::Error>>> {
        self.0.poll_flush(cx)
    }

    /// [`close`](Self::close) with code 1000 where none was given, as a poll.
    pub fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error<I::Error>>> {
        self.0.connection.close(CloseCode::NORMAL, "")?;
        self.0.poll_over(cx)
    }

    async fn send_when_ready(
        &mut self,
        mut queue: impl FnMut(&mut Connection) -> Result<(), SendError>,
    ) -> Result<(), Error<I::Error>> {
        poll_fn(|cx| {
            ready!(self.0.poll_room(cx))?;
            Poll::Ready(self.0.send(cx, &mut queue))
        })
        .await
    }
}

const _: () = assert!(size_of::<WebSocket<()>>() == size_of::<usize>());
