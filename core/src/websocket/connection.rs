//! An open WebSocket connection: RFC 6455 sections 5 to 7.
//!
//! [`Connection`] turns input into events, and commands into output. It is
//! built from a role and a configuration alone, so it serves whatever the
//! handshake was made with.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

use super::assembly::Assembly;
use super::close::MAX_REASON;
use super::decoder::{Decoder, Piece, Step};
use super::frame::{Expect, Header, MAX_CONTROL, MAX_HEADER, Whole};
use super::liveness::{Due, Liveness};
use super::state::{Ending, State};
use super::{
    CloseCode, CloseFrame, Config, Event, Kind, Mask, Message, Opcode, Reason, Receive, Role,
    SendError, Timer, Violation,
};
use crate::outbox::{Outbox, OutputBuffer, SLICES, Slot};
use crate::utf8::{self, Utf8};
use crate::{Instant, Progress};

/// One end of a WebSocket connection, after the handshake.
///
/// # The loop
///
/// 1. When bytes have arrived, call [`handle_input`](Self::handle_input) until
///    it leaves none, and handle each event. Replies may be sent at once: an
///    event borrows the input and not the connection.
/// 2. Write what [`poll_transmit`](Self::poll_transmit) gives, and report how
///    much of it was taken to [`advance_transmit`](Self::advance_transmit),
///    until there is nothing more. Do so between two steps over the input as
///    well where [`is_urgent`](Self::is_urgent) says so.
/// 3. When there is nothing to read, or a write was not taken, call
///    [`handle_timeout`](Self::handle_timeout), and again at the instant that
///    [`poll_timeout`](Self::poll_timeout) names.
/// 4. At the end of input call [`handle_eof`](Self::handle_eof). Stop when
///    [`is_finished`](Self::is_finished).
///
/// ```
/// use sockeye::websocket::{Config, Connection, Event, Role, SLICES};
/// use sockeye::{Instant, Progress};
///
/// let now = Instant::ZERO;
/// let mut connection = Connection::new(Role::Server, Config::default(), now);
/// let mut read = *b"\x81\x82\0\0\0\0hi";
///
/// let mut input = &mut read[..];
/// loop {
///     let Progress { event, rest } = connection.handle_input(now, input);
///     match event {
///         Some(Event::Message(message)) => connection.send(message)?,
///         Some(_) => {}
///         None => break,
///     }
///     input = rest;
/// }
///
/// let mut slices = [&[][..]; SLICES];
/// let n = connection.poll_transmit(&mut slices);
/// assert_eq!(slices[..n].concat(), b"\x81\x02hi");
/// connection.advance_transmit(4);
/// # Ok::<(), sockeye::websocket::SendError>(())
/// ```
///
/// # What it promises
///
/// No input makes it panic or return an error. A peer that breaks a rule gets
/// one Close with the code for it, and [`Event::Closed`] follows every message
/// that was whole before. Cutting the input elsewhere changes nothing but the
/// borders of chunks. Memory follows the bytes received.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    state: State,
    receive: Receive,
    sending: Sending,
    decoder: Decoder,
    assembly: Assembly,
    /// Storage for the next message that has to be collected.
    spare: Vec<u8>,
    outbox: Outbox,
    liveness: Liveness,
    stats: Stats,
    config: Arc<Config>,
}

/// An idle connection is a few hundred bytes, and this is most of them.
const _: () = assert!(core::mem::size_of::<Connection>() <= 384);

/// What a connection has done so far. Counters wrap around at 2^64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Frames received.
    pub frames_in: u64,
    /// Frames queued to be sent.
    pub frames_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Keepalive pings queued.
    pub pings: u64,
    /// From the latest keepalive ping to its pong.
    pub round_trip: Option<Duration>,
}

/// The message that is being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sending {
    /// None is: whole messages may be sent.
    Whole,
    /// One in parts, none of which was sent.
    Begun(Kind),
    /// One in parts, some of which were sent.
    Parts(Kind, Utf8),
}

impl Connection {
    /// A connection whose handshake is done.
    ///
    /// `config` is a [`Config`], or an `Arc` of one that many connections share.
    pub fn new(role: Role, config: impl Into<Arc<Config>>, now: Instant) -> Self {
        let config = config.into();
        Self {
            role,
            state: State::Open,
            receive: config.receive,
            sending: Sending::Whole,
            decoder: Decoder::default(),
            assembly: Assembly::default(),
            spare: Vec::new(),
            outbox: Outbox::default(),
            liveness: Liveness::new(now),
            stats: Stats::default(),
            config,
        }
    }

    /// Takes one step over the bytes that arrived.
    ///
    /// Payload is unmasked in place; see [`Progress`] for what the answer means.
    /// Input is left unread, without an event, while as much output waits as
    /// [`Config::max_outgoing`] allows. After [`Event::Closed`] it is discarded.
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

    /// Time has come to `now`, and there is nothing to read.
    ///
    /// Sends a keepalive ping that is due, and gives up a peer that is silent or
    /// takes no bytes. Too early a call only notes whether output is stuck, so
    /// call it whenever a write was not taken.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Event<'static>> {
        let silence = self.handle_blocked(now).or_else(|| self.judge(now));
        self.observe(now);
        silence
    }

    /// When [`handle_timeout`](Self::handle_timeout) has to be called, at the latest.
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let blocked = self.poll_blocked();
        match self.is_judged() {
            true => Instant::earlier(blocked, self.liveness.next(&self.config)),
            false => blocked,
        }
    }

    /// Whether the connection is open and waits for nothing but a new message.
    /// While it is, [`handle_timeout`](Self::handle_timeout) before a deadline does
    /// nothing, and deadlines only move later.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        self.state.is_open() && self.outbox.is_empty() && self.liveness.is_settled()
    }

    /// As [`handle_timeout`](Self::handle_timeout) where nothing was read, as
    /// while a message waits for room: the peer may be slow to take bytes, but
    /// its silence is not judged.
    pub fn handle_blocked(&mut self, now: Instant) -> Option<Event<'static>> {
        let event = self.close_overdue(now).or_else(|| self.stalled(now));
        self.observe(now);
        event
    }

    /// When [`handle_blocked`](Self::handle_blocked) has to be called, at the latest.
    #[inline]
    pub fn poll_blocked(&self) -> Option<Instant> {
        if self.state == State::Finished {
            return None;
        }
        Instant::earlier(self.state.deadline(), self.liveness.stall(&self.config))
    }

    /// Sends a message.
    ///
    /// Text, bytes, a [`Message`] or a reference to one. An owned payload of
    /// more than 4 KiB is not copied.
    ///
    /// # Errors
    ///
    /// [`Closing`](SendError::Closing), [`Full`](SendError::Full),
    /// [`Unfinished`](SendError::Unfinished) or
    /// [`NoMaskKey`](SendError::NoMaskKey); nothing was queued then.
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        let opcode = message.kind().opcode();
        self.may_send_whole()?;
        match message.into_bytes() {
            Cow::Owned(bytes) if bytes.len() > COPIED => self.send_owned(opcode, bytes),
            bytes => self.send_frame(true, opcode, &bytes),
        }
    }

    /// Sends a binary message whose payload is shared with others. A server does
    /// not copy it if it has more than 4 KiB.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_bytes(&mut self, payload: Bytes) -> Result<(), SendError> {
        self.may_send_whole()?;
        match &self.role {
            Role::Server if payload.len() > COPIED => {
                self.share(Header::new(Opcode::Binary, payload.len() as u64), payload);
                Ok(())
            }
            _ => self.send_frame(true, Opcode::Binary, &payload),
        }
    }

    /// Begins a message that is sent in parts, each a frame (section 5.4).
    ///
    /// # Errors
    ///
    /// [`Closing`](SendError::Closing) or [`Unfinished`](SendError::Unfinished).
    pub fn start(&mut self, kind: Kind) -> Result<(), SendError> {
        self.may_send_whole().or_else(|error| match error {
            SendError::Full => Ok(()),
            error => Err(error),
        })?;
        self.sending = Sending::Begun(kind);
        Ok(())
    }

    /// Sends a part of the message that [`start`](Self::start) began. The last
    /// one has `fin`. Text may be cut inside a code point.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), [`NotStarted`](SendError::NotStarted) and
    /// [`InvalidUtf8`](SendError::InvalidUtf8).
    pub fn part(&mut self, payload: &[u8], fin: bool) -> Result<(), SendError> {
        self.may_send()?;
        let (kind, mut utf8, opcode) = match self.sending {
            Sending::Whole => return Err(SendError::NotStarted),
            Sending::Begun(kind) => (kind, Utf8::default(), kind.opcode()),
            Sending::Parts(kind, utf8) => (kind, utf8, Opcode::Continuation),
        };
        if kind == Kind::Text {
            utf8.push(payload).map_err(|_| SendError::InvalidUtf8)?;
            if fin && !utf8.is_complete() {
                return Err(SendError::InvalidUtf8);
            }
        }
        self.send_frame(fin, opcode, payload)?;
        self.sending = match fin {
            true => Sending::Whole,
            false => Sending::Parts(kind, utf8),
        };
        Ok(())
    }

    /// Sends a ping of at most 125 bytes.
    ///
    /// # Errors
    ///
    /// [`Full`](SendError::Full) while an earlier one waits to be written, and
    /// [`ControlTooLong`](SendError::ControlTooLong),
    /// [`Closing`](SendError::Closing), [`NoMaskKey`](SendError::NoMaskKey).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.may_send_control(payload)?;
        if self.outbox.holds(Slot::Ping) {
            return Err(SendError::Full);
        }
        self.send_control(Slot::Ping, payload)
    }

    /// Sends a pong of at most 125 bytes, in the place of one that waits.
    ///
    /// # Errors
    ///
    /// As [`ping`](Self::ping), but never [`Full`](SendError::Full).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.may_send_control(payload)?;
        self.send_control(Slot::Pong, payload)
    }

    /// Begins the closing handshake, behind what is queued already.
    ///
    /// Messages still arrive until the peer answers. Does nothing, and succeeds,
    /// if the connection is closing or closed.
    ///
    /// # Errors
    ///
    /// [`ReasonTooLong`](SendError::ReasonTooLong) beyond 123 bytes, and
    /// [`NoMaskKey`](SendError::NoMaskKey).
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), SendError> {
        if reason.len() > MAX_REASON {
            return Err(SendError::ReasonTooLong);
        }
        if !self.state.is_open() {
            return Ok(());
        }
        self.queue_close(Some(code), reason)?;
        self.state.close();
        Ok(())
    }

    /// Chooses how messages are handed over, from the next one on.
    pub fn set_receive(&mut self, receive: Receive) {
        self.receive = receive;
    }

    /// How messages are handed over, from the next one on.
    pub fn receive(&self) -> Receive {
        self.receive
    }

    /// What to write next: fills `out` from the front and returns how many
    /// slices there are, none if there is nothing to write.
    ///
    /// Call no other method before [`advance_transmit`](Self::advance_transmit).
    #[inline]
    pub fn poll_transmit<'a>(&'a mut self, out: &mut [&'a [u8]; SLICES]) -> usize {
        self.outbox.slices(out)
    }

    /// The transport took the first `n` bytes of the slices.
    #[inline]
    pub fn advance_transmit(&mut self, n: usize) {
        if n > 0 {
            self.outbox.advance(n);
            self.liveness.written();
            self.stats.bytes_out = self.stats.bytes_out.wrapping_add(n as u64);
        }
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

    /// Exchanges what [`reuse`](Self::reuse) left, as the driver does at both
    /// ends of a poll.
    #[inline]
    pub(crate) fn swap_spare(&mut self, spare: &mut Vec<u8>) {
        core::mem::swap(&mut self.spare, spare);
    }

    /// Lends storage for output, until [`reclaim_output`](Self::reclaim_output).
    /// It comes back at once if output waits already.
    #[inline]
    pub fn lend_output(&mut self, buffer: OutputBuffer) -> Option<OutputBuffer> {
        self.outbox.lend(buffer)
    }

    /// Takes back what was lent. Output that still waits is moved into storage
    /// of its own.
    #[inline]
    pub fn reclaim_output(&mut self) -> Option<OutputBuffer> {
        self.outbox.reclaim()
    }

    /// Whether a message would be accepted, and input handed out.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.outbox.queued() < self.config.max_outgoing.max(1)
    }

    /// Whether a ping or a pong waits, which should be offered to the transport
    /// before the next step over the input: the next ping's pong takes its place.
    pub fn is_urgent(&self) -> bool {
        self.outbox.is_urgent()
    }

    /// Whether something urgent waits, or `cork` bytes and more.
    #[inline]
    pub(crate) fn wants_write(&self, cork: usize) -> bool {
        self.outbox.queued() >= cork || self.outbox.is_urgent()
    }

    /// Whether `handle_input` has an event to give without any input.
    #[inline]
    pub(crate) fn has_event(&self) -> bool {
        self.assembly.is_broken()
    }

    /// The transport cannot be written to any more.
    pub(crate) fn abandon(&mut self) {
        self.state.finish();
    }

    /// Whether nothing more will be written or waited for.
    #[inline]
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state == State::Finished
    }

    /// Whether a ping of the application's waits to be written.
    #[cfg(feature = "std")]
    pub(crate) fn has_ping(&self) -> bool {
        self.outbox.holds(Slot::Ping)
    }

    /// Whether no message in parts is unfinished.
    #[cfg(feature = "std")]
    pub(crate) fn is_between_messages(&self) -> bool {
        self.sending == Sending::Whole
    }

    /// Whether anything waits to be written.
    #[inline]
    pub fn has_output(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// How many bytes of messages wait to be written.
    pub fn buffered_amount(&self) -> usize {
        self.outbox.queued()
    }

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// Whether [`Event::Closed`] was given.
    pub fn is_closed(&self) -> bool {
        self.state.is_closed()
    }

    /// Whether everything is written that ever will be, and the transport should
    /// be shut down for writing. A client leaves that to the server first.
    #[inline]
    pub fn ends_writing(&self) -> bool {
        self.state.ends_writing() && (self.outbox.is_empty() || self.is_finished())
    }

    /// Whether the transport can be dropped.
    pub fn is_finished(&self) -> bool {
        self.state == State::Finished || (self.state.is_finished() && self.outbox.is_empty())
    }

    /// What the connection has done so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Its limits and deadlines.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// Receiving.
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
    fn violation(&mut self, now: Instant, violation: Violation) -> Event<'static> {
        if self.state.is_open() {
            let _ = self.queue_close(Some(violation.close_code()), "");
        }
        self.end(now, Reason::Violation(violation), Ending::Linger)
    }

    /// Gives the last event, and lets go of what was being received.
    fn end<'i>(&mut self, now: Instant, reason: Reason<'i>, ending: Ending) -> Event<'i> {
        self.assembly = Assembly::default();
        self.decoder = Decoder::default();
        self.state.end(ending, now.after(self.config.close_timeout));
        Event::Closed(reason)
    }
}

/// Time.
impl Connection {
    /// Silence is not judged while closing, nor while the input is left alone.
    fn is_judged(&self) -> bool {
        self.state.is_open() && self.has_room()
    }

    /// The end if the peer has not answered our Close in time.
    fn close_overdue(&mut self, now: Instant) -> Option<Event<'static>> {
        let overdue = self.state.expire(now, self.config.close_timeout);
        overdue.then(|| self.give_up(now, Timer::Close))
    }

    /// The end if the transport has taken no bytes for too long.
    fn stalled(&mut self, now: Instant) -> Option<Event<'static>> {
        let stall = self.liveness.stall(&self.config);
        if stall.is_none_or(|at| at > now) {
            return None;
        }
        if self.state.is_closed() {
            self.state.finish();
            return None;
        }
        Some(self.give_up(now, Timer::Stalled))
    }

    /// Judges the peer's silence.
    fn judge(&mut self, now: Instant) -> Option<Event<'static>> {
        if !self.is_judged() {
            return None;
        }
        match self.liveness.due(now, &self.config) {
            Some(due) => self.due(now, due),
            None => None,
        }
    }

    /// Notes what has become of the output.
    fn observe(&mut self, now: Instant) {
        let (waits, ping) = (!self.outbox.is_empty(), self.outbox.holds(Slot::Keepalive));
        self.liveness.observe(now, waits, ping);
    }

    fn due(&mut self, now: Instant, due: Due) -> Option<Event<'static>> {
        match due {
            Due::Ping => {
                let payload = self.liveness.ping(now);
                self.stats.pings = self.stats.pings.wrapping_add(1);
                match self.send_control(Slot::Keepalive, &payload) {
                    Ok(()) => None,
                    Err(_) => Some(self.end(now, Reason::NoMaskKey, Ending::Write)),
                }
            }
            Due::Message => Some(self.violation(now, Violation::MessageTooSlow)),
            Due::End(timer) => {
                let code = match timer {
                    Timer::Idle => CloseCode::GOING_AWAY,
                    _ => CloseCode::INTERNAL_ERROR,
                };
                let _ = self.queue_close(Some(code), "");
                Some(self.end(now, Reason::Timeout(timer), Ending::Write))
            }
        }
    }

    /// The peer answers nothing and takes nothing: nothing more is tried.
    fn give_up(&mut self, now: Instant, timer: Timer) -> Event<'static> {
        let event = self.end(now, Reason::Timeout(timer), Ending::Write);
        self.state.finish();
        event
    }
}

/// Sending.
impl Connection {
    #[inline]
    fn may_send(&self) -> Result<(), SendError> {
        if !self.state.is_open() {
            Err(SendError::Closing)
        } else if !self.has_room() {
            Err(SendError::Full)
        } else {
            Ok(())
        }
    }

    #[inline]
    fn may_send_whole(&self) -> Result<(), SendError> {
        match self.sending {
            Sending::Whole => self.may_send(),
            _ if !self.state.is_open() => Err(SendError::Closing),
            _ => Err(SendError::Unfinished),
        }
    }

    fn may_send_control(&self, payload: &[u8]) -> Result<(), SendError> {
        if !self.state.is_open() {
            Err(SendError::Closing)
        } else if payload.len() > MAX_CONTROL {
            Err(SendError::ControlTooLong)
        } else {
            Ok(())
        }
    }

    /// The header with a fresh key where one is needed: section 5.3.
    #[inline]
    fn header(&mut self, opcode: Opcode, len: usize) -> Result<Header, SendError> {
        let header = Header::new(opcode, len as u64);
        match &mut self.role {
            Role::Server => Ok(header),
            Role::Client(source) => {
                let key = source.key().ok_or(SendError::NoMaskKey)?;
                Ok(header.masked(key))
            }
        }
    }

    /// Queues a frame with a payload that has to be copied.
    #[inline]
    fn send_frame(&mut self, fin: bool, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        let header = Header {
            fin,
            ..self.header(opcode, payload.len())?
        };
        if payload.len() > LARGE {
            let mut copy = Vec::with_capacity(payload.len());
            append(header.mask, payload, &mut copy);
            self.share(header, copy.into());
            return Ok(());
        }
        self.stats.frames_out = self.stats.frames_out.wrapping_add(1);
        self.outbox.copy(|out| {
            header.append(out);
            append(header.mask, payload, out);
        });
        Ok(())
    }

    /// Queues a message whose storage is ours now.
    fn send_owned(&mut self, opcode: Opcode, mut payload: Vec<u8>) -> Result<(), SendError> {
        let header = self.header(opcode, payload.len())?;
        if let Some(key) = header.mask {
            Mask::new(key).apply(&mut payload);
        }
        self.share(header, payload.into());
        Ok(())
    }

    fn share(&mut self, header: Header, payload: Bytes) {
        self.stats.frames_out = self.stats.frames_out.wrapping_add(1);
        self.outbox
            .share(header.encode(&mut [0; MAX_HEADER]), payload);
    }

    fn send_control(&mut self, slot: Slot, payload: &[u8]) -> Result<(), SendError> {
        let opcode = match slot {
            Slot::Pong => Opcode::Pong,
            Slot::Ping | Slot::Keepalive => Opcode::Ping,
            Slot::Close => Opcode::Close,
        };
        let header = self.header(opcode, payload.len())?;
        let mut masked = [0; MAX_CONTROL];
        let masked = masked.get_mut(..payload.len()).unwrap_or_default();
        masked.copy_from_slice(payload);
        if let Some(key) = header.mask {
            Mask::new(key).apply(masked);
        }
        let mut bytes = [0; MAX_HEADER];
        self.outbox
            .control(slot, [header.encode(&mut bytes), masked]);
        self.stats.frames_out = self.stats.frames_out.wrapping_add(1);
        Ok(())
    }

    fn queue_close(&mut self, code: Option<CloseCode>, reason: &str) -> Result<(), SendError> {
        let mut payload = [0; MAX_CONTROL];
        let code = code.map(|code| code.get().to_be_bytes());
        let said = code.iter().flatten().chain(reason.as_bytes());
        let mut len = 0;
        for (slot, byte) in payload.iter_mut().zip(said) {
            *slot = *byte;
            len += 1;
        }
        self.send_control(Slot::Close, payload.get(..len).unwrap_or_default())
    }
}

/// Appends a payload, masked where there is a key.
#[inline(always)]
fn append(key: Option<[u8; 4]>, payload: &[u8], out: &mut Vec<u8>) {
    match key {
        Some(key) => Mask::new(key).append(payload, out),
        None => out.extend_from_slice(payload),
    }
}

/// Owned and shared payloads up to this size are copied, so that they go out in
/// one run with their neighbours.
const COPIED: usize = 4 * 1024;

/// Borrowed payloads above this size get storage of their own.
const LARGE: usize = crate::outbox::SEGMENT;
