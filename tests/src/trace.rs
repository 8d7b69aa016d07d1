//! A connection under a virtual clock, and all that it does.
//!
//! [`Bench`] is the loop that the documentation of `Connection` asks for,
//! without a transport: whatever is queued is taken after every step, unless a
//! test holds it back. It checks on the way what holds for every run: no event
//! after the last one, no step that does nothing for ever, no deadline that has
//! passed already, and whole frames in the output with one Close at the most.
//!
//! ```
//! use sockeye::websocket::{Config, Event, Message};
//! use sockeye_tests::hex::hex;
//! use sockeye_tests::trace::{Bench, Side};
//!
//! let mut bench = Bench::new(Side::Server, Config::default());
//! bench.feed(&hex("81 82 m0 'hi' 89 80 m0"));
//! assert_eq!(bench.trace.events[0], Event::Message(Message::from("hi")));
//! assert_eq!(bench.trace.output, hex("8a 00"));
//! ```

use core::time::Duration;

use serde::Deserialize;
use sockeye::websocket::{
    Config, Connection, Event, MaskSource, Message, Reason, Role, SLICES, Violation,
};
use sockeye::{Instant, Progress};

use crate::wire;

/// Which end the tested connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// It accepted the connection, and the input is a client's.
    Server,
    /// It opened the connection, and the input is a server's.
    Client,
}

impl Side {
    /// The role; a client has masking keys that count up.
    pub fn role(self) -> Role {
        match self {
            Self::Server => Role::Server,
            Self::Client => {
                let mut count = 0_u32;
                Role::Client(MaskSource::boxed(move || {
                    count += 1;
                    Some((count | 0x5a00_0000).to_be_bytes())
                }))
            }
        }
    }

    /// The other end.
    pub fn peer(self) -> Self {
        match self {
            Self::Server => Self::Client,
            Self::Client => Self::Server,
        }
    }
}

/// What a connection did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The events in their order. Chunks of one message are joined, since their
    /// borders say nothing.
    pub events: Vec<Event<'static>>,
    /// The bytes that were written.
    pub output: Vec<u8>,
    /// How many bytes of input there had been when the last event came.
    pub decided_at: Option<usize>,
}

impl Trace {
    /// How the connection ended, if it did.
    pub fn reason(&self) -> Option<&Reason<'static>> {
        match self.events.last() {
            Some(Event::Closed(reason)) => Some(reason),
            _ => None,
        }
    }

    /// The rule that the peer broke, if that was the end.
    pub fn violation(&self) -> Option<Violation> {
        match self.reason() {
            Some(Reason::Violation(violation)) => Some(*violation),
            _ => None,
        }
    }

    /// The whole messages.
    pub fn messages(&self) -> Vec<Message<'static>> {
        messages(&self.events)
    }

    /// The frames that were written.
    pub fn frames(&self) -> Vec<wire::Frame> {
        wire::frames(&self.output)
    }

    /// The code of the Close frame that was written: its two bytes, or 1005
    /// where it had none. `None` if no Close was written.
    pub fn close_sent(&self) -> Option<u16> {
        let close = self.frames().into_iter().find(|f| f.opcode() == 8)?;
        let code = close.payload.first_chunk().map(|c| u16::from_be_bytes(*c));
        Some(code.unwrap_or(1005))
    }

    /// The trace but for when it was decided and under which keys it was sent:
    /// what no cut of the input may change.
    pub fn essence(&self) -> (&[Event<'static>], Vec<u8>) {
        (&self.events, wire::plain(&self.output))
    }

    /// Adds an event; a chunk to the one before it, if that goes on.
    ///
    /// # Panics
    ///
    /// If a chunk continues nothing.
    pub fn push(&mut self, event: Event<'static>) {
        match (self.events.last_mut(), event) {
            (Some(Event::Chunk(open)), Event::Chunk(chunk)) if !open.last => {
                assert!(!chunk.first && chunk.kind == open.kind, "{chunk:?}");
                open.bytes.to_mut().extend_from_slice(&chunk.bytes);
                open.last = chunk.last;
            }
            (_, event) => self.events.push(event),
        }
    }
}

/// The whole messages among `events`.
pub fn messages(events: &[Event<'static>]) -> Vec<Message<'static>> {
    let message = |event: &Event<'static>| match event {
        Event::Message(message) => Some(message.clone()),
        _ => None,
    };
    events.iter().filter_map(message).collect()
}

/// A connection, its clock and its trace.
#[derive(Debug)]
pub struct Bench {
    /// The connection, for commands.
    pub connection: Connection,
    /// What time it is.
    pub now: Instant,
    /// What happened so far.
    pub trace: Trace,
    /// Whether the transport takes what is written.
    pub writable: bool,
    fed: usize,
}

impl Bench {
    /// An open connection at the beginning of time.
    pub fn new(side: Side, config: Config) -> Self {
        Self::with_role(side.role(), config)
    }

    /// The same with a source of masking keys of one's own.
    pub fn with_role(role: Role, config: Config) -> Self {
        Self {
            connection: Connection::new(role, config, Instant::ZERO),
            now: Instant::ZERO,
            trace: Trace::default(),
            writable: true,
            fed: 0,
        }
    }

    /// Takes input in, to its end. What is left is left because the connection
    /// is paused, which it can only be while nothing is written.
    pub fn feed(&mut self, input: &[u8]) -> Vec<u8> {
        self.fed += input.len();
        let mut input = input.to_vec();
        let mut rest = &mut input[..];
        let mut idle = 0;
        loop {
            let before = rest.len();
            let Progress { event, rest: left } = self.connection.handle_input(self.now, rest);
            let taken = before - left.len();
            let none = event.is_none();
            if let Some(event) = event {
                assert!(
                    !matches!(event, Event::Closed(_)) || left.is_empty(),
                    "input is left after the end"
                );
                push(&mut self.trace, event, self.fed);
            }
            rest = left;
            if self.writable {
                drain(&mut self.connection, &mut self.trace);
            }
            if none && rest.is_empty() {
                break;
            }
            if none && !self.connection.has_room() {
                assert!(taken == 0 && !self.writable);
                break;
            }
            idle = if taken == 0 { idle + 1 } else { 0 };
            assert!(idle < 3, "steps that take nothing");
        }
        let left = rest.to_vec();
        self.fed -= left.len();
        left
    }

    /// Ends the input.
    pub fn eof(&mut self) {
        let event = self.connection.handle_eof(self.now);
        self.take(event);
        assert_eq!(self.connection.handle_eof(self.now), None, "once is enough");
    }

    /// Lets `span` pass, with a call at every deadline in it.
    pub fn pass(&mut self, span: Duration) {
        let end = self.now.after(span);
        self.tick();
        while let Some(at) = self.connection.poll_timeout().filter(|at| *at <= end) {
            assert!(at > self.now, "a deadline that has passed");
            self.now = at;
            self.tick();
        }
        self.now = end;
        self.tick();
    }

    /// One call of `handle_timeout`, as after a read that found nothing.
    pub fn tick(&mut self) {
        let event = self.connection.handle_timeout(self.now);
        self.take(event);
        let next = self.connection.poll_timeout();
        assert!(next.is_none_or(|at| at > self.now), "{next:?} has passed");
    }

    /// Writes all that is queued.
    pub fn drain(&mut self) {
        drain(&mut self.connection, &mut self.trace);
    }

    /// Writes `n` bytes of what is queued, or less if it is less.
    pub fn write(&mut self, n: usize) -> Vec<u8> {
        let mut slices = [&[][..]; SLICES];
        let used = self.connection.poll_transmit(&mut slices);
        let mut bytes = slices[..used].concat();
        bytes.truncate(n);
        self.connection.advance_transmit(bytes.len());
        self.trace.output.extend(&bytes);
        bytes
    }

    fn take(&mut self, event: Option<Event<'static>>) {
        if let Some(event) = event {
            push(&mut self.trace, event, self.fed);
        }
        if self.writable {
            self.drain();
        }
    }
}

/// What a connection does with an input that comes in these chunks, and with
/// its end if `eof` says so.
pub fn run<'i>(
    side: Side,
    config: &Config,
    chunks: impl IntoIterator<Item = &'i [u8]>,
    eof: bool,
) -> Trace {
    let mut bench = Bench::new(side, config.clone());
    for chunk in chunks {
        bench.feed(chunk);
    }
    if eof {
        bench.eof();
    }
    let closes = bench.trace.frames();
    let closes = closes.iter().filter(|frame| frame.opcode() == 8).count();
    assert!(closes <= 1, "one Close at the most, not {closes}");
    bench.trace
}

fn push(trace: &mut Trace, event: Event<'_>, fed: usize) {
    assert!(trace.reason().is_none(), "{event:?} after the end");
    if matches!(event, Event::Closed(_)) {
        trace.decided_at = Some(fed);
    }
    trace.push(event.into_owned());
}

fn drain(connection: &mut Connection, trace: &mut Trace) {
    loop {
        let mut slices = [&[][..]; SLICES];
        let used = connection.poll_transmit(&mut slices);
        if used == 0 {
            break;
        }
        let bytes = slices[..used].concat();
        trace.output.extend(&bytes);
        connection.advance_transmit(bytes.len());
    }
    assert!(!connection.has_output());
}
