//! An open WebSocket connection: RFC 6455 sections 5 to 7.
//!
//! [`Connection`] turns input into events, and commands into output. It is
//! built from a role and a configuration alone, so it serves whatever the
//! handshake was made with.

mod receive;
mod send;
mod time;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::assembly::Assembly;
use super::decoder::Decoder;
use super::liveness::Liveness;
use super::state::State;
use super::{Config, Kind, Receive, Role};
use crate::Instant;
use crate::outbox::Outbox;
use crate::utf8::Utf8;

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
/// one Close with the code for it, and [`Event::Closed`](super::Event::Closed)
/// follows every message that was whole before. Cutting the input elsewhere
/// changes nothing but the borders of chunks. Memory follows the bytes received.
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

    /// Whether a message would be accepted, and input handed out.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.outbox.queued() < self.config.max_outgoing.max(1)
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

    /// Whether messages can be sent.
    pub fn is_open(&self) -> bool {
        self.state.is_open()
    }

    /// Whether [`Event::Closed`](super::Event::Closed) was given.
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
