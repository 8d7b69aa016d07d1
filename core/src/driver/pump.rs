//! The pump: bytes from the transport to the connection and back.
//!
//! One poll goes round this circle until the transport has nothing more, or
//! until others should have their turn:
//!
//! ```text
//!   handle the input at hand -> write -> the end? -> read -+
//!        ^                                                 |
//!        +-------------------------------------------------+
//! ```
//!
//! Replies are therefore corked: written when the input at hand is used up, or
//! when [`CORK`] bytes wait. Only a control frame is offered at once.
//!
//! A write that is not taken stops nothing: reading goes on until there is no
//! room for replies. Every way to wait is bounded by a deadline of the
//! connection's, but for the peer's silence where that is allowed.
//!
//! Reading, and the circle as a whole, are here; `write` and `wait` have the rest.

mod wait;
mod write;

use alloc::vec::Vec;
use core::ops::ControlFlow;
use core::task::{Context, Poll, ready};

use super::scratch;
use super::{Error, Io};
use crate::websocket::{Chunk, CloseCode, Connection, Event, Message, Reason, Receive};
use crate::{Instant, Progress};

/// A transport, a connection, and what is neither read nor written yet.
#[derive(Debug)]
pub(super) struct Pump<I> {
    pub(super) io: I,
    pub(super) connection: Connection,
    pub(super) unread: Unread,
    /// Written, but perhaps held back by the transport.
    unflushed: bool,
    input: Input,
    output: Output,
    /// How the connection ended, once it has.
    pub(super) reason: Option<Reason<'static>>,
    ended: Ended,
    /// What was done since others last had their turn: see [`FAIR`].
    work: usize,
    /// The deadline of a settled connection when it was last looked up. While the
    /// connection stays settled its deadlines only move later.
    armed: Option<Instant>,
}

/// Input that was read and not asked for: what follows the message that `next`
/// returned, or what was left alone for want of room in the output.
#[derive(Debug, Default)]
pub(super) struct Unread {
    bytes: Vec<u8>,
    at: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open,
    /// The transport has no more.
    Eof,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Open,
    /// Nothing more will be written.
    ShutDown,
}

/// Whether the end has been reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Not,
    Reported,
}

/// What nothing can be done without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// A read found nothing. Only now is the peer's silence judged.
    Read,
    /// A write was not taken, and nothing was read.
    Write,
}

/// Output is written at the latest when this much waits.
pub(super) const CORK: usize = 16 * 1024;

/// Input is read directly into a message if this much of it is missing.
const DIRECT: usize = 16 * 1024;

/// After so many events, or so many KiB of input, other tasks get their turn.
const FAIR: usize = 64;

/// What a handler of events decides, and what it leaves.
struct Fed<T> {
    left: usize,
    value: Option<T>,
}

impl<I: Io> Pump<I> {
    pub(super) fn new(io: I, connection: Connection, unread: Vec<u8>) -> Self {
        Self {
            io,
            connection,
            unread: Unread {
                bytes: unread,
                at: 0,
            },
            unflushed: false,
            input: Input::Open,
            output: Output::Open,
            reason: None,
            ended: Ended::Not,
            work: 0,
            armed: None,
        }
    }

    /// Hands events to `handle` until it breaks. `None` is the end; a failure is
    /// reported once before that.
    pub(super) fn poll_events<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut handle: impl FnMut(&mut Connection, Event<'_>) -> ControlFlow<T>,
    ) -> Poll<Result<Option<T>, Error<I::Error>>> {
        if self.is_over() {
            return Poll::Ready(Ok(None));
        }
        // It stays the end if `handle` panics: the input at hand is lost then.
        self.ended = Ended::Reported;
        let poll = match self.at_hand(cx, &mut handle) {
            Ok(None) => self.with_scratch(|pump, read| pump.turn(cx, read, &mut handle)),
            at_hand => Poll::Ready(at_hand),
        };
        if poll.is_pending() {
            self.work = 0;
        }
        if matches!(poll, Poll::Pending | Poll::Ready(Ok(Some(_)))) {
            self.ended = Ended::Not;
        }
        poll
    }

    /// Hands out what was read before, which takes no buffer. `None` if that is
    /// not enough.
    fn at_hand<T>(
        &mut self,
        cx: &mut Context<'_>,
        handle: &mut impl FnMut(&mut Connection, Event<'_>) -> ControlFlow<T>,
    ) -> Result<Option<T>, Error<I::Error>> {
        match self.has_input() && self.work < FAIR {
            true => self.feed_unread(cx, self.io.now(), handle),
            false => Ok(None),
        }
    }

    /// Lends the thread's buffers for the length of `work`.
    fn with_scratch<R>(&mut self, work: impl FnOnce(&mut Self, &mut [u8]) -> R) -> R {
        let mut scratch = scratch::take();
        let write = core::mem::take(&mut scratch.write);
        let kept = self.connection.lend_output(write);
        self.connection.swap_spare(&mut scratch.spare);
        let result = work(self, &mut scratch.read);
        // Whatever it had before, a connection that waits keeps none.
        scratch.spare = self.connection.take_spare();
        let write = self.connection.reclaim_output().or(kept);
        scratch.write = write.unwrap_or_default();
        scratch::give_back(scratch);
        result
    }

    fn turn<T>(
        &mut self,
        cx: &mut Context<'_>,
        read: &mut [u8],
        handle: &mut impl FnMut(&mut Connection, Event<'_>) -> ControlFlow<T>,
    ) -> Poll<Result<Option<T>, Error<I::Error>>> {
        let now = self.io.now();
        if self.connection.is_open() && self.io.poll_going_away(cx).is_ready() {
            // An open connection takes a Close without a reason.
            let _ = self.connection.close(CloseCode::GOING_AWAY, "");
        }
        while self.work < FAIR {
            if let Some(value) = self.feed_unread(cx, now, handle)? {
                return Poll::Ready(Ok(Some(value)));
            }
            let written = self.poll_write(cx)?;
            if self.poll_end(cx, written).is_ready() {
                return Poll::Ready(self.end());
            }
            if self.has_input() {
                if !self.connection.has_room() {
                    ready!(self.poll_idle(cx, now, Wait::Write));
                }
                continue;
            }
            match self.poll_read(cx, now, read, handle)? {
                Poll::Ready(Some(value)) => return Poll::Ready(Ok(Some(value))),
                Poll::Ready(None) => {}
                Poll::Pending => ready!(self.poll_idle(cx, now, Wait::Read)),
            }
        }
        let _ = self.poll_write(cx)?;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether there is something to hand out as soon as there is room.
    fn has_input(&self) -> bool {
        !self.unread.is_empty() || self.connection.has_event()
    }

    /// Hands out what was read before.
    #[inline]
    fn feed_unread<T>(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        handle: &mut impl FnMut(&mut Connection, Event<'_>) -> ControlFlow<T>,
    ) -> Result<Option<T>, Error<I::Error>> {
        match self.has_input() {
            true => self.feed_what_is_unread(cx, now, handle),
            false => Ok(None),
        }
    }

    fn feed_what_is_unread<T>(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        handle: &mut impl FnMut(&mut Connection, Event<'_>) -> ControlFlow<T>,
    ) -> Result<Option<T>, Error<I::Error>> {
        let mut unread = core::mem::take(&mut self.unread);
        let input = unread.bytes.get_mut(unread.at..).unwrap_or_default();
        let fed = self.feed(cx, now, input, handle)?;
        if fed.left > 0 {
            unread.at = unread.bytes.len() - fed.left;
            self.unread = unread;
        }
        Ok(fed.value)
    }

    /// Hands out events until the input is used up, `handle` breaks, the output is
    /// full, or others should have their turn.
    fn feed<T>(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        mut input: &mut [u8],
        handle: &mut impl FnMut(&mut Connection, Event<'_>) -> ControlFlow<T>,
    ) -> Result<Fed<T>, Error<I::Error>> {
        let mut turns = FAIR;
        while turns > 0 && (!input.is_empty() || self.connection.has_event()) {
            let Progress { event, rest } = self.connection.handle_input(now, input);
            input = rest;
            turns -= 1;
            match event {
                Some(Event::Closed(reason)) => self.reason = Some(reason.into_owned()),
                Some(event) => {
                    self.work += 1;
                    if let ControlFlow::Break(value) = handle(&mut self.connection, event) {
                        return Ok(Fed {
                            left: input.len(),
                            value: Some(value),
                        });
                    }
                }
                None if input.is_empty() => break,
                None => {
                    // Paused: the output has to make room first.
                    let _ = self.poll_write(cx)?;
                    if !self.connection.has_room() {
                        break;
                    }
                }
            }
            if self.connection.wants_write(CORK) {
                let _ = self.poll_write(cx)?;
            }
        }
        Ok(Fed {
            left: input.len(),
            value: None,
        })
    }

    /// Reads once, and hands out what came.
    #[allow(clippy::type_complexity, reason = "a poll inside a result, for `?`")]
    fn poll_read<T>(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        read: &mut [u8],
        handle: &mut impl FnMut(&mut Connection, Event<'_>) -> ControlFlow<T>,
    ) -> Result<Poll<Option<T>>, Error<I::Error>> {
        if self.input == Input::Eof {
            return Ok(Poll::Pending);
        }
        if let Some(space) = self.connection.input_space(DIRECT) {
            let Poll::Ready(n) = self.io.poll_read(cx, space) else {
                return Ok(Poll::Pending);
            };
            let n = self.took(n)?;
            let event = match n {
                0 => self.eof(now),
                n => self.connection.input_filled(now, n),
            };
            return Ok(Poll::Ready(self.hand_over(event, handle)));
        }
        let Poll::Ready(n) = self.io.poll_read(cx, read) else {
            return Ok(Poll::Pending);
        };
        let n = self.took(n)?;
        if n == 0 {
            let event = self.eof(now);
            return Ok(Poll::Ready(self.hand_over(event, handle)));
        }
        let input = read.get_mut(..n).unwrap_or_default();
        let Fed { left, value } = self.feed(cx, now, input, handle)?;
        if left > 0 {
            self.unread = Unread {
                bytes: input.get(input.len() - left..).unwrap_or_default().into(),
                at: 0,
            };
        }
        Ok(Poll::Ready(value))
    }

    fn hand_over<T>(
        &mut self,
        event: Option<Event<'static>>,
        handle: &mut impl FnMut(&mut Connection, Event<'_>) -> ControlFlow<T>,
    ) -> Option<T> {
        match event? {
            Event::Closed(reason) => self.reason = Some(reason),
            event => {
                self.work += 1;
                return handle(&mut self.connection, event).break_value();
            }
        }
        None
    }

    fn eof(&mut self, now: Instant) -> Option<Event<'static>> {
        self.input = Input::Eof;
        self.connection.handle_eof(now)
    }

    /// What a read took. A transport that fails after the end has only ended.
    #[inline]
    fn took(&mut self, read: Result<usize, I::Error>) -> Result<usize, Error<I::Error>> {
        match read {
            Ok(n) => {
                self.work += n / 1024;
                Ok(n)
            }
            Err(_) if self.reason.is_some() => Ok(0),
            Err(error) => {
                self.connection.abandon();
                Err(Error::Io(error))
            }
        }
    }

    /// The end: a clean one is no error.
    fn end<T>(&self) -> Result<Option<T>, Error<I::Error>> {
        match &self.reason {
            Some(reason) if !reason.is_clean() => Err(Error::Ended(reason.clone())),
            _ => Ok(None),
        }
    }

    /// The next whole message, with storage of its own.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message<'static>>, Error<I::Error>>> {
        self.connection.set_receive(Receive::Messages);
        self.poll_events(cx, |_, event| match event {
            Event::Message(message) => ControlFlow::Break(message.into_owned()),
            _ => ControlFlow::Continue(()),
        })
    }

    /// The next chunk of a message, with storage of its own.
    pub(super) fn poll_next_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Chunk<'static>>, Error<I::Error>>> {
        self.connection.set_receive(Receive::Chunks);
        self.poll_events(cx, |_, event| match event {
            Event::Chunk(chunk) => ControlFlow::Break(chunk.into_owned()),
            Event::Message(message) => ControlFlow::Break(Chunk {
                kind: message.kind(),
                first: true,
                last: true,
                bytes: message.into_owned().into_bytes(),
            }),
            _ => ControlFlow::Continue(()),
        })
    }

    /// Goes on until the transport can be dropped; what still arrives is discarded.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error<I::Error>>> {
        self.poll_events(cx, |_, _| ControlFlow::<()>::Continue(()))
            .map_ok(drop)
    }

    /// Whether the end has been reported.
    pub(super) fn is_over(&self) -> bool {
        self.ended == Ended::Reported
    }

    /// Whether anything is queued, or perhaps held back by the transport.
    pub(super) fn has_output(&self) -> bool {
        self.connection.has_output() || self.unflushed
    }

    /// Whether there is nothing to write to any more.
    fn is_done(&self) -> bool {
        self.is_over() || self.connection.is_abandoned()
    }
}

impl Unread {
    fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// What is left, without what was handed out.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.drain(..self.at.min(self.bytes.len()));
        self.bytes
    }
}
