//! Input to events: RFC 6455 sections 5 and 7.1.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::Connection;
use crate::outbox::Slot;
use crate::utf8;
use crate::websocket::assembly::Assembly;
use crate::websocket::decoder::{Decoder, Piece, Step};
use crate::websocket::frame::{Expect, Header, Whole};
use crate::websocket::state::Ending;
use crate::websocket::{CloseFrame, Event, Message, Opcode, Reason, Receive, Role, Violation};
use crate::{Instant, Progress};

/// Receiving.
impl Connection {
    /// Takes one step over the bytes that arrived.
    ///
    /// Payload is unmasked in place; see [`Progress`] for what the answer means.
    /// Input is left unread, without an event, while as much output waits as
    /// [`Config::max_outgoing`](crate::websocket::Config::max_outgoing) allows.
    /// After [`Event::Closed`] it is discarded.
    #[inline(always)]
    pub fn handle_input<'i>(
        &mut self,
        now: Instant,
        input: &'i mut [u8],
    ) -> Progress<'i, Event<'i>> {
        if !self.state.is_open() || !self.has_room() {
            return self.handle_input_unless_over(now, input);
        }
        match self.whole_message(now, input) {
            Ok(progress) => progress,
            Err(input) => self.steps(now, input),
        }
    }

    /// Room in the storage of a large binary message, to read into it directly
    /// and not by way of a buffer.
    ///
    /// Only offered for at least `least` bytes, and for at most as many as the
    /// message has already. Read into it, then call
    /// [`input_filled`](Self::input_filled).
    #[inline]
    pub fn input_space(&mut self, least: usize) -> Option<&mut [u8]> {
        match &self.decoder {
            Decoder::Payload(payload) => self.message_space(least, payload.left),
            _ => None,
        }
    }

    fn message_space(&mut self, least: usize, left: u64) -> Option<&mut [u8]> {
        if self.state.is_closed() || !self.has_room() {
            return None;
        }
        self.assembly.space(least, left)
    }

    /// The first `n` bytes of [`input_space`](Self::input_space) were read.
    pub fn input_filled(&mut self, now: Instant, n: usize) -> Option<Event<'static>> {
        let Decoder::Payload(payload) = &mut self.decoder else {
            return None;
        };
        let bytes = self.assembly.filled(n);
        let n = bytes.len();
        if n == 0 || self.state.is_closed() {
            return None;
        }
        let end = payload.unmask(bytes);
        if payload.left == 0 {
            self.decoder = Decoder::default();
        }
        self.stats.bytes_in = self.stats.bytes_in.wrapping_add(n as u64);
        self.liveness.data(now);
        let event = self.assembly.advance(n, end);
        self.liveness.message(now, self.assembly.is_open());
        event.or_else(|| self.close_overdue(now))
    }

    /// The transport has no more input. Calling again changes nothing.
    pub fn handle_eof(&mut self, now: Instant) -> Option<Event<'static>> {
        if !self.state.end_of_input() {
            return None;
        }
        let event = match self.has_event() {
            true => self.violation(now, Violation::InvalidUtf8),
            false => self.end(now, Reason::Eof, Ending::Write),
        };
        // Whatever the end is, there is no input to wait for.
        self.state.end_of_input();
        Some(event)
    }

    /// Chooses how messages are handed over, from the next one on.
    pub fn set_receive(&mut self, receive: Receive) {
        self.receive = receive;
    }

    /// How messages are handed over, from the next one on.
    pub fn receive(&self) -> Receive {
        self.receive
    }

    /// Gives back a message that is done with: the next one of about its size is
    /// collected in the same storage, without an allocation.
    ///
    /// Only what was collected has storage, which is a message that spans reads;
    /// a text's is not used. It is kept until the next such message, or until
    /// [`take_spare`](Self::take_spare).
    pub fn reuse(&mut self, message: Message<'_>) {
        if let Message::Binary(Cow::Owned(storage)) = message {
            self.spare = storage;
        }
    }

    /// Takes the storage that [`reuse`](Self::reuse) left, so that a connection
    /// that waits holds none. `reuse` brings it back, to this connection or to
    /// another one.
    pub fn take_spare(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.spare)
    }

    /// Exchanges what [`reuse`](Self::reuse) left, as the driver does at the
    /// beginning of a poll; at its end it takes it.
    #[inline]
    pub(crate) fn swap_spare(&mut self, spare: &mut Vec<u8>) {
        if self.spare.capacity() > 0 || spare.capacity() > 0 {
            core::mem::swap(&mut self.spare, spare);
        }
    }

    /// Whether `handle_input` has an event to give without any input.
    #[inline]
    pub(crate) fn has_event(&self) -> bool {
        self.assembly.is_broken()
    }
}

impl Connection {
    /// The fast path: a whole unfragmented message at the beginning of the input,
    /// and nothing pending. Anything else is left to [`steps`](Self::steps),
    /// which gives the same.
    #[inline(always)]
    fn whole_message<'i>(
        &mut self,
        now: Instant,
        input: &'i mut [u8],
    ) -> Result<Progress<'i, Event<'i>>, &'i mut [u8]> {
        let idle = self.decoder.is_at_border() && !self.assembly.is_open();
        if !idle || self.receive != Receive::Messages {
            return Err(input);
        }
        let masked = matches!(self.role, Role::Server);
        let Some(Whole {
            text,
            start,
            len,
            mask,
        }) = Whole::decode(input, masked)
        else {
            return Err(input);
        };
        if len > self.config.max_message || input.len() < start + len {
            return Err(input);
        }
        let (frame, rest) = input.split_at_mut(start + len);
        let payload = frame.get_mut(start..).unwrap_or_default();
        if let Some(mut mask) = mask {
            mask.apply(payload);
        }
        self.stats.frames_in = self.stats.frames_in.wrapping_add(1);
        self.stats.bytes_in = self.stats.bytes_in.wrapping_add((start + len) as u64);
        self.liveness.data(now);
        let message = if !text {
            Message::from(&*payload)
        } else if let Ok(text) = utf8::validate(payload) {
            Message::from(text)
        } else {
            let event = self.violation(now, Violation::InvalidUtf8);
            return Ok(Progress::event(event, &mut []));
        };
        Ok(Progress::event(Event::Message(message), rest))
    }

    /// The rare states in which input is discarded, left alone, or handed out
    /// against a deadline.
    #[cold]
    fn handle_input_unless_over<'i>(
        &mut self,
        now: Instant,
        input: &'i mut [u8],
    ) -> Progress<'i, Event<'i>> {
        if self.state.is_closed() {
            // A peer that goes on sending does not hold up the end.
            self.close_overdue(now);
            return Progress::none(&mut []);
        }
        if let Some(event) = self.close_overdue(now) {
            return Progress::event(event, &mut []);
        }
        if !self.has_room() {
            return Progress::none(input);
        }
        self.steps(now, input)
    }

    /// The general path: input cut anywhere, fragments, control frames, chunks.
    fn steps<'i>(&mut self, now: Instant, mut input: &'i mut [u8]) -> Progress<'i, Event<'i>> {
        if self.has_event() {
            let event = self.violation(now, Violation::InvalidUtf8);
            return Progress::event(event, &mut []);
        }
        loop {
            let before = input.len();
            let (step, rest) = match self.decoder.step(input, &self.expect()) {
                Ok(step) => step,
                Err(violation) => return Progress::event(self.violation(now, violation), &mut []),
            };
            let taken = (before - rest.len()) as u64;
            self.stats.bytes_in = self.stats.bytes_in.wrapping_add(taken);
            input = rest;
            let event = match step {
                Step::More => return Progress::none(input),
                Step::Begin(header) => self.begin(now, header).map(|()| None),
                Step::Data(piece) => self.data(now, piece),
                Step::Control(opcode, payload) => {
                    self.stats.frames_in = self.stats.frames_in.wrapping_add(1);
                    self.control(now, opcode, payload)
                }
            };
            match event {
                Ok(Some(event)) if self.state.is_closed() => {
                    return Progress::event(event, &mut []);
                }
                Ok(Some(event)) => return Progress::event(event, input),
                Ok(None) => {}
                Err(violation) => return Progress::event(self.violation(now, violation), &mut []),
            }
        }
    }

    /// What the next header may be.
    fn expect(&self) -> Expect {
        let limit = match self.assembly.receive().unwrap_or(self.receive) {
            Receive::Messages => self.config.max_message as u64,
            Receive::Chunks => self.config.max_stream,
        };
        Expect {
            masked: Some(matches!(self.role, Role::Server)),
            // No extension is negotiated, so none owns a bit.
            rsv: 0,
            fragmented: Some(self.assembly.is_open()),
            max_payload: limit.saturating_sub(self.assembly.announced()),
        }
    }

    fn begin(&mut self, now: Instant, header: Header) -> Result<(), Violation> {
        self.stats.frames_in = self.stats.frames_in.wrapping_add(1);
        self.liveness.message(now, true);
        self.assembly.begin(&header, self.receive, &self.config)
    }

    fn data<'i>(&mut self, now: Instant, piece: Piece<'i>) -> Result<Option<Event<'i>>, Violation> {
        self.liveness.data(now);
        let event = self.assembly.push(piece, &mut self.spare)?;
        if !self.assembly.is_open() {
            self.liveness.message(now, false);
        }
        Ok(event)
    }

    fn control<'i>(
        &mut self,
        now: Instant,
        opcode: Opcode,
        payload: Cow<'i, [u8]>,
    ) -> Result<Option<Event<'i>>, Violation> {
        match opcode {
            Opcode::Close => self.closed_by_peer(now, payload).map(Some),
            // "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in
            // response, unless it already received a Close frame." (section 5.5.2)
            // "the endpoint MAY elect to send a Pong frame for only the most
            // recently processed Ping frame" (section 5.5.3)
            Opcode::Ping if self.config.auto_pong => {
                match self.send_control(Slot::Pong, &payload) {
                    Ok(()) => Ok(Some(Event::Ping(payload))),
                    Err(_) => Ok(Some(self.end(now, Reason::NoMaskKey, Ending::Write))),
                }
            }
            Opcode::Ping => Ok(Some(Event::Ping(payload))),
            _ => {
                let round_trip = self.liveness.pong(now, &payload);
                self.stats.round_trip = round_trip.or(self.stats.round_trip);
                Ok(Some(Event::Pong(payload)))
            }
        }
    }

    /// "If an endpoint receives a Close frame and did not previously send a
    /// Close frame, the endpoint MUST send a Close frame in response." (section 5.5.1)
    fn closed_by_peer<'i>(
        &mut self,
        now: Instant,
        payload: Cow<'i, [u8]>,
    ) -> Result<Event<'i>, Violation> {
        let frame = match payload {
            Cow::Borrowed(payload) => CloseFrame::decode(payload)?,
            Cow::Owned(payload) => CloseFrame::decode(&payload)?.map(CloseFrame::into_owned),
        };
        if self.state.is_open() {
            // Without a masking key the transport is closed without the answer.
            let _ = self.queue_close(frame.as_ref().map(|f| f.code), "");
        }
        let ending = match self.role {
            // "the server MUST close the TCP connection immediately", the client
            // "SHOULD wait for the server to close the connection" (section 7.1.1)
            Role::Server => Ending::Linger,
            Role::Client(_) => Ending::Await,
        };
        Ok(self.end(now, Reason::Closed(frame), ending))
    }

    /// Fails the connection: section 7.1.7.
    #[cold]
    pub(super) fn violation(&mut self, now: Instant, violation: Violation) -> Event<'static> {
        if self.state.is_open() {
            let _ = self.queue_close(Some(violation.close_code()), "");
        }
        self.end(now, Reason::Violation(violation), Ending::Linger)
    }

    /// Gives the last event, and lets go of what was being received.
    pub(super) fn end<'i>(
        &mut self,
        now: Instant,
        reason: Reason<'i>,
        ending: Ending,
    ) -> Event<'i> {
        self.assembly = Assembly::default();
        self.decoder = Decoder::default();
        self.state.end(ending, now.after(self.config.close_timeout));
        Event::Closed(reason)
    }
}
